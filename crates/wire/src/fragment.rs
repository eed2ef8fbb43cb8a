//! Cutting a packet into fragments on its way out (`ip_do_fragment`, `ip6_fragment`): what was put together for
//! tracking leaves in pieces again, in the same ones where nobody has touched them.

use crate::address::L3;
use crate::checksum::Sum;
use crate::dissect::PacketInfo;
use crate::ipv4;
use crate::ipv6::{self, FRAGMENT_LEN};
use crate::packet::Packet;
use crate::protocol::ipproto;

/// Cuts the packet into fragments whose network packets have at most `largest` bytes, and hands each, link header
/// included, to `emit`. `id` is the identification of IPv6 fragments; IPv4 keeps its own.
///
/// Returns how many there were; 0, having emitted nothing, when the packet need not be cut, or cannot: it is neither
/// IPv4 nor IPv6, or `largest` leaves no room for 8 bytes. The don't-fragment bit is not looked at: whether to cut
/// is the caller's decision.
pub fn split(
    packet: &Packet<'_>,
    info: &PacketInfo,
    largest: usize,
    id: u32,
    mut emit: impl FnMut(&[u8]),
) -> usize {
    if info.end.saturating_sub(info.network) <= largest {
        return 0;
    }
    let plan = match info.l3 {
        L3::V4 => plan_v4(packet, info),
        L3::V6 => plan_v6(packet, info, id),
        L3::Arp | L3::Other => None,
    };
    plan.and_then(|plan| plan.run(packet, info, largest, &mut emit)).unwrap_or(0)
}

/// The fragments that a datagram came in: it leaves in the same ones as long as they fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Where the payload begins that they share, from the link header.
    pub payload_at: usize,
    /// Bytes of payload of each, in order.
    pub lens: Vec<usize>,
    /// Bytes of the largest network packet among them (`frag_max_size`).
    pub largest: usize,
}

/// Cuts a datagram again that came in pieces, for a link that carries network packets of `mtu` bytes; otherwise as [`split`].
/// As long as it is as long as it was, and nobody wrote beyond its first piece, or up to a multiple of eight bytes, the pieces
/// are those it came in (the fast path of `ip_do_fragment` and `ip6_fragment`); else they are as large as the largest was, of
/// IPv6 1280 bytes at least.
pub fn split_again(
    packet: &Packet<'_>,
    info: &PacketInfo,
    pieces: &Pieces,
    mtu: usize,
    id: u32,
    mut emit: impl FnMut(&[u8]),
) -> usize {
    let largest = pieces.largest.min(mtu);
    if info.end.saturating_sub(info.network) <= largest {
        return 0;
    }
    let (plan, largest) = match info.l3 {
        L3::V4 => (plan_v4(packet, info), largest),
        L3::V6 => (plan_v6(packet, info, id), largest.max(MTU_MIN_V6).min(mtu)),
        L3::Arp | L3::Other => (None, largest),
    };
    let Some(plan) = plan else { return 0 };
    match pieces.kept(packet, info, &plan, largest) {
        Some(lens) => plan.cut(packet, info, lens.into_iter(), &mut emit),
        None => plan.run(packet, info, largest, &mut emit),
    }
    .unwrap_or(0)
}

/// What every link of IPv6 carries (RFC 8200 §5).
const MTU_MIN_V6: usize = 1280;

impl Pieces {
    /// The lengths of the pieces as they are now, if the datagram may leave in them.
    fn kept(
        &self,
        packet: &Packet<'_>,
        info: &PacketInfo,
        plan: &Plan,
        largest: usize,
    ) -> Option<Vec<usize>> {
        // What was pulled lies in the first piece.
        let (mut end, mut begun) = (self.payload_at, plan.payload_at);
        let mut lens = Vec::with_capacity(self.lens.len());
        for len in &self.lens {
            end += len;
            let its_end = if lens.is_empty() { end.max(packet.pulled()) } else { end };
            if its_end > begun {
                lens.push(its_end - begun);
                begun = its_end;
            }
        }
        let room = largest.checked_sub(plan.headers.len() - info.network)?;
        let (_, but_last) = lens.split_last()?;
        let fits = lens.iter().all(|len| *len <= room) && but_last.iter().all(|len| len.is_multiple_of(8));
        (end == info.end && lens.len() > 1 && fits).then_some(lens)
    }
}

