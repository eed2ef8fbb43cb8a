//! Expectations: connections that another one, its master, has announced.
//!
//! A helper reads in a payload that a connection is about to begin, and says what its first packet will look like. The
//! packet that fits opens a connection that is `related` ([`Status::EXPECTED`]), inherits the master's mark and has its
//! address translation chosen so that it reaches whom the master talks to.
//!
//! There are never more than [`Config::expect_max`](crate::Config::expect_max), and of one master never more of a class
//! than its helper's [`Policy`]: the oldest makes room.
//!
//! Source: linux 6.18 net/netfilter/nf_conntrack_expect.c, `init_conntrack` of nf_conntrack_core.c, and
//! `nf_nat_follow_master` of nf_nat_helper.c.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use ironweir_wire::protocol::{ipproto, tracked_name};
use ironweir_wire::{Address, Instant, Tuple};
use thiserror::Error;

use crate::entry::{CtRef, Direction, HelperName};
use crate::event::EventKind;
use crate::key::Probe;
use crate::nat::{Manip, NatRange, NatVerdict};
use crate::status::Status;
use crate::track::Conntrack;
use crate::zone::Zone;

bitflags::bitflags! {
    /// `NF_CT_EXPECT_*` of `linux/netfilter/nf_conntrack_common.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ExpectFlags: u32 {
        /// It stays when a connection fulfils it (`NF_CT_EXPECT_PERMANENT`).
        const PERMANENT = 1;
        /// No packet fits it yet (`NF_CT_EXPECT_INACTIVE`).
        const INACTIVE = 2;
        /// A program made it (`NF_CT_EXPECT_USERSPACE`).
        const USERSPACE = 4;
    }
}

/// How many expectations a helper may have of one connection, and for how long (`struct nf_conntrack_expect_policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The most of a class; 0 is no limit but that of the table.
    pub max_expected: usize,
    /// How long one waits.
    pub timeout: Duration,
}

/// How the address translation of an expected connection is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// As that of any connection: rules decide.
    #[default]
    Rules,
    /// It goes where the master's packets go (`nf_nat_follow_master`): in the direction of the expectation its source becomes
    /// what the master's is, its destination the master's peer at [`Expectation::saved_id`].
    Master,
    /// Its destination is [`Expectation::saved_addr`] at [`Expectation::saved_id`]; of a stream of media the source becomes
    /// the place where the stream in the other direction is expected (`nf_nat_sip_expected`).
    Saved,
    /// Its destination is [`Expectation::saved_addr`] at [`Expectation::saved_id`]; where it travels in the original direction
    /// of its master, its source becomes the address that it was sent to (`ip_nat_callforwarding_expect`).
    Forwarded,
    /// As [`Follow::Master`], but [`Expectation::saved_id`] is the call id that its receiver sees in place of its own
    /// (`pptp_nat_expected`).
    Gre,
}

/// What the first packet of an announced connection looks like (`struct nf_conntrack_expect`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Its tuple; of the source only as much counts as the masks say. The zone is the master's.
    pub tuple: Tuple,
    /// Which bits of the source address count, in the order of the wire; all zero: any address.
    pub src_mask: Address,
    /// Which bits of the source port or id count.
    pub src_id_mask: u16,
    /// The class, an index into the helper's policies.
    pub class: u8,
    /// Flags.
    pub flags: ExpectFlags,
    /// The helper of the connection that fulfils it.
    pub helper: Option<HelperName>,
    /// How its translation is chosen.
    pub follow: Follow,
    /// The direction of the master that it travels in (`exp->dir`); with [`Follow::Master`].
    pub direction: Direction,
    /// The destination address before NAT; with [`Follow::Saved`] and [`Follow::Forwarded`].
    pub saved_addr: Address,
    /// The destination port or id before NAT, host order.
    pub saved_id: u16,
}

impl Expectation {
    /// A connection from `src` (`None`: from anywhere), from any port, to `dst` at `port` (`nf_ct_expect_init`).
    pub fn new(like: &Tuple, l4: u8, src: Option<Address>, dst: Address, port: u16) -> Expectation {
        let tuple = Tuple {
            src: src.unwrap_or_default(),
            dst,
            src_id: 0,
            dst_id: port,
            zone: like.zone,
            l3: like.l3,
            l4,
        };
        let mut src_mask = Address::UNSPECIFIED;
        if src.is_some() {
            src_mask.0.fill(0xff);
        }
        Expectation { tuple, src_mask, ..Expectation::default() }
    }

