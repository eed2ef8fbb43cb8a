//! TCP: the state machine and window tracking (`nf_conntrack_proto_tcp.c`; `tests/kernel.rs` holds it
//! against the kernel, last against Linux 6.18).
//!
//! Every segment goes through three gates: is it a sound TCP header ([`flaw`]), does the table allow its kind
//! in this state, and do its sequence and acknowledgement numbers fit the windows seen ([`Tcp::in_window`]).

use std::time::Duration;

use ironweir_wire::tcp::{HEADER_LEN, Header, OPTION_NOP, Options, flag};
use ironweir_wire::{Instant, Packet, PacketInfo};

use super::tcp_table::{Segment, Step, step};
use super::{Outcome, checksum_is_valid};
use crate::config::{Config, Timeouts};
use crate::entry::{Direction, Entry};
use crate::reason::InvalidReason;
use crate::status::Status;

/// The state of a TCP connection (`enum tcp_conntrack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the words are the kernel's
pub enum TcpStatus {
    #[default]
    None = 0,
    SynSent = 1,
    SynRecv = 2,
    Established = 3,
    FinWait = 4,
    CloseWait = 5,
    LastAck = 6,
    TimeWait = 7,
    Close = 8,
    /// Both sides sent a SYN.
    SynSent2 = 9,
}

impl TcpStatus {
    /// Whether the connection is past its life, so that it may be dropped early (`tcp_can_early_drop`).
    pub const fn is_closing(self) -> bool {
        use TcpStatus::{Close, CloseWait, FinWait, LastAck, TimeWait};
        matches!(self, FinWait | LastAck | TimeWait | Close | CloseWait)
    }

    /// The state of a number; [`TcpStatus::None`] for what is no state's.
    pub(crate) const fn from_number(number: u8) -> TcpStatus {
        use TcpStatus::{
            Close, CloseWait, Established, FinWait, LastAck, SynRecv, SynSent, SynSent2, TimeWait,
        };
        match number {
            1 => SynSent,
            2 => SynRecv,
            3 => Established,
            4 => FinWait,
            5 => CloseWait,
            6 => LastAck,
            7 => TimeWait,
            8 => Close,
            9 => SynSent2,
            _ => TcpStatus::None,
        }
    }

    /// The word `conntrack -L` prints.
    pub const fn name(self) -> &'static str {
        match self {
            TcpStatus::None => "NONE",
            TcpStatus::SynSent => "SYN_SENT",
            TcpStatus::SynRecv => "SYN_RECV",
            TcpStatus::Established => "ESTABLISHED",
            TcpStatus::FinWait => "FIN_WAIT",
            TcpStatus::CloseWait => "CLOSE_WAIT",
            TcpStatus::LastAck => "LAST_ACK",
            TcpStatus::TimeWait => "TIME_WAIT",
            TcpStatus::Close => "CLOSE",
            TcpStatus::SynSent2 => "SYN_SENT2",
        }
    }
}

/// Flags of one side (`IP_CT_TCP_FLAG_*`).
mod side {
    /// It offered window scaling.
    pub(super) const WINDOW_SCALE: u8 = 0x01;
    /// It permits selective acknowledgements.
    pub(super) const SACK_PERMITTED: u8 = 0x02;
    /// It closed first.
    pub(super) const CLOSE_INIT: u8 = 0x04;
    /// Its windows are not checked strictly: the connection was picked up in the middle.
    pub(super) const BE_LIBERAL: u8 = 0x08;
    /// Data it sent is not acknowledged yet.
    pub(super) const DATA_UNACKNOWLEDGED: u8 = 0x10;
    /// `max_ack` holds a value.
    pub(super) const MAX_ACK_SET: u8 = 0x20;
    /// In `last_flags`: the next ACK may be a challenge (RFC 5961).
    pub(super) const CHALLENGE_ACK: u8 = 0x40;
    /// In `last_flags`: both sides sent a SYN.
    pub(super) const SIMULTANEOUS_OPEN: u8 = 0x80;
}

/// What is known of one side (`struct ip_ct_tcp_state`).
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// The highest sequence number it sent, plus length.
    end: u32,
    /// The highest sequence number it may send: what the other side allowed.
    max_end: u32,
    /// The largest window it offered; 0 when nothing is known of it.
    max_window: u32,
    /// The highest acknowledgement it sent.
    max_ack: u32,
    /// Its window scale, 0 to 14.
    scale: u8,
    flags: u8,
}

impl Side {
    fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// Takes window scale and SACK permission from a SYN (`tcp_options`). What was known stays when there are no options
    /// at all, and that windows are not checked strictly stays always.
    fn take_options(&mut self, options: &Options) {
        if options.is_empty() {
            return;
        }
        self.scale = 0;
        self.flags &= side::BE_LIBERAL;
        for (kind, data) in options.iter() {
            match (kind, data) {
                (4, []) => self.flags |= side::SACK_PERMITTED,
                (3, [scale]) => {
                    self.scale = (*scale).min(14);
                    self.flags |= side::WINDOW_SCALE;
                }
                _ => {}
            }
        }
    }
}

/// What is known of a TCP connection (`struct ip_ct_tcp`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Tcp {
    sides: [Side; 2],
    pub(crate) status: TcpStatus,
    last_direction: u8,
    last_segment: Segment,
    retransmissions: u8,
    last_seq: u32,
    last_ack: u32,
    last_end: u32,
    last_window: u16,
    last_scale: u8,
    last_flags: u8,
}

/// What window tracking says (`enum nf_ct_tcp_action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Accept,
    /// As `Accept`, with the numbers that tell a retransmission.
    Acknowledged {
        seq: u32,
        ack: u32,
        end: u32,
    },
    Ignore,
    Invalid(InvalidReason),
}

/// A segment with what is derived from it.
struct Seen<'a, 'm> {
    header: Header,
    /// Where its options are, which few segments are asked for.
    packet: &'a Packet<'m>,
    at: usize,
    segment: Segment,
    /// The sequence number behind the segment.
    end: u32,
    /// How far the numbers it acknowledges were moved on their way ([`crate::seqadj`]).
    ack_moved: u32,
    /// The connection is proxied ([`crate::synproxy`]).
    proxied: bool,
}

