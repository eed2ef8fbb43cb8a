//! The kernel's routes, addresses, neighbours, links and routing rules: a socket of `rtnetlink(7)` that asks for what there is
//! and hears of changes. What the messages say is read elsewhere.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::{RecvFlags, sockopt};

use crate::NetlinkError;

/// Groups of changes that are listened to (`RTNLGRP_*` of `linux/rtnetlink.h`): links, neighbours, addresses, routes and rules
/// of both families, settings of IPv4.
const GROUPS: [u32; 9] = [1, 3, 5, 7, 8, 9, 11, 19, 24];
/// What the kernel may keep for us, in bytes: some ten thousand changes at once.
const ROOM: usize = 16 << 20;
/// Bytes of a datagram: dumps come in up to 32 KiB.
const BUFFER: usize = 64 << 10;

/// A socket of `NETLINK_ROUTE` in the namespace of the thread that opened it.
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
    buffer: Vec<u8>,
}

impl RouteSocket {
    /// Opens one that hears of every change.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`].
    pub fn open() -> Result<RouteSocket, NetlinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(NetlinkError::Open)?;
        socket.bind_auto().map_err(NetlinkError::Open)?;
        socket.set_non_blocking(true).map_err(NetlinkError::Open)?;
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, ROOM));
        for group in GROUPS {
            socket.add_membership(group).map_err(|error| NetlinkError::Join { group, error })?;
        }
        Ok(RouteSocket { socket, buffer: vec![0; BUFFER] })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`NetlinkError::Send`].
    pub fn send(&self, request: &[u8]) -> Result<(), NetlinkError> {
        let sent = self.socket.send_to(request, &SocketAddr::new(0, 0), 0);
        sent.map(drop).map_err(|error| NetlinkError::Send { bytes: request.len(), error })
    }

    /// The next datagram that waits. `None`: none waits.
    ///
    /// # Errors
    /// [`NetlinkError::Lost`]: changes were lost, and all is to be asked for anew. Others end the socket.
    pub fn receive(&mut self) -> Result<Option<&[u8]>, NetlinkError> {
        loop {
            let received =
                rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC);
            match received.map_err(io::Error::from) {
                Ok((_, len)) if len > self.buffer.len() => return Err(NetlinkError::TooLong(len)),
                Ok((len, _)) => return Ok(self.buffer.get(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Err(NetlinkError::Lost),
                Err(error) => return Err(NetlinkError::Receive(error)),
            }
        }
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
