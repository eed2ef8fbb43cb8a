//! Concatenations of intervals.
//!
//! The kernel keeps them in a pile of bit vectors (`nft_set_pipapo.c`), made anew by every transaction. Here an element
//! is found by that of its fields that tells it apart from others ([`segments`](super::segments)), or, where none does,
//! by its prefixes ([`tuples`](super::tuples)). Inserting and removing cost what the one element costs. A look-up searches
//! each field that any element is found by, once, and compares the bounds of the few elements that it finds there.
//!
//! Of several elements that match (overlaps that the kernel's check does not see either), the one in the lowest slot
//! wins.

use super::segments::{NONE, Segments};
use super::sorted::TOGETHER;
use super::tuples::Tuples;
use super::{Entry, Refusal};
use crate::Value;

/// 32-bit words of the longest key.
const WORDS: usize = 16;
/// Slots of a chunk of bounds.
const CHUNK: usize = 1024;
/// In place of a field: the element is found by its prefixes.
const BY_PREFIXES: u32 = u32::MAX;

/// A key's words, each big-endian, so that they are ordered as its bytes are.
type Key = [u32; WORDS];

#[derive(Clone, Debug)]
pub(super) struct ConcatIndex {
    /// Words of a key.
    words: usize,
    key_len: usize,
    fields: Vec<Field>,
    /// Which bits of each word are of a field: others are padding.
    mask: Key,
    /// Whether every field has one word.
    simple: bool,
    bounds: Bounds,
    tuples: Tuples,
}

/// A field, and what is found by it.
#[derive(Clone, Debug)]
struct Field {
    /// First word, and how many.
    at: usize,
    words: usize,
    /// Bits of it.
    bits: u32,
    segments: BySize,
}

#[derive(Clone, Debug)]
enum BySize {
    Word(Segments<u32>),
    Words(Segments<u128>),
    /// Too long: nothing is found by it.
    Longer,
}

/// First and last key of each element, word by word and side by side, and the field that it is found by.
#[derive(Clone, Debug)]
struct Bounds {
    stride: usize,
    chunks: Vec<Vec<u32>>,
}

impl Bounds {
    #[inline]
    fn of(&self, slot: u32) -> Option<&[u32]> {
        let begin = slot as usize % CHUNK * self.stride;
        self.chunks.get(slot as usize / CHUNK)?.get(begin..begin + self.stride)
    }

    fn set(&mut self, slot: u32, from: &[u32], to: &[u32], field: u32) {
        let (chunk, begin) = (slot as usize / CHUNK, slot as usize % CHUNK * self.stride);
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, Vec::new);
        }
        let Some(chunk) = self.chunks.get_mut(chunk) else { return };
        if chunk.len() < begin + self.stride {
            chunk.resize(begin + self.stride, 0);
        }
        let words = from.iter().chain(to).chain([&field]);
        chunk[begin..].iter_mut().zip(words).for_each(|(place, word)| *place = *word);
    }
}

impl ConcatIndex {
    pub(super) fn new(lengths: &[u32], key_len: u32, seed: u64) -> ConcatIndex {
        let key_len = key_len as usize;
        let mut at = 0;
        let mut places: Vec<(usize, usize)> = Vec::new();
        for len in lengths.iter().map(|len| *len as usize) {
            places.push((at, len));
            at += len.next_multiple_of(4);
        }
        places.retain(|(at, len)| at + len <= key_len && *len > 0);
        if places.is_empty() {
            places.push((0, key_len));
        }
        let words = key_len.div_ceil(4).min(WORDS);
        let mut mask = [0; WORDS];
        let mut fields = Vec::new();
        for &(at, len) in &places {
            let (first, count) = (at / 4, len.div_ceil(4));
            for (word, place) in mask.iter_mut().skip(first).take(count).enumerate() {
                let bits = (len - word * 4).min(4) as u32 * 8;
                *place = u32::MAX << (32 - bits);
            }
            let segments = match count {
                1 => BySize::Word(Segments::default()),
                2..=4 => BySize::Words(Segments::default()),
                _ => BySize::Longer,
            };
            fields.push(Field { at: first, words: count, bits: len as u32 * 8, segments });
        }
        ConcatIndex {
            words,
            key_len,
            simple: fields.iter().all(|field| field.words == 1) && fields.len() == words,
            fields,
            mask,
            bounds: Bounds { stride: 2 * words + 1, chunks: Vec::new() },
            tuples: Tuples::new(places, key_len, seed),
        }
    }

