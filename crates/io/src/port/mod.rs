//! Ports: where a router's frames come from and go to.
//!
//! A router knows them by the trait [`Port`] alone. It calls, in every turn of its loop, [`Port::turn`] with the time, then
//! [`Port::receive`] until nothing waits or others shall have their turn, [`Port::send`] whenever it likes, and
//! [`Port::flush`] at the end. Between turns it waits until the port's descriptor can be read or its
//! [`Port::deadline`] has come.
//!
//! None of these blocks. What a port cannot take is dropped and counted ([`PortStatistics`]), as on any full queue. A peer
//! that goes away or an interface that goes down is no error: nothing comes from that port until it is up again.

use std::fmt::Debug;
use std::io;
use std::ops::{AddAssign, Range};
use std::os::fd::AsFd;

use ironweir_wire::Instant;

mod bell;
pub mod capture;
pub mod datagram;
pub mod faults;
pub mod host;
pub mod length_prefix;
pub mod offloads;
pub mod packet;
pub mod rate;
pub mod recorder;
mod socket_file;
pub mod stream;
pub mod tun;
mod vector;
pub mod xdp;

pub use capture::CapturePort;
pub use datagram::DatagramPort;
pub use faults::{Faults, FaultyPort};
pub use host::HostPort;
pub use offloads::Offloads;
pub use packet::PacketPort;
pub use rate::{LimitedPort, Rate};
pub use recorder::Recorder;
pub use stream::StreamPort;
pub use tun::TunPort;
pub use xdp::{XdpError, XdpOptions, XdpPort};

/// Bytes that hold any frame with what may stand before it: the longest IP packet, an Ethernet header with tags, a header of
/// [`Offloads`].
pub const MAX_FRAME: usize = (64 << 10) + 64;

/// What frames have come and gone through a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStatistics {
    /// Frames that were received and handed over.
    pub received: u64,
    /// Their bytes, link header included.
    pub received_bytes: u64,
    /// Frames that were received or waited to be, and were lost: nobody was quick enough, or they made no sense.
    pub receive_dropped: u64,
    /// Frames that were sent, as far as this port can tell.
    pub sent: u64,
    /// Their bytes, link header included.
    pub sent_bytes: u64,
    /// Frames that were to be sent and were lost: there was no room, nobody there, or the frame was too long.
    pub send_dropped: u64,
}

impl PortStatistics {
    pub(crate) fn count_received(&mut self, bytes: usize) {
        self.received += 1;
        self.received_bytes += bytes as u64;
    }

    pub(crate) fn count_sent(&mut self, bytes: usize) {
        self.sent += 1;
        self.sent_bytes += bytes as u64;
    }
}

impl AddAssign for PortStatistics {
    fn add_assign(&mut self, other: PortStatistics) {
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.receive_dropped += other.receive_dropped;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.send_dropped += other.send_dropped;
    }
}

/// Where frames come from and go to. Its descriptor can be read when there is something to do: a frame waits, or there is
/// room again for what could not be sent.
pub trait Port: AsFd + Debug + Send {
    /// Whether a frame needs its receiver's address, so that neighbours are asked for theirs. Every port's frames are
    /// Ethernet; where the other side knows of no such header, the port puts one on and takes it off.
    fn has_neighbours(&self) -> bool {
        true
    }

    /// A turn begins, and this is its time.
    fn turn(&mut self, _now: Instant) {}

    /// The next frame that waits, and what is left to do to it. `None`: none waits now. A frame that is longer than the
    /// buffer is dropped or cut off; [`MAX_FRAME`] bytes are enough for all.
    ///
    /// # Errors
    /// The port is broken for good.
    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>>;

    /// Sends a frame to which nothing is left to do, now or at the next [`Port::flush`].
    ///
    /// # Errors
    /// The frame is lost, and counted as such.
    fn send(&mut self, frame: &[u8]) -> io::Result<()>;

    /// Sends what waits, as far as there is room.
    ///
    /// # Errors
    /// The port is broken for good.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// When there is something to do though the descriptor cannot be read.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// What came and went so far.
    fn statistics(&self) -> PortStatistics;
}

/// Where in a buffer that begins at this address a frame is that was received into it: so a borrow of the buffer ends, and
/// another of the same frame begins.
fn place(base: usize, frame: &[u8]) -> Range<usize> {
    let start = (frame.as_ptr() as usize).wrapping_sub(base);
    start..start.saturating_add(frame.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Whether a wait would end.
    pub(crate) fn readable(fd: &impl AsFd) -> bool {
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    /// The next frame of a port, if one waits.
    pub(crate) fn next(port: &mut dyn Port) -> Option<Vec<u8>> {
        let mut buffer = vec![0; MAX_FRAME];
        port.receive(&mut buffer).unwrap().map(|(_, frame)| frame.to_vec())
    }

    /// An empty directory of a test's own.
    pub(crate) struct Directory(PathBuf);

    pub(crate) fn directory(test: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("weir-port-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Directory(path)
    }

    impl Directory {
        pub(crate) fn join(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// A port whose other end a test has.
    #[derive(Debug)]
    pub(crate) struct Wire(UnixDatagram, PortStatistics);

    /// The other end.
    pub(crate) struct OtherEnd(UnixDatagram);

    impl Wire {
        pub(crate) fn pair() -> (Wire, OtherEnd) {
            let (here, there) = UnixDatagram::pair().unwrap();
            here.set_nonblocking(true).unwrap();
            there.set_nonblocking(true).unwrap();
            (Wire(here, PortStatistics::default()), OtherEnd(there))
        }
    }

    impl OtherEnd {
        pub(crate) fn put(&self, frame: &[u8]) {
            self.0.send(frame).unwrap();
        }

        pub(crate) fn get(&self) -> Option<Vec<u8>> {
            let mut buffer = vec![0; MAX_FRAME];
            self.0.recv(&mut buffer).ok().map(|len| buffer[..len].to_vec())
        }
    }

    impl Port for Wire {
        fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
            let len = self.0.recv(buffer).ok();
            Ok(len.map(|len| (Offloads::default(), &mut buffer[..len])))
        }

        fn send(&mut self, frame: &[u8]) -> io::Result<()> {
            // Nobody may be at the other end, or read.
            let _ = self.0.send(frame);
            Ok(())
        }

        fn statistics(&self) -> PortStatistics {
            self.1
        }
    }

    impl AsFd for Wire {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}
