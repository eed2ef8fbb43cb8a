//! `counter`: packets and bytes (`nft_counter.c`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::{Env, Outcome, Registers};

/// Counts the packets that reach it, and their bytes from the network header on. The numbers live in the rule, object or
/// element that holds the expression, and are shared by everyone who evaluates it.
#[derive(Debug, Default)]
pub struct Counter {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    /// A counter that begins at these numbers.
    pub fn new(packets: u64, bytes: u64) -> Counter {
        Counter { packets: packets.into(), bytes: bytes.into() }
    }

    /// Counts one packet of `bytes` bytes.
    pub fn add(&self, bytes: u64) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Packets and bytes so far.
    pub fn totals(&self) -> (u64, u64) {
        (self.packets.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Packets and bytes so far, which are forgotten (`reset`).
    pub fn take(&self) -> (u64, u64) {
        (self.packets.swap(0, Ordering::Relaxed), self.bytes.swap(0, Ordering::Relaxed))
    }
}

impl Clone for Counter {
    fn clone(&self) -> Counter {
        let (packets, bytes) = self.totals();
        Counter::new(packets, bytes)
    }
}

impl PartialEq for Counter {
    fn eq(&self, other: &Counter) -> bool {
        self.totals() == other.totals()
    }
}

impl Counter {
    /// Counts the packet.
    pub fn eval(&self, packet: &Packet<'_>) -> Outcome {
        self.add(packet.counted_len() as u64);
        Outcome::Next
    }

    /// Puts `NFTA_COUNTER_BYTES` and `NFTA_COUNTER_PACKETS`, each eight bytes, big-endian: the data of a named counter,
    /// which says that it is zero where the expression of a rule says nothing (`nft_counter_do_dump`, libnftnl).
    pub fn encode_totals(&self, writer: &mut Writer<'_>) {
        let (packets, bytes) = self.totals();
        writer.put_u64_be(BYTES, bytes);
        writer.put_u64_be(PACKETS, packets);
    }
}

impl Counter {
    /// Appends packets and bytes so far: see [`crate::Expr::live`].
    pub fn live(&self, numbers: &mut Vec<u64>) {
        let (packets, bytes) = self.totals();
        numbers.extend([packets, bytes]);
    }

    /// Takes over what [`Counter::live`] appended; `None` where there is less.
    pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        let (packets, bytes) = (numbers.next()?, numbers.next()?);
        self.packets.store(packets, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        Some(())
    }
}

impl Expression for Counter {
    const NAME: &'static str = "counter";
    const HIGHEST: u16 = PAD;

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, _: &mut E) -> Outcome {
        self.eval(packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let (packets, bytes) = self.totals();
        write!(f, "counter pkts {packets} bytes {bytes}")
    }

    fn live(&self, numbers: &mut Vec<u64>) {
        self.live(numbers);
    }

    fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.revive(numbers)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        if self.totals() != (0, 0) {
            self.encode_totals(writer);
        }
    }

    fn decode(given: &Given<'_>) -> Result<Counter, Fault> {
        let number = |kind| given.option(kind, Attribute::u64_be);
        Ok(Counter::new(number(PACKETS)?.unwrap_or(0), number(BYTES)?.unwrap_or(0)))
    }
}

/// `NFTA_COUNTER_BYTES`.
const BYTES: u16 = 1;
/// `NFTA_COUNTER_PACKETS`.
const PACKETS: u16 = 2;
/// `NFTA_COUNTER_PAD`.
const PAD: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ipv4, udp, with_packet};

    #[test]
    fn bytes_are_counted_from_the_network_header_on() {
        let counter = Counter::default();
        with_packet(&mut ipv4(17, 0, &[], &udp(53, &[0; 72])), |packet, _| counter.eval(packet));
        assert_eq!(counter.totals(), (1, 100));
        assert_eq!(counter.take(), (1, 100));
        assert_eq!(counter.totals(), (0, 0));
    }
}
