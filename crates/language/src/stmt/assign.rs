//! Assignments: `meta mark set 1`, `ct mark set meta mark`, `ip dscp set cs1`, `tcp option maxseg size set rt mtu`.

use ironweir_expr::bitwise::{self, Bitwise};
use ironweir_expr::payload::{self, Base, Checksum, ChecksumKind};
use ironweir_expr::{Expr as Code, Register, Value, ct, exthdr, meta};
use serde_json::json;

use super::registry::Statement;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::ct::ct_shape;
use crate::expr::meta::meta_shape;
use crate::expr::{Expr, ExprKind};
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::print::{Options, Printer};
use crate::proto::{Field, Proto};
use crate::raise::Raise;
use crate::resolve::ones;
use crate::source::Span;
use crate::typed::{BinaryOp, Exthdr, Kind, Payload, Shape, Typed};

/// `TARGET set VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// What is written: a meta or ct key, a header field, a field of an option.
    pub target: Expr,
    /// What is written there.
    pub value: Expr,
}

impl Assign {
    fn lower_value(&self, to: &mut Lower<'_>, shape: Shape) -> Parsed<Register> {
        let value = to.argument(&self.value, shape)?;
        load_wide(to, &value)
    }

    /// Whole bytes are written as they are. Of other fields the bytes around them are read, changed and written back
    /// (`stmt_evaluate_payload`); the kernel wants an even number of bytes at an even place where it mends a checksum.
    fn lower_payload(&self, to: &mut Lower<'_>, payload: Payload, shape: Shape) -> Parsed<()> {
        let checksum = checksum(&payload);
        // IPv6 has none of its own, though its addresses are part of others
        let own = payload.field.is_some_and(|(proto, _)| proto.header().checksum.is_some());
        let even = own || payload.base == Base::Inner;
        let field = Bits { offset: payload.offset, bits: shape.bits };
        let (offset, len) = field.bytes(even);
        let source;
        if (payload.offset, shape.bits) == (offset * 8, len * 8) {
            let value = to.argument(&self.value, shape)?;
            source = load_wide(to, &value)?;
        } else {
            let (keep, set) = self.patch(to, shape)?;
            source = to.allocate(len.div_ceil(4), self.value.span)?;
            let shift = len * 8 + offset * 8 - payload.offset - shape.bits;
            let mask = ones(len * 8) ^ ((ones(shape.bits) ^ keep) << shift);
            to.emit(Code::PayloadLoad(payload::Load {
                base: payload.base,
                offset,
                len,
                destination: source,
            }));
            to.emit(Code::Bitwise(Bitwise {
                source,
                destination: source,
                len,
                op: bitwise::Op::MaskXor { mask: big_endian(mask, len), xor: big_endian(set << shift, len) },
            }));
        }
        to.emit(Code::PayloadWrite(payload::Write { base: payload.base, offset, len, source, checksum }));
        Ok(())
    }

    /// A value as bits of the field that stay and bits that are flipped then: `x` is `(field & 0) ^ x`, `field | x` is
    /// `(field & ~x) ^ x`. `None` where it is not made of the field and constants.
    fn patch(&self, to: &mut Lower<'_>, shape: Shape) -> Parsed<(u128, u128)> {
        match self.own_change(&self.value, to, shape)? {
            Some(patch) => Ok(patch),
            None => {
                let value = to.argument(&self.value, shape)?.value().ok_or_else(|| self.not_constant())?;
                Ok((0, value))
            }
        }
    }

    fn own_change(&self, value: &Expr, to: &mut Lower<'_>, shape: Shape) -> Parsed<Option<(u128, u128)>> {
        if *value == self.target {
            return Ok(Some((ones(shape.bits), 0)));
        }
        let ExprKind::Binary(binary) = &value.kind else { return Ok(None) };
        if matches!(binary.op, BinaryOp::Lshift | BinaryOp::Rshift) {
            return Ok(None);
        }
        let Some((keep, flip)) = self.own_change(&binary.left, to, shape)? else { return Ok(None) };
        let operand = to.argument(&binary.right, shape)?.value().ok_or_else(|| self.not_constant())?;
        Ok(Some(match binary.op {
            BinaryOp::And => (keep & operand, flip & operand),
            BinaryOp::Or => (keep & !operand, flip & !operand | operand),
            _ => (keep, flip ^ operand),
        }))
    }

    // DIVERGES: nft takes any load here and combines it with the bytes around the field in a second register.
    fn not_constant(&self) -> Box<Diagnostic> {
        let message = "only a constant, or the field itself changed by a constant, can be written here";
        Diagnostic::error(self.value.span, message)
    }
}

/// Keys that the kernel lets rules write (`nft_meta_set_init`).
const SETTABLE_META: [meta::Key; 6] = [
    meta::Key::Mark,
    meta::Key::Priority,
    meta::Key::Nftrace,
    meta::Key::Pkttype,
    meta::Key::Secmark,
    meta::Key::BriBroute,
];

