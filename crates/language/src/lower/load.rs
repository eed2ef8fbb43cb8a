//! Loading expressions into registers.

use ironweir_expr as x;
use ironweir_expr::{Expr, Register, Value};

use super::Lower;
use super::constant::constant_bytes;
use crate::datatype::Order;
use crate::diag::{Diagnostic, Parsed};
use crate::typed::{BinaryOp, Exthdr, Kind, Payload, Typed, inner_of};

impl Lower<'_> {
    /// Loads an expression into a register that was allocated for it.
    ///
    /// # Errors
    /// Where it is nothing that can be loaded, or registers run out.
    pub fn load_into(&mut self, typed: &Typed, destination: Register) -> Parsed<()> {
        let shape = typed.shape;
        let bytes = shape.bytes() as u32;
        let expr = match &typed.kind {
            Kind::Value(_) => {
                let value = constant_bytes(typed).unwrap_or_else(|| Value::new(&[]));
                Expr::Immediate(x::immediate::Immediate::Value { destination, value })
            }
            Kind::Payload(payload) => return self.load_payload(payload, bytes, destination),
            Kind::Exthdr(exthdr) => Expr::Exthdr(load_exthdr(exthdr, bytes, destination)),
            Kind::Meta(key, tunnel) => {
                let get = Expr::MetaGet(x::meta::Get { key: *key, destination });
                match tunnel {
                    None => get,
                    Some(tunnel) => inside(*tunnel, get),
                }
            }
            Kind::Ct(key, direction) => {
                Expr::CtGet(x::ct::Get { key: *key, direction: *direction, destination })
            }
            Kind::Swap(operand) => {
                self.load_into(operand, destination)?;
                let op = if operand.shape.order == Order::Host {
                    x::byteorder::Op::Hton
                } else {
                    x::byteorder::Op::Ntoh
                };
                let size = match bytes {
                    8 => 8,
                    n if n % 4 == 0 => 4,
                    _ => 2,
                };
                Expr::Byteorder(x::byteorder::Byteorder {
                    source: destination,
                    destination,
                    op,
                    len: bytes,
                    size,
                })
            }
            Kind::Binary(op, left, right) => return self.load_binary(*op, left, right, typed, destination),
            Kind::Concat(parts) => {
                let mut word = destination.offset() as u32 / 4;
                for part in parts {
                    let register = Register::at_word(word).ok_or_else(|| {
                        Diagnostic::error(part.span, "the concatenation needs too many registers")
                    })?;
                    self.load_into(part, register)?;
                    word += part.shape.words();
                }
                return Ok(());
            }
            Kind::Map(key, map) => return self.load_map(key, map, typed, destination),
            kind => match kind.load_selector(self, destination, typed.span) {
                Some(code) => code?,
                None => return Err(Diagnostic::error(typed.span, "this cannot be computed for a packet")),
            },
        };
        self.emit(expr);
        Ok(())
    }

    fn load_payload(&mut self, payload: &Payload, len: u32, destination: Register) -> Parsed<()> {
        let load = Expr::PayloadLoad(x::payload::Load {
            base: payload.base,
            offset: payload.offset / 8,
            len,
            destination,
        });
        self.emit(match payload.inner {
            None => load,
            Some(tunnel) => inside(tunnel, load),
        });
        Ok(())
    }

    fn load_binary(
        &mut self,
        op: BinaryOp,
        left: &Typed,
        right: &Typed,
        whole: &Typed,
        destination: Register,
    ) -> Parsed<()> {
        use x::bitwise::{Bitwise, Op, Operand};
        let len = whole.shape.bytes() as u32;
        let bitwise = |op| Expr::Bitwise(Bitwise { source: destination, destination, len, op });
        if let BinaryOp::Lshift | BinaryOp::Rshift = op {
            let bits = right.value().and_then(|bits| u32::try_from(bits).ok()).unwrap_or(0);
            self.load_into(left, destination)?;
            self.emit(bitwise(if op == BinaryOp::Lshift { Op::Lshift(bits) } else { Op::Rshift(bits) }));
            return Ok(());
        }
        if right.value().is_none() {
            self.load_into(left, destination)?;
            let mark = self.mark();
            let register = self.allocate(right.words(), right.span)?;
            self.load_into(right, register)?;
            self.release(mark);
            let operand = Operand::Register(register);
            self.emit(bitwise(match op {
                BinaryOp::And => Op::And(operand),
                BinaryOp::Or => Op::Or(operand),
                _ => Op::Xor(operand),
            }));
            return Ok(());
        }
        // Operations with constants in a row are one mask and one xor
        let mut chain = vec![(op, right)];
        let mut innermost = left;
        while let Kind::Binary(op @ (BinaryOp::And | BinaryOp::Or | BinaryOp::Xor), left, right) =
            &innermost.kind
            && right.value().is_some()
        {
            chain.push((*op, right));
            innermost = left;
        }
        self.load_into(innermost, destination)?;
        let mut mask = crate::resolve::ones(whole.shape.bits);
        let mut xor = 0;
        for (op, constant) in chain.iter().rev() {
            let value = constant.value().unwrap_or(0);
            match op {
                BinaryOp::And => (mask, xor) = (mask & value, xor & value),
                BinaryOp::Or => (mask, xor) = (mask & !value, xor | value),
                _ => xor ^= value,
            }
        }
        let bytes =
            |value| constant_bytes(&Typed::number(value, whole.shape)).unwrap_or_else(|| Value::new(&[]));
        self.emit(bitwise(Op::MaskXor { mask: bytes(mask), xor: bytes(xor) }));
        Ok(())
    }

    fn load_map(&mut self, key: &Typed, map: &Typed, whole: &Typed, destination: Register) -> Parsed<()> {
        let mark = self.mark();
        // Key and data share registers, as nft lays them
        let key_words = key.words();
        self.release(destination.offset() as u32 / 4);
        let source = self.allocate(key_words, whole.span)?;
        let (set, key) = self.map_reference(key, map)?;
        self.load_into(&key, source)?;
        self.release(mark);
        self.emit(Expr::Lookup(x::lookup::Lookup {
            set,
            source,
            result: x::lookup::Outcome::Load(destination),
        }));
        Ok(())
    }
}

fn inside(tunnel: crate::proto::Proto, expr: Expr) -> Expr {
    match inner_of(tunnel) {
        None => expr,
        Some((kind, header_size, flags)) => {
            Expr::Inner(x::inner::Inner { kind, header_size, flags, expr: Box::new(expr) })
        }
    }
}

fn load_exthdr(exthdr: &Exthdr, len: u32, destination: Register) -> x::exthdr::Exthdr {
    x::exthdr::Exthdr {
        kind: exthdr.kind,
        header: exthdr.header,
        offset: exthdr.offset / 8,
        len,
        action: if exthdr.present {
            x::exthdr::Action::Present(destination)
        } else {
            x::exthdr::Action::Load(destination)
        },
    }
}
