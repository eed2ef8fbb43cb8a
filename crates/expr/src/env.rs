//! What evaluation needs from outside the packet and the rule, behind one trait.
//!
//! The engine implements [`Env`] over its tables; a test implements the few methods without a default. Most methods
//! answer "not there" by default, which makes the loads that ask them end the rule ([`Outcome::Break`]), as the kernel
//! does when a packet has no socket, no route or no connection.
//!
//! Nothing here allocates for short answers: a [`Value`] of up to 22 bytes lies inline.

use std::net::IpAddr;

use ironweir_wire::{IfIndex, Instant, Packet, PacketInfo};

use crate::connlimit::Connlimit;
use crate::ct;
use crate::dynset::Dynset;
use crate::log::Log;
use crate::objref::ObjectType;
use crate::osf::Osf;
use crate::reject::Reject;
use crate::synproxy::Synproxy;
use crate::{Family, Hook, Register, Registers, SetRef, Value, Verdict, meta, nat, rt, socket, tunnel, xfrm};

/// How the evaluation of one expression ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On with the next expression of the rule.
    Next,
    /// The rule does not match (`NFT_BREAK`): on with the next rule.
    Break,
    /// The rule decided.
    Verdict(Decision),
}

/// A verdict as evaluation passes it on: [`Verdict`] without the names, so that it can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// End of this base chain (`NF_ACCEPT`).
    Accept,
    /// The packet ends here (`NF_DROP`).
    Drop,
    /// The packet was taken (`NF_STOLEN`).
    Stolen,
    /// To a program (`NF_QUEUE`).
    Queue {
        /// Queue number.
        number: u16,
        /// Passes when nobody listens.
        bypass: bool,
    },
    /// Once more through the same hook (`NF_REPEAT`).
    Repeat,
    /// Into the chain with this number ([`crate::ChainRef::id`]), and back.
    Jump(u32),
    /// Into the chain with this number, and not back.
    Goto(u32),
    /// Back to the calling chain, or the base chain's policy.
    Return,
}

impl Outcome {
    /// On where a comparison holds, else the rule ends.
    pub fn next_if(holds: bool) -> Outcome {
        if holds { Outcome::Next } else { Outcome::Break }
    }

    /// Stores what the environment answered; the rule ends where it had no answer.
    pub(crate) fn loaded(answer: Option<Value>, destination: Register, registers: &mut Registers) -> Outcome {
        if let Some(value) = &answer {
            registers.store(destination, value);
        }
        Outcome::next_if(answer.is_some())
    }
}

impl Verdict {
    /// What evaluating this verdict gives. `continue` leaves the verdict register as it was, so evaluation goes on with the
    /// rule's next expression (`nft_do_chain`). A jump to a chain that no commit has resolved ([`crate::ChainRef::id`] is `None`)
    /// breaks: such a rule was never committed.
    pub fn outcome(&self) -> Outcome {
        Outcome::Verdict(match self {
            Verdict::Accept => Decision::Accept,
            Verdict::Drop => Decision::Drop,
            Verdict::Stolen => Decision::Stolen,
            Verdict::Queue { number, bypass } => Decision::Queue { number: *number, bypass: *bypass },
            Verdict::Repeat => Decision::Repeat,
            Verdict::Continue => return Outcome::Next,
            Verdict::Break => return Outcome::Break,
            Verdict::Jump(chain) => match chain.id {
                Some(id) => Decision::Jump(id),
                None => return Outcome::Break,
            },
            Verdict::Goto(chain) => match chain.id {
                Some(id) => Decision::Goto(id),
                None => return Outcome::Break,
            },
            Verdict::Return => Decision::Return,
        })
    }
}

/// What is known of a network interface.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'e> {
    /// Its name, at most 15 bytes.
    pub name: &'e str,
    /// Whether it is the loopback interface (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Its hardware type (`ARPHRD_*`): 1 Ethernet, 772 loopback, 65534 none.
    pub kind: u16,
    /// Its group (`ip link set group`).
    pub group: u32,
    /// Its link kind (`rtnl_link_ops`), such as `veth`; `None` for physical ones.
    pub link_kind: Option<&'e str>,
}

/// What is known of the bridge that an interface is a port of.
#[derive(Clone, Copy, Debug)]
pub struct BridgePort<'e> {
    /// The bridge's name.
    pub bridge: &'e str,
    /// The bridge's own hardware address.
    pub address: [u8; 6],
    /// The port's VLAN for untagged frames.
    pub pvid: Option<u16>,
    /// The bridge's VLAN protocol, 0x8100 or 0x88a8, where VLAN filtering is on.
    pub vlan_protocol: Option<u16>,
}

