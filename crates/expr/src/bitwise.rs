//! `bitwise`: and/xor with constants, shifts, and and/or/xor of two registers (`nft_bitwise.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::netlink::put_value;
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, length, register, when};
use crate::{Env, Outcome, Register, Registers, Value};

/// Computes `destination` from `source`, `len` bytes wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitwise {
    /// Where the (first) operand lies.
    pub source: Register,
    /// Where the result goes.
    pub destination: Register,
    /// Bytes of operand and result.
    pub len: u32,
    /// What is computed.
    pub op: Op,
}

/// `enum nft_bitwise_ops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `(source & mask) ^ xor` (`NFT_BITWISE_MASK_XOR`).
    MaskXor {
        /// `NFTA_BITWISE_MASK`, `len` bytes.
        mask: Value,
        /// `NFTA_BITWISE_XOR`, `len` bytes.
        xor: Value,
    },
    /// `source << bits` (`NFT_BITWISE_LSHIFT`), on 32-bit host words.
    Lshift(u32),
    /// `source >> bits` (`NFT_BITWISE_RSHIFT`).
    Rshift(u32),
    /// `source & operand` (`NFT_BITWISE_AND`).
    And(Operand),
    /// `source | operand` (`NFT_BITWISE_OR`).
    Or(Operand),
    /// `source ^ operand` (`NFT_BITWISE_XOR`).
    Xor(Operand),
}

/// The second operand of a boolean operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Another register (`NFTA_BITWISE_SREG2`).
    Register(Register),
    /// A constant (`NFTA_BITWISE_DATA`).
    Value(Value),
}

impl Expression for Bitwise {
    const NAME: &'static str = "bitwise";
    const HIGHEST: u16 = SREG2;

    /// Computes the destination. Works on a copy of the operand, so that source and destination may overlap.
    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        let len = (self.len as usize).min(Register::BYTES).next_multiple_of(4);
        let mut bytes = [0; Register::BYTES];
        let bytes = &mut bytes[..len];
        copy(bytes, registers.get(self.source, len));
        match &self.op {
            Op::MaskXor { mask, xor } => {
                for (i, byte) in bytes.iter_mut().enumerate() {
                    *byte = (*byte & at(mask, i)) ^ at(xor, i);
                }
            }
            Op::Lshift(bits) => lshift(bytes, *bits),
            Op::Rshift(bits) => rshift(bytes, *bits),
            Op::And(operand) => combine(bytes, operand, registers, |a, b| a & b),
            Op::Or(operand) => combine(bytes, operand, registers, |a, b| a | b),
            Op::Xor(operand) => combine(bytes, operand, registers, |a, b| a ^ b),
        }
        registers.store(self.destination, bytes);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        write!(f, "bitwise reg {} = ( reg {} ", self.destination, self.source)?;
        let value = |value| orders.value(self.source, value);
        let (sign, operand) = match &self.op {
            Op::MaskXor { mask, xor } => return write!(f, "& {} ) ^ {}", value(mask), value(xor)),
            Op::Lshift(bits) => return write!(f, "<< 0x{bits:08x} )"),
            Op::Rshift(bits) => return write!(f, ">> 0x{bits:08x} )"),
            Op::And(operand) => ('&', operand),
            Op::Or(operand) => ('|', operand),
            Op::Xor(operand) => ('^', operand),
        };
        match operand {
            Operand::Register(register) => write!(f, "{sign} reg {register} )"),
            Operand::Value(operand) => write!(f, "{sign} {} )", value(operand)),
        }
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.source, self.len)?;
        register(self.destination, self.len)?;
        match &self.op {
            Op::MaskXor { mask, xor } => {
                length(mask, self.len)?;
                length(xor, self.len)
            }
            Op::Lshift(bits) | Op::Rshift(bits) => when(*bits >= 32, "a shift by 32 bits or more"),
            Op::And(operand) | Op::Or(operand) | Op::Xor(operand) => match operand {
                Operand::Register(second) => register(*second, self.len),
                Operand::Value(value) => length(value, self.len),
            },
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, SREG, self.source);
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(OP, self.op.number());
        writer.put_u32_be(LEN, self.len);
        match &self.op {
            Op::MaskXor { mask, xor } => {
                put_value(writer, MASK, mask);
                put_value(writer, XOR, xor);
            }
            // A shift's number of bits lies in host order, as if in a register.
            Op::Lshift(bits) | Op::Rshift(bits) => put_value(writer, DATA, &bits.to_ne_bytes()),
            Op::And(operand) | Op::Or(operand) | Op::Xor(operand) => match operand {
                Operand::Register(second) => put_register(writer, SREG2, *second),
                Operand::Value(value) => put_value(writer, DATA, value),
            },
        }
    }

    fn decode(given: &Given<'_>) -> Result<Bitwise, Fault> {
        let operand = || match given.register_option(SREG2)? {
            Some(second) => given.refuse(DATA).map(|()| Operand::Register(second)),
            None => given.value(DATA).map(Operand::Value),
        };
        let bits = || match given.value(DATA)?.as_slice().try_into() {
            Ok(bits) => Ok(u32::from_ne_bytes(bits)),
            Err(_) => Err(Fault::from(given.need(DATA)?.wrong_length())),
        };
        Ok(Bitwise {
            source: given.register(SREG)?,
            destination: given.register(DREG)?,
            len: given.u32(LEN)?,
            // Before Linux 5.6 there was one operation, and no attribute to name it.
            op: match given.u32_or_0(OP)? {
                0 => Op::MaskXor { mask: given.value(MASK)?, xor: given.value(XOR)? },
                1 => Op::Lshift(bits()?),
                2 => Op::Rshift(bits()?),
                3 => Op::And(operand()?),
                4 => Op::Or(operand()?),
                5 => Op::Xor(operand()?),
                _ => return Err(Fault::Newer),
            },
        })
    }
}

