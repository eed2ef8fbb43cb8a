//! The packet's connection, as `ct` reads and writes it.

use ironweir_conntrack::zone::ZoneDirection;
use ironweir_conntrack::{Conntrack, Direction, Zone};
use ironweir_expr::Value;
use ironweir_expr::connlimit::Connlimit;
use ironweir_expr::ct::{self, Key};
use ironweir_wire::{Instant, Packet, PacketInfo};

use crate::connections::Connections;
use crate::flight::{Flight, World};

fn of(direction: ct::Direction) -> Direction {
    match direction {
        ct::Direction::Original => Direction::Original,
        ct::Direction::Reply => Direction::Reply,
    }
}

/// How many connections the list of a `ct count` holds, this one included.
pub(super) fn count(
    connections: &mut Connections,
    conntrack: &Conntrack,
    flight: &Flight,
    limit: &Connlimit,
    now: Instant,
) -> Option<u32> {
    let list = limit.list(|| connections.new_list());
    let Some((ct, _)) = flight.tracking.flow() else {
        // Its addresses are counted, and are gone when the list is looked over: no connection has them.
        return connections.count(list, conntrack, now).checked_add(1);
    };
    // Only its first packet adds a connection, unless it is the host's own (`__nf_conncount_add`).
    let confirmed = conntrack
        .entry(ct)
        .is_some_and(|entry| entry.status().contains(ironweir_conntrack::Status::CONFIRMED));
    if confirmed && !flight.template.local {
        return Some(connections.count(list, conntrack, now));
    }
    connections.add(list, ct, limit.count, conntrack, now)
}

/// `nft_ct_get_eval`.
pub(super) fn get(
    world: &World,
    flight: &Flight,
    key: Key,
    direction: Option<ct::Direction>,
) -> Option<Value> {
    let (ct, info) = flight.tracking.flow()?;
    let entry = world.conntrack.entry(ct)?;
    if matches!(key, Key::State) {
        return Some(Value::from(flight.tracking.state_bit().to_ne_bytes()));
    }
    let tuple = entry.tuple(direction.map_or(Direction::Original, of));
    let u32_value = |number: u32| Some(Value::from(number.to_ne_bytes()));
    let both = |of_one: &dyn Fn(Direction) -> u64| {
        let sum = match direction {
            Some(direction) => of_one(of(direction)),
            None => of_one(Direction::Original).wrapping_add(of_one(Direction::Reply)),
        };
        Some(Value::from(sum.to_ne_bytes()))
    };
    match key {
        Key::State => u32_value(flight.tracking.state_bit()),
        Key::Direction => Some(Value::new(&[info.direction() as u8])),
        Key::Status => u32_value(entry.status().bits()),
        Key::Mark => u32_value(entry.mark),
        Key::Secmark => u32_value(entry.secmark()),
        Key::Expiration => {
            u32_value(u32::try_from(entry.remaining(world.now).as_millis()).unwrap_or(u32::MAX))
        }
        // Of a connection that was expected, the one that announced it (`nft_ct_get_eval`).
        Key::Helper => {
            let master = entry.master().and_then(|master| world.conntrack.entry(master))?;
            master.helper().map(|name| Value::new(name.as_bytes()))
        }
        Key::L3Protocol => Some(Value::new(&[tuple.l3.nfproto()])),
        Key::Src | Key::SrcIp | Key::SrcIp6 => Some(Value::new(tuple.src.bytes(tuple.l3))),
        Key::Dst | Key::DstIp | Key::DstIp6 => Some(Value::new(tuple.dst.bytes(tuple.l3))),
        Key::Protocol => Some(Value::new(&[tuple.l4])),
        Key::ProtoSrc => Some(Value::from(tuple.src_id.to_be_bytes())),
        Key::ProtoDst => Some(Value::from(tuple.dst_id.to_be_bytes())),
        Key::Labels => Some(Value::from(entry.labels())),
        Key::Packets => both(&|direction| entry.counter(direction).packets),
        Key::Bytes => both(&|direction| entry.counter(direction).bytes),
        Key::AvgPkt => None,
        Key::Zone => {
            let zone = entry.zone();
            let id = match direction {
                Some(direction) => zone.id(of(direction)),
                None => zone.id,
            };
            Some(Value::from(id.to_ne_bytes()))
        }
        Key::EventMask => u32_value(entry.event_mask()),
        Key::Id => u32_value(entry.id()),
    }
}

/// `nft_ct_set_eval`, `nft_ct_set_zone_eval`.
pub(super) fn set(
    world: &mut World,
    flight: &mut Flight,
    key: Key,
    direction: Option<ct::Direction>,
    value: &[u8],
) {
    let number = value.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
    if key == Key::Zone {
        // With a template attached the packet counts as tracked already; without, as no longer exempt.
        if flight.tracking.flow().is_none()
            && !flight.zoned
            && let Some(id) = value.first_chunk::<2>()
        {
            let direction = match direction {
                None => ZoneDirection::Both,
                Some(ct::Direction::Original) => ZoneDirection::Original,
                Some(ct::Direction::Reply) => ZoneDirection::Reply,
            };
            flight.zoned = true;
            flight.tracking = ironweir_conntrack::Tracking::default();
            flight.template.zone = Zone { id: u16::from_ne_bytes(*id), direction };
        }
        return;
    }
    let Some((ct, _)) = flight.tracking.flow() else { return };
    let Some(entry) = world.conntrack.entry_mut(ct) else { return };
    match (key, number) {
        (Key::Mark, Some(mark)) => entry.mark = mark,
        (Key::Secmark, Some(secmark)) => entry.set_secmark(secmark),
        (Key::EventMask, Some(mask)) => entry.set_event_mask(mask),
        (Key::Labels, _) => {
            let mut labels = entry.labels();
            labels.iter_mut().zip(value).for_each(|(label, new)| *label |= new);
            entry.set_labels(labels);
        }
        _ => {}
    }
}

/// A hash of the packet's flow, equal in both directions.
///
/// DIVERGES: the kernel's is of the same fields but keyed at random at boot.
pub(super) fn symmetric_hash(packet: &Packet<'_>, info: &PacketInfo) -> u32 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    match Conntrack::tuple_of(packet, info) {
        Some(tuple) => {
            let mut ends = [(tuple.src, tuple.src_id), (tuple.dst, tuple.dst_id)];
            ends.sort();
            for (address, port) in ends {
                hasher.write(&address.0);
                hasher.write_u16(port);
            }
            hasher.write_u8(tuple.l4);
        }
        None => hasher.write_u16(packet.meta.protocol),
    }
    hasher.finish() as u32
}
