//! Typed expressions to AST.

use ironweir_expr::payload::Base;
use ironweir_expr::{ct, exthdr, fib, numgen, rt, socket, tunnel};

use super::Raise;
use crate::datatype::{Datum, Type};
use crate::expr::ct::Direction;
use crate::expr::raw_payload::{RawBase, RawPayload};
use crate::expr::tcpopt::{OptionKind, TcpOption, TcpOptionPart};
use crate::expr::{self, Expr, ExprKind};
use crate::proto::Proto;
use crate::resolve::{CT_KEYS, XFRM_KEYS, meta_name};
use crate::typed::{Exthdr, Kind, Payload, Typed};

/// What `fib` looks up, in the order nft lists it.
const FIB_TUPLE: [(fib::Flags, &str); 5] = [
    (fib::Flags::SADDR, "saddr"),
    (fib::Flags::DADDR, "daddr"),
    (fib::Flags::MARK, "mark"),
    (fib::Flags::IIF, "iif"),
    (fib::Flags::OIF, "oif"),
];

impl Raise<'_> {
    /// As it is written.
    pub fn syntax(&mut self, typed: &Typed) -> Expr {
        let kind = match &typed.kind {
            Kind::Value(datum) => return self.constant_syntax(datum, typed.shape),
            Kind::Payload(payload) => payload_syntax(payload, typed.shape.bits),
            Kind::Exthdr(header) => exthdr_syntax(header, typed.shape.bits),
            Kind::Meta(key, tunnel) => {
                let meta = ExprKind::Meta(expr::meta::Meta { key: meta_name(*key).into() });
                inside(*tunnel, meta)
            }
            Kind::Ct(key, direction) => ct_syntax(*key, *direction, typed.shape.datatype),
            Kind::Rt(key) => rt_syntax(*key),
            Kind::Fib(result, flags) => fib_syntax(*result, *flags),
            Kind::Socket(key) => socket_syntax(*key),
            Kind::Osf(ttl, version) => {
                let ttl = match ttl {
                    1 => Some("loose".into()),
                    2 => Some("skip".into()),
                    _ => None,
                };
                ExprKind::Osf(expr::osf::Osf { ttl, version: *version })
            }
            Kind::Numgen(kind, modulus, offset) => ExprKind::Numgen(expr::numgen::Numgen {
                random: *kind == numgen::Kind::Random,
                modulus: *modulus,
                offset: *offset,
            }),
            Kind::Jhash(of, modulus, seed, offset) => {
                let of = self.syntax(of);
                let hash =
                    expr::hash::Jhash { expr: of.into(), modulus: *modulus, seed: *seed, offset: *offset };
                ExprKind::Jhash(hash)
            }
            Kind::Symhash(modulus, offset) => {
                ExprKind::Symhash(expr::hash::Symhash { modulus: *modulus, offset: *offset })
            }
            Kind::Xfrm(key, direction, spnum) => {
                let word = XFRM_KEYS.iter().find(|(_, k)| k == key).map_or("", |(word, _)| word);
                let (family, key) = split_family(word);
                let spnum = u8::try_from(*spnum).unwrap_or(u8::MAX);
                ExprKind::Xfrm(expr::xfrm::Xfrm { out: *direction == 1, spnum, family, key })
            }
            Kind::Tunnel(key) => {
                let key = match key {
                    tunnel::Key::Path => "path",
                    tunnel::Key::Id => "id",
                };
                ExprKind::Tunnel(expr::tunnel::Tunnel { key: key.into() })
            }
            Kind::Swap(inside) => return self.syntax(inside),
            Kind::Binary(op, left, right) => {
                let (left, right) = (self.syntax(left), self.syntax(right));
                ExprKind::Binary(expr::binary::Binary { op: *op, left: left.into(), right: right.into() })
            }
            Kind::Prefix(base, _) if matches!(base.kind, Kind::Value(Datum::Text(_))) => {
                let Kind::Value(Datum::Text(bytes)) = &base.kind else { return Expr::quoted("*") };
                return Expr::quoted(format!("{}*", String::from_utf8_lossy(bytes)));
            }
            Kind::Prefix(base, len) => {
                let base = self.syntax(base);
                ExprKind::Prefix(expr::prefix::Prefix { base: base.into(), len: *len })
            }
            Kind::Range(from, to) => {
                // nft prints ranges as numbers, whatever the options (`range_expr_print`).
                let options = self.options;
                (self.options.numeric, self.options.numeric_protocol, self.options.service) =
                    (true, true, false);
                let (from, to) = (self.syntax(from), self.syntax(to));
                self.options = options;
                ExprKind::Range(expr::range::Range { from: from.into(), to: to.into() })
            }
            Kind::Concat(parts) => {
                let parts = parts.iter().map(|part| self.syntax(part)).collect();
                ExprKind::Concat(expr::concat::Concat(parts))
            }
            Kind::Set(literal) => {
                let elements = literal.elements.iter().map(|element| self.element_syntax(element)).collect();
                ExprKind::Set(expr::set::SetLiteral { elements })
            }
            Kind::SetRef(name, _) => ExprKind::SetRef(expr::set::SetName { name: name.clone() }),
            Kind::Map(key, map) => {
                let (key, map) = (self.syntax(key), self.syntax(map));
                ExprKind::Map(expr::map::Map { key: key.into(), map: map.into() })
            }
            Kind::List(parts) => {
                let parts = parts.iter().map(|part| self.syntax(part)).collect();
                ExprKind::List(expr::list::List(parts))
            }
            Kind::Masked(value, mask) => {
                let (value, mask) = (self.syntax(value), self.syntax(mask));
                ExprKind::Masked(expr::list::Masked { value: value.into(), mask: mask.into() })
            }
            Kind::Verdict(verdict) => ExprKind::Verdict(super::relational::verdict_syntax(self, verdict)),
            Kind::Object(name) => return Expr::quoted(name.clone()),
            Kind::Wildcard => ExprKind::Wildcard,
        };
        Expr::raised(kind)
    }
}

