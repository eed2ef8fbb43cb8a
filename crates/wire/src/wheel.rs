//! Deadlines without a scan and without a sort: a timer wheel whose items may be out of date.
//!
//! A packet moves its connection's deadline later almost always, so the wheel is not told: each place is looked at no
//! later than its deadline, and put back if that has moved meanwhile. Only a deadline that moves *earlier* than the next
//! look is told. So a packet costs nothing here, and a connection is looked at about once per timeout.
//!
//! Time is counted in ticks of a millisecond, written as eight digits of six bits. Level `n` has a bucket for each value
//! of digit `n`: a place whose tick first differs from the current one in digit `n` lies there, in a list, and is looked
//! at when that digit is reached; it then goes to a lower level. A bitmap for each level says which buckets hold
//! something, so that any span of time is passed in one step.
//!
//! The wheel's own time never goes back. When the caller's does by more than a second, the difference is kept and added
//! from then on: what was to be looked at after a minute still is.

use crate::Instant;
use crate::chunks::Chunks;

/// Nanoseconds of a tick.
const TICK: u64 = 1_000_000;
/// Bits of a digit.
const DIGIT: u32 = 6;
/// Buckets of a level.
const BUCKETS: usize = 1 << DIGIT;
/// Levels: 48 bits of ticks, more than the 44 that an [`Instant`] can have.
const LEVELS: usize = 8;
/// How far time may go back before the wheel takes it for a jump.
const TOLERANCE: u64 = 1_000_000_000;
/// No place. Places are below: a link keeps 26 bits.
pub const NONE: u32 = (1 << 26) - 1;
/// In place of a level: not in the wheel.
const OUT: u32 = 63;

/// A place's neighbours in its bucket's list, 26 bits each. Above them are, in `before`, the digit of the bucket, and in
/// `after` its level.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

impl Link {
    const UNUSED: Link = Link { before: NONE, after: OUT << 26 | NONE };

    fn before(self) -> u32 {
        self.before & NONE
    }

    fn after(self) -> u32 {
        self.after & NONE
    }

    /// Level and digit of the bucket; `None` outside of the wheel.
    fn bucket(self) -> Option<(usize, usize)> {
        let level = self.after >> 26;
        (level != OUT).then_some((level as usize, (self.before >> 26) as usize))
    }

    fn set_before(&mut self, place: u32) {
        self.before = self.before & !NONE | place;
    }

    fn set_after(&mut self, place: u32) {
        self.after = self.after & !NONE | place;
    }
}

/// Places to be looked at, by time.
#[derive(Clone, Debug)]
pub struct Wheel {
    links: Chunks<Link>,
    heads: [[u32; BUCKETS]; LEVELS],
    occupied: [u64; LEVELS],
    /// Everything before this tick was looked at.
    current: u64,
    /// Wheel time of the next look, in nanoseconds; never too late.
    due: u64,
    /// The latest wheel time, in nanoseconds.
    latest: u64,
    /// What wheel time is ahead of the caller's, in nanoseconds.
    ahead: u64,
}

impl Default for Wheel {
    fn default() -> Self {
        Wheel {
            links: Chunks::default(),
            heads: [[NONE; BUCKETS]; LEVELS],
            occupied: [0; LEVELS],
            current: 0,
            due: u64::MAX,
            latest: 0,
            ahead: 0,
        }
    }
}

impl Wheel {
    /// Has a place looked at no later than `at`, up to a tick.
    pub fn schedule(&mut self, place: u32, at: Instant) {
        if place >= NONE {
            return;
        }
        self.cancel(place);
        while self.links.len() <= place {
            self.links.push(Link::UNUSED);
        }
        let tick = self.tick_at_or_after(at).max(self.current + 1);
        let level = ((63 - (tick ^ self.current).leading_zeros()) / DIGIT) as usize;
        let digit = digit_of(tick, level);
        let head = self.heads[level][digit];
        if let Some(link) = self.links.get_mut(place) {
            *link = Link { before: (digit as u32) << 26 | NONE, after: (level as u32) << 26 | head };
        }
        if let Some(link) = self.links.get_mut(head) {
            link.set_before(place);
        }
        self.heads[level][digit] = place;
        self.occupied[level] |= 1 << digit;
        self.due = self.due.min(self.start(level, digit).saturating_mul(TICK));
    }

    /// The place's deadline moved to `at`, earlier than it was.
    pub fn hasten(&mut self, place: u32, at: Instant) {
        let bucket = self.links.get(place).and_then(|link| link.bucket());
        if let Some((level, digit)) = bucket
            && self.start(level, digit) > self.tick_at_or_after(at)
        {
            self.schedule(place, at);
        }
    }

    /// Forgets a place.
    pub fn cancel(&mut self, place: u32) {
        let Some(link) = self.links.get_mut(place) else { return };
        let Some((level, digit)) = link.bucket() else { return };
        let (before, after) = (link.before(), link.after());
        *link = Link::UNUSED;
        if let Some(link) = self.links.get_mut(after) {
            link.set_before(before);
        }
        match self.links.get_mut(before) {
            Some(link) => link.set_after(after),
            None => {
                self.heads[level][digit] = after;
                if after == NONE {
                    self.occupied[level] &= !(1 << digit);
                }
            }
        }
    }

    /// The next place to be looked at by `now`; it is no longer in the wheel.
    #[inline]
    pub fn pop(&mut self, now: Instant) -> Option<u32> {
        let now = self.observe(now);
        if now < self.due { None } else { self.pop_due(now / TICK) }
    }

