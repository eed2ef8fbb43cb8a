//! `payload`: bytes of the packet (`nft_payload.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::checksum::Delta;
use ironweir_wire::crc32c::Crc32c;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{L3, LinkType, Packet, PacketInfo};

use crate::given::{Fault, Given, put_flags, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register, when};
use crate::{Env, Hook, Outcome, Register, Registers};

/// Loads bytes; ends the rule where the packet has none there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// From which header `offset` counts.
    pub base: Base,
    /// Bytes from there.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
    /// Where they go.
    pub destination: Register,
}

/// Overwrites bytes and mends checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// From which header `offset` counts.
    pub base: Base,
    /// Bytes from there.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
    /// Where the new bytes lie.
    pub source: Register,
    /// Which checksum changes with them.
    pub checksum: Checksum,
}

/// `enum nft_payload_bases`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Base {
    /// Link-layer header (`NFT_PAYLOAD_LL_HEADER`).
    Link = 0,
    /// Network header.
    Network = 1,
    /// Transport header.
    Transport = 2,
    /// What the transport header carries (`NFT_PAYLOAD_INNER_HEADER`).
    Inner = 3,
    /// A tunnel's header, inside [`crate::inner::Inner`] (`NFT_PAYLOAD_TUN_HEADER`).
    Tunnel = 4,
}

impl Base {
    /// Every base, in the order of their numbers.
    pub const ALL: [Base; 5] = [Base::Link, Base::Network, Base::Transport, Base::Inner, Base::Tunnel];
}

/// How a write mends checksums (`NFTA_PAYLOAD_CSUM_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// `enum nft_payload_csum_types`.
    pub kind: ChecksumKind,
    /// Where the checksum lies, in bytes from the same base.
    pub offset: u32,
    /// The transport checksum covers these bytes by its pseudo header (`NFT_PAYLOAD_L4CSUM_PSEUDOHDR`).
    pub pseudo_header: bool,
}

/// `enum nft_payload_csum_types`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ChecksumKind {
    /// None.
    #[default]
    None = 0,
    /// The Internet checksum.
    Inet = 1,
    /// SCTP's CRC-32c.
    Sctp = 2,
}

/// Where the EtherType of an Ethernet header lies: a VLAN tag goes before it.
const ETHERTYPE_AT: usize = 12;
const VLAN_TAG_LEN: usize = 4;

impl Expression for Load {
    const NAME: &'static str = "payload";
    const HIGHEST: u16 = CSUM_FLAGS;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let mut scratch = [0; Register::BYTES];
        let Some(out) = scratch.get_mut(..self.len as usize) else { return Outcome::Break };
        let held = match self.base {
            Base::Link => load_link(packet, self.offset as usize, out),
            base if self.is_fast() && !env.info().is_whole() => fast_start(base, packet, env)
                .and_then(|start| start.checked_add(self.offset as usize))
                .is_some_and(|offset| copy(packet, offset, out)),
            base => start(base, packet, &env.info())
                .and_then(|start| start.checked_add(self.offset as usize))
                .is_some_and(|offset| copy(packet, offset, out)),
        };
        if held {
            registers.store(self.destination, out);
        }
        Outcome::next_if(held)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let Load { base, offset, len, destination } = self;
        write!(f, "payload load {len}b @ {base} header + {offset} => reg {destination}")
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        when(self.base == Base::Tunnel, "a tunnel's header outside of a tunnel")?;
        register(self.destination, self.len)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        Some((self.destination, self.len as usize, Order::Network))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(BASE, self.base as u32);
        writer.put_u32_be(OFFSET, self.offset);
        writer.put_u32_be(LEN, self.len);
    }

    fn is_given(given: &Given<'_>) -> bool {
        !given.has(SREG)
    }

    fn decode(given: &Given<'_>) -> Result<Load, Fault> {
        Ok(Load {
            base: given.one_of(BASE, &Base::ALL)?,
            offset: given.u32(OFFSET)?,
            len: given.u32(LEN)?,
            destination: given.register(DREG)?,
        })
    }
}

