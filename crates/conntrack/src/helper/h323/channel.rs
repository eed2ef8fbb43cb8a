//! Channels of media and data that messages of H.245 open (`process_olc`, `process_olca`).

use ironweir_wire::protocol::ipproto;

use super::memory::Memory;
use super::per::Found;
use super::{Done, Dropped, Field, Message};
use crate::expect::{ExpectError, ExpectFlags, ExpectId, Expectation};

/// All channels noted, one after the other.
pub(super) fn all(message: &mut Message<'_, '_, '_>, found: &[Found]) -> Done {
    let begins = |one: &Found| matches!(one.field, Field::Channel | Field::ChannelAck);
    for channel in found.chunk_by(|_, next| !begins(next)) {
        let Some(first) = channel.first().filter(|first| begins(first)) else { continue };
        for media in channel.iter().filter(|one| one.field == Field::Media) {
            expect_media(message, media)?;
        }
        // An answer does not say again what the data are.
        if first.field == Field::ChannelAck || channel.iter().any(|one| one.field == Field::T120) {
            for stack in channel.iter().filter(|one| one.field == Field::Stack) {
                expect_t120(message, stack)?;
            }
        }
    }
    Ok(())
}

/// RTP at the even port of a pair, RTCP at the odd one (`expect_rtp_rtcp`).
fn expect_media(message: &mut Message<'_, '_, '_>, found: &Found) -> Done {
    let (own, other) = message.tuples();
    let Some((address, port)) = message.place(found) else { return Ok(()) };
    if address != own.src || port == 0 {
        return Ok(());
    }
    let (rtp, rtcp) = (port & !1, port | 1);
    let expectation = |port| Expectation::new(&other, ipproto::UDP, Some(other.src), other.dst, port);
    if message.is_hidden() {
        return expect_hidden_media(message, found, port);
    }
    let first = message.context.expect(expectation(rtp)).map_err(|_| Dropped)?;
    if message.context.expect(expectation(rtcp)).is_err() {
        message.context.unexpect(first);
        return Err(Dropped);
    }
    Ok(())
}

/// The same where the other side is told another pair of ports (`nat_rtp_rtcp`).
fn expect_hidden_media(message: &mut Message<'_, '_, '_>, found: &Found, port: u16) -> Done {
    let (_, other) = message.tuples();
    let direction = message.context.direction();
    let rtp = port & !1;
    let mut memory = Memory::of(message.context);
    let known = |pair: &[u16; 2]| [rtp, 0].contains(&pair[direction as usize]);
    let Some(channel) = memory.rtp.iter().position(known) else { return Ok(()) };
    let Some((told, first, second)) = expect_pair(message, rtp) else { return Ok(()) };
    if message.set(found, other.dst, told | port & 1).is_err() {
        message.context.unexpect(first);
        message.context.unexpect(second);
        return Err(Dropped);
    }
    if let Some(pair) = memory.rtp.get_mut(channel) {
        pair[direction as usize] = rtp;
        pair[direction.opposite() as usize] = told;
    }
    memory.store(message.context);
    Ok(())
}

/// So many pairs of ports are tried.
///
/// DIVERGES: the kernel tries all; who holds thousands of them could have it search for long, for each channel of a message.
const TRIES: usize = 128;

/// Expects a pair of ports, the first that is free from this one on.
fn expect_pair(message: &mut Message<'_, '_, '_>, rtp: u16) -> Option<(u16, ExpectId, ExpectId)> {
    let (_, other) = message.tuples();
    let back = message.context.direction().opposite();
    let expectation = |port, saved| {
        Expectation::new(&other, ipproto::UDP, Some(other.src), other.dst, port).following(back, saved)
    };
    // From port 0 the kernel finds no other.
    for told in (rtp..=u16::MAX - 1).step_by(2).filter(|_| rtp != 0).take(TRIES) {
        match message.context.expect(expectation(told, rtp)) {
            Ok(first) => match message.context.expect(expectation(told | 1, rtp | 1)) {
                Ok(second) => return Some((told, first, second)),
                Err(error) => {
                    message.context.unexpect(first);
                    if error != ExpectError::Busy {
                        return None;
                    }
                }
            },
            Err(ExpectError::Busy) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Connections of T.120, any number of them (`expect_t120`).
fn expect_t120(message: &mut Message<'_, '_, '_>, found: &Found) -> Done {
    let (own, other) = message.tuples();
    let Some((address, port)) = message.place(found) else { return Ok(()) };
    if address != own.src || port == 0 {
        return Ok(());
    }
    let expectation = Expectation {
        flags: ExpectFlags::PERMANENT,
        ..Expectation::new(&other, ipproto::TCP, Some(other.src), other.dst, port)
    };
    if !message.is_hidden() {
        return message.context.expect(expectation).map(drop).map_err(|_| Dropped);
    }
    let back = message.context.direction().opposite();
    expect_told(message, found, &expectation.following(back, port)).map(drop)
}

/// Expects a connection at its port or another that is free, and tells the other side which; `None` if there is none
/// (`nf_nat_exp_find_port`, then `set_addr`).
pub(super) fn expect_told(
    message: &mut Message<'_, '_, '_>,
    found: &Found,
    expectation: &Expectation,
) -> Result<Option<u16>, Dropped> {
    let (_, other) = message.tuples();
    let Ok(told) = message.context.expect_at_free_port(expectation) else { return Ok(None) };
    if message.set(found, other.dst, told).is_err() {
        // The newest is this one.
        message.context.unexpect_some(|_| true, 1);
        return Err(Dropped);
    }
    Ok(Some(told))
}
