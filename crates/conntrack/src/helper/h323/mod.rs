//! H.323: calls and their media (nf_conntrack_h323_main.c, nf_nat_h323.c; ITU-T H.225.0, H.245, Q.931).
//!
//! ```text
//! RAS    UDP 1719  endpoint and gatekeeper: registers where calls reach it   calls from the gatekeeper (Q.931), stay
//!                                            where a call goes                 calls to there (Q.931), stay
//! Q.931  TCP 1720  a call                    where its H.245 is, or H.245 within, channels   H.245; as H.245
//! H.245  TCP       what is sent, and where   channels                         RTP and RTCP; T.120, stays
//! ```
//!
//! All of these are written in ASN.1, packed (`per`); the tables of types are `h225` and `h245`. With NAT, addresses become
//! what the other side knows; they keep their length, so nothing else moves.
//!
//! The module's parameters are as at first in the kernel: calls come from the gatekeeper alone (`gkrouted_only`),
//! registrations that name no time last 300 s (`default_rrq_ttl`), a call that is forwarded is expected only where it takes
//! another way than the caller (`callforward_filter`).

mod channel;
mod h225;
mod h245;
mod memory;
mod per;
mod ras;
mod signal;
#[cfg(test)]
mod tests;
mod tpkt;

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3, Tuple};

use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::Policy;
use memory::Memory;
use per::Found;
use tpkt::Messages;

/// The names of the helpers.
const RAS_NAME: &str = "RAS";
const Q931_NAME: &str = "Q.931";
const H245_NAME: &str = "H.245";

/// How long something is expected.
const TIMEOUT: Duration = Duration::from_secs(240);

/// What is noted of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// gatekeeperRequest begins, and so on.
    Grq,
    Gcf,
    Rrq,
    Rcf,
    Urq,
    Arq,
    Acf,
    Lrq,
    Lcf,
    Irr,
    /// timeToLive, in seconds.
    TimeToLive,
    /// rasAddress, replyAddress.
    Ras,
    CallSignal,
    DestCallSignal,
    SourceCallSignal,
    /// Setup-UUIE begins.
    Setup,
    /// h245Address.
    H245,
    /// alternativeAddress.
    Alternative,
    /// The reason of a Facility.
    CallForwarded,
    /// A message of H.245 begins within one of Q.931.
    Tunnelled,
    /// OpenLogicalChannel begins.
    Channel,
    /// OpenLogicalChannelAck begins.
    ChannelAck,
    /// Its data are those of T.120.
    T120,
    /// mediaChannel, mediaControlChannel.
    Media,
    /// separateStack.
    Stack,
}

/// The packet is to be dropped.
struct Dropped;

type Done = Result<(), Dropped>;

/// A message that was read.
struct Message<'m, 'c, 'p> {
    context: &'m mut Context<'c, 'p>,
    /// Its bytes, and where in the payload they begin.
    bytes: &'m [u8],
    at: usize,
}

impl Message<'_, '_, '_> {
    /// The connection as its sender sees it, and as the other side does.
    fn tuples(&self) -> (Tuple, Tuple) {
        let direction = self.context.direction();
        (self.context.tuple(direction), self.context.tuple(direction.opposite()))
    }

    /// The address and port noted, if they are of the connection's protocol (`get_h225_addr`, `get_h245_addr`).
    fn place(&self, found: &Found) -> Option<(Address, u16)> {
        let own = self.context.tuple(Direction::Original);
        if found.l3 != own.l3 {
            return None;
        }
        let rest = self.bytes.get(found.at..)?;
        let (address, rest) = rest.split_at_checked(found.l3.address_len())?;
        let port = u16::from_be_bytes(*rest.first_chunk()?);
        Some((Address::from_slice(address)?, port))
    }

    /// Puts another address of IPv4 and port in the place of those noted (`set_addr`).
    fn set(&mut self, found: &Found, address: Address, port: u16) -> Done {
        let [a, b, c, d] = address.as_v4();
        let [high, low] = port.to_be_bytes();
        let with = [a, b, c, d, high, low];
        if self.context.mangle(self.at + found.at, with.len(), &with) { Ok(()) } else { Err(Dropped) }
    }

    /// Whether addresses may be changed: the kernel's NAT knows H.323 over IPv4 alone.
    fn has_nat(&self) -> bool {
        self.context.tuple(Direction::Original).l3 == L3::V4 && self.context.has_nat()
    }

    /// Whether the other side knows the sender by another address.
    fn is_hidden(&self) -> bool {
        let (own, other) = self.tuples();
        self.has_nat() && own.src != other.dst
    }
}

fn judgement(done: Done) -> Judgement {
    if done.is_ok() { Judgement::Accept } else { Judgement::Drop }
}

/// Reads the messages of a segment while `read` understands them.
fn segments(
    payload: &[u8],
    context: &mut Context<'_, '_>,
    read: impl Fn(&mut Message<'_, '_, '_>) -> Option<Done>,
) -> Judgement {
    if !context.is_established() {
        return Judgement::Accept;
    }
    let direction = context.direction() as usize;
    let mut messages = Messages::new(payload);
    loop {
        let mut memory = Memory::of(context);
        let next = messages.next(&mut memory.separate[direction]);
        memory.store(context);
        let Some((at, bytes)) = next else { return Judgement::Accept };
        match read(&mut Message { context: &mut *context, bytes, at }) {
            Some(Ok(())) => {}
            Some(Err(Dropped)) => return Judgement::Drop,
            None => return Judgement::Accept,
        }
    }
}

/// The helper "RAS": registration, admission and status, between endpoints and gatekeepers.
#[derive(Debug)]
pub(super) struct Ras;

impl Helper for Ras {
    fn name(&self) -> &'static str {
        RAS_NAME
    }

    fn l4(&self) -> u8 {
        ipproto::UDP
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 32, timeout: TIMEOUT }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        let Some(found) = per::read(payload, 0, &h225::RAS_ANY) else { return Judgement::Accept };
        judgement(ras::message(&mut Message { context, bytes: payload, at: 0 }, &found))
    }
}

/// The helper "Q.931": the signalling of calls.
#[derive(Debug)]
pub(super) struct Q931;

impl Helper for Q931 {
    fn name(&self) -> &'static str {
        Q931_NAME
    }

    fn l4(&self) -> u8 {
        ipproto::TCP
    }

    fn reads_empty(&self) -> bool {
        true
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: memory::CHANNELS * 4 + 4, timeout: TIMEOUT }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        segments(payload, context, |message| {
            let at = signal::user_information(message.bytes)?;
            let found = per::read(message.bytes, at, &h225::USER)?;
            Some(signal::message(message, &found))
        })
    }
}

/// The helper "H.245": what is sent in a call, and where. No rule gives it: connections that a call announces have it.
///
/// DIVERGES: to the kernel, rules may give it to connections over UDP, whose payload it then reads as if it were TCP's.
#[derive(Debug)]
pub(super) struct H245;

impl Helper for H245 {
    fn name(&self) -> &'static str {
        H245_NAME
    }

    fn l4(&self) -> u8 {
        ipproto::TCP
    }

    fn l3(&self) -> &'static [L3] {
        &[]
    }

    fn reads_empty(&self) -> bool {
        true
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: memory::CHANNELS * 4 + 2, timeout: TIMEOUT }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        segments(payload, context, |message| {
            let found = per::read(message.bytes, 0, &h245::MESSAGE)?;
            Some(channel::all(message, &found))
        })
    }
}
