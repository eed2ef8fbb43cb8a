//! Longest prefixes: a trie that takes six bits of an address at each step, with bitmaps for what there is.
//!
//! A node stands for a prefix of 0, 6, 12 ... bits. It knows the prefixes that are up to five bits longer, and the nodes six
//! bits on, by a bitmap each; values and children lie without gaps in blocks, a bitmap's ones before a place being the
//! place in the block (W. Eatherton, G. Varghese, Z. Dittia, "Tree bitmap", 2004). So a look-up of an IPv4 address
//! touches six nodes at most, of an IPv6 address 22, a full table of the Internet has about 40 bytes a prefix, and a change
//! costs what its own way down costs.

/// Bits that one step takes.
const STRIDE: u8 = 6;

/// An address as the trie reads it.
pub(super) trait Bits: Copy {
    /// The six bits of a level, those beyond the end being 0.
    fn stride(self, level: u8) -> u8;
    /// The address with these six bits at a level, which were 0.
    fn with(self, level: u8, bits: u8) -> Self;
}

impl Bits for u32 {
    fn stride(self, level: u8) -> u8 {
        ((u64::from(self) << 32) >> (58 - 6 * u32::from(level.min(5))) & 63) as u8
    }

    fn with(self, level: u8, bits: u8) -> u32 {
        self | (u64::from(bits) << (58 - 6 * u32::from(level.min(5))) >> 32) as u32
    }
}

impl Bits for u128 {
    fn stride(self, level: u8) -> u8 {
        ((self << (6 * u32::from(level.min(21)))) >> 122) as u8
    }

    fn with(self, level: u8, bits: u8) -> u128 {
        self | (u128::from(bits) << 122) >> (6 * u32::from(level.min(21)))
    }
}

/// For the six bits of an address, those of the bitmap of prefixes that it lies in: bit `2^n - 1 + p` is the prefix `p` of
/// `n` bits.
const COVER: [u64; 64] = {
    let mut masks = [0; 64];
    let mut bits = 0;
    while bits < 64 {
        let mut len = 0;
        while len < STRIDE {
            masks[bits] |= 1 << place(bits as u8, len);
            len += 1;
        }
        bits += 1;
    }
    masks
};

/// The place of the prefix of `len` bits, 0 to 5, that these six bits begin with.
const fn place(bits: u8, len: u8) -> u32 {
    (1 << len) - 1 + (bits >> (STRIDE - len)) as u32
}

/// The prefix at a place: its bits, left in six, and its length.
fn prefix_at(place: u32) -> (u8, u8) {
    let len = (place + 1).ilog2();
    let bits = (place + 1) - (1 << len);
    ((bits << (u32::from(STRIDE) - len)) as u8, len as u8)
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    prefixes: u64,
    nodes: u64,
    /// Where the block of values begins, one for each one of `prefixes`.
    values: u32,
    /// Where the block of children begins, one for each one of `nodes`.
    children: u32,
}

/// How many ones a bitmap has before a place.
fn before(bitmap: u64, place: u32) -> u32 {
    (bitmap & ((1 << place) - 1)).count_ones()
}

/// Blocks of up to 64 items in one vector, those that are free by their size.
#[derive(Clone, Debug)]
struct Blocks<T> {
    items: Vec<T>,
    free: [Vec<u32>; 7],
}

impl<T: Copy + Default> Blocks<T> {
    fn new() -> Blocks<T> {
        Blocks { items: Vec::new(), free: Default::default() }
    }

    fn class(len: u32) -> u32 {
        len.next_power_of_two().ilog2()
    }

    fn take(&mut self, class: u32) -> u32 {
        if let Some(base) = self.free[class as usize].pop() {
            return base;
        }
        let base = self.items.len() as u32;
        self.items.resize(self.items.len() + (1 << class), T::default());
        base
    }

    fn get(&self, at: u32) -> T {
        self.items.get(at as usize).copied().unwrap_or_default()
    }

    /// Puts an item into a block of `len` items; tells where the block is now.
    fn insert(&mut self, base: u32, len: u32, at: u32, item: T) -> u32 {
        let (from, at, end) = (base as usize, at as usize, len as usize);
        if len > 0 && Self::class(len) == Self::class(len + 1) {
            self.items.copy_within(from + at..from + end, from + at + 1);
            self.items[from + at] = item;
            return base;
        }
        let new = self.take(Self::class(len + 1));
        let to = new as usize;
        self.items.copy_within(from..from + at, to);
        self.items.copy_within(from + at..from + end, to + at + 1);
        self.items[to + at] = item;
        self.give(base, len);
        new
    }

