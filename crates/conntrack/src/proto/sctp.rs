//! SCTP (`nf_conntrack_proto_sctp.c`; `tests/kernel.rs` holds it against the kernel, last against Linux 6.18).
//!
//! Every chunk of a packet takes a step in a state table; verification tags are learnt from INIT and INIT ACK, or, when
//! the beginning was not seen (a second path of a multihomed association), from heartbeats. A chunk that does not
//! belong makes the whole packet invalid; what chunks before it changed stays changed, as in the kernel.

use ironweir_wire::{Headers, Packet, PacketInfo, rewrite};

use super::Outcome;
use crate::config::Timeouts;
use crate::entry::{Direction, Entry};
use crate::reason::InvalidReason;
use crate::status::Status;

/// Length of the common header.
const HEADER_LEN: usize = 12;

/// The state of an SCTP association (`enum sctp_conntrack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the words are the kernel's
pub enum SctpStatus {
    #[default]
    None = 0,
    Closed = 1,
    CookieWait = 2,
    CookieEchoed = 3,
    Established = 4,
    ShutdownSent = 5,
    ShutdownRecd = 6,
    ShutdownAckSent = 7,
    /// A path that only heartbeats were seen on.
    HeartbeatSent = 8,
}

impl SctpStatus {
    /// Whether the association is ending, so that it may be dropped early (`sctp_can_early_drop`).
    pub const fn is_closing(self) -> bool {
        matches!(self, SctpStatus::ShutdownSent | SctpStatus::ShutdownRecd | SctpStatus::ShutdownAckSent)
    }

    /// The state of a number; [`SctpStatus::None`] for what is no state's.
    pub(crate) const fn from_number(number: u8) -> SctpStatus {
        match number {
            1 => SctpStatus::Closed,
            2 => SctpStatus::CookieWait,
            3 => SctpStatus::CookieEchoed,
            4 => SctpStatus::Established,
            5 => SctpStatus::ShutdownSent,
            6 => SctpStatus::ShutdownRecd,
            7 => SctpStatus::ShutdownAckSent,
            8 => SctpStatus::HeartbeatSent,
            _ => SctpStatus::None,
        }
    }

    /// The word `conntrack -L` prints.
    pub const fn name(self) -> &'static str {
        match self {
            SctpStatus::None => "NONE",
            SctpStatus::Closed => "CLOSED",
            SctpStatus::CookieWait => "COOKIE_WAIT",
            SctpStatus::CookieEchoed => "COOKIE_ECHOED",
            SctpStatus::Established => "ESTABLISHED",
            SctpStatus::ShutdownSent => "SHUTDOWN_SENT",
            SctpStatus::ShutdownRecd => "SHUTDOWN_RECD",
            SctpStatus::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            SctpStatus::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }
}

/// What is known of an association (`struct ip_ct_sctp`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Sctp {
    /// The tag that packets of each direction carry; 0 when not known.
    tags: [u32; 2],
    pub(crate) status: SctpStatus,
    /// Whether each side sent an INIT that is not completed yet.
    inits: [bool; 2],
    /// A heartbeat with another tag passed in this direction: its answer may make that tag the right one.
    stray_heartbeat: Option<Direction>,
}

impl Sctp {
    /// The tags of both directions, and whether an INIT of each is not completed yet.
    pub(crate) fn lasting(&self) -> ([u32; 2], [bool; 2]) {
        (self.tags, self.inits)
    }

    /// An association that was known before.
    pub(crate) fn from_lasting(status: SctpStatus, tags: [u32; 2], inits: [bool; 2]) -> Sctp {
        Sctp { tags, status, inits, stray_heartbeat: None }
    }
}

/// Chunk types (RFC 9260 §3.2).
mod chunk {
    pub(super) const DATA: u8 = 0;
    pub(super) const INIT: u8 = 1;
    pub(super) const INIT_ACK: u8 = 2;
    pub(super) const HEARTBEAT: u8 = 4;
    pub(super) const HEARTBEAT_ACK: u8 = 5;
    pub(super) const ABORT: u8 = 6;
    pub(super) const SHUTDOWN: u8 = 7;
    pub(super) const SHUTDOWN_ACK: u8 = 8;
    pub(super) const ERROR: u8 = 9;
    pub(super) const COOKIE_ECHO: u8 = 10;
    pub(super) const COOKIE_ACK: u8 = 11;
    pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
    /// In ABORT and SHUTDOWN COMPLETE: the tag is the one of the other direction.
    pub(super) const FLAG_T: u8 = 1;
}

