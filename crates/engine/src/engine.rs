//! The engine itself: what it holds, and the calls that drive it.

use std::collections::VecDeque;

use ironweir_ruleset::{Applied, Batch, ChangeError, Ruleset};
use ironweir_wire::{IfIndex, Instant, Packet};

use crate::{Disposition, Host, Observer};

/// A packet the engine made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The interface it leaves by.
    pub oif: IfIndex,
    /// Its bytes, from the link header on where the interface has one.
    pub bytes: Vec<u8>,
    /// Whether the bytes begin with an Ethernet header.
    pub ethernet: bool,
}

/// A host's packet path with its ruleset, connections and flows.
pub struct Engine {
    host: Host,
    ruleset: Ruleset,
    now: Instant,
    output: VecDeque<Output>,
}

impl Engine {
    /// An engine without a ruleset. `seed` keys hashes and is the source of all random choices.
    pub fn new(host: Host, seed: u64) -> Engine {
        Engine { host, ruleset: Ruleset::new(seed), now: Instant::ZERO, output: VecDeque::new() }
    }

    /// Makes every change of a batch or none.
    ///
    /// # Errors
    /// Each refused change with the reason.
    pub fn commit(&mut self, batch: &Batch) -> Result<Applied, Vec<ChangeError>> {
        self.ruleset.apply(batch, self.now)
    }

    /// The committed ruleset with its live state.
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The latest time the engine was told.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass. Time never goes back: an earlier `now` changes nothing.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// When [`Engine::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// One packet's whole way. It begins with its link header; `meta.iif` says where it came in.
    pub fn process(
        &mut self,
        now: Instant,
        packet: &mut Packet<'_>,
        observer: &mut impl Observer,
    ) -> Disposition {
        let _ = (packet, observer);
        self.advance(now);
        Disposition::Local
    }

    /// The next packet the engine made.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }
}
