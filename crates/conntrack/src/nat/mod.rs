//! NAT: deciding what a connection's addresses and ports become, and changing its packets.
//!
//! A decision is made once per connection and kind ([`Manip`]), at its first packet. It is kept as the reply tuple: what
//! replies will look like. Packets are then changed to what the tuple of the opposite direction, inverted, says.

pub(crate) mod cone;
mod packet;
mod spread;
mod unique;

use ironweir_wire::{Address, Instant, L3, Tuple};

use crate::entry::{CtInfo, CtRef, Direction, Entry};
use crate::status::Status;
use crate::track::Conntrack;

/// Which end is changed (`enum nf_nat_manip_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manip {
    /// The source: postrouting and input.
    Source,
    /// The destination: prerouting and output.
    Destination,
}

bitflags::bitflags! {
    /// `NF_NAT_RANGE_*` of `linux/netfilter/nf_nat.h`, with their numbers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NatFlags: u32 {
        /// There are addresses (`NF_NAT_RANGE_MAP_IPS`).
        const MAP_IPS = 1;
        /// There are ports (`NF_NAT_RANGE_PROTO_SPECIFIED`).
        const PROTO_SPECIFIED = 2;
        /// `random` (`NF_NAT_RANGE_PROTO_RANDOM`).
        const PROTO_RANDOM = 4;
        /// `persistent` (`NF_NAT_RANGE_PERSISTENT`).
        const PERSISTENT = 8;
        /// `fully-random` (`NF_NAT_RANGE_PROTO_RANDOM_FULLY`).
        const PROTO_RANDOM_FULLY = 16;
        /// Ports keep their distance to a base (`NF_NAT_RANGE_PROTO_OFFSET`).
        const PROTO_OFFSET = 32;
        /// `prefix`: the host part is kept (`NF_NAT_RANGE_NETMAP`).
        const NETMAP = 64;
    }
}

impl NatFlags {
    /// A port is drawn at random even when the old one is free (`NF_NAT_RANGE_PROTO_RANDOM_ALL`).
    pub const PROTO_RANDOM_ALL: NatFlags = NatFlags::PROTO_RANDOM.union(NatFlags::PROTO_RANDOM_FULLY);
}

/// What addresses and ports may become (`struct nf_nat_range2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatRange {
    /// Which of the following hold, and how to choose.
    pub flags: NatFlags,
    /// The least address; with [`NatFlags::MAP_IPS`].
    pub min_addr: Address,
    /// The greatest address.
    pub max_addr: Address,
    /// The least port; with [`NatFlags::PROTO_SPECIFIED`]. For ICMP, of ids.
    pub min_proto: u16,
    /// The greatest port.
    pub max_proto: u16,
    /// What ports keep their distance to; with [`NatFlags::PROTO_OFFSET`].
    pub base_proto: u16,
}

impl NatRange {
    /// One address, whatever else the range says: masquerading to the address of the outgoing interface, redirecting to
    /// that of the incoming one.
    #[must_use]
    pub fn to_address(mut self, address: Address) -> NatRange {
        self.flags |= NatFlags::MAP_IPS;
        self.min_addr = address;
        self.max_addr = address;
        self
    }

    /// Ports from `min` to `max`.
    #[must_use]
    pub fn with_ports(mut self, min: u16, max: u16) -> NatRange {
        self.flags |= NatFlags::PROTO_SPECIFIED;
        self.min_proto = min;
        self.max_proto = max;
        self
    }
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatVerdict {
    /// It goes on.
    Accept,
    /// It is dropped: decided twice, no address, or a header that cannot be changed.
    Drop,
}

impl Conntrack {
    /// Whether the nat chains must be asked for this packet (`nf_nat_inet_fn`): it opens a connection, or is related to
    /// one, for which this kind of NAT is not decided.
    pub fn nat_pending(&self, ct: CtRef, info: CtInfo, manip: Manip) -> bool {
        let asks = matches!(info, CtInfo::New | CtInfo::Related | CtInfo::RelatedReply);
        asks && self.entry(ct).is_some_and(|entry| !entry.status.intersects(done(manip)))
    }

    /// Decides NAT for a new connection (`nf_nat_setup_info`). A confirmed connection is left as it is.
    pub fn nat_setup(&mut self, ct: CtRef, range: &NatRange, manip: Manip) -> NatVerdict {
        let Some(entry) = self.table.slab.get(ct) else { return NatVerdict::Accept };
        if entry.is_confirmed() {
            return NatVerdict::Accept;
        }
        if entry.status.intersects(done(manip)) {
            return NatVerdict::Drop;
        }
        let (original, reply) = (entry.tuple(Direction::Original), entry.tuple(Direction::Reply));
        let Some(current) = outgoing(&reply, &original) else { return NatVerdict::Drop };
        let range = with_netmap(range, &current, manip);
        let Some(chosen) = self.unique_tuple(ct, &current, &range, manip) else { return NatVerdict::Drop };
        let Some(answer) = chosen.inverted() else { return NatVerdict::Drop };
        let changed = chosen != current;
        let Some(entry) = self.table.slab.get_mut(ct) else { return NatVerdict::Drop };
        entry.status |= done(manip);
        if changed {
            entry.set_tuple(Direction::Reply, Tuple { zone: reply.zone, ..answer });
            entry.status |= changes(manip);
            if manip == Manip::Source {
                self.table.link_source(ct);
                self.learn_cone(ct);
            }
        }
        NatVerdict::Accept
    }

