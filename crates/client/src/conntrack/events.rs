//! Events: what the kernel tells about connections and expectations as they come, change and go.

use std::time::Duration;

use ironweir_io::{Endpoint, NetlinkSocket};
use ironweir_netlink::ctnetlink::{Expectation, Flow, group, message as flow_message};
use ironweir_netlink::{Flags, Message, Messages, subsystem};

use super::ConntrackError;

/// Which events are heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// New ones.
    pub new: bool,
    /// Changes.
    pub update: bool,
    /// Ends.
    pub destroy: bool,
    /// Of expectations instead of connections.
    pub expectations: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It is new.
    New,
    /// It has changed.
    Update,
    /// It is gone.
    Destroy,
}

/// To what it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A connection.
    Flow(Box<Flow>),
    /// An expectation.
    Expectation(Box<Expectation>),
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// `AF_INET` (2) or `AF_INET6` (10).
    pub family: u8,
    /// Port of the process whose request caused it; 0: packets or time did.
    pub port: u32,
    /// To what.
    pub subject: Subject,
}

/// A socket on which events are heard.
#[derive(Debug)]
pub struct Events {
    socket: NetlinkSocket,
}

impl Events {
    /// Listens to groups. Room for events that wait is `room` bytes, if given.
    pub fn open_at(
        endpoint: &Endpoint,
        groups: Groups,
        room: Option<usize>,
    ) -> Result<Events, ConntrackError> {
        let mut socket = NetlinkSocket::open_at(endpoint)?;
        if let Some(room) = room {
            socket.set_receive_room(room);
        }
        let numbers = match groups.expectations {
            false => [group::NEW, group::UPDATE, group::DESTROY],
            true => [group::EXPECTATION_NEW, group::EXPECTATION_UPDATE, group::EXPECTATION_DESTROY],
        };
        for (number, wanted) in numbers.into_iter().zip([groups.new, groups.update, groups.destroy]) {
            if wanted {
                socket.join(number)?;
            }
        }
        Ok(Events { socket })
    }

    /// Bytes of room for events that wait, as the kernel counts them.
    pub fn room(&self) -> Option<usize> {
        self.socket.receive_room()
    }

    /// Waits for events, at most so long, and hands over all that are there then (of some thousand at most, so that the
    /// caller can look up). Returns whether there were any: no event within the time and an interruption by a signal are
    /// both `false`.
    ///
    /// # Errors
    /// [`ironweir_io::NetlinkError::Lost`] in [`ConntrackError::Socket`]: the room was full and events are gone. Listening
    /// goes on.
    pub fn next(
        &mut self,
        timeout: Option<Duration>,
        mut each: impl FnMut(Event),
    ) -> Result<bool, ConntrackError> {
        /// The kernel sends each event in a datagram of its own.
        const AT_ONCE: usize = 4096;
        if !self.socket.wait(timeout)? {
            return Ok(false);
        }
        for count in 0..AT_ONCE {
            let Some(datagram) = self.socket.receive()? else { return Ok(count > 0) };
            for message in Messages::new(datagram) {
                if let Some(event) = event(&message?)? {
                    each(event);
                }
            }
        }
        Ok(true)
    }
}

/// Messages of other subsystems and unknown ones of a newer kernel are none.
fn event(message: &Message<'_>) -> Result<Option<Event>, ConntrackError> {
    let [of, what] = message.header.kind.to_be_bytes();
    let (genmsg, attributes) = message.nfgen()?;
    let subject = match of {
        subsystem::CTNETLINK => Subject::Flow(Box::new(Flow::decode(attributes)?)),
        subsystem::CTNETLINK_EXP => Subject::Expectation(Box::new(Expectation::decode(attributes)?)),
        _ => return Ok(None),
    };
    let flags = message.header.flags;
    let kind = match what {
        flow_message::NEW if flags.contains(Flags::CREATE | Flags::EXCL) => EventKind::New,
        flow_message::NEW => EventKind::Update,
        flow_message::DELETE => EventKind::Destroy,
        _ => return Ok(None),
    };
    Ok(Some(Event { kind, family: genmsg.family, port: message.header.port, subject }))
}