impl Load {
    /// Whether the kernel's short way takes it (`nft_payload_select_ops`), which does not ask whether a fragment has a
    /// transport header (`nft_payload_fast_eval`).
    fn is_fast(&self) -> bool {
        matches!(self.len, 1 | 2 | 4)
            && self.offset.is_multiple_of(self.len)
            && matches!(self.base, Base::Network | Base::Transport)
    }
}

/// Where a base begins on the short way: of a later fragment its bytes are taken for the transport header, for IPv6 those
/// that the packet, at egress the frame, begins with (`ipv6_find_hdr` leaves the offset at 0).
fn fast_start<E: Env>(base: Base, packet: &Packet<'_>, env: &E) -> Option<usize> {
    let info = env.info();
    match (base, info.l3) {
        (Base::Transport, L3::V6) => {
            info.l4proto.map(|_| if env.hook() == Hook::Egress { 0 } else { packet.network() })
        }
        (Base::Transport, _) => info.l4proto.map(|_| info.transport),
        _ => start(base, packet, &info),
    }
}

/// Copies bytes of the packet. False where it has none there.
pub(crate) fn copy(packet: &Packet<'_>, offset: usize, out: &mut [u8]) -> bool {
    let mut scratch = [0; Register::BYTES];
    let Some(bytes) = packet.load(offset, out.len(), &mut scratch) else { return false };
    out.copy_from_slice(bytes);
    true
}

/// Where a base begins; link and tunnel headers are not asked here.
fn start(base: Base, packet: &Packet<'_>, info: &PacketInfo) -> Option<usize> {
    match base {
        Base::Link | Base::Tunnel => None,
        Base::Network => Some(packet.network()),
        Base::Transport => info.transport_header().map(|(_, at)| at),
        Base::Inner => info.inner_offset(packet),
    }
}

/// Copies bytes of the link header as it was on the wire: a VLAN tag that was taken off is seen again between source
/// address and EtherType (`nft_payload_copy_vlan`).
fn load_link(packet: &Packet<'_>, offset: usize, out: &mut [u8]) -> bool {
    if packet.link() == LinkType::None {
        return false;
    }
    let Some(tag) = packet.meta.vlan else { return copy(packet, offset, out) };
    let (protocol, tci) = (tag.protocol.to_be_bytes(), tag.tci.to_be_bytes());
    let shown = [protocol[0], protocol[1], tci[0], tci[1]];
    let (before, rest) = out.split_at_mut(ETHERTYPE_AT.saturating_sub(offset).min(out.len()));
    let at = offset + before.len();
    let in_tag = (ETHERTYPE_AT + VLAN_TAG_LEN).saturating_sub(at).min(rest.len());
    let (inside, after) = rest.split_at_mut(in_tag);
    for (i, byte) in inside.iter_mut().enumerate() {
        *byte = shown.get(at - ETHERTYPE_AT + i).copied().unwrap_or(0);
    }
    let behind = (at + in_tag).saturating_sub(VLAN_TAG_LEN);
    (before.is_empty() || copy(packet, offset, before)) && (after.is_empty() || copy(packet, behind, after))
}

