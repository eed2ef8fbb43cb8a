//! `typeof` in user data: which expression a set's key or data was declared by.
//!
//! User data holds, nested, the kind of expression (`enum expr_types` of nft) and what tells it apart from others of
//! its kind; concatenations nest each part. What nft 1.0.6 stores is held against this in `tests/typeof_userdata.rs`.
//!
//! DIVERGES: nft forgets that only the presence of a header is asked, the level of `socket cgroupv2`, and what `osf`
//! says beside the name, and what `jhash` is of; attributes from [`EXTRA`] on, which nft passes over, keep that.
//!
//! Selectors tell in their own files ([`crate::expr::Selector::to_userdata`]).

use ironweir_expr::payload::Base;
use ironweir_expr::{ct, meta};
use ironweir_ruleset::Userdata;

use crate::datatype::{Order, Type};
use crate::expr::ct::ct_shape;
use crate::expr::meta::meta_shape;
use crate::expr::registry::selector_from_userdata;
use crate::proto::{
    Field, Proto, exthdr_by_name, ip_option_by_number, sctp_chunk_by_number, tcp_option_by_name,
    tcp_options_by_number,
};
use crate::typed::{BinaryOp, Exthdr, ExthdrKind, Kind, Payload, Shape, Typed};

/// Kind of expression (`NFTNL_UDATA_SET_TYPEOF_EXPR`).
const EXPR: u8 = 0;
/// What it is (`NFTNL_UDATA_SET_TYPEOF_DATA`).
const DATA: u8 = 1;
/// From here on the attributes are not nft's.
pub(crate) const EXTRA: u8 = 0x40;
/// No direction (`(uint32_t)-1`).
const NO_DIRECTION: u32 = u32::MAX;

/// Numbers of `enum expr_types`.
mod kind {
    pub(super) const VERDICT: u32 = 1;
    pub(super) const VALUE: u32 = 4;
    pub(super) const PAYLOAD: u32 = 7;
    pub(super) const EXTHDR: u32 = 8;
    pub(super) const META: u32 = 9;
    pub(super) const CT: u32 = 12;
    pub(super) const CONCAT: u32 = 13;
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
    let bare = match strip(typed) {
        // Raw bits have no name that would tell how many were written
        Typed { kind: Kind::Payload(Payload { field: None, .. }), .. } => typed.clone().into_written(),
        other => other.clone(),
    };
    let (number, data) = describe(&bare)?;
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

/// What nft says of the key or data of a set that is declared by concatenated types.
pub fn concatenated_types() -> Vec<u8> {
    bare(kind::CONCAT)
}

/// What nft says of the data of a verdict map whose key is declared by `typeof`.
pub fn verdict() -> Vec<u8> {
    bare(kind::VERDICT)
}

fn bare(number: u32) -> Vec<u8> {
    let mut out = Userdata::default();
    let _ = out.push_u32(EXPR, number) && out.push(DATA, &[]);
    out.as_bytes().to_vec()
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
                    number(0, u32::try_from(id).ok()?);
                    number(1, place_of(proto, name)?);
                    let field = proto.field(name)?;
                    if field.datatype.number() == Type::Integer.number() {
                        number(4, field.bits);
                    }
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
            let (number_of_header, place) = exthdr_place(exthdr)?;
            number(1, place);
            if exthdr.kind != ExthdrKind::Ipv6 {
                number(2, exthdr.kind as u32);
            }
            number(0, number_of_header);
            if exthdr.present || exthdr.field.is_none() {
                number(EXTRA, u32::from(exthdr.present));
                number(EXTRA + 1, exthdr.offset);
                number(EXTRA + 2, typed.shape.bits);
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
            number(1, direction.map_or(NO_DIRECTION, |direction| direction as u32));
            if matches!(key, ct::Key::Src | ct::Key::Dst) {
                number(EXTRA, typed.shape.bits);
            }
            kind::CT
        }
        Kind::Concat(parts) => {
            for (at, part) in parts.iter().enumerate() {
                ok &= data.push(u8::try_from(at).ok()?, &encode(part)?);
            }
            kind::CONCAT
        }
        selector => {
            let (number, fits) = selector.selector_userdata(&mut data)?;
            ok &= fits;
            number
        }
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
            let field = field_at(proto, get(1)?)?;
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
            let shape = match (key, get(EXTRA)) {
                (ct::Key::Src | ct::Key::Dst, Some(128)) => Shape::of(Type::Ipv6Addr),
                (ct::Key::Src | ct::Key::Dst, _) => Shape::of(Type::Ipv4Addr),
                _ => ct_shape(key),
            };
            made(Kind::Ct(key, direction), shape)
        }
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
        number => selector_from_userdata(number, data),
    }
}

