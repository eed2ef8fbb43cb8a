//! IRC: a client offers a file or a talk to another one by "direct client connection"
//! (nf_conntrack_irc.c, nf_nat_irc.c). Only offers of clients are read: those that servers pass on would let a stranger
//! open ports. For the same reason an offer must be the whole text of a `PRIVMSG` that begins the segment.

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3};

use super::number::decimal;
use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::{Expectation, Policy};

/// The command whose text may be an offer.
const MESSAGE: &[u8] = b"PRIVMSG ";
/// What stands before a command's text.
const TEXT: &[u8] = b" :";
/// What an offer begins with.
const DCC: &[u8] = b"\x01DCC ";
/// Nor are less than `AAAAAAAA P\1\n` behind an argument.
const SHORTEST_PLACE: usize = 12;
/// So many are read of a payload; a client sends one.
const MOST_OFFERS: usize = 8;
/// A command of no more bytes than `PRIVMSG x ` has no text.
const SHORTEST_COMMAND: usize = 10;
/// No more than ` :\1DCC CHAT t AAAAAAAA P\1\n` is no offer, its target left out.
const SHORTEST_OFFER: usize = 26;
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

    fn l3(&self) -> &'static [L3] {
        &[L3::V4]
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
        // Neither its own address nor the one that NAT gives it: forged.
        let honest = |offer: &Offer| offer.address == original.src || offer.address == reply.dst;
        let Some(offer) = offers(payload).find(honest) else { return Judgement::Accept };
        let expectation = Expectation::new(&reply, ipproto::TCP, None, reply.dst, offer.port);
        if !context.has_nat() {
            return if context.expect(expectation).is_ok() { Judgement::Accept } else { Judgement::Drop };
        }
        let expectation = expectation.following(Direction::Reply, offer.port);
        let Ok(port) = context.expect_at_free_port(&expectation) else { return Judgement::Drop };
        let text = format!("{} {port}", u32::from_be_bytes(reply.dst.as_v4()));
        if context.mangle(offer.at, offer.len, text.as_bytes()) { Judgement::Accept } else { Judgement::Drop }
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

/// The offers of a payload that is a message to somebody: what else a client sends, a line of a web page for one that is
/// made to post it to an IRC port, opens nothing.
fn offers(payload: &[u8]) -> impl Iterator<Item = Offer> {
    let blanks = payload.iter().take_while(|byte| matches!(byte, b' ' | b'\r' | b'\n')).count();
    let command = payload.get(blanks..).filter(|rest| rest.len() > SHORTEST_COMMAND).unwrap_or_default();
    let is_message = command.get(..MESSAGE.len()).is_some_and(|start| start.eq_ignore_ascii_case(MESSAGE));
    let mut rest = if is_message { blanks + MESSAGE.len()..payload.len() } else { 0..0 };
    let mut tries = 0..MOST_OFFERS;
    std::iter::from_fn(move || {
        loop {
            tries.next()?;
            // What stands behind " :" is the text; an offer is all of it.
            let window = payload.get(rest.clone()).filter(|rest| rest.len() > SHORTEST_OFFER)?;
            let at = window.windows(TEXT.len()).position(|two| two == TEXT)?;
            let offer = rest.start + at + TEXT.len();
            if rest.end.saturating_sub(rest.start + at) <= SHORTEST_OFFER
                || !payload.get(offer..)?.starts_with(DCC)
            {
                rest = 0..0;
                return None;
            }
            rest.start = offer + DCC.len();
            if let Some(found) = read(payload, rest.start) {
                return Some(found);
            }
        }
    })
}

/// `KIND ARGUMENT ADDRESS PORT`, the address a decimal number, in a line that ends (`parse_dcc`).
fn read(payload: &[u8], start: usize) -> Option<Offer> {
    let rest = payload.get(start..)?;
    let kind = KINDS.iter().find(|kind| rest.starts_with(kind))?;
    let argument = rest.get(kind.len()..)?;
    let last = argument.len().checked_sub(SHORTEST_PLACE)?;
    let gap = argument.get(..=last)?.iter().position(|byte| *byte == b' ')?;
    argument.get(gap..)?.contains(&b'\n').then_some(())?;
    let at = start + kind.len() + gap + 1;
    let (address, digits) = decimal(payload.get(at..)?)?;
    let mut end = at + digits;
    while payload.get(end) == Some(&b' ') {
        end += 1;
    }
    let (port, digits) = decimal(payload.get(end..)?)?;
    let end = end + digits;
    let address = Address::v4(address.to_be_bytes());
    // Of a number too large the lower bits count.
    Some(port as u16).filter(|port| *port != 0).map(|port| Offer { address, port, at, len: end - at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offer_is_read_where_it_stands() {
        let payload = b"PRIVMSG bob :\x01DCC SEND file.txt 167772161 5000 1234\x01\r\n";
        let offer = offers(payload).next().unwrap();
        assert_eq!((offer.address, offer.port), (Address::v4([10, 0, 0, 1]), 5000));
        assert_eq!(&payload[offer.at..offer.at + offer.len], b"167772161 5000");
        for other in
            ["SEND file 1.2.3.4 5", "SEND f 99999999999 5", "SEND f 1 0", "SEND f 1 65536", "KILL f 1 5"]
        {
            let payload = format!("PRIVMSG bob :\x01DCC {other}\x01\r\n");
            assert_eq!(offers(payload.as_bytes()).next(), None, "{other:?}");
        }
        assert_eq!(
            offers(b"PRIVMSG bob :\x01DCC SEND file.txt 167772161 5000\x01").next(),
            None,
            "no line end"
        );
        assert!(offers(b"\r\n privmsg bob :\x01DCC CHAT chat 167772161 5000\x01\n").next().is_some());
    }

    /// CVE-2022-2663: the text is whatever a web page makes a browser send to port 6667.
    #[test]
    fn what_is_no_message_to_somebody_opens_nothing() {
        let dcc = "\x01DCC SEND file.txt 167772161 5000 1234\x01\r\n";
        for start in [
            "",
            ":",
            "NOTICE bob :",
            "PING :",
            "POST / HTTP/1.1\r\nHost: a\r\n\r\nPRIVMSG bob :",
            "PRIVMSG bob ",
            "PRIVMSG bob :look ",
            "PRIVMSG bob :look :",
        ] {
            assert_eq!(offers(format!("{start}{dcc}").as_bytes()).next(), None, "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("PRIVMSG a :".to_owned()), Just("\x01DCC ".to_owned()), Just("SEND f ".to_owned()),
                    Just(" :".to_owned()), Just("167772161 ".to_owned()), Just("\n".to_owned()), ".{0,9}"
                ],
                0..12,
            ),
        ) {
            let payload = parts.concat();
            for offer in offers(payload.as_bytes()) {
                prop_assert!(offer.at + offer.len <= payload.len());
            }
        }
    }
}
