//! `byteorder`: between host and network order (`nft_byteorder.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register, when};
use crate::{Env, Outcome, Register, Registers};

/// Converts `len` bytes in units of `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Byteorder {
    /// Where the operand lies.
    pub source: Register,
    /// Where the result goes.
    pub destination: Register,
    /// Which way.
    pub op: Op,
    /// Bytes in all.
    pub len: u32,
    /// Bytes of one number: 2, 4 or 8.
    pub size: u32,
}

/// `enum nft_byteorder_ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Network to host (`NFT_BYTEORDER_NTOH`).
    Ntoh,
    /// Host to network (`NFT_BYTEORDER_HTON`).
    Hton,
}

impl Expression for Byteorder {
    const NAME: &'static str = "byteorder";
    const HIGHEST: u16 = SIZE;

    /// Swaps, on a machine of little-endian order; what is left behind the last whole number stays as it is.
    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        let mut scratch = [0; Register::BYTES];
        let source = registers.get(self.source, (self.len as usize).min(Register::BYTES));
        let bytes = &mut scratch[..source.len()];
        bytes.copy_from_slice(source);
        let size = match self.size {
            2 | 4 | 8 => self.size as usize,
            _ => return Outcome::Break,
        };
        let whole = bytes.len() / size * size;
        if cfg!(target_endian = "little") {
            bytes[..whole].chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        let destination = registers.get_mut(self.destination, whole);
        let len = destination.len();
        destination.copy_from_slice(&bytes[..len]);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let op = match self.op {
            Op::Ntoh => "ntoh",
            Op::Hton => "hton",
        };
        let Byteorder { source, destination, len, size, .. } = self;
        write!(f, "byteorder reg {destination} = {op}(reg {source}, {size}, {len})")
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.source, self.len)?;
        register(self.destination, self.len)?;
        when(!matches!(self.size, 2 | 4 | 8), "numbers that are neither 2, 4 nor 8 bytes wide")
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let order = match self.op {
            Op::Hton => Order::Network,
            Op::Ntoh => Order::Host,
        };
        Some((self.destination, self.len as usize, order))
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (self.source == register).then_some(match self.op {
            Op::Hton => Order::Host,
            Op::Ntoh => Order::Network,
        })
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, SREG, self.source);
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(OP, self.op as u32);
        writer.put_u32_be(LEN, self.len);
        writer.put_u32_be(SIZE, self.size);
    }

    fn decode(given: &Given<'_>) -> Result<Byteorder, Fault> {
        Ok(Byteorder {
            source: given.register(SREG)?,
            destination: given.register(DREG)?,
            op: given.one_of(OP, &[Op::Ntoh, Op::Hton])?,
            len: given.u32(LEN)?,
            size: given.u32(SIZE)?,
        })
    }
}

/// `NFTA_BYTEORDER_SREG`.
const SREG: u16 = 1;
/// `NFTA_BYTEORDER_DREG`.
const DREG: u16 = 2;
/// `NFTA_BYTEORDER_OP`.
const OP: u16 = 3;
/// `NFTA_BYTEORDER_LEN`.
const LEN: u16 = 4;
/// `NFTA_BYTEORDER_SIZE`.
const SIZE: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compute;

    #[test]
    fn numbers_of_each_size_are_swapped() {
        for (size, swapped) in
            [(2, [2, 1, 4, 3, 6, 5, 8, 7]), (4, [4, 3, 2, 1, 8, 7, 6, 5]), (8, [8, 7, 6, 5, 4, 3, 2, 1])]
        {
            let mut registers = Registers::default();
            registers.store(Register::R1, &[1, 2, 3, 4, 5, 6, 7, 8]);
            let (source, destination) = (Register::R1, Register::R2);
            let expr = Byteorder { source, destination, op: Op::Hton, len: 8, size };
            assert_eq!(compute(&expr, &mut registers), Outcome::Next);
            let want = if cfg!(target_endian = "little") { swapped } else { [1, 2, 3, 4, 5, 6, 7, 8] };
            assert_eq!(registers.get(Register::R2, 8), want, "size {size}");
        }
    }
}