/// Headers whose fields nft numbers in another order than the packet's or ours.
const ORDERS: &[(Proto, &[&str])] = &[
    (Proto::Ether, &["daddr", "saddr", "type"]),
    (
        Proto::Arp,
        &[
            "htype",
            "ptype",
            "hlen",
            "plen",
            "operation",
            "saddr ether",
            "saddr ip",
            "daddr ether",
            "daddr ip",
        ],
    ),
    (Proto::Vlan, &["pcp", "dei", "", "id", "type"]),
    (Proto::Igmp, &["type", "checksum", "mrt", "group"]),
    (
        Proto::Tcp,
        &[
            "sport", "dport", "sequence", "ackseq", "doff", "reserved", "flags", "window", "checksum",
            "urgptr",
        ],
    ),
];

/// The number that nft has for a field, from 1.
fn place_of(proto: Proto, name: &str) -> Option<u32> {
    let place = match ORDERS.iter().find(|(of, _)| *of == proto) {
        Some((_, names)) => names.iter().position(|at| *at == name),
        None => proto.header().fields.iter().position(|field| field.name == name),
    };
    u32::try_from(place? + 1).ok()
}

/// The field that has that number.
fn field_at(proto: Proto, place: u32) -> Option<&'static Field> {
    let place = usize::try_from(place).ok()?.checked_sub(1)?;
    match ORDERS.iter().find(|(of, _)| *of == proto) {
        Some((_, names)) => proto.field(names.get(place)?),
        None => proto.header().fields.get(place),
    }
}

/// How many fields of an extension header nft numbers before those that have a word.
fn unnamed(header: &str) -> u32 {
    u32::from(["rt0", "rt2"].contains(&header))
}

/// IPv6 extension headers by nft's numbers (`enum exthdr_desc_id`).
const EXTHDRS: &[&str] = &["", "hbh", "rt", "rt0", "rt2", "srh", "frag", "dst", "mh"];
/// Fields of IP options by nft's numbers (`enum ip_hdr_opt_fields`).
const IP_OPTION_FIELDS: &[&str] = &["", "type", "length", "value", "ptr", "addr"];
/// Fields of TCP's selective acknowledgements by nft's numbers (`enum tcpopt_sack`).
const SACK_FIELDS: &[(&str, &str)] = &[
    ("sack", "kind"),
    ("sack", "length"),
    ("sack", "left"),
    ("sack", "right"),
    ("sack1", "left"),
    ("sack1", "right"),
    ("sack2", "left"),
    ("sack2", "right"),
    ("sack3", "left"),
    ("sack3", "right"),
];

