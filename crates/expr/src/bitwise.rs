//! `bitwise`: and/xor with constants, shifts, and and/or/xor of two registers (`nft_bitwise.c`).

use crate::{Register, Value};

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
