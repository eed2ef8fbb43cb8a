//! Signals that end a program, or make it read its configuration again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// Becomes true when the program is told to end (`SIGINT`, `SIGTERM`), and waiting for a socket is then interrupted. A
/// second such signal ends the program at once.
///
/// # Errors
/// If the system takes no handler.
pub fn on_end() -> io::Result<Arc<AtomicBool>> {
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: what is set by the first signal lets the second one end the program.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&end))?;
        signal_hook::flag::register(signal, Arc::clone(&end))?;
    }
    Ok(end)
}

/// Signals that are kept for a program that this one starts.
#[derive(Debug)]
pub struct Kept(Signals);

/// From now on, signals that would end this program are kept for another ([`Kept::pass_on`]).
///
/// # Errors
/// If the system takes no handler.
pub fn keep_for_child() -> io::Result<Kept> {
    Ok(Kept(Signals::new([SIGTERM, SIGHUP, SIGINT, SIGQUIT])?))
}

impl Kept {
    /// Gives the program with this number what was kept, and what comes. Those of a terminal's keys it has had itself.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn pass_on(mut self, pid: u32) -> io::Result<()> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return Ok(()) };
        let pass = move || {
            for signal in self.0.forever() {
                let _ = match signal {
                    SIGTERM => kill_process(pid, Signal::TERM),
                    SIGHUP => kill_process(pid, Signal::HUP),
                    _ => Ok(()),
                };
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(pass).map(drop)
    }
}

/// Becomes true when the program is told to read its configuration again (`SIGHUP`), and waiting for a socket is then
/// interrupted.
///
/// # Errors
/// If the system takes no handler.
pub fn on_reload() -> io::Result<Arc<AtomicBool>> {
    let reload = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&reload))?;
    Ok(reload)
}
