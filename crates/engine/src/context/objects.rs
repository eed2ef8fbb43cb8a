//! Named objects.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use ironweir_conntrack::{Conntrack, Expectation, Offer, Policy, ServerOffer, Status};
use ironweir_expr::objref::ObjectType;
use ironweir_expr::synproxy::Synproxy;
use ironweir_expr::{Decision, Outcome, SetRef};
use ironweir_ruleset::object::{CtExpectation, CtHelper};
use ironweir_ruleset::set::SetData;
use ironweir_ruleset::{ElementData, ObjectKind};
use ironweir_wire::protocol::ipproto;
use ironweir_wire::tuple::Tuple;
use ironweir_wire::{Address, Instant, L3, Packet};

use super::{connection, decide};
use crate::flight::{Flight, World};

/// Evaluates an object of a table by name.
pub(super) fn named(
    world: &mut World,
    flight: &Flight,
    table: u32,
    kind: ObjectType,
    name: &str,
    packet: &mut Packet<'_>,
) -> Outcome {
    let World { ruleset, connections, conntrack, now, .. } = world;
    let Some(object) = ruleset.table_at(table).and_then(|table| table.object(kind, name)) else {
        return Outcome::Break;
    };
    match &object.object.kind {
        ObjectKind::Counter(counter) => counter.eval(packet),
        ObjectKind::Quota(quota) => quota.eval(packet),
        ObjectKind::Limit(limit) => limit.eval(packet, *now),
        ObjectKind::Connlimit(limit) => {
            match connection::count(connections, conntrack, flight, limit, *now) {
                Some(count) => Outcome::next_if((count > limit.count) == limit.over),
                None => decide(Decision::Drop),
            }
        }
        ObjectKind::CtHelper(helper) => {
            // Only a connection that is not in the table yet takes a helper, and the first that it is given
            // (`nft_ct_helper_obj_eval`, `nf_ct_ext_add`).
            if let Some((ct, _)) = flight.tracking.flow()
                && let Some(entry) = conntrack.entry_mut(ct)
                && !entry.status().contains(ironweir_conntrack::Status::CONFIRMED)
                && entry.helper().is_none()
                && is_for(helper, &entry.tuple(ironweir_conntrack::Direction::Original))
            {
                entry.set_helper(Arc::from(&*helper.helper));
            }
            Outcome::Next
        }
        ObjectKind::Secmark(secmark) => {
            // The kernel asks the security module for the number of the context; here it is a hash of its name.
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(secmark.context.as_bytes());
            packet.meta.secmark = (hasher.finish() as u32).max(1);
            Outcome::Next
        }
        ObjectKind::CtTimeout(timeout) => {
            // Only for a connection of its protocol that is not in the table yet (`nft_ct_timeout_obj_eval`).
            if let Some((ct, _)) = flight.tracking.flow()
                && flight.info.l4proto == Some(timeout.l4proto)
            {
                let mut timeouts = conntrack.config().timeouts.clone();
                for (state, seconds) in &timeout.timeouts {
                    timeouts.set(timeout.l4proto, *state, Duration::from_secs(u64::from(*seconds)));
                }
                conntrack.set_timeouts(*now, ct, Arc::new(timeouts));
            }
            Outcome::Next
        }
        ObjectKind::Synproxy(synproxy) => {
            if !matches!(flight.info.transport_header(), Some((ipproto::TCP, _))) {
                return Outcome::Break;
            }
            let server = server_offer(synproxy);
            super::output::synproxy(world, flight, &server, packet).map_or(Outcome::Next, decide)
        }
        ObjectKind::CtExpectation(expectation) => expect(conntrack, *now, flight, expectation),
        // DIVERGES: tunnels are kept and listed, but have no effect.
        ObjectKind::Tunnel(_) => Outcome::Next,
    }
}

const NFPROTO_IPV4: u16 = 2;
const NFPROTO_IPV6: u16 = 10;

/// Whether a helper is for connections of this kind: one of `ip` has nothing for IPv6 (`helper4`, `helper6`).
fn is_for(helper: &CtHelper, tuple: &Tuple) -> bool {
    let other = match tuple.l3 {
        L3::V6 => NFPROTO_IPV4,
        _ => NFPROTO_IPV6,
    };
    tuple.l4 == helper.l4proto && helper.l3proto != other
}

/// A new connection announces one back to its opener (`nft_ct_expect_obj_eval`).
fn expect(conntrack: &mut Conntrack, now: Instant, flight: &Flight, object: &CtExpectation) -> Outcome {
    let Some((ct, info)) = flight.tracking.flow() else { return Outcome::Break };
    let Some(entry) = conntrack.entry(ct).filter(|entry| !entry.status().contains(Status::CONFIRMED)) else {
        return Outcome::Break;
    };
    let mut back = entry.tuple(info.direction().opposite());
    // Addresses are read as the object's family has them, whatever the connection's (`nf_ct_expect_init`).
    match (object.l3proto, back.l3) {
        (NFPROTO_IPV4, L3::V6) => {
            let four = |address: Address| Address::v4(address.as_v4());
            back = Tuple { l3: L3::V4, src: four(back.src), dst: four(back.dst), ..back };
        }
        (NFPROTO_IPV6, L3::V4) => back.l3 = L3::V6,
        _ => {}
    }
    if conntrack.expecting(ct, 0) >= usize::from(object.size) {
        return Outcome::Break;
    }
    let expectation = Expectation::new(&back, object.l4proto, Some(back.src), back.dst, object.dport);
    // nft says milliseconds, and the kernel takes them for seconds: `timeout 1h` is a thousand hours.
    let policy = Policy { max_expected: 0, timeout: Duration::from_secs(u64::from(object.timeout)) };
    match conntrack.expect(now, ct, expectation, &policy) {
        Ok(_) => Outcome::Next,
        Err(_) => decide(Decision::Drop),
    }
}

/// What a synproxy says of its server.
pub(super) fn server_offer(synproxy: &Synproxy) -> ServerOffer {
    let mut offer = Offer::empty();
    offer.set(Offer::MSS, synproxy.mss.is_some());
    offer.set(Offer::WSCALE, synproxy.wscale.is_some());
    offer.set(Offer::SACK_PERM, synproxy.sack_perm);
    offer.set(Offer::TIMESTAMP, synproxy.timestamp);
    ServerOffer { mss: synproxy.mss.unwrap_or(0), wscale: synproxy.wscale.unwrap_or(0), offer }
}

/// Evaluates the object that a map gives for a key.
pub(super) fn mapped(
    world: &mut World,
    flight: &Flight,
    table: u32,
    map: &SetRef,
    key: &[u8],
    packet: &mut Packet<'_>,
) -> Outcome {
    // The name is copied to the stack: evaluation wants the whole world.
    let mut buffer = [0u8; 255];
    let found = (|| {
        let set = world.ruleset.table_at(table)?.set_at(map.id?)?;
        let Some(SetData::Object(kind)) = set.set.data else { return None };
        let key = key.get(..set.set.key_len as usize)?;
        let (_, entry) = set.lookup(key, world.now)?;
        let Some(ElementData::Object(name)) = entry.element.data() else { return None };
        buffer.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some((kind, name.len()))
    })();
    let Some((kind, len)) = found else { return Outcome::Break };
    match std::str::from_utf8(&buffer[..len]) {
        Ok(name) => named(world, flight, table, kind, name, packet),
        Err(_) => Outcome::Break,
    }
}
