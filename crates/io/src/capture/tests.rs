use std::path::PathBuf;

use ironweir_wire::{Instant, LinkType};

use super::*;

/// One packet of 60 zero bytes but its first, in pcap with the given magic.
fn pcap(magic: [u8; 4], fields: impl Fn(u32) -> [u8; 4], link: u32) -> Vec<u8> {
    let version = if fields(1)[3] == 1 { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
    let mut file = [magic, version, [0; 4], [0; 4], fields(65535), fields(link)].concat();
    file.extend([fields(1_700_000_000), fields(5), fields(60), fields(1500)].concat());
    file.extend([0x45; 60]);
    file
}

fn open(file: Vec<u8>) -> Result<Capture, CaptureError> {
    Capture::from_reader(Path::new("test.pcap"), io::Cursor::new(file))
}

fn read_all(file: Vec<u8>) -> Result<Vec<(Instant, usize, u32)>, CaptureError> {
    let mut capture = open(file)?;
    let (mut frame, mut read) = (Frame::default(), Vec::new());
    while capture.read(&mut frame)? {
        read.push((frame.time, frame.bytes().len(), frame.original_len));
    }
    Ok(read)
}

#[test]
fn pcap_of_both_byte_orders_and_units_is_read() {
    for (magic, big, nanos) in [
        ([0xa1, 0xb2, 0xc3, 0xd4], true, 5000),
        ([0xd4, 0xc3, 0xb2, 0xa1], false, 5000),
        ([0xa1, 0xb2, 0x3c, 0x4d], true, 5),
        ([0x4d, 0x3c, 0xb2, 0xa1], false, 5),
    ] {
        let file = pcap(magic, |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() }, 101);
        let expected = Instant::from_nanos(1_700_000_000_000_000_000 + nanos);
        assert_eq!(read_all(file).unwrap(), [(expected, 60, 1500)], "{magic:02x?}");
    }
}

fn good() -> Vec<u8> {
    pcap([0xd4, 0xc3, 0xb2, 0xa1], u32::to_le_bytes, 101)
}

#[test]
fn a_gzip_capture_is_read_as_its_contents() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut packed, &good()).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(read_all(packed.clone()).unwrap(), read_all(good()).unwrap());
    let cut = packed[..packed.len() - 12].to_vec();
    assert!(matches!(read_all(cut), Err(CaptureError::Truncated { packet: 1, .. })));
}

#[test]
fn every_truncation_but_between_packets_is_told() {
    let file = good();
    for length in 0..file.len() {
        let result = read_all(file[..length].to_vec());
        match length {
            24 => assert_eq!(result.unwrap(), []),
            _ => {
                let error = result.unwrap_err();
                assert!(matches!(error, CaptureError::Truncated { packet: 1, .. }), "{length}: {error}");
                assert!(error.to_string().contains("test.pcap"), "{error}");
            }
        }
    }
}

#[test]
fn a_huge_length_is_an_error_and_no_allocation() {
    let mut file = good();
    file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read_all(file).unwrap_err().to_string();
    assert!(error.contains("4294967295 bytes") && error.contains("packet 1"), "{error}");
}

#[test]
fn an_unknown_link_type_is_named() {
    let error = open(pcap([0xd4, 0xc3, 0xb2, 0xa1], u32::to_le_bytes, 127)).err().unwrap().to_string();
    assert!(error.contains("127 (IEEE802_11_RADIOTAP)"), "{error}");
}

#[test]
fn a_text_file_is_no_capture() {
    let error = open(b"table ip x {}".to_vec()).err().unwrap();
    assert!(matches!(error, CaptureError::NotACapture { magic: [b't', b'a', b'b', b'l'], .. }));
    assert!(matches!(Capture::open(Path::new("/nonexistent/x.pcap")), Err(CaptureError::Open { .. })));
}

fn written() -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), "test", Some("why")).unwrap();
    let wan = writer.interface("wan0", LinkNumber::ETHERNET).unwrap();
    let lan = writer.interface("lan0", LinkNumber::LINUX_SLL).unwrap();
    assert_eq!((wan, lan, writer.interface("wan0", LinkNumber::ETHERNET).unwrap()), (0, 1, 0));
    let packet = |nanos, bytes, comment| Written {
        time: Instant::from_nanos(nanos),
        bytes,
        original_len: 99,
        direction: Some(Direction::Outbound),
        comment,
    };
    writer.packet(wan, packet(1_700_000_000_123_456_789, [&[1; 14], &[2; 7]], Some("dropped"))).unwrap();
    writer.packet(lan, packet(2, [&[0; 16], &[0x45; 20]], None)).unwrap();
    writer.finish().unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    let mut capture = open(written()).unwrap();
    let mut frame = Frame::default();
    assert!(capture.read(&mut frame).unwrap());
    assert_eq!(frame.time.nanos(), 1_700_000_000_123_456_789);
    assert_eq!(frame.bytes(), [[1; 14].as_slice(), &[2; 7]].concat());
    assert_eq!((frame.original_len, frame.number), (99, 1));
    assert_eq!(frame.direction, Some(Direction::Outbound));
    assert_eq!((frame.missing(), frame.packet().len()), (78, 99));
    assert_eq!(capture.interface(frame.interface).unwrap().name.as_deref(), Some("wan0"));
    assert_eq!(frame.packet().link(), LinkType::Ethernet);
    assert!(capture.read(&mut frame).unwrap());
    assert_eq!(capture.interface(frame.interface).unwrap().name.as_deref(), Some("lan0"));
    assert_eq!((frame.link_header().len(), frame.packet().head().len()), (16, 20));
    assert!(!capture.read(&mut frame).unwrap());
}

/// A small generator, so that failures repeat without a file of seeds.
fn noise(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn damaged_captures_never_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for whole in [good(), written()] {
        for _ in 0..20_000 {
            let mut file = whole.clone();
            for _ in 0..1 + noise(&mut seed) % 4 {
                let at = noise(&mut seed) as usize % file.len();
                file[at] = noise(&mut seed) as u8;
            }
            file.truncate(noise(&mut seed) as usize % (file.len() + 1));
            let _ = read_all(file);
        }
    }
}

/// Where the shared captures lie: `IRONWEIR_SHARED`, or beside the repository.
fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("IRONWEIR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", path.display());
    eprintln!("skipped: no captures at {}", path.display());
    None
}

/// The captures' own index says how many packets each file has.
#[test]
fn all_shared_captures_have_as_many_packets_as_their_index_says() {
    let Some(shared) = shared() else { return };
    let index = std::fs::read_to_string(shared.join("pcap/README.md")).unwrap();
    let (mut folder, mut files, mut packets) = ("", 0, 0);
    for line in index.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            folder = name;
        }
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, file, _, _, expected, ..] = columns[..] else { continue };
        let Ok(expected) = expected.parse::<u64>() else { continue };
        let path = shared.join("pcap").join(folder).join(file);
        if !path.is_file() {
            continue;
        }
        let mut capture = Capture::open(&path).unwrap();
        let (mut frame, mut count) = (Frame::default(), 0);
        while capture.read(&mut frame).unwrap_or_else(|error| panic!("{error}")) {
            let _ = frame.packet();
            count += 1;
        }
        assert_eq!(count, expected, "{}", path.display());
        (files, packets) = (files + 1, packets + count);
    }
    assert_eq!((files, packets), (341, 36071));
}
