//! `exthdr`: IPv6 extension headers and TCP, IPv4, SCTP and DCCP options (`nft_exthdr.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::checksum::Delta;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{Packet, PacketInfo, ipv6, tcp};

use crate::given::{Fault, Given, put_register};
use crate::payload::{copy, mend};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register, when};
use crate::{Decision, Env, Outcome, Register, Registers};

/// Loads, writes or removes a part of a header that must be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exthdr {
    /// Among what it is searched.
    pub kind: Kind,
    /// Its type: next-header number, option kind or chunk type.
    pub header: u8,
    /// Where the field begins, in bytes from the header's or option's first.
    pub offset: u32,
    /// How wide it is, in bytes.
    pub len: u32,
    /// What is done with it.
    pub action: Action,
}

/// `enum nft_exthdr_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Kind {
    Ipv6 = 0,
    Tcpopt = 1,
    Ipv4 = 2,
    Sctp = 3,
    Dccp = 4,
}

/// Which form the expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Loads the field; ends the rule where there is none.
    Load(Register),
    /// Loads 1 where the header is there, else 0 (`NFT_EXTHDR_F_PRESENT`).
    Present(Register),
    /// Overwrites the field (`NFTA_EXTHDR_SREG`).
    Write(Register),
    /// Replaces the option by no-operations (`reset tcp option`): neither register.
    Strip,
}

impl Expression for Exthdr {
    const NAME: &'static str = "exthdr";
    const HIGHEST: u16 = SREG;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let info = env.info();
        match self.action {
            Action::Write(source) => {
                let bytes = registers.get(source, self.len as usize);
                match tcp_options(packet, &info) {
                    Some(options) => self.write(bytes, options, packet),
                    None => Outcome::Break,
                }
            }
            Action::Strip => match tcp_options(packet, &info) {
                Some(options) => self.strip(options, packet),
                None => Outcome::Break,
            },
            Action::Load(destination) => {
                let mut scratch = [0; Register::BYTES];
                let Some(out) = scratch.get_mut(..self.len as usize) else { return Outcome::Break };
                let held = self
                    .find(packet, &info)
                    .filter(|found| (self.offset as usize).saturating_add(out.len()) <= found.len)
                    .and_then(|found| found.at.checked_add(self.offset as usize))
                    .is_some_and(|at| copy(packet, at, out));
                if held {
                    registers.store(destination, out);
                }
                Outcome::next_if(held)
            }
            Action::Present(destination) => {
                // What is asked of a packet of another network protocol has no answer, not the answer no.
                let other = match self.kind {
                    Kind::Ipv6 => packet.meta.protocol != ethertype::IPV6,
                    Kind::Ipv4 => packet.meta.protocol != ethertype::IPV4,
                    Kind::Tcpopt | Kind::Sctp | Kind::Dccp => false,
                };
                if other {
                    return Outcome::Break;
                }
                let present = self.find(packet, &info).is_some();
                registers.store(destination, &[u8::from(present)]);
                Outcome::Next
            }
        }
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let kind = match self.kind {
            Kind::Ipv6 => "ipv6 ",
            Kind::Tcpopt => "tcpopt ",
            Kind::Ipv4 => "ipv4 ",
            // libnftnl has no words for these.
            Kind::Sctp | Kind::Dccp => "",
        };
        let Exthdr { header, offset, len, .. } = self;
        match self.action {
            Action::Load(register) => {
                write!(f, "exthdr load {kind}{len}b @ {header} + {offset} => reg {register}")
            }
            Action::Present(register) => {
                write!(f, "exthdr load {kind}{len}b @ {header} + {offset} present => reg {register}")
            }
            Action::Write(register) => {
                write!(f, "exthdr write {kind}reg {register} => {len}b @ {header} + {offset}")
            }
            Action::Strip => write!(f, "exthdr reset {kind}{header}"),
        }
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        /// `IPOPT_RR`, `IPOPT_LSRR`, `IPOPT_SSRR`, `IPOPT_RA`: the only ones the kernel finds.
        const IPV4: [u8; 4] = [7, 131, 137, 148];
        when(
            self.kind == Kind::Ipv4 && !IPV4.contains(&self.header),
            "an IPv4 option that is not searched for",
        )?;
        match self.action {
            Action::Load(destination) => {
                when(self.kind == Kind::Dccp, "DCCP options can only be asked for their presence")?;
                register(destination, self.len)
            }
            Action::Present(destination) => register(destination, self.len),
            Action::Write(source) => {
                when(self.kind != Kind::Tcpopt, "only TCP options can be written")?;
                when(!matches!(self.len, 2 | 4), "only two or four bytes of a TCP option can be written")?;
                when(self.offset < 2, "kind and length of a TCP option cannot be written")?;
                register(source, self.len)
            }
            Action::Strip => when(self.kind != Kind::Tcpopt, "only TCP options can be removed"),
        }
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        match self.action {
            Action::Load(register) | Action::Present(register) => {
                Some((register, self.len as usize, Order::Network))
            }
            Action::Write(_) | Action::Strip => None,
        }
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (self.action == Action::Write(register)).then_some(Order::Network)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        match self.action {
            Action::Load(register) | Action::Present(register) => put_register(writer, DREG, register),
            Action::Write(register) => put_register(writer, SREG, register),
            Action::Strip => {}
        }
        writer.put_u8(TYPE, self.header);
        // The kernel refuses place and length of an option that is to be removed, though it tells them.
        if self.action != Action::Strip {
            writer.put_u32_be(OFFSET, self.offset);
            writer.put_u32_be(LEN, self.len);
        }
        match self.action {
            Action::Load(_) => writer.put_u32_be(FLAGS, 0),
            Action::Present(_) => writer.put_u32_be(FLAGS, PRESENT),
            // Refused beside these (`nft_exthdr_tcp_set_init`, `nft_exthdr_tcp_strip_init`).
            Action::Write(_) | Action::Strip => {}
        }
        writer.put_u32_be(OP, self.kind as u32);
    }

    fn decode(given: &Given<'_>) -> Result<Exthdr, Fault> {
        let kinds = [Kind::Ipv6, Kind::Tcpopt, Kind::Ipv4, Kind::Sctp, Kind::Dccp];
        let kind = kinds.get(given.u32_or_0(OP)? as usize).copied().ok_or(Fault::Newer)?;
        let present = given.flags(FLAGS, PRESENT)? != 0;
        let action = match (given.register_option(DREG)?, given.register_option(SREG)?) {
            (Some(destination), None) if present => Action::Present(destination),
            (Some(destination), None) => Action::Load(destination),
            (None, Some(source)) => Action::Write(source),
            (None, None) => Action::Strip,
            (Some(_), Some(_)) => return Err(given.need(SREG)?.bad_value().into()),
        };
        let (offset, len) = match action {
            Action::Strip => (0, 0),
            _ => (given.u32(OFFSET)?, given.u32(LEN)?),
        };
        Ok(Exthdr { kind, header: given.need(TYPE)?.u8()?, offset, len, action })
    }
}

