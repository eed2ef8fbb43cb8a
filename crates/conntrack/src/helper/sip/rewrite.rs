//! Addresses in headers, for NAT (nf_nat_sip.c, `nf_nat_sip`).

use ironweir_wire::protocol::ipproto;

use super::header::{
    Kind, Place, Sought, Walk, address_parameter, next_place, number_parameter, place, request,
};
use super::memory::Memory;
use super::message::Message;
use super::text::{begins, written, written_place};
use crate::entry::Direction;
use crate::helper::Judgement;

/// Changes a message's headers so that either side reads of the other what it sees of it.
pub(super) fn headers(message: &mut Message<'_, '_, '_, '_>) -> Judgement {
    let l3 = message.l3();
    let is_request = !begins(message.text(), b"SIP/2.0");
    let done = (!is_request || request(message.text(), l3).is_none_or(|place| map(message, &place)))
        && via(message, is_request)
        && contacts(message)
        && map_header(message, Kind::From)
        && map_header(message, Kind::To)
        && redirect(message);
    if done { Judgement::Accept } else { Judgement::Drop }
}

/// The address of either end of the connection becomes what the receiver knows it by (`map_addr`). False: there is no room.
fn map(message: &mut Message<'_, '_, '_, '_>, place: &Place) -> bool {
    let (own, other) = message.tuples();
    let found = (place.address, place.port);
    let new = if found == (own.src, own.src_id) {
        (other.dst, other.dst_id)
    } else if found == (own.dst, own.dst_id) {
        let port = Memory::of(message.context).answers_to.unwrap_or(other.src_id);
        (other.src, port)
    } else {
        return true;
    };
    new == found || message.change(place.span, written_place(new.0, new.1, message.l3()).as_bytes())
}

fn map_header(message: &mut Message<'_, '_, '_, '_>, kind: Kind) -> bool {
    place(message.text(), kind, message.l3()).found().is_none_or(|place| map(message, &place))
}

fn contacts(message: &mut Message<'_, '_, '_, '_>) -> bool {
    let l3 = message.l3();
    let mut walk = Walk::default();
    while let Sought::Found(place) = next_place(message.text(), &mut walk, Kind::Contact, l3) {
        if !map(message, &place) {
            return false;
        }
    }
    true
}

/// The topmost Via, which says where answers are sent, and its parameters.
fn via(message: &mut Message<'_, '_, '_, '_>, is_request: bool) -> bool {
    let l3 = message.l3();
    let (own, other) = message.tuples();
    let kind = if own.l4 == ipproto::TCP { Kind::ViaTcp } else { Kind::ViaUdp };
    let Sought::Found(via) = place(message.text(), kind, l3) else { return true };
    let end = if is_request { (own.src, own.src_id) } else { (own.dst, own.dst_id) };
    if (via.address, via.port) != end {
        return true;
    }
    let before = message.text().len();
    if !map(message, &via) {
        return false;
    }
    let at = (via.span.end() + message.text().len()).saturating_sub(before);
    // Where to send the answer (RFC 2543 §6.40).
    if let Some((span, address)) = address_parameter(message.text(), at, b"maddr=", l3, true)
        && address == own.src
        && address != other.dst
        && !message.change(span, written(other.dst, l3, true).as_bytes())
    {
        return false;
    }
    // Where the request came from (RFC 3261 §18.2.1), and from which port (RFC 3581 §4).
    if let Some((span, address)) = address_parameter(message.text(), at, b"received=", l3, false)
        && address == own.dst
        && address != other.src
        && !message.change(span, written(other.src, l3, false).as_bytes())
    {
        return false;
    }
    if let Sought::Found((span, port)) = number_parameter(message.text(), at, b"rport=")
        && port as u16 == own.dst_id
        && port as u16 != other.src_id
        && !message.change(span, other.src_id.to_string().as_bytes())
    {
        return false;
    }
    true
}

/// A phone that sends from one port and listens at another gets its answers there.
fn redirect(message: &mut Message<'_, '_, '_, '_>) -> bool {
    let is_udp = message.context.tuple(Direction::Original).l4 == ipproto::UDP;
    match Memory::of(message.context).answers_to {
        Some(port) if is_udp && message.context.direction() == Direction::Reply => {
            message.context.redirect(port)
        }
        _ => true,
    }
}
