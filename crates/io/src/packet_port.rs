//! An interface as a port of a router: a `packet(7)` socket that hears what comes in, not what this machine sends, and
//! tells of each frame what its sender left undone (`PACKET_VNET_HDR`): checksums, segments.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::PacketSocket;

/// `SOL_PACKET`.
const SOL_PACKET: libc::c_int = 263;
/// `PACKET_VNET_HDR` of `linux/if_packet.h`.
const PACKET_VNET_HDR: libc::c_int = 15;
/// `PACKET_IGNORE_OUTGOING`, of Linux 4.20.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// What a frame's sender left to do (`struct virtio_net_hdr` of `linux/virtio_net.h`, 10 bytes in host order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: where the checksum's bytes begin in the frame, and where in those it goes. Its
    /// place holds the sum of the pseudo header.
    pub checksum: Option<(u16, u16)>,
    /// Bytes of payload of each segment to be made (`gso_size`); 0 for a frame that is none of several.
    pub segment: u16,
    /// `VIRTIO_NET_HDR_GSO_*` without `_ECN`: 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP.
    pub kind: u8,
}

impl Offloads {
    /// Bytes of the header before a frame.
    pub const LEN: usize = 10;

    fn decode(bytes: [u8; Offloads::LEN]) -> Offloads {
        let [flags, kind, _, _, s0, s1, c0, c1, o0, o1] = bytes;
        let needs = flags & 1 != 0;
        Offloads {
            checksum: needs.then(|| (u16::from_ne_bytes([c0, c1]), u16::from_ne_bytes([o0, o1]))),
            segment: u16::from_ne_bytes([s0, s1]),
            kind: kind & 0x7f,
        }
    }
}

/// An interface's frames, both ways.
#[derive(Debug)]
pub struct PacketPort {
    socket: PacketSocket,
    out: Vec<u8>,
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
        Ok(PacketPort { socket, out: Vec::new() })
    }

    /// The next frame that waits, and what is left to do to it; what does not fit the buffer is cut off.
    ///
    /// # Errors
    /// `ENETDOWN` once after the interface went down.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        let Some(len) = self.socket.receive(buffer)?.map(<[u8]>::len) else { return Ok(None) };
        let Some((header, frame)) = buffer.split_first_chunk_mut::<{ Offloads::LEN }>() else {
            return Ok(None);
        };
        let len = len.saturating_sub(Offloads::LEN).min(frame.len());
        Ok(Some((Offloads::decode(*header), &mut frame[..len])))
    }

    /// Sends a frame to which nothing is left to do.
    ///
    /// # Errors
    /// As [`PacketSocket::send`].
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.out.clear();
        self.out.resize(Offloads::LEN, 0);
        self.out.extend_from_slice(frame);
        self.socket.send(&self.out)
    }
}

impl AsFd for PacketPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[allow(unsafe_code)]
fn set(socket: &PacketSocket, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the value is an int that lives through the call.
    let set = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), SOL_PACKET, option, (&raw const on).cast(), len)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn what_is_left_to_do_is_read_as_virtio_has_it() {
        // F_NEEDS_CSUM, GSO_TCPV4 | GSO_ECN, hdr_len 66, gso_size 1448, csum_start 34, csum_offset 16.
        let header = [1, 0x81, 66, 0, 0xa8, 5, 34, 0, 16, 0];
        let expected = Offloads { checksum: Some((34, 16)), segment: 1448, kind: 1 };
        assert_eq!(Offloads::decode(header), expected);
        assert_eq!(Offloads::decode([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Offloads::default());
    }
}
