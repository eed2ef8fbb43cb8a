//! An nfnetlink server over an [`Engine`]: what the kernel is to `nft` and `conntrack`, without a socket.
//!
//! ```text
//! bytes of a client ─► Server::request ─┬─ a batch ──► Engine::commit ──► events for the groups ─┐
//!                                       └─ questions ► Engine::ruleset ──────────────────────────┼─► Server::output
//!                                                      acknowledgements and errors ◄─────────────┘   datagrams, per client
//! ```
//!
//! Requests are worked on one at a time; dumps in portions, between which others have their turn. What waits for a client that does not read is bounded: see [`Output`].

mod batch;
mod dump;
mod event;
mod expectation;
mod fault;
pub(crate) mod flow;
mod log;
mod output;
mod query;
mod queue;
pub(crate) mod state;
mod statistics;

pub use output::{MAX_WAITING, Output};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use ironweir_engine::Engine;
use ironweir_netlink::subsystem;
use ironweir_netlink::{
    Ack, DecodeError, Flags, Header, Message, Messages, ack::Extended, batch as envelope,
};
use ironweir_ruleset::netlink::Generation;
use ironweir_ruleset::netlink::Told;
use ironweir_ruleset::store::Errno;
use ironweir_ruleset::{Batch, Change, Handle, Selector, TableFlags};
use ironweir_wire::Instant;

use crate::watch::{Activity, Watch};

/// The group of ruleset events (`NFNLGRP_NFTABLES`).
pub const GROUP_NFTABLES: u32 = 7;
/// The group of traces (`NFNLGRP_NFTRACE`).
pub const GROUP_NFTRACE: u32 = 9;
/// The highest number of a group (`NFNLGRP_MAX` of `linux/netfilter/nfnetlink.h`).
pub const MAX_GROUP: u32 = 9;
/// The lowest type that is no control message (`NLMSG_MIN_TYPE`).
const MIN_TYPE: u16 = 0x10;

/// A client, by the number that [`Server::connect`] gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u32);

/// Who a client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Number of its process.
    pub pid: u32,
    /// Name of its program.
    pub name: Option<Box<str>>,
}

#[derive(Debug)]
struct Client {
    process: Process,
    /// What its answers name (`nlmsg_pid`).
    port: u32,
    /// One bit for each group it joined, the lowest for group 1.
    groups: u32,
    output: Output,
    dumps: dump::Dumps,
}

/// The clients of an engine.
#[derive(Debug, Default)]
pub struct Server {
    clients: HashMap<ClientId, Client>,
    next: u32,
    /// Which client's table that is (`NFT_TABLE_F_OWNER`), by the table's handle.
    owners: HashMap<Handle, ClientId>,
    /// How many events of connections were lost when it was last looked at.
    events_lost: u64,
    /// What is told of packets.
    watch: Arc<Watch>,
    /// Who listens to which group of `log`.
    logs: HashMap<u16, log::Group>,
    /// Number of the next packet of all groups.
    log_seq: u32,
    /// Who listens to which queue.
    queues: HashMap<u16, queue::Listener>,
}

/// Whether a client listens to traces.
fn hears_traces(client: &Client) -> bool {
    client.groups & 1 << (GROUP_NFTRACE - 1) != 0
}

/// A time in seconds and microseconds.
fn timestamp(at: Instant) -> (u64, u64) {
    (at.secs(), at.nanos() / 1000 % 1_000_000)
}

/// An answer that is an error.
#[derive(Debug)]
struct Refused {
    errno: Errno,
    error: Option<DecodeError>,
    offset: Option<u32>,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        Refused { errno, error: None, offset: None }
    }
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Refused {
        Refused { errno: Errno::EINVAL, error: Some(error), offset: None }
    }
}

