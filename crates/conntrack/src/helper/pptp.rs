//! PPTP: a control connection announces a tunnel of GRE, whose packets carry call ids (nf_conntrack_pptp.c, nf_nat_pptp.c;
//! RFC 2637).
//!
//! ```text
//! client (PNS)                         server (PAC)
//!   Outgoing-Call-Request  call 7  --->                      packets to the client will carry 7
//!   <--- Outgoing-Call-Reply  call 9, peer's 7               packets to the server will carry 9
//! ```
//!
//! Several clients behind one address may choose the same call id: with NAT it becomes the port of the control connection,
//! which is unique already.

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{L3, Tuple};

use super::{Context, Helper, Judgement};
use crate::entry::{Direction, HelperMemory};
use crate::expect::{Expectation, Follow, Policy};

/// What the third and fourth byte, and the next four, of a control message are (RFC 2637 §2).
const CONTROL: u16 = 1;
const MAGIC_COOKIE: u32 = 0x1a2b_3c4d;
/// Where a message's own fields begin.
const FIELDS_AT: usize = 12;

/// What a field "Result Code" is when all is well, in each message that has one.
const OK: u8 = 1;

/// Control messages (RFC 2637 §2.1 and on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    StartRequest,
    StartReply,
    StopRequest,
    StopReply,
    EchoRequest,
    EchoReply,
    OutCallRequest,
    OutCallReply,
    InCallRequest,
    InCallReply,
    InCallConnected,
    ClearRequest,
    Disconnect,
    WanError,
    SetLink,
}

/// In the order of their numbers from 1 on, with the least length of their fields.
const KINDS: [(Kind, usize); 15] = [
    (Kind::StartRequest, 144),
    (Kind::StartReply, 144),
    (Kind::StopRequest, 4),
    (Kind::StopReply, 4),
    (Kind::EchoRequest, 0),
    (Kind::EchoReply, 0),
    (Kind::OutCallRequest, 156),
    (Kind::OutCallReply, 20),
    (Kind::InCallRequest, 208),
    (Kind::InCallReply, 12),
    (Kind::InCallConnected, 16),
    (Kind::ClearRequest, 4),
    (Kind::Disconnect, 136),
    (Kind::WanError, 28),
    (Kind::SetLink, 12),
];

/// How far the control session is (`enum pptp_ctrlsess_state`, whose order matters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Session {
    #[default]
    None,
    Error,
    Stopping,
    Requested,
    Confirmed,
}

/// How far a call is (`enum pptp_ctrlcall_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Call {
    #[default]
    None,
    OutRequested,
    OutConfirmed,
    InRequested,
    InReplied,
    InConfirmed,
    Clearing,
}

const SESSIONS: [Session; 5] =
    [Session::None, Session::Error, Session::Stopping, Session::Requested, Session::Confirmed];
const CALLS: [Call; 7] = [
    Call::None,
    Call::OutRequested,
    Call::OutConfirmed,
    Call::InRequested,
    Call::InReplied,
    Call::InConfirmed,
    Call::Clearing,
];

/// What is remembered of a control connection (`struct nf_ct_pptp_master`, `struct nf_nat_pptp`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Memory {
    session: Session,
    call: Call,
    /// Call ids as the other side sees them: of server and client.
    server: u16,
    client: u16,
    /// Those that their owners chose, where NAT changes them.
    server_own: u16,
    client_own: u16,
}

impl Memory {
    fn of(memory: HelperMemory) -> Memory {
        let [states, ids, own, ..] = memory;
        let ([session, call, ..], [a, b, c, d]) = (states.to_be_bytes(), ids.to_be_bytes());
        let [e, f, g, h] = own.to_be_bytes();
        Memory {
            session: SESSIONS.get(usize::from(session)).copied().unwrap_or_default(),
            call: CALLS.get(usize::from(call)).copied().unwrap_or_default(),
            server: u16::from_be_bytes([a, b]),
            client: u16::from_be_bytes([c, d]),
            server_own: u16::from_be_bytes([e, f]),
            client_own: u16::from_be_bytes([g, h]),
        }
    }

    fn stored(self) -> HelperMemory {
        let states = u32::from_be_bytes([self.session as u8, self.call as u8, 0, 0]);
        let pair = |a: u16, b: u16| u32::from(a) << 16 | u32::from(b);
        [states, pair(self.server, self.client), pair(self.server_own, self.client_own), 0, 0, 0, 0, 0]
    }
}

