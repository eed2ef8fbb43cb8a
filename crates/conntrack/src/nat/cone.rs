//! Full-cone NAT, an option of our own ([`Config::full_cone`](crate::Config::full_cone)): UDP mappings that hold towards every
//! peer, in both directions (RFC 4787: endpoint-independent mapping and filtering).
//!
//! ```text
//!   10.0.0.5:4000  <->  203.0.113.1:4000      learnt from the first packet to anybody
//!   anybody -> 203.0.113.1:4000                goes to 10.0.0.5:4000, if no rule says otherwise
//! ```
//!
//! Source NAT as rules ask for it stays as it is, but that one inside address and port has one outside, `random` or not, and
//! no other inside gets it, whoever the peer. A mapping lives as long as a connection that uses it; a packet from
//! outside is a new connection like any other, which filter chains judge (`ct status dnat`). See
//! `docs/decisions/0010-full-cone.md`.

use hashbrown::HashTable;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Tuple};

use super::{Manip, NatRange};
use crate::entry::{CtRef, Direction};
use crate::track::Conntrack;

/// Outsides with their insides.
#[derive(Debug, Default)]
pub(crate) struct Cones(HashTable<Cone>);

#[derive(Clone, Copy, Debug)]
struct Cone {
    /// The outside as a source, nothing else of the tuple set.
    outside: Tuple,
    inside: (Address, u16),
    /// A connection that uses it.
    ct: CtRef,
}

/// The source of a tuple alone.
fn source(tuple: &Tuple) -> Tuple {
    Tuple { dst: Address::UNSPECIFIED, dst_id: 0, ..*tuple }
}

impl Conntrack {
    fn cones_apply(&self, l4: u8) -> bool {
        self.config.full_cone && matches!(l4, ipproto::UDP | ipproto::UDPLITE)
    }

    /// Notes the mapping of a connection whose source was just changed.
    pub(super) fn learn_cone(&mut self, ct: CtRef) {
        let Some(entry) = self.table.slab.get(ct) else { return };
        let (original, reply) = (entry.tuple(Direction::Original), entry.tuple(Direction::Reply));
        if !self.cones_apply(original.l4) {
            return;
        }
        if self.cones.0.len() > 2 * self.len() + 1024 {
            let slab = &self.table.slab;
            self.cones.0.retain(|cone| slab.get(cone.ct).is_some());
        }
        let outside =
            source(&Tuple { src: reply.dst, src_id: reply.dst_id, zone: original.zone, ..original });
        let (cone, key) = (Cone { outside, inside: (original.src, original.src_id), ct }, self.table.key);
        let found = self.cones.0.entry(
            outside.hash(&key),
            |other| other.outside == outside,
            |other| other.outside.hash(&key),
        );
        found.insert(cone);
    }

    /// The inside of an outside, if one lives.
    fn inside_of(&self, outside: &Tuple) -> Option<(Address, u16)> {
        let cone = self.cones.0.find(outside.hash(&self.table.key), |cone| cone.outside == *outside)?;
        let lives = self.entry(cone.ct).is_some() || {
            let (src, src_id) = cone.inside;
            self.table.source_mappings(&Tuple { src, src_id, ..*outside }).any(|entry| {
                let reply = entry.tuple(Direction::Reply);
                (reply.dst, reply.dst_id) == (outside.src, outside.src_id)
            })
        };
        lives.then_some(cone.inside)
    }

    /// Whether the source that `tuple` would have outside is that of another inside than `current`.
    pub(super) fn is_others_cone(&self, current: &Tuple, tuple: &Tuple) -> bool {
        self.cones_apply(tuple.l4)
            && self.inside_of(&source(tuple)).is_some_and(|inside| inside != (current.src, current.src_id))
    }

    /// Whether one inside keeps its outside even where a rule wants a random one.
    pub(super) fn keeps_cone(&self, tuple: &Tuple, manip: Manip) -> bool {
        manip == Manip::Source && self.cones_apply(tuple.l4)
    }