/// `ip saddr` into `ip` and `saddr`.
fn split_family(word: &str) -> (Option<Box<str>>, Box<str>) {
    match word.split_once(' ') {
        Some((family, key)) => (Some(family.into()), key.into()),
        None => (None, word.into()),
    }
}

fn inside(tunnel: Option<Proto>, kind: ExprKind) -> ExprKind {
    match tunnel {
        None => kind,
        Some(tunnel) => ExprKind::Inner(expr::inner::Inner {
            tunnel: tunnel.name().into(),
            expr: Expr::raised(kind).into(),
        }),
    }
}

fn payload_syntax(payload: &Payload, bits: u32) -> ExprKind {
    let Some((proto, field)) = payload.field else {
        let base = match payload.base {
            Base::Link => RawBase::Link,
            Base::Network => RawBase::Network,
            Base::Transport => RawBase::Transport,
            Base::Inner | Base::Tunnel => RawBase::Inner,
        };
        let raw = ExprKind::RawPayload(RawPayload { base, offset: payload.offset, len: bits });
        return inside(payload.inner, raw);
    };
    let field = ExprKind::Payload(expr::payload::Payload { protocol: proto.name(), field });
    // A field of the tunnel's own header is written without saying twice which tunnel that is
    inside(payload.inner.filter(|tunnel| *tunnel != proto), field)
}

fn exthdr_syntax(header: &Exthdr, bits: u32) -> ExprKind {
    let field: Option<Box<str>> = header.field.map(Into::into);
    let name: Box<str> = header.name.unwrap_or("").into();
    match header.kind {
        exthdr::Kind::Ipv6 => ExprKind::Exthdr(expr::exthdr::Exthdr { header: name, field }),
        exthdr::Kind::Ipv4 => ExprKind::IpOption(expr::ipopt::IpOption { option: name, field }),
        exthdr::Kind::Sctp => ExprKind::SctpChunk(expr::sctp_chunk::SctpChunk { chunk: name, field }),
        exthdr::Kind::Dccp => ExprKind::DccpOption(expr::exthdr::DccpOption { kind: header.header }),
        exthdr::Kind::Tcpopt => {
            let option = match header.name {
                Some(name) => OptionKind::Name(name.into()),
                None => OptionKind::Number(header.header),
            };
            let part = match (header.present, field) {
                (true, _) => TcpOptionPart::Presence,
                (false, Some(field)) => TcpOptionPart::Field(field),
                (false, None) => TcpOptionPart::Raw { offset: header.offset, len: bits },
            };
            ExprKind::TcpOption(TcpOption { option, part })
        }
    }
}

/// Addresses of the family known from elsewhere are listed with it; the protocol is one for both directions.
fn ct_syntax(key: ct::Key, direction: Option<ct::Direction>, datatype: Type) -> ExprKind {
    let inferred = matches!((key, datatype), (ct::Key::Src | ct::Key::Dst, Type::Ipv4Addr | Type::Ipv6Addr));
    let key = match (key, datatype) {
        (ct::Key::Src, Type::Ipv4Addr) => ct::Key::SrcIp,
        (ct::Key::Src, Type::Ipv6Addr) => ct::Key::SrcIp6,
        (ct::Key::Dst, Type::Ipv4Addr) => ct::Key::DstIp,
        (ct::Key::Dst, Type::Ipv6Addr) => ct::Key::DstIp6,
        (key, _) => key,
    };
    let direction = direction.filter(|_| key != ct::Key::Protocol);
    let word = CT_KEYS.iter().find(|(_, k)| *k == key).map_or("", |(word, _)| word);
    let (family, key) = split_family(word);
    let direction = direction.map(|direction| match direction {
        ct::Direction::Original => Direction::Original,
        ct::Direction::Reply => Direction::Reply,
    });
    ExprKind::Ct(expr::ct::Ct { direction, family, inferred, key })
}

fn rt_syntax(key: rt::Key) -> ExprKind {
    let (family, key) = match key {
        rt::Key::Classid => (None, "classid"),
        rt::Key::Nexthop4 => (Some("ip".into()), "nexthop"),
        rt::Key::Nexthop6 => (Some("ip6".into()), "nexthop"),
        rt::Key::Tcpmss => (None, "mtu"),
        rt::Key::Xfrm => (None, "ipsec"),
    };
    ExprKind::Rt(expr::rt::Rt { family, key: key.into() })
}

fn fib_syntax(result: fib::Outcome, flags: fib::Flags) -> ExprKind {
    let tuple = FIB_TUPLE.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| (*word).into());
    let result = match result {
        _ if flags.contains(fib::Flags::PRESENT) => "check",
        fib::Outcome::Oif => "oif",
        fib::Outcome::Oifname => "oifname",
        fib::Outcome::Addrtype => "type",
    };
    ExprKind::Fib(expr::fib::Fib { tuple: tuple.collect(), result: result.into() })
}

fn socket_syntax(key: socket::Key) -> ExprKind {
    let (key, level) = match key {
        socket::Key::Transparent => ("transparent", None),
        socket::Key::Mark => ("mark", None),
        socket::Key::Wildcard => ("wildcard", None),
        socket::Key::Cgroupv2 { level } => ("cgroupv2", Some(level)),
    };
    ExprKind::Socket(expr::socket::Socket { key: key.into(), level })
}