/// What a set says to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'e> {
    /// The key is not in the set.
    No,
    /// It is; a set has nothing more to say.
    Key,
    /// It is, and this is what the map maps it to.
    Data(&'e [u8]),
    /// It is, and this is the map's verdict ([`Verdict::outcome`]).
    Verdict(Outcome),
    /// It is, but a stateful expression of the element (a limit, a quota) ended the rule.
    Break,
}

/// What became of a set's change from the packet path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The element is there now (or gone, for a deletion), and its stateful expressions let the packet on.
    Done,
    /// It could not be added: the set is full.
    Full,
    /// It is there, but a stateful expression of it ended the rule.
    Break,
}

/// Which kind of NAT is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// `snat`.
    Snat,
    /// `dnat`.
    Dnat,
    /// `masquerade`: the source becomes the address of the interface the packet leaves by.
    Masquerade,
    /// `redirect`: the destination becomes this host.
    Redirect,
}

/// NAT as an expression asks for it (`struct nf_nat_range2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatRange {
    /// Which kind.
    pub kind: NatKind,
    /// What is given and how to choose; `MAP_IPS` and `PROTO_SPECIFIED` are set when `addresses` and `ports` are.
    pub flags: nat::Flags,
    /// First and last address to choose from.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// First and last port (or ICMP id) to choose from, host order.
    pub ports: Option<(u16, u16)>,
    /// With `PROTO_OFFSET`: the port that maps to the first of `ports`.
    pub base_port: u16,
}

/// What a routing table is asked (`struct flowi4`, `flowi6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteQuery {
    /// Where to.
    pub destination: IpAddr,
    /// From where; `None` when the source shall not matter.
    pub source: Option<IpAddr>,
    /// The packet's mark, or 0.
    pub mark: u32,
    /// Only routes over this interface; [`IfIndex::NONE`] for any.
    pub interface: IfIndex,
    /// TOS (without ECN) or traffic class.
    pub tos: u8,
}

/// What a routing table answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The address' type: `RTN_UNICAST` 1, `RTN_LOCAL` 2, `RTN_BROADCAST` 3, `RTN_ANYCAST` 4, `RTN_MULTICAST` 5,
    /// `RTN_BLACKHOLE` 6, `RTN_UNREACHABLE` 7, `RTN_PROHIBIT` 8.
    pub kind: u32,
    /// The interface the route leaves by; [`IfIndex::NONE`] if it has none.
    pub oif: IfIndex,
}

/// What evaluation asks of the world outside.
///
/// Numbers in [`Value`]s lie as in the kernel's registers: host order unless the key's documentation says network order.
pub trait Env {
    /// Family of the table whose rule is evaluated.
    fn family(&self) -> Family;

    /// Family of the packet at this hook (`nft_pf`): ip or ip6 in an inet table.
    fn protocol_family(&self) -> Family;

    /// The hook at which it is evaluated.
    fn hook(&self) -> Hook;

    /// What parsing found of the packet's headers (`struct nft_pktinfo`).
    fn info(&self) -> PacketInfo;

    /// The time of this packet.
    fn now(&self) -> Instant;

    /// 32 random bits, from the seed the engine was given.
    fn random(&mut self) -> u32 {
        0
    }

    /// How far local time is ahead of UTC, in seconds, for `meta day` and `meta hour`. (In the kernel `sys_tz`.)
    fn utc_offset(&self) -> i32 {
        0
    }

    /// Number of the worker that evaluates (`meta cpu`).
    fn cpu(&self) -> u32 {
        0
    }

