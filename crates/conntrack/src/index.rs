//! From a hash to the places that may have it: buckets of one cache line.
//!
//! A bucket holds twelve values with eight bits of hash each, and counts the values whose home it is but that found no
//! room and went on to the next bucket. A look-up reads one line, and goes on only while that count says so; values
//! need not move when others leave. The number of buckets is fixed, as the kernel's is: growing would stall packets,
//! and the limit of the table is known. Memory comes from the operating system as it is first touched.

/// Values in a bucket.
const VALUES: usize = 12;
/// 32-bit words of a bucket: values, three words of tags, the count of those that went on.
const WORDS: usize = 16;
/// Of a hundred cells, how many are used when the index holds as much as it was made for.
const LOAD: usize = 80;

/// The words of a bucket: `[value; 12]`, twelve tags of eight bits (0 is an empty cell), and the count.
type Bucket = [u32; WORDS];

/// Values by hash. No value is there twice; two values may have the same hash.
#[derive(Debug)]
pub(crate) struct Index {
    words: Vec<u32>,
    /// Where the first bucket is, so that each lies in one line.
    start: usize,
    buckets: usize,
    len: usize,
}

impl Index {
    /// Room for `capacity` values, and some more.
    pub(crate) fn new(capacity: usize) -> Index {
        let buckets = (capacity.saturating_mul(100) / (VALUES * LOAD)).max(3) + 1;
        let words = vec![0; (buckets + 1).saturating_mul(WORDS)];
        // `align_offset` may decline; then buckets lie across lines, and everything works nevertheless.
        let start = Some(words.as_ptr().align_offset(64)).filter(|start| *start < WORDS).unwrap_or(0);
        Index { words, start, buckets, len: 0 }
    }

    /// The bucket where a hash belongs: its upper half, spread over all buckets.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets { 0 } else { bucket + 1 }
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> Option<&Bucket> {
        self.words.get(self.start + bucket * WORDS..)?.first_chunk()
    }

    #[inline]
    fn bucket_mut(&mut self, bucket: usize) -> Option<&mut Bucket> {
        self.words.get_mut(self.start + bucket * WORDS..)?.first_chunk_mut()
    }

    /// Reads a word of the bucket where a hash belongs, so that its line is on its way when [`Index::find`] comes.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) -> u32 {
        self.words.get(self.start + self.home(hash) * WORDS).copied().unwrap_or(0)
    }

    /// The first value in the home bucket whose tag is right: most likely the one that [`Index::find`] will find.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        let bucket = self.bucket(self.home(hash))?;
        let at = first_cell_with(bucket, tag(hash));
        bucket.get(at).copied().filter(|_| at < VALUES)
    }

    /// Whether the home bucket alone tells that there is no value of this hash. False: perhaps.
    #[inline]
    pub(crate) fn has_none(&self, hash: u64) -> bool {
        self.bucket(self.home(hash))
            .is_some_and(|bucket| bucket[15] == 0 && first_cell_with(bucket, tag(hash)) >= VALUES)
    }

    /// The first value of this hash that is the wanted one.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        for _ in 0..self.buckets {
            let bucket = self.bucket(at)?;
            let mut cells = cells_with(bucket, tag(hash));
            while cells != 0 {
                let value = bucket[cells.trailing_zeros() as usize / 8 % VALUES];
                if wanted(value) {
                    return Some(value);
                }
                cells &= cells - 1;
            }
            if bucket[15] == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// Adds a value; false when there is no room left.
    pub(crate) fn insert(&mut self, hash: u64, value: u32) -> bool {
        let home = self.home(hash);
        let mut at = home;
        for _ in 0..self.buckets {
            let Some(bucket) = self.bucket_mut(at) else { return false };
            let cell = first_cell_with(bucket, 0);
            if cell < VALUES {
                bucket[cell] = value;
                set_tag(bucket, cell, tag(hash));
                self.len += 1;
                self.count(home, at, 1);
                return true;
            }
            at = self.after(at);
        }
        false
    }

    /// Takes a value out; false when it is not there.
    pub(crate) fn remove(&mut self, hash: u64, value: u32) -> bool {
        let Some((at, cell)) = self.position(hash, value) else { return false };
        if let Some(bucket) = self.bucket_mut(at) {
            bucket[cell] = 0;
            set_tag(bucket, cell, 0);
        }
        self.len -= 1;
        self.count(self.home(hash), at, -1);
        true
    }

    /// Puts a value in the place of another of the same hash.
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) {
        if let Some((at, cell)) = self.position(hash, old)
            && let Some(bucket) = self.bucket_mut(at)
        {
            bucket[cell] = new;
        }
    }

    fn position(&self, hash: u64, value: u32) -> Option<(usize, usize)> {
        let mut at = self.home(hash);
        for _ in 0..self.buckets {
            let bucket = self.bucket(at)?;
            let mut cells = cells_with(bucket, tag(hash));
            while cells != 0 {
                let cell = cells.trailing_zeros() as usize / 8 % VALUES;
                if bucket[cell] == value {
                    return Some((at, cell));
                }
                cells &= cells - 1;
            }
            if bucket[15] == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// A value whose home is `home` is at `at`: the buckets that it passed count it.
    fn count(&mut self, home: usize, at: usize, change: i32) {
        let mut passed = home;
        while passed != at {
            if let Some(bucket) = self.bucket_mut(passed) {
                bucket[15] = bucket[15].wrapping_add_signed(change);
            }
            passed = self.after(passed);
        }
    }

    /// How many buckets hold how many values, from none to all twelve, and the most buckets that a look-up reads.
    pub(crate) fn distribution(&self) -> ([usize; VALUES + 1], usize) {
        let mut counts = [0; VALUES + 1];
        let (mut longest, mut chain) = (1, 1);
        for bucket in (0..self.buckets).filter_map(|at| self.bucket(at)) {
            counts[VALUES - cells_with(bucket, 0).count_ones() as usize % (VALUES + 1)] += 1;
            chain = if bucket[15] == 0 { 1 } else { chain + 1 };
            longest = longest.max(chain);
        }
        (counts, longest)
    }
}

/// Never 0, which marks an empty cell.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

/// Bits `8 * cell + 7` of the cells with a tag.
#[inline]
fn cells_with(bucket: &Bucket, tag: u8) -> u128 {
    const LOW: u128 = 0x7f7f_7f7f_7f7f_7f7f_7f7f_7f7f;
    const HIGH: u128 = 0x8080_8080_8080_8080_8080_8080;
    let tags = u128::from(bucket[12]) | u128::from(bucket[13]) << 32 | u128::from(bucket[14]) << 64;
    let differing = tags ^ (u128::from(tag) * 0x0101_0101_0101_0101_0101_0101);
    // A byte is 0 when neither its upper bit is set nor the addition carries into it.
    !(((differing & LOW) + LOW) | differing | LOW) & HIGH
}

/// The first cell with a tag, or a number beyond the cells. Half the work of [`cells_with`]: a borrow spoils what it says
/// of later cells alone.
#[inline]
fn first_cell_with(bucket: &Bucket, tag: u8) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = |differing: u64| differing.wrapping_sub(ONES) & !differing & (ONES << 7);
    let low = (u64::from(bucket[12]) | u64::from(bucket[13]) << 32) ^ (u64::from(tag) * ONES);
    let high = u64::from(bucket[14] ^ (u32::from(tag) * ONES as u32)) | u64::MAX << 32;
    let (low, high) = (zeros(low), zeros(high));
    let at = if low == 0 { 8 + high.trailing_zeros() / 8 } else { low.trailing_zeros() / 8 };
    at as usize
}