    /// Enters what NAT looks up of a connection whose source was changed elsewhere.
    pub(crate) fn nat_restored(&mut self, ct: CtRef) {
        self.table.link_source(ct);
        self.learn_cone(ct);
    }

    /// Decides that no rule wants NAT (`nf_nat_alloc_null_binding`): the address stays, but a source port may have
    /// to change when its tuple is taken.
    pub fn nat_null_bind(&mut self, ct: CtRef, manip: Manip) -> NatVerdict {
        if manip == Manip::Destination
            && let Some(range) = self.cone_range(ct)
        {
            return self.nat_setup(ct, &range, manip);
        }
        let Some(entry) = self.table.slab.get(ct) else { return NatVerdict::Accept };
        let reply = entry.tuple(Direction::Reply);
        let address = match manip {
            Manip::Source => reply.dst,
            Manip::Destination => reply.src,
        };
        self.nat_setup(ct, &NatRange::default().to_address(address), manip)
    }

    /// Masquerades: source NAT to `address`, that of the interface `oif` the packet leaves by
    /// (`nf_nat_masquerade_ipv4`, `_ipv6`). An unspecified address drops the packet.
    pub fn masquerade(&mut self, ct: CtRef, range: &NatRange, address: Address, oif: u32) -> NatVerdict {
        if address == Address::UNSPECIFIED {
            return NatVerdict::Drop;
        }
        if let Some(entry) = self.table.slab.get_mut(ct) {
            entry.notes_mut().masquerade_oif = oif;
        }
        self.nat_setup(ct, &range.to_address(address), Manip::Source)
    }

    /// Ends connections that masquerading gave an address they can have no longer (`nf_nat_masquerade.c`): all of an
    /// interface that went down, or those with one of its addresses, which was taken away.
    pub fn masquerade_gone(&mut self, now: Instant, oif: u32, address: Option<Address>) {
        let concerned = |entry: &Entry| {
            let chosen = entry.extras.as_ref().map_or(0, |extras| extras.masquerade_oif);
            chosen == oif && address.is_none_or(|address| entry.tuple(Direction::Reply).dst == address)
        };
        let gone: Vec<CtRef> = self.iter().filter(|(_, entry)| concerned(entry)).map(|(ct, _)| ct).collect();
        for ct in gone {
            self.kill(now, ct);
        }
    }

    /// Whether a masqueraded connection now leaves by another interface: the kernel then ends it and drops the packet
    /// (`nf_nat_oif_changed`).
    pub fn masquerade_oif_changed(&self, ct: CtRef, info: CtInfo, oif: u32) -> bool {
        let chosen =
            self.entry(ct).and_then(|entry| entry.extras.as_ref()).map_or(0, |extras| extras.masquerade_oif);
        info.direction() == Direction::Original && chosen != 0 && chosen != oif
    }
}

/// What packets of the original direction look like when they leave: the inverse of the reply tuple. `None` for an
/// ICMP type without answer.
fn outgoing(reply: &Tuple, original: &Tuple) -> Option<Tuple> {
    Some(Tuple { zone: original.zone, ..reply.inverted()? })
}

fn done(manip: Manip) -> Status {
    match manip {
        Manip::Source => Status::SRC_NAT_DONE,
        Manip::Destination => Status::DST_NAT_DONE,
    }
}

fn changes(manip: Manip) -> Status {
    match manip {
        Manip::Source => Status::SRC_NAT,
        Manip::Destination => Status::DST_NAT,
    }
}

/// A prefix becomes the one address whose host part is the packet's (`nft_nat_setup_netmap`): the bits in which the
/// first and last address differ are the host part.
fn with_netmap(range: &NatRange, current: &Tuple, manip: Manip) -> NatRange {
    if !range.flags.contains(NatFlags::NETMAP) {
        return *range;
    }
    let host = match manip {
        Manip::Source => current.src,
        Manip::Destination => current.dst,
    };
    let mut address = Address::UNSPECIFIED;
    let width = if current.l3 == L3::V4 { 4 } else { 16 };
    for (at, byte) in address.0.iter_mut().enumerate().take(width) {
        let differs = range.min_addr.0[at] ^ range.max_addr.0[at];
        *byte = (host.0[at] & differs) | (range.min_addr.0[at] & !differs);
    }
    range.to_address(address)
}
