//! What a helper asks of the host that it runs on.

use std::fmt;

use ironweir_wire::{Address, L3};

/// A host's routes and addresses, and how the packet at work stands to them.
pub trait Surroundings: fmt::Debug {
    /// Of a packet that this host sends to the broadcast address of a network it is in: the network's mask, in the order of
    /// the wire. `None` for all other packets (`nf_conntrack_broadcast_help`).
    fn broadcast_mask(&self) -> Option<Address>;

    /// Whether packets to both addresses leave by the same interface to the same next hop (`callforward_do_filter`).
    fn is_same_way(&self, l3: L3, one: &Address, other: &Address) -> bool;
}

/// No host at all: nothing is broadcast, and no two ways are the same.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn broadcast_mask(&self) -> Option<Address> {
        None
    }

    fn is_same_way(&self, _l3: L3, _one: &Address, _other: &Address) -> bool {
        false
    }
}
