//! One connection, and what a packet carries of it.

use std::sync::Arc;
use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Instant, L3, SipKey, Tuple};

use crate::config::Timeouts;
use crate::key::{Key, Probe};
use crate::proto::sctp::SctpStatus;
use crate::proto::tcp::TcpStatus;
use crate::reason::InvalidReason;
use crate::seqadj::SeqAdj;
use crate::status::Status;
use crate::synproxy::Proxied;
use crate::zone::{Zone, ZoneDirection};

/// A direction of a connection (`enum ip_conntrack_dir`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// As the connection was opened.
    #[default]
    Original = 0,
    /// The way back.
    Reply = 1,
}

impl Direction {
    /// The other direction.
    pub const fn opposite(self) -> Direction {
        match self {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        }
    }
}

/// How a packet stands to its connection (`enum ip_conntrack_info`, with its numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CtInfo {
    /// Original direction, and packets went both ways.
    Established = 0,
    /// An error about it, or its first packets when it was expected; original direction.
    Related = 1,
    /// Original direction, and no reply yet.
    New = 2,
    /// Reply direction.
    EstablishedReply = 3,
    /// An error about it that travels in reply direction.
    RelatedReply = 4,
}

impl CtInfo {
    /// The direction the packet travels in (`CTINFO2DIR`).
    pub const fn direction(self) -> Direction {
        match self {
            CtInfo::Established | CtInfo::Related | CtInfo::New => Direction::Original,
            CtInfo::EstablishedReply | CtInfo::RelatedReply => Direction::Reply,
        }
    }

    /// Whether the packet is an error about the connection or belongs to an expected one.
    pub const fn is_related(self) -> bool {
        matches!(self, CtInfo::Related | CtInfo::RelatedReply)
    }
}

/// A checked reference to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CtRef {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// What a packet carries of connection tracking (`skb->_nfct`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tracking {
    /// No connection: not looked up yet, or looked up and invalid for this reason.
    Invalid(InvalidReason),
    /// Exempt (`notrack`, neighbour discovery).
    Untracked,
    /// Part of a connection.
    Flow(CtRef, CtInfo),
}

impl Default for Tracking {
    fn default() -> Self {
        Tracking::Invalid(InvalidReason::Unseen)
    }
}

impl Tracking {
    /// The state as the bit `ct state` compares with: invalid 1, established 2, related 4, new 8, untracked 64
    /// (`NF_CT_STATE_BIT` and its kin, `nft_ct_get_eval`).
    pub const fn state_bit(self) -> u32 {
        match self {
            Tracking::Invalid(_) => 1,
            Tracking::Untracked => 1 << 6,
            Tracking::Flow(_, info) => match info {
                CtInfo::Established | CtInfo::EstablishedReply => 1 << 1,
                CtInfo::Related | CtInfo::RelatedReply => 1 << 2,
                CtInfo::New => 1 << 3,
            },
        }
    }

    /// The connection, when there is one.
    pub const fn flow(self) -> Option<(CtRef, CtInfo)> {
        match self {
            Tracking::Flow(ct, info) => Some((ct, info)),
            Tracking::Invalid(_) | Tracking::Untracked => None,
        }
    }
}

/// Packets and bytes of one direction, network header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes from the network header on.
    pub bytes: u64,
}

/// The 128 connection labels: label `n` is bit `n % 8` of byte `n / 8`, as `ct label` loads them.
pub type Labels = [u8; 16];

/// The name of a helper, at most 15 bytes (`NF_CT_HELPER_NAME_LEN` less its zero).
pub type HelperName = std::sync::Arc<str>;

/// What a helper may remember of a connection, 32 bytes that are zero at first (`nfct_help_data`).
pub type HelperMemory = [u32; 8];

/// A connection (`struct nf_conn`).
///
/// 104 bytes, so that with its place in the index and in the timer wheel it stays below 128: see
/// `docs/decisions/0009-the-connection-table.md` for what is kept where.
#[derive(Clone, Debug)]
#[repr(C)] // so that `touch` reads from each line
pub struct Entry {
    keys: [Key; 2],
    l3: L3,
    l4: u8,
    /// The state's number in the protocol's tracker, as `ct status` and listings name it.
    pub(crate) state: u8,
    /// [`COUNTS`] and [`ATTENDED`].
    flags: u8,
    pub(crate) status: Status,
    pub(crate) generation: u32,
    /// Packets of each direction: 32 bits here, 16 above them.
    packets: [u32; 2],
    packets_above: [u16; 2],
    /// `ct mark`.
    pub mark: u32,
    pub(crate) deadline: Instant,
    bytes: [u64; 2],
    /// What the protocol's tracker keeps: of TCP and SCTP, the place of what it knows; of UDP and UDP-Lite, the time in
    /// nanoseconds from which the exchange, if it lasts till then, is a stream.
    pub(crate) kept: u64,
    /// The addresses, when they are not IPv4's: source and destination of the original direction, and of the reply.
    addresses: Option<Box<[Address; 4]>>,
    pub(crate) extras: Option<Box<Extras>>,
}

