//! Signals that end a program, or make it read its configuration again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

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
