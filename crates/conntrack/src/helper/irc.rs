//! IRC: a client offers a file or a talk to another one by "direct client connection"
//! (nf_conntrack_irc.c, nf_nat_irc.c). Only offers of clients are read: those that servers pass on would let a stranger
//! open ports.

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3};

use super::number::decimal;
use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::{Expectation, Policy};

/// What an offer begins with.
const DCC: &[u8] = b"\x01DCC ";
/// Kinds of offers.
const KINDS: [&[u8]; 5] = [b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT "];

/// The helper "irc".
#[derive(Debug)]
pub(super) struct Irc;

impl Helper for Irc {
    fn name(&self) -> &'static str {
        "irc"
    }

    fn l4(&self) -> u8 {
        ipproto::TCP
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 8, timeout: Duration::from_secs(300) }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        let original = context.tuple(Direction::Original);
        if context.direction() == Direction::Reply || !context.is_established() || original.l3 != L3::V4 {
            return Judgement::Accept;
        }
        let reply = context.tuple(Direction::Reply);
        for offer in offers(payload) {
            // Neither its own address nor the one that NAT gives it: forged.
            if offer.address != original.src && offer.address != reply.dst {
                continue;
            }
            let expectation = Expectation::new(&reply, ipproto::TCP, None, reply.dst, offer.port);
            if !context.has_nat() {
                if context.expect(expectation).is_err() {
                    return Judgement::Drop;
                }
                return Judgement::Accept;
            }
            let expectation = expectation.following(Direction::Reply, offer.port);
            let Ok(port) = context.expect_at_free_port(&expectation) else { return Judgement::Drop };
            let text = format!("{} {port}", u32::from_be_bytes(reply.dst.as_v4()));
            return if context.mangle(offer.at, offer.len, text.as_bytes()) {
                Judgement::Accept
            } else {
                Judgement::Drop
            };
        }
        Judgement::Accept
    }
}

/// Where somebody waits for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    address: Address,
    port: u16,
    /// Place and length of address and port.
    at: usize,
    len: usize,
}

fn offers(payload: &[u8]) -> impl Iterator<Item = Offer> {
    let starts = payload.windows(DCC.len()).enumerate().filter(|(_, window)| *window == DCC);
    starts.filter_map(|(start, _)| read(payload, start + DCC.len()))
}

/// `KIND ARGUMENT ADDRESS PORT`, the address a decimal number (`parse_dcc`).
fn read(payload: &[u8], start: usize) -> Option<Offer> {
    let rest = payload.get(start..)?;
    let kind = KINDS.iter().find(|kind| rest.starts_with(kind))?;
    let argument = rest.get(kind.len()..)?;
    let line = argument.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r' | 1)).count();
    let gap = argument.get(..line)?.iter().position(|byte| *byte == b' ')?;
    let at = start + kind.len() + gap + 1;
    let (address, digits) = decimal(payload.get(at..)?)?;
    let mut end = at + digits;
    while payload.get(end) == Some(&b' ') {
        end += 1;
    }
    let (port, digits) = decimal(payload.get(end..)?)?;
    let end = end + digits;
    let address = Address::v4(address.to_be_bytes());
    Some(Offer { address, port: u16::try_from(port).ok().filter(|port| *port != 0)?, at, len: end - at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_where_it_stands() {
        let payload = b"PRIVMSG bob :\x01DCC SEND file.txt 167772161 5000 1234\x01\r\n";
        let offer = offers(payload).next().unwrap();
        assert_eq!((offer.address, offer.port), (Address::v4([10, 0, 0, 1]), 5000));
        assert_eq!(&payload[offer.at..offer.at + offer.len], b"167772161 5000");
        for other in [
            &b"\x01DCC SEND file 1.2.3.4 5"[..],
            b"\x01DCC SEND file 99999999999 5",
            b"\x01DCC SEND file 1 0",
            b"\x01DCC SEND file 1 65536",
            b"\x01DCC SEND file",
            b"\x01DCC KILL file 1 5",
        ] {
            assert_eq!(offers(other).next(), None, "{other:?}");
        }
    }
}