/// Packets and bytes are counted, and so listed.
const COUNTS: u8 = 1;
/// Something attached to the connection has a part in what becomes of its packets: helper, policy, synproxy, moved numbers.
const ATTENDED: u8 = 2;

const _: () = assert!(size_of::<Option<Entry>>() == 104);

/// What few connections have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) labels: Labels,
    pub(crate) helper: Option<HelperName>,
    /// What the helper remembers of the connection.
    pub(crate) helper_memory: HelperMemory,
    pub(crate) master: Option<CtRef>,
    pub(crate) secmark: u32,
    pub(crate) event_mask: u32,
    /// The timeout policy, when a rule gave one.
    pub(crate) timeouts: Option<Arc<Timeouts>>,
    pub(crate) start: Option<Instant>,
    pub(crate) stop: Option<Instant>,
    /// The interface masquerading chose its address from; 0 without masquerading.
    pub(crate) masquerade_oif: u32,
    /// How sequence numbers of each direction are moved.
    pub(crate) seqadj: [SeqAdj; 2],
    /// What synproxy remembers of it.
    pub(crate) proxied: Option<Proxied>,
}

impl Entry {
    /// Sets `ct label` as a whole.
    pub fn set_labels(&mut self, labels: Labels) {
        self.notes_mut().labels = labels;
    }

    /// Sets one label of 0 to 127; others have no effect.
    pub fn set_label(&mut self, label: u8) {
        if let Some(byte) = self.notes_mut().labels.get_mut(usize::from(label / 8)) {
            *byte |= 1 << (label % 8);
        }
    }

    /// Sets the security mark.
    pub fn set_secmark(&mut self, secmark: u32) {
        self.notes_mut().secmark = secmark;
    }

    /// Sets which events are reported (`ct event set`).
    pub fn set_event_mask(&mut self, mask: u32) {
        self.notes_mut().event_mask = mask;
    }

    /// Attaches a helper by name (`ct helper set`); see [`helper`](crate::helper).
    pub fn set_helper(&mut self, helper: HelperName) {
        self.extras_mut().helper = Some(helper);
        self.status |= Status::HELPER;
    }

    /// A connection that is not in the table yet. Zones are those of the tuples.
    pub(crate) fn new(original: &Tuple, reply: &Tuple, deadline: Instant, counts: bool) -> Entry {
        let mut entry = Entry::blank(Default::default(), original.l3, original.l4, deadline, counts);
        entry.set_tuple(Direction::Original, *original);
        entry.set_tuple(Direction::Reply, *reply);
        entry
    }

    /// As [`Entry::new`], of a packet over IPv4 and the key of its answers.
    #[inline]
    pub(crate) fn of_keys(probe: &Probe, answer: Key, deadline: Instant, counts: bool) -> Entry {
        Entry::blank([probe.key, answer], probe.l3, probe.l4, deadline, counts)
    }

    #[inline]
    fn blank(keys: [Key; 2], l3: L3, l4: u8, deadline: Instant, counts: bool) -> Entry {
        Entry {
            keys,
            l3,
            l4,
            state: 0,
            flags: if counts { COUNTS } else { 0 },
            packets: [0; 2],
            packets_above: [0; 2],
            bytes: [0; 2],
            status: Status::empty(),
            mark: 0,
            generation: 0,
            deadline,
            kept: 0,
            addresses: None,
            extras: None,
        }
    }

    /// Addresses, ports and zone of one direction.
    #[inline]
    pub fn tuple(&self, direction: Direction) -> Tuple {
        let key = &self.keys[direction as usize];
        let [src, dst] = match &self.addresses {
            None => key.addresses(),
            Some(all) => match direction {
                Direction::Original => [all[0], all[1]],
                Direction::Reply => [all[2], all[3]],
            },
        };
        let [src_id, dst_id] = key.ids();
        Tuple { src, dst, src_id, dst_id, zone: key.zone(), l3: self.l3, l4: self.l4 }
    }

