//! A virtual machine's network card over a unix stream socket, as `-netdev stream` of QEMU and passt speak: each frame
//! behind its length ([`length_prefix`](super::length_prefix)).
//!
//! A port listens, and the guest comes to it; or it connects to where somebody listens. One peer at a time: who comes while
//! another is there waits at the door until that one is gone. A peer that does not read costs [`MAX_WAITING`] bytes and
//! then its own frames; one that says what makes no sense is sent away.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ironweir_wire::Instant;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::bell::Bell;
use super::length_prefix::{PREFIX, Reassembly};
use super::socket_file::{SocketFile, socket};
use super::{MAX_FRAME, Offloads, Port, PortStatistics};

/// Bytes that wait for a peer that does not read.
pub const MAX_WAITING: usize = 1 << 20;
/// Bytes that are gathered before they are sent in the middle of a turn.
const GATHER: usize = 256 << 10;
/// How long after a connection failed or ended the next is tried.
const AGAIN: Duration = Duration::from_secs(1);
/// Empty frames that are passed over at once.
const MAX_EMPTY: usize = 256;
/// What the kernel may hold for each way.
const ROOM: usize = 1 << 20;

/// Frames of a virtual machine.
#[derive(Debug)]
pub struct StreamPort {
    door: Door,
    /// Of the door or the peer, and the bell: whatever there is to do.
    ready: OwnedFd,
    bell: Bell,
    peer: Option<Peer>,
    now: Instant,
    /// When a connection is tried next.
    again: Instant,
    statistics: PortStatistics,
}

#[derive(Debug)]
enum Door {
    Listens(SocketFile),
    Connects(PathBuf),
}

#[derive(Debug)]
struct Peer {
    fd: OwnedFd,
    input: Reassembly,
    output: Output,
    /// We wait for room.
    waits: bool,
}

/// Frames on their way to a peer.
#[derive(Debug, Default)]
struct Output {
    bytes: VecDeque<u8>,
    /// Where frames end, counted from the first byte of all that was ever sent, with their length.
    ends: VecDeque<(u64, usize)>,
    queued: u64,
    written: u64,
}

impl StreamPort {
    /// Listens at a path, whose file has this mode.
    ///
    /// # Errors
    /// `AddrInUse` where somebody else does; the file system's.
    pub fn listen(path: &Path, mode: u32) -> io::Result<StreamPort> {
        let file = SocketFile::bind(SocketType::STREAM, path, mode)?;
        rustix::net::listen(&file, 4)?;
        StreamPort::new(Door::Listens(file))
    }

    /// Connects to who listens at a path: as soon as there is somebody, and again whenever the connection ends.
    ///
    /// # Errors
    /// The path is longer than an address can be (107 bytes).
    pub fn connect(path: &Path) -> io::Result<StreamPort> {
        SocketAddrUnix::new(path)?;
        StreamPort::new(Door::Connects(path.to_owned()))
    }

    fn new(door: Door) -> io::Result<StreamPort> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = Bell::new()?;
        add(&ready, &bell)?;
        if let Door::Listens(file) = &door {
            add(&ready, file)?;
        }
        let (now, again) = (Instant::ZERO, Instant::ZERO);
        Ok(StreamPort { door, ready, bell, peer: None, now, again, statistics: PortStatistics::default() })
    }

    /// Whether somebody is there.
    pub fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    /// Looks for a peer where there is none.
    fn meet(&mut self) {
        if self.peer.is_some() {
            return;
        }
        let fd = match &self.door {
            Door::Listens(file) => {
                rustix::net::accept_with(file, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()
            }
            Door::Connects(_) if self.now < self.again => None,
            Door::Connects(path) => {
                self.again = self.now + AGAIN;
                SocketAddrUnix::new(path).ok().and_then(|address| {
                    let fd = socket(SocketType::STREAM).ok()?;
                    rustix::net::connect(&fd, &address).ok()?;
                    Some(fd)
                })
            }
        };
        let Some(fd) = fd else { return };
        // Where this is not allowed there is less room.
        let _ = sockopt::set_socket_send_buffer_size(&fd, ROOM);
        if add(&self.ready, &fd).is_err() {
            return;
        }
        if let Door::Listens(file) = &self.door {
            // Who waits at the door would end every wait.
            let _ = epoll::delete(&self.ready, file);
        }
        let (input, output) = (Reassembly::default(), Output::default());
        self.peer = Some(Peer { fd, input, output, waits: false });
    }

    /// Sends the peer away. What waited for it is lost.
    fn part(&mut self) {
        let Some(peer) = self.peer.take() else { return };
        self.statistics.send_dropped += peer.output.ends.len() as u64;
        self.again = self.now + AGAIN;
        if let Door::Listens(file) = &self.door {
            // It was there before.
            let _ = add(&self.ready, file);
        }
    }

    /// Writes what waits, as far as there is room.
    fn write(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        let mut gone = false;
        while !peer.output.bytes.is_empty() {
            let (bytes, _) = peer.output.bytes.as_slices();
            match rustix::net::send(&peer.fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => peer.output.wrote(count, &mut self.statistics),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    gone = true;
                    break;
                }
            }
        }
        let waits = !peer.output.bytes.is_empty();
        if waits != peer.waits && !gone {
            let flags =
                if waits { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            gone = epoll::modify(&self.ready, &peer.fd, epoll::EventData::new_u64(0), flags).is_err();
            peer.waits = waits;
        }
        if gone {
            self.part();
        }
    }
}