/// The number that nft has for an optional header, and for its field.
fn exthdr_place(exthdr: &Exthdr) -> Option<(u32, u32)> {
    let among = |fields: &[Field]| fields.iter().position(|field| Some(field.name) == exthdr.field);
    let first = |found: Option<usize>| found.and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
    let number = u32::from(exthdr.header);
    Some(match exthdr.kind {
        ExthdrKind::Ipv6 => {
            let header = exthdr_by_name(exthdr.name?)?;
            let id = EXTHDRS.iter().position(|name| *name == header.name)?;
            (u32::try_from(id).ok()?, 1 + unnamed(header.name) + first(among(header.fields)))
        }
        ExthdrKind::Tcpopt
            if exthdr.name.is_some_and(|name| name.starts_with("sack") && name != "sack-perm") =>
        {
            let name = exthdr.name.filter(|name| *name != "sack0").unwrap_or("sack");
            let found = SACK_FIELDS.iter().position(|(option, field)| {
                Some(*field) == exthdr.field && (*option == name || ["kind", "length"].contains(field))
            });
            (number, first(found))
        }
        ExthdrKind::Tcpopt => {
            let fields = exthdr.name.and_then(tcp_option_by_name).map_or(&[][..], |option| option.fields);
            (number, first(among(fields)))
        }
        ExthdrKind::Ipv4 => {
            let found = IP_OPTION_FIELDS.iter().position(|name| Some(*name) == exthdr.field);
            (number, first(found).max(1))
        }
        ExthdrKind::Sctp => {
            let fields = sctp_chunk_by_number(exthdr.header).map_or(&[][..], |chunk| chunk.fields);
            (number, first(among(fields)))
        }
        ExthdrKind::Dccp => (number, 0),
    })
}

/// The word for an optional header and for the field, from nft's numbers.
fn exthdr_field(
    kind: ExthdrKind,
    header: u32,
    place: u32,
) -> Option<(u8, Option<&'static str>, Option<&'static Field>)> {
    let place = usize::try_from(place).ok()?;
    let number = u8::try_from(header).ok()?;
    Some(match kind {
        ExthdrKind::Ipv6 => {
            let header = exthdr_by_name(EXTHDRS.get(usize::from(number)).filter(|name| !name.is_empty())?)?;
            let before = 1 + unnamed(header.name) as usize;
            (header.number, Some(header.name), header.fields.get(place.checked_sub(before)?))
        }
        ExthdrKind::Tcpopt => {
            let option = tcp_options_by_number(number).next();
            match option {
                Some(option) if option.name == "sack" && place > 3 => {
                    let (name, field) = *SACK_FIELDS.get(place)?;
                    let option = tcp_option_by_name(name)?;
                    (number, Some(option.name), option.field(field))
                }
                Some(option) => (number, Some(option.name), option.fields.get(place)),
                None => (number, None, None),
            }
        }
        ExthdrKind::Ipv4 => {
            let option = ip_option_by_number(number)?;
            (number, Some(option.name), option.field(IP_OPTION_FIELDS.get(place)?))
        }
        ExthdrKind::Sctp => {
            let chunk = sctp_chunk_by_number(number)?;
            (number, Some(chunk.name), chunk.fields.get(place))
        }
        ExthdrKind::Dccp => (number, None, None),
    })
}

fn exthdr(data: &Userdata) -> Option<Typed> {
    let kind = match data.get_u32(2).unwrap_or(0) {
        0 => ExthdrKind::Ipv6,
        1 => ExthdrKind::Tcpopt,
        2 => ExthdrKind::Ipv4,
        3 => ExthdrKind::Sctp,
        4 => ExthdrKind::Dccp,
        _ => return None,
    };
    let (header, name, field) = exthdr_field(kind, data.get_u32(0)?, data.get_u32(1)?)?;
    if let Some(present) = data.get_u32(EXTRA) {
        let (present, offset, bits) = (present == 1, data.get_u32(EXTRA + 1)?, data.get_u32(EXTRA + 2)?);
        let shape = match present {
            true => Shape::of(Type::Boolean),
            false if (1..=128).contains(&bits) => Shape::new(Type::Integer, bits, Order::Big),
            false => return None,
        };
        // Bits by number are not those of a named option.
        let name = name.filter(|_| present);
        return Some(Typed::new(
            Kind::Exthdr(Exthdr { kind, header, name, offset, field: None, present }),
            shape,
        ));
    }
    let field = field?;
    let shape = Shape::new(field.datatype, field.bits, Order::Big);
    let (offset, field) = (field.offset, Some(field.name));
    Some(Typed::new(Kind::Exthdr(Exthdr { kind, header, name, offset, field, present: false }), shape))
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