    /// Where a packet from outside goes that no rule translates.
    pub(super) fn cone_range(&self, ct: CtRef) -> Option<NatRange> {
        let original = self.entry(ct)?.tuple(Direction::Original);
        if !self.cones_apply(original.l4) {
            return None;
        }
        let outside = source(&Tuple { src: original.dst, src_id: original.dst_id, ..original });
        let (address, port) = self.inside_of(&outside)?;
        Some(NatRange::default().to_address(address).with_ports(port, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Bytes, v4};
    use crate::{Config, NatFlags, Status};
    use ironweir_wire::L3;

    const PUBLIC: Address = Address::v4([203, 0, 113, 1]);

    fn bench(full_cone: bool) -> Bench {
        Bench::new(Config { full_cone, ..Config::default() })
    }

    fn udp(src: (Address, u16), dst: (Address, u16)) -> Bytes {
        Bytes::udp(src, dst, L3::V4, b"x")
    }

    fn out(bench: &mut Bench, src: (Address, u16), dst: (Address, u16), flags: NatFlags) -> (Address, u16) {
        let mut packet = udp(src, dst);
        let mut range = NatRange::default().to_address(PUBLIC);
        range.flags |= flags;
        bench.route(&mut packet, None, Some(range));
        (packet.tuple().src, packet.tuple().src_id)
    }

    #[test]
    fn anybody_reaches_the_inside_by_its_outside() {
        let mut bench = bench(true);
        let outside = out(&mut bench, (v4(1), 4000), (v4(100), 53), NatFlags::empty());
        let mut packet = udp((v4(101), 9), outside);
        let tracking = bench.route(&mut packet, None, None);
        assert_eq!((packet.tuple().dst, packet.tuple().dst_id, packet.is_whole()), (v4(1), 4000, true));
        let (ct, _) = tracking.flow().unwrap();
        assert!(bench.ct.entry(ct).unwrap().status().contains(Status::DST_NAT));
        let mut answer = udp((v4(1), 4000), (v4(101), 9));
        bench.route(&mut answer, None, Some(NatRange::default().to_address(PUBLIC)));
        assert_eq!((answer.tuple().src, answer.tuple().src_id), outside);
        // Other ports, other protocols, and everything without the option: not translated.
        let mut packet = udp((v4(101), 9), (PUBLIC, 4001));
        bench.route(&mut packet, None, None);
        assert_eq!(packet.tuple().dst, PUBLIC);
        let mut bench = self::bench(false);
        let outside = out(&mut bench, (v4(1), 4000), (v4(100), 53), NatFlags::empty());
        let mut packet = udp((v4(101), 9), outside);
        bench.route(&mut packet, None, None);
        assert_eq!(packet.tuple().dst, PUBLIC);
    }

    #[test]
    fn one_inside_has_one_outside_and_shares_it_with_nobody() {
        let mut bench = bench(true);
        let random = NatFlags::PROTO_RANDOM_FULLY;
        let first = out(&mut bench, (v4(1), 4000), (v4(100), 53), random);
        assert_eq!(out(&mut bench, (v4(1), 4000), (v4(101), 53), random), first);
        // Without the option the port would be free towards this peer.
        let second = out(&mut bench, (v4(2), first.1), (v4(102), 53), NatFlags::empty());
        assert_ne!(second, first);
        assert_eq!(out(&mut bench, (v4(2), first.1), (v4(103), 53), NatFlags::empty()), second);
    }

    #[test]
    fn a_mapping_ends_with_the_last_connection_that_uses_it() {
        let mut bench = bench(true);
        let outside = out(&mut bench, (v4(1), 4000), (v4(100), 53), NatFlags::empty());
        bench.wait(20);
        // The second connection is younger, the first is refreshed and outlives it.
        out(&mut bench, (v4(1), 4000), (v4(101), 53), NatFlags::empty());
        bench.wait(9);
        out(&mut bench, (v4(1), 4000), (v4(100), 53), NatFlags::empty());
        bench.wait(22);
        bench.ct.expire(bench.now);
        let mut packet = udp((v4(102), 9), outside);
        bench.route(&mut packet, None, None);
        assert_eq!(packet.tuple().dst, v4(1));
        bench.wait(60);
        let mut packet = udp((v4(103), 9), outside);
        bench.route(&mut packet, None, None);
        assert_eq!(packet.tuple().dst, PUBLIC);
    }

    #[test]
    fn mappings_are_forgotten_when_they_outnumber_connections() {
        let mut bench = bench(true);
        for at in 0..20_000u32 {
            bench.now = bench.now + std::time::Duration::from_millis(100);
            let [_, _, high, low] = at.to_be_bytes();
            let host = Address::v4([10, 1, high, low]);
            out(&mut bench, (host, 4000), (v4(100), 53), NatFlags::empty());
        }
        assert!(bench.ct.cones.0.len() < 3000, "{}", bench.ct.cones.0.len());
    }
}
