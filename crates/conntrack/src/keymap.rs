//! Keys of PPTP's GRE: a packet names the call id of its receiver alone; who sends it under which id of its own, the control
//! connection has said.
//!
//! Source: linux 6.18 net/netfilter/nf_conntrack_proto_gre.c, `gre_keymap_lookup`, `nf_ct_gre_keymap_add`.

use std::collections::BTreeMap;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Packet, Tuple};

use crate::entry::{CtRef, Direction};

/// Bits of the first word of a GRE header that say its version, and that of PPTP's (RFC 2637 §4.1).
const VERSION_BITS: u16 = 7;
const VERSION_PPTP: u16 = 1;

/// Source, destination and the receiver's call id of packets; then which of equal ones was added first.
type Place = ([u8; 16], [u8; 16], u16, u64);

/// The keys that control connections have told, at most two of each.
#[derive(Debug, Default)]
pub(crate) struct Keymap {
    /// The sender's call id.
    keys: BTreeMap<Place, u16>,
    masters: BTreeMap<(u32, u32, Direction), Place>,
    next: u64,
}

fn place(tuple: &Tuple, number: u64) -> Place {
    (tuple.src.0, tuple.dst.0, tuple.dst_id, number)
}

impl Keymap {
    /// Learns the sender's key of packets of a tuple from a control connection, for a direction of it. False: it has told
    /// another one before.
    pub(crate) fn add(&mut self, master: CtRef, direction: Direction, tuple: &Tuple) -> bool {
        let of = (master.slot, master.generation, direction);
        if let Some(told) = self.masters.get(&of) {
            return place(tuple, told.3) == *told;
        }
        let place = place(tuple, self.next);
        self.next += 1;
        self.keys.insert(place, tuple.src_id);
        self.masters.insert(of, place);
        true
    }

    /// Forgets what a control connection has told.
    pub(crate) fn forget(&mut self, master: CtRef) {
        for direction in [Direction::Original, Direction::Reply] {
            if let Some(place) = self.masters.remove(&(master.slot, master.generation, direction)) {
                self.keys.remove(&place);
            }
        }
    }

    /// The tuple of a packet whose transport header begins at `transport`, with the sender's key if it is of PPTP.
    pub(crate) fn complete(&self, packet: &Packet<'_>, transport: usize, mut tuple: Tuple) -> Tuple {
        let is_pptp = || packet.be16(transport).is_some_and(|word| word & VERSION_BITS == VERSION_PPTP);
        if tuple.l4 == ipproto::GRE && !self.keys.is_empty() && is_pptp() {
            let key = self.keys.range(place(&tuple, 0)..=place(&tuple, u64::MAX)).next();
            tuple.src_id = key.map_or(0, |(_, key)| *key);
        }
        tuple
    }
}
