//! What a service tells the one that started it (`sd_notify(3)`, `Type=notify`).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Clients can come.
pub(super) fn ready() {
    tell("READY=1");
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
