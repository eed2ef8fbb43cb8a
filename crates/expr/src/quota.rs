//! `quota`: an amount of bytes (`nft_quota.c`).

use std::sync::atomic::{AtomicU64, Ordering};

/// Ends the rule once `bytes` have passed (`until`), or before (`over`). Shared like [`crate::counter::Counter`].
#[derive(Debug)]
pub struct Quota {
    /// The amount (`NFTA_QUOTA_BYTES`).
    pub bytes: u64,
    /// `over` (`NFT_QUOTA_F_INV`).
    pub over: bool,
    consumed: AtomicU64,
}

impl Quota {
    /// A quota of which `consumed` bytes are used up.
    pub fn new(bytes: u64, over: bool, consumed: u64) -> Quota {
        Quota { bytes, over, consumed: consumed.into() }
    }

    /// Bytes used so far.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Bytes used so far, which are forgotten (`reset`).
    pub fn take(&self) -> u64 {
        self.consumed.swap(0, Ordering::Relaxed)
    }
}

impl Clone for Quota {
    fn clone(&self) -> Quota {
        Quota::new(self.bytes, self.over, self.consumed())
    }
}

impl PartialEq for Quota {
    fn eq(&self, other: &Quota) -> bool {
        (self.bytes, self.over, self.consumed()) == (other.bytes, other.over, other.consumed())
    }
}
