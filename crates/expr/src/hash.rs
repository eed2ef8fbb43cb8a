//! `hash`: a number out of a hash, for spreading load (`nft_hash.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;
use ironweir_wire::jhash::jhash;

use crate::given::{Fault, Given, put_register};
use crate::numgen::scale;
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, modulus, register};
use crate::{Env, Outcome, Register, Registers};

/// Loads `hash % modulus + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash {
    /// Of what.
    pub kind: Kind,
    /// Where the number goes.
    pub destination: Register,
    /// How many different numbers there are; at least 1.
    pub modulus: u32,
    /// The smallest of them.
    pub offset: u32,
}

/// `enum nft_hash_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bob Jenkins' hash of registers (`NFT_HASH_JENKINS`).
    Jenkins {
        /// Where the bytes lie.
        source: Register,
        /// How many there are.
        len: u32,
        /// Seed; `None` leaves its choice to the kernel (`NFTA_HASH_SEED` absent).
        seed: Option<u32>,
    },
    /// The packet's flow hash, equal in both directions (`NFT_HASH_SYM`).
    Symmetric,
}

impl Expression for Hash {
    const NAME: &'static str = "hash";
    const HIGHEST: u16 = TYPE;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let hash = match self.kind {
            // DIVERGES: without a seed the kernel draws one when the rule is made; we take 0, so that replays agree.
            Kind::Jenkins { source, len, seed } => {
                jhash(registers.get(source, len as usize), seed.unwrap_or(0))
            }
            Kind::Symmetric => env.symmetric_hash(packet),
        };
        let number = scale(hash, self.modulus).wrapping_add(self.offset);
        registers.store(self.destination, &number.to_ne_bytes());
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        match self.kind {
            Kind::Jenkins { source, len, seed } => {
                let seed = seed.unwrap_or(0);
                write!(f, "hash reg {} = jhash(reg {source}, {len}, 0x{seed:x})", self.destination)?;
            }
            Kind::Symmetric => write!(f, "hash reg {} = symhash()", self.destination)?,
        }
        write!(f, " % mod {}", self.modulus)?;
        if self.offset == 0 { Ok(()) } else { write!(f, " offset {}", self.offset) }
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.destination, 4)?;
        if let Kind::Jenkins { source, len, .. } = self.kind {
            register(source, len)?;
        }
        modulus(self.modulus, self.offset)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        Some((self.destination, 4, Order::Host))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(MODULUS, self.modulus);
        writer.put_u32_be(OFFSET, self.offset);
        match self.kind {
            Kind::Jenkins { source, len, seed } => {
                put_register(writer, SREG, source);
                writer.put_u32_be(LEN, len);
                seed.iter().for_each(|seed| writer.put_u32_be(SEED, *seed));
                writer.put_u32_be(TYPE, 0);
            }
            Kind::Symmetric => writer.put_u32_be(TYPE, 1),
        }
    }

    fn decode(given: &Given<'_>) -> Result<Hash, Fault> {
        // Before Linux 4.12 there was one hash, and no attribute to name it (`nft_hash_select_ops`).
        let kind = match given.u32_or_0(TYPE)? {
            0 => Kind::Jenkins {
                source: given.register(SREG)?,
                len: given.u32(LEN)?,
                seed: given.option(SEED, Attribute::u32_be)?,
            },
            1 => Kind::Symmetric,
            _ => return Err(Fault::Newer),
        };
        let (modulus, offset) = (given.u32(MODULUS)?, given.u32_or_0(OFFSET)?);
        Ok(Hash { kind, destination: given.register(DREG)?, modulus, offset })
    }
}

/// `NFTA_HASH_SREG`.
const SREG: u16 = 1;
/// `NFTA_HASH_DREG`.
const DREG: u16 = 2;
/// `NFTA_HASH_LEN`.
const LEN: u16 = 3;
/// `NFTA_HASH_MODULUS`.
const MODULUS: u16 = 4;
/// `NFTA_HASH_SEED`.
const SEED: u16 = 5;
/// `NFTA_HASH_OFFSET`.
const OFFSET: u16 = 6;
/// `NFTA_HASH_TYPE`.
const TYPE: u16 = 7;
