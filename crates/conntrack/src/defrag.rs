//! Reassembly of IPv4 and IPv6 fragments, as the kernel does before connection tracking (priority -400) when a
//! ruleset uses it (`nf_defrag_ipv4`, `nf_conntrack_reasm.c`, `ip_fragment.c`).
//!
//! Bounded: fragments held cost at most [`Limits::memory`]; a datagram not complete in time is thrown away. Overlapping
//! fragments condemn their datagram (RFC 5722); a fragment that repeats another exactly is ignored.
//!
//! DIVERGES: no ICMP "reassembly time exceeded" is sent, and the distance of out-of-order fragments
//! (`ipfrag_max_dist`) is not limited.

use std::collections::BTreeMap;
use std::time::Duration;

use hashbrown::HashTable;
use ironweir_wire::fragment::Pieces;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{Address, Instant, LinkType, Meta, Packet, SipKey, ipv4, ipv6};

/// Room left before a reassembled packet, for tags and tunnels put on later.
const HEADROOM: usize = 64;
/// What a held fragment costs beside its bytes.
const OVERHEAD: usize = 128;
/// What a datagram costs beside its fragments.
const QUEUE: usize = 512;
/// The greatest network packet.
const LEN_MAX: usize = 65_535;

/// How much is held, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of fragments held, bookkeeping included, from which on none is taken in (`ipfrag_high_thresh`).
    pub memory: usize,
    /// How long fragments of an IPv4 datagram wait for the others (`ipfrag_time`).
    pub ipv4: Duration,
    /// The same for IPv6 (`nf_conntrack_frag6_timeout`).
    pub ipv6: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 4 << 20, ipv4: Duration::from_secs(30), ipv6: Duration::from_secs(60) }
    }
}

/// What became of a packet given to [`Defrag::push`].
#[derive(Debug)]
pub enum Fragment {
    /// It is no fragment: it goes on as it is.
    NotOne,
    /// It is held until the others come: the packet is stolen from its way.
    Held,
    /// It completed its datagram, which goes on in its place.
    Whole(Box<Reassembled>),
    /// It is dropped.
    Dropped(FragmentError),
}

/// Why a fragment is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FragmentError {
    /// Too many bytes are held already.
    Memory,
    /// Offset, length or end are impossible.
    Malformed,
    /// It overlaps another; its datagram is thrown away.
    Overlap,
    /// It repeats another.
    Duplicate,
}

/// A datagram put together again, behind the link header of its first fragment.
#[derive(Clone, Debug)]
pub struct Reassembled {
    bytes: Vec<u8>,
    link: LinkType,
    network: usize,
    meta: Meta,
    /// The fragments it came in, in which it leaves again.
    pub pieces: Pieces,
}

impl Reassembled {
    /// The packet, with what was kept beside its first fragment.
    pub fn packet(&mut self) -> Packet<'_> {
        let end = self.bytes.len();
        let mut packet = Packet::new(&mut self.bytes, HEADROOM, end, self.link);
        packet.meta = self.meta;
        packet.set_network(self.network);
        packet
    }
}

/// Fragments that wait for others.
#[derive(Debug)]
pub struct Defrag {
    limits: Limits,
    key: SipKey,
    queues: HashTable<Queue>,
    /// Deadlines, with the hash that leads to their queue.
    deadlines: BTreeMap<(Instant, u64), u64>,
    serial: u64,
    held: usize,
}

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    src: Address,
    dst: Address,
    id: u32,
    /// IPv4: the protocol. IPv6 does not compare it.
    protocol: u8,
    six: bool,
    zone: u16,
    iif: u32,
}

