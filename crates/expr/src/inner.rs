//! `inner`: matches inside a tunnel (`nft_inner.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{Packet, PacketInfo, ethernet, ipv4, ipv6};

use crate::given::{Fault, Given};
use crate::payload::{self, Base};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register, when};
use crate::{Env, Expr, Outcome, Register, Registers, meta};

/// Evaluates a payload or meta load against the packet inside a tunnel.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    /// Kind of tunnel (`NFTA_INNER_TYPE`).
    pub kind: Kind,
    /// Bytes of the tunnel's own header (`NFTA_INNER_HDRSIZE`).
    pub header_size: u32,
    /// Which headers there are.
    pub flags: Flags,
    /// A [`crate::payload::Load`] or [`crate::meta::Get`].
    pub expr: Box<Expr>,
}

/// `enum nft_inner_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Kind {
    /// Not said (`NFT_INNER_UNSPEC`).
    Unspecified = 0,
    Vxlan = 1,
    Geneve = 2,
    /// Without link header inside. nft's number, of which the kernel knows no name.
    Gre = 3,
    /// With link header inside; nft's number, too.
    Gretap = 4,
}

bitflags::bitflags! {
    /// `enum nft_inner_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// There is a tunnel header.
        const HEADER = 1;
        /// There is an inner link header.
        const LINK = 2;
        /// There is an inner network header.
        const NETWORK = 4;
        /// There is an inner transport header.
        const TRANSPORT = 8;
    }
}

/// Where the headers inside a tunnel begin (`struct nft_inner_tun_ctx`).
#[derive(Default)]
struct Tunnelled {
    tunnel: Option<usize>,
    link: Option<usize>,
    network: Option<usize>,
    transport: Option<usize>,
    ethertype: u16,
    l4proto: u8,
}

impl Expression for Inner {
    const NAME: &'static str = "inner";
    const HIGHEST: u16 = EXPR;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let Some(inside) = self.parse(packet, &env.info()) else { return Outcome::Break };
        let held = match self.expr.known() {
            Expr::PayloadLoad(load) => inside.load(load, registers, packet),
            Expr::MetaGet(get) => match (get.key, inside.transport) {
                (meta::Key::Protocol, _) => {
                    registers.store(get.destination, &inside.ethertype.to_be_bytes());
                    true
                }
                (meta::Key::L4proto, Some(_)) => {
                    registers.store(get.destination, &[inside.l4proto]);
                    true
                }
                _ => false,
            },
            _ => false,
        };
        Outcome::next_if(held)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        let Inner { header_size, flags, expr, .. } = self;
        write!(f, "inner type {} hdrsize {header_size} flags {:x} [ ", self.kind as u32, flags.bits())?;
        match expr.known() {
            // Nothing else stands there, and nothing else is entered: what nests without end would overflow the stack.
            Expr::PayloadLoad(load) => load.text(f, orders)?,
            Expr::MetaGet(get) => get.text(f, orders)?,
            _ => f.write_str("?")?,
        }
        f.write_str(" ]")
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        when(self.header_size > 64, "a tunnel header of more than 64 bytes")?;
        when(self.flags.is_empty(), "a tunnel without any header")?;
        match self.expr.known() {
            Expr::PayloadLoad(load) => {
                when(load.base == Base::Inner, "an inner header inside a tunnel")?;
                register(load.destination, load.len)
            }
            Expr::MetaGet(get) => {
                let known = matches!(get.key, meta::Key::Protocol | meta::Key::L4proto);
                when(!known, "a meta key that packets inside a tunnel do not have")?;
                register(get.destination, 2)
            }
            _ => Err(ExprError::Invalid("an expression that does not look inside tunnels")),
        }
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        match self.expr.known() {
            // The two that may stand there, and no further `inner`.
            Expr::PayloadLoad(load) => load.loads(),
            Expr::MetaGet(get) => get.loads(),
            _ => None,
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(NUM, 0);
        writer.put_u32_be(TYPE, self.kind as u32);
        writer.put_u32_be(FLAGS, self.flags.bits());
        writer.put_u32_be(HDRSIZE, self.header_size);
        writer.nest(EXPR, |writer| self.expr.encode(writer));
    }

    fn decode(given: &Given<'_>) -> Result<Inner, Fault> {
        use Kind::{Geneve, Gre, Gretap, Unspecified, Vxlan};
        // Tunnels within tunnels are counted, and none but the first is there yet.
        given.one_of(NUM, &[()])?;
        Ok(Inner {
            kind: given.one_of(TYPE, &[Unspecified, Vxlan, Geneve, Gre, Gretap])?,
            header_size: given.u32(HDRSIZE)?,
            flags: given.known(FLAGS, Flags::from_bits)?,
            expr: Box::new(given.expr(EXPR)?),
        })
    }
}

impl Inner {
    /// `nft_inner_parse`.
    fn parse(&self, packet: &Packet<'_>, info: &PacketInfo) -> Option<Tunnelled> {
        let mut inside = Tunnelled::default();
        let mut at = info.inner_offset(packet)?;
        if self.flags.contains(Flags::HEADER) {
            match info.transport_header()? {
                (ipproto::GRE, gre) => inside.tunnel = Some(gre),
                (ipproto::UDP, _) => {
                    inside.tunnel = Some(at);
                    if self.kind == Kind::Geneve {
                        at += usize::from(packet.byte(at)? & 0x3f) * 4;
                    }
                    at = at.checked_add(self.header_size as usize)?;
                }
                _ => return None,
            }
        }
        if self.flags.intersects(Flags::LINK | Flags::NETWORK) {
            self.parse_network(packet, at, &mut inside)?;
        } else if self.flags.contains(Flags::TRANSPORT) {
            inside.transport = Some(at);
        }
        Some(inside)
    }