/// Headers that begin every fragment, and where the bytes to be shared out begin.
struct Plan {
    /// Link and network headers, for IPv6 with the fragment header behind.
    headers: Vec<u8>,
    payload_at: usize,
    /// What the fragment's first byte would be in the packet before it was ever cut.
    base: usize,
    /// Whether more fragments follow the last.
    more: bool,
}

fn plan_v4(packet: &Packet<'_>, info: &PacketInfo) -> Option<Plan> {
    Some(Plan {
        headers: copy(packet, 0, info.transport)?,
        payload_at: info.transport,
        base: usize::from(info.fragment_offset) * 8,
        more: info.more_fragments,
    })
}

/// The fragment header goes behind hop-by-hop options and routing headers, which every router reads.
fn plan_v6(packet: &Packet<'_>, info: &PacketInfo, id: u32) -> Option<Plan> {
    if info.is_fragment() {
        return None;
    }
    let mut named_at = info.network + 6;
    let mut at = info.network + ipv6::HEADER_LEN;
    while let ipproto::HOPOPTS | ipproto::ROUTING = packet.byte(named_at)? {
        named_at = at;
        at += (usize::from(packet.byte(at + 1)?) + 1) * 8;
    }
    let mut headers = copy(packet, 0, at)?;
    let named = headers.get_mut(named_at)?;
    let next = std::mem::replace(named, ipproto::FRAGMENT);
    headers.extend([next, 0, 0, 0]);
    headers.extend(id.to_be_bytes());
    Some(Plan { headers, payload_at: at, base: 0, more: false })
}

impl Plan {
    /// Pieces as large as may be.
    fn run(
        self,
        packet: &Packet<'_>,
        info: &PacketInfo,
        largest: usize,
        emit: &mut impl FnMut(&[u8]),
    ) -> Option<usize> {
        let header_len = self.headers.len() - info.network;
        let room = largest.checked_sub(header_len)? & !7;
        if room == 0 {
            return None;
        }
        self.cut(packet, info, std::iter::repeat(room), emit)
    }

    /// Pieces of so many bytes of payload each, the last of what is left.
    fn cut(
        mut self,
        packet: &Packet<'_>,
        info: &PacketInfo,
        lens: impl Iterator<Item = usize>,
        emit: &mut impl FnMut(&[u8]),
    ) -> Option<usize> {
        let payload = info.end.checked_sub(self.payload_at)?;
        let mut frame = Vec::new();
        let (mut count, mut offset) = (0, 0);
        for len in lens {
            if offset >= payload {
                break;
            }
            let length = len.min(payload - offset);
            let more = offset + length < payload || self.more;
            self.mark(info, self.base + offset, length, more)?;
            frame.clear();
            frame.extend(&self.headers);
            frame.extend(copy(packet, self.payload_at + offset, length)?);
            emit(&frame);
            count += 1;
            if offset == 0 && info.l3 == L3::V4 {
                self.keep_copied_options(info);
            }
            offset += length;
        }
        Some(count)
    }

    /// Writes length, offset and checksum of one fragment into the headers.
    fn mark(&mut self, info: &PacketInfo, offset: usize, length: usize, more: bool) -> Option<()> {
        let network = self.headers.get_mut(info.network..)?;
        let header_len = network.len();
        if info.l3 == L3::V4 {
            let total = u16::try_from(header_len + length).ok()?;
            network.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
            let kept = u16::from(*network.get(6)?) << 8 & ipv4::FLAG_DONT_FRAGMENT;
            let word = kept | u16::try_from(offset / 8).ok()? | if more { ipv4::FLAG_MORE } else { 0 };
            network.get_mut(6..8)?.copy_from_slice(&word.to_be_bytes());
            network.get_mut(10..12)?.fill(0);
            let sum = Sum::ZERO.bytes(network).finish();
            network.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
        } else {
            let total = u16::try_from(header_len - ipv6::HEADER_LEN + length).ok()?;
            network.get_mut(4..6)?.copy_from_slice(&total.to_be_bytes());
            let word = u16::try_from(offset).ok()? | u16::from(more);
            let at = header_len - FRAGMENT_LEN;
            network.get_mut(at + 2..at + 4)?.copy_from_slice(&word.to_be_bytes());
        }
        Some(())
    }