impl Exthdr {
    fn find(&self, packet: &Packet<'_>, info: &PacketInfo) -> Option<Found> {
        match self.kind {
            Kind::Ipv6 if packet.meta.protocol == ethertype::IPV6 => {
                ipv6_header(packet, packet.network(), self.header)
            }
            Kind::Ipv4 if packet.meta.protocol == ethertype::IPV4 => {
                let ihl = packet.byte(packet.network())? & 0x0f;
                let options = packet.network() + 20..packet.network() + usize::from(ihl) * 4;
                // Its field may be read beyond its length, as by the kernel.
                Some(Found { len: usize::MAX, ..find_option(packet, options, self.header)? })
            }
            Kind::Tcpopt => {
                let options = tcp_options(packet, info)?;
                find_option(packet, options.clone(), self.header).filter(|found| {
                    found.at + found.len <= options.end
                        && (self.offset as usize).saturating_add(self.len as usize) <= found.len
                })
            }
            Kind::Sctp => sctp_chunk(packet, info, self.header)
                .filter(|found| (self.offset as usize).saturating_add(self.len as usize) <= found.len),
            Kind::Dccp => dccp_option(packet, info, self.header),
            Kind::Ipv4 | Kind::Ipv6 => None,
        }
    }

    /// Overwrites two or four bytes of a TCP option. A packet without it goes on; a maximum segment size is only ever
    /// made smaller (`nft_exthdr_tcp_set_eval`).
    fn write(&self, new: &[u8], options: std::ops::Range<usize>, packet: &mut Packet<'_>) -> Outcome {
        const MSS: u8 = 2;
        let tcp = options.start - tcp::HEADER_LEN;
        let end = options.end;
        packet.pull(end);
        let Some(found) = find_option(packet, options, self.header) else { return Outcome::Next };
        let mut old = [0; 4];
        let Some(old) = old.get_mut(..new.len()) else { return Outcome::Break };
        let offset = self.offset as usize;
        if found.at + found.len > end
            || offset.saturating_add(new.len()) > found.len
            || !copy(packet, found.at + offset, old)
        {
            return Outcome::Break;
        }
        if self.header == MSS && new.len() == 2 && *old <= *new {
            return Outcome::Next;
        }
        let change = aligned(Delta::NONE, found.at + offset - tcp, old, new);
        Outcome::next_if(
            packet.store(found.at + offset, new) && mend(packet, tcp + tcp::CHECKSUM_AT, change).is_some(),
        )
    }

