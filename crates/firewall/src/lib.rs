//! A firewall for programs that have packets of their own: virtual machines' monitors, user-mode network stacks, tests of
//! rulesets. The engine and nft's language in one type; no thread, no socket, no clock.
//!
//! ```
//! use ironweir_firewall::{Disposition, Firewall, Host, IfIndex, Instant, Interface};
//!
//! let mut host = Host::default();
//! for (index, name, address) in [(1, "vm0", [10, 0, 0, 1]), (2, "out0", [192, 0, 2, 1])] {
//!     let mut interface = Interface::new(IfIndex(index), name);
//!     interface.addresses.push((address.into(), 24));
//!     host.add_interface(interface)?;
//! }
//! let mut firewall = Firewall::new(host, 1);
//! firewall.nft("add table ip f; add chain ip f c { type filter hook forward priority 0; policy drop; }")?;
//! # let frame = [0; 14];
//! let passage = firewall.receive(Instant::from_secs(1), IfIndex(1), &frame);
//! assert!(matches!(passage.disposition, Disposition::Dropped(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/embed` shows all of it. Each packet is copied once in and once out; who has millions a second drives
//! [`Engine`] itself, which changes packets in place. Who wants ARP and neighbour discovery answered, too, has
//! `ironweir_router::router::Router` and its ports.

mod in_process;
pub mod listing;
mod passage;
pub mod trace;

use ironweir_engine::Observer;
use ironweir_language::datatype::{NameTable, Names};
use ironweir_language::diag::Diagnostic;
use ironweir_language::files::NoFiles;
use ironweir_language::session::Session;
use ironweir_language::source::Sources;
use ironweir_ruleset::ObjectKind;
use ironweir_wire::{LinkType, Packet, PacketType};

pub use in_process::InProcess;
pub use ironweir_engine::{
    Disposition, DropReason, Engine, Host, Interface, Neighbour, Output, Route, TraceEvent, host::HostError,
};
pub use ironweir_ruleset::{Family, TableId};
pub use ironweir_wire::{IfIndex, Instant};
pub use passage::Passage;

use trace::Tracer;

/// Bytes that a packet may grow by on its way: translated addresses in what it carries, a VLAN tag.
const ROOM: usize = 256;

/// A host's ruleset, connections and packet path.
pub struct Firewall {
    engine: Engine,
    /// What names in rulesets mean. At first services and protocols that every machine has, and the host's interfaces.
    pub names: Names,
    buffer: Vec<u8>,
}

/// Commands that are refused: nothing of them was done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// What nft would write to standard error: each error with its place.
    pub text: String,
    /// The same, one by one.
    pub diagnostics: Vec<Diagnostic>,
}

/// What commands that were done say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What `list`, `get` and `reset` print.
    pub output: String,
    /// What nft would write to standard error.
    pub warnings: String,
}

impl Firewall {
    /// A host without a ruleset. `seed` is the source of all choices: the same packets at the same times have the same fate.
    /// Where packets come from strangers, it must be one that they cannot guess.
    pub fn new(mut host: Host, seed: u64) -> Firewall {
        host.live = true;
        let mut names = Names { utc_offset: host.utc_offset, ..Names::default() };
        // The default knows `lo`, which this host need not have.
        names.interfaces = NameTable::default();
        for interface in host.interfaces() {
            names.interfaces.insert(&interface.name, interface.index.0.into());
        }
        Firewall { engine: Engine::new(host, seed), names, buffer: Vec::new() }
    }