/// A request of a client, read as far as that needs no engine: packets need not wait for it.
#[derive(Debug)]
pub struct Request<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Batch(batch::Read<'a>),
    Questions(Messages<'a>),
}

impl<'a> Request<'a> {
    /// Reads a datagram. `None`: a batch in which messages cannot be told apart, so nobody can be answered.
    pub fn read(datagram: &'a [u8]) -> Option<Request<'a>> {
        let mut messages = Messages::new(datagram);
        Some(Request(match messages.clone().next() {
            Some(Ok(first)) if first.header.kind == envelope::BEGIN => {
                messages.next();
                Kind::Batch(batch::read(&first, messages)?)
            }
            _ => Kind::Questions(messages),
        }))
    }
}

impl Server {
    /// Without clients.
    pub fn new() -> Server {
        Server::default()
    }

    /// A new client. Until it says otherwise, its port is the number of its process.
    pub fn connect(&mut self, process: Process) -> ClientId {
        let id = ClientId(self.next);
        self.next = self.next.wrapping_add(1);
        Activity::count(&self.watch.activity().came);
        self.watch.activity().clients.store(self.clients.len() as u64 + 1, Ordering::Relaxed);
        let port = process.pid;
        self.clients.insert(
            id,
            Client { process, port, groups: 0, output: Output::default(), dumps: dump::Dumps::new() },
        );
        id
    }

    /// A client went: what it owns goes with it (`nft_rcv_nl_event` of `nf_tables_api.c`).
    pub fn disconnect(&mut self, engine: &mut Engine, id: ClientId) {
        if self.clients.remove(&id).is_none() {
            return;
        }
        self.watch.activity().clients.store(self.clients.len() as u64, Ordering::Relaxed);
        self.leave_logs(id);
        self.leave_queues(engine, id);
        self.note_tracing();
        let mut owned: Vec<Handle> =
            self.owners.iter().filter(|(_, owner)| **owner == id).map(|(handle, _)| *handle).collect();
        owned.sort_unstable();
        self.owners.retain(|_, owner| *owner != id);
        let mut batch = Batch::default();
        for handle in owned {
            let Some(table) = engine.ruleset().tables().find(|table| table.handle == handle) else {
                continue;
            };
            if !table.table.flags.contains(TableFlags::PERSIST) {
                let which = Selector::Handle(handle);
                batch.changes.push(Change::DelTable {
                    family: table.table.id.family,
                    which,
                    missing_ok: false,
                });
            }
        }
        if !batch.changes.is_empty() {
            let origin = event::Origin { client: None, port: 0, process: Process::default() };
            let requests = vec![Header::default(); batch.changes.len()];
            // What cannot go is left: nobody is there to be told.
            let _ = self.commit(engine, &origin, &batch, &requests, None);
        }
    }

    /// The port that a client's answers name from now on.
    pub fn set_port(&mut self, id: ClientId, port: u32) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.port = port;
        }
    }

    /// Makes a client hear of a group's events, or no more.
    ///
    /// # Errors
    /// [`Errno::EINVAL`]: there is no such group.
    pub fn listen(&mut self, id: ClientId, group: u32, join: bool) -> Result<(), Errno> {
        if !(1..=MAX_GROUP).contains(&group) {
            return Err(Errno::EINVAL);
        }
        if let Some(client) = self.clients.get_mut(&id) {
            let bit = 1 << (group - 1);
            client.groups = if join { client.groups | bit } else { client.groups & !bit };
        }
        self.note_tracing();
        Ok(())
    }

    /// What is told of packets comes from there; who listens is noted there.
    pub fn watch(&mut self, watch: &Arc<Watch>) {
        if !Arc::ptr_eq(&self.watch, watch) {
            self.watch = watch.clone();
            self.note_tracing();
        }
    }

    /// Packets' traces are made while somebody listens.
    fn note_tracing(&self) {
        self.watch.set_tracing(self.clients.values().any(hears_traces));
    }

    /// Tells those who listen what packets met since the last call: traces, logs, and what waits for a verdict.
    ///
    /// Lines of `log` without a group are the caller's: level, and text.
    pub fn tell_packets(&mut self, engine: &mut Engine, now: Instant) -> Vec<(u8, String)> {
        self.tell_queued(engine);
        let mut lines = Vec::new();
        if self.watch.has_news() {
            let seen = self.watch.take();
            lines = seen.lines;
            let generation = engine.ruleset().generation() as u32;
            for trace in seen.traces {
                let mut bytes = Vec::new();
                if Told::Trace(Box::new(trace)).encode(&mut bytes, Header::default(), generation).is_err() {
                    continue;
                }
                for client in self.clients.values_mut().filter(|client| hears_traces(client)) {
                    client.output.event(&bytes);
                }
            }
            if seen.traces_lost {
                let listeners = self.clients.values_mut().filter(|client| hears_traces(client));
                listeners.for_each(|client| client.output.lose());
            }
            seen.logs.iter().for_each(|logged| self.gather(logged, now));
            seen.groups_lost.into_iter().for_each(|group| self.lose_logs(group));
        }
        self.flush_due(now);
        lines
    }

    /// Datagrams that wait for a client.
    pub fn output(&mut self, id: ClientId) -> Option<&mut Output> {
        self.clients.get_mut(&id).map(|client| &mut client.output)
    }

    /// Whether anything waits for a client, or is still to be made for it.
    pub fn waiting(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| !client.output.is_empty() || !client.dumps.is_empty())
    }

    /// Bytes that wait for a client.
    pub fn waiting_bytes(&self, id: ClientId) -> usize {
        self.clients.get(&id).map_or(0, |client| client.output.bytes())
    }

    /// Works on one request of a client (`nfnetlink_rcv` of `net/netfilter/nfnetlink.c`). The answers wait in its output,
    /// events in that of those who listen.
    pub fn request(&mut self, engine: &mut Engine, id: ClientId, datagram: &[u8]) {
        if let Some(request) = Request::read(datagram) {
            self.work(engine, id, request);
        }
    }

    /// [`Server::request`], of one that was read before.
    pub fn work(&mut self, engine: &mut Engine, id: ClientId, request: Request<'_>) {
        Activity::count(&self.watch.activity().requests);
        match request.0 {
            Kind::Batch(read) => self.batch(engine, id, read),
            Kind::Questions(messages) => {
                // As netlink_rcv_skb: what is cut off is passed over without a word.
                for message in messages.map_while(Result::ok) {
                    if message.header.flags.contains(Flags::REQUEST) && message.header.kind >= MIN_TYPE {
                        self.question(engine, id, &message);
                    } else if message.header.flags.contains(Flags::REQUEST | Flags::ACK) {
                        self.acknowledge(id, &message.header, Errno::Other(0).into());
                    }
                }
            }
        }
    }

    fn question(&mut self, engine: &mut Engine, id: ClientId, message: &Message<'_>) {
        let told = match message.header.subsystem() {
            subsystem::ULOG => Some(self.ulog(id, message)),
            subsystem::QUEUE => Some(self.nfqueue(engine, id, message)),
            _ => None,
        };
        match told {
            Some(Ok(())) if !message.header.flags.contains(Flags::ACK) => return,
            Some(Ok(())) => return self.acknowledge(id, &message.header, Errno::Other(0).into()),
            Some(Err(refused)) => return self.acknowledge(id, &message.header, refused),
            None => {}
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        let generation = engine.ruleset().generation() as u32;
        let mut answer = query::Answer::new(&mut client.output, message.header, client.port, generation);
        let asked = match message.header.subsystem() {
            subsystem::NFTABLES => {
                let told = Generation {
                    id: generation,
                    pid: Some(client.process.pid),
                    process: client.process.name.clone(),
                };
                query::nftables(engine, message, &mut answer, told)
            }
            subsystem::CTNETLINK => flow::ctnetlink(engine, message, &mut answer),
            ironweir_netlink::daemon::SUBSYSTEM => statistics::statistics(engine, message, &mut answer),
            subsystem::CTNETLINK_EXP => expectation::ctnetlink_exp(engine, message, &mut answer),
            _ => Err(Errno::EINVAL.into()),
        };
        match asked {
            // A dump ends by itself.
            Ok(query::Ended::Dump(what)) => {
                answer.abandon();
                if let Err(refused) = self.dump(engine, id, message.header, what) {
                    self.acknowledge(id, &message.header, refused);
                }
            }
            Ok(query::Ended::Answered) => {
                answer.flush();
                if message.header.flags.contains(Flags::ACK) {
                    self.acknowledge(id, &message.header, Errno::Other(0).into());
                }
            }
            Err(refused) => {
                answer.abandon();
                self.acknowledge(id, &message.header, refused);
            }
        }
    }

    /// Answers with an error, or with error 0: an acknowledgement.
    fn acknowledge(&mut self, id: ClientId, request: &Header, refused: Refused) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let extended = match refused.error {
            Some(error) => Extended::from(error),
            None => Extended { offset: refused.offset, ..Extended::default() },
        };
        let mut bytes = Vec::new();
        Ack { errno: refused.errno.number(), request: *request, extended }.encode(&mut bytes);
        // The header names the client; the request within stays as it came.
        bytes[12..16].copy_from_slice(&client.port.to_ne_bytes());
        client.output.answer(bytes);
    }
}

#[cfg(test)]
mod tests;