    /// An interface by its index.
    fn interface(&self, _index: IfIndex) -> Option<Interface<'_>> {
        None
    }

    /// The bridge an interface is a port of.
    fn bridge_port(&self, _index: IfIndex) -> Option<BridgePort<'_>> {
        None
    }

    /// Rare meta keys that neither packet, clock nor interfaces answer: skuid, skgid, rtclassid, cgroup, secpath, sdif,
    /// sdifname.
    fn meta(&self, _key: meta::Key) -> Option<Value> {
        None
    }

    /// Writes what [`Packet::meta`] does not hold: `meta broute set`.
    fn meta_set(&mut self, _key: meta::Key, _value: u8) {}

    /// A flow hash that is equal in both directions (`__skb_get_hash_symmetric`).
    fn symmetric_hash(&mut self, packet: &Packet<'_>) -> u32 {
        packet.meta.hash
    }

    /// Looks a key up. `key` is everything from the key's register to the last register's end; the set takes as many
    /// bytes as its keys have. Stateful expressions of the element found are evaluated (`nft_set_elem_update_expr`).
    fn lookup(&mut self, _set: &SetRef, _key: &[u8], _packet: &mut Packet<'_>) -> Found<'_> {
        Found::No
    }

    /// Adds, updates or deletes an element. `key` and `data` are everything from their registers on; a new element gets
    /// fresh clones of `dynset.exprs`, which (or the ones it has) are then evaluated.
    fn update(&mut self, _dynset: &Dynset, _key: &[u8], _data: &[u8], _packet: &mut Packet<'_>) -> Update {
        Update::Full
    }

    /// Evaluates a named object of the table.
    fn object(&mut self, _kind: ObjectType, _name: &str, _packet: &mut Packet<'_>) -> Outcome {
        Outcome::Break
    }

    /// Evaluates the object that a map gives for a key; breaks when it gives none.
    fn mapped_object(&mut self, _map: &SetRef, _key: &[u8], _packet: &mut Packet<'_>) -> Outcome {
        Outcome::Break
    }

    /// The connection's state as `ct state` has it: invalid 1, established 2, related 4, new 8, untracked 64.
    fn ct_state(&self) -> u32 {
        1
    }

    /// A key of the packet's connection, as documented at [`ct::Key`]; `None` where there is no connection or no such
    /// thing. Not asked for the state.
    fn ct_get(&mut self, _key: ct::Key, _direction: Option<ct::Direction>) -> Option<Value> {
        None
    }

    /// Writes a key of the packet's connection: mark, secmark, event mask; labels, whose bits are added; a zone, where
    /// there is no connection yet. Where that cannot be, nothing happens and the rule goes on, as in the kernel.
    fn ct_set(&mut self, _key: ct::Key, _direction: Option<ct::Direction>, _value: &[u8]) {}

    /// The packet becomes untracked, unless it has a connection already.
    fn notrack(&mut self) {}

    /// How many connections the list of this expression holds, the packet's own included
    /// (`nf_conncount_add`, `nf_conncount_count`). `None` when the packet's cannot be counted: it is dropped.
    fn connections(&mut self, _connlimit: &Connlimit, _packet: &Packet<'_>) -> Option<u32> {
        None
    }

    /// Sets up NAT for the packet's connection, and tells what becomes of the packet (`nf_nat_setup_info`): usually
    /// accept, drop when no tuple was free.
    fn nat(&mut self, _range: &NatRange, _packet: &mut Packet<'_>) -> Outcome {
        Outcome::Break
    }

    /// Hands the packet's connection to a flowtable. Breaks where it does not qualify.
    fn flow_offload(&mut self, _flowtable: &str, _packet: &Packet<'_>) -> Outcome {
        Outcome::Break
    }

    /// Asks the routing table. `None` when there is no route.
    fn route(&mut self, _query: &RouteQuery) -> Option<Route> {
        None
    }

    /// A key of the packet's own route (after routing).
    fn rt(&self, _key: rt::Key, _packet: &Packet<'_>) -> Option<Value> {
        None
    }

    /// A key of the local socket the packet belongs to.
    fn socket(&self, _key: socket::Key) -> Option<Value> {
        None
    }

    /// The sender's operating system by its SYN, a name of at most 16 bytes; `unknown` is the kernel's own fallback.
    fn osf(&self, _osf: &Osf, _packet: &Packet<'_>) -> Option<Value> {
        None
    }

    /// A key of the tunnel the packet came out of.
    fn tunnel(&self, _key: tunnel::Key, _mode: u32) -> Option<Value> {
        None
    }

    /// A key of one of the packet's IPsec transformations.
    fn xfrm(&self, _xfrm: &xfrm::Xfrm) -> Option<Value> {
        None
    }

    /// Tells the packet's sender; the packet is then dropped.
    fn reject(&mut self, _reject: &Reject, _packet: &Packet<'_>) {}

    /// Logs the packet.
    fn log(&mut self, _log: &Log, _packet: &Packet<'_>) {}

    /// Sends a copy to a gateway or out of a device, or both.
    fn dup(&mut self, _gateway: Option<IpAddr>, _device: IfIndex, _packet: &Packet<'_>) {}

    /// Sends the packet itself out of a device; with a neighbour after looking up its address, TTL decremented.
    fn fwd(&mut self, _device: IfIndex, _neighbour: Option<IpAddr>, _packet: &mut Packet<'_>) -> Outcome {
        Outcome::Verdict(Decision::Drop)
    }

    /// Assigns the packet to a local transparent socket; breaks where none listens.
    fn tproxy(&mut self, _address: Option<IpAddr>, _port: Option<u16>, _packet: &mut Packet<'_>) -> Outcome {
        Outcome::Break
    }

    /// Answers a SYN for a server, or checks the cookie that came back.
    fn synproxy(&mut self, _synproxy: &Synproxy, _packet: &mut Packet<'_>) -> Outcome {
        Outcome::Break
    }
}
