//! The signalling of calls: Q.931, with H.225.0 in its user-user element (`process_q931`).

use ironweir_wire::protocol::ipproto;

use super::memory::Memory;
use super::per::Found;
use super::{Done, Dropped, Field, H245_NAME, Message, Q931_NAME, channel};
use crate::expect::{Expectation, Follow};

/// The protocol discriminator of Q.931 (§4.2), and its user-user element (§4.5.30).
const CALL_CONTROL: u8 = 0x08;
const USER_USER: u8 = 0x7e;
/// A byte with this bit is an element of its own, or goes on in none.
const SINGLE: u8 = 0x80;

/// Where in a message of Q.931 what H.323 says begins (`DecodeQ931`).
pub(super) fn user_information(bytes: &[u8]) -> Option<usize> {
    let (discriminator, reference) = (bytes.first()?, bytes.get(1)?);
    if *discriminator != CALL_CONTROL {
        return None;
    }
    // Behind the call reference: the message's type.
    let mut at = 2 + usize::from(*reference) + 1;
    if *bytes.get(at)? & SINGLE != 0 {
        at += 1;
    }
    loop {
        let kind = *bytes.get(at)?;
        if kind == USER_USER {
            let len = usize::from(u16::from_be_bytes([*bytes.get(at + 1)?, *bytes.get(at + 2)?]));
            // One byte says by which protocol the rest is.
            let whole = bytes.get(at + 3..)?.len() >= len && len > 1;
            return whole.then_some(at + 4);
        }
        at += 2 + usize::from(*bytes.get(at + 1)?);
    }
}

/// What a message makes expected, and what NAT changes of it.
pub(super) fn message(message: &mut Message<'_, '_, '_>, found: &[Found]) -> Done {
    let tunnelled = found.iter().position(|one| one.field == Field::Tunnelled).unwrap_or(found.len());
    let (own, within) = found.split_at(tunnelled);
    if own.iter().any(|one| one.field == Field::CallForwarded) {
        if let Some(to) = own.iter().find(|one| one.field == Field::Alternative) {
            expect_forwarded(message, to)?;
        }
    } else {
        let is_setup = own.first().is_some_and(|one| one.field == Field::Setup);
        for one in own {
            match one.field {
                Field::H245 => expect_h245(message, one)?,
                Field::DestCallSignal if is_setup => {
                    let (_, other) = message.tuples();
                    rename(message, one, (other.src, other.src_id))?;
                }
                Field::SourceCallSignal if is_setup => {
                    let (_, other) = message.tuples();
                    rename(message, one, (other.dst, other.dst_id))?;
                }
                _ => {}
            }
        }
        channel::all(message, own)?;
    }
    channel::all(message, within)
}

/// One end of the call gets the name that the other side knows it by.
fn rename(message: &mut Message<'_, '_, '_>, found: &Found, known: (ironweir_wire::Address, u16)) -> Done {
    match message.place(found) {
        Some((address, _)) if message.has_nat() && address != known.0 => message.set(found, known.0, known.1),
        _ => Ok(()),
    }
}

/// The connection of H.245 (`expect_h245`, `nat_h245`).
fn expect_h245(message: &mut Message<'_, '_, '_>, found: &Found) -> Done {
    let (own, other) = message.tuples();
    let Some((address, port)) = message.place(found) else { return Ok(()) };
    if address != own.src || port == 0 {
        return Ok(());
    }
    let mut expectation = Expectation {
        helper: Some(H245_NAME.into()),
        ..Expectation::new(&other, ipproto::TCP, Some(other.src), other.dst, port)
    };
    if !message.is_hidden() {
        return message.context.expect(expectation).map(drop).map_err(|_| Dropped);
    }
    let direction = message.context.direction();
    let memory = Memory::of(message.context);
    if memory.signal_of(direction) == port {
        expectation.tuple.dst_id = memory.signal_of(direction.opposite());
    }
    let expectation = expectation.following(direction.opposite(), port);
    if let Some(told) = channel::expect_told(message, found, &expectation)? {
        let mut memory = Memory::of(message.context);
        memory.remember_signal(direction, port, told);
        memory.store(message.context);
    }
    Ok(())
}

/// The call to whom a call is forwarded to (`expect_callforwarding`, `nat_callforwarding`).
fn expect_forwarded(message: &mut Message<'_, '_, '_>, found: &Found) -> Done {
    let (own, other) = message.tuples();
    let Some((address, port)) = message.place(found).filter(|(_, port)| *port != 0) else { return Ok(()) };
    // The caller reaches them without this host.
    if message.context.is_same_way(own.l3, &address, &other.src) {
        return Ok(());
    }
    let expectation = Expectation {
        helper: Some(Q931_NAME.into()),
        ..Expectation::new(&other, ipproto::TCP, Some(other.src), address, port)
    };
    if !message.is_hidden() {
        return message.context.expect(expectation).map(drop).map_err(|_| Dropped);
    }
    let mut hidden = Expectation {
        follow: Follow::Forwarded,
        direction: message.context.direction().opposite(),
        saved_addr: address,
        saved_id: port,
        ..expectation
    };
    hidden.tuple.dst = other.dst;
    channel::expect_told(message, found, &hidden).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Q.931 §4: discriminator, call reference, message type, elements.
    #[test]
    fn the_user_user_element_is_found_behind_others() {
        let setup = [8, 2, 0x12, 0x34, 5, 4, 3, 0x88, 0x93, 0xa5, 0x7e, 0, 3, 5, 0x20, 0x30];
        assert_eq!(user_information(&setup), Some(14));
        let without_reference = [8, 0, 5, 0x7e, 0, 2, 5, 0x20];
        assert_eq!(user_information(&without_reference), Some(7));
        for cut in 0..setup.len() {
            assert_eq!(user_information(&setup[..cut]), None, "{cut}");
        }
        assert_eq!(user_information(&[8, 0, 5, 0x7e, 0, 1, 5]), None);
        assert_eq!(user_information(&[9, 0, 5, 0x7e, 0, 2, 5, 0x20]), None);
        assert_eq!(user_information(&[8, 255, 5]), None);
    }
}