impl Expression for Write {
    const NAME: &'static str = "payload";
    const HIGHEST: u16 = CSUM_FLAGS;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let bytes = registers.get(self.source, self.len as usize);
        Outcome::next_if(self.write(bytes, packet, &env.info()).is_some())
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let Write { base, offset, len, source, checksum } = self;
        write!(f, "payload write reg {source} => {len}b @ {base} header + {offset}")?;
        let (kind, at, flags) = (checksum.kind as u32, checksum.offset, u32::from(checksum.pseudo_header));
        write!(f, " csum_type {kind} csum_off {at} csum_flags 0x{flags:x}")
    }

    /// `nft_payload_set_init`.
    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        when(self.base == Base::Tunnel, "writing to a tunnel's header")?;
        let misplaced = self.base != Base::Transport || self.checksum.offset != 8;
        when(self.checksum.kind == ChecksumKind::Sctp && misplaced, "an SCTP checksum where there is none")?;
        register(self.source, self.len)
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (self.source == register).then_some(Order::Network)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, SREG, self.source);
        writer.put_u32_be(BASE, self.base as u32);
        writer.put_u32_be(OFFSET, self.offset);
        writer.put_u32_be(LEN, self.len);
        if self.checksum.kind != ChecksumKind::None || self.checksum.offset != 0 {
            writer.put_u32_be(CSUM_TYPE, self.checksum.kind as u32);
            writer.put_u32_be(CSUM_OFFSET, self.checksum.offset);
        }
        put_flags(writer, CSUM_FLAGS, if self.checksum.pseudo_header { PSEUDO_HEADER } else { 0 });
    }

    fn is_given(given: &Given<'_>) -> bool {
        given.has(SREG)
    }

    fn decode(given: &Given<'_>) -> Result<Write, Fault> {
        given.refuse(DREG)?;
        let kinds = [ChecksumKind::None, ChecksumKind::Inet, ChecksumKind::Sctp];
        Ok(Write {
            base: given.one_of(BASE, &Base::ALL)?,
            offset: given.u32(OFFSET)?,
            len: given.u32(LEN)?,
            source: given.register(SREG)?,
            checksum: Checksum {
                kind: kinds.get(given.u32_or_0(CSUM_TYPE)? as usize).copied().ok_or(Fault::Newer)?,
                offset: given.u32_or_0(CSUM_OFFSET)?,
                pseudo_header: given.flags(CSUM_FLAGS, PSEUDO_HEADER)? == PSEUDO_HEADER,
            },
        })
    }
}

impl Write {
    /// `None` where the packet has no such bytes or no such checksum.
    fn write(&self, bytes: &[u8], packet: &mut Packet<'_>, info: &PacketInfo) -> Option<()> {
        let start = match self.base {
            Base::Link if packet.link() == LinkType::None => return None,
            Base::Link if packet.meta.vlan.is_some() && self.offset as usize + bytes.len() > ETHERTYPE_AT => {
                return write_tagged(packet, self.offset as usize, bytes);
            }
            Base::Link => 0,
            base => start(base, packet, info)?,
        };
        let at = start.checked_add(self.offset as usize)?;
        let mut old = [0; Register::BYTES];
        let old = old.get_mut(..bytes.len())?;
        copy(packet, at, old).then_some(())?;
        let change = Delta::NONE.bytes(old, bytes);

        if self.checksum.kind == ChecksumKind::Inet {
            let sum_at = start.checked_add(self.checksum.offset as usize)?;
            mend(packet, sum_at, change)?;
        }
        if self.checksum.pseudo_header
            && let Some(sum_at) = transport_checksum(packet, info)
        {
            mend(packet, sum_at, change)?;
        }
        packet.pull(at + bytes.len());
        packet.store(at, bytes).then_some(())?;
        if self.checksum.kind == ChecksumKind::Sctp
            && let Some((ipproto::SCTP, sctp)) = info.transport_header()
        {
            let len = packet.len().checked_sub(sctp)?;
            packet.store(sctp + 8, &[0; 4]).then_some(())?;
            let crc = Crc32c::default().packet(packet, sctp, len)?.finish();
            packet.store(sctp + 8, &crc).then_some(())?;
        }
        Some(())
    }
}

/// Mends an Internet checksum. A result of 0 becomes 0xffff, which is the same number (`nft_csum_replace`).
pub(crate) fn mend(packet: &mut Packet<'_>, at: usize, change: Delta) -> Option<()> {
    let sum = match change.apply(packet.be16(at)?) {
        0 => 0xffff,
        sum => sum,
    };
    packet.pull(at + 2);
    packet.store(at, &sum.to_be_bytes()).then_some(())
}

/// Where the checksum lies that covers addresses by its pseudo header (`nft_payload_l4csum_offset`): none in later
/// fragments, in UDP without checksum, in ICMP.
fn transport_checksum(packet: &Packet<'_>, info: &PacketInfo) -> Option<usize> {
    let (protocol, at) = info.transport_header()?;
    match protocol {
        ipproto::TCP => Some(at + 16),
        ipproto::UDP => packet.be16(at + 6).filter(|sum| *sum != 0).map(|_| at + 6),
        ipproto::UDPLITE => Some(at + 6),
        ipproto::ICMPV6 => Some(at + 2),
        _ => None,
    }
}

