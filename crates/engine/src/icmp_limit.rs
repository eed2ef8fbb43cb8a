//! How many ICMP errors the host sends: so many a second to all, and so many to one.
//!
//! Each peer has an allowance that grows with time, up to six errors at once; an error costs one interval. Errors of IPv4
//! about missing routes cost twice, by a limit of their own on the same allowance. What is not limited: answers and
//! queries, "too big" (path MTU discovery lives of it), and types that the mask does not name. Answers of `reject` with
//! ICMP are limited as all others are; resets, and answers in bridge and netdev tables, are not.
//!
//! Source: linux 6.18 net/ipv4/icmp.c (`icmp_global_allow`, `icmpv4_xrlim_allow`), net/ipv6/icmp.c, net/ipv4/inetpeer.c
//! (`inet_peer_xrlim_allow`), net/ipv4/route.c (`ip_error`). Measured on it: 9 errors of IPv4 in four seconds of a packet
//! each millisecond, 26 of IPv6 in two. Where the kernel counts in jiffies, these are milliseconds.

use std::net::IpAddr;

use hashbrown::HashMap;
use ironweir_wire::Instant;

use crate::seeded::Seeded;

/// An allowance holds at most so many intervals (`XRLIM_BURST_FACTOR`).
const BURST: u64 = 6;
/// What the allowance of a peer seen for the first time is counted from: a minute ago (`inet_getpeer`).
const FIRST: u64 = 60_000;
/// Costs and most of `ip_error`, in milliseconds (`ip_rt_error_cost`, `ip_rt_error_burst`).
const ROUTE_COST: u64 = 1000;
const ROUTE_BURST: u64 = 5000;
/// How many peers are remembered at least; twice as many at most.
const PEERS: usize = 32_768;
/// Shortest time after which the allowance of all grows, and longest that counts, in milliseconds.
const GROWS_AFTER: u64 = 20;
const GROWS_FOR: u64 = 1000;

/// The limits (`net.ipv4.icmp_*`, `net.ipv6.icmp.*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpSettings {
    /// Milliseconds between two IPv4 errors to one peer, once six were sent; 0 for no limit (`icmp_ratelimit`).
    pub ratelimit: u32,
    /// Which IPv4 types are limited, a bit each (`icmp_ratemask`).
    pub ratemask: u32,
    /// Milliseconds between two IPv6 errors to one peer (`ratelimit` of IPv6).
    pub ratelimit_v6: u32,
    /// Errors a second to all peers together (`icmp_msgs_per_sec`).
    pub msgs_per_sec: u32,
    /// Errors to all at once (`icmp_msgs_burst`).
    pub msgs_burst: u32,
}

impl Default for IcmpSettings {
    /// Those of Linux 6.18.
    fn default() -> Self {
        IcmpSettings {
            ratelimit: 1000,
            ratemask: 6168,
            ratelimit_v6: 100,
            msgs_per_sec: 1000,
            msgs_burst: 50,
        }
    }
}

/// What was sent so far.
pub(crate) struct IcmpLimits {
    /// How many may be sent to all; below zero for a while when several were counted at once.
    credit: i64,
    counted: u64,
    /// Peers seen lately, and those before: when there are too many, the older half is forgotten.
    peers: [HashMap<IpAddr, Allowance, Seeded>; 2],
}

#[derive(Clone, Copy)]
struct Allowance {
    millis: u64,
    last: u64,
}

impl IcmpLimits {
    pub(crate) fn new(seed: u64) -> IcmpLimits {
        let empty = || HashMap::with_hasher(Seeded(seed));
        IcmpLimits { credit: 0, counted: 0, peers: [empty(), empty()] }
    }

    /// Whether an error may be sent; counts it if so. `random` decides what it costs of the allowance of all: nothing, one
    /// or two, so that nobody can count others' errors by his own.
    pub(crate) fn allow(
        &mut self,
        settings: &IcmpSettings,
        now: Instant,
        peer: IpAddr,
        (kind, code): (u8, u8),
        random: u32,
    ) -> bool {
        let interval = match peer {
            IpAddr::V4(_) if (kind, code) == (3, 4) || kind > 18 => return true,
            IpAddr::V4(_) if settings.ratemask >> kind & 1 == 0 => return true,
            IpAddr::V6(_) if kind == 2 || kind >= 128 => return true,
            IpAddr::V4(_) => settings.ratelimit,
            IpAddr::V6(_) => settings.ratelimit_v6,
        };
        let interval = u64::from(interval);
        let now = now.millis();
        if !self.all_allow(settings, now) {
            return false;
        }
        let allowed = self.spend(peer, now, interval, BURST * interval);
        if allowed {
            self.credit -= i64::from(random % 3);
        }
        allowed
    }

