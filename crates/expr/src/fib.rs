//! `fib`: asks the routing table (`nft_fib.c`, `nft_fib_ipv4.c`, `nft_fib_ipv6.c`).

use crate::Register;

/// Looks an address up and loads what the route says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// Where the answer goes.
    pub destination: Register,
    /// What is asked for.
    pub result: Outcome,
    /// With what it is looked up.
    pub flags: Flags,
}

/// `enum nft_fib_result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Outcome {
    /// Index of the interface the route names (`NFT_FIB_RESULT_OIF`).
    Oif = 1,
    /// Its name (`NFT_FIB_RESULT_OIFNAME`).
    Oifname = 2,
    /// The address' type, `RTN_*` (`NFT_FIB_RESULT_ADDRTYPE`).
    Addrtype = 3,
}

bitflags::bitflags! {
    /// `enum nft_fib_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// Look up the source address.
        const SADDR = 1;
        /// Look up the destination address.
        const DADDR = 2;
        /// With the packet's mark.
        const MARK = 4;
        /// From the input interface.
        const IIF = 8;
        /// To the output interface.
        const OIF = 16;
        /// Only whether there is a route (`check`, `exists`): loads 1 or 0.
        const PRESENT = 32;
    }
}
