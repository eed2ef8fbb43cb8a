//! What a service tells the one that started it (`sd_notify(3)`, `Type=notify`).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Clients can come.
pub(super) fn ready() {
    tell("READY=1");
}

/// What is to be seen of its state (`systemctl status`).
pub(super) fn status(text: &str) {
    tell(&format!("STATUS={text}"));
}

/// What was asked of the service is being done; `READY=1` tells its end.
pub(super) fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// It is still at work (`WatchdogSec=`).
pub(super) fn alive() {
    tell("WATCHDOG=1");
}

/// How often it is to say so: half the time after which it would be taken for dead (`sd_watchdog_enabled(3)`).
pub(super) fn watchdog() -> Option<std::time::Duration> {
    let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let pid = std::env::var("WATCHDOG_PID").ok();
    let ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
    (ours && micros > 0).then(|| std::time::Duration::from_micros(micros / 2))
}

/// The end has begun.
pub(super) fn stopping() {
    tell("STOPPING=1");
}

/// Nobody asked where the variable is not set, and one that is gone need not know.
fn tell(what: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    if let (Ok(socket), Ok(address)) = (UnixDatagram::unbound(), address) {
        let _ = socket.send_to_addr(what.as_bytes(), &address);
    }
}
