//! The daemon's socket: netlink datagrams over a unix socket (`SOCK_SEQPACKET`), for those who have no netlink socket to
//! the one they mean.
//!
//! A client has two connections. Over **data** go netlink's datagrams as they are, so that what reads a netlink socket
//! reads this one. Over **control** go [`Command`]s, each answered by a [`Reply`]: what a netlink socket does by system
//! calls. The client makes the control connection and sends the server's end with its first datagram, [`HELLO`]
//! (`SCM_RIGHTS`). One that has no control connection may send requests of one datagram each.
//!
//! A request is announced with its length, and may come in several datagrams, since a batch may be longer than a
//! datagram can be. The reply to that comes when the request was worked on and as much of the answer as there is room for
//! can be read: `nft` looks for answers without waiting, as netlink sockets allow.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

/// The first datagram of a client.
pub const HELLO: &[u8] = b"weir";

/// Bytes of a datagram of a request that goes in several.
pub const PART: usize = 64 << 10;

/// What a client wants, 8 bytes in host order: what (4), argument (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A request of so many bytes follows over the data connection.
    Request(u32),
    /// `bind`: answers shall name this port.
    Port(u32),
    /// `NETLINK_ADD_MEMBERSHIP` of this group.
    Join(u32),
    /// `NETLINK_DROP_MEMBERSHIP`.
    Leave(u32),
}

impl Command {
    /// As it goes over the wire.
    pub fn encode(self) -> [u8; 8] {
        let (what, argument): (u32, u32) = match self {
            Command::Request(len) => (1, len),
            Command::Port(port) => (2, port),
            Command::Join(group) => (3, group),
            Command::Leave(group) => (4, group),
        };
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&what.to_ne_bytes());
        bytes[4..].copy_from_slice(&argument.to_ne_bytes());
        bytes
    }

    /// Reads one; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Command> {
        let [w0, w1, w2, w3, a0, a1, a2, a3] = *<&[u8; 8]>::try_from(bytes).ok()?;
        let argument = u32::from_ne_bytes([a0, a1, a2, a3]);
        Some(match u32::from_ne_bytes([w0, w1, w2, w3]) {
            1 => Command::Request(argument),
            2 => Command::Port(argument),
            3 => Command::Join(argument),
            4 => Command::Leave(argument),
            _ => return None,
        })
    }
}

/// The answer to a command, 8 bytes in host order: 0 or an error number (4), whether there is more to read than there was
/// room for (4). Then another reply without error says when the last of it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// 0 or an error number, positive.
    pub errno: i32,
    /// More of the answer waits at the server.
    pub more: bool,
}

impl Reply {
    /// As it goes over the wire.
    pub fn encode(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.errno.to_ne_bytes());
        bytes[4..].copy_from_slice(&u32::from(self.more).to_ne_bytes());
        bytes
    }

    /// Reads one; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Reply> {
        let [e0, e1, e2, e3, more @ ..] = *<&[u8; 8]>::try_from(bytes).ok()?;
        Some(Reply { errno: i32::from_ne_bytes([e0, e1, e2, e3]), more: more != [0; 4] })
    }
}

/// Where clients come in. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    path: PathBuf,
}