/// A chunk's header.
#[derive(Clone, Copy)]
struct Chunk {
    kind: u8,
    flags: u8,
    /// Its length is 0, less than its own header's.
    empty: bool,
    /// The initiate tag, right behind the header, in INIT and INIT ACK; `None` when cut short: twenty bytes must be there
    /// less the header's four.
    initiate_tag: Option<u32>,
}

#[allow(clippy::too_many_arguments)] // a packet, what it meets, and how to judge it
pub(crate) fn packet(
    entry: &mut Entry,
    sctp: &mut Sctp,
    direction: Direction,
    packet: &Packet<'_>,
    info: &PacketInfo,
    timeouts: &Timeouts,
    verify: bool,
) -> Outcome {
    let Some(tag) = packet.be32(info.transport + 4).filter(|_| info.transport_len() >= HEADER_LEN) else {
        return Outcome::Invalid(InvalidReason::Header);
    };
    if verify && !checksum_is_valid(packet, info) {
        return Outcome::Invalid(InvalidReason::Checksum);
    }
    let Some(kinds) = kinds_of(packet, info) else {
        return Outcome::Invalid(InvalidReason::Combination);
    };
    let confirmed = entry.is_confirmed();
    if !confirmed {
        // Nothing that ends an association or answers may begin one (RFC 9260 §8.4).
        if kinds.any(&[chunk::ABORT, chunk::SHUTDOWN_COMPLETE, chunk::COOKIE_ACK])
            || !sctp.open(tag, packet, info)
        {
            return Outcome::Invalid(InvalidReason::NotABeginning);
        }
    }
    if !kinds.any(&OWN_TAG_RULES) && tag != sctp.tags[direction as usize] {
        return Outcome::Invalid(InvalidReason::VerificationTag);
    }
    let outcome = sctp.packet(&mut entry.status, direction, tag, packet, info, &kinds, timeouts);
    entry.state = sctp.status as u8;
    outcome
}

/// Chunks for which the tag is judged one by one (RFC 9260 §8.5.1).
const OWN_TAG_RULES: [u8; 7] = [
    chunk::INIT,
    chunk::SHUTDOWN_COMPLETE,
    chunk::COOKIE_ECHO,
    chunk::ABORT,
    chunk::SHUTDOWN_ACK,
    chunk::HEARTBEAT,
    chunk::HEARTBEAT_ACK,
];

/// Which types of chunk a packet holds.
struct Kinds([u64; 4]);

impl Kinds {
    fn has(&self, kind: u8) -> bool {
        self.0[usize::from(kind >> 6)] & (1 << (kind & 63)) != 0
    }

    fn any(&self, kinds: &[u8]) -> bool {
        kinds.iter().any(|kind| self.has(*kind))
    }
}

/// `do_basic_checks`: INIT, INIT ACK and SHUTDOWN COMPLETE stand alone, cookies come first; there is at least one chunk,
/// and none of length 0.
fn kinds_of(packet: &Packet<'_>, info: &PacketInfo) -> Option<Kinds> {
    let mut kinds = Kinds([0; 4]);
    let mut alone = false;
    let mut count = 0;
    for chunk in chunks(packet, info) {
        alone |= matches!(chunk.kind, chunk::INIT | chunk::INIT_ACK | chunk::SHUTDOWN_COMPLETE);
        let first = alone || matches!(chunk.kind, chunk::COOKIE_ACK | chunk::COOKIE_ECHO);
        if (first && count != 0) || chunk.empty {
            return None;
        }
        kinds.0[usize::from(chunk.kind >> 6)] |= 1 << (chunk.kind & 63);
        count += 1;
    }
    (count > 0).then_some(kinds)
}

/// Chunks up to the end of the packet (`for_each_sctp_chunk`), or to one whose length is 0. Each is padded to four bytes.
fn chunks<'a>(packet: &'a Packet<'_>, info: &PacketInfo) -> impl Iterator<Item = Chunk> + 'a {
    let end = info.end;
    let mut at = info.transport + HEADER_LEN;
    std::iter::from_fn(move || {
        if at + 4 > end {
            return None;
        }
        let [kind, flags, high, low] = packet.be32(at)?.to_be_bytes();
        let length = usize::from(u16::from_be_bytes([high, low]));
        let next = at + ((length + 3) & !3);
        let initiate_tag = if at + 20 <= end { packet.be32(at + 4) } else { None };
        at = if length == 0 { end } else { next };
        Some(Chunk { kind, flags, empty: length == 0, initiate_tag })
    })
}

fn checksum_is_valid(packet: &Packet<'_>, info: &PacketInfo) -> bool {
    info.is_fragment()
        || Headers::of(info).is_none_or(|headers| {
            let right = rewrite::sctp_checksum(packet, &headers);
            right.is_none() || right == packet.array(info.transport + 8)
        })
}