    /// From this source port alone.
    #[must_use]
    pub fn from_id(mut self, id: u16) -> Expectation {
        self.tuple.src_id = id;
        self.src_id_mask = u16::MAX;
        self
    }

    /// Translated as the master is, in this direction of the master, towards this port.
    #[must_use]
    pub fn following(mut self, direction: Direction, saved_id: u16) -> Expectation {
        self.follow = Follow::Master;
        self.direction = direction;
        self.saved_id = saved_id;
        self
    }

    /// Whether a packet's tuple fits (`nf_ct_tuple_mask_cmp`).
    fn fits(&self, tuple: &Tuple) -> bool {
        self.covers(tuple, self.src_mask, self.src_id_mask)
    }

    fn covers(&self, tuple: &Tuple, mask: Address, id_mask: u16) -> bool {
        let mine = &self.tuple;
        let src = mine.src.0.iter().zip(tuple.src.0).zip(mask.0).all(|((a, b), mask)| (a ^ b) & mask == 0);
        src && (mine.src_id ^ tuple.src_id) & id_mask == 0 && Place::of(mine) == Place::of(tuple)
    }

    /// Whether some packet would fit both (`expect_clash`).
    fn clashes(&self, other: &Expectation) -> bool {
        let mut mask = self.src_mask;
        for (mine, other) in mask.0.iter_mut().zip(other.src_mask.0) {
            *mine &= other;
        }
        self.covers(&other.tuple, mask, self.src_id_mask & other.src_id_mask)
    }

    /// Whether the same packets fit both (`expect_matches`).
    fn is_same(&self, other: &Expectation) -> bool {
        self.tuple == other.tuple && (self.src_mask, self.src_id_mask) == (other.src_mask, other.src_id_mask)
    }
}

/// Why a connection cannot be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExpectError {
    /// Another expectation has packets in common with it (EBUSY).
    #[error("another expectation has packets in common with it")]
    Busy,
    /// The same is expected already, of another class or by another connection (EALREADY).
    #[error("it is expected already")]
    Already,
    /// There are as many as there may be (EMFILE).
    #[error("as many connections are expected as may be")]
    Full,
    /// The connection that announces it is gone (ESHUTDOWN).
    #[error("the connection that announces it is gone")]
    Gone,
}

/// Names an expectation for its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectId(u64);

impl ExpectId {
    /// As messages have it, never 0 (`CTA_EXPECT_ID`).
    pub fn number(self) -> u32 {
        (self.0 % u64::from(u32::MAX)) as u32 + 1
    }
}

/// Something happened to an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectEvent {
    /// [`EventKind::New`] (`IPEXP_NEW`) or [`EventKind::Destroy`] (`IPEXP_DESTROY`).
    pub kind: EventKind,
    /// As it was.
    pub expected: Expected,
    /// Of one that is new, when it began.
    pub since: Option<Instant>,
}

/// An expectation that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub id: ExpectId,
    /// What is expected.
    pub expectation: Expectation,
    /// Who announced it.
    pub master: CtRef,
    /// Until when.
    pub deadline: Instant,
    /// How the master's packets of the original direction look.
    master_tuple: Tuple,
    /// The master's helper.
    helper: Option<HelperName>,
}

impl Expected {
    /// How the master's packets of the original direction look.
    pub fn master_tuple(&self) -> &Tuple {
        &self.master_tuple
    }

    /// The master's helper.
    pub fn helper(&self) -> Option<&str> {
        self.helper.as_deref()
    }

    /// The line `conntrack -L expect` prints for it at time `now`.
    pub fn display(&self, now: Instant) -> impl fmt::Display {
        Line { expected: self, now }
    }
}

/// What of a tuple always counts, and is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    dst: [u8; 16],
    dst_id: u16,
    zone: u16,
    l3: u8,
    l4: u8,
}