    /// Does what commands of nft's language say, all of it in one transaction or nothing: a whole ruleset, or
    /// `add element ip f allowed { 192.0.2.7 timeout 1h }`. No file is read for them.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn nft(&mut self, commands: &str) -> Result<Told, Refused> {
        let mut sources = Sources::new();
        let source = sources.add("commands", commands, None);
        let source =
            source.ok_or_else(|| Refused { text: "longer than 4 GiB".into(), diagnostics: vec![] })?;
        let mut session = Session { names: self.names.clone(), ..Session::default() };
        let outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(&mut self.engine));
        let text = outcome.render(&sources);
        if outcome.ok() {
            Ok(Told { output: outcome.output, warnings: text })
        } else {
            Err(Refused { text, diagnostics: outcome.diagnostics })
        }
    }

    /// The ruleset as `nft list ruleset` shows it, with counters and what else changed.
    pub fn ruleset(&self) -> String {
        listing::ruleset(&self.engine, &self.names)
    }

    /// Packets and bytes of a named counter; `None` if there is no such counter.
    pub fn counter(&self, table: &TableId, name: &str) -> Option<(u64, u64)> {
        let objects = self.engine.ruleset().table(table)?.objects();
        objects.filter(|state| *state.object.name == *name).find_map(|state| match &state.object.kind {
            ObjectKind::Counter(counter) => Some(counter.totals()),
            _ => None,
        })
    }

    /// A frame came in by an interface, whose kind says whether it begins with an Ethernet header (ARPHRD_ETHER and
    /// ARPHRD_LOOPBACK) or is a bare IP packet. Time never goes back: an earlier `now` counts as the latest there was.
    ///
    /// Frames that are for the host itself, among them all ARP, come back in [`Passage::local`] for the program to
    /// answer.
    pub fn receive(&mut self, now: Instant, iif: IfIndex, frame: &[u8]) -> Passage {
        self.pass(now, (iif, PacketType::Host), frame, false, &mut ())
    }

    /// A packet is sent by the host itself: from its IP header on. Its connection is tracked from here, and the answers come
    /// back in [`Passage::local`].
    pub fn send(&mut self, now: Instant, packet: &[u8]) -> Passage {
        self.pass(now, (IfIndex::NONE, PacketType::Outgoing), packet, false, &mut ())
    }

    /// As [`Firewall::receive`], and tells the packet's whole way in the words of `nft monitor trace`. It is no trial: the
    /// packet passes as any other.
    pub fn explain(&mut self, now: Instant, iif: IfIndex, frame: &[u8]) -> (Passage, String) {
        let mut tracing = Tracing(Tracer::default());
        let passage = self.pass(now, (iif, PacketType::Host), frame, true, &mut tracing);
        (passage, tracing.0.take(&self.engine, &self.names, |_| false))
    }

    /// What became of a packet in a line, with the text of the rule that dropped it.
    pub fn describe(&self, disposition: Disposition) -> String {
        passage::describe(&self.engine, &self.names, disposition)
    }

    /// Gives back what expired connections and elements occupy, a portion at a time; nothing that is asked depends on it. To be
    /// called now and then when no packets come. When it has something to do next; `None`: not before the next packet.
    pub fn collect(&mut self, now: Instant) -> Option<Instant> {
        self.engine.collect(now);
        self.engine.next_deadline()
    }

    /// The engine: connections, ruleset and host to read, all else it can do.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to change: routes and neighbours ([`Engine::change_host`]), connections.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    fn pass(
        &mut self,
        now: Instant,
        (iif, packet_type): (IfIndex, PacketType),
        frame: &[u8],
        traced: bool,
        observer: &mut impl Observer,
    ) -> Passage {
        let engine = &mut self.engine;
        let link = match engine.host().interface(iif).map(|interface| interface.kind) {
            Some(ETHERNET | LOOPBACK) => LinkType::Ethernet,
            _ => LinkType::None,
        };
        self.buffer.clear();
        self.buffer.extend_from_slice(frame);
        self.buffer.resize(frame.len() + ROOM, 0);
        let mut packet = Packet::new(&mut self.buffer, 0, frame.len(), link);
        (packet.meta.iif, packet.meta.packet_type, packet.meta.nftrace) = (iif, packet_type, traced);
        let disposition = engine.process(now, &mut packet, observer);
        Passage::gather(engine, disposition, &packet)
    }
}

/// `ARPHRD_ETHER`, `linux/if_arp.h`.
const ETHERNET: u16 = 1;
/// `ARPHRD_LOOPBACK`: its frames bear an Ethernet header of zeros.
const LOOPBACK: u16 = 772;

/// Notes the steps of one packet.
struct Tracing(Tracer);

impl Observer for Tracing {
    fn trace(&mut self, event: &TraceEvent, packet: &Packet<'_>) {
        self.0.event(event, packet);
    }
}

#[cfg(test)]
mod tests;
