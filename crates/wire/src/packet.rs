//! A packet: its bytes, possibly in several segments, where its headers begin, and what the kernel would
//! keep in the `sk_buff` beside them.
//!
//! ```text
//!            start                                              end
//!              |                                                 |
//!   headroom   | link header | network header | transport | ...  |  room   ...then the tail segments
//!              ^0            ^network()       ^transport()
//! ```
//!
//! All offsets count from the first byte of the link header (offset 0), or of the network header when the
//! link has none. Most packets are linear: everything lies in the head. What lies beyond it (zero-copy
//! receive, GRO, descriptors of a virtual machine) is reached through [`Segments`] by copying only the bytes
//! that are asked for; a packet is never made linear to look at it.

use std::fmt;

/// The index of a network interface; 0 is no interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);

impl IfIndex {
    /// No interface.
    pub const NONE: IfIndex = IfIndex(0);

    /// Whether this names an interface.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of link header a packet begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet II or 802.3: 14 bytes, destination, source, EtherType.
    #[default]
    Ethernet,
    /// No link header: the packet begins with its network header.
    None,
}

/// For whom a frame is (`PACKET_*` of `linux/if_packet.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// For this host (`PACKET_HOST`).
    #[default]
    Host = 0,
    /// For everybody (`PACKET_BROADCAST`).
    Broadcast = 1,
    /// For a group (`PACKET_MULTICAST`).
    Multicast = 2,
    /// For another host, seen in promiscuous mode (`PACKET_OTHERHOST`).
    OtherHost = 3,
    /// Sent by this host (`PACKET_OUTGOING`).
    Outgoing = 4,
    /// Looped back to this host (`PACKET_LOOPBACK`).
    Loopback = 5,
}

/// An 802.1Q or 802.1ad tag that was taken off the frame (`skb->vlan_proto`, `skb->vlan_tci`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// The tag's EtherType: 0x8100 or 0x88a8.
    pub protocol: u16,
    /// Priority (3 bits), drop eligible (1 bit), VLAN id (12 bits).
    pub tci: u16,
}

impl VlanTag {
    /// The VLAN id, 0 to 4095.
    pub const fn id(self) -> u16 {
        self.tci & 0x0fff
    }
}

/// What the kernel keeps beside a packet's bytes, and expressions read and write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The interface it came in by (`skb->dev` on input, `state->in`).
    pub iif: IfIndex,
    /// The interface it leaves by; [`IfIndex::NONE`] before routing.
    pub oif: IfIndex,
    /// The EtherType of the network header, without VLAN tags (`skb->protocol`), host order.
    pub protocol: u16,
    /// `skb->mark`.
    pub mark: u32,
    /// `skb->priority`, the traffic class `major:minor`.
    pub priority: u32,
    /// `skb->pkt_type`.
    pub packet_type: PacketType,
    /// The outermost VLAN tag, which Linux takes off the frame on receive (`skb_vlan_tag_present`).
    pub vlan: Option<VlanTag>,
    /// Whether this packet's way is traced (`skb->nf_trace`, `meta nftrace`).
    pub nftrace: bool,
    /// `skb->secmark`.
    pub secmark: u32,
    /// The receive queue plus one, 0 if none was recorded (`skb->queue_mapping`).
    pub queue_mapping: u16,
    /// The flow hash (`skb->hash`), 0 when not computed.
    pub hash: u32,
    /// Whether it is at the egress hook, where its length counts the link header (`sch_handle_egress`, `nf_hook_egress`).
    pub at_egress: bool,
}

/// The bytes of a packet that lie beyond its head.
pub trait Segments {
    /// How many bytes all segments hold together.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `out.len()` bytes from `offset` (counted from the first byte beyond the head).
    /// Returns false, with `out` unspecified, when the range does not lie inside.
    fn read(&self, offset: usize, out: &mut [u8]) -> bool;

    /// Overwrites bytes from `offset`. Returns false, having changed nothing, when the range does not lie inside.
    fn write(&mut self, offset: usize, bytes: &[u8]) -> bool;
}

/// A packet being looked at, judged and rewritten in place.
pub struct Packet<'m> {
    head: &'m mut [u8],
    start: usize,
    end: usize,
    tail: Option<&'m mut dyn Segments>,
    link: LinkType,
    network: usize,
    transport: Option<usize>,
    pulled: usize,
    /// What the kernel keeps beside the bytes.
    pub meta: Meta,
}

impl<'m> Packet<'m> {
    /// A linear packet whose bytes are `buffer[start..end]`; what lies before is headroom, what lies behind is
    /// room to grow.
    ///
    /// # Panics
    /// If `start <= end <= buffer.len()` does not hold: the caller owns the buffer.
    pub fn new(buffer: &'m mut [u8], start: usize, end: usize, link: LinkType) -> Self {
        assert!(start <= end && end <= buffer.len(), "packet outside its buffer");
        Packet {
            head: buffer,
            start,
            end,
            tail: None,
            link,
            network: 0,
            transport: None,
            pulled: 0,
            meta: Meta::default(),
        }
    }