impl Seen<'_, '_> {
    fn options(&self) -> Options {
        Options::read(self.packet, self.at, self.header.header_len)
    }

    /// The highest right edge of a SACK option, or `ack` (`tcp_sack`).
    #[inline]
    fn highest_sack(&self, ack: u32) -> u32 {
        /// Most options are these alone: a time stamp, behind two that say nothing (RFC 7323, appendix A).
        const TIME_STAMP: [u8; 4] = [OPTION_NOP, OPTION_NOP, 8, 10];
        let options = self.at + HEADER_LEN;
        match self.header.header_len {
            HEADER_LEN => ack,
            WITH_TIME_STAMP if self.packet.array(options) == Some(TIME_STAMP) => ack,
            length => highest_sack(self.packet, self.at, length, ack),
        }
    }
}

/// Bytes of a header whose only option is a time stamp.
const WITH_TIME_STAMP: usize = HEADER_LEN + 12;

/// What a packet's segment says (`nf_conntrack_tcp_packet`).
#[allow(clippy::too_many_arguments)] // a packet, what it meets, and how to judge it
#[inline(always)]
pub(crate) fn packet(
    entry: &mut Entry,
    tcp: &mut Tcp,
    direction: Direction,
    packet: &Packet<'_>,
    info: &PacketInfo,
    config: &Config,
    timeouts: &Timeouts,
    verify: bool,
    now: Instant,
) -> Outcome {
    if !verify && let Some(outcome) = acknowledgement(entry, tcp, direction, packet, info, config, timeouts) {
        return outcome;
    }
    any_segment(entry, tcp, direction, packet, info, config, timeouts, verify, now)
}

/// As [`packet`], for an acknowledgement in an established connection, with data or without: nearly all segments are. `None`,
/// with nothing changed, for any other.
#[inline(always)]
fn acknowledgement(
    entry: &mut Entry,
    tcp: &mut Tcp,
    direction: Direction,
    packet: &Packet<'_>,
    info: &PacketInfo,
    config: &Config,
    timeouts: &Timeouts,
) -> Option<Outcome> {
    const KINDS: u8 = flag::SYN | flag::FIN | flag::RST | flag::ACK;
    let header = Header::of(packet.head().get(info.transport..)?.first_chunk()?);
    let length = info.transport_len();
    let plain = tcp.status == TcpStatus::Established
        && header.flags & KINDS == flag::ACK
        && (HEADER_LEN..=length).contains(&header.header_len)
        && entry.status.intersection(Status::CONFIRMED | Status::SEQ_ADJUST) == Status::CONFIRMED;
    if !plain {
        return None;
    }
    let end = header.seq.wrapping_add((length - header.header_len) as u32);
    let header = Header { flags: flag::ACK, ..header };
    let (at, segment) = (info.transport, Segment::Ack);
    let seen = Seen { header, packet, at, segment, end, ack_moved: 0, proxied: false };
    Some(tcp.acknowledge(&mut entry.status, direction, &seen, config, timeouts))
}

#[allow(clippy::too_many_arguments)]
#[inline(never)]
fn any_segment(
    entry: &mut Entry,
    tcp: &mut Tcp,
    direction: Direction,
    packet: &Packet<'_>,
    info: &PacketInfo,
    config: &Config,
    timeouts: &Timeouts,
    verify: bool,
    now: Instant,
) -> Outcome {
    let Some(header) = Header::read(packet, info.transport) else {
        return Outcome::Invalid(InvalidReason::Header);
    };
    if let Some(reason) = flaw(&header, packet, info, verify) {
        return Outcome::Invalid(reason);
    }
    let data = info.transport_len().saturating_sub(header.header_len) as u32;
    let end = header
        .seq
        .wrapping_add(data)
        .wrapping_add(u32::from(header.has(flag::SYN)) + u32::from(header.has(flag::FIN)));
    let ack_moved = entry.seq_offset(direction.opposite(), header.ack.wrapping_sub(1));
    let at = info.transport;
    let confirmed = entry.is_confirmed();
    let segment = segment_of(header.flags);
    let proxied = entry.proxied().is_some();
    let seen = Seen { header, packet, at, segment, end, ack_moved, proxied };
    if !confirmed && !tcp.open(&seen, config) {
        return Outcome::Invalid(InvalidReason::NotABeginning);
    }
    let remaining = entry.deadline.since(now);
    let outcome = tcp.segment(&mut entry.status, direction, &seen, config, timeouts, remaining);
    entry.state = tcp.status as u8;
    outcome
}

/// `tcp_error`: a whole header, a possible set of flags, and a right checksum if that is asked; `None` when all is so.
#[inline]
fn flaw(header: &Header, packet: &Packet<'_>, info: &PacketInfo, verify: bool) -> Option<InvalidReason> {
    if header.header_len < ironweir_wire::tcp::HEADER_LEN || info.transport_len() < header.header_len {
        return Some(InvalidReason::Header);
    }
    if verify && !packet_checksum(packet, info) {
        return Some(InvalidReason::Checksum);
    }
    let possible = matches!(
        header.flags & (flag::FIN | flag::SYN | flag::RST | flag::ACK | flag::URG),
        flag::SYN | SYN_URG | SYN_ACK | flag::RST | RST_ACK | FIN_ACK | FIN_ACK_URG | flag::ACK | ACK_URG
    );
    (!possible).then_some(InvalidReason::Combination)
}

#[inline(never)]
fn packet_checksum(packet: &Packet<'_>, info: &PacketInfo) -> bool {
    ironweir_wire::Headers::of(info)
        .and_then(|headers| headers.tuple(packet))
        .is_none_or(|tuple| checksum_is_valid(packet, info, &tuple, usize::MAX))
}

const SYN_URG: u8 = flag::SYN | flag::URG;
const SYN_ACK: u8 = flag::SYN | flag::ACK;
const RST_ACK: u8 = flag::RST | flag::ACK;
const FIN_ACK: u8 = flag::FIN | flag::ACK;
const FIN_ACK_URG: u8 = flag::FIN | flag::ACK | flag::URG;
const ACK_URG: u8 = flag::ACK | flag::URG;

