//! Next hops: how packets leave. One for each interface and neighbour, however many connections go there.
//!
//! 16 bytes each: Ethernet addresses, destination first (12), MTU (2), place of the interface in the map of devices (2).
//! The first word has all of the destination's address, so that a neighbour who moves is one write. An MTU of 0 lets nobody
//! pass: the neighbour is not known.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ironweir_wire::IfIndex;

/// Next hops that there can be: as many as two bytes can name.
pub(super) const HOPS: usize = 1 << 16;

/// Where packets leave, and to whom.
pub(super) type Target = (IfIndex, IpAddr);

/// How packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) destination: [u8; 6],
    pub(super) source: [u8; 6],
    pub(super) mtu: u16,
    pub(super) device: u16,
}

/// The array of next hops over shared memory.
#[derive(Debug)]
pub(super) struct Hops<M> {
    memory: M,
    index: HashMap<Target, (u16, u32)>,
    free: Vec<u16>,
    next: u32,
}

impl<M: AsRef<[AtomicU64]>> Hops<M> {
    pub(super) fn new(memory: M) -> Hops<M> {
        Hops { memory, index: HashMap::new(), free: Vec::new(), next: 0 }
    }

    /// The number of a next hop, which one more entry names. `None` where there are too many.
    pub(super) fn take(&mut self, target: Target, way: Option<Way>) -> Option<u16> {
        if let Some((number, users)) = self.index.get_mut(&target) {
            *users += 1;
            return Some(*number);
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                let number = u16::try_from(self.next).ok()?;
                self.next += 1;
                number
            }
        };
        self.index.insert(target, (number, 1));
        self.write(number, way);
        Some(number)
    }

    /// One entry less names it, which no run of the program sees any more.
    pub(super) fn give_back(&mut self, target: Target) {
        let Some((number, users)) = self.index.get_mut(&target) else { return };
        *users -= 1;
        if *users == 0 {
            let number = *number;
            self.index.remove(&target);
            self.write(number, None);
            self.free.push(number);
        }
    }

    /// Looks again how packets leave towards each.
    pub(super) fn refresh(&self, way: impl Fn(Target) -> Option<Way>) {
        for (target, (number, _)) in &self.index {
            self.write(*number, way(*target));
        }
    }

    fn write(&self, number: u16, way: Option<Way>) {
        let at = usize::from(number) * 2;
        let Some([first, second]) = self.memory.as_ref().get(at..at + 2) else { return };
        let Some(way) = way else {
            // The addresses stay: whoever is past the look at the MTU needs them.
            let [a, b, c, d, _, _, e, f] = second.load(Ordering::Relaxed).to_ne_bytes();
            return second.store(u64::from_ne_bytes([a, b, c, d, 0, 0, e, f]), Ordering::Release);
        };
        let [a, b, c, d, e, f] = way.destination;
        let [g, h, i, j, k, l] = way.source;
        let [m, n] = way.mtu.to_ne_bytes();
        let [o, p] = way.device.to_ne_bytes();
        first.store(u64::from_ne_bytes([a, b, c, d, e, f, g, h]), Ordering::Release);
        second.store(u64::from_ne_bytes([i, j, k, l, m, n, o, p]), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_is_one_however_many_name_it() {
        let memory: Vec<AtomicU64> = (0..HOPS * 2).map(|_| AtomicU64::new(0)).collect();
        let mut hops = Hops::new(memory);
        let target = |last: u8| (IfIndex(2), IpAddr::from([192, 0, 2, last]));
        let way =
            Way { destination: [1, 2, 3, 4, 5, 6], source: [7, 8, 9, 10, 11, 12], mtu: 1500, device: 3 };
        assert_eq!(hops.take(target(1), Some(way)), Some(0));
        assert_eq!(hops.take(target(1), Some(way)), Some(0));
        assert_eq!(hops.take(target(2), None), Some(1));
        let bytes = |hops: &Hops<Vec<AtomicU64>>, word: usize| {
            hops.memory[word].load(Ordering::Relaxed).to_ne_bytes()
        };
        assert_eq!(bytes(&hops, 0), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes(&hops, 1)[..4], [9, 10, 11, 12]);
        let mtu = |hops: &Hops<Vec<AtomicU64>>, number: usize| {
            let second = bytes(hops, number * 2 + 1);
            u16::from_ne_bytes([second[4], second[5]])
        };
        assert_eq!((mtu(&hops, 0), mtu(&hops, 1)), (1500, 0));
        hops.refresh(|to| (to == target(2)).then_some(way));
        assert_eq!((mtu(&hops, 0), mtu(&hops, 1)), (0, 1500), "a neighbour went, another came");
        hops.give_back(target(1));
        assert_eq!(hops.take(target(3), None), Some(2));
        hops.give_back(target(1));
        assert_eq!(hops.take(target(4), None), Some(0));
    }
}
