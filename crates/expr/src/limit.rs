//! `limit`: a token bucket (`nft_limit.c`).

/// Ends the rule once packets or bytes come faster than `rate` per `unit`, beyond a burst.
///
/// The bucket itself (tokens and the time of the last packet) lives beside the definition and is shared like
/// [`crate::counter::Counter`].
#[derive(Debug)]
pub struct Limit {
    /// Packets or bytes per unit (`NFTA_LIMIT_RATE`).
    pub rate: u64,
    /// The unit in seconds: 1, 60, 3600, 86400, 604800 (`NFTA_LIMIT_UNIT`).
    pub unit: u64,
    /// Packets or bytes at once (`NFTA_LIMIT_BURST`).
    pub burst: u32,
    /// What is counted.
    pub kind: Kind,
    /// `over`: matches what is too fast instead of what is not (`NFT_LIMIT_F_INV`).
    pub over: bool,
    bucket: Bucket,
}

/// `enum nft_limit_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Kind {
    Packets = 0,
    Bytes = 1,
}

#[derive(Debug, Default)]
struct Bucket {}

impl Limit {
    /// A limit whose bucket is full.
    pub fn new(rate: u64, unit: u64, burst: u32, kind: Kind, over: bool) -> Limit {
        Limit { rate, unit, burst, kind, over, bucket: Bucket::default() }
    }
}

impl Clone for Limit {
    /// The same limit with a full bucket.
    fn clone(&self) -> Limit {
        Limit::new(self.rate, self.unit, self.burst, self.kind, self.over)
    }
}

impl PartialEq for Limit {
    /// Equal definitions; buckets are not compared.
    fn eq(&self, other: &Limit) -> bool {
        let _ = &self.bucket;
        (self.rate, self.unit, self.burst, self.kind, self.over)
            == (other.rate, other.unit, other.burst, other.kind, other.over)
    }
}