/// `get_conntrack_index`.
fn segment_of(flags: u8) -> Segment {
    if flags & flag::RST != 0 {
        Segment::Rst
    } else if flags & flag::SYN != 0 {
        if flags & flag::ACK != 0 { Segment::SynAck } else { Segment::Syn }
    } else if flags & flag::FIN != 0 {
        Segment::Fin
    } else if flags & flag::ACK != 0 {
        Segment::Ack
    } else {
        Segment::None
    }
}

impl Tcp {
    /// The first segment of a connection (`tcp_new`): false when it may not open one.
    fn open(&mut self, seen: &Seen<'_, '_>, config: &Config) -> bool {
        let window = u32::from(seen.header.window).max(1);
        let fresh = match step(Direction::Original, seen.segment, TcpStatus::None) {
            Step::To(TcpStatus::SynSent) => {
                let mut side =
                    Side { end: seen.end, max_end: seen.end, max_window: window, ..Side::default() };
                side.take_options(&seen.options());
                [side, Side::default()]
            }
            Step::To(_) if config.tcp_loose => {
                // In the middle of a connection whose beginning is unknown: neither scale nor SACK was seen.
                let flags = side::SACK_PERMITTED | side::BE_LIBERAL;
                let sender = Side {
                    end: seen.end,
                    max_end: seen.end.wrapping_add(window),
                    max_window: window,
                    flags,
                    ..Side::default()
                };
                [sender, Side { flags, ..Side::default() }]
            }
            _ => return false,
        };
        *self = Tcp { sides: fresh, ..Tcp::default() };
        true
    }

    /// As [`Tcp::segment`], for an acknowledgement in an established connection, with data or without: of all steps that a
    /// segment takes there, these are left.
    #[inline(always)]
    fn acknowledge(
        &mut self,
        status: &mut Status,
        direction: Direction,
        seen: &Seen<'_, '_>,
        config: &Config,
        timeouts: &Timeouts,
    ) -> Outcome {
        match self.in_window(direction, seen, config) {
            Window::Accept | Window::Acknowledged { .. } => {}
            Window::Ignore => return Outcome::Ignore,
            Window::Invalid(reason) => return Outcome::Invalid(reason),
        }
        let states = (TcpStatus::Established, TcpStatus::Established);
        self.advance(status, direction, seen, states, config, timeouts)
    }

    /// `nf_conntrack_tcp_packet` for a sound segment of a known connection.
    #[allow(clippy::too_many_arguments)]
    #[inline(never)]
    fn segment(
        &mut self,
        status: &mut Status,
        direction: Direction,
        seen: &Seen<'_, '_>,
        config: &Config,
        timeouts: &Timeouts,
        remaining: Duration,
    ) -> Outcome {
        let (mut old, mut new);
        old = self.status;
        match step(direction, seen.segment, old) {
            Step::To(TcpStatus::SynSent) if old as u8 >= TcpStatus::TimeWait as u8 => {
                if self.may_reopen(direction) {
                    return Outcome::Reopen;
                }
                match self.ignored(direction, seen) {
                    Some(resynchronised) => (old, new) = resynchronised,
                    None => return Outcome::Ignore,
                }
            }
            Step::Ignore => match self.ignored(direction, seen) {
                Some(resynchronised) => (old, new) = resynchronised,
                None => return Outcome::Ignore,
            },
            Step::Invalid if self.is_proxied_probe(direction, seen) => return Outcome::Ignore,
            Step::Invalid => return Outcome::Invalid(InvalidReason::State),
            Step::To(to) => new = to,
        }

        let mut skip_window = false;
        match new {
            TcpStatus::TimeWait if self.is_challenge_ack(direction, seen, old) => {
                self.last_flags &= !side::CHALLENGE_ACK;
                return Outcome::Ignore;
            }
            TcpStatus::SynSent2 => self.last_flags |= side::SIMULTANEOUS_OPEN,
            TcpStatus::SynRecv
                if direction == Direction::Reply
                    && seen.segment == Segment::Ack
                    && self.last_flags & side::SIMULTANEOUS_OPEN != 0 =>
            {
                new = TcpStatus::Established;
            }
            TcpStatus::Close if seen.segment == Segment::Rst => {
                match self.judge_reset(*status, direction, seen, old, config) {
                    Reset::Invalid => return Outcome::Invalid(InvalidReason::Reset),
                    Reset::Possible { keeps_state, certain } => {
                        skip_window = certain;
                        if keeps_state {
                            new = old;
                        }
                    }
                }
            }
            _ => {}
        }

        if !skip_window {
            match self.in_window(direction, seen, config) {
                Window::Accept | Window::Acknowledged { .. } => {}
                Window::Ignore => return Outcome::Ignore,
                Window::Invalid(reason) => {
                    return self.out_of_window(*status, direction, seen, reason, timeouts, remaining);
                }
            }
        }
        self.advance(status, direction, seen, (old, new), config, timeouts)
    }

    /// The client of a synproxy probes its closed window while the server has not answered: the packet is to find the
    /// connection, so that its SYN is sent again.
    fn is_proxied_probe(&self, direction: Direction, seen: &Seen<'_, '_>) -> bool {
        seen.proxied
            && self.status == TcpStatus::SynSent
            && seen.segment == Segment::Ack
            && direction == Direction::Original
            && self.last_direction == Direction::Original as u8
            && self.sides[Direction::Original as usize].end.wrapping_sub(1) == seen.header.seq
    }

    /// The highest number a side has sent, plus one (`td_end`).
    pub(crate) fn sent_end(&self, direction: Direction) -> u32 {
        self.sides[direction as usize].end
    }

