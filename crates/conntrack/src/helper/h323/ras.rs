//! Registration, admission and status: RAS (`process_ras`).

use std::time::Duration;

use ironweir_wire::protocol::ipproto;

use super::memory::Memory;
use super::per::Found;
use super::{Done, Dropped, Field, Message, Q931_NAME, RAS_NAME, channel};
use crate::expect::{ExpectFlags, Expectation};

/// How long a registration lasts that does not say so (`default_rrq_ttl`), in seconds.
const DEFAULT_LIFE: u32 = 300;
/// How long the answer to one that ends is awaited.
const FAREWELL: Duration = Duration::from_secs(30);

/// What a message makes expected, and what NAT changes of it.
pub(super) fn message(message: &mut Message<'_, '_, '_>, found: &[Found]) -> Done {
    let Some(kind) = found.first().map(|first| first.field) else { return Ok(()) };
    let of = |field: Field| found.iter().filter(move |one| one.field == field);
    match kind {
        Field::Grq | Field::Lrq => set_ras(message, of(Field::Ras)),
        Field::Gcf => of(Field::Ras).try_for_each(|address| confirmed(message, address)),
        Field::Rrq => {
            expect_calls(message, found)?;
            set_ras(message, of(Field::Ras))?;
            let life = of(Field::TimeToLive).next().map_or(DEFAULT_LIFE, |life| life.at as u32);
            Memory { timeout: life, ..Memory::of(message.context) }.store(message.context);
            Ok(())
        }
        Field::Rcf => registered(message, found),
        Field::Urq => {
            set_signal(message, found, Field::CallSignal)?;
            message.context.unexpect_all();
            Memory { signal: [0; 2], ..Memory::of(message.context) }.store(message.context);
            message.context.keep(FAREWELL);
            Ok(())
        }
        Field::Arq => admission(message, found),
        Field::Acf => of(Field::DestCallSignal).try_for_each(|address| admitted(message, found, address)),
        Field::Lcf => of(Field::CallSignal).try_for_each(|address| expect_call_to(message, address)),
        Field::Irr => {
            set_ras(message, of(Field::Ras))?;
            set_signal(message, found, Field::CallSignal)
        }
        _ => Ok(()),
    }
}

/// The sender's own address for RAS (`set_ras_addr`): the first that is.
fn set_ras<'f>(message: &mut Message<'_, '_, '_>, mut all: impl Iterator<Item = &'f Found>) -> Done {
    if !message.has_nat() {
        return Ok(());
    }
    let (own, other) = message.tuples();
    match all.find(|one| message.place(one) == Some((own.src, own.src_id))) {
        Some(own) => message.set(own, other.dst, other.dst_id),
        None => Ok(()),
    }
}

/// Where either end awaits calls (`set_sig_addr`): the first address that is such a place.
fn set_signal(message: &mut Message<'_, '_, '_>, found: &[Found], field: Field) -> Done {
    if !message.has_nat() {
        return Ok(());
    }
    let (own, other) = message.tuples();
    let direction = message.context.direction();
    let memory = Memory::of(message.context);
    let (port, told) = (memory.signal_of(direction), memory.signal_of(direction.opposite()));
    for one in found.iter().filter(|one| one.field == field) {
        let Some(place) = message.place(one) else { continue };
        if place == (own.src, port) {
            let one = nominal(message, found, one).unwrap_or(*one);
            return message.set(&one, other.dst, told);
        }
        if place == (own.dst, port) {
            return message.set(one, other.src, told);
        }
    }
    Ok(())
}

/// An address that some program names first and does not mean: 127.0.0.1.
fn nominal(message: &Message<'_, '_, '_>, found: &[Found], meant: &Found) -> Option<Found> {
    if meant.item == 0 {
        return None;
    }
    let first = found.iter().find(|one| one.field == meant.field && one.item == 0)?;
    let (address, _) = message.place(first)?;
    (address.as_v4()[0] == 127).then_some(*first)
}

