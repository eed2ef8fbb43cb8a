//! `--out` and `--dropped`: packets into pcapng files.

use std::io;
use std::path::Path;

use ironweir_engine::{Disposition, Engine};
use ironweir_io::capture::{Frame, LinkNumber, Written};
use ironweir_io::{CaptureWriter, PendingFile};
use ironweir_wire::{IfIndex, LinkType, Packet};

/// The two files, as far as they were asked for.
pub struct Outputs {
    passed: Option<CaptureWriter<PendingFile>>,
    dropped: Option<CaptureWriter<PendingFile>>,
    /// The packet as it came, for `--dropped`, and its link header, for `--out`.
    arrived: Vec<u8>,
    link_header: Vec<u8>,
}

impl Outputs {
    /// Begins the files that were asked for.
    ///
    /// # Errors
    /// If one cannot be made: its name and why.
    pub fn create(passed: Option<&Path>, dropped: Option<&Path>) -> Result<Outputs, (String, io::Error)> {
        let create = |path: Option<&Path>| {
            let Some(path) = path else { return Ok(None) };
            let begin = || CaptureWriter::new(PendingFile::create(path)?, "weir replay", None);
            begin().map(Some).map_err(|error| (path.display().to_string(), error))
        };
        Ok(Outputs {
            passed: create(passed)?,
            dropped: create(dropped)?,
            arrived: Vec::new(),
            link_header: Vec::new(),
        })
    }

    /// Keeps what is needed of a packet before it is changed.
    pub fn before(&mut self, frame: &Frame) {
        if self.dropped.is_some() {
            self.arrived.clear();
            self.arrived.extend_from_slice(frame.bytes());
        }
        if self.passed.is_some() && frame.link() != LinkNumber::ETHERNET {
            self.link_header.clear();
            if frame.output_link() == frame.link() {
                self.link_header.extend_from_slice(frame.link_header());
            }
        }
    }

    /// Writes a packet that passed, as it is now; `link` is that of its capture's packets.
    ///
    /// # Errors
    /// Those of writing.
    pub fn passed(
        &mut self,
        at: &Arrival,
        packet: &Packet<'_>,
        disposition: Disposition,
        engine: &Engine,
    ) -> io::Result<()> {
        let Some(writer) = &mut self.passed else { return Ok(()) };
        let interface = match disposition {
            Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => oif,
            _ => at.iif,
        };
        let ethernet = packet.link() == LinkType::Ethernet;
        // A raw packet may change its family on the way; a header that names another would lie.
        let link = if ethernet { LinkNumber::ETHERNET } else { at.output_link };
        let interface = writer.interface(name(engine, interface), link)?;
        let head = packet.head();
        let tagged;
        let bytes = match packet.meta.vlan {
            // The tag was taken off the frame on arrival; on the wire it stands behind the addresses.
            Some(tag) if ethernet && head.len() >= 12 => {
                let tag = [tag.protocol.to_be_bytes(), tag.tci.to_be_bytes()];
                tagged = [&head[..12], tag.as_flattened()].concat();
                [tagged.as_slice(), &head[12..]]
            }
            _ if ethernet => [head, &[]],
            _ => [self.link_header.as_slice(), head],
        };
        let captured = bytes[0].len() + bytes[1].len();
        let written = Written {
            time: at.time,
            bytes,
            original_len: (captured + at.missing) as u32,
            direction: None,
            comment: None,
        };
        writer.packet(interface, written)
    }

    /// Writes a packet that did not pass, as it came, with the reason.
    ///
    /// # Errors
    /// Those of writing.
    pub fn dropped(&mut self, at: &Arrival, engine: &Engine, reason: &str) -> io::Result<()> {
        let Some(writer) = &mut self.dropped else { return Ok(()) };
        let interface = writer.interface(name(engine, at.iif), at.link)?;
        let written = Written {
            time: at.time,
            bytes: [&self.arrived, &[]],
            original_len: (self.arrived.len() + at.missing) as u32,
            direction: None,
            comment: Some(reason),
        };
        writer.packet(interface, written)
    }

    /// Whether a reason for [`Outputs::dropped`] is needed.
    pub fn wants_dropped(&self) -> bool {
        self.dropped.is_some()
    }

    /// Gives the files their names.
    ///
    /// # Errors
    /// Those of writing what is left; a file that was committed before stays.
    pub fn commit(self) -> io::Result<()> {
        for writer in [self.passed, self.dropped].into_iter().flatten() {
            writer.finish()?.commit()?;
        }
        Ok(())
    }
}

/// How a packet came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When.
    pub time: ironweir_wire::Instant,
    /// By which interface.
    pub iif: IfIndex,
    /// Link type of the capture.
    pub link: LinkNumber,
    /// Link type of the packet with its link header, when it leaves.
    pub output_link: LinkNumber,
    /// Bytes that the capture does not hold.
    pub missing: usize,
}

fn name(engine: &Engine, index: IfIndex) -> &str {
    engine.host().interface(index).map_or("", |interface| &interface.name)
}