impl Listener {
    /// Makes the socket's file with this mode; with 0o600 only the user that runs the server comes in. One that was left
    /// behind by a server that is no more is replaced.
    ///
    /// # Errors
    /// It cannot be made; `AddrInUse` where another server listens.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Listener> {
        let address = SocketAddrUnix::new(path)?;
        if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
            let probe = socket()?;
            match rustix::net::connect(&probe, &address) {
                Err(Errno::CONNREFUSED) => fs::remove_file(path)?,
                _ => return Err(io::ErrorKind::AddrInUse.into()),
            }
        }
        let fd = socket()?;
        // Nobody may come in between.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = rustix::net::bind(&fd, &address);
        rustix::process::umask(before);
        bound?;
        let listener = Listener { fd, path: path.to_owned() };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        rustix::net::listen(&listener.fd, 64)?;
        rustix::io::ioctl_fionbio(&listener.fd, true)?;
        Ok(listener)
    }

    /// The next client, if one waits.
    ///
    /// # Errors
    /// The system's: too many open files.
    pub fn accept(&self) -> io::Result<Option<Peer>> {
        match rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(data) => {
                let pid =
                    sockopt::socket_peercred(&data).map_or(0, |peer| peer.pid.as_raw_nonzero().get() as u32);
                // Where this is not allowed, answers wait at the server instead.
                let _ = sockopt::set_socket_send_buffer_size_force(&data, 4 << 20);
                Ok(Some(Peer { data, control: None, pid }))
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = fs::remove_file(&self.path);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A client at the server.
#[derive(Debug)]
pub struct Peer {
    data: OwnedFd,
    control: Option<OwnedFd>,
    pid: u32,
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram of so many bytes.
    Datagram(usize),
    /// Nothing now.
    Nothing,
    /// The other side is gone.
    Gone,
}

impl Peer {
    /// Number of the client's process (`SO_PEERCRED`).
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The data connection.
    pub fn data(&self) -> BorrowedFd<'_> {
        self.data.as_fd()
    }

    /// The control connection, once the client sent it.
    pub fn control(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(OwnedFd::as_fd)
    }

    /// Reads a datagram of the data connection into `buffer`; what does not fit is cut off. The control connection that
    /// comes with it is kept, the first one.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Received {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received =
            rustix::net::recvmsg(&self.data, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                for fd in fds {
                    if self.control.is_none() && rustix::io::ioctl_fionbio(&fd, true).is_ok() {
                        self.control = Some(fd);
                    }
                }
            }
        }
        match received {
            Ok(message) if message.bytes == 0 => Received::Gone,
            Ok(message) => Received::Datagram(message.bytes),
            Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
            Err(_) => Received::Gone,
        }
    }

    /// Reads a command; `Err` if the control connection is gone or says what is no command.
    pub fn command(&mut self) -> Result<Option<Command>, Received> {
        let Some(control) = &self.control else { return Ok(None) };
        let mut bytes = [0; 16];
        match rustix::net::recv(control, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((len, _)) if len > 0 => {
                Command::decode(bytes.get(..len).unwrap_or_default()).map(Some).ok_or(Received::Gone)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            _ => Err(Received::Gone),
        }
    }

    /// Answers a command.
    pub fn reply(&mut self, reply: Reply) {
        if let Some(control) = &self.control {
            // A client that does not read its replies waits for none.
            let _ = rustix::net::send(control, &reply.encode(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
    }

    /// Sends a datagram, if there is room.
    pub fn send(&mut self, datagram: &[u8]) -> Sent {
        match rustix::net::send(&self.data, datagram, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => Sent::Sent,
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Sent::Full,
            Err(_) => Sent::Gone,
        }
    }
}

/// What sending came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Sent,
    /// There is no room now.
    Full,
    /// The other side is gone.
    Gone,
}

fn socket() -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// The client's side: a connection to a server.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) data: OwnedFd,
    control: OwnedFd,
    /// The server has more to send than there was room for.
    more: bool,
}

impl Client {
    pub(crate) fn connect(path: &Path) -> io::Result<Client> {
        let data = socket()?;
        rustix::net::connect(&data, &SocketAddrUnix::new(path)?)?;
        let (control, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(&data, &[IoSlice::new(HELLO)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(Client { data, control, more: false })
    }

    /// Sends a command and waits for its reply.
    pub(crate) fn command(&mut self, command: Command) -> io::Result<()> {
        self.say(command)?;
        self.heard()
    }

    /// Sends a request and waits until it was worked on.
    pub(crate) fn request(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| io::Error::from(Errno::MSGSIZE))?;
        self.say(Command::Request(len))?;
        for part in bytes.chunks(PART) {
            retry(|| rustix::net::send(&self.data, part, SendFlags::NOSIGNAL))?;
        }
        self.heard()
    }

    fn say(&mut self, command: Command) -> io::Result<()> {
        // Of an answer that was not read to its end, the rest is nobody's any more.
        let mut rest = [0; 16];
        while self.wait_for_more()? {
            let _ = rustix::net::recv(&self.data, &mut rest[..], RecvFlags::DONTWAIT);
        }
        retry(|| rustix::net::send(&self.control, &command.encode(), SendFlags::NOSIGNAL))?;
        Ok(())
    }

    fn heard(&mut self) -> io::Result<()> {
        let reply = self.reply()?;
        self.more = reply.more;
        if reply.errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(reply.errno)) }
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut bytes = [0; 16];
        let (len, _) = retry(|| rustix::net::recv(&self.control, &mut bytes[..], RecvFlags::empty()))?;
        let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
        Reply::decode(bytes.get(..len).unwrap_or_default()).ok_or_else(gone)
    }

    /// Whether more of the last answer is still to come; waits for either the next datagram or the word that all is there.
    pub(crate) fn wait_for_more(&mut self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, poll};
        if !self.more {
            return Ok(false);
        }
        let mut fds = [PollFd::new(&self.data, PollFlags::IN), PollFd::new(&self.control, PollFlags::IN)];
        retry(|| poll(&mut fds, None))?;
        if fds[0].revents().is_empty() {
            self.more = self.reply()?.more;
        }
        Ok(true)
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