    /// Whether a missing route may be told of (`ip_error`), before the error's own limit is asked.
    pub(crate) fn allow_route_error(&mut self, now: Instant, peer: IpAddr) -> bool {
        self.spend(peer, now.millis(), ROUTE_COST, ROUTE_BURST)
    }

    fn all_allow(&mut self, settings: &IcmpSettings, now: u64) -> bool {
        if self.credit > 0 {
            return true;
        }
        let passed = now.saturating_sub(self.counted).min(GROWS_FOR);
        if passed < GROWS_AFTER {
            return false;
        }
        let more = u64::from(settings.msgs_per_sec) * passed / 1000;
        if more == 0 {
            return false;
        }
        self.counted = now;
        self.credit = (self.credit + more as i64).min(i64::from(settings.msgs_burst));
        true
    }

    fn spend(&mut self, peer: IpAddr, now: u64, cost: u64, most: u64) -> bool {
        let known = self.peers.iter().find_map(|peers| peers.get(&peer)).copied();
        let mut allowance = known.unwrap_or(Allowance { millis: 0, last: now.saturating_sub(FIRST) });
        let passed = now.saturating_sub(allowance.last);
        if passed > 0 {
            allowance.millis = (allowance.millis + passed).min(most);
            allowance.last = now;
        }
        let enough = allowance.millis >= cost;
        if enough {
            allowance.millis -= cost;
        }
        if self.peers[0].len() >= PEERS && !self.peers[0].contains_key(&peer) {
            self.peers.swap(0, 1);
            self.peers[0].clear();
        }
        self.peers[0].insert(peer, allowance);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When errors are sent, of one packet each millisecond for `secs` seconds.
    fn sent(peer: &str, kind: u8, secs: u64) -> Vec<u64> {
        let (mut limits, peer) = (IcmpLimits::new(1), peer.parse().unwrap());
        (0..secs * 1000)
            .filter(|millis| {
                let now = Instant::from_millis(1_000_000 + millis);
                limits.allow(&IcmpSettings::default(), now, peer, (kind, 3), 1)
            })
            .collect()
    }

    /// As Linux 6.18 did: six at once, then one an interval.
    #[test]
    fn one_peer_gets_six_errors_and_then_one_an_interval() {
        assert_eq!(sent("10.0.0.1", 3, 4), [0, 1, 2, 3, 4, 5, 1000, 2000, 3000]);
        assert_eq!(sent("fd00::1", 1, 2).len(), 25);
        assert_eq!(sent("10.0.0.1", 5, 1).len(), 1000, "redirects are limited elsewhere");
    }

    #[test]
    fn all_peers_together_get_fifty_at_once_and_a_thousand_a_second() {
        let mut limits = IcmpLimits::new(1);
        let mut count = 0;
        for at in 0..100_000u32 {
            let now = Instant::from_millis(1_000_000 + u64::from(at) / 50);
            let peer = IpAddr::from(at.to_be_bytes());
            count += u32::from(limits.allow(&IcmpSettings::default(), now, peer, (3, 3), at));
        }
        // Two seconds, fifty packets a millisecond; the allowance grows in steps of 20 ms.
        assert!((1900..2200).contains(&count), "{count}");
        assert!(limits.peers.iter().map(HashMap::len).sum::<usize>() <= 2 * PEERS);
    }

    #[test]
    fn missing_routes_are_told_by_a_limit_of_their_own() {
        let (mut limits, peer) = (IcmpLimits::new(1), "10.0.0.1".parse().unwrap());
        let now = Instant::from_millis(1_000_000);
        let told = (0..10).filter(|_| limits.allow_route_error(now, peer)).count();
        assert_eq!(told, 5);
    }
}