impl Output {
    fn wrote(&mut self, count: usize, statistics: &mut PortStatistics) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.written += count as u64;
        while let Some((end, len)) = self.ends.front()
            && *end <= self.written
        {
            statistics.count_sent(*len);
            self.ends.pop_front();
        }
    }

    fn push(&mut self, frame: &[u8]) {
        self.bytes.extend((frame.len() as u32).to_be_bytes());
        self.bytes.extend(frame);
        self.queued += (PREFIX + frame.len()) as u64;
        self.ends.push_back((self.queued, frame.len()));
    }
}

impl Port for StreamPort {
    fn turn(&mut self, now: Instant) {
        self.now = now;
        self.meet();
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        let mut empty = 0;
        self.meet();
        loop {
            let Some(peer) = &mut self.peer else { return Ok(None) };
            match peer.input.next_frame() {
                Ok(Some(frame)) => match buffer.get_mut(..frame.len()) {
                    Some(place) if !frame.is_empty() => {
                        place.copy_from_slice(frame);
                        self.statistics.count_received(frame.len());
                        let len = frame.len();
                        return Ok(buffer.get_mut(..len).map(|frame| (Offloads::default(), frame)));
                    }
                    _ => {
                        self.statistics.receive_dropped += 1;
                        empty += 1;
                        if empty == MAX_EMPTY {
                            return Ok(None);
                        }
                    }
                },
                Ok(None) => match rustix::io::read(&peer.fd, peer.input.room()) {
                    Ok(0) => {
                        self.part();
                        return Ok(None);
                    }
                    Ok(count) => peer.input.received(count),
                    Err(Errno::AGAIN) => return Ok(None),
                    Err(Errno::INTR) => {}
                    Err(_) => {
                        self.part();
                        return Ok(None);
                    }
                },
                Err(_) => {
                    self.statistics.receive_dropped += 1;
                    self.part();
                    return Ok(None);
                }
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let lost = |statistics: &mut PortStatistics, kind: io::ErrorKind| {
            statistics.send_dropped += 1;
            Err(kind.into())
        };
        let Some(peer) = &mut self.peer else {
            return lost(&mut self.statistics, io::ErrorKind::NotConnected);
        };
        if frame.len() > MAX_FRAME || frame.is_empty() {
            return lost(&mut self.statistics, io::ErrorKind::InvalidInput);
        }
        if peer.output.bytes.len() + PREFIX + frame.len() > MAX_WAITING {
            return lost(&mut self.statistics, io::ErrorKind::WouldBlock);
        }
        peer.output.push(frame);
        if peer.output.bytes.len() >= GATHER && !peer.waits {
            self.write();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write();
        // What is in memory already would end no wait.
        self.bell.set(self.peer.as_ref().is_some_and(|peer| peer.input.is_ready()));
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        match self.door {
            Door::Connects(_) if self.peer.is_none() => Some(self.again),
            _ => None,
        }
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for StreamPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

fn add(ready: &OwnedFd, fd: impl AsFd) -> io::Result<()> {
    Ok(epoll::add(ready, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::{Directory, directory, next, readable};
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    fn listening(test: &str) -> (StreamPort, UnixStream, Directory) {
        let directory = directory(test);
        let path = directory.join("s");
        let mut port = StreamPort::listen(&path, 0o600).unwrap();
        let guest = UnixStream::connect(&path).unwrap();
        assert!(readable(&port));
        port.turn(Instant::from_secs(1));
        assert!(port.is_connected());
        (port, guest, directory)
    }

    #[test]
    fn frames_go_both_ways_behind_their_length() {
        let (mut port, mut guest, directory) = listening("stream-both");
        let path = directory.join("s");
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777,
            0o600
        );
        guest.write_all(&[0, 0, 0, 3, 1, 2]).unwrap();
        assert_eq!(next(&mut port), None);
        guest.write_all(&[3, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 1, 8, 0]).unwrap();
        assert_eq!(next(&mut port).unwrap(), [1, 2, 3]);
        port.flush().unwrap();
        assert!(readable(&port), "frames are left in memory");
        assert_eq!(next(&mut port).unwrap(), [9], "the empty one is passed over");
        assert_eq!(next(&mut port).unwrap(), [8]);
        assert_eq!(next(&mut port), None);
        port.flush().unwrap();
        assert!(!readable(&port));
        port.send(&[7; 300]).unwrap();
        port.send(&[6]).unwrap();
        port.flush().unwrap();
        let mut got = [0; 309];
        guest.read_exact(&mut got).unwrap();
        assert_eq!((&got[..5], &got[304..]), (&[0, 0, 1, 44, 7][..], &[0, 0, 0, 1, 6][..]));
        let counted = port.statistics();
        assert_eq!((counted.received, counted.received_bytes, counted.receive_dropped), (3, 5, 1));
        assert_eq!((counted.sent, counted.sent_bytes, counted.send_dropped), (2, 301, 0));
    }

    #[test]
    fn a_guest_that_goes_is_followed_by_the_next() {
        let (mut port, mut guest, directory) = listening("stream-next");
        let path = directory.join("s");
        let mut second = UnixStream::connect(&path).unwrap();
        second.write_all(&[0, 0, 0, 1, 2]).unwrap();
        // In the middle of a frame.
        guest.write_all(&[0, 0, 0, 1, 1, 0, 0, 9]).unwrap();
        assert_eq!(next(&mut port).unwrap(), [1]);
        assert_eq!(next(&mut port), None);
        drop(guest);
        assert!(readable(&port));
        assert_eq!(next(&mut port), None, "it is seen to be gone");
        assert!(readable(&port));
        assert_eq!(next(&mut port).unwrap(), [2]);
        drop(second);
        assert_eq!(next(&mut port), None);
        assert!(port.send(&[1]).is_err());
        assert_eq!(port.statistics().send_dropped, 1);
    }

    #[test]
    fn a_length_of_four_gigabytes_ends_the_connection_and_costs_nothing() {
        let (mut port, mut guest, directory) = listening("stream-long");
        let path = directory.join("s");
        guest.write_all(&[0, 0, 0, 1, 5, 255, 255, 255, 255, 0, 0]).unwrap();
        assert_eq!(next(&mut port).unwrap(), [5]);
        assert_eq!(next(&mut port), None);
        assert!(!port.is_connected());
        assert_eq!(port.statistics().receive_dropped, 1);
        // Bytes that nobody read: the guest hears a reset rather than an end, either of which is one.
        assert!(!guest.read(&mut [0; 10]).is_ok_and(|count| count > 0));
        UnixStream::connect(&path).unwrap();
        port.turn(Instant::from_secs(1));
        assert!(port.is_connected());
    }

    #[test]
    fn who_does_not_read_loses_frames_and_nothing_else() {
        let (mut port, mut guest, _directory) = listening("stream-deaf");
        let frame = vec![1; 60_000];
        let mut lost = 0;
        for _ in 0..200 {
            lost += u64::from(port.send(&frame).is_err());
            port.flush().unwrap();
        }
        let peer = port.peer.as_ref().unwrap();
        assert!(peer.output.bytes.len() <= MAX_WAITING && peer.waits);
        assert!(lost > 100);
        // It reads at last: what waited comes whole, in order.
        guest.set_nonblocking(true).unwrap();
        let (mut reassembly, mut came) = (Reassembly::default(), 0);
        loop {
            while let Some(got) = reassembly.next_frame().unwrap() {
                assert_eq!(got, frame);
                came += 1;
            }
            match guest.read(reassembly.room()) {
                Ok(count) => reassembly.received(count),
                Err(_) if readable(&port) => port.flush().unwrap(),
                Err(_) => break,
            }
        }
        let counted = port.statistics();
        assert_eq!((counted.sent, counted.send_dropped), (came, lost));
        assert_eq!(came + lost, 200);
        assert!(!readable(&port));
    }

    #[test]
    fn one_that_connects_tries_again_each_second() {
        let directory = directory("stream-connect");
        let path = directory.join("s");
        let mut port = StreamPort::connect(&path).unwrap();
        port.turn(Instant::from_secs(10));
        assert_eq!(port.deadline(), Some(Instant::from_secs(11)));
        let passt = UnixListener::bind(&path).unwrap();
        port.turn(Instant::from_millis(10_500));
        assert!(!port.is_connected());
        port.turn(Instant::from_secs(11));
        assert!(port.is_connected() && port.deadline().is_none());
        port.send(&[4]).unwrap();
        port.flush().unwrap();
        let (mut there, _) = passt.accept().unwrap();
        let mut got = [0; 5];
        there.read_exact(&mut got).unwrap();
        assert_eq!(got, [0, 0, 0, 1, 4]);
        drop(there);
        assert_eq!(next(&mut port), None);
        assert_eq!(port.deadline(), Some(Instant::from_secs(12)));
    }

    #[test]
    fn a_file_left_behind_is_replaced_and_one_in_use_is_not() {
        let directory = directory("stream-file");
        let path = directory.join("s");
        drop(UnixListener::bind(&path).unwrap());
        let port = StreamPort::listen(&path, 0o660).unwrap();
        let taken = StreamPort::listen(&path, 0o660).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(port);
        assert!(!path.exists());
    }
}