impl Place {
    fn of(tuple: &Tuple) -> Place {
        let Tuple { dst, dst_id, zone, l3, l4, .. } = *tuple;
        Place { dst: dst.0, dst_id, zone, l3: l3.nfproto(), l4 }
    }
}

type OfMaster = (u32, u32, u8, ExpectId);

/// All that wait. Trees, not hashes: there are few, and nobody can make their look-up slow.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    places: BTreeMap<(Place, ExpectId), Expected>,
    masters: BTreeMap<OfMaster, Place>,
    deadlines: BTreeSet<(Instant, ExpectId, Place)>,
    next: u64,
    events: VecDeque<ExpectEvent>,
    /// The most events that are kept; the oldest go first.
    event_capacity: usize,
}

fn of_master(master: CtRef, class: u8, id: ExpectId) -> OfMaster {
    (master.slot, master.generation, class, id)
}

impl Expectations {
    fn at(&self, place: Place) -> impl DoubleEndedIterator<Item = (ExpectId, &Expected)> {
        let range = (place, ExpectId(0))..=(place, ExpectId(u64::MAX));
        self.places.range(range).map(|((_, id), expected)| (*id, expected))
    }

    fn of(&self, master: CtRef, class: u8) -> impl Iterator<Item = (ExpectId, Place)> {
        let range = of_master(master, class, ExpectId(0))..=of_master(master, class, ExpectId(u64::MAX));
        self.masters.range(range).map(|((.., id), place)| (*id, *place))
    }

    /// All of a connection, by class and age.
    fn masters_of(&self, master: CtRef) -> impl Iterator<Item = (ExpectId, Place)> {
        let range = of_master(master, 0, ExpectId(0))..=of_master(master, u8::MAX, ExpectId(u64::MAX));
        self.masters.range(range).map(|((.., id), place)| (*id, *place))
    }

    fn insert(&mut self, now: Instant, mut expected: Expected) -> ExpectId {
        let id = ExpectId(self.next);
        self.next += 1;
        expected.id = id;
        let place = Place::of(&expected.expectation.tuple);
        self.masters.insert(of_master(expected.master, expected.expectation.class, id), place);
        self.deadlines.insert((expected.deadline, id, place));
        self.report(EventKind::New, Some(now), &expected);
        self.places.insert((place, id), expected);
        id
    }

    fn remove(&mut self, place: Place, id: ExpectId) -> Option<Expected> {
        let expected = self.places.remove(&(place, id))?;
        self.masters.remove(&of_master(expected.master, expected.expectation.class, id));
        self.deadlines.remove(&(expected.deadline, id, place));
        self.report(EventKind::Destroy, None, &expected);
        Some(expected)
    }

    /// One that waits is changed; tuple, class and master stay.
    fn change(&mut self, place: Place, id: ExpectId, change: impl FnOnce(&mut Expected)) {
        let Some(expected) = self.places.get_mut(&(place, id)) else { return };
        self.deadlines.remove(&(expected.deadline, id, place));
        change(expected);
        self.deadlines.insert((expected.deadline, id, place));
    }

    fn report(&mut self, kind: EventKind, since: Option<Instant>, expected: &Expected) {
        if self.event_capacity == 0 {
            return;
        }
        while self.events.len() >= self.event_capacity {
            self.events.pop_front();
        }
        self.events.push_back(ExpectEvent { kind, expected: expected.clone(), since });
    }

    fn expire(&mut self, now: Instant) {
        while let Some((deadline, id, place)) = self.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            self.remove(place, id);
        }
    }

    /// Forgets what a connection expected (`nf_ct_remove_expectations`).
    pub(crate) fn forget(&mut self, master: CtRef) {
        if self.masters.is_empty() {
            return;
        }
        let all: Vec<(ExpectId, Place)> = self.masters_of(master).collect();
        for (id, place) in all {
            self.remove(place, id);
        }
    }
}

impl Conntrack {
    /// Expects a connection (`nf_ct_expect_related`). The same one expected again waits anew; beyond the policy's number
    /// the oldest of its class makes room.
    ///
    /// # Errors
    /// See [`ExpectError`].
    pub fn expect(
        &mut self,
        now: Instant,
        master: CtRef,
        expectation: Expectation,
        policy: &Policy,
    ) -> Result<ExpectId, ExpectError> {
        self.expect_among(now, master, expectation, policy, false)
    }

