//! `last`: when a packet was last seen here (`nft_last.c`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::{Instant, Packet};

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::{Env, Outcome, Registers};

/// Remembers when it was last evaluated. Shared like [`crate::counter::Counter`].
#[derive(Debug, Default)]
pub struct Last {
    /// Nanoseconds since the epoch, 0 for never; with [`AGO`], how many milliseconds it was before a moment that is not
    /// known.
    at: AtomicU64,
}

const AGO: u64 = 1 << 63;

impl Last {
    /// Last evaluated then.
    pub fn new(at: Option<Instant>) -> Last {
        Last { at: at.map_or(0, Instant::nanos).into() }
    }

    /// Last evaluated so many milliseconds before it is loaded, as a rule says it.
    pub fn before(milliseconds: u64) -> Last {
        Last { at: (AGO | milliseconds).into() }
    }

    /// How many milliseconds before it was loaded it was evaluated, as long as it was not since.
    pub fn ago(&self) -> Option<u64> {
        Some(self.at.load(Ordering::Relaxed)).filter(|at| at & AGO != 0).map(|at| at & !AGO)
    }

    /// As it is told at a moment, on the wire and in rules: how many milliseconds before it. What was never evaluated, or
    /// is told so already, stays as it is.
    pub fn told_at(&self, now: Instant) -> Last {
        match self.at() {
            Some(at) => Last::before(now.nanos().saturating_sub(at.nanos()) / 1_000_000),
            None => self.clone(),
        }
    }

    /// Evaluated now.
    pub fn touch(&self, now: Instant) {
        self.at.store(now.nanos(), Ordering::Relaxed);
    }

    /// When it was last evaluated.
    pub fn at(&self) -> Option<Instant> {
        instant(self.at.load(Ordering::Relaxed))
    }

    /// Forgets it (`reset`), telling what it was.
    pub fn take(&self) -> Option<Instant> {
        instant(self.at.swap(0, Ordering::Relaxed))
    }
}

fn instant(at: u64) -> Option<Instant> {
    (at != 0 && at & AGO == 0).then(|| Instant::from_nanos(at))
}

impl Clone for Last {
    fn clone(&self) -> Last {
        Last { at: self.at.load(Ordering::Relaxed).into() }
    }
}

impl PartialEq for Last {
    fn eq(&self, other: &Last) -> bool {
        self.at.load(Ordering::Relaxed) == other.at.load(Ordering::Relaxed)
    }
}

impl Last {
    /// Remembers the time of this packet.
    pub fn eval(&self, now: Instant) -> Outcome {
        self.touch(now);
        Outcome::Next
    }
}

impl Last {
    /// Appends when it was last evaluated: see [`crate::Expr::live`].
    pub fn live(&self, numbers: &mut Vec<u64>) {
        numbers.push(self.at.load(Ordering::Relaxed));
    }

    /// Takes over what [`Last::live`] appended; `None` where there is less.
    pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.at.store(numbers.next()?, Ordering::Relaxed);
        Some(())
    }
}

impl Expression for Last {
    const NAME: &'static str = "last";
    const HIGHEST: u16 = PAD;

    fn eval<E: Env>(&self, _: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        self.eval(env.now())
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        match (self.at(), self.ago()) {
            (None, None) => f.write_str("last never"),
            (None, Some(ago)) => write!(f, "last {ago}"),
            (Some(at), _) => write!(f, "last {}", at.millis()),
        }
    }

    /// A time of the clock has no form here: [`Last::told_at`] makes it one that has.
    fn live(&self, numbers: &mut Vec<u64>) {
        self.live(numbers);
    }

    fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.revive(numbers)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(SET, u32::from(self.at.load(Ordering::Relaxed) != 0));
        self.ago().iter().for_each(|ago| writer.put_u64_be(MSECS, *ago));
    }

    fn decode(given: &Given<'_>) -> Result<Last, Fault> {
        let ago = given.option(MSECS, Attribute::u64_be)?.unwrap_or(0);
        Ok(if given.u32_or_0(SET)? == 0 { Last::default() } else { Last::before(ago) })
    }
}

/// `NFTA_LAST_SET`.
const SET: u16 = 1;
/// `NFTA_LAST_MSECS`.
const MSECS: u16 = 2;
/// `NFTA_LAST_PAD`.
const PAD: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_as_the_milliseconds_since() {
        let last = Last::new(Some(Instant::from_millis(1_000)));
        assert_eq!(last.told_at(Instant::from_millis(3_500)), Last::before(2_500));
        assert_eq!(last.told_at(Instant::from_millis(999)), Last::before(0));
        let never = Last::new(None);
        assert_eq!(never.told_at(Instant::from_millis(3_500)), never);
    }
}