impl Key {
    fn hash(&self, key: &SipKey) -> u64 {
        let half = |address: &Address, at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&address.0[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        key.hash_words(&[
            half(&self.src, 0),
            half(&self.src, 8),
            half(&self.dst, 0),
            half(&self.dst, 8),
            u64::from(self.id)
                | u64::from(self.protocol) << 32
                | u64::from(self.six) << 40
                | u64::from(self.zone) << 48,
            u64::from(self.iif),
        ])
    }
}

#[derive(Debug)]
struct Queue {
    key: Key,
    serial: u64,
    deadline: Instant,
    /// The payload of each fragment by its offset, without overlap.
    parts: BTreeMap<usize, Vec<u8>>,
    /// Where fragments that follow one another begin, and where they end. A datagram may come in eight thousand pieces, and
    /// each is to cost the same.
    runs: BTreeMap<usize, usize>,
    /// The end of the payload, as far as known; certain once `last_seen`.
    length: usize,
    last_seen: bool,
    /// Bytes of payload held.
    have: usize,
    first: Option<First>,
    largest: usize,
}

/// What the first fragment gives the datagram.
#[derive(Debug)]
struct First {
    /// Link and network headers; for IPv6 without the fragment header.
    headers: Vec<u8>,
    link: LinkType,
    network: usize,
    meta: Meta,
}

/// One fragment, looked at.
struct Piece {
    key: Key,
    offset: usize,
    more: bool,
    payload_at: usize,
    end: usize,
    headers: Headers,
}

enum Headers {
    V4,
    V6(ipv6::FragmentHeader),
}

impl Piece {
    /// Whether others follow it at a place that no offset can name.
    fn is_odd(&self) -> bool {
        self.more && !(self.end - self.payload_at).is_multiple_of(8)
    }
}

impl Defrag {
    /// Nothing held. `seed` decides the key of the hash.
    pub fn new(limits: Limits, seed: u64) -> Defrag {
        Defrag {
            limits,
            key: SipKey::from_seed(seed ^ 0x6465_6672_6167),
            queues: HashTable::new(),
            deadlines: BTreeMap::new(),
            serial: 0,
            held: 0,
        }
    }

    /// Takes a packet whose network header is at [`Packet::network`]. Fragments of different zones do not meet, nor do
    /// link-local ones of different interfaces.
    pub fn push(&mut self, now: Instant, packet: &Packet<'_>, zone: u16) -> Fragment {
        self.expire(now);
        let piece = match look(packet, zone) {
            Ok(Some(piece)) => piece,
            Ok(None) => return Fragment::NotOne,
            Err(error) => return Fragment::Dropped(error),
        };
        let hash = piece.key.hash(&self.key);
        // A fragment of IPv6 of an odd length condemns its datagram, and goes on as it is for whoever receives it to refuse
        // (`nf_ct_frag6_gather`, -EPROTO).
        if piece.key.six && piece.is_odd() {
            self.remove(hash, &piece.key);
            return Fragment::NotOne;
        }
        if self.held >= self.limits.memory {
            return Fragment::Dropped(FragmentError::Memory);
        }
        self.ensure(now, &piece, hash);
        let Some(queue) = self.queues.find_mut(hash, |queue| queue.key == piece.key) else {
            return Fragment::Dropped(FragmentError::Malformed);
        };
        match queue.add(packet, &piece) {
            Ok(cost) => self.held += cost,
            Err(error @ FragmentError::Duplicate) => return Fragment::Dropped(error),
            Err(error) => {
                self.remove(hash, &piece.key);
                return Fragment::Dropped(error);
            }
        }
        if !queue.is_complete() {
            return Fragment::Held;
        }
        match self.remove(hash, &piece.key).and_then(Queue::assemble) {
            Some(whole) => Fragment::Whole(Box::new(whole)),
            None => Fragment::Dropped(FragmentError::Malformed),
        }
    }

    /// Throws away what waited too long.
    pub fn expire(&mut self, now: Instant) {
        while let Some((&(deadline, serial), &hash)) = self.deadlines.first_key_value() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            if let Ok(found) = self.queues.find_entry(hash, |queue| queue.serial == serial) {
                self.held -= found.remove().0.cost();
            }
        }
    }

    /// Bytes held, bookkeeping included.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Begins a queue for the piece, if there is none.
    fn ensure(&mut self, now: Instant, piece: &Piece, hash: u64) {
        if self.queues.find(hash, |queue| queue.key == piece.key).is_some() {
            return;
        }
        let wait = if piece.key.six { self.limits.ipv6 } else { self.limits.ipv4 };
        self.serial += 1;
        let queue = Queue {
            key: piece.key,
            serial: self.serial,
            deadline: now + wait,
            parts: BTreeMap::new(),
            runs: BTreeMap::new(),
            length: 0,
            last_seen: false,
            have: 0,
            first: None,
            largest: 0,
        };
        self.held += queue.cost();
        self.deadlines.insert((queue.deadline, queue.serial), hash);
        let key = self.key;
        self.queues.insert_unique(hash, queue, |queue| queue.key.hash(&key));
    }

    fn remove(&mut self, hash: u64, key: &Key) -> Option<Queue> {
        let found = self.queues.find_entry(hash, |queue| queue.key == *key).ok()?;
        let queue = found.remove().0;
        self.deadlines.remove(&(queue.deadline, queue.serial));
        self.held -= queue.cost();
        Some(queue)
    }
}

