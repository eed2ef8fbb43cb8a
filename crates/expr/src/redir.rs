//! `redir`: destination NAT to this host (`nft_redir.c`).

use crate::Register;
use crate::nat::Flags;

/// Redirects the connection to this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redir {
    /// How the port is chosen.
    pub flags: Flags,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
}
