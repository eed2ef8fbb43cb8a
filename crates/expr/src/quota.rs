//! `quota`: an amount of bytes (`nft_quota.c`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::{Env, Outcome, Registers};

/// Ends the rule once `bytes` have passed (`until`), or before (`over`). Shared like [`crate::counter::Counter`].
#[derive(Debug)]
pub struct Quota {
    /// The amount (`NFTA_QUOTA_BYTES`).
    pub bytes: u64,
    /// `over` (`NFT_QUOTA_F_INV`).
    pub over: bool,
    consumed: AtomicU64,
}

impl Quota {
    /// A quota of which `consumed` bytes are used up.
    pub fn new(bytes: u64, over: bool, consumed: u64) -> Quota {
        Quota { bytes, over, consumed: consumed.into() }
    }

    /// Bytes used so far, as the kernel tells them: the threshold at most, however much came after
    /// (`nft_quota_do_dump`).
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed).min(self.bytes)
    }

    /// Bytes used so far, told as by [`Quota::consumed`], which are forgotten (`reset`).
    pub fn take(&self) -> u64 {
        self.consumed.swap(0, Ordering::Relaxed).min(self.bytes)
    }
}

impl Clone for Quota {
    fn clone(&self) -> Quota {
        Quota::new(self.bytes, self.over, self.consumed())
    }
}

impl PartialEq for Quota {
    fn eq(&self, other: &Quota) -> bool {
        (self.bytes, self.over, self.consumed()) == (other.bytes, other.over, other.consumed())
    }
}

impl Quota {
    /// Uses up as many bytes as the packet has. Up to and including `bytes` are within the quota, as in kernels from 6.15
    /// on (before, the packet that used it up exactly was over already).
    pub fn eval(&self, packet: &Packet<'_>) -> Outcome {
        let len = packet.counted_len() as u64;
        let consumed = self.consumed.fetch_add(len, Ordering::Relaxed).wrapping_add(len);
        Outcome::next_if((consumed > self.bytes) == self.over)
    }

    /// Takes over what another quota has used up, as an update of a named quota does (`nft_quota_obj_update` keeps what
    /// was consumed).
    pub fn set_consumed(&self, consumed: u64) {
        self.consumed.store(consumed, Ordering::Relaxed);
    }
}

impl Quota {
    /// Appends the bytes used so far: see [`crate::Expr::live`].
    pub fn live(&self, numbers: &mut Vec<u64>) {
        numbers.push(self.consumed.load(Ordering::Relaxed));
    }

    /// Takes over what [`Quota::live`] appended; `None` where there is less.
    pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.set_consumed(numbers.next()?);
        Some(())
    }
}

impl Expression for Quota {
    const NAME: &'static str = "quota";
    const HIGHEST: u16 = CONSUMED;

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, _: &mut E) -> Outcome {
        self.eval(packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "quota bytes {} consumed {} flags {}", self.bytes, self.consumed(), u32::from(self.over))
    }

    fn live(&self, numbers: &mut Vec<u64>) {
        self.live(numbers);
    }

    fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.revive(numbers)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u64_be(BYTES, self.bytes);
        writer.put_u64_be(CONSUMED, self.consumed());
        writer.put_u32_be(FLAGS, if self.over { INVERT } else { 0 });
    }

    fn decode(given: &Given<'_>) -> Result<Quota, Fault> {
        let consumed = given.option(CONSUMED, Attribute::u64_be)?.unwrap_or(0);
        let over = given.flags(FLAGS, INVERT | DEPLETED)? & INVERT != 0;
        Ok(Quota::new(given.need(BYTES)?.u64_be()?, over, consumed))
    }
}

/// `NFTA_QUOTA_BYTES`.
const BYTES: u16 = 1;
/// `NFTA_QUOTA_FLAGS`.
const FLAGS: u16 = 2;
/// `NFTA_QUOTA_CONSUMED`.
const CONSUMED: u16 = 4;
/// `NFT_QUOTA_F_INV`.
const INVERT: u32 = 1;
/// `NFT_QUOTA_F_DEPLETED`: told by the kernel, and follows from what was consumed.
const DEPLETED: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;
    use crate::testing::{World, eval, ipv4, udp};

    #[test]
    fn a_quota_ends_with_the_packet_beyond_it() {
        // 20 bytes of IPv4, 8 of UDP, 72 of payload: 100 from the network header on.
        let mut frame = ipv4(17, 0, &[], &udp(53, &[0; 72]));
        for (over, want) in [
            (false, [Outcome::Next, Outcome::Next, Outcome::Break]),
            (true, [Outcome::Break, Outcome::Break, Outcome::Next]),
        ] {
            let expr = Expr::Quota(Quota::new(200, over, 0));
            let mut one = || eval(&expr, &mut frame, &mut Default::default(), &mut World::default());
            assert_eq!([one(), one(), one()], want, "over: {over}");
        }
    }

    #[test]
    fn what_is_told_ends_at_the_threshold() {
        let mut frame = ipv4(17, 0, &[], &udp(53, &[0; 72]));
        let quota = Quota::new(150, true, 0);
        let expr = Expr::Quota(quota);
        for _ in 0..3 {
            eval(&expr, &mut frame, &mut Default::default(), &mut World::default());
        }
        // Linux 6.18: `quota over 150 bytes used 150 bytes` after 300.
        let Expr::Quota(quota) = expr else { unreachable!() };
        assert_eq!((quota.consumed(), quota.take(), quota.consumed()), (150, 150, 0));
    }
}
