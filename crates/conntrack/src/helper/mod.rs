//! Helpers: what reads payloads to learn which connections are about to begin.
//!
//! A rule gives a new connection a helper by name ([`Entry::set_helper`](crate::Entry::set_helper)). Every later packet
//! of it passes [`Conntrack::help`] after address translation and before
//! [`Conntrack::seq_adjust`](crate::Conntrack::seq_adjust). The helper may [expect](Context::expect) connections, change
//! the payload where it names addresses that NAT hides ([`Context::mangle`]), or have the packet dropped.
//!
//! A helper of one's own implements [`Helper`] and is added with [`Helpers::add`]; from then on `ct helper` objects may name
//! it, and saved state keeps what it remembers. This one reads of a TCP connection where its server will be called next:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use ironweir_conntrack::{Config, Conntrack, Context, Direction, Expectation, Helper, Judgement, Policy};
//! use ironweir_wire::L3;
//! use ironweir_wire::protocol::ipproto;
//!
//! /// "CALL 4000\n": the client is to connect to port 4000.
//! #[derive(Debug)]
//! struct Callback;
//!
//! impl Helper for Callback {
//!     fn name(&self) -> &'static str {
//!         "callback"
//!     }
//!
//!     fn l4(&self) -> u8 {
//!         ipproto::TCP
//!     }
//!
//!     fn policies(&self) -> &[Policy] {
//!         // Of one connection at most two are expected, each for a minute.
//!         const { &[Policy { max_expected: 2, timeout: Duration::from_secs(60) }] }
//!     }
//!
//!     fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
//!         let digits = payload.strip_prefix(b"CALL ").and_then(|rest| rest.strip_suffix(b"\n"));
//!         let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
//!         let Some(port) = text.and_then(|text| text.parse().ok()) else { return Judgement::Accept };
//!         if context.direction() == Direction::Original {
//!             return Judgement::Accept;
//!         }
//!         // How the client's packets look before NAT changes them, so it comes to the right place whatever NAT does.
//!         let client = context.tuple(Direction::Original);
//!         let expected = Expectation::new(&client, ipproto::TCP, Some(client.src), client.dst, port);
//!         let announced = if context.has_nat() {
//!             let expected = expected.following(Direction::Original, port);
//!             match context.expect_at_free_port(&expected) {
//!                 // Somebody else is called there: the client is told another port.
//!                 Ok(free) if free != port => {
//!                     context.mangle(b"CALL ".len(), payload.len() - b"CALL \n".len(), free.to_string().as_bytes())
//!                 }
//!                 other => other.is_ok(),
//!             }
//!         } else {
//!             context.expect(expected).is_ok()
//!         };
//!         if announced { Judgement::Accept } else { Judgement::Drop }
//!     }
//! }
//!
//! let mut conntrack = Conntrack::new(Config::default(), 1);
//! conntrack.helpers_mut().add(Arc::new(Callback));
//! assert!(conntrack.helpers().has("callback", L3::V6, ipproto::TCP));
//! ```
//!
//! Of an engine they are `engine.conntrack_mut().helpers_mut()`.
//!
//! Source of order and conditions: linux 6.18 net/netfilter/nf_conntrack_proto.c, `nf_confirm`.

mod amanda;
mod broadcast;
mod ftp;
mod h323;
mod irc;
mod mangle;
mod number;
mod pptp;
mod sane;
mod sip;
mod surroundings;
mod tftp;

use std::sync::Arc;
use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Instant, L3, Packet, PacketInfo, Tuple, tcp, udp};

use crate::config::Config;
use crate::entry::{CtInfo, CtRef, Direction, Entry, HelperMemory, HelperName};
use crate::expect::{ExpectError, ExpectId, Expectation, Policy};
use crate::status::Status;
use crate::track::Conntrack;

pub use surroundings::{Nowhere, Surroundings};

/// What becomes of a packet that a helper has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It goes on.
    Accept,
    /// It is dropped: it cannot be understood, or not be changed as NAT demands.
    Drop,
}

/// A reader of payloads.
///
/// `payload` comes from the network: nothing in it may be trusted, its length included (at most 65,535 bytes).
pub trait Helper: std::fmt::Debug + Send + Sync {
    /// Its name, at most 15 bytes, as in `type "ftp"`.
    fn name(&self) -> &'static str;

