//! What is known beside the packet's bytes: `ct`, `rt`, `fib`, `socket`, `osf`, `ipsec`, and computed numbers.

use ironweir_expr::payload::Base;
use ironweir_expr::{Family, ct, fib, numgen, rt, socket, tunnel};

use super::keys::{CT_KEYS, RT_KEYS, XFRM_KEYS, ct_shape, rt_shape, socket_shape, xfrm_shape};
use super::unknown;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr;
use crate::expr::ct::Ct;
use crate::lower::Lower;
use crate::proto::Proto;
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};

/// A number that the machine computes.
const NUMBER: Shape = Shape { datatype: Type::Integer, bits: 32, order: Order::Host, hex: false };

/// A word with the family before it, where one was written.
fn with_family(family: Option<&str>, key: &str) -> String {
    family.map_or_else(|| key.to_string(), |family| format!("{family} {key}"))
}

fn family_unknown(span: Span, ip: &str) -> Box<Diagnostic> {
    Diagnostic::error(
        span,
        format!("cannot determine ip protocol version, use \"ip {ip}\" or \"ip6 {ip}\" instead"),
    )
}

impl Lower<'_> {
    /// `ct original ip saddr`.
    pub(super) fn ct(&mut self, node: &Ct, span: Span) -> Parsed<Typed> {
        let word = with_family(node.family.as_deref(), &node.key);
        let found = CT_KEYS.iter().find(|(name, _)| *name == word);
        let key = found.map(|(_, key)| *key).ok_or_else(|| unknown(span, "ct key", &word))?;
        let direction = node.direction.map(|direction| match direction {
            expr::ct::Direction::Original => ct::Direction::Original,
            expr::ct::Direction::Reply => ct::Direction::Reply,
        });
        let mut shape = ct_shape(key);
        use ct::Key::*;
        match key {
            Src | Dst => match self.network_family() {
                Some(Family::Ip) => shape = Shape::of(Type::Ipv4Addr),
                Some(Family::Ip6) => shape = Shape::of(Type::Ipv6Addr),
                _ => return Err(family_unknown(span, &node.key)),
            },
            SrcIp | DstIp => self.agrees_with_network(Proto::Ip, span)?,
            SrcIp6 | DstIp6 => self.agrees_with_network(Proto::Ip6, span)?,
            _ => {}
        }
        Ok(Typed::new(Kind::Ct(key, direction), shape).at(span))
    }

    /// `rt ip nexthop`.
    pub(super) fn rt(&mut self, node: &expr::rt::Rt, span: Span) -> Parsed<Typed> {
        let key = match (&*node.key, node.family.as_deref(), self.network_family()) {
            ("nexthop", Some("ip"), _) | ("nexthop", None, Some(Family::Ip)) => rt::Key::Nexthop4,
            ("nexthop", Some("ip6"), _) | ("nexthop", None, Some(Family::Ip6)) => rt::Key::Nexthop6,
            ("nexthop", ..) => return Err(family_unknown(span, "nexthop")),
            (word, ..) => {
                let found = RT_KEYS.iter().find(|(name, _)| *name == word);
                found.map(|(_, key)| *key).ok_or_else(|| unknown(span, "rt key", word))?
            }
        };
        match key {
            rt::Key::Nexthop4 => self.agrees_with_network(Proto::Ip, span)?,
            rt::Key::Nexthop6 => self.agrees_with_network(Proto::Ip6, span)?,
            _ => {}
        }
        Ok(Typed::new(Kind::Rt(key), rt_shape(key)).at(span))
    }

    /// Refuses a family that earlier matches exclude.
    fn agrees_with_network(&self, proto: Proto, span: Span) -> Parsed<()> {
        match self.protocols.at(Base::Network) {
            Some(known) if known != proto && known != Proto::Unknown => Err(Diagnostic::error(
                span,
                format!("conflicting dependencies: {} vs. {}", proto.name(), known.name()),
            )),
            _ => Ok(()),
        }
    }

    /// The family that is known for the network layer.
    pub(crate) fn network_family(&self) -> Option<Family> {
        match self.protocols.at(Base::Network) {
            Some(Proto::Ip) => Some(Family::Ip),
            Some(Proto::Ip6) => Some(Family::Ip6),
            _ => None,
        }
    }
}

