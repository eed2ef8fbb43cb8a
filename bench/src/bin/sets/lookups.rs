//! Keys looked up.

use std::hint::black_box;
use std::time::{Duration, Instant as Clock};

use ironweir_ruleset::store::Elements;
use ironweir_wire::{Instant, SipKey};

use crate::keys::{Shape, scattered};

/// Keys of a vector.
const VECTOR: usize = 256;

/// A set of so many elements, put in in the order of their keys.
pub(crate) fn filled(shape: Shape, count: u32) -> Elements {
    let mut elements = Elements::new(&shape.set(), 0x1234_5678);
    for number in 0..count {
        let (element, end) = shape.element(number);
        elements.insert(element, end, None, Instant::ZERO).expect("no two are the same");
    }
    elements
}

/// Nanoseconds per key, in vectors and one by one: the fastest rounds.
pub(crate) fn measure(shape: Shape, count: u32) -> [f64; 2] {
    let elements = filled(shape, count);
    // Packets' keys are at hand: these lie side by side, so that they are fetched ahead.
    let asked = if count < 200_000 { 16_384 } else { 131_072 };
    let keys: Vec<u8> = (0..asked)
        .flat_map(|at| shape.key(scattered(at) % count, scattered(!at).is_multiple_of(2)))
        .collect();
    let keys: Vec<&[u8]> = keys.chunks_exact(shape.set().key_len as usize).collect();
    let mut found = [None; VECTOR];
    let mut hits = 0;
    for keys in keys.chunks(VECTOR) {
        elements.find_each(keys, Instant::ZERO, &mut found);
        hits += found.iter().take(keys.len()).flatten().count();
    }
    assert!((0.45..0.55).contains(&(hits as f64 / f64::from(asked))), "half of the keys are in: {hits}");
    let vectors = fastest(asked, || {
        for keys in keys.chunks(VECTOR) {
            elements.find_each(keys, Instant::ZERO, &mut found);
            black_box(&found);
        }
    });
    let single = fastest(asked, || {
        for key in &keys {
            black_box(elements.find_live(key, Instant::ZERO));
        }
    });
    [vectors, single]
}

/// Nanoseconds of a hash of one word: what the machine can do while others use it (6 on an idle one, see DESIGN.md).
pub(crate) fn yardstick() -> f64 {
    let sip = SipKey::from_seed(1);
    fastest(16_384, || {
        for number in 0..16_384 {
            black_box(sip.hash_words(&[black_box(number)]));
        }
    })
}

/// Nanoseconds per key of the fastest round within a second.
fn fastest(keys: u32, mut round: impl FnMut()) -> f64 {
    let begin = Clock::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < Duration::from_millis(700) {
        let begin = Clock::now();
        round();
        best = best.min(begin.elapsed().as_nanos() as f64 / f64::from(keys));
    }
    best
}
