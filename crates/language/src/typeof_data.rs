//! `typeof` in user data: which expression a set's key or data was declared by.
//!
//! User data holds, nested, the kind of expression (`enum expr_types` of nft) and what tells it apart from others of
//! its kind; concatenations nest each part.
//!
//! DIVERGES: payload and `meta` lie as nft's do; the attributes of optional headers, `ct`, `fib` and hashes are our own,
//! and nft lists such sets by `type`.

use ironweir_expr::payload::Base;
use ironweir_expr::{ct, fib, meta, numgen, rt, socket, tunnel, xfrm};
use ironweir_ruleset::Userdata;

use crate::datatype::{Order, Type};
use crate::proto::{
    Proto, exthdr_by_name, ip_option_by_name, ip_option_by_number, sctp_chunk_by_name, sctp_chunk_by_number,
    tcp_option_by_name, tcp_options_by_number,
};
use crate::resolve::{ct_shape, meta_shape, rt_shape, socket_shape, xfrm_shape};
use crate::typed::{BinaryOp, Exthdr, ExthdrKind, Kind, Payload, Shape, Typed};

/// Kind of expression (`NFTNL_UDATA_SET_TYPEOF_EXPR`).
const EXPR: u8 = 0;
/// What it is (`NFTNL_UDATA_SET_TYPEOF_DATA`).
const DATA: u8 = 1;

/// Numbers of `enum expr_types`.
mod kind {
    pub(super) const VALUE: u32 = 4;
    pub(super) const PAYLOAD: u32 = 7;
    pub(super) const EXTHDR: u32 = 8;
    pub(super) const META: u32 = 9;
    pub(super) const SOCKET: u32 = 10;
    pub(super) const OSF: u32 = 11;
    pub(super) const CT: u32 = 12;
    pub(super) const CONCAT: u32 = 13;
    pub(super) const NUMGEN: u32 = 23;
    pub(super) const HASH: u32 = 24;
    pub(super) const RT: u32 = 25;
    pub(super) const FIB: u32 = 26;
    pub(super) const XFRM: u32 = 27;
    pub(super) const TUNNEL: u32 = 31;
}

/// Protocols by nft's numbers (`enum proto_desc_id`).
const PROTOS: &[Proto] = &[
    Proto::Unknown,
    Proto::Ah,
    Proto::Esp,
    Proto::Comp,
    Proto::Icmp,
    Proto::Igmp,
    Proto::Udp,
    Proto::Udplite,
    Proto::Tcp,
    Proto::Dccp,
    Proto::Sctp,
    Proto::Th,
    Proto::Ip,
    Proto::Ip6,
    Proto::Icmpv6,
    Proto::Arp,
    Proto::Vlan,
    Proto::Ether,
    Proto::Vxlan,
    Proto::Geneve,
    Proto::Gre,
    Proto::Gretap,
];

/// What user data says of an expression; `None` for what `typeof` cannot name.
pub fn encode(typed: &Typed) -> Option<Vec<u8>> {
    let mut out = Userdata::default();
    let (number, data) = describe(strip(typed))?;
    (out.push_u32(EXPR, number) && out.push(DATA, data.as_bytes())).then(|| out.as_bytes().to_vec())
}

/// The expression that user data tells of; `None` where it is not understood.
pub fn decode(bytes: &[u8]) -> Option<Typed> {
    let outer = Userdata::from_bytes(bytes.to_vec());
    let data = Userdata::from_bytes(outer.get(DATA).unwrap_or_default().to_vec());
    undescribe(outer.get_u32(EXPR)?, &data, true)
}

/// Which constant (`CONSTANT_EXPR_NFQUEUE_ID`).
const QUEUE_NUMBER: u32 = 0;

/// What `: queue` in a map's `typeof` stands for.
pub fn queue_number() -> Typed {
    Typed::number(0, Shape::new(Type::Integer, 16, Order::Host))
}

/// Without the masks, shifts and conversions that reading a field takes.
fn strip(typed: &Typed) -> &Typed {
    match &typed.kind {
        Kind::Binary(BinaryOp::And | BinaryOp::Rshift, left, right) if right.value().is_some() => strip(left),
        Kind::Swap(operand) => strip(operand),
        _ => typed,
    }
}