    /// Takes an item out of a block of `len` items; tells where the block is now.
    fn remove(&mut self, base: u32, len: u32, at: u32) -> u32 {
        let (from, at, end) = (base as usize, at as usize, len as usize);
        self.items.copy_within(from + at + 1..from + end, from + at);
        if len == 1 {
            self.give(base, len);
            return 0;
        }
        if Self::class(len) == Self::class(len - 1) {
            return base;
        }
        let new = self.take(Self::class(len - 1));
        self.items.copy_within(from..from + end - 1, new as usize);
        self.give(base, len);
        new
    }

    fn give(&mut self, base: u32, len: u32) {
        if len > 0 {
            self.free[Self::class(len) as usize].push(base);
        }
    }
}

/// Values by prefix.
#[derive(Clone, Debug)]
pub(super) struct Trie<N> {
    root: Node,
    nodes: Blocks<Node>,
    values: Blocks<u32>,
    len: usize,
    key: std::marker::PhantomData<N>,
}

impl<N> Default for Trie<N> {
    fn default() -> Self {
        let (nodes, values) = (Blocks::new(), Blocks::new());
        Trie { root: Node::default(), nodes, values, len: 0, key: std::marker::PhantomData }
    }
}

/// Where a node is kept: the root by itself, others among the nodes.
type Place = Option<u32>;

impl<N: Bits> Trie<N> {
    fn node(&self, at: Place) -> Node {
        at.map_or(self.root, |at| self.nodes.get(at))
    }

    fn set(&mut self, at: Place, node: Node) {
        match at {
            None => self.root = node,
            Some(at) => self.nodes.items[at as usize] = node,
        }
    }

    /// How many prefixes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of the longest prefix that the address lies in, and that prefix' length.
    pub(super) fn find(&self, key: N) -> Option<(u8, u32)> {
        let mut node = self.root;
        let mut best: Option<(u8, Node, u32)> = None;
        for level in 0.. {
            let bits = key.stride(level);
            let hits = node.prefixes & COVER[usize::from(bits)];
            if hits != 0 {
                best = Some((level, node, hits.ilog2()));
            }
            if node.nodes >> bits & 1 == 0 {
                break;
            }
            node = self.nodes.get(node.children + before(node.nodes, bits.into()));
        }
        let (level, node, place) = best?;
        let len = level * STRIDE + (place + 1).ilog2() as u8;
        Some((len, self.values.get(node.values + before(node.prefixes, place))))
    }