/// Keys that the kernel lets rules write (`nft_ct_set_init`).
const SETTABLE_CT: [ct::Key; 5] =
    [ct::Key::Mark, ct::Key::Zone, ct::Key::Labels, ct::Key::EventMask, ct::Key::Secmark];

/// Bits of a packet.
#[derive(Clone, Copy)]
struct Bits {
    offset: u32,
    bits: u32,
}

impl Bits {
    /// First byte and number of bytes to be written.
    fn bytes(self, even: bool) -> (u32, u32) {
        let first = self.offset / 8;
        let len = (self.offset % 8 + self.bits).div_ceil(8);
        match (even && len % 2 == 1, first % 2 == 1) {
            (false, _) => (first, len),
            (true, true) => (first - 1, len + 1),
            (true, false) => (first, len + 1),
        }
    }
}

/// Loads into a register of four words, whatever the value's width.
fn load_wide(to: &mut Lower<'_>, value: &Typed) -> Parsed<Register> {
    let register = to.allocate(value.words().max(4), value.span)?;
    to.load_into(value, register)?;
    Ok(register)
}

fn big_endian(value: u128, len: u32) -> Value {
    let bytes = value.to_be_bytes();
    let skip = bytes.len().saturating_sub(len as usize);
    Value::new(&bytes[skip..])
}

/// Which checksum a write mends (`netlink_gen_payload_stmt`). UDP's is left to the kernel's update by pseudo header,
/// since a datagram without one must stay so.
fn checksum(payload: &Payload) -> Checksum {
    let none = Checksum::default();
    let by_pseudo_header = Checksum { pseudo_header: true, ..none };
    let Some((proto, name)) = payload.field else {
        return if payload.base == Base::Inner { by_pseudo_header } else { none };
    };
    if matches!(proto, Proto::Udp | Proto::Udplite) || payload.base == Base::Inner {
        return by_pseudo_header;
    }
    let covered = match proto {
        Proto::Ip => matches!(name, "saddr" | "daddr" | "protocol" | "length"),
        Proto::Ip6 => matches!(name, "saddr" | "daddr" | "nexthdr" | "length"),
        _ => false,
    };
    let kind = if proto == Proto::Sctp { ChecksumKind::Sctp } else { ChecksumKind::Inet };
    match proto.header().checksum.and_then(|name| proto.field(name)) {
        Some(field) => Checksum { kind, offset: field.offset / 8, pseudo_header: covered },
        None => Checksum { pseudo_header: covered, ..none },
    }
}

impl Assign {
    pub(crate) fn raise_meta(set: &meta::Set, from: &mut Raise<'_>) -> Assign {
        let target = Typed::new(Kind::Meta(set.key, None), meta_shape(set.key));
        Assign::raise(target, set.source, from)
    }

    pub(crate) fn raise_ct(set: &ct::Set, from: &mut Raise<'_>) -> Assign {
        let target = Typed::new(Kind::Ct(set.key, set.direction), ct_shape(set.key));
        let mut assign = Assign::raise(target, set.source, from);
        if set.key == ct::Key::EventMask {
            // Events are listed with commas
            assign.value = assign.value.flag_list();
        }
        assign
    }

    pub(crate) fn raise_exthdr(expr: &exthdr::Exthdr, source: Register, from: &mut Raise<'_>) -> Assign {
        let kind = Kind::Exthdr(Exthdr {
            kind: expr.kind,
            header: expr.header,
            name: None,
            offset: expr.offset.saturating_mul(8),
            field: None,
            present: false,
        });
        let bits = expr.len.saturating_mul(8);
        let target = from.resolved(Typed::new(kind, Shape::new(Type::Integer, bits, Order::Big)));
        Assign::raise(target, source, from)
    }

    fn raise(target: Typed, source: Register, from: &mut Raise<'_>) -> Assign {
        let value = from.operand(source, target.shape);
        Assign { target: from.syntax(&target), value }
    }

    /// A write of bytes that were read before shows the field whose bits it changes.
    pub(crate) fn raise_payload(write: &payload::Write, from: &mut Raise<'_>) -> Assign {
        let (offset, bits) = (write.offset.saturating_mul(8), write.len.saturating_mul(8));
        let patched =
            from.loaded(write.source).and_then(|typed| read_patch(&typed, write.base, offset, bits));
        let Some((keep, flip)) = patched else {
            let target = payload_typed(write.base, offset, bits, from);
            return Assign::raise(target, write.source, from);
        };
        let changed = (ones(bits) ^ keep) | flip;
        let target = narrowest(write.base, offset, bits, changed, from);
        let Kind::Payload(place) = &target.kind else {
            return Assign::raise(target, write.source, from);
        };
        let shift = (offset + bits).saturating_sub(place.offset + target.shape.bits);
        let all = ones(target.shape.bits);
        let (keep, flip) = ((keep >> shift) & all, (flip >> shift) & all);
        let constant = |number| Typed::number(number, target.shape);
        let operation = |op, number| {
            let kind = Kind::Binary(op, target.clone().into(), constant(number).into());
            Typed::new(kind, target.shape)
        };
        let value = match (keep, flip) {
            (0, flip) => constant(flip),
            (keep, 0) => operation(BinaryOp::And, keep),
            (keep, flip) if keep == all ^ flip => operation(BinaryOp::Or, flip),
            (_, flip) => operation(BinaryOp::Xor, flip),
        };
        Assign { target: from.syntax(&target), value: from.syntax(&value) }
    }
}