impl Op {
    /// Its number on the wire.
    fn number(&self) -> u32 {
        match self {
            Op::MaskXor { .. } => 0,
            Op::Lshift(_) => 1,
            Op::Rshift(_) => 2,
            Op::And(_) => 3,
            Op::Or(_) => 4,
            Op::Xor(_) => 5,
        }
    }
}

/// The byte of a constant, which is zero behind its end.
fn at(value: &[u8], index: usize) -> u8 {
    value.get(index).copied().unwrap_or(0)
}

fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

fn combine(bytes: &mut [u8], operand: &Operand, registers: &Registers, op: impl Fn(u8, u8) -> u8) {
    let other = match operand {
        Operand::Register(register) => registers.get(*register, bytes.len()),
        Operand::Value(value) => value,
    };
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = op(*byte, at(other, i));
    }
}

/// Shifts words of host order from the last to the first, each taking over what the one behind it lost
/// (`nft_bitwise_eval_lshift`).
fn lshift(bytes: &mut [u8], bits: u32) {
    let mut carry = 0;
    for chunk in bytes.chunks_exact_mut(4).rev() {
        let word = word(chunk);
        chunk.copy_from_slice(&(word.checked_shl(bits).unwrap_or(0) | carry).to_ne_bytes());
        carry = 32u32.checked_sub(bits).and_then(|back| word.checked_shr(back)).unwrap_or(0);
    }
}

/// The same from the first to the last (`nft_bitwise_eval_rshift`).
fn rshift(bytes: &mut [u8], bits: u32) {
    let mut carry = 0;
    for chunk in bytes.chunks_exact_mut(4) {
        let word = word(chunk);
        chunk.copy_from_slice(&(word.checked_shr(bits).unwrap_or(0) | carry).to_ne_bytes());
        carry = 32u32.checked_sub(bits).and_then(|back| word.checked_shl(back)).unwrap_or(0);
    }
}