    /// The protocol of the connections it reads: 6 for TCP, 17 for UDP.
    fn l4(&self) -> u8;

    /// The network protocols that a rule may give it to connections of.
    fn l3(&self) -> &'static [L3] {
        &[L3::V4, L3::V6]
    }

    /// Whether packets without payload are read, too.
    fn reads_empty(&self) -> bool {
        false
    }

    /// The limits of each class of expectations; the first class is 0.
    fn policies(&self) -> &[Policy];

    /// Reads a packet's payload, which is not empty unless [`Helper::reads_empty`].
    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement;

    /// What ends together with a connection of which the helper remembers this: connections, or expectations where they
    /// have not begun, named by the tuple of their first packets (`destroy` of `struct nf_conntrack_helper`).
    fn siblings(&self, _memory: &HelperMemory, _original: &Tuple, _reply: &Tuple) -> [Option<Tuple>; 2] {
        [None, None]
    }
}

/// The helpers there are.
#[derive(Clone, Debug, Default)]
pub struct Helpers {
    all: Vec<Arc<dyn Helper>>,
    /// Memory for payloads, kept for the next packet.
    scratch: Vec<u8>,
}

impl Helpers {
    /// Those of the kernel that are here.
    pub fn built_in() -> Helpers {
        let all: [Arc<dyn Helper>; 13] = [
            Arc::new(ftp::Ftp),
            Arc::new(tftp::Tftp),
            Arc::new(irc::Irc),
            Arc::new(amanda::Amanda),
            Arc::new(sane::Sane),
            Arc::new(pptp::Pptp),
            Arc::new(sip::Sip::UDP),
            Arc::new(sip::Sip::TCP),
            Arc::new(broadcast::Broadcast::NETBIOS_NS),
            Arc::new(broadcast::Broadcast::SNMP),
            Arc::new(h323::Ras),
            Arc::new(h323::Q931),
            Arc::new(h323::H245),
        ];
        Helpers { all: all.into(), scratch: Vec::new() }
    }

    /// Adds a helper; one of the same name and protocol is replaced.
    pub fn add(&mut self, helper: Arc<dyn Helper>) {
        self.all.retain(|other| (other.name(), other.l4()) != (helper.name(), helper.l4()));
        self.all.push(helper);
    }

    /// The helper of a name for a protocol.
    pub fn find(&self, name: &str, l4: u8) -> Option<&Arc<dyn Helper>> {
        self.all.iter().find(|helper| helper.name() == name && helper.l4() == l4)
    }

    /// Whether a rule may give connections of these protocols the helper of a name (`nf_conntrack_helper_try_module_get`).
    pub fn has(&self, name: &str, l3: L3, l4: u8) -> bool {
        self.find(name, l4).is_some_and(|helper| helper.l3().contains(&l3))
    }
}

/// The packet a helper reads, and what the helper can do.
#[derive(Debug)]
pub struct Context<'a, 'p> {
    conntrack: &'a mut Conntrack,
    packet: &'a mut Packet<'p>,
    info: &'a mut PacketInfo,
    ct: CtRef,
    ctinfo: CtInfo,
    now: Instant,
    /// Where the payload begins.
    data_at: usize,
    policies: &'a [Policy],
    host: &'a dyn Surroundings,
}

impl Context<'_, '_> {
    /// How the packet stands to its connection.
    pub fn ctinfo(&self) -> CtInfo {
        self.ctinfo
    }

    /// The direction it travels in.
    pub fn direction(&self) -> Direction {
        self.ctinfo.direction()
    }

    /// Whether packets of the connection went both ways before.
    pub fn is_established(&self) -> bool {
        matches!(self.ctinfo, CtInfo::Established | CtInfo::EstablishedReply)
    }

    /// The connection's tuple in a direction.
    pub fn tuple(&self, direction: Direction) -> Tuple {
        self.conntrack.entry(self.ct).map_or(Tuple::default(), |entry| entry.tuple(direction))
    }

    /// Whether NAT changes the connection.
    pub fn has_nat(&self) -> bool {
        self.conntrack.entry(self.ct).is_some_and(|entry| entry.status().intersects(Status::NAT))
    }

    /// The packet's TCP sequence number as its sender wrote it.
    pub fn seq(&self) -> Option<u32> {
        let (ipproto::TCP, at) = self.info.transport_header()? else { return None };
        self.packet.be32(at + tcp::SEQ_AT)
    }