    /// As [`Conntrack::expect`]. With `of_any`, one that another connection expects is no clash but
    /// [`ExpectError::Already`] (`NF_CT_EXP_F_SKIP_MASTER`).
    pub(crate) fn expect_among(
        &mut self,
        now: Instant,
        master: CtRef,
        mut expectation: Expectation,
        policy: &Policy,
        of_any: bool,
    ) -> Result<ExpectId, ExpectError> {
        let entry = self.entry(master).filter(|entry| !entry.status.contains(Status::DYING));
        let entry = entry.ok_or(ExpectError::Gone)?;
        expectation.tuple.zone = entry.zone().id;
        let expected = Expected {
            id: ExpectId(0),
            master,
            deadline: now + policy.timeout,
            master_tuple: entry.tuple(Direction::Original),
            helper: entry.extras.as_ref().and_then(|extras| extras.helper.clone()),
            expectation,
        };
        let (table, most) = (&mut self.expectations, self.config.expect_max);
        table.expire(now);
        let place = Place::of(&expected.expectation.tuple);
        let mut same = None;
        for (id, other) in table.at(place).rev() {
            let is_own = other.master == master;
            if (is_own || of_any) && other.expectation.is_same(&expected.expectation) {
                if !is_own || other.expectation.class != expected.expectation.class {
                    return Err(ExpectError::Already);
                }
                same = Some(id);
                break;
            } else if other.expectation.clashes(&expected.expectation) {
                return Err(ExpectError::Busy);
            }
        }
        if let Some(id) = same {
            table.remove(place, id);
        }
        let class = expected.expectation.class;
        if policy.max_expected != 0 && table.of(master, class).count() >= policy.max_expected {
            let oldest = table.of(master, class).next();
            if let Some((id, place)) = oldest {
                table.remove(place, id);
            }
        }
        if table.places.len() >= most {
            return Err(ExpectError::Full);
        }
        Ok(table.insert(now, expected))
    }

