//! Any bytes as what a TAP device or packet socket gives: a header that says what the sender left undone, and a frame. The
//! segments that are made of it carry its payload, whole and in order, and none is longer than they may be.
#![no_main]

use ironweir_io::port::Offloads;
use ironweir_router::offload;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    let Some((offloads, frame)) = Offloads::split(&mut bytes) else { return };
    let before = frame.to_vec();
    let mut made: Vec<Vec<u8>> = Vec::new();
    offload::frames(offloads, frame, &mut Vec::new(), |frame| made.push(frame.to_vec()));
    let (first, rest) = made.split_first().expect("a frame stands for one at least");
    if rest.is_empty() {
        assert_eq!(first.len(), before.len());
        return;
    }
    let segment = usize::from(offloads.segment);
    // All but the last are full, so their headers are what is before that.
    let headers = first.len() - segment;
    let mut payload = Vec::new();
    for (index, frame) in made.iter().enumerate() {
        assert!(frame.len() > headers && frame.len() <= headers + segment);
        assert!(frame.len() == headers + segment || index + 1 == made.len());
        payload.extend_from_slice(&frame[headers..]);
    }
    assert_eq!(payload, before[headers..]);
});