    /// Adds what lies beyond the head.
    pub fn with_tail(mut self, tail: &'m mut dyn Segments) -> Self {
        self.tail = Some(tail);
        self
    }

    /// Says where the network header begins.
    pub fn set_network(&mut self, offset: usize) {
        self.network = offset;
    }

    /// Says where the transport header begins, or that there is none to be found.
    pub fn set_transport(&mut self, offset: Option<usize>) {
        self.transport = offset;
    }

    /// Notes that somebody wants to write up to `end` (`skb_ensure_writable`, which makes those bytes linear). It shows in
    /// datagrams that came in fragments: what lies in the first one leaves in the first one. Nothing happens where the
    /// packet is shorter.
    pub fn pull(&mut self, end: usize) {
        if end <= self.len() {
            self.pulled = self.pulled.max(end);
        }
    }

    /// Where the bytes end that somebody wanted to write; 0 for none.
    pub fn pulled(&self) -> usize {
        self.pulled
    }

    /// Overwrites bytes at `offset`. Returns false, having changed nothing, when the range reaches beyond the packet.
    #[must_use]
    pub fn store(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let head_len = self.end - self.start;
        let Some(last) = offset.checked_add(bytes.len()) else { return false };
        if last > self.len() {
            return false;
        }
        let in_head = bytes.len().min(head_len.saturating_sub(offset));
        if in_head < bytes.len() {
            let beyond = (offset + in_head) - head_len;
            let Some(tail) = &mut self.tail else { return false };
            if !tail.write(beyond, &bytes[in_head..]) {
                return false;
            }
        }
        let at = self.start + offset;
        if in_head > 0 {
            self.head[at..at + in_head].copy_from_slice(&bytes[..in_head]);
        }
        true
    }

    /// Puts other bytes in the place of all the packet has. Returns false, having changed nothing, when the buffer is too
    /// small or the packet is not linear. The headers are to be found anew.
    #[must_use]
    pub fn replace(&mut self, bytes: &[u8]) -> bool {
        if self.tail.is_some() {
            return false;
        }
        // Headroom is given up where the bytes need it.
        let start = self.start.min(self.head.len().saturating_sub(bytes.len()));
        let Some(place) = self.head.get_mut(start..start + bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        (self.start, self.end) = (start, start + bytes.len());
        true
    }

    /// Cuts a linear packet to `len` bytes (link padding, or a shorter answer built in place). Returns false when it
    /// is shorter than that or not linear.
    #[must_use]
    pub fn truncate(&mut self, len: usize) -> bool {
        if self.tail.is_some() || len > self.end - self.start {
            return false;
        }
        self.end = self.start + len;
        true
    }

    /// Removes `count` bytes at `at` by moving what lies before them up (a VLAN tag taken off). The network and
    /// transport offsets move along. Returns false when the head does not hold them.
    #[must_use]
    pub fn remove(&mut self, at: usize, count: usize) -> bool {
        if at.checked_add(count).is_none_or(|last| last > self.end - self.start) {
            return false;
        }
        self.head.copy_within(self.start..self.start + at, self.start + count);
        self.start += count;
        self.shift_headers(at, |offset| offset.saturating_sub(count));
        true
    }

    /// Makes room for `bytes` at `at` by moving what lies before into the headroom (a VLAN tag put on). Returns false
    /// when the headroom is too small or `at` lies beyond the head.
    #[must_use]
    pub fn insert(&mut self, at: usize, bytes: &[u8]) -> bool {
        if bytes.len() > self.start || at > self.end - self.start {
            return false;
        }
        self.head.copy_within(self.start..self.start + at, self.start - bytes.len());
        self.start -= bytes.len();
        self.head[self.start + at..self.start + at + bytes.len()].copy_from_slice(bytes);
        self.shift_headers(at, |offset| offset + bytes.len());
        true
    }

    /// The bytes of the head from `offset` on, to change in place.
    pub fn head_mut(&mut self) -> &mut [u8] {
        &mut self.head[self.start..self.end]
    }

    /// The bytes of the head: all of them, when the packet is linear.
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.head[self.start..self.end]
    }

    /// Whether every byte lies in the head.
    pub fn is_linear(&self) -> bool {
        self.tail.as_ref().is_none_or(|tail| tail.is_empty())
    }

    /// How many bytes the packet has, the link header included.
    pub fn len(&self) -> usize {
        self.end - self.start + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    /// Whether it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `len` bytes at `offset`: borrowed from the head where they lie there, else copied into `scratch`.
    /// `None` when the range reaches beyond the packet or `scratch` is too small (`skb_header_pointer`).
    pub fn load<'a>(&'a self, offset: usize, len: usize, scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        let last = offset.checked_add(len)?;
        let head = self.head();
        if last <= head.len() {
            return Some(&head[offset..last]);
        }
        let tail = self.tail.as_deref()?;
        let out = scratch.get_mut(..len)?;
        let in_head = head.len().saturating_sub(offset);
        if in_head > 0 {
            out[..in_head].copy_from_slice(&head[offset..]);
        }
        tail.read((offset + in_head) - head.len(), &mut out[in_head..]).then_some(&*out)
    }

