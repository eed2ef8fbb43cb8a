//! Writing pcapng: one section, interfaces as they come, nanoseconds, comments.

use std::io::{self, Write};

use ironweir_wire::Instant;

use super::{Direction, LinkNumber};

/// Writes packets as pcapng, in little-endian byte order.
pub struct CaptureWriter<W: Write> {
    out: W,
    interfaces: Vec<(Box<str>, LinkNumber)>,
    block: Vec<u8>,
}

/// A packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// When.
    pub time: Instant,
    /// Its bytes, in pieces that follow one another: a link header and the rest.
    pub bytes: [&'a [u8]; 2],
    /// Bytes it had on the wire.
    pub original_len: u32,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// What to say about it.
    pub comment: Option<&'a str>,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a file. `application` and `comment` go into the section header (`shb_userappl`, `opt_comment`).
    pub fn new(mut out: W, application: &str, comment: Option<&str>) -> io::Result<CaptureWriter<W>> {
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4du32.to_le_bytes());
        body.extend(1u16.to_le_bytes());
        body.extend(0u16.to_le_bytes());
        body.extend(u64::MAX.to_le_bytes()); // length of the section: not told
        if let Some(comment) = comment {
            option(&mut body, 1, comment.as_bytes());
        }
        option(&mut body, 4, application.as_bytes());
        option(&mut body, 0, &[]);
        block(&mut out, super::pcapng::SECTION_HEADER, &body)?;
        Ok(CaptureWriter { out, interfaces: Vec::new(), block: Vec::new() })
    }

    /// The number of the interface with this name and link type, described at its first use.
    pub fn interface(&mut self, name: &str, link: LinkNumber) -> io::Result<u32> {
        let known = self.interfaces.iter().position(|(known, of)| &**known == name && *of == link);
        if let Some(index) = known {
            return Ok(index as u32);
        }
        let mut body = Vec::new();
        body.extend(link.0.to_le_bytes());
        body.extend([0; 2]);
        body.extend(0u32.to_le_bytes()); // no snap length
        if !name.is_empty() {
            option(&mut body, 2, name.as_bytes());
        }
        option(&mut body, 9, &[9]); // nanoseconds
        option(&mut body, 0, &[]);
        block(&mut self.out, 1, &body)?;
        self.interfaces.push((name.into(), link));
        Ok((self.interfaces.len() - 1) as u32)
    }

    /// Writes a packet of an interface.
    pub fn packet(&mut self, interface: u32, packet: Written<'_>) -> io::Result<()> {
        let captured = packet.bytes.iter().map(|piece| piece.len()).sum::<usize>();
        let captured = u32::try_from(captured).map_err(|_| io::ErrorKind::InvalidInput)?;
        let body = &mut self.block;
        body.clear();
        body.extend(interface.to_le_bytes());
        body.extend(((packet.time.nanos() >> 32) as u32).to_le_bytes());
        body.extend((packet.time.nanos() as u32).to_le_bytes());
        body.extend(captured.to_le_bytes());
        body.extend(packet.original_len.max(captured).to_le_bytes());
        for piece in packet.bytes {
            body.extend(piece);
        }
        pad(body);
        if let Some(comment) = packet.comment {
            option(body, 1, comment.as_bytes());
        }
        if let Some(direction) = packet.direction {
            let flags = match direction {
                Direction::Inbound => 1u32,
                Direction::Outbound => 2,
            };
            option(body, 2, &flags.to_le_bytes());
        }
        if packet.comment.is_some() || packet.direction.is_some() {
            option(body, 0, &[]);
        }
        block(&mut self.out, 6, body)
    }

    /// Writes on what is held back, if anything is, so that others can read it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the file and gives back what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // The length is a u16; a longer comment is cut at a character's beginning.
    let mut length = value.len().min(usize::from(u16::MAX));
    while length < value.len() && length > 0 && value[length] & 0xc0 == 0x80 {
        length -= 1;
    }
    body.extend(code.to_le_bytes());
    body.extend((length as u16).to_le_bytes());
    body.extend(&value[..length]);
    pad(body);
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(|_| io::ErrorKind::InvalidInput)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}
