//! Packets of an interface as they are on the wire: `packet(7)` sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::netdevice;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// `ETH_P_ALL` (`linux/if_ether.h`) in network order, as `socket(2)` takes it.
const ALL: u16 = 3_u16.to_be();

/// What the kernel may keep for us, in bytes; half of it is its own structures.
const ROOM: usize = 16 << 20;

/// A socket for whole frames of one interface: what it receives and, by other senders, sends.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens one on an interface of this thread's namespace.
    ///
    /// # Errors
    /// If there is no such interface, or without the privilege (`CAP_NET_RAW`).
    pub fn open(interface: &str) -> io::Result<PacketSocket> {
        // Without a protocol it hears nothing until it is bound, so nothing of other interfaces.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None::<Protocol>)?;
        let index = netdevice::name_to_index(&socket, interface)?;
        // Beyond the system's limit where we may, up to it elsewhere.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, ROOM);
        rustix::net::bind(&socket, &LinkAddress::new(index))?;
        Ok(PacketSocket { socket })
    }

    /// Sends a frame, link header included. It is with the interface's driver when this returns.
    ///
    /// # Errors
    /// `EMSGSIZE` for more than the interface takes, `ENETDOWN`, `ENOBUFS`.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        rustix::net::send(&self.socket, frame, SendFlags::empty())?;
        Ok(())
    }

    /// The next frame that waits, without its VLAN tag; what does not fit the buffer is cut off. `None`: none waits.
    ///
    /// # Errors
    /// `ENETDOWN` once after the interface went down.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        loop {
            match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((len, _)) => return Ok(Some(&buffer[..len])),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `struct sockaddr_ll` of `linux/if_packet.h`.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    hardware: u16,
    packet_type: u8,
    address_len: u8,
    address: [u8; 8],
}

impl LinkAddress {
    fn new(index: u32) -> LinkAddress {
        LinkAddress {
            family: AddressFamily::PACKET.as_raw(),
            protocol: ALL,
            index,
            hardware: 0,
            packet_type: 0,
            address_len: 0,
            address: [0; 8],
        }
    }
}

// SAFETY: the pointer is to a whole `sockaddr_ll`, with its length, that lives during the call.
#[allow(unsafe_code)]
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<LinkAddress>() as SocketAddrLen)
    }
}