fn describe(typed: &Typed) -> Option<(u32, Userdata)> {
    let mut data = Userdata::default();
    let mut ok = true;
    let mut number = |kind: u8, value: u32| ok &= data.push_u32(kind, value);
    let kind = match &typed.kind {
        Kind::Value(_) if *typed == queue_number() => {
            number(0, QUEUE_NUMBER);
            kind::VALUE
        }
        Kind::Payload(payload) => {
            match payload.field {
                Some((proto, name)) => {
                    let id = PROTOS.iter().position(|p| *p == proto)?;
                    let place = proto.header().fields.iter().position(|field| field.name == name)?;
                    number(0, u32::try_from(id).ok()?);
                    number(1, u32::try_from(place + 1).ok()?);
                }
                None => {
                    number(0, 0);
                    number(1, 0);
                    number(2, payload.base as u32 + 1);
                    number(3, payload.offset);
                    number(4, typed.shape.bits);
                }
            }
            if let Some(inner) = payload.inner {
                number(5, u32::try_from(PROTOS.iter().position(|p| *p == inner)?).ok()?);
            }
            kind::PAYLOAD
        }
        Kind::Exthdr(exthdr) => {
            number(0, u32::from(exthdr.header));
            number(1, exthdr.offset);
            number(2, exthdr.kind as u32);
            // Of a field that is no whole bytes, more was loaded.
            let fields =
                fields(exthdr.kind, exthdr.header, exthdr.name).map_or(&[][..], |(_, fields)| fields);
            let field = fields.iter().find(|field| Some(field.name) == exthdr.field);
            number(3, field.map_or(typed.shape.bits, |field| field.bits));
            number(4, u32::from(exthdr.present));
            if let Some(name) = exthdr.name {
                ok &= data.push_str(5, name);
            }
            kind::EXTHDR
        }
        Kind::Meta(key, inner) => {
            number(0, *key as u32);
            if let Some(inner) = inner {
                number(1, u32::try_from(PROTOS.iter().position(|p| p == inner)?).ok()?);
            }
            kind::META
        }
        Kind::Ct(key, direction) => {
            number(0, *key as u32);
            if let Some(direction) = direction {
                number(1, *direction as u32);
            }
            number(2, typed.shape.bits);
            kind::CT
        }
        Kind::Rt(key) => {
            number(0, *key as u32);
            kind::RT
        }
        Kind::Fib(result, flags) => {
            number(0, *result as u32);
            number(1, flags.bits());
            kind::FIB
        }
        Kind::Socket(key) => {
            let (key, level) = match key {
                socket::Key::Transparent => (0, 0),
                socket::Key::Mark => (1, 0),
                socket::Key::Wildcard => (2, 0),
                socket::Key::Cgroupv2 { level } => (3, *level),
            };
            number(0, key);
            number(1, level);
            kind::SOCKET
        }
        Kind::Osf(ttl, version) => {
            number(0, u32::from(*ttl));
            number(1, u32::from(*version));
            kind::OSF
        }
        Kind::Numgen(kind, modulus, offset) => {
            number(0, *kind as u32);
            number(1, *modulus);
            number(2, *offset);
            kind::NUMGEN
        }
        Kind::Symhash(modulus, offset) => {
            number(0, 1);
            number(1, *modulus);
            number(2, *offset);
            kind::HASH
        }
        Kind::Xfrm(key, direction, spnum) => {
            number(0, *key as u32);
            number(1, *spnum);
            number(2, u32::from(*direction));
            kind::XFRM
        }
        Kind::Tunnel(key) => {
            number(0, *key as u32);
            kind::TUNNEL
        }
        Kind::Concat(parts) => {
            for (at, part) in parts.iter().enumerate() {
                ok &= data.push(u8::try_from(at).ok()?, &encode(part)?);
            }
            kind::CONCAT
        }
        _ => return None,
    };
    ok.then_some((kind, data))
}

