//! Any bytes as a frame of a TAP device or packet socket, behind what its sender left undone, and as one of AF_XDP, which does
//! not say: where a checksum is to be completed is inside the frame, and completing it once makes it right.
#![no_main]

use ironweir_io::port::Offloads;
use ironweir_io::port::xdp::partial;
use ironweir_wire::checksum::Sum;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    if let Some((offloads, frame)) = Offloads::split(&mut bytes) {
        assert!(offloads.kind < 128);
        assert_eq!(frame.len() + Offloads::LEN, bytes.len());
    }
    let Some((start, offset)) = partial::guess(&bytes).checksum else { return };
    let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
    let pseudo = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let sum = Sum::default().bytes(&bytes[start..]).finish();
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    // The pseudo header's sum and the bytes with their checksum add up to all ones.
    let whole = Sum::default().bytes(&bytes[start..]).bytes(&pseudo.to_be_bytes()).finish();
    assert!(whole == 0 || whole == 0xffff);
});