    /// As [`Trie::find`], of those prefixes whose value gives something.
    pub(super) fn find_map<T>(&self, key: N, mut wanted: impl FnMut(u8, u32) -> Option<T>) -> Option<T> {
        let mut way = [Node::default(); 22];
        let mut node = self.root;
        let mut deepest = 0;
        for (level, step) in way.iter_mut().enumerate() {
            *step = node;
            deepest = level;
            let bits = key.stride(level as u8);
            if node.nodes >> bits & 1 == 0 {
                break;
            }
            node = self.nodes.get(node.children + before(node.nodes, bits.into()));
        }
        for (level, node) in way.iter().enumerate().take(deepest + 1).rev() {
            let mut hits = node.prefixes & COVER[usize::from(key.stride(level as u8))];
            while hits != 0 {
                let place = hits.ilog2();
                hits &= !(1 << place);
                let len = level as u8 * STRIDE + (place + 1).ilog2() as u8;
                let found = wanted(len, self.values.get(node.values + before(node.prefixes, place)));
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// The value of exactly this prefix.
    pub(super) fn get(&self, key: N, len: u8) -> Option<u32> {
        let mut node = self.root;
        for level in 0..len / STRIDE {
            let bits = key.stride(level);
            if node.nodes >> bits & 1 == 0 {
                return None;
            }
            node = self.nodes.get(node.children + before(node.nodes, bits.into()));
        }
        let place = place(key.stride(len / STRIDE), len % STRIDE);
        let there = node.prefixes >> place & 1 == 1;
        there.then(|| self.values.get(node.values + before(node.prefixes, place)))
    }

    /// Sets the value of a prefix; tells what it was.
    pub(super) fn insert(&mut self, key: N, len: u8, value: u32) -> Option<u32> {
        let mut at: Place = None;
        for level in 0..len / STRIDE {
            let bits = u32::from(key.stride(level));
            let mut node = self.node(at);
            let index = before(node.nodes, bits);
            if node.nodes >> bits & 1 == 0 {
                let count = node.nodes.count_ones();
                node.children = self.nodes.insert(node.children, count, index, Node::default());
                node.nodes |= 1 << bits;
                self.set(at, node);
            }
            at = Some(node.children + index);
        }
        let place = place(key.stride(len / STRIDE), len % STRIDE);
        let mut node = self.node(at);
        let index = before(node.prefixes, place);
        if node.prefixes >> place & 1 == 1 {
            let slot = &mut self.values.items[(node.values + index) as usize];
            return Some(std::mem::replace(slot, value));
        }
        node.values = self.values.insert(node.values, node.prefixes.count_ones(), index, value);
        node.prefixes |= 1 << place;
        self.set(at, node);
        self.len += 1;
        None
    }

    /// Takes a prefix out; tells its value.
    pub(super) fn remove(&mut self, key: N, len: u8) -> Option<u32> {
        let mut way: [Place; 22] = [None; 22];
        let mut at: Place = None;
        let depth = len / STRIDE;
        for level in 0..depth {
            *way.get_mut(usize::from(level))? = at;
            let (node, bits) = (self.node(at), u32::from(key.stride(level)));
            if node.nodes >> bits & 1 == 0 {
                return None;
            }
            at = Some(node.children + before(node.nodes, bits));
        }
        let place = place(key.stride(depth), len % STRIDE);
        let mut node = self.node(at);
        if node.prefixes >> place & 1 == 0 {
            return None;
        }
        let index = before(node.prefixes, place);
        let value = self.values.get(node.values + index);
        node.values = self.values.remove(node.values, node.prefixes.count_ones(), index);
        node.prefixes &= !(1 << place);
        self.set(at, node);
        self.len -= 1;
        // Nodes that hold nothing any more go, from the lowest up.
        for level in (0..depth).rev() {
            if node.prefixes != 0 || node.nodes != 0 {
                break;
            }
            let above = way[usize::from(level)];
            let bits = u32::from(key.stride(level));
            node = self.node(above);
            let index = before(node.nodes, bits);
            node.children = self.nodes.remove(node.children, node.nodes.count_ones(), index);
            node.nodes &= !(1 << bits);
            self.set(above, node);
        }
        Some(value)
    }

    /// Every prefix with its length and value, in no order. `zero` is the address of zeros.
    pub(super) fn all(&self, zero: N) -> Vec<(N, u8, u32)> {
        let mut all = Vec::with_capacity(self.len);
        let mut todo = vec![(zero, 0_u8, self.root)];
        while let Some((key, level, node)) = todo.pop() {
            let ones = |mut bitmap: u64| {
                std::iter::from_fn(move || {
                    let place = (bitmap != 0).then(|| bitmap.trailing_zeros())?;
                    bitmap &= bitmap - 1;
                    Some(place)
                })
            };
            for (index, place) in ones(node.prefixes).enumerate() {
                let (bits, len) = prefix_at(place);
                let value = self.values.get(node.values + index as u32);
                all.push((key.with(level, bits), level * STRIDE + len, value));
            }
            for (index, bits) in ones(node.nodes).enumerate() {
                let child = self.nodes.get(node.children + index as u32);
                todo.push((key.with(level, bits as u8), level + 1, child));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn mask(len: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
    }

    /// Against a table for each length, through insertions and removals of prefixes that lie close together.
    #[test]
    fn it_finds_what_tables_by_length_find() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        let mut trie = Trie::<u32>::default();
        let mut tables: HashMap<(u8, u32), u32> = HashMap::new();
        for round in 0..40_000_u32 {
            let len = (random() % 33) as u8;
            let key = random() & 0xc0f0_333f & mask(len);
            if random() % 3 == 0 {
                assert_eq!(trie.remove(key, len), tables.remove(&(len, key)));
            } else {
                assert_eq!(trie.insert(key, len, round), tables.insert((len, key), round));
            }
            let address = random() & 0xc0f0_333f;
            let expected = (0..=32)
                .rev()
                .find_map(|len| tables.get(&(len, address & mask(len))).map(|value| (len, *value)));
            assert_eq!(trie.find(address), expected);
            assert_eq!(trie.find_map(address, |len, value| Some((len, value))), expected);
            assert_eq!(trie.get(key, len), tables.get(&(len, key)).copied());
        }
        assert_eq!(trie.len(), tables.len());
        let mut all = trie.all(0);
        all.sort_unstable();
        let mut expected: Vec<_> = tables.iter().map(|((len, key), value)| (*key, *len, *value)).collect();
        expected.sort_unstable();
        assert_eq!(all, expected);
        for (key, len, value) in expected {
            assert_eq!(trie.remove(key, len), Some(value));
        }
        assert_eq!((trie.len(), trie.root.nodes, trie.find(0)), (0, 0, None), "nothing stays behind");
    }

    #[test]
    fn long_prefixes_of_ipv6_are_found_to_the_last_bit() {
        let mut trie = Trie::<u128>::default();
        let key = 0x2001_0db8_0000_0000_0000_0000_0000_0001_u128;
        for len in 0..=128 {
            let masked = key & u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            trie.insert(masked, len, len.into());
        }
        for len in (0..128).rev() {
            // An address that differs in the bit behind the prefix.
            assert_eq!(trie.find(key ^ 1 << (127 - len)), Some((len as u8, len)));
        }
        assert_eq!(trie.find(key), Some((128, 128)));
        assert_eq!(trie.all(0).len(), 129);
    }
}
