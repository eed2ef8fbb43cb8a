//! Connections as bytes, to be kept across a restart.
//!
//! What is kept of a connection is what its packets need to go on: tuples, translation, state, timeout, marks, labels,
//! helper, moved sequence numbers, counters. Windows of TCP are not: they move while nobody looks, so a connection that is
//! restored learns them anew, as one does that a flowtable gives back ([`Conntrack::offload_end`]).
//!
//! ```text
//! connection  flags 1 (IPv6 1, counted 2, more 4) · protocol 1 · state 1 · status 4 · mark 4 · moved 40 ·
//!             original tuple · reply tuple · what its protocol keeps · more
//! moved       deadline 8 · packets, bytes, original 8 8 · packets, bytes, reply 8 8
//! tuple       source 4 or 16 · destination 4 or 16 · source id 2 · destination id 2 · zone 2
//! protocol    UDP, UDP-Lite: stream from 8 · TCP: scale, flags of each side 4 · SCTP: tags 4 4, flags 1 · others nothing
//! ```
//!
//! All numbers are little-endian, times nanoseconds since the epoch.

use std::sync::Arc;
use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Instant, L3, Tuple};

use crate::config::Timeouts;
use crate::entry::{CtRef, Direction, Entry, Extras};
use crate::expect::{ExpectFlags, Expectation, Follow, Policy};
use crate::proto::sctp::{Sctp, SctpStatus};
use crate::proto::tcp::{Tcp, TcpStatus};
use crate::seqadj::SeqAdj;
use crate::status::Status;
use crate::synproxy::Proxied;
use crate::track::Conntrack;

/// Why saved bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// They end too soon, or go on behind their end.
    #[error("a record of another length than it says")]
    Length,
    /// A number that means nothing.
    #[error("a record whose {0} means nothing")]
    Value(&'static str),
}

/// Reads saved bytes from the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The next bytes, so many.
    ///
    /// # Errors
    /// There are fewer.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], SavedError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(SavedError::Length)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SavedError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(SavedError::Length)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// The next byte.
    ///
    /// # Errors
    /// There is none.
    pub fn u8(&mut self) -> Result<u8, SavedError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// The next two bytes as a number.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u16(&mut self) -> Result<u16, SavedError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// The next four.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u32(&mut self) -> Result<u32, SavedError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next eight.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u64(&mut self) -> Result<u64, SavedError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A text: its length in one byte, and it.
    fn text(&mut self) -> Result<&'a str, SavedError> {
        let len = self.u8()?;
        std::str::from_utf8(self.bytes(len.into())?).map_err(|_| SavedError::Value("text"))
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// Something is.
    pub fn end(&self) -> Result<(), SavedError> {
        if self.0.is_empty() { Ok(()) } else { Err(SavedError::Length) }
    }
}

mod flag {
    pub(super) const V6: u8 = 1;
    pub(super) const COUNTS: u8 = 2;
    pub(super) const MORE: u8 = 4;
    pub(super) const ALL: u8 = 7;
}

mod more {
    pub(super) const HELPER: u8 = 1;
    pub(super) const MASTER: u8 = 2;
    pub(super) const TIMEOUTS: u8 = 4;
    pub(super) const PROXIED: u8 = 8;
    pub(super) const SEQADJ: u8 = 16;
    pub(super) const START: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

/// What tells whether a connection is to be saved again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Its number, unique among those that live: by it others refer to it.
    pub number: u32,
    /// Changes when anything but [`Stamp::moved`] does.
    pub lasting: u32,
    /// Changes with its deadline and its counters.
    pub moved: u32,
}

