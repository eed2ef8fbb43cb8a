//! A port whose frames are lost, doubled, swapped, damaged and late, by chance that a seed decides: a bad wire, for tests.
//!
//! Chance is the same for the same seed and the same frames in the same order, both ways drawn from one sequence. What a
//! frame's sender left undone is done behind this, so the checksum of a frame that is damaged before is right all the same.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ironweir_wire::Instant;

use super::{Offloads, Port, PortStatistics, place};

/// Frames that are late, at once, of each direction. What is more is lost.
pub const MAX_LATE: usize = 4096;
/// How long a frame waits for the next one to be swapped with.
const SWAP: Duration = Duration::from_millis(10);
/// Frames that are taken from the port below in one call.
const MAX_TAKEN: usize = 256;

/// How often what happens; probabilities from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Decides everything.
    pub seed: u64,
    /// A frame is lost.
    pub drop: f64,
    /// It comes twice.
    pub duplicate: f64,
    /// It comes behind the next one.
    pub reorder: f64,
    /// One of its bits is changed.
    pub corrupt: f64,
    /// It comes late, by [`Faults::late`].
    pub delay: f64,
    /// How late.
    pub late: Duration,
}

/// A port, and what happens to its frames.
#[derive(Debug)]
pub struct FaultyPort {
    port: Box<dyn Port>,
    faults: Faults,
    chance: u64,
    incoming: Lane,
    outgoing: Lane,
    now: Instant,
    lost_incoming: u64,
    lost_outgoing: u64,
}

/// Frames of one direction that do not go straight on.
#[derive(Debug, Default)]
struct Lane {
    late: VecDeque<(Instant, Offloads, Vec<u8>)>,
    /// One that waits for the next.
    swapped: Option<(Instant, Offloads, Vec<u8>)>,
    /// Those whose time has come.
    ready: VecDeque<(Offloads, Vec<u8>)>,
}

/// What happens to a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Goes,
    Lost,
    Waits,
}

impl FaultyPort {
    /// Over a port.
    pub fn new(port: Box<dyn Port>, faults: Faults) -> FaultyPort {
        let (incoming, outgoing) = (Lane::default(), Lane::default());
        let (now, chance) = (Instant::ZERO, faults.seed);
        FaultyPort { port, faults, chance, incoming, outgoing, now, lost_incoming: 0, lost_outgoing: 0 }
    }
}

