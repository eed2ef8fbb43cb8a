//! `inner`: matches inside a tunnel (`nft_inner.c`).

use crate::Expr;

/// Evaluates a payload or meta load against the packet inside a tunnel.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    /// Kind of tunnel (`NFTA_INNER_TYPE`).
    pub kind: Kind,
    /// Bytes of the tunnel's own header (`NFTA_INNER_HDRSIZE`).
    pub header_size: u32,
    /// Which headers there are.
    pub flags: Flags,
    /// A [`crate::payload::Load`] or [`crate::meta::Get`].
    pub expr: Box<Expr>,
}

/// `enum nft_inner_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Kind {
    /// Anything without options before the inner packet: GRE (`NFT_INNER_UNSPEC`).
    Unspecified = 0,
    Vxlan = 1,
    Geneve = 2,
}

bitflags::bitflags! {
    /// `enum nft_inner_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// There is a tunnel header.
        const HEADER = 1;
        /// There is an inner link header.
        const LINK = 2;
        /// There is an inner network header.
        const NETWORK = 4;
        /// There is an inner transport header.
        const TRANSPORT = 8;
    }
}