    /// Copies `N` bytes at `offset`.
    #[inline]
    pub fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        match self.head().get(offset..).and_then(|bytes| bytes.first_chunk()) {
            Some(bytes) => Some(*bytes),
            None => self.array_of_segments(offset),
        }
    }

    #[cold]
    fn array_of_segments<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut scratch = [0; N];
        self.load(offset, N, &mut scratch)?.try_into().ok()
    }

    /// The byte at `offset`.
    #[inline]
    pub fn byte(&self, offset: usize) -> Option<u8> {
        self.array::<1>(offset).map(|[byte]| byte)
    }

    /// Two bytes at `offset`, from network order.
    #[inline]
    pub fn be16(&self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// Four bytes at `offset`, from network order.
    #[inline]
    pub fn be32(&self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// What kind of link header it has.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Where the network header begins (`skb_network_offset` from the link header).
    pub fn network(&self) -> usize {
        self.network
    }

    /// Where the transport header begins; `None` for what has none, a later fragment included.
    pub fn transport(&self) -> Option<usize> {
        self.transport
    }

    /// Bytes from the network header to the end.
    pub fn network_len(&self) -> usize {
        self.len().saturating_sub(self.network)
    }

    /// What counters, quotas, limits and `meta length` count (`skb->len`): from the network header on, but at egress the link
    /// header, too.
    pub fn counted_len(&self) -> usize {
        if self.meta.at_egress { self.len() } else { self.network_len() }
    }

    fn shift_headers(&mut self, at: usize, by: impl Fn(usize) -> usize) {
        if self.network >= at {
            self.network = by(self.network);
        }
        self.transport = self.transport.map(|offset| if offset >= at { by(offset) } else { offset });
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("len", &self.len())
            .field("link", &self.link)
            .field("network", &self.network)
            .field("transport", &self.transport)
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Vec<u8>);

    impl Segments for One {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn read(&self, offset: usize, out: &mut [u8]) -> bool {
            match self.0.get(offset..offset + out.len()) {
                Some(bytes) => {
                    out.copy_from_slice(bytes);
                    true
                }
                None => false,
            }
        }

        fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
            match self.0.get_mut(offset..offset + bytes.len()) {
                Some(out) => {
                    out.copy_from_slice(bytes);
                    true
                }
                None => false,
            }
        }
    }

    #[test]
    fn load_crosses_from_head_to_tail() {
        let mut head = [9, 1, 2, 3, 9];
        let mut tail = One(vec![4, 5, 6]);
        let mut packet = Packet::new(&mut head, 1, 4, LinkType::None).with_tail(&mut tail);
        assert_eq!(packet.len(), 6);
        assert_eq!(packet.array(0), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(packet.array(2), Some([3, 4]));
        assert_eq!(packet.array(4), Some([5, 6]));
        assert_eq!(packet.array::<3>(4), None);
        assert!(packet.store(2, &[7, 8]));
        assert!(!packet.store(5, &[0, 0]));
        assert_eq!(packet.array(0), Some([1, 2, 7, 8, 5, 6]));
    }

    #[test]
    fn a_tag_taken_off_and_put_on_again_leaves_the_packet_as_it_was() {
        let mut bytes: Vec<u8> = (0..20).collect();
        let mut packet = Packet::new(&mut bytes, 0, 20, LinkType::Ethernet);
        packet.set_network(16);
        assert!(packet.remove(12, 4));
        assert_eq!(packet.head()[10..14], [10, 11, 16, 17]);
        assert_eq!(packet.network(), 12);
        assert!(packet.insert(12, &[12, 13, 14, 15]));
        assert_eq!(packet.head(), (0..20).collect::<Vec<u8>>());
        assert_eq!(packet.network(), 16);
        assert!(!packet.insert(12, &[0]));
    }

    #[test]
    fn other_bytes_take_the_packets_place_where_the_buffer_has_room() {
        let mut bytes = [9; 8];
        let mut packet = Packet::new(&mut bytes, 4, 6, LinkType::None);
        assert!(packet.replace(&[1, 2, 3]));
        assert_eq!(packet.head(), [1, 2, 3]);
        assert!(packet.replace(&[5; 8]) && !packet.replace(&[6; 9]));
        assert_eq!(packet.head(), [5; 8]);
    }

    #[test]
    fn ranges_beyond_the_packet_are_refused() {
        let mut bytes = [0; 4];
        let mut packet = Packet::new(&mut bytes, 0, 4, LinkType::None);
        assert_eq!(packet.be16(3), None);
        assert_eq!(packet.be32(usize::MAX), None);
        assert!(!packet.store(usize::MAX, &[1]));
        assert!(!packet.remove(usize::MAX, 4));
        assert!(packet.truncate(2) && !packet.truncate(3));
    }
}
