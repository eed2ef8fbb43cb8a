//! A port of limited speed: token buckets for bytes and packets, each way.
//!
//! What is sent too fast waits, up to [`MAX_WAITING`] frames, as in a queue before a slow line; what comes too fast is
//! dropped, since whoever sent it is not to be held up here.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ironweir_wire::Instant;

use super::{Offloads, Port, PortStatistics, place};

/// Frames that wait to be sent.
pub const MAX_WAITING: usize = 1000;
/// Frames that are taken from the port below in one call.
const MAX_TAKEN: usize = 256;

/// How fast, each way; what is not said is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Bits per second, link headers included.
    pub bits: Option<u64>,
    /// Packets per second.
    pub packets: Option<u64>,
    /// For how long at this rate may come at once after a rest.
    pub burst: Duration,
}

/// A token bucket, as the time at which it will be full again (GCRA, ITU-T I.371 annex A).
#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_second: u64,
    burst: Duration,
    full: Instant,
}

impl Bucket {
    fn new(per_second: Option<u64>, burst: Duration) -> Option<Bucket> {
        per_second.map(|per_second| Bucket { per_second: per_second.max(1), burst, full: Instant::ZERO })
    }

    fn cost(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When so much may pass. A full bucket lets anything pass, so that nothing waits for ever.
    fn when(&self, units: u64) -> Instant {
        let enough = self.full + self.cost(units) - self.burst;
        enough.min(self.full)
    }

    fn take(&mut self, units: u64, now: Instant) {
        self.full = self.full.max(now) + self.cost(units);
    }
}

/// Both buckets of a direction.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    bits: Option<Bucket>,
    packets: Option<Bucket>,
}

impl Buckets {
    fn new(rate: Rate) -> Buckets {
        Buckets { bits: Bucket::new(rate.bits, rate.burst), packets: Bucket::new(rate.packets, rate.burst) }
    }

    fn when(&self, len: usize) -> Instant {
        let bits = self.bits.map_or(Instant::ZERO, |bucket| bucket.when(len as u64 * 8));
        bits.max(self.packets.map_or(Instant::ZERO, |bucket| bucket.when(1)))
    }

    /// Whether a frame may pass now; then it has.
    fn pass(&mut self, len: usize, now: Instant) -> bool {
        if self.when(len) > now {
            return false;
        }
        if let Some(bits) = &mut self.bits {
            bits.take(len as u64 * 8, now);
        }
        if let Some(packets) = &mut self.packets {
            packets.take(1, now);
        }
        true
    }
}

/// A port, and how fast it is.
#[derive(Debug)]
pub struct LimitedPort {
    port: Box<dyn Port>,
    incoming: Buckets,
    outgoing: Buckets,
    waiting: VecDeque<Vec<u8>>,
    now: Instant,
    lost_incoming: u64,
    lost_outgoing: u64,
}

impl LimitedPort {
    /// Over a port.
    pub fn new(port: Box<dyn Port>, rate: Rate) -> LimitedPort {
        let (incoming, outgoing) = (Buckets::new(rate), Buckets::new(rate));
        let (waiting, now) = (VecDeque::new(), Instant::ZERO);
        LimitedPort { port, incoming, outgoing, waiting, now, lost_incoming: 0, lost_outgoing: 0 }
    }
}

impl Port for LimitedPort {
    fn has_neighbours(&self) -> bool {
        self.port.has_neighbours()
    }