    #[inline]
    fn key(&self, bytes: &[u8]) -> Option<Key> {
        if bytes.len() != self.key_len || bytes.len() > WORDS * 4 {
            return None;
        }
        let mut key = [0; WORDS];
        let (whole, rest) = bytes.as_chunks::<4>();
        for ((word, bytes), mask) in key.iter_mut().zip(whole).zip(&self.mask) {
            *word = u32::from_be_bytes(*bytes) & mask;
        }
        if !rest.is_empty()
            && let Some(word) = key.get_mut(whole.len())
        {
            let mut last = [0; 4];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            *word = u32::from_be_bytes(last) & self.mask[whole.len()];
        }
        Some(key)
    }

    /// Whether a key lies in the element of a slot.
    #[inline]
    fn holds(&self, slot: u32, key: &Key) -> bool {
        let Some(bounds) = self.bounds.of(slot) else { return false };
        if self.simple
            && let [from, from_second, to, to_second, _] = bounds
        {
            // Two fields of one word each: address and port.
            return (*from <= key[0]) & (key[0] <= *to) & (*from_second <= key[1]) & (key[1] <= *to_second);
        }
        let (from, rest) = bounds.split_at(self.words);
        let to = &rest[..self.words];
        let key = &key[..self.words];
        if self.simple {
            return key
                .iter()
                .zip(from)
                .zip(to)
                .fold(true, |all, ((key, from), to)| all & (from <= key) & (key <= to));
        }
        self.fields.iter().all(|field| {
            let field = field.at..field.at + field.words;
            match (key.get(field.clone()), from.get(field.clone()), to.get(field)) {
                (Some(key), Some(from), Some(to)) => from <= key && key <= to,
                _ => false,
            }
        })
    }

    /// For each key what [`ConcatIndex::find`] tells.
    pub(super) fn find_each(&self, keys: &[&[u8]], found: &mut [Option<u32>], alive: impl Fn(u32) -> bool) {
        for (keys, found) in keys.chunks(TOGETHER).zip(found.chunks_mut(TOGETHER)) {
            let mut words = [[0; WORDS]; TOGETHER];
            for ((words, found), key) in words.iter_mut().zip(&mut *found).zip(keys) {
                *found = None;
                *words = self.key(key).unwrap_or_default();
            }
            for field in &self.fields {
                let lists = match &field.segments {
                    BySize::Word(segments) if !segments.is_empty() => {
                        segments.at_each(&std::array::from_fn(|at| words[at][field.at % WORDS]))
                    }
                    BySize::Words(segments) if !segments.is_empty() => {
                        segments.at_each(&std::array::from_fn(|at| field.number(&words[at])))
                    }
                    _ => continue,
                };
                for (((list, words), found), key) in lists.iter().zip(&words).zip(&mut *found).zip(keys) {
                    for slot in list.iter().copied().take_while(|slot| *slot != NONE) {
                        if self.holds(slot, words)
                            && found.is_none_or(|best| slot < best)
                            && key.len() == self.key_len
                            && alive(slot)
                        {
                            *found = Some(slot);
                        }
                    }
                }
            }
            if !self.tuples.is_empty() {
                for (found, key) in found.iter_mut().zip(keys) {
                    self.tuples.matches(key, |slot| {
                        if found.is_none_or(|best| slot < best) && alive(slot) {
                            *found = Some(slot);
                        }
                    });
                }
            }
        }
    }

