//! An interface as a port of a router: a `packet(7)` socket that hears what comes in, not what this machine sends, and
//! tells of each frame what its sender left undone (`PACKET_VNET_HDR`): checksums, segments.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::{Offloads, Port, PortStatistics};
use crate::PacketSocket;

/// `SOL_PACKET`.
const SOL_PACKET: libc::c_int = 263;
/// `PACKET_VNET_HDR` of `linux/if_packet.h`.
const PACKET_VNET_HDR: libc::c_int = 15;
/// `PACKET_IGNORE_OUTGOING`, of Linux 4.20.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// What marks the frames that a port sends (`SO_MARK`), so that chains at egress can tell them from those of other programs.
pub const MARK: u32 = u32::from_be_bytes(*b"weir");

/// An interface's frames, both ways.
#[derive(Debug)]
pub struct PacketPort {
    socket: PacketSocket,
    out: Vec<u8>,
    statistics: PortStatistics,
}

impl PacketPort {
    /// Opens one on an interface of this thread's namespace.
    ///
    /// # Errors
    /// As [`PacketSocket::open`], and where the kernel is older than 4.20.
    pub fn open(interface: &str) -> io::Result<PacketPort> {
        let socket = PacketSocket::open(interface)?;
        set(&socket, PACKET_VNET_HDR)?;
        set(&socket, PACKET_IGNORE_OUTGOING)?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_MARK, MARK as libc::c_int)?;
        Ok(PacketPort { socket, out: Vec::new(), statistics: PortStatistics::default() })
    }
}

impl Port for PacketPort {
    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        loop {
            let len = match self.socket.receive(buffer) {
                Ok(Some(received)) => received.len(),
                Ok(None) => return Ok(None),
                // It went down, which is told once; it may come up again.
                Err(error) if error.kind() == io::ErrorKind::NetworkDown => return Ok(None),
                Err(error) => return Err(error),
            };
            if len > Offloads::LEN {
                self.statistics.count_received(len - Offloads::LEN);
                let received = buffer.get_mut(..len).unwrap_or_default();
                return Ok(Offloads::split(received));
            }
            self.statistics.receive_dropped += 1;
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.out.clear();
        self.out.resize(Offloads::LEN, 0);
        self.out.extend_from_slice(frame);
        let sent = self.socket.send(&self.out);
        match sent {
            Ok(()) => self.statistics.count_sent(frame.len()),
            Err(_) => self.statistics.send_dropped += 1,
        }
        sent
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for PacketPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set(socket: &PacketSocket, option: libc::c_int) -> io::Result<()> {
    set_option(socket, SOL_PACKET, option, 1)
}

#[allow(unsafe_code)]
fn set_option(
    socket: &PacketSocket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the value is an int that lives through the call.
    let set = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, (&raw const value).cast(), len)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
