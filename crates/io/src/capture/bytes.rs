//! The bytes of a capture in order, with what an error has to say about them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{CaptureError, Corruption};

/// A reader that knows how far it is and which packet comes.
pub(super) struct Bytes {
    reader: Box<dyn Read + Send>,
    peeked: Vec<u8>,
    path: PathBuf,
    offset: u64,
    /// Number of the packet being read, from 1.
    pub(super) packet: u64,
}

impl Bytes {
    pub(super) fn new(path: &Path, reader: Box<dyn Read + Send>) -> Bytes {
        Bytes { reader, peeked: Vec::new(), path: path.to_owned(), offset: 0, packet: 1 }
    }

    /// The first four bytes, which are read again afterwards. A shorter file is truncated.
    pub(super) fn peek4(&mut self) -> Result<[u8; 4], CaptureError> {
        let mut magic = [0; 4];
        self.exact(&mut magic, "the file's magic number")?;
        self.peeked = magic.to_vec();
        self.offset = 0;
        Ok(magic)
    }

    /// What follows, what was peeked included.
    pub(super) fn into_reader(self) -> impl Read + Send {
        io::Cursor::new(self.peeked).chain(self.reader)
    }

    /// Fills `out`; false when there is nothing at all any more.
    pub(super) fn exact_or_end(&mut self, out: &mut [u8], what: &'static str) -> Result<bool, CaptureError> {
        let mut filled = 0;
        while filled < out.len() {
            let rest = &mut out[filled..];
            if !self.peeked.is_empty() {
                let count = rest.len().min(self.peeked.len());
                rest[..count].copy_from_slice(&self.peeked[..count]);
                self.peeked.drain(..count);
                filled += count;
                continue;
            }
            match self.reader.read(rest) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.truncated(filled, what)),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A gzip stream that ends too early is a truncated file too.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.truncated(filled, what));
                }
                Err(source) => {
                    return Err(CaptureError::Read { path: self.path.clone(), packet: self.packet, source });
                }
            }
        }
        self.offset += filled as u64;
        Ok(true)
    }

    /// Fills `out`.
    pub(super) fn exact(&mut self, out: &mut [u8], what: &'static str) -> Result<(), CaptureError> {
        if !out.is_empty() && !self.exact_or_end(out, what)? {
            return Err(self.truncated(0, what));
        }
        Ok(())
    }

    /// Passes over `count` bytes.
    pub(super) fn skip(&mut self, mut count: u64, what: &'static str) -> Result<(), CaptureError> {
        let mut sink = [0; 4096];
        while count > 0 {
            let now = count.min(sink.len() as u64) as usize;
            self.exact(&mut sink[..now], what)?;
            count -= now as u64;
        }
        Ok(())
    }

    /// The error of a file that ends `filled` bytes further on.
    fn truncated(&self, filled: usize, what: &'static str) -> CaptureError {
        let offset = self.offset + filled as u64;
        CaptureError::Truncated { path: self.path.clone(), packet: self.packet, offset, what }
    }

    /// The error of something impossible just read.
    pub(super) fn corrupt(&self, what: Corruption) -> CaptureError {
        CaptureError::Corrupt { path: self.path.clone(), packet: self.packet, offset: self.offset, what }
    }

    /// The error of a link type that is not known.
    pub(super) fn unknown_link(&self, link: super::LinkNumber) -> CaptureError {
        CaptureError::LinkType { path: self.path.clone(), packet: self.packet, link }
    }
}
