//! Keys looked up.

use std::hint::black_box;
use std::time::{Duration, Instant as Clock};

use ironweir_ruleset::store::Elements;
use ironweir_wire::Instant;

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
    let asked = count.clamp(16_384, 262_144);
    let keys: Vec<Vec<u8>> =
        (0..asked).map(|at| shape.key(scattered(at) % count, scattered(!at).is_multiple_of(2))).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
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
