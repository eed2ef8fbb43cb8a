//! Captures as a port: what comes is read from one file, what is sent is written to another. For tests, and for programs
//! that have packets and no interface.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ironweir_wire::{Instant, LinkType};

use super::bell::Bell;
use super::tun::put_header;
use super::{Offloads, Port, PortStatistics};
use crate::capture::{LinkNumber, Written};
use crate::{Capture, CaptureError, CaptureWriter, Frame};

/// Frames of a file, to a file.
pub struct CapturePort {
    input: Option<Capture>,
    output: Option<CaptureWriter<BufWriter<File>>>,
    /// The next one, if it was read already.
    frame: Frame,
    waits: bool,
    /// The time of the first frame in the capture and here, if frames come at the capture's pace.
    pace: Option<Option<(Instant, Instant)>>,
    bell: Bell,
    now: Instant,
    statistics: PortStatistics,
}

impl CapturePort {
    /// Frames come from `input`, all at once or at the capture's own pace; what is sent goes to `output`, as pcapng.
    ///
    /// # Errors
    /// A file cannot be opened, or is no capture.
    pub fn open(input: Option<&Path>, output: Option<&Path>, paced: bool) -> io::Result<CapturePort> {
        let input = input.map(Capture::open).transpose().map_err(failed)?;
        let output = match output {
            Some(path) => {
                let file = create(path)?;
                Some(CaptureWriter::new(file, "weir", None)?)
            }
            None => None,
        };
        let mut bell = Bell::new()?;
        bell.set(input.is_some());
        Ok(CapturePort {
            input,
            output,
            frame: Frame::default(),
            waits: false,
            pace: paced.then_some(None),
            bell,
            now: Instant::ZERO,
            statistics: PortStatistics::default(),
        })
    }

    /// When the frame that was read is due.
    fn due(&self) -> Instant {
        match self.pace {
            Some(Some((first, begun))) => begun + self.frame.time.since(first),
            _ => Instant::ZERO,
        }
    }

    /// Reads the next frame, if none was read already.
    fn read(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        if self.waits {
            return Ok(());
        }
        if !input.read(&mut self.frame).map_err(failed)? {
            self.input = None;
            return Ok(());
        }
        self.waits = true;
        if let Some(pace @ None) = &mut self.pace {
            *pace = Some((self.frame.time, self.now));
        }
        Ok(())
    }
}

/// Makes a capture's file, which only its owner may read: it holds what others said.
pub(super) fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(BufWriter::with_capacity(1 << 16, file))
}

impl Port for CapturePort {
    fn turn(&mut self, now: Instant) {
        self.now = now;
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        loop {
            self.read()?;
            if !self.waits || self.due() > self.now {
                return Ok(None);
            }
            self.waits = false;
            let packet = self.frame.packet();
            // One without Ethernet header gets one.
            let before = if packet.link() == LinkType::Ethernet { 0 } else { 14 };
            let (whole, bytes) = (packet.is_linear(), packet.head());
            let len = before + bytes.len();
            let understood = whole
                && buffer.get_mut(..len).is_some_and(|frame| match frame.get_mut(before..) {
                    Some(place) => {
                        place.copy_from_slice(bytes);
                        before == 0 || put_header(&[0; 12], frame)
                    }
                    None => false,
                });
            if understood {
                self.statistics.count_received(len);
                return Ok(buffer.get_mut(..len).map(|frame| (Offloads::default(), frame)));
            }
            // Cut off by who captured it, longer than any frame, or no IP.
            self.statistics.receive_dropped += 1;
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let Some(output) = &mut self.output else {
            self.statistics.send_dropped += 1;
            return Ok(());
        };
        let written = output.interface("", LinkNumber::ETHERNET).and_then(|interface| {
            let original_len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            let (time, bytes) = (self.now, [frame, &[]]);
            output.packet(interface, Written { time, bytes, original_len, direction: None, comment: None })
        });
        match written {
            Ok(()) => self.statistics.count_sent(frame.len()),
            Err(_) => self.statistics.send_dropped += 1,
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(output) = &mut self.output {
            output.flush()?;
        }
        // One that waits for its time has a deadline.
        self.bell.set(self.input.is_some() && !(self.waits && self.due() > self.now));
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        (self.waits && self.due() > self.now).then(|| self.due())
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for CapturePort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl std::fmt::Debug for CapturePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapturePort").field("statistics", &self.statistics).finish_non_exhaustive()
    }
}

fn failed(error: CaptureError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::{directory, next, readable};

    #[test]
    fn what_one_writes_another_reads_at_its_pace() {
        let directory = directory("capture");
        let path = directory.join("a.pcapng");
        let mut first = CapturePort::open(None, Some(&path), false).unwrap();
        assert!(!readable(&first));
        for (millis, byte) in [(1000, 1), (1250, 2), (1250, 3)] {
            first.turn(Instant::from_millis(millis));
            first.send(&[byte; 60]).unwrap();
        }
        first.flush().unwrap();
        assert_eq!((first.statistics().sent, first.statistics().sent_bytes), (3, 180));

        let mut all = CapturePort::open(Some(&path), None, false).unwrap();
        assert!(readable(&all));
        assert_eq!(
            [next(&mut all), next(&mut all), next(&mut all)].map(|frame| frame.unwrap()[0]),
            [1, 2, 3]
        );
        assert_eq!(next(&mut all), None);
        all.flush().unwrap();
        assert!(!readable(&all), "it has ended");

        let mut paced = CapturePort::open(Some(&path), None, true).unwrap();
        let begun = Instant::from_secs(50);
        paced.turn(begun);
        assert_eq!(next(&mut paced).unwrap(), [1; 60]);
        assert_eq!(next(&mut paced), None);
        paced.flush().unwrap();
        assert!(!readable(&paced));
        let due = Instant::from_millis(50_250);
        assert_eq!(paced.deadline(), Some(due));
        paced.turn(due);
        assert_eq!([next(&mut paced), next(&mut paced)].map(|frame| frame.unwrap()[0]), [2, 3]);
        assert_eq!((next(&mut paced), paced.deadline()), (None, None));
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        let directory = directory("no-capture");
        std::fs::write(directory.join("a"), "text of no format").unwrap();
        assert!(CapturePort::open(Some(&directory.join("a")), None, false).is_err());
        assert!(CapturePort::open(Some(&directory.join("b")), None, false).is_err());
    }
}