/// A connection that was read, and not entered yet.
#[derive(Clone, Debug)]
pub struct Saved {
    original: Tuple,
    reply: Tuple,
    state: u8,
    status: Status,
    mark: u32,
    counts: bool,
    moved: Moved,
    kept: Kept,
    extras: Option<Box<Extras>>,
    master: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Kept {
    None,
    Udp(u64),
    Tcp([u8; 4]),
    Sctp([u32; 2], [bool; 2]),
}

#[derive(Clone, Copy, Debug)]
struct Moved {
    deadline: Instant,
    counters: [(u64, u64); 2],
}

impl Moved {
    fn of(entry: &Entry) -> Moved {
        let counter = |direction| {
            let counter = entry.counter(direction);
            (counter.packets, counter.bytes)
        };
        Moved { deadline: entry.deadline, counters: [Direction::Original, Direction::Reply].map(counter) }
    }

    fn words(&self) -> [u64; 5] {
        let [(a, b), (c, d)] = self.counters;
        [self.deadline.nanos(), a, b, c, d]
    }

    fn put(&self, out: &mut Vec<u8>) {
        for word in self.words() {
            out.extend(word.to_le_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Moved, SavedError> {
        let deadline = Instant::from_nanos(reader.u64()?);
        let counters = [(reader.u64()?, reader.u64()?), (reader.u64()?, reader.u64()?)];
        Ok(Moved { deadline, counters })
    }
}

/// A number that two different lists of words rarely share.
fn mixed(words: impl IntoIterator<Item = u64>) -> u32 {
    let mut mixed: u64 = 0x9e37_79b9_7f4a_7c15;
    for word in words {
        mixed = (mixed ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^= mixed >> 29;
    }
    (mixed >> 32) as u32
}

fn put_tuple(out: &mut Vec<u8>, tuple: &Tuple) {
    let len = tuple.l3.address_len();
    out.extend(&tuple.src.0[..len]);
    out.extend(&tuple.dst.0[..len]);
    for number in [tuple.src_id, tuple.dst_id, tuple.zone] {
        out.extend(number.to_le_bytes());
    }
}

fn read_address(reader: &mut Reader<'_>, l3: L3) -> Result<Address, SavedError> {
    Address::from_slice(reader.bytes(l3.address_len())?).ok_or(SavedError::Length)
}

fn read_tuple(reader: &mut Reader<'_>, l3: L3, l4: u8) -> Result<Tuple, SavedError> {
    let (src, dst) = (read_address(reader, l3)?, read_address(reader, l3)?);
    Ok(Tuple { src, dst, src_id: reader.u16()?, dst_id: reader.u16()?, zone: reader.u16()?, l3, l4 })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = text.as_bytes();
    let text = text.get(..255).unwrap_or(text);
    out.push(text.len() as u8);
    out.extend(text);
}

fn timeouts_of(timeouts: &Timeouts) -> Vec<Duration> {
    let Timeouts { tcp, tcp_retrans, tcp_unacknowledged, udp, udp_stream, icmp, icmpv6, sctp, .. } = timeouts;
    let mut all = tcp.to_vec();
    all.extend([*tcp_retrans, *tcp_unacknowledged, *udp, *udp_stream, *icmp, *icmpv6]);
    all.extend(sctp);
    all.extend([timeouts.gre, timeouts.gre_stream, timeouts.generic, timeouts.offload]);
    all
}

fn read_timeouts(reader: &mut Reader<'_>) -> Result<Timeouts, SavedError> {
    let mut next = || reader.u64().map(Duration::from_nanos);
    let mut timeouts = Timeouts::default();
    for place in &mut timeouts.tcp {
        *place = next()?;
    }
    let Timeouts { tcp_retrans, tcp_unacknowledged, udp, udp_stream, icmp, icmpv6, .. } = &mut timeouts;
    for place in [tcp_retrans, tcp_unacknowledged, udp, udp_stream, icmp, icmpv6] {
        *place = next()?;
    }
    for place in &mut timeouts.sctp {
        *place = next()?;
    }
    let Timeouts { gre, gre_stream, generic, offload, .. } = &mut timeouts;
    for place in [gre, gre_stream, generic, offload] {
        *place = next()?;
    }
    Ok(timeouts)
}

fn put_extras(out: &mut Vec<u8>, extras: &Extras, master: Option<u32>) {
    let mut has = 0;
    let mut note = |condition, bit| has |= if condition { bit } else { 0 };
    note(extras.helper.is_some(), more::HELPER);
    note(master.is_some(), more::MASTER);
    note(extras.timeouts.is_some(), more::TIMEOUTS);
    note(extras.proxied.is_some(), more::PROXIED);
    note(extras.seqadj != <[SeqAdj; 2]>::default(), more::SEQADJ);
    note(extras.start.is_some(), more::START);
    out.push(has);
    out.extend(extras.labels);
    for number in [extras.secmark, extras.event_mask, extras.masquerade_oif] {
        out.extend(number.to_le_bytes());
    }
    if let Some(helper) = &extras.helper {
        put_text(out, helper);
        extras.helper_memory.iter().for_each(|word| out.extend(word.to_le_bytes()));
    }
    if let Some(master) = master {
        out.extend(master.to_le_bytes());
    }
    if let Some(timeouts) = &extras.timeouts {
        for timeout in timeouts_of(timeouts) {
            out.extend(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
        }
    }
    if let Some(Proxied { isn, its, tsoff }) = extras.proxied {
        [isn, its, tsoff].iter().for_each(|word| out.extend(word.to_le_bytes()));
    }
    if has & more::SEQADJ != 0 {
        for SeqAdj { correction_pos, offset_before, offset_after } in extras.seqadj {
            let words = [correction_pos, offset_before, offset_after];
            words.iter().for_each(|word| out.extend(word.to_le_bytes()));
        }
    }
    if let Some(start) = extras.start {
        out.extend(start.nanos().to_le_bytes());
    }
}

fn read_extras(reader: &mut Reader<'_>) -> Result<(Extras, Option<u32>), SavedError> {
    let has = reader.u8()?;
    if has & !more::ALL != 0 {
        return Err(SavedError::Value("list of parts"));
    }
    let has = |bit| has & bit != 0;
    let mut extras = Extras { labels: reader.array()?, ..Extras::default() };
    extras.secmark = reader.u32()?;
    extras.event_mask = reader.u32()?;
    extras.masquerade_oif = reader.u32()?;
    if has(more::HELPER) {
        extras.helper = Some(reader.text()?.into());
        for word in &mut extras.helper_memory {
            *word = reader.u32()?;
        }
    }
    let master = has(more::MASTER).then(|| reader.u32()).transpose()?;
    if has(more::TIMEOUTS) {
        extras.timeouts = Some(Arc::new(read_timeouts(reader)?));
    }
    if has(more::PROXIED) {
        extras.proxied = Some(Proxied { isn: reader.u32()?, its: reader.u32()?, tsoff: reader.u32()? });
    }
    if has(more::SEQADJ) {
        for seqadj in &mut extras.seqadj {
            *seqadj = SeqAdj {
                correction_pos: reader.u32()?,
                offset_before: reader.u32()?,
                offset_after: reader.u32()?,
            };
        }
    }
    if has(more::START) {
        extras.start = Some(Instant::from_nanos(reader.u64()?));
    }
    Ok((extras, master))
}

impl Saved {
    /// Reads a connection. `moved` is what [`Conntrack::save_moved`] wrote of it later.
    ///
    /// # Errors
    /// The bytes are none that [`Conntrack::save`] writes.
    pub fn read(bytes: &[u8], moved: Option<&[u8]>) -> Result<Saved, SavedError> {
        let reader = &mut Reader::new(bytes);
        let (flags, l4, state) = (reader.u8()?, reader.u8()?, reader.u8()?);
        if flags & !flag::ALL != 0 {
            return Err(SavedError::Value("list of parts"));
        }
        let status = Status::from_bits(reader.u32()?).ok_or(SavedError::Value("status"))?;
        let lives = status.contains(Status::CONFIRMED) && !status.contains(Status::DYING);
        if !lives {
            return Err(SavedError::Value("status"));
        }
        let mark = reader.u32()?;
        let mut latest = Moved::read(reader)?;
        if let Some(moved) = moved {
            let reader = &mut Reader::new(moved);
            latest = Moved::read(reader)?;
            reader.end()?;
        }
        let l3 = if flags & flag::V6 == 0 { L3::V4 } else { L3::V6 };
        let (original, reply) = (read_tuple(reader, l3, l4)?, read_tuple(reader, l3, l4)?);
        let kept = match l4 {
            ipproto::UDP | ipproto::UDPLITE => Kept::Udp(reader.u64()?),
            ipproto::TCP => Kept::Tcp(reader.array()?),
            ipproto::SCTP => {
                let tags = [reader.u32()?, reader.u32()?];
                let inits = reader.u8()?;
                Kept::Sctp(tags, [inits & 1 != 0, inits & 2 != 0])
            }
            _ => Kept::None,
        };
        let (mut extras, mut master) = (None, None);
        if flags & flag::MORE != 0 {
            let (read, of) = read_extras(reader)?;
            (extras, master) = (Some(Box::new(read)), of);
        }
        reader.end()?;
        let counts = flags & flag::COUNTS != 0;
        Ok(Saved { original, reply, state, status, mark, counts, moved: latest, kept, extras, master })
    }

    /// The number of the connection that made it expected.
    pub fn master(&self) -> Option<u32> {
        self.master
    }

    /// Moves its times back, its clock having been ahead of the one that counts now.
    pub fn set_back(&mut self, by: Duration) {
        self.moved.deadline = self.moved.deadline - by;
        if let Kept::Udp(from) = &mut self.kept {
            *from = (Instant::from_nanos(*from) - by).nanos();
        }
    }
}

impl Conntrack {
    fn living_at(&self, place: u32) -> Option<&Entry> {
        self.table.slab.at(place).filter(|entry| entry.is_linked())
    }

    /// What is in a place: `None` where nothing is, or a connection not yet confirmed.
    pub fn stamp(&self, place: u32) -> Option<Stamp> {
        let entry = self.living_at(place)?;
        let stream = if matches!(entry.l4(), ipproto::UDP | ipproto::UDPLITE) { entry.kept } else { 0 };
        let words = [u64::from(entry.status.bits()) << 8 | u64::from(entry.state), entry.mark.into(), stream];
        let lasting = match &entry.extras {
            None => mixed(words),
            Some(extras) => {
                // Rare: what it has is compared as it is written.
                let mut bytes = Vec::with_capacity(128);
                put_extras(&mut bytes, extras, extras.master.map(|master| master.generation));
                let more = bytes
                    .chunks(8)
                    .map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
                mixed(words.into_iter().chain(more))
            }
        };
        let moved = mixed(Moved::of(entry).words());
        Some(Stamp { number: entry.generation, lasting, moved })
    }

    /// Appends the connection in a place; nothing where there is none.
    pub fn save(&self, place: u32, out: &mut Vec<u8>) {
        let Some(entry) = self.living_at(place) else { return };
        let original = entry.tuple(Direction::Original);
        let mut flags = if original.l3 == L3::V4 { 0 } else { flag::V6 };
        flags |= if entry.counts() { flag::COUNTS } else { 0 };
        flags |= if entry.extras.is_some() { flag::MORE } else { 0 };
        out.extend([flags, entry.l4(), entry.state]);
        out.extend(entry.status.bits().to_le_bytes());
        out.extend(entry.mark.to_le_bytes());
        Moved::of(entry).put(out);
        put_tuple(out, &original);
        put_tuple(out, &entry.tuple(Direction::Reply));
        match entry.l4() {
            ipproto::UDP | ipproto::UDPLITE => out.extend(entry.kept.to_le_bytes()),
            ipproto::TCP => {
                out.extend(self.table.tcp.get(entry.kept as u32).map_or([0; 4], Tcp::lasting));
            }
            ipproto::SCTP => {
                let known = self.table.sctp.get(entry.kept as u32).map(Sctp::lasting);
                let (tags, inits) = known.unwrap_or_default();
                tags.iter().for_each(|tag| out.extend(tag.to_le_bytes()));
                out.push(u8::from(inits[0]) | u8::from(inits[1]) << 1);
            }
            _ => {}
        }
        if let Some(extras) = &entry.extras {
            put_extras(out, extras, extras.master.map(|master| master.generation));
        }
    }

    /// Appends deadline and counters alone of the connection in a place.
    pub fn save_moved(&self, place: u32, out: &mut Vec<u8>) {
        if let Some(entry) = self.living_at(place) {
            Moved::of(entry).put(out);
        }
    }

    /// The number of the next connection.
    pub fn next_number(&self) -> u32 {
        self.table.slab.next_generation()
    }

    /// Numbers go on from there: to be called before connections with their own numbers are restored.
    pub fn set_next_number(&mut self, next: u32) {
        self.table.slab.set_next_generation(next);
    }

    /// Enters a connection that was saved, with the number that it had. `None` where its time is over, the table is full,
    /// or one of its tuples leads to another.
    pub fn restore(&mut self, now: Instant, number: u32, saved: &Saved) -> Option<CtRef> {
        if saved.moved.deadline <= now || self.len() >= self.config.max {
            return None;
        }
        let mut entry = Entry::new(&saved.original, &saved.reply, saved.moved.deadline, saved.counts);
        let offloaded = saved.status.contains(Status::OFFLOAD);
        entry.status = saved.status.difference(Status::HW_OFFLOAD);
        entry.mark = saved.mark;
        for (direction, (packets, bytes)) in
            [Direction::Original, Direction::Reply].into_iter().zip(saved.moved.counters)
        {
            entry.count(direction, packets, bytes);
        }
        entry.set_extras(saved.extras.clone());
        let ct = self.table.insert_again(entry, number)?;
        let hashes = self.table.hashes(ct)?;
        let taken = self.table.is_taken(&saved.original, ct) || self.table.is_taken(&saved.reply, ct);
        if taken || !self.table.link(ct, hashes) {
            self.table.forget(ct);
            return None;
        }
        let table = &mut self.table;
        let entry = table.slab.get_mut(ct)?;
        match saved.kept {
            Kept::Udp(from) => entry.kept = from,
            Kept::Tcp(lasting) => {
                let status = TcpStatus::from_number(saved.state);
                entry.state = status as u8;
                if let Some(tcp) = table.tcp.get_mut(entry.kept as u32) {
                    *tcp = Tcp::from_lasting(status, lasting);
                }
            }
            Kept::Sctp(tags, inits) => {
                let status = SctpStatus::from_number(saved.state);
                entry.state = status as u8;
                if let Some(sctp) = table.sctp.get_mut(entry.kept as u32) {
                    *sctp = Sctp::from_lasting(status, tags, inits);
                }
            }
            Kept::None => {}
        }
        self.wheel.schedule(ct.slot, saved.moved.deadline);
        if saved.status.contains(Status::SRC_NAT) {
            self.nat_restored(ct);
        }
        if offloaded {
            // Flowtables begin empty.
            self.offload_end(now, ct, Duration::ZERO);
        }
        Some(ct)
    }

    /// Says which connection made one expected.
    pub fn restore_master(&mut self, ct: CtRef, master: CtRef) {
        if let Some(entry) = self.table.slab.get_mut(ct) {
            entry.extras_mut().master = Some(master);
        }
    }

    /// A connection's number, as [`Stamp::number`].
    pub fn number(&self, ct: CtRef) -> u32 {
        ct.generation
    }

    /// Appends all expectations that wait at `now`, each with its master's number and its length before it.
    pub fn save_expectations(&self, now: Instant, out: &mut Vec<u8>) {
        for expected in self.expectations(now) {
            let Expectation {
                tuple,
                src_mask,
                src_id_mask,
                class,
                flags,
                helper,
                follow,
                direction,
                saved_addr,
                saved_id,
                ..
            } = &expected.expectation;
            let mut bytes = Vec::with_capacity(128);
            bytes.extend(expected.master.generation.to_le_bytes());
            bytes.extend(expected.deadline.nanos().to_le_bytes());
            bytes.extend([u8::from(tuple.l3 != L3::V4), tuple.l4, *class, *direction as u8]);
            bytes.push(match follow {
                Follow::Rules => 0,
                Follow::Master => 1,
                Follow::Saved => 2,
                Follow::Gre => 3,
                Follow::Forwarded => 4,
            });
            bytes.extend(flags.bits().to_le_bytes());
            put_tuple(&mut bytes, tuple);
            bytes.extend(src_mask.0);
            bytes.extend(saved_addr.0);
            bytes.extend(src_id_mask.to_le_bytes());
            bytes.extend(saved_id.to_le_bytes());
            put_text(&mut bytes, helper.as_deref().unwrap_or_default());
            out.extend((bytes.len() as u16).to_le_bytes());
            out.extend(bytes);
        }
    }

    /// Expects again what [`Conntrack::save_expectations`] wrote, of masters that `find` knows by their numbers. Without
    /// `find` the bytes are only read.
    ///
    /// # Errors
    /// The bytes are none that it writes.
    pub fn restore_expectations(
        &mut self,
        now: Instant,
        bytes: &[u8],
        set_back: Duration,
        find: Option<&dyn Fn(u32) -> Option<CtRef>>,
    ) -> Result<(), SavedError> {
        let mut all = Reader::new(bytes);
        while !all.rest().is_empty() {
            let len = all.u16()?;
            let reader = &mut Reader::new(all.bytes(len.into())?);
            let (master, deadline) = (reader.u32()?, Instant::from_nanos(reader.u64()?) - set_back);
            let l3 = if reader.u8()? == 0 { L3::V4 } else { L3::V6 };
            let (l4, class) = (reader.u8()?, reader.u8()?);
            let direction = if reader.u8()? == 0 { Direction::Original } else { Direction::Reply };
            let follow = match reader.u8()? {
                0 => Follow::Rules,
                1 => Follow::Master,
                2 => Follow::Saved,
                3 => Follow::Gre,
                4 => Follow::Forwarded,
                _ => return Err(SavedError::Value("way to follow")),
            };
            let flags = ExpectFlags::from_bits(reader.u32()?).ok_or(SavedError::Value("flags"))?;
            let tuple = read_tuple(reader, l3, l4)?;
            let (src_mask, saved_addr) = (Address(reader.array()?), Address(reader.array()?));
            let (src_id_mask, saved_id) = (reader.u16()?, reader.u16()?);
            let helper = Some(reader.text()?).filter(|name| !name.is_empty()).map(Into::into);
            reader.end()?;
            let expectation = Expectation {
                tuple,
                src_mask,
                src_id_mask,
                class,
                flags,
                helper,
                follow,
                direction,
                saved_addr,
                saved_id,
            };
            let Some(master) = find.and_then(|find| find(master)) else { continue };
            if deadline > now {
                let policy = Policy { max_expected: 0, timeout: deadline.since(now) };
                // One that has no room any more is not expected.
                let _ = self.expect(now, master, expectation, &policy);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Bytes, v4};
    use crate::{Config, NatRange};

    const PUBLIC: Address = Address::v4([203, 0, 113, 1]);

    fn all(conntrack: &Conntrack) -> Vec<(u32, Vec<u8>)> {
        let of = |place| {
            let mut bytes = Vec::new();
            conntrack.save(place, &mut bytes);
            Some((conntrack.stamp(place)?.number, bytes))
        };
        (0..conntrack.places()).filter_map(of).collect()
    }

    fn restored(from: &Bench) -> Bench {
        let mut bench = Bench::new(Config::default());
        bench.now = from.now;
        bench.ct.set_next_number(from.ct.next_number());
        for (number, bytes) in all(&from.ct) {
            let saved = Saved::read(&bytes, None).unwrap();
            assert!(bench.ct.restore(bench.now, number, &saved).is_some());
        }
        bench
    }

    /// A TCP connection that is masqueraded, a labelled UDP exchange over IPv6, an ICMP query.
    fn busy() -> Bench {
        use ironweir_wire::tcp::flag::{ACK, SYN};
        let mut bench = Bench::new(Config::default());
        let scale = [3, 3, 7, 0];
        let nat = Some(NatRange::default().to_address(PUBLIC));
        let mut syn = Bytes::tcp(Direction::Original, SYN, 100, 0, 1000, &scale, 0);
        let tracking = bench.route(&mut syn, None, nat);
        let (ct, _) = tracking.flow().unwrap();
        let mut answer = Bytes::tcp(Direction::Reply, SYN | ACK, 500, 101, 1000, &scale, 0);
        answer = to_public(&answer);
        bench.route(&mut answer, None, None);
        bench.route(&mut Bytes::tcp(Direction::Original, ACK, 101, 501, 1000, &[], 0), None, None);
        let entry = bench.ct.entry_mut(ct).unwrap();
        entry.mark = 7;
        entry.set_seqadj(Direction::Reply, SeqAdj { correction_pos: 1, offset_before: 2, offset_after: 3 });
        let v6 = crate::testing::v6;
        let udp = Bytes::udp((v6(1), 5000), (v6(2), 53), L3::V6, b"query");
        let (ct, _) = bench.pass(&udp).flow().unwrap();
        let entry = bench.ct.entry_mut(ct).unwrap();
        entry.set_label(3);
        entry.set_helper("tftp".into());
        let ping = Bytes::icmp(v4(1), v4(2), L3::V4, 8, 0, [0, 1, 0, 1], b"x");
        bench.pass(&ping);
        bench
    }

    /// A reply to host 1 as the outside sees it.
    fn to_public(bytes: &Bytes) -> Bytes {
        let mut changed = bytes.clone();
        changed.0[16..20].copy_from_slice(&PUBLIC.0[..4]);
        let body = changed.0[20..].to_vec();
        Bytes::ip(v4(2), PUBLIC, L3::V4, ipproto::TCP, body, Some(ironweir_wire::tcp::CHECKSUM_AT))
    }

    #[test]
    fn what_is_restored_is_what_was_saved() {
        let bench = busy();
        let again = restored(&bench);
        assert_eq!(all(&bench.ct).len(), 3);
        assert_eq!(all(&again.ct), all(&bench.ct));
        let listed = |bench: &Bench| {
            bench.ct.iter().map(|(_, entry)| entry.display(bench.now).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&again), listed(&bench));
        let ids = |bench: &Bench| bench.ct.iter().map(|(_, entry)| entry.id()).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&bench));
        assert_eq!(again.ct.next_number(), bench.ct.next_number());
    }

    #[test]
    fn a_translated_connection_goes_on_after_megabytes_that_nobody_saw() {
        use ironweir_wire::tcp::flag::ACK;
        let bench = busy();
        let mut again = restored(&bench);
        // Far beyond the windows that were seen, with the scale of the handshake.
        let mut data = to_public(&Bytes::tcp(Direction::Reply, ACK, 9_000_000, 101, 1000, &[], 100));
        let tracking = again.route(&mut data, None, None);
        assert_eq!(crate::testing::info_of(tracking), Some(crate::CtInfo::EstablishedReply));
        assert_eq!(data.tuple().dst, v4(1));
        // 1000 with a scale of 7 are 128,000 bytes.
        let mut ack = Bytes::tcp(Direction::Original, ACK, 101, 9_000_097, 1000, &[], 0);
        let tracking = again.route(&mut ack, None, None);
        assert_eq!(crate::testing::info_of(tracking), Some(crate::CtInfo::Established));
        assert_eq!(ack.tuple().src, PUBLIC);
        let mut data = to_public(&Bytes::tcp(Direction::Reply, ACK, 9_120_000, 101, 1000, &[], 100));
        assert!(again.route(&mut data, None, None).flow().is_some());
    }

    #[test]
    fn what_has_a_part_in_packets_ways_has_it_again() {
        let mut bench = busy();
        let all: Vec<_> = bench.ct.iter().map(|(ct, _)| ct).collect();
        // The first has numbers to be moved, the second a helper.
        bench.ct.entry_mut(all[2]).unwrap().set_label(1);
        let settled =
            |bench: &Bench| -> Vec<bool> { bench.ct.iter().map(|(ct, _)| bench.ct.is_settled(ct)).collect() };
        assert_eq!(settled(&bench), [false, false, true]);
        assert_eq!(settled(&restored(&bench)), [false, false, true]);
    }

    #[test]
    fn timeouts_go_on() {
        let bench = busy();
        let mut again = Bench::new(Config::default());
        again.now = bench.now + Duration::from_secs(31);
        let restored = all(&bench.ct).into_iter().filter(|(number, bytes)| {
            let saved = Saved::read(bytes, None).unwrap();
            again.ct.restore(again.now, *number, &saved).is_some()
        });
        // UDP and ICMP queries without answer live for 30 seconds.
        assert_eq!(restored.count(), 1);
        again.wait(5 * 86_400);
        again.ct.expire(again.now);
        assert!(again.ct.is_empty());
    }

    #[test]
    fn nothing_that_is_cut_short_or_changed_panics() {
        let bench = busy();
        for (number, bytes) in all(&bench.ct) {
            for end in 0..bytes.len() {
                assert!(Saved::read(&bytes[..end], None).is_err(), "{end}");
            }
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= 1 << bit;
                    let Ok(saved) = Saved::read(&bytes, None) else { continue };
                    let mut again = Bench::new(Config::default());
                    again.now = bench.now;
                    if again.ct.restore(again.now, number, &saved).is_some() {
                        again.wait(1_000_000);
                        again.ct.expire(again.now);
                    }
                }
            }
        }
    }

    #[test]
    fn expectations_wait_on() {
        let mut bench = busy();
        let (master, entry) = bench.ct.iter().next().unwrap();
        let like = entry.tuple(Direction::Original);
        let policy = Policy { max_expected: 1, timeout: Duration::from_secs(300) };
        let expected =
            Expectation::new(&like, ipproto::TCP, Some(v4(2)), v4(1), 4000).following(Direction::Reply, 4001);
        bench.ct.expect(bench.now, master, expected.clone(), &policy).unwrap();
        let mut bytes = Vec::new();
        bench.ct.save_expectations(bench.now, &mut bytes);
        let mut again = restored(&bench);
        let (new, _) = again.ct.iter().next().unwrap();
        let number = again.ct.number(new);
        let find = |asked| (asked == number).then_some(new);
        let now = again.now;
        again.ct.restore_expectations(now, &bytes, Duration::ZERO, Some(&find)).unwrap();
        let both = |bench: &Bench| {
            bench.ct.expectations(bench.now).map(|e| (e.expectation.clone(), e.deadline)).collect::<Vec<_>>()
        };
        assert_eq!(both(&again), both(&bench));
        assert_eq!(both(&again).len(), 1);
        for end in 1..bytes.len() {
            assert!(again.ct.restore_expectations(now, &bytes[..end], Duration::ZERO, None).is_err());
        }
    }
}
