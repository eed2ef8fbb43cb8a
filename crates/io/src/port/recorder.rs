//! A port whose frames are written down as they come and go, in pcapng.
//!
//! What is kept is bounded: at half the limit the file gets `.old` behind its name, in place of an older one, and a new one
//! begins. A disk that is full ends the recording, not the port.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use ironweir_wire::Instant;

use super::{Offloads, Port, PortStatistics};
use crate::CaptureWriter;
use crate::capture::{Direction, LinkNumber, Written};

/// Bytes of a packet's block besides its own, about.
const OVERHEAD: u64 = 44;

/// A port, and the file of its frames.
pub struct Recorder {
    port: Box<dyn Port>,
    name: String,
    path: PathBuf,
    /// Bytes of one file; of two there is room.
    limit: u64,
    written: u64,
    writer: Option<CaptureWriter<BufWriter<File>>>,
    now: Instant,
}

impl Recorder {
    /// Records a port's frames, which the capture says are of an interface of this name; at most about so many bytes in all.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(port: Box<dyn Port>, name: &str, path: &Path, limit: u64) -> io::Result<Recorder> {
        let writer = Some(begin(path)?);
        let (name, path) = (name.to_owned(), path.to_owned());
        Ok(Recorder { port, name, path, limit: limit / 2, written: 0, writer, now: Instant::ZERO })
    }

    fn record(&mut self, frame: &[u8], direction: Direction) {
        self.written += frame.len() as u64 + OVERHEAD;
        if self.written > self.limit && self.writer.is_some() {
            self.writer = self.rotate().ok();
            self.written = frame.len() as u64 + OVERHEAD;
        }
        let Some(writer) = &mut self.writer else { return };
        let written = writer.interface(&self.name, LinkNumber::ETHERNET).and_then(|interface| {
            let original_len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            let (time, bytes, direction) = (self.now, [frame, &[]], Some(direction));
            writer.packet(interface, Written { time, bytes, original_len, direction, comment: None })
        });
        if written.is_err() {
            self.writer = None;
        }
    }

    fn rotate(&mut self) -> io::Result<CaptureWriter<BufWriter<File>>> {
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
        }
        let mut old = self.path.clone().into_os_string();
        old.push(".old");
        fs::rename(&self.path, old)?;
        begin(&self.path)
    }
}

fn begin(path: &Path) -> io::Result<CaptureWriter<BufWriter<File>>> {
    CaptureWriter::new(super::capture::create(path)?, "weir", None)
}

impl Port for Recorder {
    fn has_neighbours(&self) -> bool {
        self.port.has_neighbours()
    }

    fn turn(&mut self, now: Instant) {
        self.now = now;
        self.port.turn(now);
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        let received = self.port.receive(buffer)?;
        if let Some((_, frame)) = &received {
            self.record(frame, Direction::Inbound);
        }
        Ok(received)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.port.send(frame)?;
        self.record(frame, Direction::Outbound);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.writer.as_mut().is_some_and(|writer| writer.flush().is_err()) {
            self.writer = None;
        }
        self.port.flush()
    }

    fn deadline(&self) -> Option<Instant> {
        self.port.deadline()
    }

    fn statistics(&self) -> PortStatistics {
        self.port.statistics()
    }
}

impl AsFd for Recorder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("port", &self.port).field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::{Wire, directory, next};
    use crate::{Capture, Frame};

    fn read(path: &Path) -> Vec<(u8, Option<Direction>, u64)> {
        let (mut capture, mut frame, mut frames) =
            (Capture::open(path).unwrap(), Frame::default(), Vec::new());
        while capture.read(&mut frame).unwrap() {
            frames.push((frame.bytes()[0], frame.direction, frame.time.millis()));
        }
        frames
    }

    #[test]
    fn frames_are_written_down_both_ways() {
        let directory = directory("recorder");
        let path = directory.join("a");
        let (wire, other) = Wire::pair();
        let mut port = Recorder::new(Box::new(wire), "lan0", &path, 1 << 20).unwrap();
        port.turn(Instant::from_millis(7));
        other.put(&[1; 60]);
        assert_eq!(next(&mut port).unwrap(), [1; 60]);
        port.turn(Instant::from_millis(8));
        port.send(&[2; 60]).unwrap();
        port.flush().unwrap();
        assert_eq!(read(&path), [(1, Some(Direction::Inbound), 7), (2, Some(Direction::Outbound), 8)]);
        assert_eq!(other.get().unwrap(), [2; 60]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let directory = directory("recorder-limit");
        let (path, old) = (directory.join("a"), directory.join("a.old"));
        let (wire, _other) = Wire::pair();
        let mut port = Recorder::new(Box::new(wire), "lan0", &path, 10_000).unwrap();
        for byte in 0..200 {
            port.send(&[byte; 100]).unwrap();
        }
        port.flush().unwrap();
        let len = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(len(&path) + len(&old) <= 11_000);
        let mut kept = read(&old);
        kept.extend(read(&path));
        assert_eq!(kept.last().unwrap().0, 199);
        assert!(kept.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1) && kept.len() > 34);
    }
}