    /// The lowest slot that matches and is alive.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8], alive: impl Fn(u32) -> bool) -> Option<u32> {
        let mut best = None;
        self.matches(bytes, |slot| {
            if best.is_none_or(|best| slot < best) && alive(slot) {
                best = Some(slot);
            }
        });
        best
    }

    #[inline]
    fn matches(&self, bytes: &[u8], mut each: impl FnMut(u32)) {
        let Some(key) = self.key(bytes) else { return };
        for field in &self.fields {
            match &field.segments {
                BySize::Word(segments) if !segments.is_empty() => {
                    segments.at(key[field.at]).filter(|slot| self.holds(*slot, &key)).for_each(&mut each);
                }
                BySize::Words(segments) if !segments.is_empty() => {
                    let number = field.number(&key);
                    segments.at(number).filter(|slot| self.holds(*slot, &key)).for_each(&mut each);
                }
                _ => {}
            }
        }
        if !self.tuples.is_empty() {
            self.tuples.matches(bytes, each);
        }
    }

    pub(super) fn find_exact<'a>(
        &self,
        from: &Value,
        to: &Value,
        entry: impl Fn(u32) -> Option<&'a Entry>,
    ) -> Option<u32> {
        let mut found = None;
        self.matches(from, |slot| {
            let Some(Entry { element, .. }) = entry(slot) else { return };
            if element.key == *from && element.key_end().unwrap_or(&element.key) == to {
                found = Some(slot);
            }
        });
        found
    }

    /// Whether an element may be put in: neither of its ends may lie in another (`nft_pipapo_insert`).
    pub(super) fn check<'a>(
        &self,
        from: &Value,
        to: &Value,
        live: impl Fn(u32) -> Option<&'a Entry>,
    ) -> Result<(), Refusal> {
        if let Some(slot) = self.find_exact(from, to, &live) {
            return Err(Refusal::Exists(slot));
        }
        let inside = |key| self.find(key, |slot| live(slot).is_some());
        match inside(from).or_else(|| inside(to)) {
            Some(slot) => Err(Refusal::Overlaps(slot)),
            None => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, from: &Value, to: &Value, slot: u32) {
        let (Some(first), Some(last)) = (self.key(from), self.key(to)) else { return };
        // The field that says most is tried first.
        let mut order: Vec<(u32, usize)> =
            self.fields.iter().enumerate().map(|(at, field)| (field.fixed(&first, &last), at)).collect();
        order.sort_unstable_by_key(|(fixed, at)| (std::cmp::Reverse(*fixed), *at));
        let found_by = order.into_iter().find_map(|(fixed, at)| {
            let field = self.fields.get_mut(at).filter(|_| fixed > 0)?;
            field.insert(&first, &last, slot).then_some(at as u32)
        });
        if found_by.is_none() {
            self.tuples.insert(from, to, slot);
        }
        let words = self.words;
        self.bounds.set(slot, &first[..words], &last[..words], found_by.unwrap_or(BY_PREFIXES));
    }

    pub(super) fn remove(&mut self, from: &Value, to: &Value, slot: u32) {
        let (Some(first), Some(last)) = (self.key(from), self.key(to)) else { return };
        let Some(&field) = self.bounds.of(slot).and_then(<[u32]>::last) else { return };
        match self.fields.get_mut(field as usize) {
            Some(field) => field.remove(&first, &last, slot),
            None => self.tuples.remove(from, to, slot),
        }
    }
}

impl Field {
    /// The field's words as one number.
    #[inline]
    fn number(&self, key: &Key) -> u128 {
        let words = key.iter().skip(self.at).take(self.words.min(4));
        words.fold(0, |sum, word| sum << 32 | u128::from(*word))
    }

    /// How many of its upper bits an interval fixes; none where its ends are the wrong way round.
    fn fixed(&self, from: &Key, to: &Key) -> u32 {
        let (from, to) = (self.number(from), self.number(to));
        let padding = self.words.min(4) as u32 * 32 - self.bits.min(128);
        match (to >> padding).checked_sub(from >> padding) {
            Some(span) => (self.bits.min(128)).saturating_sub(128 - span.leading_zeros()),
            None => 0,
        }
    }

    fn insert(&mut self, from: &Key, to: &Key, slot: u32) -> bool {
        let (first, last) = (self.number(from), self.number(to));
        match &mut self.segments {
            BySize::Word(segments) => segments.insert(first as u32, last as u32, slot),
            BySize::Words(segments) => segments.insert(first, last, slot),
            BySize::Longer => false,
        }
    }

    fn remove(&mut self, from: &Key, to: &Key, slot: u32) {
        let (first, last) = (self.number(from), self.number(to));
        match &mut self.segments {
            BySize::Word(segments) => segments.remove(first as u32, last as u32, slot),
            BySize::Words(segments) => segments.remove(first, last, slot),
            BySize::Longer => {}
        }
    }
}