    fn turn(&mut self, now: Instant) {
        self.now = now;
        self.port.turn(now);
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        let base = buffer.as_ptr() as usize;
        for _ in 0..MAX_TAKEN {
            let Some((offloads, frame)) = self.port.receive(buffer)? else { return Ok(None) };
            let at = place(base, frame);
            if self.incoming.pass(at.len(), self.now) {
                return Ok(buffer.get_mut(at).map(|frame| (offloads, frame)));
            }
            self.lost_incoming += 1;
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.waiting.is_empty() && self.outgoing.pass(frame.len(), self.now) {
            return self.port.send(frame);
        }
        if self.waiting.len() >= MAX_WAITING {
            self.lost_outgoing += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.waiting.push_back(frame.to_vec());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.waiting.front()
            && self.outgoing.pass(frame.len(), self.now)
            && let Some(frame) = self.waiting.pop_front()
        {
            // Counted where it is lost.
            let _ = self.port.send(&frame);
        }
        self.port.flush()
    }

    fn deadline(&self) -> Option<Instant> {
        let next = self.waiting.front().map(|frame| self.outgoing.when(frame.len()));
        next.into_iter().chain(self.port.deadline()).min()
    }

    fn statistics(&self) -> PortStatistics {
        let mut statistics = self.port.statistics();
        statistics.receive_dropped += self.lost_incoming;
        statistics.send_dropped += self.lost_outgoing;
        statistics
    }
}

impl AsFd for LimitedPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::{Wire, next};

    const BURST: Duration = Duration::from_millis(10);

    /// Sends and offers a frame of 1000 bytes each millisecond for ten seconds; how many came and went.
    fn run(rate: Rate) -> (u64, u64) {
        let (wire, other) = Wire::pair();
        let mut port = LimitedPort::new(Box::new(wire), rate);
        let (mut came, mut went) = (0, 0);
        for millis in 1000..11_000 {
            port.turn(Instant::from_millis(millis));
            other.put(&[1; 1000]);
            came += u64::from(next(&mut port).is_some());
            let _ = port.send(&[2; 1000]);
            port.flush().unwrap();
            went += std::iter::from_fn(|| other.get()).count() as u64;
        }
        assert!(port.waiting.len() <= MAX_WAITING);
        let lost = port.statistics();
        assert_eq!(came + lost.receive_dropped, 10_000);
        assert_eq!(went + lost.send_dropped + port.waiting.len() as u64, 10_000);
        (came, went)
    }

    #[test]
    fn a_second_has_so_many_bits_or_packets() {
        // 800 kbit/s are a hundred such frames in a second; ten milliseconds of it are one.
        let (came, went) = run(Rate { bits: Some(800_000), packets: None, burst: BURST });
        assert!((995..=1005).contains(&came) && (995..=1005).contains(&went), "{came} {went}");
        let (came, went) = run(Rate { bits: None, packets: Some(50), burst: BURST });
        assert!((495..=505).contains(&came) && (495..=505).contains(&went), "{came} {went}");
        let (came, went) = run(Rate { bits: Some(800_000), packets: Some(50), burst: BURST });
        assert!((495..=505).contains(&came) && (495..=505).contains(&went), "the stricter of both");
        assert_eq!(run(Rate::default()), (10_000, 10_000));
    }

    #[test]
    fn after_a_rest_a_burst_passes_and_the_next_has_its_time() {
        let (wire, other) = Wire::pair();
        let rate = Rate { bits: None, packets: Some(1000), burst: BURST };
        let mut port = LimitedPort::new(Box::new(wire), rate);
        let now = Instant::from_secs(1);
        port.turn(now);
        for _ in 0..20 {
            port.send(&[0; 60]).unwrap();
        }
        port.flush().unwrap();
        assert_eq!(std::iter::from_fn(|| other.get()).count(), 10);
        assert_eq!(port.deadline(), Some(now + Duration::from_millis(1)));
        port.turn(now + Duration::from_millis(1));
        port.flush().unwrap();
        assert_eq!(std::iter::from_fn(|| other.get()).count(), 1);
    }

    #[test]
    fn what_is_more_than_a_burst_passes_alone() {
        let (wire, other) = Wire::pair();
        let rate = Rate { bits: Some(8), packets: None, burst: Duration::ZERO };
        let mut port = LimitedPort::new(Box::new(wire), rate);
        port.turn(Instant::from_secs(5));
        port.send(&[0; 10]).unwrap();
        port.send(&[0; 10]).unwrap();
        assert_eq!(port.deadline(), Some(Instant::from_secs(15)));
        assert!(other.get().is_some() && other.get().is_none());
    }
}
