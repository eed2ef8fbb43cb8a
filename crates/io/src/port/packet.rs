//! An interface as a port of a router: a `packet(7)` socket that hears what comes in, not what this machine sends, and
//! tells of each frame what its sender left undone (`PACKET_VNET_HDR`): checksums, segments.
//!
//! Frames come and go in vectors, by `recvmmsg` and `sendmmsg`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;

use super::bell::Bell;
use super::vector::{Incoming, Outgoing};
use super::{MAX_FRAME, Offloads, Port, PortStatistics};
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
    incoming: Incoming,
    outgoing: Outgoing,
    /// Of the socket, and of the bell that says that frames are left in memory.
    ready: OwnedFd,
    bell: Bell,
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
        let bell = Bell::new()?;
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for fd in [socket.as_fd(), bell.as_fd()] {
            epoll::add(&ready, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        let (incoming, outgoing) = (Incoming::new(Offloads::LEN + MAX_FRAME), Outgoing::default());
        let statistics = PortStatistics::default();
        Ok(PacketPort { socket, incoming, outgoing, ready, bell, statistics })
    }

    fn put(&mut self) {
        let statistics = &mut self.statistics;
        self.outgoing.flush(self.socket.as_fd(), |len, sent| {
            if sent {
                statistics.count_sent(len - Offloads::LEN);
            } else {
                statistics.send_dropped += 1;
            }
        });
    }
}

impl Port for PacketPort {
    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        loop {
            let (header, frame) = match self.incoming.next(self.socket.as_fd()) {
                Ok(Some(received)) => match received.split_first_chunk::<{ Offloads::LEN }>() {
                    Some((header, frame)) if !frame.is_empty() && frame.len() <= buffer.len() => {
                        (*header, frame)
                    }
                    _ => {
                        self.statistics.receive_dropped += 1;
                        continue;
                    }
                },
                Ok(None) => return Ok(None),
                // It went down, which is told once; it may come up again.
                Err(error) if error.kind() == io::ErrorKind::NetworkDown => return Ok(None),
                Err(error) => return Err(error),
            };
            let len = frame.len();
            if let Some(place) = buffer.get_mut(..len) {
                place.copy_from_slice(frame);
            }
            self.statistics.count_received(len);
            return Ok(buffer.get_mut(..len).map(|frame| (Offloads::decode(header), frame)));
        }
    }

    /// What goes wrong is known, and counted, when it is sent: at the next flush, or when a vector is full.
    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.outgoing.push(&[0; Offloads::LEN], frame) {
            self.put();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put();
        self.bell.set(self.incoming.has_more());
        Ok(())
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for PacketPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
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
