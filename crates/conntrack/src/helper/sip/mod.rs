//! SIP: calls and their media (nf_conntrack_sip.c, nf_nat_sip.c; RFC 3261, RFC 4566).
//!
//! ```text
//! REGISTER, 200     calls from the registrar to the address registered   class 0, stays, with the expiry of the answer
//! INVITE, 183, 200  a stream for each m= line and its control, from the   classes 1 (audio), 2 (video), 3 (image)
//!                   peer to the address and port that the message names
//! BYE, 4xx and on   the streams are expected no more
//! ```
//!
//! With NAT, headers and session descriptions name what the receiver sees of the sender. `sip_direct_signalling` and
//! `sip_direct_media` are fields of [`Config`](crate::Config), on as in the kernel; `sip_external_media` is off.

mod header;
mod memory;
mod message;
mod register;
mod rewrite;
mod sdp;
mod text;

use std::time::Duration;

use ironweir_wire::L3;
use ironweir_wire::protocol::ipproto;

use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::Policy;
use header::{Kind, find, place};
use memory::Memory;
use message::Message;
use text::{begins, number};

/// Classes of expectations (`enum sip_expectation_classes`).
const SIGNALLING: u8 = 0;
const AUDIO: u8 = 1;
const VIDEO: u8 = 2;
const IMAGE: u8 = 3;

/// A connection with messages lives so long without packets (`sip_timeout`).
const TIMEOUT: Duration = Duration::from_secs(3600);
/// What is shorter is no message.
const SHORTEST: usize = b"SIP/2.0 200".len();

/// The helper "sip".
#[derive(Debug)]
pub(super) struct Sip {
    l4: u8,
}

impl Sip {
    pub(super) const UDP: Sip = Sip { l4: ipproto::UDP };
    pub(super) const TCP: Sip = Sip { l4: ipproto::TCP };
}

impl Helper for Sip {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn l4(&self) -> u8 {
        self.l4
    }

    fn policies(&self) -> &[Policy] {
        const {
            const fn policy(max_expected: usize) -> Policy {
                Policy { max_expected, timeout: Duration::from_secs(180) }
            }
            &[policy(1), policy(4), policy(4), policy(2)]
        }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        if self.l4 == ipproto::UDP {
            context.keep(TIMEOUT);
            if payload.len() < SHORTEST {
                return Judgement::Accept;
            }
            return read(&mut Message::new(context, payload, 0));
        }
        if !context.is_established() {
            return Judgement::Accept;
        }
        context.keep(TIMEOUT);
        segment(payload, context)
    }
}

/// All messages that are wholly in a segment (`sip_help_tcp`).
fn segment(payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
    let l3 = context.tuple(Direction::Original).l3;
    let (mut rest, mut at, mut grown) = (payload, 0usize, 0i32);
    if rest.len() < SHORTEST {
        return Judgement::Accept;
    }
    while let Some(len) = message_len(rest, l3) {
        // DIVERGES: where a message is cut off, the kernel forgets by how much those before it have grown.
        let Some((text, behind)) = rest.split_at_checked(len) else { break };
        let mut message = Message::new(context, text, at);
        if read(&mut message) == Judgement::Drop {
            return Judgement::Drop;
        }
        at = at.saturating_add(message.text().len());
        grown = grown.saturating_add(message.grown);
        rest = behind;
    }
    context.move_numbers(grown);
    Judgement::Accept
}

/// How long the first message is, by its Content-Length.
fn message_len(text: &[u8], l3: L3) -> Option<usize> {
    let span = find(text, 0, Kind::ContentLength, l3).found()?;
    let (content, digits) = number(text.get(span.at..)?);
    let content = usize::try_from(content).ok().filter(|content| digits > 0 && *content <= text.len())?;
    let behind = text.get(span.end()..)?;
    let end = behind.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = span.end() + end + 4;
    Some(head + content)
}

/// Reads a message and changes it (`process_sip_msg`).
fn read(message: &mut Message<'_, '_, '_, '_>) -> Judgement {
    let judgement = if begins(message.text(), b"SIP/2.0 ") { response(message) } else { request(message) };
    if judgement == Judgement::Accept && message.context.has_nat() {
        return rewrite::headers(message);
    }
    judgement
}

/// The methods that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Invite,
    Update,
    Ack,
    Prack,
    Bye,
    Register,
}

const METHODS: [(&[u8], Method); 6] = [
    (b"INVITE", Method::Invite),
    (b"UPDATE", Method::Update),
    (b"ACK", Method::Ack),
    (b"PRACK", Method::Prack),
    (b"BYE", Method::Bye),
    (b"REGISTER", Method::Register),
];

/// Number and place behind it of the CSeq header.
fn sequence(text: &[u8], l3: L3) -> Option<(u32, usize)> {
    let span = find(text, 0, Kind::CSeq, l3).found()?;
    let (value, digits) = number(text.get(span.at..)?);
    (digits > 0).then_some((value, span.end()))
}

fn request(message: &mut Message<'_, '_, '_, '_>) -> Judgement {
    let l3 = message.l3();
    let (own, _) = message.tuples();
    // Some phones send from a high port and listen at another: answers are to go where they listen.
    if let Some(via) = place(message.text(), Kind::ViaUdp, l3).found()
        && via.port != own.src_id
        && via.address == own.src
    {
        Memory { answers_to: Some(via.port), ..Memory::of(message.context) }.store(message.context);
    }
    let text = message.text();
    let method = METHODS.iter().find(|(name, _)| {
        let behind = (text.get(name.len()), text.get(name.len() + 1));
        begins(text, name) && matches!(behind, (Some(b' '), Some(letter)) if letter.is_ascii_alphabetic())
    });
    let Some((_, method)) = method else { return Judgement::Accept };
    let Some((number, _)) = sequence(text, l3) else { return Judgement::Drop };
    match method {
        Method::Invite => {
            forget_media(message);
            let judgement = sdp::media(message);
            if judgement == Judgement::Accept {
                Memory { invite: number, ..Memory::of(message.context) }.store(message.context);
            }
            judgement
        }
        Method::Update | Method::Ack | Method::Prack => sdp::media(message),
        Method::Bye => {
            forget_media(message);
            Judgement::Accept
        }
        Method::Register => register::request(message, number),
    }
}

fn response(message: &mut Message<'_, '_, '_, '_>) -> Judgement {
    let l3 = message.l3();
    let text = message.text();
    let (status, _) = number(text.get(b"SIP/2.0 ".len()..).unwrap_or_default());
    if status == 0 {
        return Judgement::Drop;
    }
    let Some((number, end)) = sequence(text, l3) else { return Judgement::Drop };
    let answered = text.get(end + 1..).unwrap_or_default();
    let Some((_, method)) = METHODS
        .iter()
        .find(|(name, method)| !matches!(method, Method::Ack | Method::Bye) && begins(answered, name))
    else {
        return Judgement::Accept;
    };
    if *method == Method::Register {
        return register::response(message, number, status);
    }
    if code::is_provisional(status) || code::is_success(status) {
        return sdp::media(message);
    }
    if Memory::of(message.context).invite == number {
        forget_media(message);
    }
    Judgement::Accept
}

fn forget_media(message: &mut Message<'_, '_, '_, '_>) {
    message.context.unexpect_some(|class| class != SIGNALLING, usize::MAX);
}

/// What numbers of answers mean (RFC 3261 §21).
mod code {
    pub(super) fn is_provisional(status: u32) -> bool {
        (100..200).contains(&status)
    }

    pub(super) fn is_success(status: u32) -> bool {
        (200..300).contains(&status)
    }
}