/// The helper "pptp".
#[derive(Debug)]
pub(super) struct Pptp;

impl Helper for Pptp {
    fn name(&self) -> &'static str {
        "pptp"
    }

    fn l4(&self) -> u8 {
        ipproto::TCP
    }

    fn l3(&self) -> &'static [L3] {
        &[L3::V4]
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 2, timeout: Duration::from_secs(300) }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        let original = context.tuple(Direction::Original);
        if !context.is_established() || original.l3 != L3::V4 {
            return Judgement::Accept;
        }
        let Some((kind, fields)) = read(payload) else { return Judgement::Accept };
        let mut memory = Memory::of(context.memory());
        let changed = match context.direction() {
            Direction::Original => from_client(kind, fields, &mut memory, context),
            Direction::Reply => from_server(kind, fields, &mut memory, context),
        };
        context.remember(memory.stored());
        match changed {
            Some((at, id)) if !context.mangle(FIELDS_AT + at, 2, &id.to_be_bytes()) => Judgement::Drop,
            _ => Judgement::Accept,
        }
    }

    fn siblings(&self, memory: &HelperMemory, original: &Tuple, reply: &Tuple) -> [Option<Tuple>; 2] {
        siblings(&Memory::of(*memory), original, reply)
    }
}

/// The tunnel's two directions.
fn siblings(memory: &Memory, original: &Tuple, reply: &Tuple) -> [Option<Tuple>; 2] {
    let l4 = ipproto::GRE;
    [
        Some(Tuple { l4, src_id: memory.client, dst_id: memory.server, ..*original }),
        Some(Tuple { l4, src_id: memory.server, dst_id: memory.client, ..*reply }),
    ]
}

/// The kind of a message and its fields; `None` when it is none, or too short for its kind.
fn read(payload: &[u8]) -> Option<(Kind, &[u8])> {
    let [_, _, a, b, c, d, e, f, g, h, _, _] = *payload.first_chunk::<FIELDS_AT>()?;
    if u16::from_be_bytes([a, b]) != CONTROL || u32::from_be_bytes([c, d, e, f]) != MAGIC_COOKIE {
        return None;
    }
    let number = usize::from(u16::from_be_bytes([g, h])).checked_sub(1)?;
    let (kind, least) = KINDS.get(number)?;
    let fields = payload.get(FIELDS_AT..).filter(|fields| fields.len() >= *least)?;
    Some((*kind, fields))
}

fn word(fields: &[u8], at: usize) -> u16 {
    fields.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u16::from_be_bytes(*word))
}

fn byte(fields: &[u8], at: usize) -> u8 {
    fields.get(at).copied().unwrap_or(0)
}

/// A message of the client. Gives which of its fields is to be another call id (`pptp_outbound_pkt`).
fn from_client(
    kind: Kind,
    fields: &[u8],
    memory: &mut Memory,
    context: &Context<'_, '_>,
) -> Option<(usize, u16)> {
    match kind {
        Kind::StartRequest if memory.session == Session::None => memory.session = Session::Requested,
        Kind::StopRequest => memory.session = Session::Stopping,
        Kind::OutCallRequest if memory.session == Session::Confirmed => {
            memory.call = Call::OutRequested;
            memory.client = word(fields, 0);
            if context.has_nat() {
                memory.client_own = memory.client;
                memory.client = context.tuple(Direction::Reply).dst_id;
                return Some((0, memory.client));
            }
        }
        Kind::InCallReply if matches!(memory.call, Call::InRequested | Call::InReplied) => {
            if memory.server != word(fields, 2) {
                return None;
            }
            if byte(fields, 4) == OK {
                memory.call = Call::InReplied;
                memory.client = word(fields, 0);
            } else {
                memory.call = Call::None;
            }
            return context.has_nat().then_some((0, memory.client));
        }
        Kind::ClearRequest if memory.session == Session::Confirmed => {
            memory.call = Call::Clearing;
            return context.has_nat().then_some((0, memory.client));
        }
        _ => {}
    }
    None
}