impl Queue {
    /// Takes a fragment's bytes in; returns what they cost (`ip_frag_queue`).
    fn add(&mut self, packet: &Packet<'_>, piece: &Piece) -> Result<usize, FragmentError> {
        let mut length = piece.end - piece.payload_at;
        if piece.more && !length.is_multiple_of(8) {
            length -= length % 8;
        }
        let end = piece.offset + length;
        let beyond = self.last_seen && (end > self.length || (!piece.more && end != self.length));
        if length == 0 || end > LEN_MAX || beyond || (!piece.more && end < self.length) {
            return Err(FragmentError::Malformed);
        }
        // Fragments that follow one another are one run: what lies within repeats it, whatever its bytes; what lies partly in
        // one overlaps (`inet_frag_queue_insert`).
        let before = self.runs.range(..=piece.offset).next_back().map(|(from, to)| (*from, *to));
        let after = self.runs.range(piece.offset..).next().map(|(from, to)| (*from, *to));
        if before.is_some_and(|(_, to)| end <= to) {
            return Err(FragmentError::Duplicate);
        }
        if before.is_some_and(|(_, to)| piece.offset < to) || after.is_some_and(|(from, _)| from < end) {
            return Err(FragmentError::Overlap);
        }
        let bytes = copy(packet, piece.payload_at, length).ok_or(FragmentError::Malformed)?;
        if piece.offset == 0 {
            self.first = Some(First::of(packet, piece).ok_or(FragmentError::Malformed)?);
        }
        let cost = bytes.len() + OVERHEAD;
        self.have += bytes.len();
        self.parts.insert(piece.offset, bytes);
        let from = before.filter(|(_, to)| *to == piece.offset).map_or(piece.offset, |(from, _)| from);
        let to = match after {
            Some((next, to)) if next == end => {
                self.runs.remove(&next);
                to
            }
            _ => end,
        };
        self.runs.insert(from, to);
        self.length = self.length.max(end);
        self.last_seen |= !piece.more;
        self.largest = self.largest.max(piece.end.saturating_sub(packet.network()));
        Ok(cost)
    }

    fn is_complete(&self) -> bool {
        self.last_seen && self.first.is_some() && self.have == self.length
    }

    fn cost(&self) -> usize {
        QUEUE + self.have + self.parts.len() * OVERHEAD
    }

    /// Headers of the first fragment, payload of all, lengths and checksum made right. `None` when longer than a packet
    /// can be.
    fn assemble(self) -> Option<Reassembled> {
        let first = self.first?;
        let mut bytes = vec![0; HEADROOM];
        bytes.extend(&first.headers);
        for part in self.parts.values() {
            bytes.extend(part);
        }
        let network = bytes.get_mut(HEADROOM + first.network..)?;
        let total = network.len();
        if self.key.six {
            let payload = u16::try_from(total.checked_sub(ipv6::HEADER_LEN)?).ok()?;
            network.get_mut(4..6)?.copy_from_slice(&payload.to_be_bytes());
        } else {
            let header_len = first.headers.len() - first.network;
            network.get_mut(2..4)?.copy_from_slice(&u16::try_from(total).ok()?.to_be_bytes());
            let kept = network.get(6)? & 0x40; // don't fragment stays, more fragments goes
            network.get_mut(6..8)?.copy_from_slice(&[kept, 0]);
            network.get_mut(10..12)?.fill(0);
            let sum = ironweir_wire::checksum::Sum::ZERO.bytes(network.get(..header_len)?).finish();
            network.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
        }
        Some(Reassembled {
            bytes,
            link: first.link,
            network: first.network,
            meta: first.meta,
            pieces: Pieces {
                payload_at: first.headers.len(),
                lens: self.parts.values().map(Vec::len).collect(),
                largest: self.largest,
            },
        })
    }
}

impl First {
    fn of(packet: &Packet<'_>, piece: &Piece) -> Option<First> {
        let mut headers = copy(packet, 0, piece.payload_at)?;
        if let Headers::V6(fragment) = &piece.headers {
            *headers.get_mut(fragment.named_at)? = fragment.next;
            headers.truncate(fragment.at);
        }
        Some(First { headers, link: packet.link(), network: packet.network(), meta: packet.meta })
    }
}

/// What a fragment says of itself; `None` when the packet is none.
fn look(packet: &Packet<'_>, zone: u16) -> Result<Option<Piece>, FragmentError> {
    match packet.meta.protocol {
        ethertype::IPV4 => look_v4(packet, zone),
        ethertype::IPV6 => look_v6(packet, zone),
        _ => Ok(None),
    }
}