    fn pop_due(&mut self, now: u64) -> Option<u32> {
        match self.first() {
            Some((start, level, digit)) if start <= now => {
                self.current = self.current.max(start);
                let place = self.heads[level][digit];
                self.cancel(place);
                Some(place)
            }
            first => {
                self.current = self.current.max(now);
                self.due = first.map_or(u64::MAX, |(start, ..)| start.saturating_mul(TICK));
                None
            }
        }
    }

    /// When [`Wheel::pop`] has something to give at the earliest.
    pub fn next(&self) -> Option<Instant> {
        let (start, ..) = self.first()?;
        Some(Instant::from_nanos(start.saturating_mul(TICK).saturating_sub(self.ahead)))
    }

    /// Wheel time, in nanoseconds.
    #[inline]
    fn observe(&mut self, now: Instant) -> u64 {
        let mut wheel = now.nanos().saturating_add(self.ahead);
        if wheel.saturating_add(TOLERANCE) < self.latest {
            self.ahead += self.latest - wheel;
            wheel = self.latest;
        }
        self.latest = self.latest.max(wheel);
        wheel
    }

    /// The earliest bucket that holds something: its first tick, level and digit.
    fn first(&self) -> Option<(u64, usize, usize)> {
        (0..LEVELS)
            .filter(|level| self.occupied[*level] != 0)
            .map(|level| {
                let digit = self.occupied[level].trailing_zeros() as usize;
                (self.start(level, digit), level, digit)
            })
            .min()
    }

    /// The first tick of a bucket: the current one's higher digits, this one, and zeros.
    fn start(&self, level: usize, digit: usize) -> u64 {
        let shift = level as u32 * DIGIT;
        let higher = self.current >> shift >> DIGIT << DIGIT;
        (higher | digit as u64) << shift
    }

    fn tick_at_or_after(&self, at: Instant) -> u64 {
        at.nanos().saturating_add(self.ahead).div_ceil(TICK)
    }
}

fn digit_of(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * DIGIT)) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn all_due(wheel: &mut Wheel, now: Instant, deadlines: &mut [Option<Instant>]) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some(place) = wheel.pop(now) {
            match deadlines[place as usize] {
                Some(at) if at > now => wheel.schedule(place, at),
                Some(_) => {
                    deadlines[place as usize] = None;
                    due.push(place);
                }
                None => panic!("{place} was cancelled"),
            }
        }
        due
    }

    proptest! {
        /// What is due by a whole tick comes out then, nothing sooner, whatever moved before.
        #[test]
        fn every_deadline_is_met_to_the_millisecond(
            steps in prop::collection::vec((0..5_u8, 0..24_u32, 0..48_u32, any::<u64>()), 1..200),
        ) {
            let mut wheel = Wheel::default();
            let mut deadlines = vec![None; 24];
            let mut now = Instant::from_secs(1_700_000_000);
            let _ = wheel.pop(now);
            for (step, place, bits, random) in steps {
                let span = Duration::from_nanos(random & ((1 << bits) - 1));
                let at = now + span;
                match (step, deadlines[place as usize]) {
                    (0 | 1, None) => {
                        deadlines[place as usize] = Some(at);
                        wheel.schedule(place, at);
                    }
                    (0 | 1, Some(old)) => {
                        deadlines[place as usize] = Some(at);
                        if at < old {
                            wheel.hasten(place, at);
                        }
                    }
                    (2, _) => {
                        deadlines[place as usize] = None;
                        wheel.cancel(place);
                    }
                    _ => now = at,
                }
                let before = deadlines.clone();
                let due = all_due(&mut wheel, now, &mut deadlines);
                for (place, deadline) in (0_u32..).zip(&before) {
                    let is_due = deadline.is_some_and(|at| at <= now);
                    let was_due = deadline.is_some_and(|at| at.millis() + 2 <= now.millis());
                    prop_assert!(is_due || !due.contains(&place), "too early");
                    prop_assert!(!was_due || due.contains(&place), "too late");
                }
                let earliest = deadlines.iter().flatten().min();
                match (wheel.next(), earliest) {
                    (Some(next), Some(earliest)) => {
                        prop_assert!(next <= *earliest + Duration::from_millis(2), "{next:?} {earliest:?}");
                    }
                    (next, earliest) => prop_assert_eq!(next.is_some(), earliest.is_some()),
                }
            }
        }
    }

    #[test]
    fn a_deadline_on_a_whole_tick_is_met_exactly() {
        let mut wheel = Wheel::default();
        let now = Instant::from_secs(1000);
        assert_eq!(wheel.pop(now), None);
        wheel.schedule(3, now + Duration::from_secs(30));
        let mut deadlines = [None, None, None, Some(now + Duration::from_secs(30))];
        assert!(all_due(&mut wheel, now + Duration::from_millis(29_999), &mut deadlines).is_empty());
        assert_eq!(all_due(&mut wheel, now + Duration::from_secs(30), &mut deadlines), [3]);
    }

    #[test]
    fn time_that_goes_back_does_not_keep_places_for_ever() {
        let mut wheel = Wheel::default();
        let mistaken = Instant::from_secs(4_000_000_000);
        assert_eq!(wheel.pop(mistaken), None);
        let now = Instant::from_secs(1_700_000_000);
        assert_eq!(wheel.pop(now), None);
        wheel.schedule(0, now + Duration::from_secs(30));
        let mut deadlines = [Some(now + Duration::from_secs(30))];
        assert!(all_due(&mut wheel, now + Duration::from_secs(29), &mut deadlines).is_empty());
        assert_eq!(all_due(&mut wheel, now + Duration::from_secs(31), &mut deadlines), [0]);
    }
}
