//! SYN cookies: a connection's first number that says by itself what was asked, so that nothing need be kept.
//!
//! ```text
//!   cookie = H0(ends) + first number of the client + minute << 24 + (H1(ends, minute) + index) mod 2^24
//! ```
//!
//! H0 and H1 are hashes with secret keys; `index` names one of four segment sizes. Whoever brings the cookie back within
//! two minutes was reached at the address he claims to have.
//!
//! Source: linux 6.18 net/ipv4/syncookies.c and net/ipv6/syncookies.c (`secure_tcp_syn_cookie`,
//! `check_tcp_syn_cookie`, `msstab`), which hash with SipHash too, by other keys and an older variant of it.

use ironweir_wire::{Address, Instant, L3, SipKey};

/// Segment sizes a cookie can name, IPv4 (`msstab`).
const SIZES_V4: [u16; 4] = [536, 1300, 1440, 1460];
/// Segment sizes a cookie can name, IPv6: 1280, 1480, 1500 and 9000 bytes less the headers.
const SIZES_V6: [u16; 4] = [1220, 1420, 1440, 8940];
/// Bits below the minute (`COOKIEBITS`).
const BITS: u32 = 24;
const MASK: u32 = (1 << BITS) - 1;
/// Cookies of this many minutes are believed, the current one included (`MAX_SYNCOOKIE_AGE`).
const MINUTES: u32 = 2;

/// The two secrets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys([SipKey; 2]);

/// Whose cookie it is: addresses and ports, from the client's side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) l3: L3,
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) sport: u16,
    pub(super) dport: u16,
}

impl Ends {
    fn sizes(&self) -> &'static [u16; 4] {
        if self.l3 == L3::V6 { &SIZES_V6 } else { &SIZES_V4 }
    }
}

impl Keys {
    /// Keys from a seed.
    pub(crate) fn from_seed(seed: u64) -> Keys {
        Keys([
            SipKey::from_seed(seed ^ 0x636f_6f6b_6965_0000),
            SipKey::from_seed(seed ^ 0x636f_6f6b_6965_0001),
        ])
    }

    fn hash(&self, key: usize, ends: &Ends, minute: u32) -> u32 {
        let [a, b] = words(&ends.src);
        let [c, d] = words(&ends.dst);
        let rest = u64::from(ends.sport) << 48 | u64::from(ends.dport) << 32 | u64::from(minute);
        self.0[key].hash_words(&[a, b, c, d, rest]) as u32
    }

    /// The cookie for a SYN with number `seq` that offers segments of `mss` bytes, of which the largest size of the table
    /// that is not above it is kept (the smallest if all are).
    pub(super) fn make(&self, ends: &Ends, seq: u32, mss: u16, now: Instant) -> u32 {
        let index = ends.sizes().iter().rposition(|size| mss >= *size).unwrap_or(0) as u32;
        let minute = minute(now);
        self.hash(0, ends, 0)
            .wrapping_add(seq)
            .wrapping_add(minute << BITS)
            .wrapping_add(self.hash(1, ends, minute).wrapping_add(index) & MASK)
    }

    /// The segment size a cookie names, if it is one made in this minute or the last for this client, whose SYN had
    /// number `seq`.
    pub(super) fn check(&self, ends: &Ends, seq: u32, cookie: u32, now: Instant) -> Option<u16> {
        let minute = minute(now);
        let rest = cookie.wrapping_sub(self.hash(0, ends, 0).wrapping_add(seq));
        let age = minute.wrapping_sub(rest >> BITS) & (u32::MAX >> BITS);
        if age >= MINUTES {
            return None;
        }
        let index = rest.wrapping_sub(self.hash(1, ends, minute.wrapping_sub(age))) & MASK;
        ends.sizes().get(index as usize).copied()
    }
}

/// `tcp_cookie_time`.
fn minute(now: Instant) -> u32 {
    (now.secs() / 60) as u32
}

fn words(address: &Address) -> [u64; 2] {
    let number = u128::from_be_bytes(address.0);
    [(number >> 64) as u64, number as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::v4;

    fn ends(l3: L3) -> Ends {
        Ends { l3, src: v4(1), dst: v4(2), sport: 4000, dport: 80 }
    }

    #[test]
    fn a_cookie_comes_back_with_the_segment_size_it_was_made_for() {
        let keys = Keys::from_seed(1);
        let now = Instant::from_secs(1_700_000_000);
        for (l3, offered, kept) in [
            (L3::V4, 0, 536),
            (L3::V4, 1299, 536),
            (L3::V4, 1400, 1300),
            (L3::V4, 1460, 1460),
            (L3::V4, 65535, 1460),
            (L3::V6, 1000, 1220),
            (L3::V6, 9000, 8940),
        ] {
            for seq in [0, 1, u32::MAX, 0x1234_5678] {
                let cookie = keys.make(&ends(l3), seq, offered, now);
                assert_eq!(keys.check(&ends(l3), seq, cookie, now), Some(kept));
            }
        }
    }

    #[test]
    fn a_cookie_ends_with_the_minute_after_its_own_and_is_nobody_elses() {
        let keys = Keys::from_seed(1);
        let made = Instant::from_secs(60 * 1000 + 59);
        let at = |secs: u64| Instant::from_secs(60 * 1000 + secs);
        let cookie = keys.make(&ends(L3::V4), 7, 1460, made);
        for (secs, holds) in [(59, true), (60, true), (119, true), (120, false), (100_000, false), (0, true)]
        {
            assert_eq!(keys.check(&ends(L3::V4), 7, cookie, at(secs)).is_some(), holds, "{secs}");
        }
        assert_eq!(keys.check(&Ends { sport: 4001, ..ends(L3::V4) }, 7, cookie, made), None);
        assert_eq!(Keys::from_seed(2).check(&ends(L3::V4), 7, cookie, made), None);
    }

    /// Four of 2^24 numbers of a minute are cookies: guessing takes some four million packets.
    #[test]
    fn guesses_do_not_pass() {
        let keys = Keys::from_seed(3);
        let now = Instant::from_secs(1_000_000);
        let passed = (0..200_000u32)
            .filter(|guess| keys.check(&ends(L3::V4), 1, guess.wrapping_mul(0x9e37_79b1), now).is_some());
        assert!(passed.count() < 4);
    }
}