    /// `nft_inner_parse_l2l3`.
    fn parse_network(&self, packet: &Packet<'_>, mut at: usize, inside: &mut Tunnelled) -> Option<()> {
        if self.flags.contains(Flags::LINK) {
            inside.link = Some(at);
            inside.ethertype = packet.be16(at.checked_add(12)?)?;
            at += ethernet::HEADER_LEN;
            if ethernet::is_vlan(inside.ethertype) {
                inside.ethertype = packet.be16(at + 2)?;
                at += 4;
            }
        } else {
            inside.ethertype = match packet.byte(at)? >> 4 {
                4 => ethertype::IPV4,
                6 => ethertype::IPV6,
                _ => return None,
            };
        }
        match inside.ethertype {
            ethertype::IPV4 => {
                let ip = ipv4::Header::read(packet, at)?;
                let [first] = packet.array(at)?;
                if first >> 4 != 4 || first & 0x0f < 5 {
                    return None;
                }
                inside.network = Some(at);
                inside.l4proto = packet.byte(at + 9)?;
                if ip.fragment_offset() == 0 {
                    inside.transport = Some(at + usize::from(first & 0x0f) * 4);
                }
            }
            ethertype::IPV6 => {
                if packet.byte(at)? >> 4 != 6 {
                    return None;
                }
                let upper = ipv6::find_upper(packet, at)?;
                inside.network = Some(at);
                inside.l4proto = upper.protocol;
                if upper.fragment_offset == 0 {
                    inside.transport = upper.offset;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

impl Tunnelled {
    fn load(&self, load: &payload::Load, registers: &mut Registers, packet: &Packet<'_>) -> bool {
        let start = match load.base {
            Base::Tunnel => self.tunnel,
            Base::Link => self.link,
            Base::Network => self.network,
            Base::Transport => self.transport,
            Base::Inner => None,
        };
        let mut scratch = [0; Register::BYTES];
        let Some(out) = scratch.get_mut(..load.len as usize) else { return false };
        let held = start
            .and_then(|start| start.checked_add(load.offset as usize))
            .is_some_and(|at| payload::copy(packet, at, out));
        if held {
            registers.store(load.destination, out);
        }
        held
    }
}

/// `NFTA_INNER_NUM`.
const NUM: u16 = 1;
/// `NFTA_INNER_TYPE`.
const TYPE: u16 = 2;
/// `NFTA_INNER_FLAGS`.
const FLAGS: u16 = 3;
/// `NFTA_INNER_HDRSIZE`.
const HDRSIZE: u16 = 4;
/// `NFTA_INNER_EXPR`.
const EXPR: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, ipv4, loaded, udp};

    fn ask(
        kind: Kind,
        header_size: u32,
        flags: Flags,
        expr: Expr,
        frame: &[u8],
        len: usize,
    ) -> Option<Vec<u8>> {
        let inner = Expr::Inner(Inner { kind, header_size, flags, expr: Box::new(expr) });
        loaded(&inner, frame, &mut World::default(), len)
    }

    fn load(base: Base, offset: u32, len: u32) -> Expr {
        Expr::PayloadLoad(payload::Load { base, offset, len, destination: Register::R1 })
    }

    #[test]
    fn the_packet_inside_is_read() {
        let inside = ipv4(17, 0, &[], &udp(99, &[]));
        let vxlan = ipv4(17, 0, &[], &udp(4789, &[&[8, 0, 0, 0, 0, 0, 0x2a, 0][..], &inside].concat()));
        // One option of 8 bytes: length 2 in units of 4.
        let geneve_header = [2, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let geneve = ipv4(17, 0, &[], &udp(6081, &[&geneve_header[..], &inside].concat()));
        let gre = ipv4(47, 0, &[], &[&[0, 0, 8, 0][..], &inside[14..]].concat());
        let all = Flags::all();
        let layer3 = Flags::NETWORK | Flags::TRANSPORT;
        let dport = load(Base::Transport, 2, 2);
        assert_eq!(ask(Kind::Vxlan, 8, all, dport.clone(), &vxlan, 2), Some(vec![0, 99]));
        assert_eq!(ask(Kind::Vxlan, 8, all, load(Base::Tunnel, 4, 3), &vxlan, 3), Some(vec![0, 0, 0x2a]));
        assert_eq!(ask(Kind::Geneve, 8, all, dport.clone(), &geneve, 2), Some(vec![0, 99]));
        assert_eq!(ask(Kind::Gre, 4, layer3, dport.clone(), &gre, 2), Some(vec![0, 99]));
        let proto = Expr::MetaGet(meta::Get { key: meta::Key::L4proto, destination: Register::R1 });
        assert_eq!(ask(Kind::Vxlan, 8, all, proto, &vxlan, 1), Some(vec![17]));
        let short = ipv4(17, 0, &[], &udp(4789, &[8, 0, 0, 0, 0, 0, 0x2a, 0, 1, 2, 3]));
        assert_eq!(ask(Kind::Vxlan, 8, all, dport, &short, 2), None);
    }
}
