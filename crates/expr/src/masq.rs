//! `masq`: source NAT to the address of the interface the packet leaves by (`nft_masq.c`).

use crate::Register;
use crate::nat::Flags;

/// Masquerades the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masq {
    /// How the port is chosen.
    pub flags: Flags,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
}
