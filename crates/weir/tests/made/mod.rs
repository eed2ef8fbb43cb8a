//! Captures made by the tests themselves, and the program run on them.
#![allow(dead_code, unreachable_pub)] // each test program uses a part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ironweir_io::CaptureWriter;
use ironweir_io::capture::{LinkNumber, Written};
use ironweir_wire::Instant;

/// A directory for one test, empty and removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(test: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("ironweir-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// Writes a file, giving its path.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program's run.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs weir.
pub fn weir<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Run {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().unwrap();
    Run {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// Internet checksum (RFC 1071), written anew so that it is not that of the code under test.
fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes: Vec<u8> = parts.concat();
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub const SYN: u8 = 2;
pub const ACK: u8 = 16;

/// An IPv4 packet with these bytes behind its header.
pub fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0];
    header.extend(source);
    header.extend(destination);
    let length = (20 + payload.len()) as u16;
    header[2..4].copy_from_slice(&length.to_be_bytes());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, payload.to_vec()].concat()
}

fn with_ports(
    protocol: u8,
    from: ([u8; 4], u16),
    to: ([u8; 4], u16),
    mut segment: Vec<u8>,
    at: usize,
) -> Vec<u8> {
    segment[0..2].copy_from_slice(&from.1.to_be_bytes());
    segment[2..4].copy_from_slice(&to.1.to_be_bytes());
    let length = (segment.len() as u16).to_be_bytes();
    let sum = checksum(&[&from.0, &to.0, &[0, protocol], &length, &segment]);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    ipv4(from.0, to.0, protocol, &segment)
}

/// A TCP segment without data.
pub fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8, seq: u32, ack: u32) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[4..8].copy_from_slice(&seq.to_be_bytes());
    segment[8..12].copy_from_slice(&ack.to_be_bytes());
    (segment[12], segment[13]) = (0x50, flags);
    segment[14..16].copy_from_slice(&64000u16.to_be_bytes());
    with_ports(6, from, to, segment, 16)
}

/// A UDP datagram.
pub fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 8];
    segment.extend(payload);
    let length = (segment.len() as u16).to_be_bytes();
    segment[4..6].copy_from_slice(&length);
    with_ports(17, from, to, segment, 6)
}

/// An Ethernet frame around a packet.
pub fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0], packet].concat()
}

/// A pcapng file: packets a millisecond apart, each with the name of its interface.
pub fn pcapng<'a>(packets: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    of_link(LinkNumber::ETHERNET, packets.into_iter().map(|(name, packet)| (name, ethernet(&packet))))
}

/// As [`pcapng`], with the frames as they are.
pub fn of_link<'a>(link: LinkNumber, frames: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), "test", None).unwrap();
    for (at, (name, frame)) in frames.into_iter().enumerate() {
        let interface = writer.interface(name, link).unwrap();
        let written = Written {
            time: Instant::from_millis(1_700_000_000_000 + at as u64),
            bytes: [&frame, &[]],
            original_len: 0,
            direction: None,
            comment: None,
        };
        writer.packet(interface, written).unwrap();
    }
    writer.finish().unwrap()
}

/// A pcapng file of packets that come so many milliseconds after its begin, which is a midnight.
pub fn pcapng_at<'a>(packets: impl IntoIterator<Item = (u64, &'a str, Vec<u8>)>) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), "test", None).unwrap();
    for (millis, name, packet) in packets {
        let interface = writer.interface(name, LinkNumber::ETHERNET).unwrap();
        let written = Written {
            time: Instant::from_millis(1_700_006_400_000 + millis),
            bytes: [&ethernet(&packet), &[]],
            original_len: 0,
            direction: None,
            comment: None,
        };
        writer.packet(interface, written).unwrap();
    }
    writer.finish().unwrap()
}

/// Every packet of a capture file: name of its interface, bytes.
pub fn read(path: &str) -> Vec<(String, Vec<u8>)> {
    let mut capture = ironweir_io::Capture::open(Path::new(path)).unwrap();
    let mut frame = ironweir_io::Frame::default();
    let mut packets = Vec::new();
    while capture.read(&mut frame).unwrap() {
        let interface = capture.interface(frame.interface).unwrap();
        packets.push((interface.name.as_deref().unwrap_or("").to_owned(), frame.bytes().to_vec()));
    }
    packets
}

/// Where the shared captures lie: `IRONWEIR_SHARED`, or beside the repository.
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("IRONWEIR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", path.display());
    eprintln!("skipped: no captures at {}", path.display());
    None
}
