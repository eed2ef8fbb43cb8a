//! `weir top`: what passes now - connections by rate, rules by what they count, why packets end.
//!
//! ```text
//! daemon's socket, or the kernel's ─► sample ─► rows: two samples compared ─► page: text ─► screen, or standard output
//! ```

pub mod options;
pub mod page;
pub mod rows;
pub mod sample;
mod screen;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ironweir_client::connection::AskError;
use ironweir_client::conntrack::ConntrackError;
use ironweir_client::kernel::FetchError;
use ironweir_io::{Endpoint, NetlinkError, signal};

use self::options::{Options, Sort, View};
use self::sample::Source;
use self::screen::{Key, Screen};
use crate::cli::{complain, print, print_on};

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The daemon or the kernel cannot be spoken to.
    #[error(transparent)]
    Socket(#[from] NetlinkError),
    /// It does not list its connections.
    #[error(transparent)]
    Conntrack(#[from] ConntrackError),
    /// It does not tell its rules.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The terminal fails.
    #[error("{0}")]
    Terminal(#[from] io::Error),
}

/// Runs the command line.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            complain(&error.to_string());
            return ExitCode::from(1);
        }
        Err(help) => return print(&help.to_string()),
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("weir top: {error}\n"));
            ExitCode::from(1)
        }
    }
}

fn run(options: Options) -> Result<(), TopError> {
    let endpoint = options.engine.clone().map_or(Endpoint::Kernel, Endpoint::Daemon);
    let source = Source::open(&endpoint)?;
    match options.times() {
        Some(times) => batch(source, &options, times),
        None => live(source, options),
    }
}

/// Pages one behind the other, for scripts.
fn batch(mut source: Source, options: &Options, times: u64) -> Result<(), TopError> {
    let mut before = source.sample()?;
    for _ in 0..times {
        std::thread::sleep(options.interval());
        let now = source.sample()?;
        let rows = rows::compare(&before, &now, options);
        if !print_on(&page::plain(&rows, options))? {
            break;
        }
        before = now;
    }
    Ok(())
}

/// The terminal, until somebody has seen enough.
fn live(mut source: Source, mut options: Options) -> Result<(), TopError> {
    let end = signal::on_end()?;
    let mut screen = Screen::open()?;
    let mut before = source.sample()?;
    let mut rows = rows::Rows::default();
    let mut due = Instant::now() + FIRST;
    let mut held = false;
    // What is being typed as a filter.
    let mut typed: Option<String> = None;
    while !end.load(Ordering::Relaxed) {
        if Instant::now() >= due && !held {
            let now = source.sample()?;
            rows = rows::compare(&before, &now, &options);
            before = now;
            due = Instant::now() + options.interval();
        }
        let (width, height) = screen.size();
        screen.show(&page::coloured(&rows, &options, (width, height), held, typed.as_deref()))?;
        let wait = if held { HELD } else { due.saturating_duration_since(Instant::now()) };
        let Some(key) = screen.key(wait)? else { continue };
        if let Some(text) = &mut typed {
            match key {
                Key::Enter => options.filter = typed.take().unwrap_or_default(),
                Key::Escape => typed = None,
                Key::Back => drop(text.pop()),
                Key::Char(char) => text.push(char),
            }
            continue;
        }
        match key {
            Key::Char('q') | Key::Escape => break,
            Key::Char(' ') => held = !held,
            Key::Char('s') => options.sort = options.sort.next(),
            Key::Char('/') => typed = Some(options.filter.clone()),
            Key::Char('+') => options.interval = (options.interval * 2.0).min(60.0),
            Key::Char('-') => options.interval = (options.interval / 2.0).max(0.25),
            Key::Char('f') => options.toggle(View::Flows),
            Key::Char('r') => options.toggle(View::Rules),
            Key::Char('d') => options.toggle(View::Drops),
            Key::Char('b') => options.sort = Sort::Bytes,
            _ => {}
        }
    }
    Ok(())
}

/// After so long something is shown, however long the interval.
const FIRST: Duration = Duration::from_millis(300);
/// How long it waits for a key while nothing changes.
const HELD: Duration = Duration::from_secs(1);