    /// Expects a connection at its port, or at the next that no other is expected at: its
    /// destination port is changed to what is returned (`nf_nat_exp_find_port`).
    ///
    /// DIVERGES: the kernel draws ports at random when the first is taken; here the next is tried, so that a pair of
    /// ports stays together.
    ///
    /// # Errors
    /// See [`ExpectError`]; [`ExpectError::Busy`] when 128 ports are taken, and at port 0.
    pub fn expect_at_free_port(
        &mut self,
        now: Instant,
        master: CtRef,
        expectation: &Expectation,
        policy: &Policy,
    ) -> Result<u16, ExpectError> {
        const MOST: u16 = 128;
        let first = expectation.tuple.dst_id;
        for port in first..=first.saturating_add(MOST) {
            // From here on the kernel goes another way.
            self.stats.drawn += u64::from(port != first);
            let mut expectation = expectation.clone();
            expectation.tuple.dst_id = port;
            match self.expect(now, master, expectation, policy) {
                // Expected there, and yet the caller is told of no port.
                Ok(_) if port == 0 => return Err(ExpectError::Busy),
                Ok(_) => return Ok(port),
                Err(ExpectError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ExpectError::Busy)
    }

    /// The newest that a tuple fits, its zone included (`nf_ct_expect_find_get`).
    pub fn expectation_of(&self, tuple: &Tuple) -> Option<(ExpectId, &Expected)> {
        self.expectations.at(Place::of(tuple)).rev().find(|(_, expected)| expected.expectation.fits(tuple))
    }

    /// One that waits, of a connection and class, for packets of a protocol to an address and port, waits from now on for
    /// `timeout`, and packets may fit it (`refresh_signalling_expectation`). Whether there was one.
    pub(crate) fn activate(
        &mut self,
        now: Instant,
        master: CtRef,
        class: u8,
        (l4, dst, dst_id): (u8, Address, u16),
        timeout: Duration,
    ) -> bool {
        let table = &mut self.expectations;
        table.expire(now);
        let wanted = (l4, dst.0, dst_id);
        let found = table.of(master, class).find(|(_, place)| (place.l4, place.dst, place.dst_id) == wanted);
        let Some((id, place)) = found else { return false };
        table.change(place, id, |expected| {
            expected.expectation.flags.remove(ExpectFlags::INACTIVE);
            expected.deadline = now + timeout;
        });
        true
    }

    /// One that waits, of a connection, ends at another time.
    pub fn set_expectation_deadline(&mut self, master: CtRef, id: ExpectId, deadline: Instant) {
        let found = self.expectations.masters_of(master).find(|(of, _)| *of == id);
        if let Some((id, place)) = found {
            self.expectations.change(place, id, |expected| expected.deadline = deadline);
        }
    }

    /// Keeps so many events of expectations from now on, the newest; 0 at first.
    pub fn set_expect_event_capacity(&mut self, capacity: usize) {
        self.expectations.event_capacity = capacity;
    }

    /// Takes the events of expectations kept since the last call, oldest first. Those whose time is over at `now` end before.
    pub fn take_expect_events(&mut self, now: Instant) -> impl Iterator<Item = ExpectEvent> {
        self.expectations.expire(now);
        std::mem::take(&mut self.expectations.events).into_iter()
    }

    /// The limits of a class of a connection's helper, if it has one that is known.
    pub fn expect_policy(&self, ct: CtRef, class: u8) -> Option<Policy> {
        let entry = self.entry(ct)?;
        let helper = self.helpers.find(entry.helper()?, entry.l4())?;
        helper.policies().get(usize::from(class)).copied()
    }

    /// Forgets those of a connection whose class is among some, at most `limit` of them, the newest first.
    pub(crate) fn unexpect_some(&mut self, master: CtRef, class: impl Fn(u8) -> bool, limit: usize) {
        let table = &mut self.expectations;
        let range = of_master(master, 0, ExpectId(0))..=of_master(master, u8::MAX, ExpectId(u64::MAX));
        let mut found: Vec<(ExpectId, Place)> = table
            .masters
            .range(range)
            .filter(|((_, _, of, _), _)| class(*of))
            .map(|((.., id), place)| (*id, *place))
            .collect();
        found.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        for (id, place) in found.into_iter().take(limit) {
            table.remove(place, id);
        }
    }

    /// Forgets an expectation of a connection.
    pub fn unexpect(&mut self, master: CtRef, id: ExpectId) {
        let found = self.expectations.masters_of(master).find(|(of, _)| *of == id);
        if let Some((id, place)) = found {
            self.expectations.remove(place, id);
        }
    }

    /// Forgets all of one connection.
    pub fn unexpect_all(&mut self, master: CtRef) {
        self.expectations.forget(master);
    }

    /// How many of a class a connection waits for.
    pub fn expecting(&self, master: CtRef, class: u8) -> usize {
        self.expectations.of(master, class).count()
    }

    /// All that are expected, by destination.
    pub fn expectations(&self, now: Instant) -> impl Iterator<Item = &Expected> {
        self.expectations.places.values().filter(move |expected| expected.deadline > now)
    }

    /// What a first packet fulfils; it is taken out unless it is permanent (`nf_ct_find_expectation`).
    pub(crate) fn expected_by(&mut self, now: Instant, probe: &Probe, zone: Zone) -> Option<Expected> {
        if self.expectations.places.is_empty() {
            return None;
        }
        let tuple = Tuple { zone: zone.id, ..probe.tuple() };
        let place = Place::of(&tuple);
        let (slab, table) = (&self.table.slab, &self.expectations);
        // The newest first.
        let (id, expected) = table.at(place).rev().find(|(_, expected)| {
            let usable =
                expected.deadline > now && !expected.expectation.flags.contains(ExpectFlags::INACTIVE);
            // Nobody can know of what a packet announced that has not left this machine.
            usable
                && expected.expectation.fits(&tuple)
                && slab.get(expected.master).is_some_and(|e| e.is_linked())
        })?;
        if expected.expectation.flags.contains(ExpectFlags::PERMANENT) {
            return Some(expected.clone());
        }
        self.expectations.remove(place, id)
    }

    /// Makes a new connection the expected one.
    pub(crate) fn fulfil(&mut self, ct: CtRef, expected: &Expected) {
        let (mark, secmark) = match self.entry(expected.master) {
            Some(master) => (master.mark, master.secmark()),
            None => return,
        };
        let Some(entry) = self.table.slab.get_mut(ct) else { return };
        entry.status |= Status::EXPECTED;
        entry.mark = mark;
        let extras = entry.extras_mut();
        extras.secmark = secmark;
        extras.master = Some(expected.master);
        extras.helper.clone_from(&expected.expectation.helper);
        self.follow(ct, expected);
    }

    /// Chooses the address translation of an expected connection (`exp->expectfn`).
    fn follow(&mut self, ct: CtRef, expected: &Expected) -> Option<NatVerdict> {
        let Expected { expectation, master, .. } = expected;
        // Where the master's packets of this direction go: the tuple of the other direction says.
        let towards = self.entry(*master)?.tuple(expectation.direction.opposite());
        let saved = expectation.saved_id;
        let to = |address| NatRange::default().to_address(address);
        match expectation.follow {
            Follow::Rules => None,
            Follow::Master => {
                self.nat_setup(ct, &to(towards.dst), Manip::Source);
                Some(self.nat_setup(ct, &to(towards.src).with_ports(saved, saved), Manip::Destination))
            }
            Follow::Saved => {
                let range = to(expectation.saved_addr).with_ports(saved, saved);
                let mut verdict = self.nat_setup(ct, &range, Manip::Destination);
                if let Some(range) = self.saved_source(ct, expected) {
                    verdict = self.nat_setup(ct, &range, Manip::Source);
                }
                Some(verdict)
            }
            Follow::Forwarded => {
                let source = self.entry(ct)?.tuple(expectation.direction.opposite()).src;
                self.nat_setup(ct, &to(source), Manip::Source);
                let range = to(expectation.saved_addr).with_ports(saved, saved);
                Some(self.nat_setup(ct, &range, Manip::Destination))
            }
            Follow::Gre => {
                if !self.entry(*master)?.status.intersects(Status::NAT) {
                    self.unexpect_answer(&expectation.tuple.inverted()?);
                    return None;
                }
                if expectation.direction == Direction::Original {
                    let answer = Tuple { src: towards.src, dst: towards.dst, ..expectation.tuple };
                    self.unexpect_answer(&Tuple { src_id: answer.dst_id, dst_id: saved, ..answer });
                }
                // The call id that the receiver knows is put in where its sender knows another.
                let (mut source, mut destination) = (to(towards.dst), to(towards.src));
                match expectation.direction {
                    Direction::Original => source = source.with_ports(saved, saved),
                    Direction::Reply => destination = destination.with_ports(saved, saved),
                }
                self.nat_setup(ct, &source, Manip::Source);
                Some(self.nat_setup(ct, &destination, Manip::Destination))
            }
        }
    }

    /// The other direction of a tunnel that has begun is expected no more.
    fn unexpect_answer(&mut self, tuple: &Tuple) {
        if let Some((id, master)) = self.expectation_of(tuple).map(|(id, expected)| (id, expected.master)) {
            self.unexpect(master, id);
        }
    }

    /// What the source of an expected media stream becomes: the place where the stream in the other direction is expected;
    /// where none is, what the master's becomes, if it comes from the same address.
    fn saved_source(&self, ct: CtRef, Expected { expectation, master, .. }: &Expected) -> Option<NatRange> {
        let original = self.entry(ct)?.tuple(Direction::Original);
        if expectation.class != 0 {
            let table = &self.expectations;
            let mut all: Vec<(ExpectId, Place)> = table.masters_of(*master).collect();
            all.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
            let pair = all.iter().filter_map(|(id, place)| table.places.get(&(*place, *id))).find(|other| {
                let Expectation { tuple, saved_addr, saved_id, .. } = other.expectation;
                (tuple.l3, tuple.l4) == (original.l3, original.l4)
                    && (original.src, original.src_id) == (saved_addr, saved_id)
            });
            if let Some(Tuple { dst, dst_id, .. }) = pair.map(|pair| pair.expectation.tuple) {
                return Some(NatRange::default().to_address(dst).with_ports(dst_id, dst_id));
            }
        }
        let master = self.entry(*master)?;
        let same = master.tuple(expectation.direction).src == original.src;
        let seen_as = master.tuple(expectation.direction.opposite()).dst;
        same.then(|| NatRange::default().to_address(seen_as))
    }
}

struct Line<'a> {
    expected: &'a Expected,
    now: Instant,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Expected { expectation, deadline, master_tuple, helper, .. } = self.expected;
        let tuple = &expectation.tuple;
        let l3 = tuple.l3;
        let ports = |f: &mut fmt::Formatter<'_>, l4: u8, src: u16, dst: u16| match l4 {
            ipproto::GRE => write!(f, "srckey=0x{src:x} dstkey=0x{dst:x} "),
            ipproto::ICMP | ipproto::ICMPV6 => {
                let [kind, code] = dst.to_be_bytes();
                write!(f, "type={kind} code={code} id={src} ")
            }
            _ if tracked_name(l4).is_some() => write!(f, "sport={src} dport={dst} "),
            _ => Ok(()),
        };
        let seconds = deadline.since(self.now).as_secs();
        write!(f, "{seconds} ")?;
        write!(f, "proto={} ", tuple.l4)?;
        write!(f, "src={} dst={} ", tuple.src.display(l3), tuple.dst.display(l3))?;
        ports(f, tuple.l4, tuple.src_id, tuple.dst_id)?;
        let whole = Address([0xff; 16]);
        write!(f, "mask-src={} mask-dst={} ", expectation.src_mask.display(l3), whole.display(l3))?;
        ports(f, tuple.l4, expectation.src_id_mask, u16::MAX)?;
        write!(
            f,
            "master-src={} master-dst={} ",
            master_tuple.src.display(master_tuple.l3),
            master_tuple.dst.display(master_tuple.l3)
        )?;
        ports(f, master_tuple.l4, master_tuple.src_id, master_tuple.dst_id)?;
        let names = [
            (ExpectFlags::PERMANENT, "PERMANENT"),
            (ExpectFlags::INACTIVE, "INACTIVE"),
            (ExpectFlags::USERSPACE, "USERSPACE"),
        ];
        let set = names.iter().filter(|(flag, _)| expectation.flags.contains(*flag));
        for (place, (_, name)) in set.enumerate() {
            write!(f, "{}{name}", if place == 0 { "" } else { "," })?;
        }
        if !expectation.flags.is_empty() {
            f.write_str(" ")?;
        }
        write!(f, "class={}", expectation.class)?;
        helper.as_deref().map_or(Ok(()), |helper| write!(f, " helper={helper}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::CtInfo;
    use crate::testing::{Bench, Bytes, info_of, v4};
    use crate::{Config, Tracking};
    use ironweir_wire::L3;

    fn policy(max_expected: usize) -> Policy {
        Policy { max_expected, timeout: Duration::from_secs(300) }
    }

    /// A connection from host 1 to host 2, answered.
    fn with_master(config: Config) -> (Bench, CtRef, Tuple) {
        let mut bench = Bench::new(config);
        let mut out = Bytes::udp((v4(1), 1000), (v4(2), 69), L3::V4, b"a");
        let Tracking::Flow(ct, _) = bench.route(&mut out, None, None) else { panic!() };
        let reply = bench.ct.entry(ct).unwrap().tuple(Direction::Reply);
        (bench, ct, reply)
    }

    fn to_port(reply: &Tuple, port: u16) -> Expectation {
        Expectation::new(reply, ipproto::UDP, Some(reply.src), reply.dst, port)
    }

    #[test]
    fn the_first_packet_that_fits_is_related_and_the_next_is_new() {
        let (mut bench, ct, reply) = with_master(Config::default());
        bench.ct.entry_mut(ct).unwrap().mark = 7;
        bench.ct.expect(bench.now, ct, to_port(&reply, 2000), &policy(1)).unwrap();
        let other = bench.pass(&Bytes::udp((v4(3), 5), (v4(1), 2000), L3::V4, b""));
        assert_eq!(info_of(other), Some(CtInfo::New));
        let first = bench.pass(&Bytes::udp((v4(2), 5), (v4(1), 2000), L3::V4, b""));
        let Tracking::Flow(expected, CtInfo::Related) = first else { panic!("{first:?}") };
        let entry = bench.ct.entry(expected).unwrap();
        assert!(entry.status().contains(Status::EXPECTED));
        assert_eq!((entry.mark, entry.master()), (7, Some(ct)));
        let next = bench.pass(&Bytes::udp((v4(2), 6), (v4(1), 2000), L3::V4, b""));
        assert_eq!(info_of(next), Some(CtInfo::New));
    }

    #[test]
    fn it_ends_with_its_time_and_with_its_master() {
        let (mut bench, ct, reply) = with_master(Config::default());
        let short = Policy { max_expected: 0, timeout: Duration::from_secs(2) };
        bench.ct.expect(bench.now, ct, to_port(&reply, 2000), &short).unwrap();
        bench.ct.expect(bench.now, ct, to_port(&reply, 2001), &policy(0)).unwrap();
        bench.wait(2);
        let late = bench.pass(&Bytes::udp((v4(2), 5), (v4(1), 2000), L3::V4, b""));
        assert_eq!(info_of(late), Some(CtInfo::New));
        bench.ct.destroy(bench.now, ct);
        assert_eq!(bench.ct.expectations(bench.now).count(), 0);
    }

    #[test]
    fn what_a_dropped_first_packet_announced_is_forgotten() {
        let mut bench = Bench::new(Config::default());
        let first = Bytes::udp((v4(1), 1000), (v4(2), 5060), L3::V4, b"a");
        let Tracking::Flow(ct, _) = bench.enter(&first) else { panic!() };
        let reply = bench.ct.entry(ct).unwrap().tuple(Direction::Reply);
        bench.ct.expect(bench.now, ct, to_port(&reply, 2000), &policy(1)).unwrap();
        bench.ct.release(ct);
        assert_eq!(bench.ct.expectations(bench.now).count(), 0);
    }

    #[test]
    fn floods_are_bounded_by_policy_and_table() {
        let (mut bench, ct, reply) = with_master(Config { expect_max: 10, ..Config::default() });
        for port in 0..1000 {
            bench.ct.expect(bench.now, ct, to_port(&reply, port), &policy(4)).unwrap();
        }
        let left: Vec<u16> = bench.ct.expectations(bench.now).map(|e| e.expectation.tuple.dst_id).collect();
        assert_eq!(left, [996, 997, 998, 999]);
        let results: Vec<_> =
            (0..10).map(|port| bench.ct.expect(bench.now, ct, to_port(&reply, port), &policy(0))).collect();
        assert_eq!(results.iter().filter(|result| **result == Err(ExpectError::Full)).count(), 4);
    }

    #[test]
    fn the_same_is_renewed_and_an_overlap_refused() {
        let (mut bench, ct, reply) = with_master(Config::default());
        bench.ct.expect(bench.now, ct, to_port(&reply, 9), &policy(0)).unwrap();
        bench.ct.expect(bench.now, ct, to_port(&reply, 9), &policy(0)).unwrap();
        assert_eq!(bench.ct.expecting(ct, 0), 1);
        let from_anywhere = Expectation::new(&reply, ipproto::UDP, None, reply.dst, 9);
        assert_eq!(bench.ct.expect(bench.now, ct, from_anywhere.clone(), &policy(0)), Err(ExpectError::Busy));
        assert_eq!(bench.ct.expect_at_free_port(bench.now, ct, &from_anywhere, &policy(0)), Ok(10));
    }

    /// The form of `conntrack -L expect` of conntrack-tools 1.4.7, without the colour of its columns.
    #[test]
    fn an_expectation_is_listed_as_conntrack_lists_it() {
        let (mut bench, ct, reply) = with_master(Config::default());
        bench.ct.entry_mut(ct).unwrap().set_helper("tftp".into());
        bench.ct.expect(bench.now, ct, to_port(&reply, 9), &policy(0)).unwrap();
        let line = bench.ct.expectations(bench.now).next().unwrap().display(bench.now).to_string();
        assert_eq!(
            line,
            "300 proto=17 src=10.0.0.2 dst=10.0.0.1 sport=0 dport=9 mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.0.0.1 master-dst=10.0.0.2 \
             sport=1000 dport=69 class=0 helper=tftp"
        );
    }
}