    /// Overwrites a TCP option with no-operations. A packet without it goes on; one whose option is cut short is
    /// dropped (`nft_exthdr_tcp_strip_eval`).
    fn strip(&self, options: std::ops::Range<usize>, packet: &mut Packet<'_>) -> Outcome {
        let tcp = options.start - tcp::HEADER_LEN;
        packet.pull(options.end);
        let Some(found) = find_option(packet, options.clone(), self.header) else { return Outcome::Next };
        let mut old = [0; tcp::MAX_HEADER_LEN];
        let (true, Some(old)) = (found.at + found.len <= options.end, old.get_mut(..found.len)) else {
            return Outcome::Verdict(Decision::Drop);
        };
        let nops = [NOP; tcp::MAX_HEADER_LEN];
        let nops = &nops[..old.len()];
        if !copy(packet, found.at, old) {
            return Outcome::Break;
        }
        let change = aligned(Delta::NONE, found.at - tcp, old, nops);
        Outcome::next_if(
            packet.store(found.at, nops) && mend(packet, tcp + tcp::CHECKSUM_AT, change).is_some(),
        )
    }
}

/// No-operation, in IPv4 as in TCP options: one byte.
const NOP: u8 = 1;

/// A header or option that was searched for: where it begins, and how long it says it is.
#[derive(Clone, Copy)]
struct Found {
    at: usize,
    len: usize,
}

/// A change at any offset of what is summed: at odd ones, bytes stand in the other half of a word.
fn aligned(delta: Delta, offset: usize, old: &[u8], new: &[u8]) -> Delta {
    match (offset % 2, old, new) {
        (1, [first_old, old @ ..], [first_new, new @ ..]) => {
            delta.word(u16::from(*first_old), u16::from(*first_new)).bytes(old, new)
        }
        _ => delta.bytes(old, new),
    }
}

/// Where the TCP options lie. `None` where there is no whole TCP header.
fn tcp_options(packet: &Packet<'_>, info: &PacketInfo) -> Option<std::ops::Range<usize>> {
    let Some((ipproto::TCP, tcp)) = info.transport_header() else { return None };
    let len = usize::from(packet.byte(tcp.checked_add(12)?)? >> 4) * 4;
    (len >= tcp::HEADER_LEN && tcp + len <= packet.len()).then_some(tcp + tcp::HEADER_LEN..tcp + len)
}

/// Searches an option of TCP or IPv4: kinds 0 and 1 are one byte long, others say their length in their second byte. One
/// that reaches beyond the header, or says length 0, counts as in `nft_exthdr.c`: the first is given as it is
/// when it is the one searched for, the second is one byte.
fn find_option(packet: &Packet<'_>, options: std::ops::Range<usize>, kind: u8) -> Option<Found> {
    let mut at = options.start;
    while at + 1 < options.end {
        let [found, len] = packet.array(at)?;
        let len = if found <= NOP || len == 0 { 1 } else { usize::from(len) };
        if found == kind {
            return Some(Found { at, len });
        }
        at += len;
    }
    None
}

