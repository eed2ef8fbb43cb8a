//! `bitwise`: and/xor with constants, shifts, and and/or/xor of two registers (`nft_bitwise.c`).

use std::fmt;

use crate::text::Orders;
use crate::validate::{ExprError, length, register, when};
use crate::{Outcome, Register, Registers, Value};

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

impl Bitwise {
    /// Computes the destination. Works on a copy of the operand, so that source and destination may overlap.
    pub(crate) fn eval(&self, registers: &mut Registers) -> Outcome {
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

impl Bitwise {
    pub(crate) fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
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
}

impl Bitwise {
    pub(crate) fn validate(&self) -> Result<(), ExprError> {
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
}