    /// What the helper remembers of the connection.
    pub fn memory(&self) -> HelperMemory {
        self.conntrack.entry(self.ct).map_or(HelperMemory::default(), Entry::helper_memory)
    }

    /// Remembers something for the connection's later packets.
    pub fn remember(&mut self, memory: HelperMemory) {
        if let Some(entry) = self.conntrack.entry_mut(self.ct) {
            entry.extras_mut().helper_memory = memory;
        }
    }

    /// Expects a connection for as long as the policy of its class says.
    ///
    /// # Errors
    /// See [`Conntrack::expect`].
    pub fn expect(&mut self, expectation: Expectation) -> Result<ExpectId, ExpectError> {
        let policy = self.policy(&expectation)?;
        self.conntrack.expect(self.now, self.ct, expectation, &policy)
    }

    /// Expects a connection at its destination port or at the next that is free; returns that port.
    ///
    /// # Errors
    /// See [`Conntrack::expect_at_free_port`].
    pub fn expect_at_free_port(&mut self, expectation: &Expectation) -> Result<u16, ExpectError> {
        let policy = self.policy(expectation)?;
        self.conntrack.expect_at_free_port(self.now, self.ct, expectation, &policy)
    }

    /// As [`Context::expect`], but the same one expected by another connection is [`ExpectError::Already`].
    ///
    /// # Errors
    /// See [`Conntrack::expect`].
    pub fn expect_among_all(&mut self, expectation: Expectation) -> Result<ExpectId, ExpectError> {
        let policy = self.policy(&expectation)?;
        self.conntrack.expect_among(self.now, self.ct, expectation, &policy, true)
    }

    /// Forgets an expectation of the connection.
    pub fn unexpect(&mut self, id: ExpectId) {
        self.conntrack.unexpect(self.ct, id);
    }

    /// Forgets those of some classes, at most `limit`, the newest first.
    pub fn unexpect_some(&mut self, class: impl Fn(u8) -> bool, limit: usize) {
        self.conntrack.unexpect_some(self.ct, class, limit);
    }

    /// One of a class that waits for packets of a protocol to an address and port waits for `timeout` from now on, and
    /// packets may fit it. Whether there was one.
    pub fn activate(&mut self, class: u8, place: (u8, Address, u16), timeout: Duration) -> bool {
        self.conntrack.activate(self.now, self.ct, class, place, timeout)
    }

    /// Learns the sender's call id of GRE packets of a tuple, for a direction of the connection. False: it has told another
    /// one before (`nf_ct_gre_keymap_add`).
    pub fn learn_key(&mut self, direction: Direction, tuple: &Tuple) -> bool {
        self.conntrack.table.keymap.add(self.ct, direction, tuple)
    }

    /// Forgets the call ids that the connection has told (`nf_ct_gre_keymap_destroy`).
    pub fn forget_keys(&mut self) {
        self.conntrack.table.keymap.forget(self.ct);
    }

    /// Ends a tunnel of the connection: its keys, and for each tuple the connection or what is expected.
    pub fn end_tunnel(&mut self, tuples: [Option<Tuple>; 2]) {
        self.forget_keys();
        self.conntrack.end_siblings(self.now, self.ct, tuples);
    }

    /// Limits and switches.
    pub fn config(&self) -> &Config {
        &self.conntrack.config
    }

    /// Whether the connection itself was expected.
    pub fn is_expected(&self) -> bool {
        self.conntrack.entry(self.ct).is_some_and(|entry| entry.status().contains(Status::EXPECTED))
    }

    /// The connection's helper, for those that it expects.
    pub fn helper(&self) -> Option<HelperName> {
        self.conntrack.entry(self.ct)?.extras.as_ref()?.helper.clone()
    }

    /// From now on the connection lives this long without packets (`nf_ct_refresh`).
    pub fn keep(&mut self, timeout: Duration) {
        self.conntrack.refresh(self.now, self.ct, timeout);
    }

    /// Forgets what the connection expects.
    pub fn unexpect_all(&mut self) {
        self.conntrack.unexpect_all(self.ct);
    }

    /// See [`Surroundings::broadcast_mask`].
    pub fn broadcast_mask(&self) -> Option<Address> {
        self.host.broadcast_mask()
    }