/// The next number of a sequence (splitmix64).
fn draw(chance: &mut u64) -> u64 {
    *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *chance;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Faults {
    /// Whether something happens. Draws always, so that one probability does not change what the others decide.
    fn happens(chance: &mut u64, probability: f64) -> bool {
        // 53 bits: what a double holds.
        let drawn = (draw(chance) >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }

    /// Decides on a frame, and damages it. What does not go straight on is in the lane then.
    fn decide(
        &self,
        chance: &mut u64,
        lane: &mut Lane,
        now: Instant,
        offloads: Offloads,
        frame: &mut [u8],
    ) -> Fate {
        let [drop, duplicate, reorder, corrupt, delay] =
            [self.drop, self.duplicate, self.reorder, self.corrupt, self.delay]
                .map(|probability| Faults::happens(chance, probability));
        let which = draw(chance);
        if drop {
            return Fate::Lost;
        }
        if corrupt && !frame.is_empty() {
            let bit = which % (frame.len() as u64 * 8);
            if let Some(byte) = frame.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
        if delay {
            if lane.late.len() >= MAX_LATE {
                return Fate::Lost;
            }
            lane.late.push_back((now + self.late, offloads, frame.to_vec()));
            if duplicate {
                lane.ready.push_back((offloads, frame.to_vec()));
            }
            return Fate::Waits;
        }
        if reorder && lane.swapped.is_none() {
            lane.swapped = Some((now + SWAP, offloads, frame.to_vec()));
            return Fate::Waits;
        }
        if duplicate {
            lane.ready.push_back((offloads, frame.to_vec()));
        }
        if let Some((_, offloads, swapped)) = lane.swapped.take() {
            lane.ready.push_back((offloads, swapped));
        }
        Fate::Goes
    }
}

impl Lane {
    fn turn(&mut self, now: Instant) {
        while let Some((due, ..)) = self.late.front()
            && *due <= now
            && let Some((_, offloads, frame)) = self.late.pop_front()
        {
            self.ready.push_back((offloads, frame));
        }
        if let Some((_, offloads, frame)) = self.swapped.take_if(|(due, ..)| *due <= now) {
            self.ready.push_back((offloads, frame));
        }
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(now);
        }
        let late = self.late.front().map(|(due, ..)| *due);
        late.into_iter().chain(self.swapped.as_ref().map(|(due, ..)| *due)).min()
    }
}

impl Port for FaultyPort {
    fn has_neighbours(&self) -> bool {
        self.port.has_neighbours()
    }

    fn turn(&mut self, now: Instant) {
        self.now = now;
        self.incoming.turn(now);
        self.outgoing.turn(now);
        self.port.turn(now);
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        for _ in 0..MAX_TAKEN {
            if let Some((offloads, frame)) = self.incoming.ready.pop_front() {
                let Some(place) = buffer.get_mut(..frame.len()) else { continue };
                place.copy_from_slice(&frame);
                return Ok(buffer.get_mut(..frame.len()).map(|frame| (offloads, frame)));
            }
            let base = buffer.as_ptr() as usize;
            let Some((offloads, frame)) = self.port.receive(buffer)? else { return Ok(None) };
            let (chance, lane) = (&mut self.chance, &mut self.incoming);
            let fate = self.faults.decide(chance, lane, self.now, offloads, frame);
            let at = place(base, frame);
            match fate {
                Fate::Goes => return Ok(buffer.get_mut(at).map(|frame| (offloads, frame))),
                Fate::Lost => self.lost_incoming += 1,
                Fate::Waits => {}
            }
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut frame = frame.to_vec();
        let (chance, lane) = (&mut self.chance, &mut self.outgoing);
        let fate = self.faults.decide(chance, lane, self.now, Offloads::default(), &mut frame);
        let sent = match fate {
            Fate::Goes => self.port.send(&frame),
            Fate::Lost => {
                self.lost_outgoing += 1;
                Ok(())
            }
            Fate::Waits => Ok(()),
        };
        while let Some((_, frame)) = self.outgoing.ready.pop_front() {
            // Counted where it is lost.
            let _ = self.port.send(&frame);
        }
        sent
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some((_, frame)) = self.outgoing.ready.pop_front() {
            let _ = self.port.send(&frame);
        }
        self.port.flush()
    }

    fn deadline(&self) -> Option<Instant> {
        let ours = [self.incoming.deadline(self.now), self.outgoing.deadline(self.now), self.port.deadline()];
        ours.into_iter().flatten().min()
    }

    fn statistics(&self) -> PortStatistics {
        let mut statistics = self.port.statistics();
        statistics.receive_dropped += self.lost_incoming;
        statistics.send_dropped += self.lost_outgoing;
        statistics
    }
}

impl AsFd for FaultyPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::{Wire, next};
    use proptest::prelude::*;

    /// What comes out, both ways, of a thousand numbered frames; all that is late has come.
    fn run(faults: Faults) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, PortStatistics) {
        let (wire, other) = Wire::pair();
        let mut port = FaultyPort::new(Box::new(wire), faults);
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for number in 0..1000_u64 {
            port.turn(Instant::from_millis(number));
            let frame = [&number.to_be_bytes()[..], &[0; 52]].concat();
            other.put(&frame);
            port.send(&frame).unwrap();
            came.extend(std::iter::from_fn(|| next(&mut port)));
            port.flush().unwrap();
            went.extend(std::iter::from_fn(|| other.get()));
        }
        port.turn(Instant::from_secs(100));
        came.extend(std::iter::from_fn(|| next(&mut port)));
        port.flush().unwrap();
        went.extend(std::iter::from_fn(|| other.get()));
        assert_eq!(port.deadline(), None);
        (came, went, port.statistics())
    }

    fn numbers(frames: &[Vec<u8>]) -> Vec<u64> {
        frames.iter().map(|frame| u64::from_be_bytes(frame[..8].try_into().unwrap())).collect()
    }

    #[test]
    fn a_perfect_wire_changes_nothing() {
        let (came, went, _) = run(Faults::default());
        assert_eq!(numbers(&came), (0..1000).collect::<Vec<_>>());
        assert_eq!(came, went);
    }

    #[test]
    fn each_fault_is_about_as_often_as_it_shall_be() {
        let tenth = 0.1;
        let near = |count: usize| (60..140).contains(&count);
        let (came, _, counted) = run(Faults { seed: 1, drop: tenth, ..Faults::default() });
        assert!(near(1000 - came.len()), "{}", came.len());
        assert_eq!(counted.receive_dropped as usize, 1000 - came.len());
        let (came, _, _) = run(Faults { seed: 1, duplicate: tenth, ..Faults::default() });
        assert!(near(came.len() - 1000));
        let (_, went, _) = run(Faults { seed: 1, corrupt: tenth, ..Faults::default() });
        let ones: u32 = went.iter().flat_map(|frame| &frame[8..]).map(|byte| byte.count_ones()).sum();
        assert!(near(ones as usize * 60 / 52), "{ones} of 480 in 1000 bits");
        let (_, went, _) = run(Faults { seed: 1, reorder: tenth, ..Faults::default() });
        let went = numbers(&went);
        assert_eq!(went.len(), 1000);
        assert!(near(went.windows(2).filter(|pair| pair[0] > pair[1]).count()));
        let late = Duration::from_millis(50);
        let (came, _, _) = run(Faults { seed: 1, delay: tenth, late, ..Faults::default() });
        let came = numbers(&came);
        assert!(came.iter().enumerate().all(|(at, number)| (at as u64).abs_diff(*number) <= 50));
        assert!(near(came.iter().enumerate().filter(|(at, number)| *at as u64 > **number + 20).count()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn the_same_seed_decides_the_same_and_no_frame_is_made_of_nothing(
            seed: u64, drop in 0.0..1.0, duplicate in 0.0..1.0, reorder in 0.0..1.0, delay in 0.0..1.0,
        ) {
            let late = Duration::from_millis(3);
            let faults = Faults { seed, drop, duplicate, reorder, corrupt: 0.0, delay, late };
            let (came, went, counted) = run(faults);
            prop_assert_eq!(&run(faults).0, &came);
            let mut once = numbers(&came);
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len() as u64 + counted.receive_dropped, 1000);
            prop_assert!(came.len() <= 2 * once.len() && went.len() <= 2000);
        }
    }
}
