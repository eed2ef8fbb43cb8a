//! `limit`: a token bucket (`nft_limit.c`).
//!
//! Tokens are nanoseconds: a packet costs the time in which the rate allows one, the bucket fills by the time that
//! passes, and holds what the burst costs (for bytes: a unit's worth and the burst).

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use ironweir_netlink::Writer;
use ironweir_wire::{Instant, Packet};

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, when};
use crate::{Env, Outcome, Registers};

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

/// The bucket, as one number: the time at which it would be empty if it had filled without bound since. So one atomic
/// holds both numbers that the kernel keeps under a lock (tokens, and when they were last counted):
/// `tokens(now) = min(now - empty, max)`, in nanoseconds.
#[derive(Debug)]
struct Bucket {
    empty: AtomicI64,
}

impl Default for Bucket {
    /// A full one.
    fn default() -> Bucket {
        Bucket { empty: i64::MIN.into() }
    }
}

impl Limit {
    /// A limit whose bucket is full.
    pub fn new(rate: u64, unit: u64, burst: u32, kind: Kind, over: bool) -> Limit {
        Limit { rate, unit, burst, kind, over, bucket: Bucket::default() }
    }

    /// Takes the packet's tokens where there are enough (`nft_limit_eval`).
    pub fn eval(&self, packet: &Packet<'_>, now: Instant) -> Outcome {
        Outcome::next_if(self.take(packet.counted_len() as u64, now) != self.over)
    }

    /// Whether a packet of `len` bytes is within the limit; takes its tokens if so.
    fn take(&self, len: u64, now: Instant) -> bool {
        let cost = match self.kind {
            Kind::Packets => self.nanos_for(1),
            Kind::Bytes => self.nanos_for(len),
        };
        let now = clamp(now.nanos());
        let mut empty = self.bucket.empty.load(Ordering::Relaxed);
        loop {
            let tokens = now.saturating_sub(empty).min(self.capacity());
            if tokens < cost {
                return false;
            }
            let left = now.saturating_sub(tokens - cost);
            match self.bucket.empty.compare_exchange_weak(empty, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => empty = other,
            }
        }
    }

    /// Packets that count as the burst: the kernel takes 5 where none is given (`NFT_LIMIT_PKT_BURST_DEFAULT`).
    fn packet_burst(&self) -> u64 {
        if self.burst == 0 { 5 } else { u64::from(self.burst) }
    }

    /// Nanoseconds in which `count` packets or bytes may come. Rounded down, as the kernel's division.
    fn nanos_for(&self, count: u64) -> i64 {
        let nanos = u128::from(self.unit) * 1_000_000_000 * u128::from(count) / u128::from(self.rate.max(1));
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// How many nanoseconds the bucket holds. Rounding is the kernel's: whole nanoseconds per packet, but of the sum of
    /// bytes.
    fn capacity(&self) -> i64 {
        match self.kind {
            Kind::Packets => self.nanos_for(1).saturating_mul(clamp(self.packet_burst())),
            Kind::Bytes => self.nanos_for(self.rate.saturating_add(u64::from(self.burst))),
        }
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
        (self.rate, self.unit, self.burst, self.kind, self.over)
            == (other.rate, other.unit, other.burst, other.kind, other.over)
    }
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Limit {
    /// Appends how full the bucket is: see [`crate::Expr::live`].
    pub fn live(&self, numbers: &mut Vec<u64>) {
        numbers.push(self.bucket.empty.load(Ordering::Relaxed).cast_unsigned());
    }

    /// Takes over what [`Limit::live`] appended; `None` where there is less.
    pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.bucket.empty.store(numbers.next()?.cast_signed(), Ordering::Relaxed);
        Some(())
    }
}

impl Expression for Limit {
    const NAME: &'static str = "limit";
    const HIGHEST: u16 = PAD;

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        self.eval(packet, env.now())
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let unit = match self.unit {
            1 => "second",
            60 => "minute",
            3600 => "hour",
            86_400 => "day",
            604_800 => "week",
            _ => "error",
        };
        let kind = match self.kind {
            Kind::Packets => "packets",
            Kind::Bytes => "bytes",
        };
        let Limit { rate, burst, .. } = self;
        write!(f, "limit rate {rate}/{unit} burst {burst} type {kind} flags 0x{:x}", u32::from(self.over))
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        self.validate()
    }

    fn live(&self, numbers: &mut Vec<u64>) {
        self.live(numbers);
    }

    fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.revive(numbers)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u64_be(RATE, self.rate);
        writer.put_u64_be(UNIT, self.unit);
        writer.put_u32_be(BURST, self.burst);
        writer.put_u32_be(TYPE, self.kind as u32);
        writer.put_u32_be(FLAGS, if self.over { INVERT } else { 0 });
    }

    fn decode(given: &Given<'_>) -> Result<Limit, Fault> {
        let kinds = [Kind::Packets, Kind::Bytes];
        let kind = kinds.get(given.u32_or_0(TYPE)? as usize).copied().ok_or(Fault::Newer)?;
        let (rate, unit) = (given.need(RATE)?.u64_be()?, given.need(UNIT)?.u64_be()?);
        let over = given.flags(FLAGS, INVERT)? == INVERT;
        Ok(Limit::new(rate, unit, given.u32_or_0(BURST)?, kind, over))
    }
}

impl Limit {
    /// `nft_limit_init`.
    pub fn validate(&self) -> Result<(), ExprError> {
        when(self.rate == 0, "a rate of 0")?;
        when(self.unit == 0, "a rate without unit")?;
        let nanos = self.unit.checked_mul(1_000_000_000);
        when(nanos.is_none(), "a unit of more nanoseconds than 64 bits hold")?;
        let sum = self.rate.checked_add(u64::from(self.burst));
        when(sum.is_none(), "rate and burst exceed 64 bits")?;
        // The bucket, as the kernel computes it: a gigabyte a minute is too much for it.
        let bucket = nanos.zip(sum).and_then(|(nanos, sum)| match self.kind {
            Kind::Packets => (nanos / self.rate).checked_mul(self.packet_burst()),
            Kind::Bytes => nanos.checked_mul(sum),
        });
        when(bucket.is_none(), "a limit of more than 64 bits of nanoseconds")
    }
}

/// `NFTA_LIMIT_RATE`.
const RATE: u16 = 1;
/// `NFTA_LIMIT_UNIT`.
const UNIT: u16 = 2;
/// `NFTA_LIMIT_BURST`.
const BURST: u16 = 3;
/// `NFTA_LIMIT_TYPE`.
const TYPE: u16 = 4;
/// `NFTA_LIMIT_FLAGS`.
const FLAGS: u16 = 5;
/// `NFTA_LIMIT_PAD`.
const PAD: u16 = 6;
/// `NFT_LIMIT_F_INV`.
const INVERT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` packets of `len` bytes pass, one each `gap` nanoseconds.
    fn passed(limit: &Limit, count: u64, gap: u64, len: u64) -> u64 {
        let start = 1_700_000_000_000_000_000;
        (0..count).filter(|i| limit.take(len, Instant::from_nanos(start + i * gap))).count() as u64
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limit = Limit::new(10, 1, 5, Kind::Packets, false);
        assert_eq!(passed(&limit, 20, 0, 100), 5);
        // Full after 500 ms; one each 50 ms then: 5 of the burst are there, and every second one earns its token.
        let limit = Limit::new(10, 1, 5, Kind::Packets, false);
        assert_eq!(passed(&limit, 100, 50_000_000, 100), 54);
    }

    #[test]
    fn no_burst_is_a_burst_of_five_packets() {
        assert_eq!(passed(&Limit::new(1, 3600, 0, Kind::Packets, false), 20, 0, 100), 5);
    }

    #[test]
    fn bytes_may_come_for_a_unit_and_a_burst() {
        // 1000 bytes per second and 500 more: 15 packets of 100 bytes.
        assert_eq!(passed(&Limit::new(1000, 1, 500, Kind::Bytes, false), 20, 0, 100), 15);
    }

    #[test]
    fn a_packet_that_did_not_pass_takes_nothing() {
        let limit = Limit::new(1, 1, 1, Kind::Packets, false);
        let at = |millis: u64| limit.take(100, Instant::from_millis(1_000_000 + millis));
        assert_eq!([at(0), at(400), at(800), at(1000), at(1200)], [true, false, false, true, false]);
    }

    #[test]
    fn rates_without_meaning_are_refused() {
        for (rate, unit, burst, ok) in
            [(0, 1, 0, false), (u64::MAX, 1, 1, false), (1, u64::MAX, 0, false), (1, 604_800, 0, true)]
        {
            assert_eq!(Limit::new(rate, unit, burst, Kind::Packets, false).validate().is_ok(), ok);
        }
        // Linux 6.18 takes `4000000000 bytes/second`, and finds `20000000000 bytes/second` and `10 mbytes/day` too large.
        for (rate, unit, ok) in
            [(4_000_000_000, 1, true), (20_000_000_000, 1, false), (10 << 20, 86_400, false)]
        {
            assert_eq!(Limit::new(rate, unit, 0, Kind::Bytes, false).validate().is_ok(), ok);
        }
    }
}
