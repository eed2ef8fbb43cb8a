//! What is known of the packet at work, and the world around it.

use std::collections::VecDeque;
use std::net::IpAddr;

use ironweir_conntrack::defrag::Defrag;
use ironweir_conntrack::track::Template;
use ironweir_conntrack::{Conntrack, Tracking};
use ironweir_ruleset::Ruleset;
use ironweir_wire::options::Compiled;
use ironweir_wire::{IfIndex, Instant, PacketInfo};

use crate::connections::Connections;
use crate::flowtable::Flows;
use crate::icmp_limit::IcmpLimits;
use crate::queue::Queues;
use crate::{Host, Output};

/// Everything packets meet and change, rules excepted.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) ruleset: Ruleset,
    pub(crate) conntrack: Conntrack,
    pub(crate) defrag: Defrag,
    pub(crate) flows: Flows,
    pub(crate) connections: Connections,
    pub(crate) icmp_limits: IcmpLimits,
    pub(crate) queues: Queues,
    pub(crate) output: VecDeque<Output>,
    /// Packets for the host itself that are not in the caller's buffer, from the network header on.
    pub(crate) local: VecDeque<Vec<u8>>,
    /// Of the packet that went its way last.
    pub(crate) next_hop: Option<IpAddr>,
    pub(crate) addressed: bool,
    /// Made for the packet at work, and not sent yet.
    pub(crate) made: VecDeque<Made>,
    /// How many copies rules made of the packet at work, and of its copies.
    pub(crate) copies: u32,
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

    /// Puts by a packet made for the one at work. It is sent once that has gone its way; a copy before that goes on.
    pub(crate) fn make(&mut self, made: Made) {
        const MOST: usize = 64;
        if self.made.len() < MOST {
            self.made.push_back(made);
        }
    }

    /// Queues a packet for the host itself, from the network header on.
    pub(crate) fn deliver(&mut self, bytes: Vec<u8>) {
        const MOST: usize = 256;
        if self.host.live && self.local.len() < MOST {
            self.local.push_back(bytes);
        }
    }

    /// Queues a packet to leave. A flood of answers that nobody takes does not grow without bound.
    pub(crate) fn send(&mut self, output: Output) {
        const MOST: usize = 1024;
        if self.output.len() < MOST {
            self.output.push_back(output);
        }
    }
}

/// A packet made for the one at work: an answer of a rule or of the host, a copy, a step of synproxy.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// From the network header on; of a [`MadeWay::Frame`] from the link header on.
    pub(crate) bytes: Vec<u8>,
    pub(crate) way: MadeWay,
    /// The connection it is part of, as its maker says (`nf_ct_attach`).
    pub(crate) tracking: Tracking,
    /// What it brings where it is tracked itself.
    pub(crate) template: Template,
    /// It goes back to the sender of the packet at work, not on to its destination.
    pub(crate) back: bool,
}

/// Which hooks a packet made here passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MadeWay {
    /// Those of the host's own packets: output, postrouting, egress (`ip_local_out`).
    Host,
    /// As for the host, out of this device and to this gateway, whatever the routes say; rules make no copies of it.
    Copy {
        device: IfIndex,
        gateway: Option<IpAddr>,
        /// Bytes of the largest fragment the packet came in, 0 if it came whole.
        largest: usize,
    },
    /// As it is out of this device, past its egress chains (`nf_do_netdev_egress`).
    Frame {
        /// The device.
        device: IfIndex,
        /// How many frames this one was made for, one for the other.
        depth: u8,
    },
    /// Out of the device the packet at work came in by (`nft_reject_netdev_queue_xmit`).
    Device,
    /// Out of the bridge's port the packet at work came in by, past the bridge's output and postrouting (`br_forward`).
    Bridge,
}

/// On which of the ways through the host a packet is, with what the rest of that way asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Course {
    /// From the wire; where to is not known, or it is for this host.
    #[default]
    In,
    /// On to another link. Its destination when it was routed.
    On(Option<IpAddr>),
    /// From this host: its destination, and the interface that it was captured on.
    Out(IpAddr, IfIndex),
    /// From this host, past output. Its destination when it was routed.
    Leaving(Option<IpAddr>),
    /// From this host to itself.
    Back,
}

/// The packet at work, beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flight {
    pub(crate) info: PacketInfo,
    pub(crate) tracking: Tracking,
    pub(crate) template: Template,
    /// A rule set its zone: no second one counts, nor does `notrack` after it.
    pub(crate) zoned: bool,
    /// Number of its trace, given when it is first traced.
    pub(crate) trace: u32,
    /// Its next hop, once routed.
    pub(crate) nexthop: Option<IpAddr>,
    /// Largest packet its route takes, 0 for what its interface takes.
    pub(crate) route_mtu: u32,
    /// Its next hop's Ethernet address is written.
    pub(crate) addressed: bool,
    /// It is a datagram that came in fragments and leaves in fragments, which are looked at one by one at egress.
    pub(crate) recut: bool,
    /// Bytes of the largest of those fragments, 0 of others (`IPCB(skb)->frag_max_size`).
    pub(crate) largest: usize,
    /// It is a frame that was made for another, which was made for another ...: so many (`nf_dup_skb_recursion`).
    pub(crate) frame_depth: u8,
    /// Connection tracking found its transport checksum right; nobody asks again (`skb->csum_valid`).
    pub(crate) sum_valid: bool,
    /// The sum over its network header when that was asked.
    pub(crate) sum_header: u16,
    /// What its IPv4 options ask for, once it was routed.
    pub(crate) options: Compiled,
    /// Its TCP checksum covers the pseudo header alone until it leaves (`CHECKSUM_PARTIAL`); its bytes have the whole one.
    pub(crate) partial: bool,
    /// Its way.
    pub(crate) course: Course,
    /// Its route ends at this host (`rt->rt_flags & RTCF_LOCAL`).
    pub(crate) local: bool,
    /// It is a copy, of which no copy is made (`nf_skb_duplicated`).
    pub(crate) is_copy: bool,
}
