//! Any bytes, in pieces of any length, as a virtual machine's stream of frames: the frames are those that the lengths say,
//! however they were cut, and one that is too long ends it.
#![no_main]

use ironweir_io::port::MAX_FRAME;
use ironweir_io::port::length_prefix::Reassembly;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<u16>)| {
    let (bytes, pieces) = input;
    let mut expected = bytes;
    let mut reassembly = Reassembly::default();
    let mut pieces = pieces.iter().map(|piece| usize::from(*piece).max(1)).chain(std::iter::repeat(bytes.len().max(1)));
    let mut left = bytes;
    loop {
        loop {
            let ready = reassembly.is_ready();
            match reassembly.next_frame() {
                Ok(Some(frame)) => {
                    assert!(ready);
                    let (len, rest) = expected.split_first_chunk().expect("a length was read");
                    let len = u32::from_be_bytes(*len) as usize;
                    assert_eq!(frame, &rest[..len]);
                    expected = &rest[len..];
                }
                Ok(None) => {
                    assert!(!ready);
                    break;
                }
                Err(_) => {
                    let (len, _) = expected.split_first_chunk().expect("a length was read");
                    assert!(ready && u32::from_be_bytes(*len) as usize > MAX_FRAME);
                    return;
                }
            }
        }
        if left.is_empty() {
            break;
        }
        let room = reassembly.room();
        assert!(!room.is_empty());
        let count = pieces.next().unwrap_or(1).min(room.len()).min(left.len());
        let (piece, rest) = left.split_at(count);
        room[..count].copy_from_slice(piece);
        reassembly.received(count);
        left = rest;
    }
    // What is left is no whole frame.
    if let Some((len, rest)) = expected.split_first_chunk() {
        assert!(rest.len() < u32::from_be_bytes(*len) as usize);
    }
});