fn undescribe(number: u32, data: &Userdata, nest: bool) -> Option<Typed> {
    let get = |kind: u8| data.get_u32(kind);
    let made = |kind, shape| Some(Typed::new(kind, shape));
    match number {
        // The only constant that `typeof` knows: the number of a queue, in a map's data.
        kind::VALUE => (get(0)? == QUEUE_NUMBER).then(queue_number),
        kind::PAYLOAD => {
            let inner = match get(5) {
                Some(id) => Some(*PROTOS.get(usize::try_from(id).ok()?)?),
                None => None,
            };
            if let (Some(base), Some(offset), Some(bits)) = (get(2), get(3), get(4)) {
                let base = match base {
                    1 => Base::Link,
                    2 => Base::Network,
                    3 => Base::Transport,
                    4 => Base::Inner,
                    _ => return None,
                };
                if !(1..=128).contains(&bits) {
                    return None;
                }
                let shape = Shape { hex: true, ..Shape::new(Type::Integer, bits, Order::Big) };
                return made(Kind::Payload(Payload { base, offset, field: None, inner }), shape);
            }
            let proto = *PROTOS.get(usize::try_from(get(0)?).ok()?)?;
            let field = proto.header().fields.get(usize::try_from(get(1)?).ok()?.checked_sub(1)?)?;
            let base = if inner == Some(proto) { Base::Tunnel } else { proto.header().base };
            let payload = Payload { base, offset: field.offset, field: Some((proto, field.name)), inner };
            made(Kind::Payload(payload), Shape::new(field.datatype, field.bits, Order::Big))
        }
        kind::EXTHDR => exthdr(data),
        kind::META => {
            let key = meta::Key::from_number(get(0)?)?;
            let inner = match get(1) {
                Some(id) => Some(*PROTOS.get(usize::try_from(id).ok()?)?),
                None => None,
            };
            made(Kind::Meta(key, inner), meta_shape(key))
        }
        kind::CT => {
            let key = ct::Key::from_number(get(0)?)?;
            let direction = match get(1) {
                Some(0) => Some(ct::Direction::Original),
                Some(1) => Some(ct::Direction::Reply),
                _ => None,
            };
            let shape = match (key, get(2)) {
                (ct::Key::Src | ct::Key::Dst, Some(128)) => Shape::of(Type::Ipv6Addr),
                (ct::Key::Src | ct::Key::Dst, _) => Shape::of(Type::Ipv4Addr),
                _ => ct_shape(key),
            };
            made(Kind::Ct(key, direction), shape)
        }
        kind::RT => {
            let key = *rt::Key::ALL.get(usize::try_from(get(0)?).ok()?)?;
            made(Kind::Rt(key), rt_shape(key))
        }
        kind::FIB => {
            let flags = fib::Flags::from_bits(get(1)?)?;
            let (result, shape) = match get(0)? {
                1 if flags.contains(fib::Flags::PRESENT) => (fib::Outcome::Oif, Shape::of(Type::Boolean)),
                1 => (fib::Outcome::Oif, Shape::of(Type::IfaceIndex)),
                2 => (fib::Outcome::Oifname, Shape::of(Type::Ifname)),
                3 => (fib::Outcome::Addrtype, Shape::of(Type::FibAddrtype)),
                _ => return None,
            };
            made(Kind::Fib(result, flags), shape)
        }
        kind::SOCKET => {
            let key = match get(0)? {
                0 => socket::Key::Transparent,
                1 => socket::Key::Mark,
                2 => socket::Key::Wildcard,
                3 => socket::Key::Cgroupv2 { level: get(1).unwrap_or(0) },
                _ => return None,
            };
            made(Kind::Socket(key), socket_shape(key))
        }
        kind::OSF => {
            let ttl = u8::try_from(get(0).unwrap_or(0)).ok()?;
            made(Kind::Osf(ttl, get(1) == Some(1)), Shape::new(Type::String, 128, Order::Host))
        }
        kind::NUMGEN => {
            let kind = match get(0)? {
                0 => numgen::Kind::Inc,
                1 => numgen::Kind::Random,
                _ => return None,
            };
            let shape = Shape::new(Type::Integer, 32, Order::Host);
            made(Kind::Numgen(kind, get(1)?.max(1), get(2).unwrap_or(0)), shape)
        }
        kind::HASH => {
            let shape = Shape::new(Type::Integer, 32, Order::Host);
            made(Kind::Symhash(get(1)?.max(1), get(2).unwrap_or(0)), shape)
        }
        kind::XFRM => {
            use xfrm::Key::*;
            let key = *[DaddrIp4, DaddrIp6, SaddrIp4, SaddrIp6, Reqid, Spi]
                .get(usize::try_from(get(0)?).ok()?.checked_sub(1)?)?;
            let direction = u8::try_from(get(2).unwrap_or(0)).ok()?;
            made(Kind::Xfrm(key, direction, get(1).unwrap_or(0)), xfrm_shape(key))
        }
        kind::TUNNEL => match get(0)? {
            0 => made(Kind::Tunnel(tunnel::Key::Path), Shape::of(Type::Boolean)),
            1 => made(Kind::Tunnel(tunnel::Key::Id), Shape::new(Type::Integer, 32, Order::Host)),
            _ => None,
        },
        kind::CONCAT if nest => {
            let mut parts = Vec::new();
            for (_, part) in data.attributes() {
                let part = Userdata::from_bytes(part.to_vec());
                let inside = Userdata::from_bytes(part.get(DATA).unwrap_or_default().to_vec());
                parts.push(undescribe(part.get_u32(EXPR)?, &inside, false)?);
            }
            if parts.len() < 2 || parts.len() > crate::datatype::MAX_CONCAT {
                return None;
            }
            let bits = parts.iter().map(|part| part.shape.words() * 32).sum();
            made(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::Big))
        }
        _ => None,
    }
}