/// A message of the server. Gives which of its fields is to be another call id (`pptp_inbound_pkt`).
fn from_server(
    kind: Kind,
    fields: &[u8],
    memory: &mut Memory,
    context: &mut Context<'_, '_>,
) -> Option<(usize, u16)> {
    // Where in the message the client's call id stands.
    let clients_at = match kind {
        Kind::StartReply if memory.session >= Session::Requested => {
            memory.session = if byte(fields, 2) == OK { Session::Confirmed } else { Session::Error };
            return None;
        }
        Kind::StopReply if memory.session <= Session::Stopping => {
            memory.session = if byte(fields, 0) == OK { Session::None } else { Session::Error };
            return None;
        }
        Kind::OutCallReply => {
            let asked = matches!(memory.call, Call::OutRequested | Call::OutConfirmed);
            if memory.session != Session::Confirmed || !asked || memory.client != word(fields, 2) {
                return None;
            }
            if byte(fields, 4) == OK {
                memory.call = Call::OutConfirmed;
                memory.server = word(fields, 0);
                expect_tunnel(memory, context);
            } else {
                memory.call = Call::None;
            }
            2
        }
        Kind::InCallRequest if memory.session == Session::Confirmed => {
            memory.call = Call::InRequested;
            memory.server = word(fields, 0);
            return None;
        }
        Kind::InCallConnected => {
            let replied = matches!(memory.call, Call::InReplied | Call::InConfirmed);
            if memory.session != Session::Confirmed || !replied || memory.client != word(fields, 0) {
                return None;
            }
            memory.call = Call::InConfirmed;
            expect_tunnel(memory, context);
            0
        }
        Kind::Disconnect => {
            memory.call = Call::None;
            let tuples = (context.tuple(Direction::Original), context.tuple(Direction::Reply));
            context.end_tunnel(siblings(memory, &tuples.0, &tuples.1));
            0
        }
        Kind::WanError | Kind::SetLink => 0,
        _ => return None,
    };
    context.has_nat().then_some((clients_at, memory.client_own))
}

/// Expects packets of the tunnel in both directions, and remembers whose they are (`exp_gre`). What cannot be expected is
/// not: the message passes nevertheless.
fn expect_tunnel(memory: &mut Memory, context: &mut Context<'_, '_>) {
    let (original, reply) = (context.tuple(Direction::Original), context.tuple(Direction::Reply));
    let of = |tuple: &Tuple, from: u16, to: u16, direction| Expectation {
        follow: Follow::Gre,
        direction,
        ..Expectation::new(tuple, ipproto::GRE, Some(tuple.src), tuple.dst, to).from_id(from)
    };
    let (mut there, mut back) = if context.has_nat() {
        memory.server_own = memory.server;
        (
            of(&original, memory.client_own, memory.server, Direction::Original),
            of(&reply, memory.server_own, memory.client, Direction::Reply),
        )
    } else {
        (
            of(&original, memory.client, memory.server, Direction::Original),
            of(&reply, memory.server, memory.client, Direction::Reply),
        )
    };
    there.saved_id = memory.client;
    back.saved_id = if context.has_nat() { memory.client_own } else { memory.client };
    let Ok(first) = context.expect(there.clone()) else { return };
    let Ok(second) = context.expect(back.clone()) else { return context.unexpect(first) };
    let told = context.learn_key(Direction::Original, &there.tuple);
    if told && context.learn_key(Direction::Reply, &back.tuple) {
        return;
    }
    if told {
        context.forget_keys();
    }
    context.unexpect(first);
    context.unexpect(second);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_remembered_is_what_was() {
        let memory = Memory {
            session: Session::Confirmed,
            call: Call::Clearing,
            server: 1,
            client: 0xfffe,
            server_own: 3,
            client_own: 4,
        };
        assert_eq!(Memory::of(memory.stored()), memory);
        assert_eq!(Memory::of([u32::MAX; 8]).session, Session::None);
        for (number, session) in SESSIONS.iter().enumerate() {
            assert_eq!(*session as usize, number);
        }
        for (number, call) in CALLS.iter().enumerate() {
            assert_eq!(*call as usize, number);
        }
    }

    /// Header of RFC 2637 §2.1.
    #[test]
    fn messages_shorter_than_their_kind_are_none() {
        let message = |number: u8, len: usize| {
            let mut bytes = vec![0, 0, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, number, 0, 0];
            bytes.resize(12 + len, 0);
            bytes
        };
        assert_eq!(read(&message(8, 20)).map(|(kind, _)| kind), Some(Kind::OutCallReply));
        assert_eq!(read(&message(15, 12)).map(|(kind, _)| kind), Some(Kind::SetLink));
        for (number, len) in [(8, 19), (0, 200), (16, 200)] {
            assert!(read(&message(number, len)).is_none());
        }
        let mut other = message(8, 20);
        other[4] = 0;
        assert!(read(&other).is_none());
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(payload: Vec<u8>) {
            let _ = read(&payload);
        }
    }
}
