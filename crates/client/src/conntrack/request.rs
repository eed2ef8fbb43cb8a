//! Requests: each a message out, and the messages that answer it.

use std::ops::ControlFlow;
use std::time::Duration;

use ironweir_io::{Endpoint, NetlinkSocket};
use ironweir_netlink::ctnetlink::{
    CpuStats, Expectation, Flow, TableStats, expectation_message, message as flow_message,
};
use ironweir_netlink::{Ack, Done, GenMsg, Message, Messages, Writer, kind, message, subsystem};

pub use ironweir_netlink::Flags;

use super::ConntrackError;

/// A socket over which connections are listed and changed.
#[derive(Debug)]
pub struct Conntrack {
    socket: NetlinkSocket,
    seq: u32,
    request: Vec<u8>,
}

/// Which connections are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Those in the table.
    Table,
    /// Those in the table; their counters become zero.
    TableZeroing,
    /// Those that have left the table and are still in use.
    Dying,
    /// Those whose first packet has not left yet.
    Unconfirmed,
}

/// Longest time between a request and its answer. The kernel answers while the request is sent; another peer may not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Subsystem and message as one type.
const fn kind_of(subsystem: u8, message: u8) -> u16 {
    (subsystem as u16) << 8 | message as u16
}

impl Conntrack {
    /// Opens a socket to the kernel of this network namespace.
    pub fn open() -> Result<Conntrack, ConntrackError> {
        Conntrack::open_at(&Endpoint::Kernel)
    }

    /// Opens a socket to the kernel, or to a daemon.
    pub fn open_at(endpoint: &Endpoint) -> Result<Conntrack, ConntrackError> {
        Ok(Conntrack { socket: NetlinkSocket::open_at(endpoint)?, seq: 0, request: Vec::new() })
    }

    /// Lists connections of a family (0: of all). The kernel leaves out those that do not match `filter`'s mark, status,
    /// zone and, where it has [`Flow::filter`], tuples; older kernels ignore what they do not know, so look again.
    /// `each` may end the listing.
    pub fn list(
        &mut self,
        listing: Listing,
        family: u8,
        filter: &Flow,
        mut each: impl FnMut(u8, Flow) -> ControlFlow<()>,
    ) -> Result<(), ConntrackError> {
        let message = match listing {
            Listing::Table => flow_message::GET,
            Listing::TableZeroing => flow_message::GET_ZERO,
            Listing::Dying => flow_message::GET_DYING,
            Listing::Unconfirmed => flow_message::GET_UNCONFIRMED,
        };
        let kind = kind_of(subsystem::CTNETLINK, message);
        self.send(kind, Flags::DUMP, family, |w| filter.encode(w))?;
        self.answers(|message| {
            let (genmsg, attributes) = message.nfgen()?;
            Ok(each(genmsg.family, Flow::decode(attributes)?))
        })
    }

