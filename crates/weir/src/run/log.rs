//! Lines of `log` without a group: to standard error, which is the journal under systemd.
//!
//! A thread writes, so that nobody waits for who reads them; beyond some thousand that wait they are lost, and that is told.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Lines that may wait.
const WAITING: usize = 4096;

static WRITER: OnceLock<SyncSender<(u8, String)>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts the thread.
///
/// # Errors
/// The system gives none.
pub(super) fn start() -> std::io::Result<()> {
    let (sender, lines) = sync_channel(WAITING);
    // systemd reads a level from the beginning of a line (`sd-daemon(3)`, `SyslogLevelPrefix=`).
    let levels = std::env::var_os("JOURNAL_STREAM").is_some();
    std::thread::Builder::new().name("log".into()).spawn(move || write(&lines, levels))?;
    // A second daemon of one process, which tests alone are, writes by the first one's thread.
    let _ = WRITER.set(sender);
    Ok(())
}

/// Takes a line. It never waits.
pub(super) fn line(level: u8, text: String) {
    if let Some(Err(TrySendError::Full(_))) = WRITER.get().map(|writer| writer.try_send((level, text))) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

fn write(lines: &Receiver<(u8, String)>, levels: bool) {
    while let Ok((level, text)) = lines.recv() {
        let mut out = std::io::stderr().lock();
        let lost = LOST.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{lost} lines of log were lost");
        }
        // A prefix may hold anything; a line is one line.
        let text = text.replace(|char: char| char.is_control(), "?");
        let _ = if levels { writeln!(out, "<{level}>{text}") } else { writeln!(out, "{text}") };
    }
}