fn look_v4(packet: &Packet<'_>, zone: u16) -> Result<Option<Piece>, FragmentError> {
    let network = packet.network();
    let Some(header) = ipv4::Header::read(packet, network).filter(|header| header.is_fragment()) else {
        return Ok(None);
    };
    let total = usize::from(header.total_length);
    if header.header_len < ipv4::HEADER_LEN || total < header.header_len || total > packet.network_len() {
        return Err(FragmentError::Malformed);
    }
    Ok(Some(Piece {
        key: Key {
            src: header.src,
            dst: header.dst,
            id: u32::from(header.id),
            protocol: header.protocol,
            six: false,
            zone,
            // Not for devices of a VRF, of which there are none here.
            iif: 0,
        },
        offset: usize::from(header.fragment_offset()) * 8,
        more: header.flags_offset & ipv4::FLAG_MORE != 0,
        payload_at: network + header.header_len,
        end: network + total,
        headers: Headers::V4,
    }))
}

fn look_v6(packet: &Packet<'_>, zone: u16) -> Result<Option<Piece>, FragmentError> {
    let network = packet.network();
    let Some(fragment) = ipv6::find_fragment(packet, network) else { return Ok(None) };
    let header = ipv6::Header::read(packet, network).ok_or(FragmentError::Malformed)?;
    let end = network + ipv6::HEADER_LEN + usize::from(header.payload_length);
    let payload_at = fragment.at + ipv6::FRAGMENT_LEN;
    if end > packet.len() || payload_at > end {
        return Err(FragmentError::Malformed);
    }
    if fragment.offset == 0 && is_cut_short(packet, fragment.next, payload_at, end) {
        return Ok(None);
    }
    Ok(Some(Piece {
        key: Key {
            src: header.src,
            dst: header.dst,
            id: fragment.id,
            protocol: ipproto::FRAGMENT,
            six: true,
            zone,
            iif: if on_link(&header.dst) { packet.meta.iif.0 } else { 0 },
        },
        offset: usize::from(fragment.offset),
        more: fragment.more,
        payload_at,
        end,
        headers: Headers::V6(fragment),
    }))
}