    /// Whether a direction has this tuple.
    #[inline]
    pub(crate) fn has_tuple(&self, direction: Direction, tuple: &Tuple) -> bool {
        self.keys[direction as usize] == Key::of(tuple)
            && (self.l3, self.l4) == (tuple.l3, tuple.l4)
            && (self.addresses.is_none() || self.tuple(direction) == *tuple)
    }

    /// Whether a direction has the tuple that a packet is looked up by.
    #[inline]
    pub(crate) fn is_at(&self, direction: Direction, probe: &Probe) -> bool {
        self.keys[direction as usize] == probe.key
            && (self.l3, self.l4) == (probe.l3, probe.l4)
            && self.addresses.as_ref().is_none_or(|all| {
                let (original, reply) = all.split_at(2);
                probe.has_addresses(if direction == Direction::Original { original } else { reply })
            })
    }

    /// A direction's key; that of IPv4 tells all.
    #[inline]
    pub(crate) fn key(&self, direction: Direction) -> &Key {
        &self.keys[direction as usize]
    }

    /// The network protocol.
    #[inline]
    pub(crate) fn l3(&self) -> L3 {
        self.l3
    }

    /// The hash of a direction's tuple.
    #[inline]
    pub(crate) fn hash(&self, direction: Direction, key: &SipKey) -> u64 {
        if self.l3 == L3::V4 {
            self.keys[direction as usize].hash(self.l4, key)
        } else {
            self.tuple(direction).hash(key)
        }
    }

    /// Whether a direction has the tuple that another connection has in one of its own.
    #[inline]
    pub(crate) fn has_tuple_of(&self, direction: Direction, other: &Entry, its: Direction) -> bool {
        self.keys[direction as usize] == other.keys[its as usize]
            && (self.l3, self.l4) == (other.l3, other.l4)
            && (self.addresses.is_none() || self.tuple(direction) == other.tuple(its))
    }

    /// Changes addresses, ports and zone of one direction. Only that of a connection that is not in the table may change.
    pub(crate) fn set_tuple(&mut self, direction: Direction, tuple: Tuple) {
        self.keys[direction as usize] = Key::of(&tuple);
        if self.l3 != L3::V4 {
            let all = self.addresses.get_or_insert_default();
            let at = direction as usize * 2;
            all[at] = tuple.src;
            all[at + 1] = tuple.dst;
        }
    }

    /// The IP protocol number.
    #[inline]
    pub(crate) fn l4(&self) -> u8 {
        self.l4
    }