    /// Reads from both of its lines, so that they are on their way when it is used.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        self.sides[0].end ^ self.last_end ^ u32::from(self.last_flags)
    }

    /// The largest window a side has offered (`td_maxwin`).
    pub(crate) fn max_window(&self, direction: Direction) -> u32 {
        self.sides[direction as usize].max_window
    }

    /// A connection closed by one side, or reset by this one, may be opened again by a new SYN.
    fn may_reopen(&self, direction: Direction) -> bool {
        self.sides.iter().any(|side| side.has(side::CLOSE_INIT))
            || (self.last_direction == direction as u8 && self.last_segment == Segment::Rst)
    }

    /// A segment that may belong to a connection we are out of step with. When it is the answer to a SYN ignored
    /// before, both ends agree and we do not: take up what they agreed on, and go on from these states. Otherwise
    /// remember it.
    fn ignored(&mut self, direction: Direction, seen: &Seen<'_, '_>) -> Option<(TcpStatus, TcpStatus)> {
        let header = &seen.header;
        if seen.segment == Segment::SynAck
            && self.last_segment == Segment::Syn
            && self.last_direction != direction as u8
            && header.ack == self.last_end
        {
            let other = &mut self.sides[direction.opposite() as usize];
            other.end = self.last_end;
            other.max_end = self.last_end;
            other.max_window = u32::from(self.last_window).max(1);
            other.scale = self.last_scale;
            self.last_flags &= !side::CHALLENGE_ACK;
            other.flags = self.last_flags;
            let side = &mut self.sides[direction as usize];
            *side = Side { flags: side.flags & side::BE_LIBERAL, ..Side::default() };
            return Some((TcpStatus::SynSent, TcpStatus::SynRecv));
        }
        self.last_segment = seen.segment;
        self.last_direction = direction as u8;
        self.last_seq = header.seq;
        self.last_end = seen.end;
        self.last_window = header.window;
        if seen.segment == Segment::Syn {
            let mut options = Side::default();
            options.take_options(&seen.options());
            self.last_flags = options.flags;
            self.last_scale = options.scale;
            if self.status == TcpStatus::LastAck {
                self.last_flags |= side::CHALLENGE_ACK;
            }
        }
        if self.status == TcpStatus::SynSent && seen.segment == Segment::Ack && direction == Direction::Reply
        {
            self.last_ack = header.ack;
        }
        None
    }

    /// An ACK that answers a stray SYN (RFC 5961) does not acknowledge the last FIN.
    fn is_challenge_ack(&self, direction: Direction, seen: &Seen<'_, '_>, old: TcpStatus) -> bool {
        old == TcpStatus::LastAck
            && seen.segment == Segment::Ack
            && self.last_direction != direction as u8
            && self.last_segment == Segment::Syn
            && self.last_flags & side::CHALLENGE_ACK != 0
    }

    /// Whether a reset may be believed.
    fn judge_reset(
        &self,
        status: Status,
        direction: Direction,
        seen: &Seen<'_, '_>,
        old: TcpStatus,
        config: &Config,
    ) -> Reset {
        // When closing, the ports may be in use again already, and what was noted is out of date.
        if old.is_closing() {
            return Reset::Possible { keeps_state: false, certain: true };
        }
        let header = &seen.header;
        let receiver = &self.sides[direction.opposite() as usize];
        let established = old == TcpStatus::Established && status.contains(Status::ASSURED);
        let mut keeps_state = false;
        // A SYN that was let through may have made the highest acknowledgement out of date.
        if receiver.has(side::MAX_ACK_SET) && self.last_segment != Segment::Syn {
            // Sequence number 0 outside of an established connection answers a SYN let through earlier.
            if header.seq == 0 && !established {
                return Reset::IN_WINDOW;
            }
            if before(header.seq, receiver.max_ack) && !config.tcp_ignore_invalid_rst {
                return Reset::Invalid;
            }
            if !established || header.seq == receiver.max_ack {
                return Reset::IN_WINDOW;
            }
            // Part of a train: data, then at once the reset behind it.
            if self.last_segment == Segment::Ack
                && self.last_direction == direction as u8
                && header.seq == self.last_end
            {
                return Reset::IN_WINDOW;
            }
            // In window but not exact: the receiver will answer with a challenge, so the connection goes on.
            keeps_state = true;
        }
        let from_other = self.last_direction != direction as u8;
        let answers_ignored =
            (status.contains(Status::SEEN_REPLY) && self.last_segment == Segment::Syn && from_other)
                || (!status.contains(Status::ASSURED) && self.last_segment == Segment::Ack);
        let answers_challenge = old == TcpStatus::SynSent
            && self.last_segment == Segment::Ack
            && self.last_direction == Direction::Reply as u8
            && header.seq == self.last_ack;
        let certain = (answers_ignored && header.ack == self.last_end) || answers_challenge;
        Reset::Possible { keeps_state, certain }
    }

    /// A FIN or RST out of window: the connection may be out of step, so it shall not linger for days once both
    /// sides sent one (`nf_tcp_handle_invalid`).
    fn out_of_window(
        &mut self,
        status: Status,
        direction: Direction,
        seen: &Seen<'_, '_>,
        reason: InvalidReason,
        timeouts: &Timeouts,
        remaining: Duration,
    ) -> Outcome {
        if !status.contains(Status::ASSURED)
            || status.contains(Status::FIXED_TIMEOUT)
            || !matches!(seen.segment, Segment::Rst | Segment::Fin)
        {
            return Outcome::Invalid(reason);
        }
        let answered = self.last_direction != direction as u8
            && matches!(self.last_segment, Segment::Fin | Segment::Rst);
        if !answered {
            self.last_segment = seen.segment;
            self.last_direction = direction as u8;
        } else if remaining >= Duration::from_secs(120) && remaining > timeouts.tcp_unacknowledged {
            return Outcome::InvalidShrink(reason, timeouts.tcp_unacknowledged);
        }
        Outcome::Invalid(reason)
    }

    /// The segment is in window: take the step and choose the timeout.
    #[inline(always)]
    fn advance(
        &mut self,
        status: &mut Status,
        direction: Direction,
        seen: &Seen<'_, '_>,
        (old, new): (TcpStatus, TcpStatus),
        config: &Config,
        timeouts: &Timeouts,
    ) -> Outcome {
        self.last_segment = seen.segment;
        self.last_direction = direction as u8;
        self.status = new;
        if old != new && new == TcpStatus::FinWait {
            self.sides[direction as usize].flags |= side::CLOSE_INIT;
        }

        let mut timeout = self.timeout(seen, new, config.tcp_max_retrans, timeouts);
        if !status.contains(Status::SEEN_REPLY) {
            if seen.header.has(flag::RST) {
                return Outcome::End; // a reset as the only answer
            }
            if seen.segment == Segment::Syn && old == TcpStatus::SynSent {
                return Outcome::Ignore; // a SYN sent again does not keep the entry alive
            }
            if new == TcpStatus::Established {
                timeout = timeout.min(timeouts.tcp_unacknowledged);
            }
        } else if !status.contains(Status::ASSURED)
            && matches!(old, TcpStatus::SynRecv | TcpStatus::Established)
            && new == TcpStatus::Established
        {
            *status |= Status::ASSURED;
        }
        Outcome::Refresh(timeout)
    }

    #[inline(always)]
    fn timeout(&self, seen: &Seen<'_, '_>, new: TcpStatus, max_retrans: u8, timeouts: &Timeouts) -> Duration {
        let usual = timeouts.tcp[new as usize];
        if self.retransmissions >= max_retrans && usual > timeouts.tcp_retrans {
            timeouts.tcp_retrans
        } else if seen.segment == Segment::Rst {
            timeouts.tcp[TcpStatus::Close as usize]
        } else if self.sides.iter().any(|side| side.has(side::DATA_UNACKNOWLEDGED)) {
            usual.min(timeouts.tcp_unacknowledged)
        } else if self.last_window == 0 {
            usual.min(timeouts.tcp_retrans)
        } else {
            usual
        }
    }

    /// `tcp_in_window`: are the numbers possible, given what both sides sent, acknowledged and offered?
    #[inline(always)]
    fn in_window(&mut self, direction: Direction, seen: &Seen<'_, '_>, config: &Config) -> Window {
        let [original, reply] = &mut self.sides;
        let (sender, receiver) = match direction {
            Direction::Original => (original, reply),
            Direction::Reply => (reply, original),
        };
        match judge_window(sender, receiver, direction, seen, self.status, config) {
            Window::Acknowledged { seq, ack, end } => {
                self.count_retransmission(direction, seq, ack, end, seen.header.window);
                Window::Accept
            }
            window => window,
        }
    }

    #[inline(always)]
    fn count_retransmission(&mut self, direction: Direction, seq: u32, ack: u32, end: u32, window: u16) {
        let same = (self.last_direction, self.last_seq, self.last_ack, self.last_end, self.last_window)
            == (direction as u8, seq, ack, end, window);
        if same {
            self.retransmissions = self.retransmissions.saturating_add(1);
        } else {
            self.last_direction = direction as u8;
            self.last_seq = seq;
            self.last_ack = ack;
            self.last_end = end;
            self.last_window = window;
            self.retransmissions = 0;
        }
    }

    /// A flowtable carried packets unseen: windows are to be learnt anew (`flow_offload_fixup_tcp`).
    pub(crate) fn forget_windows(&mut self) {
        for side in &mut self.sides {
            side.max_window = 0;
            side.flags &= !side::MAX_ACK_SET;
        }
    }

    /// What the handshake said for as long as the connection lives: window scale and flags of each side.
    pub(crate) fn lasting(&self) -> [u8; 4] {
        let [original, reply] = &self.sides;
        let lasting = side::WINDOW_SCALE | side::SACK_PERMITTED | side::CLOSE_INIT | side::BE_LIBERAL;
        [original.scale, original.flags & lasting, reply.scale, reply.flags & lasting]
    }

    /// A connection that was known before, its windows yet to be learnt anew.
    pub(crate) fn from_lasting(status: TcpStatus, [scale, flags, other_scale, other_flags]: [u8; 4]) -> Tcp {
        let side = |scale: u8, flags| Side { scale: scale.min(14), flags, ..Side::default() };
        let mut tcp =
            Tcp { sides: [side(scale, flags), side(other_scale, other_flags)], status, ..Tcp::default() };
        tcp.forget_windows();
        tcp
    }
}

