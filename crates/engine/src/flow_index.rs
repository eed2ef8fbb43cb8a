//! From a packet at ingress to the entry of a flowtable that carries it.
//!
//! Each entry is found by both of its directions. The table keeps entry and direction in one word; what a packet is compared
//! with is in the entry, where it is needed next. The hash is that of connection tracking: SipHash-1-3 with a secret key,
//! over sixteen bytes for IPv4.

use hashbrown::HashTable;
use ironweir_conntrack::Direction;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, IfIndex, L3, Packet, PacketInfo, SipKey, Tuple, ipv4};

/// What a packet at ingress is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    src: Address,
    dst: Address,
    ports: [u8; 4],
    iif: IfIndex,
    /// Slots of table and flowtable.
    place: (u32, u32),
    protocol: u8,
    l3: L3,
}

impl Key {
    /// That of a direction's packets, which come in by an interface.
    pub(crate) fn new(place: (u32, u32), iif: IfIndex, tuple: &Tuple) -> Key {
        let ([a, b], [c, d]) = (tuple.src_id.to_be_bytes(), tuple.dst_id.to_be_bytes());
        let ports = [a, b, c, d];
        Key { src: tuple.src, dst: tuple.dst, ports, iif, place, protocol: tuple.l4, l3: tuple.l3 }
    }

    /// That of a packet of TCP or UDP; `None` of any other, and of one whose headers are not whole.
    #[inline]
    pub(crate) fn of(place: (u32, u32), packet: &Packet<'_>, info: &PacketInfo) -> Option<Key> {
        let (protocol @ (ipproto::TCP | ipproto::UDP), transport) = info.transport_header()? else {
            return None;
        };
        let ports = packet.array(transport)?;
        let (src, dst) = if info.l3 == L3::V4 {
            let [a, b, c, d, e, f, g, h] = packet.array(info.network.checked_add(ipv4::SRC_AT)?)?;
            (Address::v4([a, b, c, d]), Address::v4([e, f, g, h]))
        } else {
            let tuple = ironweir_wire::Headers::of(info)?.tuple(packet)?;
            (tuple.src, tuple.dst)
        };
        Some(Key { src, dst, ports, iif: packet.meta.iif, place, protocol, l3: info.l3 })
    }

    #[inline]
    fn hash(&self, key: &SipKey) -> u64 {
        // Tables, flowtables and interfaces are few, and no packet chooses them.
        let key = SipKey(key.0 ^ u64::from(self.place.0) << 32 ^ u64::from(self.place.1), key.1);
        let rest = u64::from(u32::from_le_bytes(self.ports))
            | u64::from(self.iif.0) << 32
            | u64::from(self.protocol == ipproto::TCP) << 63;
        let ([a, b, c, d, ..], [e, f, g, h, ..]) = (self.src.0, self.dst.0);
        if self.l3 == L3::V4 {
            return key.hash_fixed([u64::from_le_bytes([a, b, c, d, e, f, g, h]), rest]);
        }
        let words = [self.src.0, self.dst.0].map(|address| {
            let all = u128::from_le_bytes(address);
            [all as u64, (all >> 64) as u64]
        });
        let ([first, second], [third, fourth]) = (words[0], words[1]);
        key.hash_words(&[first, second, third, fourth, rest])
    }
}

/// An entry's slot and a direction of it.
type Cell = u32;

/// Entries by what their packets look like.
#[derive(Debug)]
pub(crate) struct FlowIndex {
    cells: HashTable<Cell>,
    key: SipKey,
}