/// The bits of a load that stay and those that are flipped, out of what was done to it.
fn read_patch(typed: &Typed, base: Base, offset: u32, bits: u32) -> Option<(u128, u128)> {
    match &typed.kind {
        Kind::Payload(payload) => {
            let same = (payload.base, payload.offset, typed.shape.bits) == (base, offset, bits);
            (same && bits <= 128).then_some((ones(bits), 0))
        }
        Kind::Binary(op, left, right) => {
            let (keep, flip) = read_patch(left, base, offset, bits)?;
            let operand = right.value()?;
            match op {
                BinaryOp::And => Some((keep & operand, flip & operand)),
                BinaryOp::Or => Some((keep & !operand, flip & !operand | operand)),
                BinaryOp::Xor => Some((keep, flip ^ operand)),
                BinaryOp::Lshift | BinaryOp::Rshift => None,
            }
        }
        _ => None,
    }
}

fn payload_typed(base: Base, offset: u32, bits: u32, from: &mut Raise<'_>) -> Typed {
    let kind = Kind::Payload(Payload { base, offset, field: None, inner: None });
    from.resolved(Typed::new(kind, Shape::new(Type::Integer, bits, Order::Big)))
}

/// The narrowest field of the known protocol that holds all changed bits of the written bytes, else these bits.
fn narrowest(base: Base, offset: u32, bits: u32, changed: u128, from: &mut Raise<'_>) -> Typed {
    let stacked = from.protocols.stacked_bits(None);
    let fields = from.protocols.at(base).map_or(&[][..], |proto| proto.header().fields);
    let inside = |field: &&Field| {
        let first = field.offset + if base == Base::Link { stacked } else { 0 };
        first >= offset && first + field.bits <= offset + bits && {
            let mask = ones(field.bits) << (offset + bits - first - field.bits);
            changed & !mask == 0
        }
    };
    match fields.iter().filter(inside).min_by_key(|field| field.bits) {
        Some(field) => {
            let first = field.offset + if base == Base::Link { stacked } else { 0 };
            payload_typed(base, first, field.bits, from)
        }
        None => {
            let skip = (changed << (128 - bits.clamp(1, 128))).leading_zeros().min(bits);
            let len = bits - skip - changed.trailing_zeros().min(bits - skip);
            payload_typed(base, offset + skip, len.max(1), from)
        }
    }
}

impl Statement for Assign {
    const JSON: &'static str = "mangle";

    fn print(&self, out: &mut Printer) {
        self.target.print(out);
        out.text(" set ");
        self.value.print(out);
    }

    fn to_json(&self, options: &Options) -> serde_json::Value {
        json!({ "mangle": { "key": self.target.to_json(options), "value": self.value.to_json(options) } })
    }

    /// `key` and `value`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Assign> {
        let target = Expr::from_json(inside.need("key")?)?;
        Ok(Assign { target, value: Expr::from_json(inside.need("value")?)? })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let target = to.resolve_target(&self.target)?;
        match target.kind {
            Kind::Meta(key, None) if SETTABLE_META.contains(&key) => {
                let source = self.lower_value(to, target.shape)?;
                to.emit(Code::MetaSet(meta::Set { key, source }));
            }
            Kind::Ct(key, direction) if SETTABLE_CT.contains(&key) => {
                let source = self.lower_value(to, target.shape)?;
                to.emit(Code::CtSet(ct::Set { key, direction, source }));
            }
            Kind::Exthdr(option) if option.kind == exthdr::Kind::Tcpopt && !option.present => {
                let source = self.lower_value(to, target.shape)?;
                to.emit(Code::Exthdr(exthdr::Exthdr {
                    kind: option.kind,
                    header: option.header,
                    offset: option.offset / 8,
                    len: target.shape.bytes() as u32,
                    action: exthdr::Action::Write(source),
                }));
            }
            Kind::Payload(payload) if payload.inner.is_none() => {
                self.lower_payload(to, payload, target.shape)?
            }
            _ => return Err(Diagnostic::error(self.target.span.to(span), "this cannot be set")),
        }
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Assign> {
        Some(match code {
            Code::MetaSet(set) => Assign::raise_meta(set, from),
            Code::CtSet(set) => Assign::raise_ct(set, from),
            Code::PayloadWrite(write) => Assign::raise_payload(write, from),
            Code::Exthdr(exthdr) => match exthdr.action {
                exthdr::Action::Write(source) => Assign::raise_exthdr(exthdr, source, from),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn writes(&self) -> Parts {
        match &self.target.kind {
            ExprKind::Meta(_) => Parts::META,
            ExprKind::Ct(_) => Parts::CONNECTION,
            ExprKind::Payload(_) | ExprKind::RawPayload(_) | ExprKind::TcpOption(_) => Parts::PACKET,
            _ => Parts::all(),
        }
    }
}
