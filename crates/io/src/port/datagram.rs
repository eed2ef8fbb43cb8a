//! A virtual machine's network card over a unix datagram socket: a frame is a datagram, as `-netdev dgram` of QEMU, vfkit and
//! gvproxy have it.
//!
//! The port has a path of its own, and the guest one of its own, which is told or learnt: who sends first, or who greets as
//! vfkit does (`VFKT`, by which a guest that was started anew takes the place of the one before). What others send is
//! dropped. A unix socket's queue is short (`net.unix.max_dgram_qlen`), so frames wait here when it is full.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use ironweir_wire::Instant;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketType, sockopt};

use super::socket_file::SocketFile;
use super::{MAX_FRAME, Offloads, Port, PortStatistics};

/// The first datagram of vfkit.
pub const GREETING: &[u8] = b"VFKT";
/// Frames that wait for a peer that does not read.
pub const MAX_WAITING: usize = 512;
/// When what waits is tried again: nothing tells that another socket's queue has room.
const AGAIN: Duration = Duration::from_millis(1);
/// Datagrams of others that are passed over at once.
const MAX_STRANGERS: usize = 256;
/// What the kernel may hold for each way, in bytes.
const ROOM: usize = 4 << 20;

/// Frames of a virtual machine.
#[derive(Debug)]
pub struct DatagramPort {
    file: SocketFile,
    peer: Option<SocketAddrUnix>,
    /// The peer is the one that was told, not who came.
    told: bool,
    waiting: VecDeque<Vec<u8>>,
    now: Instant,
    statistics: PortStatistics,
}

impl DatagramPort {
    /// At a path, whose file has this mode; with the peer at another path, or with whoever comes.
    ///
    /// # Errors
    /// `AddrInUse` where somebody else is at the path; the file system's; a path longer than an address can be (107 bytes).
    pub fn open(path: &Path, mode: u32, peer: Option<&Path>) -> io::Result<DatagramPort> {
        let peer = peer.map(SocketAddrUnix::new).transpose()?;
        let file = SocketFile::bind(SocketType::DGRAM, path, mode)?;
        // Where this is not allowed there is less room.
        let _ = sockopt::set_socket_send_buffer_size(&file, ROOM);
        let _ = sockopt::set_socket_recv_buffer_size(&file, ROOM);
        let told = peer.is_some();
        let (waiting, now) = (VecDeque::new(), Instant::ZERO);
        Ok(DatagramPort { file, peer, told, waiting, now, statistics: PortStatistics::default() })
    }

    /// Whether a datagram is a frame of our peer's.
    fn admit(&mut self, from: Option<SocketAddrUnix>, datagram: &[u8]) -> bool {
        let greeting = datagram == GREETING;
        match from {
            // Who has no name cannot be answered.
            None => false,
            Some(from) if self.peer.as_ref() == Some(&from) => !greeting,
            Some(from) if !self.told && (greeting || self.peer.is_none()) => {
                self.statistics.send_dropped += self.waiting.len() as u64;
                self.waiting.clear();
                self.peer = Some(from);
                !greeting
            }
            Some(_) => false,
        }
    }

