//! `last`: when a packet was last seen here (`nft_last.c`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ironweir_wire::Instant;

use crate::Outcome;

/// Remembers when it was last evaluated. Shared like [`crate::counter::Counter`].
#[derive(Debug, Default)]
pub struct Last {
    /// Nanoseconds since the epoch, 0 for never.
    at: AtomicU64,
}

impl Last {
    /// Last evaluated then.
    pub fn new(at: Option<Instant>) -> Last {
        Last { at: at.map_or(0, Instant::nanos).into() }
    }

    /// Evaluated now.
    pub fn touch(&self, now: Instant) {
        self.at.store(now.nanos(), Ordering::Relaxed);
    }

    /// When it was last evaluated.
    pub fn at(&self) -> Option<Instant> {
        Some(self.at.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Instant::from_nanos)
    }

    /// Forgets it (`reset`), telling what it was.
    pub fn take(&self) -> Option<Instant> {
        Some(self.at.swap(0, Ordering::Relaxed)).filter(|at| *at != 0).map(Instant::from_nanos)
    }
}

impl Clone for Last {
    fn clone(&self) -> Last {
        Last::new(self.at())
    }
}

impl PartialEq for Last {
    fn eq(&self, other: &Last) -> bool {
        self.at() == other.at()
    }
}

impl Last {
    /// Remembers the time of this packet.
    pub fn eval(&self, now: Instant) -> Outcome {
        self.touch(now);
        Outcome::Next
    }
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at() {
            None => f.write_str("last never"),
            Some(at) => write!(f, "last {}", at.millis()),
        }
    }
}
