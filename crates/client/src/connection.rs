//! Questions and answers over one netlink socket.
//!
//! Each question has a sequence number; what carries another one is left over from an earlier question that failed, and
//! is passed over. All questions end: a dump by `NLMSG_DONE`, others by an answer, an acknowledgement or an error.

use std::time::{Duration, Instant};

use ironweir_io::{Endpoint, NetlinkError, NetlinkSocket};
use ironweir_netlink::ack::{Ack, Done, Extended};
use ironweir_netlink::{DecodeError, EncodeError, Flags, Message, Messages, kind};
use ironweir_ruleset::netlink::readable;
use ironweir_ruleset::store::Errno;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] NetlinkError),
    /// The kernel answered with an error.
    #[error("{}", .0.errno.text())]
    Answer(Refusal),
    /// What was asked about changed during the answer: ask again (`NLM_F_DUMP_INTR`, `EINTR`).
    #[error("the kernel's tables changed while they were read")]
    Interrupted,
    /// The kernel said something that cannot be read.
    #[error("cannot read the kernel's answer: {0}")]
    Decode(#[from] DecodeError),
    /// The question cannot be written.
    #[error("cannot ask the kernel: {0}")]
    Encode(#[from] EncodeError),
    /// The kernel did not answer in time. It answers within the system call, so this is a fault of the kernel's.
    #[error("the kernel does not answer")]
    Silent,
}

/// An error of the kernel's with all that it told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Sequence number of the message that was refused.
    pub seq: u32,
    /// Why.
    pub errno: Errno,
    /// In words, where the kernel had some.
    pub message: Option<Box<str>>,
    /// Which attribute of the message is at fault, in bytes from its beginning.
    pub offset: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(seq: u32, errno: i32, extended: &Extended<'_>) -> Refusal {
        Refusal {
            seq,
            errno: Errno::from_number(errno),
            message: extended.message.filter(|message| !message.is_empty()).map(Box::from),
            offset: extended.offset,
        }
    }
}

impl AskError {
    /// Whether what was asked for does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, AskError::Answer(Refusal { errno: Errno::ENOENT, .. }))
    }
}

/// A socket with the numbering of its questions.
#[derive(Debug)]
pub struct Connection {
    socket: NetlinkSocket,
    seq: u32,
    request: Vec<u8>,
    /// What takes every request as text.
    shown: Option<fn(&str)>,
}

/// How long an answer may take. The kernel has it ready when the question is sent; dumps of sets may wait for a lock.
const PATIENCE: Duration = Duration::from_secs(60);

impl Connection {
    /// Over a socket of its own.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Connect`].
    pub fn open_at(endpoint: &Endpoint) -> Result<Connection, NetlinkError> {
        Ok(Connection { socket: NetlinkSocket::open_at(endpoint)?, seq: 0, request: Vec::new(), shown: None })
    }

    /// From now on `show` gets every request in words before it is sent.
    pub fn show_requests(&mut self, show: fn(&str)) {
        self.shown = Some(show);
    }

    fn send(&mut self, request: &[u8]) -> Result<(), NetlinkError> {
        if let Some(show) = self.shown {
            show(&readable(request));
        }
        self.socket.send(request)
    }

    /// The socket, for events.
    pub fn socket(&mut self) -> &mut NetlinkSocket {
        &mut self.socket
    }

    /// The sequence number of the next message. It never is 0, which events carry.
    pub fn next_number(&mut self) -> u32 {
        // Nobody remembers numbers of so long ago; no batch has as many messages as are left here.
        if self.seq > u32::MAX / 2 {
            self.seq = 0;
        }
        self.seq + 1
    }

    /// Takes sequence numbers for as many messages, from [`Connection::next_number`] on.
    pub fn take_numbers(&mut self, count: u32) {
        self.seq = self.seq.saturating_add(count);
    }

    /// Asks one question. `write` writes the message with the given number, a dump or with [`Flags::ACK`]; `each` takes
    /// every message of the answer.
    ///
    /// # Errors
    /// [`AskError`]. Where `each` fails, the rest of the answer is passed over.
    pub fn ask<F>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32) -> Result<(), EncodeError>,
        mut each: F,
    ) -> Result<(), AskError>
    where
        F: FnMut(&Message<'_>) -> Result<(), DecodeError>,
    {
        let seq = self.next_number();
        self.take_numbers(1);
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        let sent = write(&mut request, seq).map_err(AskError::from).and_then(|()| Ok(self.send(&request)?));
        self.request = request;
        sent?;
        let asked = Instant::now();
        let (mut interrupted, mut failed) = (false, None);
        loop {
            let left = PATIENCE.checked_sub(asked.elapsed()).ok_or(AskError::Silent)?;
            // Nothing where a signal came instead.
            let Some(datagram) = self.socket.receive_within(Some(left))? else { continue };
            for message in Messages::new(datagram) {
                let message = message?;
                if message.header.seq != seq {
                    continue;
                }
                interrupted |= message.header.flags.contains(Flags::DUMP_INTR);
                match message.header.kind {
                    kind::NOOP => {}
                    kind::ERROR => {
                        let ack = Ack::decode(&message)?;
                        return match ack.errno {
                            0 => failed.map_or(Ok(()), |error| Err(AskError::Decode(error))),
                            errno => Err(AskError::of(Refusal::new(seq, errno, &ack.extended))),
                        };
                    }
                    kind::DONE => {
                        let done = Done::decode(&message)?;
                        // A socket has one dump at a time: it must be read to its end, whatever was wrong with it.
                        if let Some(error) = failed {
                            return Err(AskError::Decode(error));
                        }
                        return match done.errno {
                            0 if interrupted => Err(AskError::Interrupted),
                            0 => Ok(()),
                            errno => Err(AskError::of(Refusal::new(seq, errno, &done.extended))),
                        };
                    }
                    _ if failed.is_none() => failed = each(&message).err(),
                    _ => {}
                }
            }
        }
    }

    /// Sends a batch whose first message has the number `first`, and reads everything that the kernel has to say about
    /// it: every error goes to `refused`, every other message (echoes) to `each`. Tells whether something was lost.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn send_batch<F>(
        &mut self,
        batch: &[u8],
        first: u32,
        refused: &mut Vec<Refusal>,
        mut each: F,
    ) -> Result<bool, AskError>
    where
        F: FnMut(&Message<'_>) -> Result<(), DecodeError>,
    {
        self.send(batch)?;
        let mut lost = false;
        loop {
            let datagram = match self.socket.receive() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(lost),
                Err(NetlinkError::Lost) => {
                    lost = true;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for message in Messages::new(datagram) {
                let message = message?;
                // Echoes of elements have no number (nf_tables_setelem_notify of Linux 6.18).
                let own = message.header.seq.wrapping_sub(first) <= self.seq.wrapping_sub(first);
                if !own && message.header.seq != 0 {
                    continue;
                }
                match message.header.kind {
                    kind::NOOP | kind::DONE => {}
                    kind::ERROR => {
                        let ack = Ack::decode(&message)?;
                        if ack.errno != 0 {
                            refused.push(Refusal::new(message.header.seq, ack.errno, &ack.extended));
                        }
                    }
                    _ => each(&message)?,
                }
            }
        }
    }
}

impl AskError {
    fn of(refusal: Refusal) -> AskError {
        match refusal.errno {
            Errno::EINTR | Errno::EAGAIN => AskError::Interrupted,
            _ => AskError::Answer(refusal),
        }
    }
}