    /// See [`Surroundings::is_same_way`].
    pub fn is_same_way(&self, l3: L3, one: &Address, other: &Address) -> bool {
        self.host.is_same_way(l3, one, other)
    }

    fn policy(&self, expectation: &Expectation) -> Result<Policy, ExpectError> {
        self.policies.get(usize::from(expectation.class)).copied().ok_or(ExpectError::Full)
    }

    /// Puts `with` in the place of `len` bytes at `at` of the payload. Lengths and checksums are made to fit, and the
    /// numbers of TCP are moved from the next packet on (`nf_nat_mangle_tcp_packet`, `nf_nat_mangle_udp_packet`). False:
    /// there is no room, and the packet should be dropped.
    #[must_use]
    pub fn mangle(&mut self, at: usize, len: usize, with: &[u8]) -> bool {
        let Some(change) = self.replace(at, len, with) else { return false };
        self.move_numbers(change);
        true
    }

    /// As [`Context::mangle`], but the numbers of TCP stay: of a packet with several changes they are moved once, by
    /// [`Context::move_numbers`]. Returns by how many bytes the payload grew.
    #[must_use]
    pub fn replace(&mut self, at: usize, len: usize, with: &[u8]) -> Option<i32> {
        mangle::replace(self.packet, self.info, self.data_at + at, len, with)
    }

    /// The payload became so many bytes longer: the numbers of TCP are moved from the next packet on.
    pub fn move_numbers(&mut self, change: i32) {
        if let Some(seq) = self.seq() {
            let direction = self.direction();
            self.conntrack.seqadj_set(self.ct, direction, seq, change);
        }
    }

    /// Sends the packet to another port than its connection says.
    #[must_use]
    pub fn redirect(&mut self, port: u16) -> bool {
        mangle::destination_port(self.packet, self.info, port).is_some()
    }
}

impl Conntrack {
    /// Has the helper of a packet's connection, if it has one, read the packet. `info` stays true when the payload changes
    /// its length. `host` answers what the helper asks of the host: [`Nowhere`] where there is none.
    pub fn help(
        &mut self,
        now: Instant,
        packet: &mut Packet<'_>,
        info: &mut PacketInfo,
        ct: CtRef,
        ctinfo: CtInfo,
        host: &dyn Surroundings,
    ) -> Judgement {
        let Some(name) = self.entry(ct).and_then(Entry::helper) else { return Judgement::Accept };
        if ctinfo == CtInfo::RelatedReply || info.is_fragment() {
            return Judgement::Accept;
        }
        let Some((l4, at)) = info.transport_header() else { return Judgement::Accept };
        let Some(helper) = self.helpers.find(name, l4).cloned() else { return Judgement::Accept };
        let header = match l4 {
            ipproto::TCP => tcp::Header::read(packet, at).map_or(0, |header| header.header_len),
            ipproto::UDP => udp::HEADER_LEN,
            _ => 0,
        };
        let data_at = at + header;
        let Some(len) = info.end.checked_sub(data_at).filter(|len| *len > 0 || helper.reads_empty()) else {
            return Judgement::Accept;
        };
        if header == 0 {
            return Judgement::Accept;
        }
        let mut payload = std::mem::take(&mut self.helpers.scratch);
        let judgement = if copy(packet, data_at, len.min(usize::from(u16::MAX)), &mut payload) {
            let mut context = Context {
                conntrack: self,
                packet,
                info,
                ct,
                ctinfo,
                now,
                data_at,
                policies: helper.policies(),
                host,
            };
            helper.packet(&payload, &mut context)
        } else {
            Judgement::Accept
        };
        self.helpers.scratch = payload;
        judgement
    }

    /// The helpers there are.
    pub fn helpers(&self) -> &Helpers {
        &self.helpers
    }

    /// The helpers, to add to.
    pub fn helpers_mut(&mut self) -> &mut Helpers {
        &mut self.helpers
    }
}

/// Copies bytes of a packet; false when they are not all there.
fn copy(packet: &Packet<'_>, at: usize, len: usize, into: &mut Vec<u8>) -> bool {
    into.clear();
    if let Some(bytes) = packet.head().get(at..at + len) {
        into.extend_from_slice(bytes);
        return true;
    }
    into.resize(len, 0);
    // Not wholly in the head, so it is put together in `into`.
    packet.load(at, len, into).is_some()
}
