//! Captures: pcap and pcapng files, gzip or not, read as a stream in bounded memory.
//!
//! [`Capture::open`] tells the format by its magic bytes; [`Capture::read`] fills one reused [`Frame`] after another;
//! [`Frame::packet`] gives the packet as the engine takes it, whatever link header the capture had.
//!
//! The formats are read here rather than through `pcap-file` 2.0, because that crate ignores `if_tsresol`, refuses
//! packets that were cut at the snap length and slices by lengths that options claim. See draft-ietf-opsawg-pcap and
//! draft-ietf-opsawg-pcapng.

mod bytes;
mod error;
mod frame;
mod link;
mod pcap;
mod pcapng;
mod write;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use bytes::Bytes;
pub use error::{CaptureError, Corruption};
pub use frame::{Direction, Frame, HEADROOM, MAX_PACKET};
pub use link::{LinkNumber, Name as LinkName};
pub use pcapng::MAX_INTERFACES;
pub use write::{CaptureWriter, Written};

/// An interface that a capture describes: one per pcap file, any number per pcapng section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `if_name` of pcapng.
    pub name: Option<Box<str>>,
    /// Link type of its packets.
    pub link: LinkNumber,
}

/// A capture being read.
pub struct Capture {
    bytes: Bytes,
    format: Format,
    /// Bytes of the file on disk that were read so far.
    position: Arc<AtomicU64>,
    size: Option<u64>,
}

enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

impl Capture {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Capture, CaptureError> {
        let open = |source| CaptureError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if metadata.is_dir() {
            return Err(open(io::ErrorKind::IsADirectory.into()));
        }
        let size = metadata.is_file().then_some(metadata.len());
        let mut capture = Capture::from_reader(path, file)?;
        capture.size = size;
        Ok(capture)
    }

    /// Reads from anything; `path` names it in errors.
    pub fn from_reader(path: &Path, reader: impl Read + Send + 'static) -> Result<Capture, CaptureError> {
        let position = Arc::new(AtomicU64::new(0));
        let counted = BufReader::with_capacity(1 << 16, Counted { reader, position: Arc::clone(&position) });
        let mut bytes = Bytes::new(path, Box::new(counted));
        if bytes.peek4()?.starts_with(&[0x1f, 0x8b]) {
            let unpacked = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(bytes.into_reader()));
            bytes = Bytes::new(path, Box::new(unpacked));
        }
        let magic = bytes.peek4()?;
        let format = match u32::from_be_bytes(magic) {
            pcapng::SECTION_HEADER => Format::Pcapng(pcapng::Pcapng::default()),
            number => match pcap::Magic::from_number(number) {
                Some(magic) => Format::Pcap(pcap::Pcap::new(magic, &mut bytes)?),
                None => return Err(CaptureError::NotACapture { path: PathBuf::from(path), magic }),
            },
        };
        Ok(Capture { bytes, format, position, size: None })
    }

    /// Reads the next packet into `frame`; false at the end of the capture.
    ///
    /// # Errors
    /// Any but [`CaptureError::Open`] and [`CaptureError::NotACapture`]. What was read before stays good; there is no
    /// reading on.
    pub fn read(&mut self, frame: &mut Frame) -> Result<bool, CaptureError> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.read(&mut self.bytes, frame),
            Format::Pcapng(pcapng) => pcapng.read(&mut self.bytes, frame),
        }
    }

    /// The interface of a packet, by [`Frame::interface`].
    pub fn interface(&self, index: usize) -> Option<&Interface> {
        match &self.format {
            Format::Pcap(pcap) => (index == 0).then_some(&pcap.interface),
            Format::Pcapng(pcapng) => pcapng.interface(index),
        }
    }

    /// How many bytes of the file on disk were read (for progress).
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// How many bytes the file on disk has; `None` for a pipe.
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}

struct Counted<R> {
    reader: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(out)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