    /// Sends one, if there is room.
    fn put(&mut self, frame: &[u8]) -> Result<(), Errno> {
        let peer = self.peer.as_ref().ok_or(Errno::NOTCONN)?;
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let put = loop {
            match rustix::net::sendto(&self.file, frame, flags, peer) {
                Err(Errno::INTR) => {}
                other => break other,
            }
        };
        match put {
            Ok(_) => {
                self.statistics.count_sent(frame.len());
                Ok(())
            }
            Err(error @ (Errno::CONNREFUSED | Errno::NOENT)) => {
                // It is gone; whoever comes next is the peer.
                if !self.told {
                    self.peer = None;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

impl Port for DatagramPort {
    fn turn(&mut self, now: Instant) {
        self.now = now;
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        for _ in 0..MAX_STRANGERS {
            // The length is the datagram's own, however much of it there was room for.
            let (len, from) =
                match rustix::net::recvfrom(&self.file, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC)
                {
                    Ok((_, len, from)) => (len, from),
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
            let from = from.and_then(|from| named(&from));
            let Some(datagram) = buffer.get(..len) else {
                self.statistics.receive_dropped += 1;
                continue;
            };
            let greeting = datagram == GREETING;
            if self.admit(from, datagram) && len > 0 {
                self.statistics.count_received(len);
                return Ok(buffer.get_mut(..len).map(|frame| (Offloads::default(), frame)));
            }
            self.statistics.receive_dropped += u64::from(!greeting);
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let put = match () {
            () if frame.is_empty() || frame.len() > MAX_FRAME => Err(Errno::INVAL),
            () if self.waiting.is_empty() => self.put(frame),
            () => Err(Errno::AGAIN),
        };
        match put {
            Err(Errno::AGAIN | Errno::NOBUFS) if self.waiting.len() < MAX_WAITING => {
                self.waiting.push_back(frame.to_vec());
                Ok(())
            }
            Err(error) => {
                self.statistics.send_dropped += 1;
                Err(error.into())
            }
            Ok(()) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.waiting.pop_front() {
            match self.put(&frame) {
                Ok(()) => {}
                Err(Errno::AGAIN | Errno::NOBUFS) => {
                    self.waiting.push_front(frame);
                    break;
                }
                Err(_) => self.statistics.send_dropped += 1,
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.now + AGAIN)
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for DatagramPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A sender's address, if it has one.
fn named(from: &SocketAddrAny) -> Option<SocketAddrUnix> {
    let from = SocketAddrUnix::try_from(from.clone()).ok()?;
    (from.path().is_some() || from.abstract_name().is_some()).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::{directory, next, readable};
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_guest_whose_path_is_told_is_the_only_one() {
        let directory = directory("dgram-told");
        let (here, there) = (directory.join("here"), directory.join("there"));
        let mut port = DatagramPort::open(&here, 0o600, Some(&there)).unwrap();
        assert!(port.send(&[1]).is_err(), "nobody is there yet");
        let guest = UnixDatagram::bind(&there).unwrap();
        port.send(&[2, 3]).unwrap();
        let mut got = [0; 10];
        assert_eq!(guest.recv(&mut got).unwrap(), 2);
        let stranger = UnixDatagram::bind(directory.join("stranger")).unwrap();
        stranger.send_to(GREETING, &here).unwrap();
        stranger.send_to(&[9], &here).unwrap();
        UnixDatagram::unbound().unwrap().send_to(&[8], &here).unwrap();
        guest.send_to(&[4; 20], &here).unwrap();
        assert!(readable(&port));
        assert_eq!(next(&mut port).unwrap(), [4; 20]);
        assert_eq!(next(&mut port), None);
        let counted = port.statistics();
        assert_eq!((counted.received, counted.receive_dropped), (1, 2));
        assert_eq!((counted.sent, counted.send_dropped), (1, 1));
    }

    #[test]
    fn who_greets_as_vfkit_does_takes_the_place_of_the_one_before() {
        let directory = directory("dgram-greet");
        let here = directory.join("here");
        let mut port = DatagramPort::open(&here, 0o600, None).unwrap();
        let first = UnixDatagram::bind(directory.join("1")).unwrap();
        first.send_to(&[1; 14], &here).unwrap();
        assert_eq!(next(&mut port).unwrap(), [1; 14]);
        let second = UnixDatagram::bind(directory.join("2")).unwrap();
        second.send_to(&[2; 14], &here).unwrap();
        assert_eq!(next(&mut port), None, "there is one already");
        second.send_to(GREETING, &here).unwrap();
        second.send_to(&[3; 14], &here).unwrap();
        assert_eq!(next(&mut port).unwrap(), [3; 14]);
        port.send(&[5]).unwrap();
        assert_eq!(second.recv(&mut [0; 10]).unwrap(), 1);
        // One that is gone makes room for the next without a greeting.
        drop(second);
        assert!(port.send(&[6]).is_err());
        first.send_to(&[7], &here).unwrap();
        assert_eq!(next(&mut port).unwrap(), [7]);
    }

    #[test]
    fn who_does_not_read_loses_frames_and_nothing_else() {
        let directory = directory("dgram-deaf");
        let (here, there) = (directory.join("here"), directory.join("there"));
        let mut port = DatagramPort::open(&here, 0o600, Some(&there)).unwrap();
        let guest = UnixDatagram::bind(&there).unwrap();
        let lost = (0..2000).filter(|number| port.send(&[*number as u8; 1500]).is_err()).count();
        assert_eq!(port.waiting.len(), MAX_WAITING);
        port.turn(Instant::from_secs(1));
        assert_eq!(port.deadline(), Some(Instant::from_millis(1001)));
        guest.set_nonblocking(true).unwrap();
        let (mut came, mut got) = (0, [0; 2000]);
        loop {
            while guest.recv(&mut got).is_ok() {
                assert_eq!(got[0], came as u8, "in order");
                came += 1;
            }
            if port.deadline().is_none() {
                break;
            }
            port.flush().unwrap();
        }
        let counted = port.statistics();
        assert_eq!((counted.sent, counted.send_dropped), (came, lost as u64));
        assert_eq!(came as usize + lost, 2000);
    }

    #[test]
    fn what_is_too_long_or_empty_is_dropped() {
        let directory = directory("dgram-long");
        let here = directory.join("here");
        let mut port = DatagramPort::open(&here, 0o600, None).unwrap();
        let guest = UnixDatagram::bind(directory.join("there")).unwrap();
        guest.send_to(&vec![1; MAX_FRAME + 1], &here).unwrap();
        guest.send_to(&[], &here).unwrap();
        guest.send_to(&vec![2; MAX_FRAME], &here).unwrap();
        assert_eq!(next(&mut port).unwrap(), vec![2; MAX_FRAME]);
        assert_eq!(port.statistics().receive_dropped, 2);
    }
}