    /// The connection of a tuple, original or reply. `ENOENT` if there is none.
    pub fn get(&mut self, family: u8, flow: &Flow) -> Result<(u8, Flow), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK, flow_message::GET);
        self.send(kind, Flags::ACK, family, |w| flow.encode(w))?;
        let mut found = None;
        self.answers(|message| {
            let (genmsg, attributes) = message.nfgen()?;
            found = Some((genmsg.family, Flow::decode(attributes)?));
            Ok(ControlFlow::Continue(()))
        })?;
        found.ok_or(ConntrackError::Silence)
    }

    /// Makes a connection. `EEXIST` if there is one.
    pub fn create(&mut self, family: u8, flow: &Flow) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK, flow_message::NEW);
        self.change(kind, Flags::CREATE | Flags::EXCL, family, |w| flow.encode(w))
    }

    /// Changes the connection of a tuple in what else the flow says. `ENOENT` if there is none.
    pub fn update(&mut self, family: u8, flow: &Flow) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK, flow_message::NEW);
        self.change(kind, Flags::empty(), family, |w| flow.encode(w))
    }

    /// Deletes the connection of a tuple; if the flow has an identifier, only if it is that one's.
    pub fn delete(&mut self, family: u8, flow: &Flow) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK, flow_message::DELETE);
        self.change(kind, Flags::empty(), family, |w| flow.encode(w))
    }

    /// Deletes all connections of a family (0: of all).
    pub fn flush(&mut self, family: u8) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK, flow_message::DELETE);
        self.change(kind, Flags::empty(), family, |_| {})
    }

    /// How many connections there are.
    pub fn table_stats(&mut self) -> Result<TableStats, ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK, flow_message::GET_STATS);
        self.send(kind, Flags::ACK, 0, |_| {})?;
        let mut stats = None;
        self.answers(|message| {
            stats = Some(TableStats::decode(message.nfgen()?.1)?);
            Ok(ControlFlow::Continue(()))
        })?;
        stats.ok_or(ConntrackError::Silence)
    }

    /// What each CPU counted about connections.
    pub fn cpu_stats(&mut self) -> Result<Vec<CpuStats>, ConntrackError> {
        self.stats(kind_of(subsystem::CTNETLINK, flow_message::GET_STATS_CPU))
    }

    /// What each CPU counted about expectations.
    pub fn expectation_stats(&mut self) -> Result<Vec<CpuStats>, ConntrackError> {
        self.stats(kind_of(subsystem::CTNETLINK_EXP, expectation_message::GET_STATS_CPU))
    }

    fn stats(&mut self, kind: u16) -> Result<Vec<CpuStats>, ConntrackError> {
        self.send(kind, Flags::DUMP, 0, |_| {})?;
        let mut stats = Vec::new();
        self.answers(|message| {
            let (genmsg, attributes) = message.nfgen()?;
            stats.push(CpuStats::decode(genmsg.res_id, attributes)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(stats)
    }

    /// Lists expectations of a family (0: of all).
    pub fn list_expectations(
        &mut self,
        family: u8,
        mut each: impl FnMut(u8, Expectation) -> ControlFlow<()>,
    ) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK_EXP, expectation_message::GET);
        self.send(kind, Flags::DUMP, family, |_| {})?;
        self.answers(|message| {
            let (genmsg, attributes) = message.nfgen()?;
            Ok(each(genmsg.family, Expectation::decode(attributes)?))
        })
    }

    /// The expectation of a tuple. `ENOENT` if there is none.
    pub fn get_expectation(
        &mut self,
        family: u8,
        expectation: &Expectation,
    ) -> Result<(u8, Expectation), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK_EXP, expectation_message::GET);
        self.send(kind, Flags::ACK, family, |w| expectation.encode(w))?;
        let mut found = None;
        self.answers(|message| {
            let (genmsg, attributes) = message.nfgen()?;
            found = Some((genmsg.family, Expectation::decode(attributes)?));
            Ok(ControlFlow::Continue(()))
        })?;
        found.ok_or(ConntrackError::Silence)
    }

    /// Makes an expectation. `ENOENT` if its master is no connection.
    pub fn create_expectation(
        &mut self,
        family: u8,
        expectation: &Expectation,
    ) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK_EXP, expectation_message::NEW);
        self.change(kind, Flags::CREATE | Flags::EXCL, family, |w| expectation.encode(w))
    }

    /// Deletes the expectation of a tuple.
    pub fn delete_expectation(
        &mut self,
        family: u8,
        expectation: &Expectation,
    ) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK_EXP, expectation_message::DELETE);
        self.change(kind, Flags::empty(), family, |w| expectation.encode(w))
    }

    /// Deletes all expectations.
    pub fn flush_expectations(&mut self, family: u8) -> Result<(), ConntrackError> {
        let kind = kind_of(subsystem::CTNETLINK_EXP, expectation_message::DELETE);
        self.change(kind, Flags::empty(), family, |_| {})
    }

    /// A request that is acknowledged and not answered otherwise.
    fn change(
        &mut self,
        kind: u16,
        flags: Flags,
        family: u8,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), ConntrackError> {
        self.send(kind, flags | Flags::ACK, family, attributes)?;
        self.answers(|_| Ok(ControlFlow::Continue(())))
    }

    fn send(
        &mut self,
        kind: u16,
        flags: Flags,
        family: u8,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), ConntrackError> {
        self.seq = self.seq.wrapping_add(1);
        self.request.clear();
        let genmsg = GenMsg { family, version: 0, res_id: 0 };
        message(&mut self.request, kind, flags | Flags::REQUEST, self.seq, genmsg, attributes)?;
        Ok(self.socket.send(&self.request)?)
    }

    /// Reads answers to the last request until the one that ends them. What answers an earlier one, whose listing was
    /// ended, is passed over.
    fn answers(
        &mut self,
        mut each: impl FnMut(&Message<'_>) -> Result<ControlFlow<()>, ConntrackError>,
    ) -> Result<(), ConntrackError> {
        loop {
            let Some(datagram) = self.socket.receive_within(Some(PATIENCE))? else {
                return Err(ConntrackError::Silence);
            };
            for message in Messages::new(datagram) {
                let message = message?;
                if message.header.seq != self.seq {
                    continue;
                }
                let (errno, extended) = match message.header.kind {
                    kind::NOOP => continue,
                    kind::ERROR => Ack::decode(&message).map(|ack| (ack.errno, ack.extended))?,
                    kind::DONE => Done::decode(&message).map(|done| (done.errno, done.extended))?,
                    _ => match each(&message)? {
                        ControlFlow::Continue(()) => continue,
                        ControlFlow::Break(()) => return Ok(()),
                    },
                };
                return match errno {
                    0 => Ok(()),
                    errno => {
                        Err(ConntrackError::Refused { errno, explanation: extended.message.map(Into::into) })
                    }
                };
            }
        }
    }
}
