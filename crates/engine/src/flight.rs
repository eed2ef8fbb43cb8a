//! What is known of the packet at work, and the world around it.

use std::collections::VecDeque;
use std::net::IpAddr;

use ironweir_conntrack::defrag::Defrag;
use ironweir_conntrack::track::Template;
use ironweir_conntrack::{Conntrack, Tracking};
use ironweir_ruleset::Ruleset;
use ironweir_wire::{Instant, PacketInfo};

use crate::connections::Connections;
use crate::flowtable::Flows;
use crate::{Host, Output};

/// Everything packets meet and change, rules excepted.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) ruleset: Ruleset,
    pub(crate) conntrack: Conntrack,
    pub(crate) defrag: Defrag,
    pub(crate) flows: Flows,
    pub(crate) connections: Connections,
    pub(crate) output: VecDeque<Output>,
    pub(crate) now: Instant,
    pub(crate) random: u64,
}

impl World {
    /// 32 bits of a sequence that the seed decides (splitmix64).
    pub(crate) fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    /// Queues a packet to leave. A flood of answers that nobody takes does not grow without bound.
    pub(crate) fn send(&mut self, output: Output) {
        const MOST: usize = 1024;
        if self.output.len() < MOST {
            self.output.push_back(output);
        }
    }
}

/// The packet at work, beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flight {
    pub(crate) info: PacketInfo,
    pub(crate) tracking: Tracking,
    pub(crate) template: Template,
    /// Number of its trace, given when it is first traced.
    pub(crate) trace: u32,
    /// Its next hop, once routed.
    pub(crate) nexthop: Option<IpAddr>,
}