/// Whether a segment fits what is known of both sides, which learn from it if it does.
#[inline(always)]
fn judge_window(
    sender: &mut Side,
    receiver: &mut Side,
    direction: Direction,
    seen: &Seen<'_, '_>,
    status: TcpStatus,
    config: &Config,
) -> Window {
    let header = &seen.header;
    let mut seq = header.seq;
    let mut end = seen.end;
    let mut ack = header.ack;
    let mut sack = ack;
    if receiver.has(side::SACK_PERMITTED) {
        sack = seen.highest_sack(ack);
    }
    ack = ack.wrapping_sub(seen.ack_moved);
    sack = sack.wrapping_sub(seen.ack_moved);
    let mut window = u32::from(header.window);

    if sender.max_window == 0 {
        if header.has(flag::SYN) {
            start_sender(sender, receiver, seen, window, direction);
            if !header.has(flag::ACK) {
                return Window::Accept; // simultaneous open
            }
        } else {
            sender.end = end;
            sender.max_window = (window << sender.scale).max(1);
            sender.max_end = end.wrapping_add(sender.max_window);
            if receiver.max_window == 0 {
                receiver.end = sack;
                receiver.max_end = sack;
            } else if sack == receiver.end.wrapping_add(1) {
                receiver.end = receiver.end.wrapping_add(1); // likely the answer to a keep-alive
            }
        }
    } else if header.has(flag::SYN)
        && after(end, sender.end)
        && matches!(status, TcpStatus::SynSent | TcpStatus::SynRecv)
    {
        start_sender(sender, receiver, seen, window, direction); // opened anew with higher numbers
        if direction == Direction::Reply && !header.has(flag::ACK) {
            return Window::Accept;
        }
    }

    // Without an ACK, and in resets whose acknowledgement is 0, there is nothing to check.
    if !header.has(flag::ACK) || (header.has(RST_ACK) && ack == 0) {
        ack = receiver.end;
        sack = receiver.end;
    }
    if header.has(flag::RST) && seq == 0 && status == TcpStatus::SynSent {
        seq = sender.end; // a reset that answers a SYN
        end = sender.end;
    }

    let liberal = sender.has(side::BE_LIBERAL) || config.tcp_be_liberal;
    let or_liberal = |window| if liberal { Window::Accept } else { window };
    let not_overly_late = after(sack, receiver.end.wrapping_sub(ack_window(sender)).wrapping_sub(1));
    let in_receive_window = after(end, sender.end.wrapping_sub(receiver.max_window).wrapping_sub(1));

    if !before(seq, sender.max_end.wrapping_add(1)) {
        let overshot = end.wrapping_sub(sender.max_end).wrapping_add(1);
        if receiver.max_window != 0
            && in_receive_window
            && not_overly_late
            && overshot <= receiver.max_window
            && before(sack, receiver.end.wrapping_add(1))
        {
            // A little more than allowed. Note what was sent, so that its acknowledgement is not taken for
            // one of data never seen.
            sender.end = end;
            sender.flags |= side::DATA_UNACKNOWLEDGED;
            return or_liberal(Window::Ignore);
        }
        return or_liberal(Window::Invalid(InvalidReason::SequenceOver));
    }
    if !before(sack, receiver.end.wrapping_add(1)) {
        return or_liberal(Window::Invalid(InvalidReason::AcknowledgementOver));
    }
    if receiver.max_window != 0 && !in_receive_window {
        return or_liberal(Window::Ignore);
    }
    if !not_overly_late {
        return or_liberal(Window::Ignore);
    }

    if !header.has(flag::SYN) {
        window <<= sender.scale;
    }
    sender.max_window = sender.max_window.max(window.wrapping_add(sack.wrapping_sub(ack)));
    if after(end, sender.end) {
        sender.end = end;
        sender.flags |= side::DATA_UNACKNOWLEDGED;
    }
    if header.has(flag::ACK) && (!sender.has(side::MAX_ACK_SET) || after(ack, sender.max_ack)) {
        sender.max_ack = ack;
        sender.flags |= side::MAX_ACK_SET;
    }
    if receiver.max_window != 0 && after(end, sender.max_end) {
        receiver.max_window = receiver.max_window.wrapping_add(end.wrapping_sub(sender.max_end));
    }
    if after(sack.wrapping_add(window), receiver.max_end.wrapping_sub(1)) {
        receiver.max_end = sack.wrapping_add(window).wrapping_add(u32::from(window == 0));
    }
    if ack == receiver.end {
        receiver.flags &= !side::DATA_UNACKNOWLEDGED;
    }
    if seen.segment == Segment::Ack {
        return Window::Acknowledged { seq, ack, end };
    }
    Window::Accept
}