/// The word for an optional header, and its fields.
fn fields(
    kind: ExthdrKind,
    header: u8,
    name: Option<&str>,
) -> Option<(Option<&'static str>, &'static [crate::proto::Field])> {
    Some(match (kind, name) {
        (ExthdrKind::Ipv6, Some(name)) => exthdr_by_name(name).map(|h| (Some(h.name), h.fields))?,
        (ExthdrKind::Tcpopt, Some(name)) => tcp_option_by_name(name).map(|h| (Some(h.name), h.fields))?,
        (ExthdrKind::Tcpopt, None) => {
            (None, tcp_options_by_number(header).next().map_or(&[][..], |option| option.fields))
        }
        (ExthdrKind::Ipv4, Some(name)) => ip_option_by_name(name).map(|h| (Some(h.name), h.fields))?,
        (ExthdrKind::Ipv4, None) => ip_option_by_number(header).map(|h| (Some(h.name), h.fields))?,
        (ExthdrKind::Sctp, Some(name)) => sctp_chunk_by_name(name).map(|h| (Some(h.name), h.fields))?,
        (ExthdrKind::Sctp, None) => sctp_chunk_by_number(header).map(|h| (Some(h.name), h.fields))?,
        _ => (None, &[][..]),
    })
}

fn exthdr(data: &Userdata) -> Option<Typed> {
    let header = u8::try_from(data.get_u32(0)?).ok()?;
    let offset = data.get_u32(1)?;
    let bits = data.get_u32(3)?;
    let present = data.get_u32(4) == Some(1);
    let name = data.get_str(5);
    let kind = match data.get_u32(2)? {
        0 => ExthdrKind::Ipv6,
        1 => ExthdrKind::Tcpopt,
        2 => ExthdrKind::Ipv4,
        3 => ExthdrKind::Sctp,
        4 => ExthdrKind::Dccp,
        _ => return None,
    };
    let (name, fields) = fields(kind, header, name)?;
    let field = fields.iter().find(|field| !present && field.offset == offset && field.bits == bits);
    let shape = match field {
        Some(field) => Shape::new(field.datatype, field.bits, Order::Big),
        None if present => Shape::of(Type::Boolean),
        None if (1..=128).contains(&bits) => Shape::new(Type::Integer, bits, Order::Big),
        None => return None,
    };
    let exthdr = Exthdr { kind, header, name, offset, field: field.map(|field| field.name), present };
    Some(Typed::new(Kind::Exthdr(exthdr), shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(proto: Proto, name: &'static str) -> Typed {
        let field = proto.field(name).expect("a field of the tables");
        let payload = Payload {
            base: proto.header().base,
            offset: field.offset,
            field: Some((proto, field.name)),
            inner: None,
        };
        Typed::new(Kind::Payload(payload), Shape::new(field.datatype, field.bits, Order::Big))
    }

    #[test]
    fn expressions_come_back() {
        let port = payload(Proto::Tcp, "dport");
        let address = payload(Proto::Ip, "saddr");
        let both = Typed::new(
            Kind::Concat(vec![address.clone(), port.clone()]),
            Shape::new(Type::Invalid, 64, Order::Big),
        );
        let mark = Typed::new(Kind::Meta(meta::Key::Mark, None), meta_shape(meta::Key::Mark));
        for typed in [port, address, both, mark] {
            let bytes = encode(&typed).expect("all of these can be named");
            assert_eq!(decode(&bytes), Some(typed));
        }
    }

    #[test]
    fn garbage_is_no_expression() {
        for len in 0..64 {
            assert_eq!(decode(&vec![0xff; len]), None);
            let _ = decode(&(0..len as u8).collect::<Vec<_>>());
        }
    }
}