/// Writes to the link header of a frame whose VLAN tag was taken off (`nft_payload_set_vlan`): one field of the tag at a
/// time, or what lies behind it.
fn write_tagged(packet: &mut Packet<'_>, offset: usize, bytes: &[u8]) -> Option<()> {
    let tag = packet.meta.vlan.as_mut()?;
    match (offset, bytes) {
        (ETHERTYPE_AT, &[high, low]) => tag.protocol = u16::from_be_bytes([high, low]),
        (14, &[high, low]) => tag.tci = u16::from_be_bytes([high, low]),
        (16.., _) => return packet.store(offset - VLAN_TAG_LEN, bytes).then_some(()),
        _ => return None,
    }
    Some(())
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Base::Link => "link",
            Base::Network => "network",
            Base::Transport => "transport",
            Base::Inner => "inner",
            Base::Tunnel => "tunnel",
        })
    }
}

/// `NFTA_PAYLOAD_DREG`.
const DREG: u16 = 1;
/// `NFTA_PAYLOAD_BASE`.
const BASE: u16 = 2;
/// `NFTA_PAYLOAD_OFFSET`.
const OFFSET: u16 = 3;
/// `NFTA_PAYLOAD_LEN`.
const LEN: u16 = 4;
/// `NFTA_PAYLOAD_SREG`.
const SREG: u16 = 5;
/// `NFTA_PAYLOAD_CSUM_TYPE`.
const CSUM_TYPE: u16 = 6;
/// `NFTA_PAYLOAD_CSUM_OFFSET`.
const CSUM_OFFSET: u16 = 7;
/// `NFTA_PAYLOAD_CSUM_FLAGS`.
const CSUM_FLAGS: u16 = 8;
/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`.
const PSEUDO_HEADER: u32 = 1;

#[cfg(test)]
mod tests {
    use ironweir_wire::{IfIndex, VlanTag};

    use super::*;
    use crate::Expr;
    use crate::testing::{World, eval, internet_sum, ipv4, ipv6, loaded, tcp, tcp_sum, udp, with_packet};

    fn load(base: Base, offset: u32, len: u32) -> Expr {
        Expr::PayloadLoad(Load { base, offset, len, destination: Register::R1 })
    }

    /// Name, frame, base, offset, length, result.
    type Case<'a> = (&'a str, &'a [u8], Base, u32, u32, Option<&'a [u8]>);

    #[test]
    fn loads_count_from_their_base_and_break_beyond_the_packet() {
        use Base::*;
        let dns = ipv4(17, 0, &[], &udp(53, &[0xab, 0xcd]));
        let later = ipv4(17, 5, &[], &udp(53, &[0xab, 0xcd]));
        let syn = ipv4(6, 0, &[], &[tcp(&[1, 1, 1, 1]), vec![0x77]].concat());
        let arp = crate::testing::ethernet(0x0806, &[0; 28]);
        let cases: [Case<'_>; 11] = [
            ("link header", &dns, Link, 12, 2, Some(&[8, 0])),
            ("network header", &dns, Network, 16, 4, Some(&[192, 0, 2, 7])),
            ("transport header", &dns, Transport, 2, 2, Some(&[0, 53])),
            ("behind UDP", &dns, Inner, 0, 2, Some(&[0xab, 0xcd])),
            ("a byte beyond the end", &dns, Inner, 0, 3, None),
            ("far beyond the end", &dns, Transport, u32::MAX, 4, None),
            ("network header of a later fragment", &later, Network, 9, 1, Some(&[17])),
            ("ports, it seems, in a later fragment", &later, Transport, 2, 2, Some(&[0, 53])),
            ("no transport header in a later fragment", &later, Transport, 1, 2, None),
            ("behind TCP with options", &syn, Inner, 0, 1, Some(&[0x77])),
            ("no transport header in ARP", &arp, Transport, 0, 1, None),
        ];
        for (name, frame, base, offset, len, want) in cases {
            let got = loaded(&load(base, offset, len), frame, &mut World::default(), len as usize);
            assert_eq!(got.as_deref(), want, "{name}");
        }
    }

    #[test]
    fn a_tag_that_was_taken_off_is_seen_at_its_place() {
        let mut frame = ipv4(17, 0, &[], &udp(53, &[]));
        let tagged: Vec<u8> = [&frame[..12], &[0x81, 0, 0x20, 0x7b], &frame[12..]].concat();
        with_packet(&mut frame, |packet, info| {
            packet.meta.vlan = Some(VlanTag { protocol: 0x8100, tci: 0x207b });
            packet.meta.iif = IfIndex(3);
            let mut world = World { info, ..World::default() };
            for offset in 0..24 {
                for len in 1..=16 {
                    let mut registers = Registers::default();
                    let expr = load(Base::Link, offset, len);
                    assert_eq!(expr.eval(&mut registers, packet, &mut world), Outcome::Next);
                    let want = &tagged[offset as usize..(offset + len) as usize];
                    assert_eq!(registers.get(Register::R1, len as usize), want, "{len} at {offset}");
                }
            }
        });
    }

    #[test]
    fn short_loads_zero_the_rest_of_their_word() {
        let mut registers = Registers::default();
        registers.store(Register::R1, &[9; 16]);
        let mut frame = ipv4(17, 0, &[], &udp(53, &[]));
        eval(&load(Base::Transport, 2, 2), &mut frame, &mut registers, &mut World::default());
        assert_eq!(registers.get(Register::R1, 8), [0, 53, 0, 0, 9, 9, 9, 9]);
    }

    fn write(base: Base, offset: u32, bytes: &[u8], checksum: Checksum, frame: &mut [u8]) -> Outcome {
        let mut registers = Registers::default();
        registers.store(Register::R1, bytes);
        let len = bytes.len() as u32;
        let expr = Expr::PayloadWrite(Write { base, offset, len, source: Register::R1, checksum });
        eval(&expr, frame, &mut registers, &mut World::default())
    }

    #[test]
    fn writes_mend_header_and_transport_checksums() {
        let mut frame = ipv4(6, 0, &[], &tcp(&[]));
        assert_eq!(tcp_sum(&frame[34..]), 0);
        // ip daddr set 198.51.100.9, as the corpus compiles it
        let checksum = Checksum { kind: ChecksumKind::Inet, offset: 10, pseudo_header: true };
        assert_eq!(write(Base::Network, 16, &[198, 51, 100, 9], checksum, &mut frame), Outcome::Next);
        assert_eq!(frame[30..34], [198, 51, 100, 9]);
        assert_eq!(internet_sum(&frame[14..34]), 0);
        let pseudo = [&[10, 0, 0, 1, 198, 51, 100, 9, 0, 6, 0, 20][..], &frame[34..]].concat();
        assert_eq!(internet_sum(&pseudo), 0);
    }

    #[test]
    fn udp_without_checksum_stays_without() {
        let mut frame = ipv4(17, 0, &[], &udp(53, &[]));
        let checksum = Checksum { kind: ChecksumKind::None, offset: 0, pseudo_header: true };
        assert_eq!(write(Base::Transport, 2, &[0x12, 0x34], checksum, &mut frame), Outcome::Next);
        assert_eq!(frame[34..42], [0x0f, 0xa0, 0x12, 0x34, 0, 8, 0, 0]);
    }

    #[test]
    fn writes_beyond_the_packet_break_and_change_nothing() {
        let mut frame = ipv6(17, &udp(53, &[]));
        let before = frame.clone();
        let checksum = Checksum { kind: ChecksumKind::None, offset: 0, pseudo_header: true };
        assert_eq!(write(Base::Transport, 7, &[1, 2], checksum, &mut frame), Outcome::Break);
        assert_eq!(frame, before);
    }
}