/// What a reset does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reset {
    Invalid,
    Possible {
        /// The connection keeps its state: the receiver will answer with a challenge.
        keeps_state: bool,
        /// Believed without a look at the windows.
        certain: bool,
    },
}

impl Reset {
    const IN_WINDOW: Reset = Reset::Possible { keeps_state: false, certain: false };
}

/// `tcp_init_sender`.
#[inline(never)]
fn start_sender(
    sender: &mut Side,
    receiver: &mut Side,
    seen: &Seen<'_, '_>,
    window: u32,
    direction: Direction,
) {
    sender.end = seen.end;
    sender.max_end = seen.end;
    sender.max_window = window.max(1);
    sender.take_options(&seen.options());
    // Windows are scaled only when both sides offered it (RFC 7323 §2.2).
    if direction == Direction::Reply && !(sender.has(side::WINDOW_SCALE) && receiver.has(side::WINDOW_SCALE))
    {
        sender.scale = 0;
        receiver.scale = 0;
    }
}

#[inline(never)]
fn highest_sack(packet: &Packet<'_>, at: usize, header_len: usize, ack: u32) -> u32 {
    let options = Options::read(packet, at, header_len);
    let Some((_, blocks)) =
        options.iter().find(|(kind, data)| *kind == 5 && !data.is_empty() && data.len() % 8 == 0)
    else {
        return ack;
    };
    blocks.chunks_exact(8).fold(ack, |highest, block| {
        let edge = u32::from_be_bytes([block[4], block[5], block[6], block[7]]);
        if after(edge, highest) { edge } else { highest }
    })
}

/// How far behind an acknowledgement may lag: the window, at least 66000 (`MAXACKWINDOW`).
fn ack_window(sender: &Side) -> u32 {
    sender.max_window.max(66_000)
}