/// `fib saddr . iif oif`. What cannot be asked together is refused as the kernel does (`nft_fib_init`).
pub(super) fn fib(node: &expr::fib::Fib, span: Span) -> Parsed<Typed> {
    use fib::{Flags, Outcome};
    let mut flags = Flags::empty();
    for word in &node.tuple {
        flags |= match &**word {
            "saddr" => Flags::SADDR,
            "daddr" => Flags::DADDR,
            "mark" => Flags::MARK,
            "iif" => Flags::IIF,
            "oif" => Flags::OIF,
            other => return Err(unknown(span, "fib key", other)),
        };
    }
    let (result, shape) = match &*node.result {
        "oif" => (Outcome::Oif, Shape::of(Type::IfaceIndex)),
        "oifname" => (Outcome::Oifname, Shape::of(Type::Ifname)),
        "type" => (Outcome::Addrtype, Shape::of(Type::FibAddrtype)),
        "check" => {
            flags |= Flags::PRESENT;
            (Outcome::Oif, Shape::of(Type::Boolean))
        }
        other => return Err(unknown(span, "fib result", other)),
    };
    let refused = if !flags.intersects(Flags::SADDR | Flags::DADDR) {
        Some("fib: need either saddr or daddr")
    } else if flags.contains(Flags::SADDR | Flags::DADDR) {
        Some("fib: cannot use both saddr and daddr")
    } else if flags.contains(Flags::IIF | Flags::OIF) {
        Some("fib: cannot use both iif and oif")
    } else if result != Outcome::Addrtype && flags.contains(Flags::OIF) {
        Some("fib: cannot use oif as key and as result")
    } else {
        None
    };
    match refused {
        Some(why) => Err(Diagnostic::error(span, why)),
        None => Ok(Typed::new(Kind::Fib(result, flags), shape).at(span)),
    }
}

/// `socket cgroupv2 level 1`.
pub(super) fn socket(node: &expr::socket::Socket, span: Span) -> Parsed<Typed> {
    let key = match &*node.key {
        "transparent" => socket::Key::Transparent,
        "mark" => socket::Key::Mark,
        "wildcard" => socket::Key::Wildcard,
        "cgroupv2" => socket::Key::Cgroupv2 { level: node.level.unwrap_or(0) },
        other => return Err(unknown(span, "socket key", other)),
    };
    Ok(Typed::new(Kind::Socket(key), socket_shape(key)).at(span))
}

/// `osf ttl skip name`.
pub(super) fn osf(node: &expr::osf::Osf, span: Span) -> Parsed<Typed> {
    let ttl = match node.ttl.as_deref() {
        None => 0,
        Some("loose") => 1,
        Some("skip") => 2,
        Some(other) => return Err(unknown(span, "ttl option", other)),
    };
    Ok(Typed::new(Kind::Osf(ttl, node.version), Shape::new(Type::String, 128, Order::Host)).at(span))
}

/// `ipsec in ip saddr`.
pub(super) fn xfrm(node: &expr::xfrm::Xfrm, span: Span) -> Parsed<Typed> {
    let word = with_family(node.family.as_deref(), &node.key);
    let found = XFRM_KEYS.iter().find(|(name, _)| *name == word);
    let key = found.map(|(_, key)| *key).ok_or_else(|| unknown(span, "ipsec key", &word))?;
    let kind = Kind::Xfrm(key, u8::from(node.out), u32::from(node.spnum));
    Ok(Typed::new(kind, xfrm_shape(key)).at(span))
}

/// `tunnel id`.
pub(super) fn tunnel(node: &expr::tunnel::Tunnel, span: Span) -> Parsed<Typed> {
    let (key, shape) = match &*node.key {
        "path" => (tunnel::Key::Path, Shape::of(Type::Boolean)),
        "id" => (tunnel::Key::Id, NUMBER),
        other => return Err(unknown(span, "tunnel key", other)),
    };
    Ok(Typed::new(Kind::Tunnel(key), shape).at(span))
}

/// `numgen inc mod 2`.
pub(super) fn numgen(node: &expr::numgen::Numgen, span: Span) -> Parsed<Typed> {
    let kind = if node.random { numgen::Kind::Random } else { numgen::Kind::Inc };
    check_modulus(node.modulus, node.offset, span)?;
    Ok(Typed::new(Kind::Numgen(kind, node.modulus, node.offset), NUMBER).at(span))
}

/// `jhash KEY mod 2`, the key resolved.
pub(super) fn jhash(node: &expr::hash::Jhash, source: Typed, span: Span) -> Parsed<Typed> {
    check_modulus(node.modulus, node.offset, span)?;
    let kind = Kind::Jhash(source.into(), node.modulus, node.seed, node.offset);
    Ok(Typed::new(kind, NUMBER).at(span))
}

/// `symhash mod 2`.
pub(super) fn symhash(node: &expr::hash::Symhash, span: Span) -> Parsed<Typed> {
    check_modulus(node.modulus, node.offset, span)?;
    Ok(Typed::new(Kind::Symhash(node.modulus, node.offset), NUMBER).at(span))
}

fn check_modulus(modulus: u32, offset: u32, span: Span) -> Parsed<()> {
    if modulus == 0 {
        return Err(Diagnostic::error(span, "modulus cannot be zero"));
    }
    if offset.checked_add(modulus - 1).is_none() {
        return Err(Diagnostic::error(span, "offset and modulus are beyond 32 bits together"));
    }
    Ok(())
}
