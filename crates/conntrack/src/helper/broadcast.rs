//! Questions to a whole network: who has a NetBIOS name, who speaks SNMP. The answers come from the addresses of those who
//! answer, not from the one that was asked (nf_conntrack_netbios_ns.c, nf_conntrack_snmp.c, nf_conntrack_broadcast.c).
//!
//! Of questions that this host asks itself, answers are expected from everybody in the network for a while, which begins
//! anew with each question. The connection of the question ends when others would: Linux 6.18 leaves its timeout alone.

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3};

use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::{ExpectFlags, Expectation, Policy};

/// The helpers "netbios-ns" and "snmp". The payload of SNMP stays as it is, with NAT too (nf_nat_snmp_basic is not built).
#[derive(Debug)]
pub(super) struct Broadcast {
    name: &'static str,
    /// Where answers come from.
    port: u16,
    policy: [Policy; 1],
}

impl Broadcast {
    /// NetBIOS name service (RFC 1002 §4.2).
    pub(super) const NETBIOS_NS: Broadcast = Broadcast::new("netbios-ns", 137, 3);
    /// SNMP (RFC 3417 §3.2).
    pub(super) const SNMP: Broadcast = Broadcast::new("snmp", 161, 30);

    const fn new(name: &'static str, port: u16, seconds: u64) -> Broadcast {
        let policy = [Policy { max_expected: 1, timeout: Duration::from_secs(seconds) }];
        Broadcast { name, port, policy }
    }
}

impl Helper for Broadcast {
    fn name(&self) -> &'static str {
        self.name
    }

    fn l4(&self) -> u8 {
        ipproto::UDP
    }

    fn l3(&self) -> &'static [L3] {
        &[L3::V4]
    }

    fn policies(&self) -> &[Policy] {
        &self.policy
    }

    fn reads_empty(&self) -> bool {
        true
    }

    fn packet(&self, _payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        let Some(mask) = context.broadcast_mask().filter(|mask| *mask != Address::UNSPECIFIED) else {
            return Judgement::Accept;
        };
        if context.direction() == Direction::Reply {
            return Judgement::Accept;
        }
        let expectation = Expectation {
            tuple: context.tuple(Direction::Reply),
            src_mask: mask,
            flags: ExpectFlags::PERMANENT,
            ..Expectation::default()
        }
        .from_id(self.port);
        // Where it cannot be expected the question leaves nevertheless.
        let _ = context.expect(expectation);
        Judgement::Accept
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ironweir_wire::{Address, L3};

    use crate::helper::Surroundings;
    use crate::testing::{Bench, Bytes, v4};
    use crate::{Config, ExpectFlags};

    #[derive(Debug)]
    struct Network(Option<Address>);

    impl Surroundings for Network {
        fn broadcast_mask(&self) -> Option<Address> {
            self.0
        }

        fn is_same_way(&self, _: L3, _: &Address, _: &Address) -> bool {
            false
        }
    }

    fn asked(helper: &str, port: u16, network: Option<Address>) -> Bench {
        let mut bench = Bench::new(Config::default());
        let mut question = Bytes::udp((v4(1), 137), (v4(255), port), L3::V4, b"who?");
        let tracking = bench.enter(&question);
        let (ct, info) = tracking.flow().unwrap();
        bench.ct.entry_mut(ct).unwrap().set_helper(helper.into());
        let (now, conntrack) = (bench.now, &mut bench.ct);
        question.with(|packet, parsed| {
            let mut parsed = *parsed;
            conntrack.help(now, packet, &mut parsed, ct, info, &Network(network));
        });
        bench.ct.confirm(now, tracking);
        bench
    }

    const MASK: Address = Address::v4([255, 255, 255, 0]);

    /// Linux 6.18, `conntrack -L expect`: `3 l3proto = 2 proto=17 src=10.0.0.255 dst=10.0.0.1 sport=137 dport=137
    /// mask-src=255.255.255.0 ... PERMANENT class=0 helper=netbios-ns`.
    #[test]
    fn answers_are_expected_from_all_of_the_network() {
        let bench = asked("netbios-ns", 137, Some(MASK));
        let found: Vec<_> = bench.ct.expectations(bench.now).collect();
        let [expected] = found[..] else { panic!("{found:?}") };
        assert_eq!(expected.expectation.flags, ExpectFlags::PERMANENT);
        assert_eq!(expected.deadline, bench.now + Duration::from_secs(3));
        for (source, port, related) in [
            (v4(9), 137, true),
            (v4(77), 137, true),
            (v4(9), 138, false),
            (Address::v4([192, 0, 2, 1]), 137, false),
        ] {
            let answer = Bytes::udp((source, port), (v4(1), 137), L3::V4, b"I").tuple();
            assert_eq!(bench.ct.expectation_of(&answer).is_some(), related, "{source:?} {port}");
        }
    }

    /// `conntrack -L` of Linux 6.18 shows 30 s for both.
    #[test]
    fn the_timeout_of_the_connection_is_that_of_its_protocol() {
        for (helper, port) in [("netbios-ns", 137), ("snmp", 161)] {
            let bench = asked(helper, port, Some(MASK));
            let (_, entry) = bench.ct.iter().next().unwrap();
            assert_eq!(entry.deadline, bench.now + Duration::from_secs(30), "{helper}");
        }
    }

    #[test]
    fn of_what_is_no_broadcast_of_this_host_nothing_is_expected() {
        for network in [None, Some(Address::UNSPECIFIED)] {
            let bench = asked("snmp", 161, network);
            assert_eq!(bench.ct.expectations(bench.now).count(), 0);
        }
    }
}
