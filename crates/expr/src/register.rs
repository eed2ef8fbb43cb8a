//! Registers: 64 bytes, seen as four of 16 bytes or sixteen of 4.

use std::fmt;

/// A data register by its number on the wire (`enum nft_registers`): 1 to 4 are the 16-byte registers
/// (`NFT_REG_1` ...), 8 to 23 the 4-byte ones (`NFT_REG32_00` ...). Number 0, the verdict register, is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(u8);

impl Register {
    /// `NFT_REG_1`, the first 16 bytes.
    pub const R1: Register = Register(1);
    /// `NFT_REG_2`.
    pub const R2: Register = Register(2);
    /// How many bytes all registers hold.
    pub const BYTES: usize = 64;

    /// From its number on the wire.
    pub const fn from_number(number: u32) -> Option<Register> {
        match number {
            1..=4 | 8..=23 => Some(Register(number as u8)),
            _ => None,
        }
    }

    /// The register that begins at the `word`th 4 bytes: a 16-byte register's number where one begins there, as nft
    /// numbers them (`netlink_register_space`, `get_register`).
    pub const fn at_word(word: u32) -> Option<Register> {
        match word {
            0 | 4 | 8 | 12 => Some(Register(1 + (word / 4) as u8)),
            1..=15 => Some(Register(8 + word as u8)),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> u32 {
        self.0 as u32
    }

    /// Where it begins, in bytes from the first register's first byte.
    pub const fn offset(self) -> usize {
        match self.0 {
            n @ 1..=4 => (n as usize - 1) * 16,
            n => (n as usize - 8) * 4,
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The register file while one chain is evaluated.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    bytes: RegisterBytes,
}

#[derive(Clone, Debug)]
#[repr(align(16))]
struct RegisterBytes([u8; Register::BYTES]);

impl Default for RegisterBytes {
    fn default() -> Self {
        RegisterBytes([0; Register::BYTES])
    }
}

impl Registers {
    /// `len` bytes from a register on; shorter when they would reach beyond the last one.
    pub fn get(&self, register: Register, len: usize) -> &[u8] {
        let from = register.offset();
        &self.bytes.0[from..from.saturating_add(len).min(Register::BYTES)]
    }

    /// `len` bytes from a register on, to be written; shorter when they would reach beyond the last one.
    pub fn get_mut(&mut self, register: Register, len: usize) -> &mut [u8] {
        let from = register.offset();
        &mut self.bytes.0[from..from.saturating_add(len).min(Register::BYTES)]
    }

    /// Writes `bytes` and zeroes the rest of the last 4 bytes they reach into, as the kernel's
    /// `nft_reg_store*` and payload loads do.
    pub fn store(&mut self, register: Register, bytes: &[u8]) {
        let padded = self.get_mut(register, bytes.len().next_multiple_of(4));
        let len = bytes.len().min(padded.len());
        padded[..len].copy_from_slice(&bytes[..len]);
        padded[len..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_narrow_registers_share_their_bytes() {
        let narrow = Register::from_number(9).expect("NFT_REG32_01");
        assert_eq!(narrow.offset(), 4);
        assert_eq!(Register::at_word(1), Some(narrow));
        assert_eq!(Register::at_word(4), Some(Register::R2));
        assert_eq!(Register::from_number(0), None);
        assert_eq!(Register::from_number(7), None);
        assert_eq!(Register::from_number(24), None);
        let mut registers = Registers::default();
        registers.store(Register::R1, &[1, 2, 3, 4, 5]);
        assert_eq!(registers.get(narrow, 4), [5, 0, 0, 0]);
    }

    #[test]
    fn a_range_beyond_the_last_register_is_cut() {
        let last = Register::from_number(23).expect("NFT_REG32_15");
        let mut registers = Registers::default();
        registers.store(last, &[7; 16]);
        assert_eq!(registers.get(last, 16), [7; 4]);
    }
}