/// Whether a first fragment lacks a part of its headers (RFC 8200 §4.5): such a one is left alone, for whoever receives it to
/// refuse (`ipv6frag_thdr_truncated`).
fn is_cut_short(packet: &Packet<'_>, mut next: u8, mut at: usize, end: usize) -> bool {
    while ipv6::is_extension(next) && next != ipproto::NONE {
        let Some([following, length]) = packet.array(at) else { return false };
        at += match next {
            // A fragment within a fragment.
            ipproto::FRAGMENT if packet.be16(at + 2).is_none_or(|word| word & !7 != 0) => return false,
            ipproto::FRAGMENT => ipv6::FRAGMENT_LEN,
            ipproto::AH => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        next = following;
    }
    let needs = match next {
        ipproto::TCP => 20,
        ipproto::UDP | ipproto::ICMPV6 => 8,
        _ => 1,
    };
    at + needs > end
}

/// Whether an address means something else on another link: a group, or link-local (`fq_find`).
fn on_link(address: &Address) -> bool {
    let [first, second, ..] = address.0;
    first == 0xff || (first == 0xfe && second & 0xc0 == 0x80)
}

fn copy(packet: &Packet<'_>, offset: usize, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut scratch = vec![0; length];
    bytes.copy_from_slice(packet.load(offset, length, &mut scratch)?);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bytes, v4, v6};
    use ironweir_wire::L3;
    use proptest::prelude::*;

    const NOW: Instant = Instant::from_secs(1000);

    /// Cuts a whole packet after every `size` bytes of payload, as a router would.
    fn cut(whole: &Bytes, size: usize) -> Vec<Bytes> {
        let header = if whole.0[0] >> 4 == 6 { 48 } else { 20 };
        let mut pieces = Vec::new();
        whole.clone().with(|packet, info| {
            ironweir_wire::fragment::split(packet, info, header + size, 9, |bytes| {
                pieces.push(Bytes(bytes.to_vec()))
            })
        });
        pieces
    }

    fn push(defrag: &mut Defrag, bytes: &Bytes) -> Fragment {
        bytes.clone().with(|packet, _| defrag.push(NOW, packet, 0))
    }

    fn whole(fragment: Fragment) -> Option<Vec<u8>> {
        match fragment {
            Fragment::Whole(mut whole) => Some(whole.packet().head().to_vec()),
            _ => None,
        }
    }

    fn datagram(l3: L3, length: usize) -> Bytes {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        match l3 {
            L3::V4 => Bytes::udp((v4(1), 1), (v4(2), 2), l3, &payload),
            _ => Bytes::udp((v6(1), 1), (v6(2), 2), l3, &payload),
        }
    }

    #[test]
    fn what_is_no_fragment_passes() {
        let mut defrag = Defrag::new(Limits::default(), 1);
        assert!(matches!(push(&mut defrag, &datagram(L3::V4, 10)), Fragment::NotOne));
        assert!(matches!(push(&mut defrag, &datagram(L3::V6, 10)), Fragment::NotOne));
    }

    #[test]
    fn overlap_condemns_and_repetition_does_not() {
        let whole_packet = datagram(L3::V4, 100);
        let pieces = cut(&whole_packet, 40);
        let mut defrag = Defrag::new(Limits::default(), 1);
        assert!(matches!(push(&mut defrag, &pieces[1]), Fragment::Held));
        let again = push(&mut defrag, &pieces[1]);
        assert!(matches!(again, Fragment::Dropped(FragmentError::Duplicate)));
        assert!(matches!(push(&mut defrag, &pieces[2]), Fragment::Held));
        assert_eq!(whole(push(&mut defrag, &pieces[0])), Some(whole_packet.0.clone()));
        let overlapping = &cut(&whole_packet, 56)[0];
        assert!(matches!(push(&mut defrag, &pieces[1]), Fragment::Held));
        let result = push(&mut defrag, overlapping);
        assert!(matches!(result, Fragment::Dropped(FragmentError::Overlap)));
        assert_eq!(defrag.held(), 0);
    }

    #[test]
    fn fragments_wait_a_limited_time_in_limited_memory() {
        let mut defrag = Defrag::new(Limits { memory: QUEUE + 900, ..Limits::default() }, 1);
        let pieces = cut(&datagram(L3::V4, 4000), 400);
        assert!(matches!(push(&mut defrag, &pieces[0]), Fragment::Held));
        assert!(matches!(push(&mut defrag, &pieces[1]), Fragment::Held));
        assert!(matches!(push(&mut defrag, &pieces[2]), Fragment::Dropped(FragmentError::Memory)));
        assert_eq!(defrag.held(), QUEUE + 2 * (400 + OVERHEAD));
        defrag.expire(NOW + Duration::from_secs(29));
        assert_ne!(defrag.held(), 0);
        defrag.expire(NOW + Duration::from_secs(30));
        assert_eq!(defrag.held(), 0);
        assert!(defrag.queues.is_empty() && defrag.deadlines.is_empty());
    }

    /// `nf_ct_frag6_queue` gives -EPROTO, and the packet is let pass (`nf_ct_frag6_gather`).
    #[test]
    fn a_fragment_of_ipv6_of_an_odd_length_passes_as_it_is() {
        let mut defrag = Defrag::new(Limits::default(), 1);
        let pieces = cut(&datagram(L3::V6, 100), 40);
        assert!(matches!(push(&mut defrag, &pieces[0]), Fragment::Held));
        let mut odd = pieces[1].clone();
        odd.0.pop();
        odd.0[5] -= 1;
        assert!(matches!(push(&mut defrag, &odd), Fragment::NotOne));
        assert_eq!(defrag.held(), 0, "its datagram is thrown away");
    }

    #[test]
    fn impossible_ends_are_malformed() {
        let mut defrag = Defrag::new(Limits::default(), 1);
        let mut beyond = cut(&datagram(L3::V4, 100), 40).remove(1);
        beyond.0[6..8].copy_from_slice(&0x3fff_u16.to_be_bytes());
        assert!(matches!(push(&mut defrag, &beyond), Fragment::Dropped(FragmentError::Malformed)));
        let pieces = cut(&datagram(L3::V4, 100), 40);
        assert!(matches!(push(&mut defrag, &pieces[2]), Fragment::Held));
        let longer = cut(&datagram(L3::V4, 200), 40).remove(4);
        assert!(matches!(push(&mut defrag, &longer), Fragment::Dropped(FragmentError::Malformed)));
        assert_eq!(defrag.held(), 0);
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_make_the_packet_again(six: bool, length in 1usize..3000, eights in 1usize..60, order: Vec<prop::sample::Index>) {
            let sent = datagram(if six { L3::V6 } else { L3::V4 }, length);
            let mut pieces = cut(&sent, eights * 8);
            prop_assume!(pieces.len() > 1);
            for (at, index) in order.iter().enumerate().take(pieces.len()) {
                let other = index.index(pieces.len());
                pieces.swap(at, other);
            }
            let mut defrag = Defrag::new(Limits::default(), 1);
            let last = pieces.pop().unwrap();
            for piece in &pieces {
                prop_assert!(matches!(push(&mut defrag, piece), Fragment::Held));
            }
            prop_assert_eq!(whole(push(&mut defrag, &last)), Some(sent.0));
            prop_assert_eq!(defrag.held(), 0);
        }
    }
}
