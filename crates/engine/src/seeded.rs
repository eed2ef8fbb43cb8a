//! A keyed hash for tables whose keys come from packets.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// Makes hashers that begin with a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}