fn set_tag(bucket: &mut Bucket, cell: usize, tag: u8) {
    let (word, shift) = (12 + cell / 4, cell % 4 * 8);
    bucket[word] = bucket[word] & !(0xff << shift) | u32::from(tag) << shift;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Few different hashes in few buckets: nearly everything overflows, nothing is lost.
        #[test]
        fn it_holds_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0..6_u64, 1..7_u64, 0..20_u32), 0..400),
        ) {
            let mut index = Index::new(40);
            let mut model = HashMap::new();
            for (adds, high, low, value) in steps {
                match model.get(&value).copied() {
                    None if adds => {
                        let hash = high << 61 | low;
                        prop_assert!(index.insert(hash, value));
                        model.insert(value, hash);
                    }
                    Some(hash) if !adds => {
                        prop_assert!(index.remove(hash, value));
                        model.remove(&value);
                    }
                    _ => {}
                }
                prop_assert_eq!(index.len, model.len());
                prop_assert!(model.values().all(|hash| !index.has_none(*hash)));
                for value in 0..20 {
                    let found = (0..6).flat_map(|high| (1..7).map(move |low| high << 61 | low)).any(|hash| {
                        model.get(&value) == Some(&hash) && index.find(hash, |found| found == value).is_some()
                    });
                    prop_assert_eq!(found, model.contains_key(&value));
                }
            }
            for (value, hash) in model {
                prop_assert!(index.remove(hash, value));
            }
            prop_assert!(index.words.iter().all(|word| *word == 0), "empty again, counts included");
        }
    }

    proptest! {
        #[test]
        fn the_first_cell_is_the_first_of_all(words: [u32; WORDS], tag: u8, cell in 0..VALUES) {
            let mut bucket = words;
            for near in [tag, tag ^ 1, tag.wrapping_add(1)] {
                set_tag(&mut bucket, cell, near);
                let all = cells_with(&bucket, tag);
                let first = first_cell_with(&bucket, tag);
                if all == 0 {
                    prop_assert!(first >= VALUES);
                } else {
                    prop_assert_eq!(first, all.trailing_zeros() as usize / 8);
                }
            }
        }
    }

    #[test]
    fn it_is_full_when_every_cell_is_taken_and_says_so() {
        let mut index = Index::new(1);
        let mut held = 0;
        while index.insert(0, held) {
            held += 1;
        }
        assert_eq!(held as usize, index.buckets * VALUES);
        assert!((0..held).all(|value| index.find(0, |found| found == value) == Some(value)));
        assert_eq!(index.find(0, |found| found == held), None);
    }

    #[test]
    fn a_value_takes_the_place_of_another() {
        let mut index = Index::new(10);
        assert!(index.insert(5, 1) && index.insert(5, 2));
        index.replace(5, 1, 9);
        assert_eq!(index.find(5, |value| value == 1), None);
        assert_eq!(index.find(5, |value| value == 9), Some(9));
        assert_eq!(index.guess(5), Some(9));
    }
}
