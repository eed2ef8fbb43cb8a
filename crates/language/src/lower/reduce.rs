//! Fewer matches: what the family makes true is left out, and equalities of neighbouring bytes become one.

use ironweir_expr::Family;
use ironweir_expr::meta;
use ironweir_expr::payload::Base;

use super::matching::Match;
use crate::datatype::{Order, Type};
use crate::stmt::relational::RelOp;
use crate::typed::{Kind, Payload, Shape, Typed};

/// Leaves out matches the family makes true, and merges equalities of neighbouring bytes (`stmt_reduce`).
pub(super) fn reduce(matches: Vec<Match>, family: Family, last: bool) -> Vec<Match> {
    let count = matches.len();
    let mut matches: Vec<Option<Match>> = matches.into_iter().map(Some).collect();
    let mut payloads: Vec<(Base, u32, usize)> = Vec::new();
    for (at, slot) in matches.iter_mut().enumerate() {
        let Some(one) = slot else { continue };
        if !matches!(one.op, RelOp::Eq | RelOp::Implicit) {
            continue;
        }
        let Some(value) = one.right.value() else { continue };
        match &one.left.kind {
            Kind::Meta(meta::Key::Protocol, None)
                if ((family, value) == (Family::Ip, 0x0800) || (family, value) == (Family::Ip6, 0x86dd))
                    && !(last && at + 1 == count) =>
            {
                *slot = None;
            }
            Kind::Payload(payload) if payload.inner.is_none() && !is_flags(one.op, &one.right) => {
                payloads.push((payload.base, payload.offset, at));
            }
            _ => {}
        }
    }
    payloads.sort_by_key(|(base, offset, _)| (*base, *offset));
    let mut last: Option<usize> = None;
    for (_, _, at) in payloads {
        let Some(before) = last.replace(at) else { continue };
        let (Some(first), Some(second)) = (&matches[before], &matches[at]) else { continue };
        if !can_merge(first, second) {
            continue;
        }
        let protocol = is_protocol(second);
        let merged = merge(first, second);
        if protocol {
            // What tells the protocol must stay where it stands, before what depends on it
            matches[at] = None;
            matches[before] = Some(merged);
            last = Some(before);
            if at < before {
                matches.swap(at, before);
                last = Some(at);
            }
        } else {
            matches[before] = None;
            matches[at] = Some(merged);
        }
    }
    matches.into_iter().flatten().collect()
}

/// Whether a match asks for any of some flags.
pub(super) fn is_flags(op: RelOp, right: &Typed) -> bool {
    op == RelOp::Implicit && right.shape.datatype.is_bitmask() && right.shape.datatype != Type::Bitmask
}

fn is_protocol(one: &Match) -> bool {
    match &one.left.kind {
        Kind::Payload(Payload { field: Some((proto, field)), .. }) => proto.header().key == Some(field),
        _ => false,
    }
}

fn can_merge(first: &Match, second: &Match) -> bool {
    let (Kind::Payload(a), Kind::Payload(b)) = (&first.left.kind, &second.left.kind) else { return false };
    let (a_bits, b_bits) = (first.left.shape.bits, second.left.shape.bits);
    if a.base != b.base
        || a.offset.checked_add(a_bits) != Some(b.offset)
        || (a.offset | a_bits | b.offset | b_bits) % 8 != 0
        || a_bits + b_bits > 128
    {
        return false;
    }
    // The kernel is faster with loads of up to 4 bytes of these headers
    !matches!(a.base, Base::Network | Base::Transport) || a_bits + b_bits <= 32 || a_bits > 32 || b_bits > 32
}

fn merge(first: &Match, second: &Match) -> Match {
    let bits = first.left.shape.bits + second.left.shape.bits;
    let shape = Shape::new(Type::Integer, bits, Order::Big);
    let (high, low) = (first.right.value().unwrap_or(0), second.right.value().unwrap_or(0));
    let kind = match &first.left.kind {
        Kind::Payload(payload) => Kind::Payload(Payload { field: None, ..*payload }),
        other => other.clone(),
    };
    Match {
        left: Typed::new(kind, shape).at(first.left.span),
        op: RelOp::Eq,
        right: Typed::number((high << second.left.shape.bits) | low, shape).at(first.right.span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Proto;

    fn equal(proto: Proto, name: &'static str, value: u128) -> Match {
        let field = proto.field(name).expect("a field of the tables");
        let shape = Shape::new(field.datatype, field.bits, Order::Big);
        let payload = Payload {
            base: proto.header().base,
            offset: field.offset,
            field: Some((proto, field.name)),
            inner: None,
        };
        let left = Typed::new(Kind::Payload(payload), shape);
        Match { left, op: RelOp::Eq, right: Typed::number(value, shape) }
    }

    fn loads(matches: &[Match]) -> Vec<(u32, Option<u128>)> {
        matches.iter().map(|one| (one.left.shape.bits, one.right.value())).collect()
    }

    #[test]
    fn ports_side_by_side_are_one_load() {
        // nft 1.0.6 --debug=netlink: payload load 4b @ transport header + 0, cmp eq 0x04000016
        let both = vec![equal(Proto::Tcp, "dport", 22), equal(Proto::Tcp, "sport", 1024)];
        assert_eq!(loads(&reduce(both, Family::Ip, true)), [(32, Some(0x0400_0016))]);
    }

    #[test]
    fn addresses_are_not_merged_beyond_what_the_kernel_loads_fast() {
        let both = vec![equal(Proto::Ip, "saddr", 1), equal(Proto::Ip, "daddr", 2)];
        assert_eq!(loads(&reduce(both, Family::Ip, true)), [(32, Some(1)), (32, Some(2))]);
        let both = vec![equal(Proto::Ether, "daddr", 1), equal(Proto::Ether, "saddr", 2)];
        assert_eq!(loads(&reduce(both, Family::Bridge, true)), [(96, Some(1 << 48 | 2))]);
    }

    #[test]
    fn what_tells_the_protocol_keeps_its_place() {
        let apart = equal(Proto::Ip, "ttl", 64);
        let rule = vec![equal(Proto::Ether, "type", 0x0800), apart, equal(Proto::Ether, "saddr", 2)];
        let reduced = reduce(rule, Family::Bridge, true);
        assert_eq!(loads(&reduced), [(64, Some(2 << 16 | 0x0800)), (8, Some(64))]);
    }
}
