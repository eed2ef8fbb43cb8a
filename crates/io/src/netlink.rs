//! A netlink socket to the kernel's nfnetlink, or to a daemon that speaks it: requests out, datagrams of messages in.
//!
//! The kernel works on a request within the system call that sends it: when [`NetlinkSocket::send`] returns, a batch is
//! committed or refused and all that the kernel has to say about it waits in the receive buffer. So nothing here needs a
//! thread, and reading never blocks unless the caller asks to wait for events.
//!
//! Two limits are the kernel's: a batch must be one `sendmsg`, hence fit the send buffer (`nfnetlink_rcv_batch` works on
//! one datagram); and answers beyond the receive buffer are lost, which the next read tells by `ENOBUFS`. A daemon
//! ([`crate::seqpacket`]) does the same over a unix socket, and loses events only.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use rustix::net::sockopt;

use crate::seqpacket::{Client, Command};

/// Why a netlink socket failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket: the system has no nfnetlink, or a limit is reached.
    #[error("cannot open a netlink socket: {0}")]
    Open(io::Error),
    /// No daemon listens there, or it does not let this user in.
    #[error("cannot connect to {}: {error}", path.display())]
    Connect {
        /// The path of its socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A multicast group cannot be joined.
    #[error("cannot join netlink group {group}: {error}")]
    Join {
        /// Number of the group (`NFNLGRP_*`).
        group: u32,
        /// Why.
        error: io::Error,
    },
    /// The kernel did not take a request; it did nothing.
    #[error("cannot send {bytes} bytes to the kernel: {error}")]
    Send {
        /// How long the request was.
        bytes: usize,
        /// Why.
        error: io::Error,
    },
    /// Answers or events were lost: there was no room for them (`ENOBUFS`). What was received before them is whole.
    #[error("answers from the kernel were lost: the receive buffer was full")]
    Lost,
    /// A datagram was longer than the buffer; it is gone.
    #[error("a datagram of {0} bytes from the kernel did not fit")]
    TooLong(usize),
    /// Reading failed otherwise.
    #[error("cannot read from the kernel: {0}")]
    Receive(io::Error),
}

impl NetlinkError {
    /// The error number of the system, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            NetlinkError::Open(error)
            | NetlinkError::Connect { error, .. }
            | NetlinkError::Join { error, .. }
            | NetlinkError::Send { error, .. }
            | NetlinkError::Receive(error) => error.raw_os_error(),
            NetlinkError::Lost | NetlinkError::TooLong(_) => None,
        }
    }
}

/// Who is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// The kernel, in the network namespace of this process.
    #[default]
    Kernel,
    /// The daemon that listens at this path.
    Daemon(PathBuf),
}

/// A socket of `NETLINK_NETFILTER`, bound to a port number of its own; or what is the same to a daemon.
#[derive(Debug)]
pub struct NetlinkSocket {
    way: Way,
    port: u32,
    buffer: Vec<u8>,
    send_room: usize,
    receive_room: usize,
}

#[derive(Debug)]
enum Way {
    Kernel(Socket),
    Daemon(Client),
}

/// Bytes of the buffer that datagrams are read into. The kernel makes dumps of up to 32 KiB a datagram
/// (`netlink_dump`, `net/netlink/af_netlink.c`), and by as much as the reader has shown to take.
const BUFFER: usize = 1 << 20;

/// Bytes that the send buffer is asked for beyond the request: the kernel counts its own structures as well.
const SEND_EXTRA: usize = 64 << 10;

/// How much the system gives a socket without asking (`net.core.wmem_default`).
const ROOM: usize = 212_992;

impl NetlinkSocket {
    /// Opens a socket to the kernel: [`NetlinkSocket::open_at`].
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<NetlinkSocket, NetlinkError> {
        NetlinkSocket::open_at(&Endpoint::Kernel)
    }

