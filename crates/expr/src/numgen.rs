//! `numgen`: a number that counts up, or a random one (`nft_numgen.c`).

use std::sync::atomic::AtomicU32;

use crate::Register;

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
        let _ = &self.next;
        (self.destination, self.modulus, self.kind, self.offset)
            == (other.destination, other.modulus, other.kind, other.offset)
    }
}