fn word(chunk: &[u8]) -> u32 {
    chunk.try_into().map_or(0, u32::from_ne_bytes)
}

/// `NFTA_BITWISE_SREG`.
const SREG: u16 = 1;
/// `NFTA_BITWISE_DREG`.
const DREG: u16 = 2;
/// `NFTA_BITWISE_LEN`.
const LEN: u16 = 3;
/// `NFTA_BITWISE_MASK`.
const MASK: u16 = 4;
/// `NFTA_BITWISE_XOR`.
const XOR: u16 = 5;
/// `NFTA_BITWISE_OP`.
const OP: u16 = 6;
/// `NFTA_BITWISE_DATA`.
const DATA: u16 = 7;
/// `NFTA_BITWISE_SREG2`.
const SREG2: u16 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Family;
    use crate::testing::compute;

    fn run(op: Op, bytes: &[u8]) -> Vec<u8> {
        let mut registers = Registers::default();
        registers.store(Register::R1, bytes);
        let len = bytes.len() as u32;
        let expr = Bitwise { source: Register::R1, destination: Register::R2, len, op };
        assert_eq!(compute(&expr, &mut registers), Outcome::Next);
        registers.get(Register::R2, bytes.len()).to_vec()
    }

    /// Sixteen bytes as the number whose 32-bit words are of host order, the most significant word first.
    fn number(words: &[u8]) -> u128 {
        words.chunks(4).fold(0, |number, chunk| number << 32 | u128::from(word(chunk)))
    }

    fn bytes(number: u128) -> Vec<u8> {
        (0..4).rev().flat_map(|i| ((number >> (32 * i)) as u32).to_ne_bytes()).collect()
    }

    proptest! {
        #[test]
        fn shifts_are_those_of_a_number_of_all_words(value: u128, bits in 0u32..32) {
            prop_assert_eq!(number(&run(Op::Lshift(bits), &bytes(value))), value << bits);
            prop_assert_eq!(number(&run(Op::Rshift(bits), &bytes(value))), value >> bits);
        }

        #[test]
        fn boolean_operations_are_those_of_big_numbers(a: u128, b: u128, c: u128) {
            let value = |number: u128| Value::from(number.to_be_bytes());
            let got = |op| {
                let bytes = run(op, &a.to_be_bytes());
                u128::from_be_bytes(bytes.try_into().expect("16 bytes"))
            };
            prop_assert_eq!(got(Op::MaskXor { mask: value(b), xor: value(c) }), (a & b) ^ c);
            prop_assert_eq!(got(Op::And(Operand::Value(value(b)))), a & b);
            prop_assert_eq!(got(Op::Or(Operand::Value(value(b)))), a | b);
            prop_assert_eq!(got(Op::Xor(Operand::Value(value(b)))), a ^ b);
        }
    }

    #[test]
    fn a_second_register_is_an_operand() {
        let mut registers = Registers::default();
        registers.store(Register::R1, &[0b1100]);
        registers.store(Register::R2, &[0b1010]);
        let op = Op::Or(Operand::Register(Register::R2));
        let expr = Bitwise { source: Register::R1, destination: Register::R1, len: 1, op };
        assert_eq!(compute(&expr, &mut registers), Outcome::Next);
        assert_eq!(registers.get(Register::R1, 4), [0b1110, 0, 0, 0]);
    }

    #[test]
    fn shifts_by_a_word_and_masks_of_another_length_are_refused() {
        let ctx = ValidateCtx { family: Family::Ip, base: None };
        let expr = |op| Bitwise { source: Register::R1, destination: Register::R1, len: 4, op };
        assert!(expr(Op::Lshift(31)).validate(&ctx).is_ok());
        assert!(expr(Op::Lshift(32)).validate(&ctx).is_err());
        let (mask, xor) = (Value::zeroed(4), Value::zeroed(2));
        assert!(expr(Op::MaskXor { mask, xor }).validate(&ctx).is_err());
    }
}
