//! `numgen`: a number that counts up, or a random one (`nft_numgen.c`).

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, modulus, register};
use crate::{Env, Outcome, Register, Registers};

/// Loads a number of `modulus` different ones, the smallest of them `offset`.
#[derive(Debug)]
pub struct Numgen {
    /// Where it goes.
    pub destination: Register,
    /// How many different numbers there are; at least 1.
    pub modulus: u32,
    /// How the next one is chosen.
    pub kind: Kind,
    /// The smallest of them.
    pub offset: u32,
    /// The number (without offset) that an incremental generator gives next.
    next: AtomicU32,
}

/// `enum nft_ng_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are nft's
pub enum Kind {
    Inc = 0,
    Random = 1,
}

impl Numgen {
    /// Appends the number that comes next: see [`crate::Expr::live`].
    pub fn live(&self, numbers: &mut Vec<u64>) {
        numbers.push(self.next.load(Ordering::Relaxed).into());
    }

    /// Takes over what [`Numgen::live`] appended; `None` where there is less.
    pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        // Beyond the modulus it would begin at 0, as a counter that ran over does.
        self.next.store(u32::try_from(numbers.next()?).unwrap_or(0) % self.modulus.max(1), Ordering::Relaxed);
        Some(())
    }
}

impl Expression for Numgen {
    const NAME: &'static str = "numgen";
    const HIGHEST: u16 = OFFSET;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        let number = match self.kind {
            Kind::Inc => {
                let after =
                    |number: u32| number.checked_add(1).filter(|next| *next < self.modulus).unwrap_or(0);
                let step = |number| Some(after(number));
                let (Ok(number) | Err(number)) =
                    self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
                number
            }
            Kind::Random => scale(env.random(), self.modulus),
        };
        registers.store(self.destination, &number.wrapping_add(self.offset).to_ne_bytes());
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let kind = match self.kind {
            Kind::Inc => "inc",
            Kind::Random => "random",
        };
        write!(f, "numgen reg {} = {kind} mod {}", self.destination, self.modulus)?;
        if self.offset == 0 { Ok(()) } else { write!(f, " offset {}", self.offset) }
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.destination, 4)?;
        modulus(self.modulus, self.offset)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        Some((self.destination, 4, Order::Host))
    }

    fn live(&self, numbers: &mut Vec<u64>) {
        self.live(numbers);
    }

    fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.revive(numbers)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(MODULUS, self.modulus);
        writer.put_u32_be(TYPE, self.kind as u32);
        writer.put_u32_be(OFFSET, self.offset);
    }

    fn decode(given: &Given<'_>) -> Result<Numgen, Fault> {
        let kind = given.one_of(TYPE, &[Kind::Inc, Kind::Random])?;
        Ok(Numgen::new(given.register(DREG)?, given.u32(MODULUS)?, kind, given.u32_or_0(OFFSET)?))
    }
}

impl Numgen {
    /// A generator that begins with its last number, so that the first one it gives is `offset`.
    pub fn new(destination: Register, modulus: u32, kind: Kind, offset: u32) -> Numgen {
        Numgen { destination, modulus, kind, offset, next: AtomicU32::new(0) }
    }
}

impl Clone for Numgen {
    /// The same generator, begun anew.
    fn clone(&self) -> Numgen {
        Numgen::new(self.destination, self.modulus, self.kind, self.offset)
    }
}

impl PartialEq for Numgen {
    /// Equal definitions; where they are in their sequences is not compared.
    fn eq(&self, other: &Numgen) -> bool {
        (self.destination, self.modulus, self.kind, self.offset)
            == (other.destination, other.modulus, other.kind, other.offset)
    }
}

/// Maps 32 random bits to `0..modulus` by multiplication (`reciprocal_scale`).
pub(crate) fn scale(random: u32, modulus: u32) -> u32 {
    ((u64::from(random) * u64::from(modulus)) >> 32) as u32
}

/// `NFTA_NG_DREG`.
const DREG: u16 = 1;
/// `NFTA_NG_MODULUS`.
const MODULUS: u16 = 2;
/// `NFTA_NG_TYPE`.
const TYPE: u16 = 3;
/// `NFTA_NG_OFFSET`.
const OFFSET: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compute;

    #[test]
    fn an_incremental_generator_counts_from_its_offset_and_begins_again() {
        let expr = Numgen::new(Register::R1, 3, Kind::Inc, 100);
        let next = || {
            let mut registers = Registers::default();
            compute(&expr, &mut registers);
            registers.get(Register::R1, 4).try_into().map_or(0, u32::from_ne_bytes)
        };
        assert_eq!([next(), next(), next(), next()], [100, 101, 102, 100]);
    }

    #[test]
    fn random_numbers_are_scaled_into_the_modulus() {
        for (random, want) in [(0, 0), (0x7fff_ffff, 4), (0x8000_0000, 5), (u32::MAX, 9)] {
            assert_eq!(scale(random, 10), want, "{random:#x}");
        }
    }
}