impl FlowIndex {
    pub(crate) fn new(seed: u64) -> FlowIndex {
        FlowIndex { cells: HashTable::new(), key: SipKey::from_seed(seed) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The entry and direction of a key; `key_of` tells the key of an entry's direction.
    #[inline]
    pub(crate) fn find<'a>(
        &self,
        key: &Key,
        key_of: impl Fn(u32, Direction) -> Option<&'a Key>,
    ) -> Option<(u32, Direction)> {
        self.cells.find(key.hash(&self.key), |cell| is(*cell, key, &key_of)).map(|cell| of_cell(*cell))
    }

    /// Leads a key to an entry, whatever it led to before.
    pub(crate) fn insert<'a>(
        &mut self,
        key: &Key,
        slot: u32,
        direction: Direction,
        key_of: impl Fn(u32, Direction) -> Option<&'a Key>,
    ) {
        let hash = key.hash(&self.key);
        match self.cells.find_mut(hash, |cell| is(*cell, key, &key_of)) {
            Some(cell) => *cell = cell_of(slot, direction),
            None => {
                let secret = self.key;
                self.cells.insert_unique(hash, cell_of(slot, direction), |cell| {
                    let (slot, direction) = of_cell(*cell);
                    key_of(slot, direction).map_or(0, |key| key.hash(&secret))
                });
            }
        }
    }

    /// Forgets a key, if it leads to this direction of this entry.
    pub(crate) fn remove(&mut self, key: &Key, slot: u32, direction: Direction) {
        let cell = cell_of(slot, direction);
        if let Ok(found) = self.cells.find_entry(key.hash(&self.key), |its| *its == cell) {
            found.remove();
        }
    }
}

#[inline]
fn is<'a>(cell: Cell, key: &Key, key_of: impl Fn(u32, Direction) -> Option<&'a Key>) -> bool {
    let (slot, direction) = of_cell(cell);
    key_of(slot, direction) == Some(key)
}

#[inline]
fn cell_of(slot: u32, direction: Direction) -> Cell {
    slot << 1 | direction as u32
}

#[inline]
fn of_cell(cell: Cell) -> (u32, Direction) {
    (cell >> 1, if cell & 1 == 0 { Direction::Original } else { Direction::Reply })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn key(number: u8) -> Key {
        let l3 = if number & 1 == 0 { L3::V4 } else { L3::V6 };
        let protocol = if number & 2 == 0 { ipproto::TCP } else { ipproto::UDP };
        let (src, dst) = (Address::v4([10, 0, 0, number >> 4]), Address::v4([10, 0, 0, number & 4]));
        let tuple = Tuple { src, dst, src_id: (number >> 3).into(), dst_id: 53, l3, l4: protocol, zone: 0 };
        Key::new((u32::from(number & 8), 0), IfIndex(1), &tuple)
    }

    proptest! {
        /// It holds what a map would, keys that two entries share included.
        #[test]
        fn a_key_leads_to_the_entry_that_had_it_last(
            steps in prop::collection::vec((any::<bool>(), 0..6_u32, any::<[u8; 2]>()), 1..80),
        ) {
            let mut index = FlowIndex::new(7);
            let mut entries: HashMap<u32, [Key; 2]> = HashMap::new();
            let mut model: Vec<(Key, (u32, Direction))> = Vec::new();
            for (adds, slot, keys) in steps {
                let both = [Direction::Original, Direction::Reply];
                if let Some(keys) = entries.remove(&slot) {
                    for (key, direction) in keys.iter().zip(both) {
                        index.remove(key, slot, direction);
                    }
                    model.retain(|(_, (its, _))| *its != slot);
                }
                if adds {
                    let keys = keys.map(|number| key(number % 24));
                    entries.insert(slot, keys);
                    for (key, direction) in keys.iter().zip(both) {
                        index.insert(key, slot, direction, |slot, at| Some(&entries.get(&slot)?[at as usize]));
                        model.retain(|(its, _)| its != key);
                        model.push((*key, (slot, direction)));
                    }
                }
                for number in 0..24 {
                    let key = key(number);
                    let found = index.find(&key, |slot, at| Some(&entries.get(&slot)?[at as usize]));
                    let expected = model.iter().find(|(its, _)| *its == key).map(|(_, to)| *to);
                    prop_assert_eq!(found, expected);
                }
                prop_assert_eq!(index.is_empty(), model.is_empty());
            }
        }
    }
}