    /// Opens a socket. It tells errors with their place in the message (`NETLINK_EXT_ACK`) and does not echo requests
    /// back with them (`NETLINK_CAP_ACK`).
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Connect`].
    pub fn open_at(endpoint: &Endpoint) -> Result<NetlinkSocket, NetlinkError> {
        let (way, port) = match endpoint {
            Endpoint::Kernel => {
                let mut socket = Socket::new(NETLINK_NETFILTER).map_err(NetlinkError::Open)?;
                let port = socket.bind_auto().map_err(NetlinkError::Open)?.port_number();
                // Kernels without these (before 4.12) answer errors without them, which costs no more than the explanation.
                let _ = socket.set_ext_ack(true);
                let _ = socket.set_cap_ack(true);
                (Way::Kernel(socket), port)
            }
            Endpoint::Daemon(path) => {
                let port = std::process::id();
                let connected = Client::connect(path).and_then(|mut client| {
                    client.command(Command::Port(port))?;
                    Ok(Way::Daemon(client))
                });
                let failed = |error| NetlinkError::Connect { path: path.clone(), error };
                (connected.map_err(failed)?, port)
            }
        };
        Ok(NetlinkSocket { way, port, buffer: vec![0; BUFFER], send_room: ROOM, receive_room: ROOM })
    }

    /// The number by which the kernel knows this socket (`nlmsg_pid` of answers).
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Joins a multicast group, by its number (`NFNLGRP_NFTABLES` = 7).
    ///
    /// # Errors
    /// [`NetlinkError::Join`], such as for lack of privilege.
    pub fn join(&mut self, group: u32) -> Result<(), NetlinkError> {
        let joined = match &mut self.way {
            Way::Kernel(socket) => socket.add_membership(group),
            Way::Daemon(client) => client.command(Command::Join(group)),
        };
        joined.map_err(|error| NetlinkError::Join { group, error })
    }

    /// Asks for room for answers, in bytes; beyond the system's limit where privilege allows (`SO_RCVBUFFORCE`).
    pub fn make_receive_room(&mut self, bytes: usize) {
        if bytes > self.receive_room {
            self.set_receive_room(bytes);
        }
    }

    /// Asks for just so much room for answers, in bytes, be it more or less than there is.
    pub fn set_receive_room(&mut self, bytes: usize) {
        let fd = self.as_fd();
        let set = sockopt::set_socket_recv_buffer_size_force(fd, bytes)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(fd, bytes));
        // Where there is less than wanted answers may be lost, which reading tells.
        if set.is_ok() {
            self.receive_room = bytes;
        }
    }

    /// Bytes of room for answers, as the system counts them: twice what was asked for (`socket(7)`, `SO_RCVBUF`). `None`
    /// if it does not tell.
    pub fn receive_room(&self) -> Option<usize> {
        sockopt::socket_recv_buffer_size(self.as_fd()).ok()
    }

    /// Sends requests in one datagram; the kernel has worked on them when this returns.
    ///
    /// # Errors
    /// [`NetlinkError::Send`]. `EMSGSIZE` is a request longer than the send buffer may become.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), NetlinkError> {
        let failed = |error| NetlinkError::Send { bytes: bytes.len(), error };
        let socket = match &mut self.way {
            Way::Kernel(socket) => socket,
            Way::Daemon(client) => return client.request(bytes).map_err(failed),
        };
        let wanted = bytes.len().saturating_add(SEND_EXTRA);
        if wanted > self.send_room {
            let fd = socket.as_fd();
            let grown = sockopt::set_socket_send_buffer_size_force(fd, wanted)
                .or_else(|_| sockopt::set_socket_send_buffer_size(fd, wanted));
            // Where it stays too small, sending says so.
            if grown.is_ok() {
                self.send_room = wanted;
            }
        }
        loop {
            return match socket.send_to(bytes, &SocketAddr::new(0, 0), 0) {
                Ok(sent) if sent == bytes.len() => Ok(()),
                Ok(_) => Err(failed(io::ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(failed(error)),
            };
        }
    }

    /// The next datagram that is there, or `None` when nothing waits.
    ///
    /// # Errors
    /// [`NetlinkError::Lost`] once after answers were lost; what follows can be read. [`NetlinkError::TooLong`],
    /// [`NetlinkError::Receive`].
    pub fn receive(&mut self) -> Result<Option<&[u8]>, NetlinkError> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        loop {
            let fd = self.way.as_fd();
            match rustix::net::recv(fd, &mut self.buffer[..], flags) {
                Ok((_, len)) if len > self.buffer.len() => return Err(NetlinkError::TooLong(len)),
                Ok((_, 0)) => return Err(NetlinkError::Receive(io::ErrorKind::ConnectionReset.into())),
                Ok((_, len)) if self.way.tells_loss(&self.buffer[..len]) => return Err(NetlinkError::Lost),
                Ok((_, len)) => return Ok(Some(&self.buffer[..len])),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    let more = match &mut self.way {
                        Way::Daemon(client) => client.wait_for_more().map_err(NetlinkError::Receive)?,
                        Way::Kernel(_) => false,
                    };
                    if !more {
                        return Ok(None);
                    }
                }
                Err(rustix::io::Errno::NOBUFS) => return Err(NetlinkError::Lost),
                Err(error) => return Err(NetlinkError::Receive(error.into())),
            }
        }
    }

    /// Waits until there is something to read, at most so long (`None`: for ever). Tells whether there is.
    ///
    /// # Errors
    /// [`NetlinkError::Receive`].
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool, NetlinkError> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            // The caller looks for what interrupted it and waits again.
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(NetlinkError::Receive(error.into())),
        }
    }

    /// The next datagram, waited for as [`NetlinkSocket::wait`] does; `None` when the time was over.
    ///
    /// # Errors
    /// As [`NetlinkSocket::receive`].
    pub fn receive_within(&mut self, timeout: Option<Duration>) -> Result<Option<&[u8]>, NetlinkError> {
        if self.wait(timeout)? { self.receive() } else { Ok(None) }
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.way.as_fd()
    }
}

impl Way {
    /// Whether a datagram is a daemon's word that events were lost (`NLMSG_OVERRUN`); the kernel's is an error of the read.
    fn tells_loss(&self, datagram: &[u8]) -> bool {
        matches!(self, Way::Daemon(_)) && datagram.get(4..6) == Some(&OVERRUN.to_ne_bytes())
    }
}

impl AsFd for Way {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Way::Kernel(socket) => socket.as_fd(),
            Way::Daemon(client) => client.data.as_fd(),
        }
    }
}

/// `NLMSG_OVERRUN`.
const OVERRUN: u16 = 4;

/// The name of the program that has a netlink port. A program's first socket has the number of its process as its port
/// (`netlink_autobind`); of others, and of what is gone, there is none.
pub fn program_of_port(port: u32) -> Option<Box<str>> {
    let name = std::fs::read_to_string(format!("/proc/{port}/comm")).ok()?;
    Some(name.trim_end_matches('\n').into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NFT_MSG_GETGEN` (`linux/netfilter/nf_tables.h`) needs no privilege and changes nothing.
    #[test]
    fn a_request_is_answered_before_send_returns() {
        let Ok(mut socket) = NetlinkSocket::open() else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
            eprintln!("SKIPPED: no netlink socket here");
            return;
        };
        assert_eq!(socket.receive().unwrap(), None);
        // nlmsghdr: length 20, NFNL_SUBSYS_NFTABLES << 8 | 16, NLM_F_REQUEST, sequence 7, port 0; nfgenmsg.
        let mut request = Vec::new();
        request.extend(20_u32.to_ne_bytes());
        request.extend((10_u16 << 8 | 16).to_ne_bytes());
        request.extend(1_u16.to_ne_bytes());
        request.extend(7_u32.to_ne_bytes());
        request.extend([0; 8]);
        socket.send(&request).unwrap();
        let port = socket.port();
        let answer = socket.receive().unwrap().expect("an answer or an error");
        assert_eq!(answer[8..12], 7_u32.to_ne_bytes(), "sequence number");
        assert_eq!(answer[12..16], port.to_ne_bytes(), "port");
        assert!(!socket.wait(Some(Duration::ZERO)).unwrap());
    }
}
