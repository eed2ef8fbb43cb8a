//! Expressions that fill registers.

use ironweir_expr::{Expr, Register, bitwise, byteorder, ct, exthdr, inner, meta, payload};

use super::Raise;
use crate::datatype::{Datum, Order, Type};
use crate::expr::ct::ct_shape;
use crate::expr::meta::meta_shape;
use crate::expr::registry::raise_selector;
use crate::proto::Proto;
use crate::typed::{BinaryOp, Exthdr, Kind, Payload, Shape, Typed};

/// Bits of so many bytes. No packet has more than 65535, and bounded numbers add up without overflow.
fn bits(bytes: u32) -> u32 {
    bytes.min(0xffff) * 8
}

fn payload_typed(load: &payload::Load, inner: Option<Proto>) -> Typed {
    let kind = Kind::Payload(Payload { base: load.base, offset: bits(load.offset), field: None, inner });
    Typed::new(kind, Shape::new(Type::Integer, bits(load.len), Order::Big))
}

/// Which tunnel an `inner` expression looks into.
fn tunnel_of(inner: &inner::Inner) -> Proto {
    match inner.kind {
        inner::Kind::Vxlan => Proto::Vxlan,
        inner::Kind::Geneve => Proto::Geneve,
        inner::Kind::Gretap => Proto::Gretap,
        inner::Kind::Gre | inner::Kind::Unspecified => Proto::Gre,
    }
}

impl Raise<'_> {
    pub(super) fn payload(&mut self, load: &payload::Load) {
        self.registers.set(load.destination, payload_typed(load, None));
    }

    pub(super) fn meta(&mut self, load: &meta::Get) {
        let typed = Typed::new(Kind::Meta(load.key, None), meta_shape(load.key));
        self.registers.set(load.destination, typed);
    }

    pub(super) fn inner(&mut self, load: &inner::Inner) {
        let tunnel = tunnel_of(load);
        match load.expr.known() {
            Expr::PayloadLoad(load) => {
                self.registers.set(load.destination, payload_typed(load, Some(tunnel)));
            }
            Expr::MetaGet(load) => {
                let typed = Typed::new(Kind::Meta(load.key, Some(tunnel)), meta_shape(load.key));
                self.registers.set(load.destination, typed);
            }
            _ => {}
        }
    }

    pub(super) fn ct(&mut self, load: &ct::Get) {
        let mut shape = ct_shape(load.key);
        if matches!(load.key, ct::Key::Src | ct::Key::Dst) {
            let v6 = self.network_is_ip6();
            shape = Shape::of(if v6 { Type::Ipv6Addr } else { Type::Ipv4Addr });
        }
        self.registers.set(load.destination, Typed::new(Kind::Ct(load.key, load.direction), shape));
    }

    /// False for what only writes.
    pub(super) fn exthdr(&mut self, expr: &exthdr::Exthdr) -> bool {
        let (destination, present) = match expr.action {
            exthdr::Action::Load(destination) => (destination, false),
            exthdr::Action::Present(destination) => (destination, true),
            exthdr::Action::Write(_) | exthdr::Action::Strip => return false,
        };
        let kind = Kind::Exthdr(Exthdr {
            kind: expr.kind,
            header: expr.header,
            name: None,
            offset: bits(expr.offset),
            field: None,
            present,
        });
        let shape = match present {
            true => Shape::of(Type::Boolean),
            false => Shape::new(Type::Integer, bits(expr.len), Order::Big),
        };
        self.registers.set(destination, Typed::new(kind, shape));
        true
    }

    /// A selector; false for what is none.
    pub(super) fn selector(&mut self, expr: &Expr) -> bool {
        let Some((register, typed)) = raise_selector(expr, self) else { return false };
        self.registers.set(register, typed);
        true
    }

    /// What registers hold that a load reads, as fields.
    pub(crate) fn loaded_words(&mut self, register: Register, words: u32) -> Typed {
        let typed = self.registers.take(register, words);
        self.resolved(typed)
    }

    pub(super) fn bitwise(&mut self, bitwise: &bitwise::Bitwise) {
        let left = match self.registers.immediate(bitwise.source) {
            Some(value) => {
                let shape = Shape::new(Type::Integer, bits(value.len() as u32), Order::Host);
                super::value::typed_constant(value, &[shape])
            }
            None => self.registers.take(bitwise.source, 0),
        };
        let mut shape = left.shape;
        if shape.bits < bits(bitwise.len) {
            // A number in a wider register, as a field that is written to a mark.
            shape = Shape { bits: bits(bitwise.len), order: Order::Host, ..shape };
        }
        let constant = |bytes: &[u8]| super::value::typed_constant(bytes, &[shape]);
        let binary =
            |op, left: Typed, right: Typed| Typed::new(Kind::Binary(op, left.into(), right.into()), shape);
        let shift = |by: &u32| Typed::number(u128::from(*by), Shape::new(Type::Integer, 32, Order::Host));
        let typed = match &bitwise.op {
            bitwise::Op::MaskXor { mask, xor } => {
                super::mask::mask_xor(left, constant(mask), constant(xor), shape)
            }
            bitwise::Op::Lshift(by) => binary(BinaryOp::Lshift, left, shift(by)),
            bitwise::Op::Rshift(by) => binary(BinaryOp::Rshift, left, shift(by)),
            bitwise::Op::And(operand) => binary(BinaryOp::And, left, self.operand_of(operand, shape)),
            bitwise::Op::Or(operand) => binary(BinaryOp::Or, left, self.operand_of(operand, shape)),
            bitwise::Op::Xor(operand) => binary(BinaryOp::Xor, left, self.operand_of(operand, shape)),
        };
        self.registers.set(bitwise.destination, typed);
    }

    fn operand_of(&self, operand: &bitwise::Operand, shape: Shape) -> Typed {
        match operand {
            bitwise::Operand::Register(register) => match self.registers.immediate(*register) {
                Some(value) => super::value::typed_constant(value, &[shape]),
                None => self.registers.take(*register, 0),
            },
            bitwise::Operand::Value(value) => super::value::typed_constant(value, &[shape]),
        }
    }

    /// A change of byte order is not listed: from then on the register is in the other order.
    pub(super) fn byteorder(&mut self, byteorder: &byteorder::Byteorder) {
        let order = match byteorder.op {
            byteorder::Op::Ntoh => Order::Host,
            byteorder::Op::Hton => Order::Big,
        };
        let mut typed = self.registers.take(byteorder.source, 0);
        reorder(&mut typed, order);
        self.registers.set(byteorder.destination, typed);
    }

    fn network_is_ip6(&self) -> bool {
        self.protocols.at(payload::Base::Network) == Some(Proto::Ip6)
    }
}

/// The value is in another order now, constants inside included: their numbers stay.
fn reorder(typed: &mut Typed, order: Order) {
    typed.shape.order = order;
    if let Kind::Binary(op, left, right) = &mut typed.kind {
        reorder(left, order);
        if !matches!(op, BinaryOp::Lshift | BinaryOp::Rshift) {
            reorder(right, order);
        }
    }
}

/// The number of a constant.
pub(super) fn number(typed: &Typed) -> Option<u128> {
    match &typed.kind {
        Kind::Value(Datum::Number(number)) => Some(*number),
        _ => None,
    }
}
