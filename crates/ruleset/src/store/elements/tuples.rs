//! Concatenations of intervals as prefixes: what does not fit into [`super::segments`].
//!
//! Each element is taken apart into prefixes, field by field, and each combination of prefix lengths that occurs (a tuple)
//! has a hash table of masked keys. A look-up masks the key once for each tuple; inserting and removing cost what the one
//! element costs. Elements that would fall into more than [`MOST_PARTS`] combinations are kept in a list and compared one
//! by one.

use hashbrown::{HashMap, HashTable};
use ironweir_wire::SipKey;

use super::hash::long_hash;
use crate::Value;

/// Into how many combinations of prefixes an element may fall before it is kept in the list.
const MOST_PARTS: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Tuples {
    /// Where each field lies in the key: offset and length without padding.
    fields: Vec<(usize, usize)>,
    key_len: usize,
    sip: SipKey,
    tuples: Vec<Tuple>,
    by_mask: HashMap<Box<[u8]>, usize>,
    list: Vec<(u32, Value, Value)>,
}

#[derive(Clone, Debug)]
struct Tuple {
    mask: Box<[u8]>,
    keys: HashTable<(Value, u32)>,
}

impl Tuples {
    pub(super) fn new(fields: Vec<(usize, usize)>, key_len: usize, seed: u64) -> Tuples {
        let sip = SipKey::from_seed(seed);
        Tuples { fields, key_len, sip, tuples: Vec::new(), by_mask: HashMap::new(), list: Vec::new() }
    }

    /// Whether nothing is in here.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.tuples.is_empty()
    }

    /// Every slot whose element the key lies in.
    pub(super) fn matches(&self, key: &[u8], mut each: impl FnMut(u32)) {
        if key.len() != self.key_len || key.len() > 64 {
            return;
        }
        let mut masked = [0; 64];
        for tuple in self.tuples.iter().filter(|tuple| !tuple.keys.is_empty()) {
            for ((out, key), mask) in masked.iter_mut().zip(key).zip(&tuple.mask) {
                *out = key & mask;
            }
            let masked = &masked[..key.len()];
            let hash = long_hash(&self.sip, masked);
            tuple
                .keys
                .iter_hash(hash)
                .filter(|(key, _)| key.as_slice() == masked)
                .for_each(|(_, slot)| each(*slot));
        }
        for (slot, from, to) in &self.list {
            let inside = self.fields.iter().all(|&(at, len)| {
                let field = at..at + len;
                from[field.clone()] <= key[field.clone()] && key[field.clone()] <= to[field]
            });
            if inside {
                each(*slot);
            }
        }
    }

    pub(super) fn insert(&mut self, from: &Value, to: &Value, slot: u32) {
        let Some(parts) = self.parts(from, to) else {
            self.list.push((slot, from.clone(), to.clone()));
            return;
        };
        let sip = self.sip;
        for (key, mask) in parts {
            let tuple = match self.by_mask.get(&mask[..]) {
                Some(tuple) => *tuple,
                None => {
                    self.tuples.push(Tuple { mask: mask.clone(), keys: HashTable::new() });
                    self.by_mask.insert(mask, self.tuples.len() - 1);
                    self.tuples.len() - 1
                }
            };
            let hash = long_hash(&sip, &key);
            self.tuples[tuple].keys.insert_unique(hash, (key, slot), |(key, _)| long_hash(&sip, key));
        }
    }

    pub(super) fn remove(&mut self, from: &Value, to: &Value, slot: u32) {
        let Some(parts) = self.parts(from, to) else {
            self.list.retain(|(other, _, _)| *other != slot);
            return;
        };
        for (key, mask) in parts {
            let Some(tuple) = self.by_mask.get(&mask[..]) else { continue };
            let hash = long_hash(&self.sip, &key);
            if let Ok(found) =
                self.tuples[*tuple].keys.find_entry(hash, |(k, other)| *other == slot && *k == key)
            {
                found.remove();
            }
        }
        if self.tuples.iter().all(|tuple| tuple.keys.is_empty()) {
            self.tuples.clear();
            self.by_mask.clear();
        }
    }

    /// All combinations of the fields' prefixes as masked key and mask; `None` when there are too many.
    fn parts(&self, from: &Value, to: &Value) -> Option<Vec<(Value, Box<[u8]>)>> {
        if from.len() != self.key_len || to.len() != self.key_len {
            return Some(Vec::new());
        }
        let mut parts = vec![(Value::zeroed(self.key_len), vec![0u8; self.key_len])];
        for &(at, len) in &self.fields {
            let prefixes = prefixes(&from[at..at + len], &to[at..at + len])?;
            if parts.len() * prefixes.len() > MOST_PARTS {
                return None;
            }
            let mut next = Vec::with_capacity(parts.len() * prefixes.len());
            for (key, mask) in &parts {
                for (bytes, bits) in &prefixes {
                    let (mut key, mut mask) = (key.clone(), mask.clone());
                    key.as_mut_slice()[at..at + len].copy_from_slice(bytes);
                    for (byte, index) in mask[at..at + len].iter_mut().zip(0..) {
                        *byte = match bits.saturating_sub(8 * index) {
                            0 => 0,
                            bits @ 1..8 => 0xff << (8 - bits),
                            _ => 0xff,
                        };
                    }
                    next.push((key, mask));
                }
            }
            parts = next;
        }
        Some(parts.into_iter().map(|(key, mask)| (key, mask.into())).collect())
    }
}

/// The prefixes (first key and number of bits) that make up a range; `None` for ranges of fields over 16 bytes that
/// are neither one value nor everything.
fn prefixes(from: &[u8], to: &[u8]) -> Option<Vec<(Vec<u8>, u32)>> {
    let bits = 8 * from.len() as u32;
    if from == to {
        return Some(vec![(from.to_vec(), bits)]);
    }
    if from.iter().all(|byte| *byte == 0) && to.iter().all(|byte| *byte == 0xff) {
        return Some(vec![(from.to_vec(), 0)]);
    }
    if from.len() > 16 {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
    let (mut at, last) = (number(from), number(to));
    let mut out = Vec::new();
    while at <= last {
        // The largest block that begins here and does not reach beyond the last key.
        let mut host = at.trailing_zeros().min(bits);
        while host > 0 && (host >= 128 || (1u128 << host) - 1 > last - at) {
            host -= 1;
        }
        out.push((at.to_be_bytes()[16 - from.len()..].to_vec(), bits - host));
        match at.checked_add(1 << host) {
            Some(next) => at = next,
            None => break,
        }
    }
    Some(out)
}