/// Calls to one that registers, from the gatekeeper: any number of them (`expect_q931`, `nat_q931`).
fn expect_calls(message: &mut Message<'_, '_, '_>, found: &[Found]) -> Done {
    let (own, other) = message.tuples();
    let mut all = found.iter().filter(|one| one.field == Field::CallSignal);
    let is_own = |one: &&Found| message.place(one).is_some_and(|place| place.0 == own.src && place.1 != 0);
    let Some(place) = all.find(is_own) else { return Ok(()) };
    let Some((_, port)) = message.place(place) else { return Ok(()) };
    let direction = message.context.direction();
    let mut expectation = Expectation {
        flags: ExpectFlags::PERMANENT,
        helper: Some(Q931_NAME.into()),
        ..Expectation::new(&other, ipproto::TCP, Some(other.src), other.dst, port)
    };
    let mut memory = Memory::of(message.context);
    if !message.has_nat() {
        message.context.expect(expectation).map_err(|_| Dropped)?;
        memory.signal[direction as usize] = port;
        memory.store(message.context);
        return Ok(());
    }
    if memory.signal_of(direction) == port {
        expectation.tuple.dst_id = memory.signal_of(direction.opposite());
    }
    let expectation = expectation.following(direction.opposite(), port);
    let Some(told) = channel::expect_told(message, place, &expectation)? else { return Ok(()) };
    memory.remember_signal(direction, port, told);
    memory.store(message.context);
    match nominal(message, found, place) {
        Some(first) => message.set(&first, other.dst, told),
        None => Ok(()),
    }
}

/// The gatekeeper may name another place for what follows (`process_gcf`).
fn confirmed(message: &mut Message<'_, '_, '_>, found: &Found) -> Done {
    let (own, other) = message.tuples();
    let Some((address, port)) = message.place(found) else { return Ok(()) };
    if (address, port) == (own.src, own.src_id) || message.context.is_expected() {
        return Ok(());
    }
    let expectation = Expectation {
        helper: Some(RAS_NAME.into()),
        ..Expectation::new(&other, ipproto::UDP, Some(other.src), address, port)
    };
    message.context.expect(expectation).map(drop).map_err(|_| Dropped)
}

/// The registration lasts so long (`process_rcf`). The kernel means to have calls expected for as long, but does not find
/// them unless they may come from anybody (`gkrouted_only=0`).
fn registered(message: &mut Message<'_, '_, '_>, found: &[Found]) -> Done {
    set_signal(message, found, Field::CallSignal)?;
    let mut memory = Memory::of(message.context);
    if let Some(life) = found.iter().find(|one| one.field == Field::TimeToLive) {
        memory.timeout = life.at as u32;
        memory.store(message.context);
    }
    if memory.timeout > 0 {
        message.context.keep(Duration::from_secs(u64::from(memory.timeout)));
    }
    Ok(())
}

/// Who answers a call names where, who makes one from where (`process_arq`).
fn admission(message: &mut Message<'_, '_, '_>, found: &[Found]) -> Done {
    if !message.has_nat() {
        return Ok(());
    }
    let (own, other) = message.tuples();
    let direction = message.context.direction();
    let memory = Memory::of(message.context);
    let of = |field: Field| found.iter().find(|one| one.field == field);
    if let Some(answering) = of(Field::DestCallSignal)
        && message.place(answering) == Some((own.src, memory.signal_of(direction)))
    {
        return message.set(answering, other.dst, memory.signal_of(direction.opposite()));
    }
    if let Some(calling) = of(Field::SourceCallSignal)
        && let Some((address, port)) = message.place(calling)
        && address == own.src
    {
        return message.set(calling, other.dst, port);
    }
    Ok(())
}

/// The gatekeeper says where a call goes (`process_acf`).
fn admitted(message: &mut Message<'_, '_, '_>, found: &[Found], address: &Found) -> Done {
    let (own, _) = message.tuples();
    match message.place(address) {
        Some(place) if place.0 == own.dst => set_signal(message, found, Field::DestCallSignal),
        _ => expect_call_to(message, address),
    }
}

/// Calls to where the gatekeeper says, any number of them (`process_lcf`).
fn expect_call_to(message: &mut Message<'_, '_, '_>, found: &Found) -> Done {
    let (_, other) = message.tuples();
    let Some((address, port)) = message.place(found) else { return Ok(()) };
    let expectation = Expectation {
        flags: ExpectFlags::PERMANENT,
        helper: Some(Q931_NAME.into()),
        ..Expectation::new(&other, ipproto::TCP, Some(other.src), address, port)
    };
    message.context.expect(expectation).map(drop).map_err(|_| Dropped)
}
