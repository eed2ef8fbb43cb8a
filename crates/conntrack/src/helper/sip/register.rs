//! Registrations: who registers a place to be called at is called there, from the registrar, for as long as it is registered.

use std::time::Duration;

use ironweir_wire::Address;
use ironweir_wire::protocol::ipproto;

use super::header::{Kind, Sought, Walk, find, next_place, number_parameter, parameter, place};
use super::memory::Memory;
use super::message::Message;
use super::text::{begins, number, written_place};
use super::{SIGNALLING, code};
use crate::expect::{ExpectFlags, Expectation, Follow};
use crate::helper::Judgement;

/// The seconds of an `Expires` header.
fn expires(message: &Message<'_, '_, '_, '_>) -> u32 {
    let span = find(message.text(), 0, Kind::Expires, message.l3()).found();
    let digits = span.and_then(|span| message.text().get(span.at..)).unwrap_or_default();
    number(digits).0
}

/// The protocol that a contact asks for; `None` when it is another than that of the connection.
fn transport(text: &[u8], at: usize, l4: u8) -> Option<u8> {
    let asked = match parameter(text, at, b"transport=") {
        None => l4,
        Some(value) if begins(value, b"TCP") => ipproto::TCP,
        Some(value) if begins(value, b"UDP") => ipproto::UDP,
        Some(_) => return None,
    };
    (asked == l4).then_some(asked)
}

/// A request: calls are expected, but not before the registrar agrees (`process_register_request`).
pub(super) fn request(message: &mut Message<'_, '_, '_, '_>, number: u32) -> Judgement {
    if message.context.is_expected() {
        return Judgement::Accept;
    }
    let (own, other) = message.tuples();
    let l3 = message.l3();
    let seconds = expires(message);
    let contact = match place(message.text(), Kind::Contact, l3) {
        Sought::Found(contact) => contact,
        Sought::Missing => return Judgement::Accept,
        Sought::Unreadable(()) => return Judgement::Drop,
    };
    // Nobody registers another one.
    if contact.address != own.src {
        return Judgement::Accept;
    }
    let behind = contact.span.end();
    let Some(l4) = transport(message.text(), behind, own.l4) else { return Judgement::Accept };
    let seconds = match number_parameter(message.text(), behind, b"expires=") {
        Sought::Found((_, seconds)) => seconds,
        Sought::Missing => seconds,
        Sought::Unreadable(()) => return Judgement::Drop,
    };
    if seconds != 0 {
        let from = message.context.config().sip_direct_signalling.then_some(other.src);
        let mut expectation = Expectation {
            class: SIGNALLING,
            flags: ExpectFlags::PERMANENT | ExpectFlags::INACTIVE,
            helper: message.context.helper(),
            ..Expectation::new(&own, l4, from, contact.address, contact.port)
        };
        let done = if message.context.has_nat() {
            // As nf_nat_sip_expect.
            if own.src != other.dst {
                expectation.tuple.dst = other.dst;
            }
            let sends_from = Memory::of(message.context).answers_to.unwrap_or(own.src_id);
            if contact.port == sends_from {
                expectation.tuple.dst_id = other.dst_id;
            }
            expectation.follow = Follow::Saved;
            expectation.direction = message.context.direction().opposite();
            (expectation.saved_addr, expectation.saved_id) = (contact.address, contact.port);
            translate(message, &expectation, contact.span)
        } else {
            message.context.expect(expectation).is_ok()
        };
        if !done {
            return Judgement::Drop;
        }
    }
    Memory { register: number, ..Memory::of(message.context) }.store(message.context);
    Judgement::Accept
}

/// Expects calls at a port that is free, and has the message say so.
fn translate(
    message: &mut Message<'_, '_, '_, '_>,
    expectation: &Expectation,
    contact: super::text::Span,
) -> bool {
    let Ok(port) = message.context.expect_at_free_port(expectation) else { return false };
    let seen: (Address, u16) = (expectation.tuple.dst, port);
    if seen == (expectation.saved_addr, expectation.saved_id) {
        return true;
    }
    let done = message.change(contact, written_place(seen.0, seen.1, message.l3()).as_bytes());
    if !done {
        message.context.unexpect_some(|class| class == SIGNALLING, 1);
    }
    done
}

/// The registrar's answer (`process_register_response`).
pub(super) fn response(message: &mut Message<'_, '_, '_, '_>, number: u32, status: u32) -> Judgement {
    // A late answer to an earlier request says nothing.
    if Memory::of(message.context).register != number || code::is_provisional(status) {
        return Judgement::Accept;
    }
    if code::is_success(status) {
        let (own, _) = message.tuples();
        let l3 = message.l3();
        let seconds = expires(message);
        let mut walk = Walk::default();
        loop {
            let contact = match next_place(message.text(), &mut walk, Kind::Contact, l3) {
                Sought::Found(contact) => contact,
                Sought::Missing => break,
                Sought::Unreadable(()) => return Judgement::Drop,
            };
            if contact.address != own.dst {
                continue;
            }
            let behind = contact.span.end();
            let Some(l4) = transport(message.text(), behind, own.l4) else { continue };
            let seconds = match number_parameter(message.text(), behind, b"expires=") {
                Sought::Found((_, seconds)) => seconds,
                Sought::Missing => seconds,
                Sought::Unreadable(()) => return Judgement::Drop,
            };
            if seconds == 0 {
                break;
            }
            let place = (l4, contact.address, contact.port);
            if message.context.activate(SIGNALLING, place, Duration::from_secs(u64::from(seconds))) {
                return Judgement::Accept;
            }
        }
    }
    message.context.unexpect_some(|class| class == SIGNALLING, 1);
    Judgement::Accept
}