impl Sctp {
    /// The first packet of an association (`sctp_new`): false when it may not begin one.
    fn open(&mut self, tag: u32, packet: &Packet<'_>, info: &PacketInfo) -> bool {
        *self = Sctp::default();
        for chunk in chunks(packet, info) {
            match step(Direction::Original, chunk.kind, SctpStatus::None) {
                None | Some(SctpStatus::None) => return false,
                Some(_) => {}
            }
            match chunk.kind {
                chunk::INIT => {
                    let Some(initiate_tag) = chunk.initiate_tag.filter(|_| tag == 0) else { return false };
                    self.tags[Direction::Reply as usize] = initiate_tag;
                }
                chunk::HEARTBEAT => self.tags[Direction::Original as usize] = tag,
                // Out of the blue: what answers it carries its tag (RFC 9260 §8.4).
                chunk::SHUTDOWN_ACK => self.tags[Direction::Reply as usize] = tag,
                _ => {}
            }
        }
        true
    }

    #[allow(clippy::too_many_arguments)] // what the packet says, and what it meets
    fn packet(
        &mut self,
        status: &mut Status,
        direction: Direction,
        tag: u32,
        packet: &Packet<'_>,
        info: &PacketInfo,
        kinds: &Kinds,
        timeouts: &Timeouts,
    ) -> Outcome {
        let confirmed = status.contains(Status::CONFIRMED);
        let mut ignore = false;
        let mut new = SctpStatus::None;
        for chunk in chunks(packet, info) {
            match self.judge_tag(direction, tag, chunk, kinds, ignore) {
                Tag::Right => {}
                Tag::Wrong => return Outcome::Invalid(InvalidReason::VerificationTag),
                Tag::Stray => {
                    ignore = true;
                    continue;
                }
            }
            let old = self.status;
            match step(direction, chunk.kind, old) {
                Some(to) => new = to,
                None => return Outcome::Invalid(InvalidReason::State),
            }
            if !self.learn_tag(direction, chunk, confirmed) {
                return Outcome::Invalid(InvalidReason::VerificationTag);
            }
            // An INIT sent again does not keep a closed association alive.
            let closed = old == SctpStatus::Closed && new == SctpStatus::Closed;
            ignore |= confirmed && closed && chunk.kind == chunk::INIT;
            self.status = new;
            if old != new && new == SctpStatus::Established {
                *status |= Status::ASSURED;
            }
        }
        if ignore {
            return Outcome::Ignore;
        }
        let timeout = timeouts.sctp[new as usize];
        Outcome::Refresh(timeout)
    }

    /// The rules of RFC 9260 §8.5.1, and the kernel's for heartbeats of paths whose beginning it has not seen.
    fn judge_tag(
        &mut self,
        direction: Direction,
        tag: u32,
        chunk: Chunk,
        kinds: &Kinds,
        ignore: bool,
    ) -> Tag {
        let (own, other) = (direction as usize, direction.opposite() as usize);
        let right = match chunk.kind {
            chunk::INIT => tag == 0,
            chunk::ABORT | chunk::SHUTDOWN_COMPLETE => {
                tag == self.tags[if chunk.flags & chunk::FLAG_T == 0 { own } else { other }]
            }
            chunk::COOKIE_ECHO => tag == self.tags[own],
            chunk::COOKIE_ACK => {
                self.inits = [false; 2];
                true
            }
            chunk::HEARTBEAT | chunk::HEARTBEAT_ACK if self.tags[own] == 0 => {
                self.tags[own] = tag;
                true
            }
            chunk::HEARTBEAT | chunk::HEARTBEAT_ACK if tag == self.tags[own] => {
                self.stray_heartbeat = None;
                true
            }
            chunk::HEARTBEAT if kinds.has(chunk::DATA) || ignore => false,
            chunk::HEARTBEAT => {
                self.stray_heartbeat = Some(direction);
                return Tag::Stray;
            }
            chunk::HEARTBEAT_ACK if kinds.has(chunk::DATA) || ignore => false,
            chunk::HEARTBEAT_ACK if self.stray_heartbeat == Some(direction.opposite()) => {
                self.stray_heartbeat = None;
                self.tags[own] = tag;
                self.tags[other] = 0;
                true
            }
            chunk::HEARTBEAT_ACK => false,
            _ => true,
        };
        if right { Tag::Right } else { Tag::Wrong }
    }

