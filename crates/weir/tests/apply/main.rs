//! `weir apply` on this machine's own kernel, in network namespaces made for it. Stock `nft` loads what there is before
//! and lists what there is after. Needs root, ip and nft; says so and skips elsewhere, and fails if `CI=true`.
//!
//! ```text
//!   namespace iwapply<pid>-<n>: loopback alone
//!     nft -f OLD ── weir apply NEW ── nft list ruleset
//! ```

mod dumps;
mod kills;
mod namespace;
mod state;
