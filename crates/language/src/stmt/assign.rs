//! Assignments: `meta mark set 1`, `ct mark set meta mark`, `ip dscp set cs1`, `tcp option maxseg size set rt mtu`.

use ironweir_expr::bitwise::{self, Bitwise};
use ironweir_expr::payload::{self, Base, Checksum, ChecksumKind};
use ironweir_expr::{Expr as Code, Register, Value, ct, exthdr, meta};

use crate::diag::{Diagnostic, Parsed};
use crate::expr::binary::Binary;
use crate::expr::{Expr, ExprKind};
use crate::lower::Lower;
use crate::print::Printer;
use crate::proto::Proto;
use crate::resolve::ones;
use crate::source::Span;
use crate::typed::{BinaryOp, Kind, Payload, Shape, Typed};

/// `TARGET set VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// What is written: a meta or ct key, a header field, a field of an option.
    pub target: Expr,
    /// What is written there.
    pub value: Expr,
}

impl Assign {
    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        self.target.print(out);
        out.text(" set ");
        self.value.print(out);
    }
}

impl Assign {
    pub(crate) fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
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

    fn lower_value(&self, to: &mut Lower<'_>, shape: Shape) -> Parsed<Register> {
        let value = to.argument(&self.value, shape)?;
        load_wide(to, &value)
    }

    /// Whole bytes are written as they are. Of other fields the bytes around them are read, changed and written back
    /// (`stmt_evaluate_payload`); the kernel wants an even number of bytes at an even place where it mends a checksum.
    fn lower_payload(&self, to: &mut Lower<'_>, payload: Payload, shape: Shape) -> Parsed<()> {
        let checksum = checksum(&payload);
        let even = checksum.kind != ChecksumKind::None || checksum.pseudo_header;
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
    /// `(field & ~x) ^ x`.
    fn patch(&self, to: &mut Lower<'_>, shape: Shape) -> Parsed<(u128, u128)> {
        let all = ones(shape.bits);
        if let ExprKind::Binary(binary) = &self.value.kind
            && let Some((op, operand)) = self.own_change(binary)
        {
            let operand = to.argument(operand, shape)?.value().ok_or_else(|| self.not_constant())?;
            return Ok(match op {
                BinaryOp::And => (operand, 0),
                BinaryOp::Or => (all ^ operand, operand),
                _ => (all, operand),
            });
        }
        let value = to.argument(&self.value, shape)?.value().ok_or_else(|| self.not_constant())?;
        Ok((0, value))
    }

    /// `target | a | b`, which the parser read as `(target | a) | b`, is no change by one constant, but
    /// `target | (a | b)` is; nft reads the first as the second.
    fn own_change<'a>(&self, binary: &'a Binary) -> Option<(BinaryOp, &'a Expr)> {
        let plain = !matches!(binary.op, BinaryOp::Lshift | BinaryOp::Rshift);
        (plain && *binary.left == self.target).then_some((binary.op, &*binary.right))
    }

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
        Proto::Ip => matches!(name, "saddr" | "daddr" | "protocol"),
        Proto::Ip6 => matches!(name, "saddr" | "daddr" | "nexthdr"),
        _ => false,
    };
    let kind = if proto == Proto::Sctp { ChecksumKind::Sctp } else { ChecksumKind::Inet };
    match proto.header().checksum.and_then(|name| proto.field(name)) {
        Some(field) => Checksum { kind, offset: field.offset / 8, pseudo_header: covered },
        None => Checksum { pseudo_header: covered, ..none },
    }
}