    /// Fragments after the first carry only the options that say so; the others become no-operations
    /// (`ip_options_fragment`).
    fn keep_copied_options(&mut self, info: &PacketInfo) {
        let mut at = info.network + ipv4::HEADER_LEN;
        while let Some(&kind) = self.headers.get(at) {
            let length = match kind {
                0 => return,
                1 => 1,
                _ => match self.headers.get(at + 1) {
                    Some(&length) if length >= 2 => usize::from(length),
                    _ => return,
                },
            };
            if kind & 0x80 == 0
                && let Some(option) = self.headers.get_mut(at..at + length)
            {
                option.fill(1);
            }
            at += length;
        }
    }
}

fn copy(packet: &Packet<'_>, offset: usize, length: usize) -> Option<Vec<u8>> {
    let mut scratch = vec![0; length];
    let bytes = packet.load(offset, length, &mut scratch)?;
    Some(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkType, dissect, receive};

    #[test]
    fn fragments_are_sound_and_in_order() {
        let mut bytes = vec![0x46, 0, 0, 0, 0, 9, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 7, 4, 4, 0];
        bytes.extend((0..100u8).collect::<Vec<u8>>());
        bytes[3] = 124;
        let mut packet = Packet::new(&mut bytes, 0, 124, LinkType::None);
        let info = dissect(&mut packet).unwrap();
        let mut fragments = Vec::new();
        assert_eq!(split(&packet, &info, 70, 0, |fragment| fragments.push(fragment.to_vec())), 3);
        let mut payload: Vec<u8> = Vec::new();
        for (at, fragment) in fragments.iter_mut().enumerate() {
            let len = fragment.len();
            assert!(len <= 70);
            let mut packet = Packet::new(fragment, 0, len, LinkType::None);
            let info = dissect(&mut packet).unwrap();
            assert_eq!(receive(&mut packet, &info), Ok(()));
            assert_eq!((usize::from(info.fragment_offset) * 8, info.more_fragments), (at * 40, at < 2));
            assert_eq!(
                packet.byte(20),
                Some(if at == 0 { 7 } else { 1 }),
                "record route is in the first alone"
            );
            payload.extend(&packet.head()[24..]);
        }
        assert_eq!(payload, (0..100u8).collect::<Vec<u8>>());
        assert_eq!(split(&packet, &info, 124, 0, |_| panic!("it fits")), 0);
        assert_eq!(split(&packet, &info, 31, 0, |_| panic!("no room")), 0);
    }

    fn again(v6: bool, pulled: usize, longer: usize) -> Vec<usize> {
        let mut bytes = if v6 {
            vec![0x60, 0, 0, 0, 0, 64, 17, 64]
        } else {
            vec![0x45, 0, 0, 84, 0, 9, 0, 0, 64, 17, 0, 0]
        };
        bytes.resize(if v6 { 104 } else { 84 } + longer, 0);
        if v6 {
            bytes[5] += longer as u8;
        } else {
            bytes[3] += longer as u8;
        }
        let payload_at = if v6 { 40 } else { 20 };
        let len = bytes.len();
        let mut packet = Packet::new(&mut bytes, 0, len, LinkType::None);
        let info = dissect(&mut packet).unwrap();
        packet.pull(payload_at + pulled);
        let header = if v6 { 48 } else { 20 };
        let pieces = Pieces { payload_at, lens: vec![16, 40, 8], largest: header + 40 };
        let mut lens = Vec::new();
        split_again(&packet, &info, &pieces, 1500, 0, |fragment| lens.push(fragment.len() - header));
        lens
    }

    /// `ip_do_fragment` and `ip6_fragment`: the fast path, and the slow one where the pieces no longer lie right.
    #[test]
    fn a_datagram_leaves_in_the_pieces_it_came_in_until_somebody_writes_beyond_the_first() {
        for v6 in [false, true] {
            for pulled in [0, 8, 16] {
                assert_eq!(again(v6, pulled, 0), [16, 40, 8]);
            }
            assert_eq!(again(v6, 40, 0), [40, 16, 8], "what is pulled lies in the first");
        }
        assert_eq!(again(false, 56, 0), [40, 24], "larger than any was");
        assert_eq!(again(true, 56, 0), [56, 8], "every link takes that");
        assert_eq!(again(false, 20, 0), [40, 24]);
        assert_eq!(again(true, 20, 0), [64]);
        assert_eq!(again(false, 0, 4), [40, 28], "it grew");
    }
}