    /// Reads from each of the entry's lines, so that they are on their way when it is used.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        u64::from(self.l4) ^ self.deadline.nanos() ^ u64::from(self.extras.is_some())
    }

    /// Moves the deadline. Tells it when it moved earlier, and a timer is to look then.
    #[inline]
    pub(crate) fn refresh(&mut self, now: Instant, timeout: Duration, offload: Duration) -> Option<Instant> {
        if self.status.intersects(Status::FIXED_TIMEOUT | Status::DYING) {
            return None;
        }
        let timeout = if self.status.contains(Status::OFFLOAD) { timeout.max(offload) } else { timeout };
        let before = std::mem::replace(&mut self.deadline, now + timeout);
        (self.deadline < before && self.is_confirmed()).then_some(self.deadline)
    }

    /// Counts packets of one direction.
    #[inline]
    pub(crate) fn count(&mut self, direction: Direction, packets: u64, bytes: u64) {
        let at = direction as usize;
        let now = self.counter(direction).packets.saturating_add(packets).min((1 << 48) - 1);
        self.packets[at] = now as u32;
        self.packets_above[at] = (now >> 32) as u16;
        self.bytes[at] = self.bytes[at].saturating_add(bytes);
    }

    /// Counts one packet of a direction.
    #[inline]
    pub(crate) fn count_one(&mut self, direction: Direction, bytes: u64) {
        let at = direction as usize;
        self.bytes[at] = self.bytes[at].saturating_add(bytes);
        match self.packets[at].checked_add(1) {
            Some(packets) => self.packets[at] = packets,
            None => self.count(direction, 1, 0),
        }
    }

    /// Status bits.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Packets and bytes of one direction; zeros unless [`Config::accounting`](crate::Config::accounting).
    pub fn counter(&self, direction: Direction) -> Counter {
        let at = direction as usize;
        Counter {
            packets: u64::from(self.packets[at]) | u64::from(self.packets_above[at]) << 32,
            bytes: self.bytes[at],
        }
    }

    /// Whether its packets and bytes are counted.
    #[inline]
    pub fn counts(&self) -> bool {
        self.flags & COUNTS != 0
    }

    /// Counts from zero again.
    pub fn reset_counters(&mut self) {
        (self.packets, self.packets_above, self.bytes) = Default::default();
    }

    /// How long it lives if no packet comes (`ct expiration`).
    pub fn remaining(&self, now: Instant) -> Duration {
        self.deadline.since(now)
    }

    /// The zone and its directions.
    pub fn zone(&self) -> Zone {
        match (self.keys[0].zone(), self.keys[1].zone()) {
            (id, reply) if id == reply => Zone::both(id),
            (0, id) => Zone { id, direction: ZoneDirection::Reply },
            (id, _) => Zone { id, direction: ZoneDirection::Original },
        }
    }

    /// A number that names it for its lifetime (`ct id`).
    pub fn id(&self) -> u32 {
        // Generations of living connections differ, and so does what this makes of them (the finaliser of MurmurHash3).
        let mut id = self.generation;
        id = (id ^ id >> 16).wrapping_mul(0x85eb_ca6b);
        id = (id ^ id >> 13).wrapping_mul(0xc2b2_ae35);
        id ^ id >> 16
    }

    /// The labels.
    pub fn labels(&self) -> Labels {
        self.extras.as_ref().map_or([0; 16], |extras| extras.labels)
    }

    /// The security mark.
    pub fn secmark(&self) -> u32 {
        self.extras.as_ref().map_or(0, |extras| extras.secmark)
    }

    /// Which events are reported.
    pub fn event_mask(&self) -> u32 {
        self.extras.as_ref().map_or(0, |extras| extras.event_mask)
    }

    /// The helper's name.
    pub fn helper(&self) -> Option<&str> {
        self.extras.as_ref()?.helper.as_deref()
    }

    /// What the helper remembers.
    pub fn helper_memory(&self) -> HelperMemory {
        self.extras.as_ref().map_or(HelperMemory::default(), |extras| extras.helper_memory)
    }

    /// The connection that made this one expected.
    pub fn master(&self) -> Option<CtRef> {
        self.extras.as_ref()?.master
    }

    /// When its first packet was confirmed, if timestamps are kept.
    pub fn started(&self) -> Option<Instant> {
        self.extras.as_ref()?.start
    }

    /// When it was taken out of the table, if timestamps are kept.
    pub fn stopped(&self) -> Option<Instant> {
        self.extras.as_ref()?.stop
    }

    /// The state of a TCP connection, `None` for other protocols.
    pub fn tcp_status(&self) -> Option<TcpStatus> {
        (self.l4 == ipproto::TCP).then(|| TcpStatus::from_number(self.state))
    }

    /// The state of an SCTP association, `None` for other protocols.
    pub fn sctp_status(&self) -> Option<SctpStatus> {
        (self.l4 == ipproto::SCTP).then(|| SctpStatus::from_number(self.state))
    }

    /// The timeout policy, when a rule gave one.
    pub fn timeouts(&self) -> Option<Arc<Timeouts>> {
        self.extras.as_ref()?.timeouts.clone()
    }

    /// What synproxy remembers of it; `None` when it is not proxied.
    pub fn proxied(&self) -> Option<Proxied> {
        self.extras.as_ref()?.proxied
    }

    /// What few connections have, to attach something that has a part in what becomes of packets.
    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.flags |= ATTENDED;
        self.extras.get_or_insert_default()
    }

    /// What few connections have, all of it.
    pub(crate) fn set_extras(&mut self, extras: Option<Box<Extras>>) {
        let attended = extras.as_ref().is_some_and(|extras| {
            extras.helper.is_some()
                || extras.timeouts.is_some()
                || extras.proxied.is_some()
                || extras.seqadj != <[SeqAdj; 2]>::default()
        });
        self.flags = self.flags & !ATTENDED | if attended { ATTENDED } else { 0 };
        self.extras = extras;
    }

    /// What few connections have, to note something that no packet's way depends on.
    pub(crate) fn notes_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Whether it is in the table, ends when its protocol says so, and nothing was attached to it that has a part in what
    /// becomes of its packets: no helper, policy, adjustment or the like.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        const SPECIAL: Status = Status::DYING.union(Status::OFFLOAD).union(Status::FIXED_TIMEOUT);
        self.status.intersection(SPECIAL.union(Status::CONFIRMED)) == Status::CONFIRMED
            && self.flags & ATTENDED == 0
    }

    /// Whether its tuples are in the table.
    #[inline]
    pub(crate) fn is_linked(&self) -> bool {
        self.status.intersection(Status::CONFIRMED | Status::DYING) == Status::CONFIRMED
    }

    #[inline]
    pub(crate) fn is_confirmed(&self) -> bool {
        self.status.contains(Status::CONFIRMED)
    }
}