/// Searches an IPv6 extension header (`ipv6_find_hdr`). In a later fragment nothing behind the fragment header is found.
fn ipv6_header(packet: &Packet<'_>, network: usize, wanted: u8) -> Option<Found> {
    let mut next = packet.byte(network.checked_add(6)?)?;
    let mut at = network + ipv6::HEADER_LEN;
    while next != wanted {
        if !ipv6::is_extension(next) || next == ipproto::NONE {
            return None;
        }
        let [after, len] = packet.array(at)?;
        let len = match next {
            ipproto::FRAGMENT if packet.be16(at + 2)? & !7 != 0 => return None,
            ipproto::FRAGMENT => ipv6::FRAGMENT_LEN,
            ipproto::AH => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        next = after;
        at += len;
    }
    // The kernel reads the start of every extension header it meets, so one that is not there is not found.
    if ipv6::is_extension(wanted) {
        packet.array::<2>(at)?;
    }
    Some(Found { at, len: usize::MAX })
}

/// Searches an SCTP chunk. Chunks begin behind the common header of 12 bytes and are padded to 4.
fn sctp_chunk(packet: &Packet<'_>, info: &PacketInfo, wanted: u8) -> Option<Found> {
    let Some((ipproto::SCTP, sctp)) = info.transport_header() else { return None };
    let mut at = sctp + 12;
    while at < packet.len() {
        let [kind, _, high, low] = packet.array(at)?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len == 0 {
            return None;
        }
        if kind == wanted {
            return (at + len <= packet.len()).then_some(Found { at, len });
        }
        at += len.next_multiple_of(4);
    }
    None
}

/// Searches a DCCP option: kinds up to 31 are one byte long. Options begin behind the header of the packet's type
/// (`dccp_packet_hdr_len`) and end with the data offset.
fn dccp_option(packet: &Packet<'_>, info: &PacketInfo, wanted: u8) -> Option<Found> {
    let Some((ipproto::DCCP, dccp)) = info.transport_header() else { return None };
    let head: [u8; 12] = packet.array(dccp)?;
    let long = head[8] & 1 == 1;
    let by_type = match (head[8] >> 1) & 0x0f {
        2 => 0,
        0 => 4,
        3..=6 | 8 | 9 => 8,
        1 | 7 => 12,
        _ => return None,
    };
    let mut at = dccp + if long { 16 } else { 12 } + by_type;
    let end = dccp + usize::from(head[4]) * 4;
    while at < end {
        let kind = packet.byte(at)?;
        let len = if kind <= 31 { 1 } else { usize::from(packet.byte(at + 1)?).max(2) };
        if kind == wanted {
            return Some(Found { at, len });
        }
        at += len;
    }
    None
}

/// `NFTA_EXTHDR_DREG`.
const DREG: u16 = 1;
/// `NFTA_EXTHDR_TYPE`.
const TYPE: u16 = 2;
/// `NFTA_EXTHDR_OFFSET`.
const OFFSET: u16 = 3;
/// `NFTA_EXTHDR_LEN`.
const LEN: u16 = 4;
/// `NFTA_EXTHDR_FLAGS`.
const FLAGS: u16 = 5;
/// `NFTA_EXTHDR_OP`.
const OP: u16 = 6;
/// `NFTA_EXTHDR_SREG`.
const SREG: u16 = 7;
/// `NFT_EXTHDR_F_PRESENT`.
const PRESENT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;
    use crate::testing::{World, eval, ipv4, ipv6, loaded, tcp, tcp_sum, udp};

    fn expr(kind: Kind, header: u8, offset: u32, len: u32, action: Action) -> Expr {
        Expr::Exthdr(Exthdr { kind, header, offset, len, action })
    }

    /// MSS 1460, a no-operation, window scale 7, selective acknowledgement, padding.
    const OPTIONS: [u8; 12] = [2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 0, 0];

    /// Name, frame, kind, header, offset, length, whether only its presence is asked, result.
    type Case<'a> = (&'a str, &'a [u8], Kind, u8, u32, u32, bool, Option<&'a [u8]>);

    #[test]
    fn headers_and_options_are_found_or_break() {
        use Kind::*;
        let (r1, present) = (Register::R1, true);
        let syn = ipv4(6, 0, &[], &tcp(&OPTIONS));
        let odd = ipv4(6, 0, &[], &tcp(&[2, 0, 2, 9, 1, 1, 1, 1]));
        let alert = ipv4(17, 0, &[148, 4, 0, 0], &udp(53, &[]));
        let hop = [&[44, 0, 5, 2, 0, 0, 1, 0][..], &[17, 0, 0, 0, 0, 0, 0, 9], &udp(53, &[])].concat();
        let v6 = ipv6(0, &hop);
        let later = [&[44, 0, 5, 2, 0, 0, 1, 0][..], &[60, 0, 0, 8, 0, 0, 0, 9], &[0; 16]].concat();
        let fragment = ipv6(0, &later);
        let sctp = ipv4(
            132,
            0,
            &[],
            &[
                &[0, 9, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 5, 1, 0, 0, 0][..],
                &[0, 7, 0, 8, 0xaa, 0xbb, 0xcc, 0xdd],
            ]
            .concat(),
        );
        let bare = ipv6(0, &[]);
        let cases: [Case<'_>; 18] = [
            ("maximum segment size", &syn, Tcpopt, 2, 2, 2, false, Some(&[5, 0xb4])),
            ("window scale behind a no-operation", &syn, Tcpopt, 3, 2, 1, false, Some(&[7])),
            ("an option that is not there", &syn, Tcpopt, 8, 2, 4, false, None),
            ("its presence", &syn, Tcpopt, 8, 0, 1, present, Some(&[0])),
            ("presence of one that is", &syn, Tcpopt, 4, 0, 1, present, Some(&[1])),
            ("a field beyond the option", &syn, Tcpopt, 3, 2, 2, false, None),
            (
                "of two, the first that can be told apart: length 0 is one byte",
                &odd,
                Tcpopt,
                2,
                2,
                2,
                false,
                None,
            ),
            ("TCP option of UDP", &alert, Tcpopt, 2, 0, 1, present, Some(&[0])),
            ("router alert", &alert, Ipv4, 148, 0, 4, false, Some(&[148, 4, 0, 0])),
            ("no record route", &alert, Ipv4, 7, 0, 1, present, Some(&[0])),
            ("IPv4 option of IPv6", &v6, Ipv4, 7, 0, 1, present, None),
            ("hop-by-hop", &v6, Ipv6, 0, 0, 2, false, Some(&[44, 0])),
            ("fragment behind it", &v6, Ipv6, 44, 4, 4, false, Some(&[0, 0, 0, 9])),
            // Linux 6.18, netdev ingress, `exthdr hbh exists`.
            ("a header that is announced but not there", &bare, Ipv6, 0, 0, 1, present, Some(&[0])),
            ("no routing header", &v6, Ipv6, 43, 0, 1, present, Some(&[0])),
            ("nothing behind a later fragment's header", &fragment, Ipv6, 60, 0, 1, present, Some(&[0])),
            ("but the fragment header itself", &fragment, Ipv6, 44, 0, 1, present, Some(&[1])),
            (
                "an SCTP chunk behind a padded one",
                &sctp,
                Sctp,
                0,
                4,
                4,
                false,
                Some(&[0xaa, 0xbb, 0xcc, 0xdd]),
            ),
        ];
        for (name, frame, kind, header, offset, len, ask, want) in cases {
            let action = if ask { Action::Present(r1) } else { Action::Load(r1) };
            let got =
                loaded(&expr(kind, header, offset, len, action), frame, &mut World::default(), len as usize);
            assert_eq!(got.as_deref(), want, "{name}");
        }
    }

    fn write_mss(mss: u16, frame: &mut [u8]) -> Outcome {
        let mut registers = Registers::default();
        registers.store(Register::R1, &mss.to_be_bytes());
        let expr = expr(Kind::Tcpopt, 2, 2, 2, Action::Write(Register::R1));
        eval(&expr, frame, &mut registers, &mut World::default())
    }

    #[test]
    fn a_maximum_segment_size_only_shrinks() {
        let mut frame = ipv4(6, 0, &[], &tcp(&OPTIONS));
        assert_eq!(write_mss(9000, &mut frame), Outcome::Next);
        assert_eq!(frame[54..58], [2, 4, 5, 0xb4]);
        assert_eq!(write_mss(1200, &mut frame), Outcome::Next);
        assert_eq!(frame[54..58], [2, 4, 4, 0xb0]);
        assert_eq!(tcp_sum(&frame[34..]), 0);
    }

    #[test]
    fn an_option_taken_out_leaves_no_operations_and_a_right_checksum() {
        for (kind, range) in [(3, 59..62), (4, 62..64), (2, 54..58)] {
            let mut frame = ipv4(6, 0, &[], &tcp(&OPTIONS));
            let strip = expr(Kind::Tcpopt, kind, 0, 0, Action::Strip);
            assert_eq!(
                eval(&strip, &mut frame, &mut Registers::default(), &mut World::default()),
                Outcome::Next
            );
            assert!(frame[range].iter().all(|byte| *byte == NOP));
            assert_eq!(tcp_sum(&frame[34..]), 0, "kind {kind}");
        }
    }

    #[test]
    fn an_option_cut_short_drops_the_packet() {
        let mut frame = ipv4(6, 0, &[], &tcp(&[8, 10, 0, 0]));
        let strip = expr(Kind::Tcpopt, 8, 0, 0, Action::Strip);
        let outcome = eval(&strip, &mut frame, &mut Registers::default(), &mut World::default());
        assert_eq!(outcome, Outcome::Verdict(Decision::Drop));
    }
}