/// Whether `a` comes before `b`, modulo 2^32.
pub(crate) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether `a` comes after `b`, modulo 2^32.
pub(crate) const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CtInfo;
    use crate::Tracking;
    use crate::testing::{Bench, Bytes, info_of};
    use Direction::{Original, Reply};
    use flag::{ACK, FIN, RST, SYN};

    /// Seven: the scale that turns the windows below into ones of 128 KiB.
    const SCALE: [u8; 8] = [3, 3, 7, 4, 2, 1, 1, 0];

    fn seg(direction: Direction, flags: u8, seq: u32, ack: u32, data: usize) -> Bytes {
        Bytes::tcp(direction, flags, seq, ack, 1000, &[], data)
    }

    fn syn() -> Bytes {
        Bytes::tcp(Original, SYN, 100, 0, 1000, &SCALE, 0)
    }

    fn syn_ack() -> Bytes {
        Bytes::tcp(Reply, SYN | ACK, 500, 101, 1000, &SCALE, 0)
    }

    fn state(bench: &Bench) -> TcpStatus {
        bench.ct.iter().next().and_then(|(_, entry)| entry.tcp_status()).unwrap()
    }

    fn seconds(bench: &Bench) -> u64 {
        bench.ct.iter().next().unwrap().1.remaining(bench.now).as_secs()
    }

    fn established() -> Bench {
        let mut bench = Bench::new(Config::default());
        assert_eq!(info_of(bench.pass(&syn())), Some(CtInfo::New));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::SynSent, 120));
        assert_eq!(info_of(bench.pass(&syn_ack())), Some(CtInfo::EstablishedReply));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::SynRecv, 60));
        assert_eq!(info_of(bench.pass(&seg(Original, ACK, 101, 501, 0))), Some(CtInfo::Established));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::Established, 432_000));
        assert!(bench.ct.iter().next().unwrap().1.status().contains(Status::ASSURED));
        bench
    }

    #[test]
    fn a_connection_opens_carries_data_and_closes() {
        let mut bench = established();
        bench.pass(&seg(Original, ACK, 101, 501, 50));
        assert_eq!(seconds(&bench), 300, "unacknowledged data");
        bench.pass(&seg(Reply, ACK, 501, 151, 0));
        assert_eq!(seconds(&bench), 432_000);
        bench.pass(&seg(Original, FIN | ACK, 151, 501, 0));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::FinWait, 120));
        bench.pass(&seg(Reply, ACK, 501, 152, 0));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::CloseWait, 60));
        bench.pass(&seg(Reply, FIN | ACK, 501, 152, 0));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::LastAck, 30));
        bench.pass(&seg(Original, ACK, 152, 502, 0));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::TimeWait, 120));
        // A new SYN begins a new connection in place of the old.
        let (old, _) = bench.ct.iter().next().unwrap();
        let again = bench.pass(&Bytes::tcp(Original, SYN, 9000, 0, 1000, &SCALE, 0));
        assert!(matches!(again, Tracking::Flow(new, CtInfo::New) if new != old));
        assert_eq!((bench.ct.iter().count(), state(&bench)), (1, TcpStatus::SynSent));
    }

    proptest::proptest! {
        /// What is left out for acknowledgements would not have changed anything, whatever is known of both sides.
        #[test]
        fn an_acknowledgement_takes_the_steps_of_any_segment(
            sides: [[u8; 4]; 2],
            flags: [u8; 2],
            last: (u8, u8, u8, u8),
            numbers: (u8, u8, u16, u8, bool),
            status: u32,
        ) {
            // Numbers are near each other: most of all 32 bits would be far out of every window.
            let side = |[end, max_end, max_window, max_ack]: [u8; 4], flags: u8| Side {
                end: end.into(),
                max_end: max_end.into(),
                max_window: max_window.into(),
                max_ack: max_ack.into(),
                scale: flags >> 6,
                flags,
            };
            let tcp = Tcp {
                sides: [side(sides[0], flags[0]), side(sides[1], flags[1])],
                status: TcpStatus::Established,
                last_direction: last.0 & 1,
                last_segment: segment_of(last.1),
                retransmissions: last.2 & 3,
                last_seq: last.3.into(),
                ..Tcp::default()
            };
            let mut bytes = seg(Original, ACK, 0, 0, 0);
            bytes.with(|packet, info| {
                let (seq, ack, window, data, back) = numbers;
                let direction = if back { Reply } else { Original };
                let (seq, ack) = (u32::from(seq), u32::from(ack));
                let header = Header { seq, ack, window, flags: ACK, header_len: HEADER_LEN, ..Header::default() };
                let end = seq.wrapping_add(data.into());
                let seen = Seen {
                    header, packet, at: info.transport, segment: Segment::Ack, end, ack_moved: 0, proxied: false,
                };
                let config = Config::default();
                let before = Status::from_bits_truncate(status) | Status::CONFIRMED;
                let (mut long, mut short) = (tcp.clone(), tcp.clone());
                let (mut its, mut other) = (before, before);
                let remaining = Duration::from_secs(500);
                let slow = long.segment(&mut its, direction, &seen, &config, &config.timeouts, remaining);
                let fast = short.acknowledge(&mut other, direction, &seen, &config, &config.timeouts);
                assert_eq!((slow, its), (fast, other));
                assert_eq!(format!("{long:?}"), format!("{short:?}"));
            });
        }
    }

    #[test]
    fn a_reset_as_only_answer_ends_the_connection() {
        let mut bench = Bench::new(Config::default());
        bench.pass(&syn());
        let tracking = bench.pass(&seg(Reply, RST | ACK, 0, 101, 0));
        assert_eq!(info_of(tracking), Some(CtInfo::EstablishedReply));
        let (ct, _) = tracking.flow().unwrap();
        assert!(bench.ct.entry(ct).is_some(), "readable while its packet is at work");
        assert_eq!(bench.ct.iter().count(), 0);
        bench.ct.confirm(bench.now, tracking);
        assert!(bench.ct.is_empty());
    }

    #[test]
    fn a_reset_closes_only_at_the_right_sequence_number() {
        let mut bench = established();
        bench.pass(&seg(Original, ACK, 101, 501, 10));
        bench.pass(&seg(Reply, ACK, 501, 111, 0));
        assert_eq!(
            bench.pass(&seg(Original, RST, 90, 0, 0)),
            Tracking::Invalid(InvalidReason::Reset),
            "already acknowledged"
        );
        assert_eq!(state(&bench), TcpStatus::Established);
        assert_eq!(info_of(bench.pass(&seg(Original, RST, 140, 0, 0))), Some(CtInfo::Established));
        assert_eq!(state(&bench), TcpStatus::Established, "in window, but not exact");
        bench.pass(&seg(Original, RST, 111, 0, 0));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::Close, 10));
    }

    #[test]
    fn segments_out_of_window_are_invalid_and_old_ones_pass_without_effect() {
        let mut bench = established();
        bench.pass(&seg(Reply, ACK, 501, 101, 0)); // offers 1000 << 7 bytes
        assert_eq!(
            info_of(bench.pass(&seg(Original, ACK, 101 + 100_000, 501, 10))),
            Some(CtInfo::Established)
        );
        assert_eq!(
            bench.pass(&seg(Original, ACK, 101 + 500_000, 501, 10)),
            Tracking::Invalid(InvalidReason::SequenceOver)
        );
        assert_eq!(
            bench.pass(&seg(Original, ACK, 101, 90_000, 10)),
            Tracking::Invalid(InvalidReason::AcknowledgementOver),
            "acknowledges the unseen"
        );
        let before = bench.ct.iter().next().unwrap().1.counter(Original).packets;
        let late = seg(Original, ACK, 101u32.wrapping_sub(200_000), 501, 10);
        assert_eq!(info_of(bench.pass(&late)), Some(CtInfo::Established));
        assert_eq!(bench.ct.iter().next().unwrap().1.counter(Original).packets, before);
        let mut liberal = established();
        liberal.pass(&seg(Reply, ACK, 501, 101, 0));
        liberal.ct.config.tcp_be_liberal = true;
        assert_eq!(
            info_of(liberal.pass(&seg(Original, ACK, 101 + 500_000, 501, 10))),
            Some(CtInfo::Established)
        );
    }

    #[test]
    fn a_window_is_scaled_only_when_both_sides_offered_it() {
        let mut bench = Bench::new(Config::default());
        bench.pass(&syn());
        bench.pass(&Bytes::tcp(Reply, SYN | ACK, 500, 101, 1000, &[], 0));
        bench.pass(&seg(Original, ACK, 101, 501, 0));
        bench.pass(&seg(Reply, ACK, 501, 101, 0));
        assert_eq!(
            bench.pass(&seg(Original, ACK, 101 + 100_000, 501, 10)),
            Tracking::Invalid(InvalidReason::SequenceOver)
        );
    }

    #[test]
    fn the_middle_of_a_connection_is_picked_up_if_loose() {
        let mut bench = Bench::new(Config::default());
        assert_eq!(info_of(bench.pass(&seg(Original, ACK, 7000, 8000, 10))), Some(CtInfo::New));
        assert_eq!((state(&bench), seconds(&bench)), (TcpStatus::Established, 300));
        assert_eq!(info_of(bench.pass(&seg(Reply, ACK, 8000, 7010, 10))), Some(CtInfo::EstablishedReply));
        bench.pass(&seg(Original, ACK, 7010, 8010, 0));
        assert!(bench.ct.iter().next().unwrap().1.status().contains(Status::ASSURED));
        let mut strict = Bench::new(Config { tcp_loose: false, ..Config::default() });
        assert_eq!(
            strict.pass(&seg(Original, ACK, 7000, 8000, 10)),
            Tracking::Invalid(InvalidReason::NotABeginning)
        );
        assert!(strict.ct.is_empty());
    }

    #[test]
    fn impossible_flags_and_headers_are_invalid() {
        for flags in [0, FIN, SYN | FIN, SYN | RST, FIN | RST, flag::URG, flag::PSH, SYN | ACK | FIN, 0x3f] {
            let mut bench = Bench::new(Config::default());
            assert_eq!(
                bench.pass(&seg(Original, flags, 1, 1, 0)),
                Tracking::Invalid(InvalidReason::Combination),
                "{flags:#x}"
            );
            assert!(bench.ct.is_empty());
        }
        for first in [SYN | ACK, RST, FIN | ACK, RST | ACK] {
            let mut bench = Bench::new(Config::default());
            assert_eq!(
                bench.pass(&seg(Original, first, 1, 1, 0)),
                Tracking::Invalid(InvalidReason::NotABeginning),
                "cannot open: {first:#x}"
            );
        }
        let mut short = syn();
        short.0[20 + 12] = 0xf0;
        assert_eq!(
            Bench::new(Config::default()).pass(&short),
            Tracking::Invalid(InvalidReason::Header),
            "options beyond the end"
        );
    }

    #[test]
    fn a_syn_again_does_not_keep_the_connection_alive() {
        let mut bench = Bench::new(Config::default());
        bench.pass(&syn());
        bench.wait(100);
        bench.pass(&syn());
        assert_eq!(seconds(&bench), 20);
    }

    #[test]
    fn retransmissions_shorten_the_timeout() {
        let mut bench = established();
        bench.pass(&seg(Original, ACK, 101, 501, 0));
        bench.pass(&seg(Reply, ACK, 501, 101, 0));
        for _ in 0..5 {
            bench.pass(&seg(Original, ACK, 101, 501, 0));
        }
        assert_eq!(seconds(&bench), 300);
    }

    #[test]
    fn an_ignored_syn_whose_answer_fits_brings_us_in_step() {
        let mut bench = established();
        // The client lost its memory and begins anew; the server, too, answers as to a new connection.
        let stray = Bytes::tcp(Original, SYN, 70_000, 0, 1000, &SCALE, 0);
        assert_eq!(info_of(bench.pass(&stray)), Some(CtInfo::Established));
        assert_eq!(state(&bench), TcpStatus::Established);
        bench.pass(&Bytes::tcp(Reply, SYN | ACK, 90_000, 70_001, 1000, &SCALE, 0));
        assert_eq!(state(&bench), TcpStatus::SynRecv);
        bench.pass(&seg(Original, ACK, 70_001, 90_001, 0));
        assert_eq!(state(&bench), TcpStatus::Established);
    }

    #[test]
    fn both_sides_may_open() {
        let mut bench = Bench::new(Config::default());
        bench.pass(&syn());
        bench.pass(&Bytes::tcp(Reply, SYN, 500, 0, 1000, &SCALE, 0));
        assert_eq!(state(&bench), TcpStatus::SynSent2);
        bench.pass(&syn_ack());
        assert_eq!(state(&bench), TcpStatus::SynRecv);
        bench.pass(&seg(Original, SYN | ACK, 100, 501, 0));
        bench.pass(&seg(Reply, ACK, 501, 101, 0));
        assert_eq!(state(&bench), TcpStatus::Established);
    }

    #[test]
    fn selective_acknowledgements_raise_what_counts_as_seen() {
        let mut options = vec![1, 1, 5, 18];
        for edge in [10u32, 20, 30, 40] {
            options.extend(edge.to_be_bytes());
        }
        let mut bytes = Bytes::tcp(Original, ACK, 1, 5, 10, &options, 0);
        bytes.with(|packet, info| {
            assert_eq!(highest_sack(packet, info.transport, 40, 5), 40);
            assert_eq!(highest_sack(packet, info.transport, 40, 50), 50);
        });
    }
}