    /// INIT and INIT ACK name the tag of the other direction. False when they cannot be right.
    fn learn_tag(&mut self, direction: Direction, chunk: Chunk, confirmed: bool) -> bool {
        let (own, other) = (direction as usize, direction.opposite() as usize);
        match (chunk.kind, chunk.initiate_tag) {
            (chunk::INIT, Some(tag)) => {
                // The same INIT sent again begins nothing.
                if !confirmed || tag != self.tags[other] {
                    if self.inits[own] && self.inits[other] {
                        self.inits[other] = false;
                    }
                    self.inits[own] = true;
                }
                self.tags[other] = tag;
                true
            }
            (chunk::INIT_ACK, Some(tag)) => {
                let known = self.tags[other];
                let unasked = !self.inits[other] && known != 0;
                let collision = self.inits[own] && self.inits[other];
                if known != tag && (unasked || collision) {
                    return false;
                }
                self.tags[other] = tag;
                true
            }
            (chunk::INIT | chunk::INIT_ACK, None) => false,
            _ => true,
        }
    }
}

/// What a chunk's tag says.
enum Tag {
    Right,
    Wrong,
    /// The chunk passes, but changes nothing.
    Stray,
}

/// Where a chunk leads; `None` is invalid. Chunks without a row leave the state alone.
fn step(direction: Direction, kind: u8, old: SctpStatus) -> Option<SctpStatus> {
    let row = match kind {
        chunk::INIT => 0,
        chunk::INIT_ACK => 1,
        chunk::ABORT => 2,
        chunk::SHUTDOWN => 3,
        chunk::SHUTDOWN_ACK => 4,
        chunk::ERROR => 5,
        chunk::COOKIE_ECHO => 6,
        chunk::COOKIE_ACK => 7,
        chunk::SHUTDOWN_COMPLETE => 8,
        chunk::HEARTBEAT => 9,
        chunk::HEARTBEAT_ACK => 10,
        _ => return Some(old),
    };
    STEPS[direction as usize][row][old as usize]
}

const CL: Option<SctpStatus> = Some(SctpStatus::Closed);
const CW: Option<SctpStatus> = Some(SctpStatus::CookieWait);
const CE: Option<SctpStatus> = Some(SctpStatus::CookieEchoed);
const ES: Option<SctpStatus> = Some(SctpStatus::Established);
const SS: Option<SctpStatus> = Some(SctpStatus::ShutdownSent);
const SR: Option<SctpStatus> = Some(SctpStatus::ShutdownRecd);
const SA: Option<SctpStatus> = Some(SctpStatus::ShutdownAckSent);
const HS: Option<SctpStatus> = Some(SctpStatus::HeartbeatSent);
const IV: Option<SctpStatus> = None;

/// The state table (`sctp_conntracks`). Columns: NONE, CLOSED, COOKIE_WAIT, COOKIE_ECHOED, ESTABLISHED, SHUTDOWN_SENT,
/// SHUTDOWN_RECD, SHUTDOWN_ACK_SENT, HEARTBEAT_SENT.
#[rustfmt::skip]
const STEPS: [[[Option<SctpStatus>; 9]; 11]; 2] = [
    [ // original
        [CL, CL, CW, CE, ES, CL, CL, SA, CW], // INIT
        [CL, CL, CW, CE, ES, SS, SR, SA, CL], // INIT ACK
        [CL, CL, CL, CL, CL, CL, CL, CL, CL], // ABORT
        [CL, CL, CW, CE, SS, SS, SR, SA, CL], // SHUTDOWN
        [SA, CL, CW, CE, ES, SA, SA, SA, SA], // SHUTDOWN ACK
        [CL, CL, CW, CE, ES, SS, SR, SA, CL], // ERROR
        [CL, CL, CE, CE, ES, SS, SR, SA, CL], // COOKIE ECHO
        [CL, CL, CW, ES, ES, SS, SR, SA, CL], // COOKIE ACK
        [CL, CL, CW, CE, ES, SS, SR, CL, CL], // SHUTDOWN COMPLETE
        [HS, CL, CW, CE, ES, SS, SR, SA, HS], // HEARTBEAT
        [CL, CL, CW, CE, ES, SS, SR, SA, HS], // HEARTBEAT ACK
    ],
    [ // reply
        [IV, CL, CW, CE, ES, SS, SR, SA, IV],
        [IV, CW, CW, CE, ES, SS, SR, SA, IV],
        [IV, CL, CL, CL, CL, CL, CL, CL, IV],
        [IV, CL, CW, CE, SR, SS, SR, SA, IV],
        [IV, CL, CW, CE, ES, SA, SA, SA, IV],
        [IV, CL, CW, CL, ES, SS, SR, SA, IV],
        [IV, CL, CE, CE, ES, SS, SR, SA, IV],
        [IV, CL, CW, ES, ES, SS, SR, SA, IV],
        [IV, CL, CW, CE, ES, SS, SR, CL, IV],
        [IV, CL, CW, CE, ES, SS, SR, SA, HS],
        [IV, CL, CW, CE, ES, SS, SR, SA, ES],
    ],
];
