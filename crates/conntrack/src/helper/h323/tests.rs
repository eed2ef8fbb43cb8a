//! Messages whose addresses Wireshark 4.0 shows as they are expected here; each was made for these tests.

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3, tcp::flag};
use proptest::prelude::*;

use super::per::{self, Type};
use super::{Field, h225, h245, signal};
use crate::helper::Judgement;
use crate::testing::{Bench, Bytes, v4};
use crate::{Config, ExpectFlags};

/// h245Address 10.0.0.1:5000, destCallSignalAddress 10.0.0.2:1720, sourceCallSignalAddress 10.0.0.1:1720, and two channels:
/// mediaChannel 10.0.0.1:4000 with mediaControlChannel 4001, and T.120 over separateLANStack at 1503.
const SETUP: &str = "080212340504038893a57e00910500e8060008914a0004000a0000011388020100123401006100622280b500001203776569\
    72000a00000206b8000303030303030303030303030303030300451007000a00000106b81100050505050505050505050505050505053502190\
    000640c60138011140001000a0000010fa0000a0000010fa1198000651018300100400102810100010908000a00000105df00";
/// callForwarded to alternativeAddress 198.51.100.7:1720, and a tunnelled openLogicalChannelAck: mediaChannel 10.0.0.1:6000,
/// mediaControlChannel 6001.
const FACILITY: &str = "080212346204038893a57e002f052640060008914a000400c633640706b82098018019011722c000640280101c0200\
    0a0000011770000a0000011771";
/// callSignalAddress 127.0.0.1:1720 and 10.0.0.1:1720, rasAddress 10.0.0.1:1719, timeToLive 300, keepAlive, willSupplyUUIEs.
const RRQ: &str = "0e000001060008914a00040002007f00000106b8000a00000106b801000a00000106b72280b5000012037765697200b50000120e8a0340012b01800180";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// What is noted, places written out.
fn noted(message: &[u8], at: usize, what: &Type) -> Option<Vec<(Field, String)>> {
    let all = per::read(message, at, what)?;
    let written = |found: &per::Found| match found.l3 {
        L3::V4 => {
            let rest = &message[found.at..];
            let port = u16::from_be_bytes([rest[4], rest[5]]);
            format!("{}.{}.{}.{}:{port}", rest[0], rest[1], rest[2], rest[3])
        }
        _ if found.field == Field::TimeToLive => found.at.to_string(),
        _ => String::new(),
    };
    Some(all.iter().map(|found| (found.field, written(found))).collect())
}

#[test]
fn addresses_of_a_message_are_where_wireshark_finds_them() {
    let place = |field, text: &str| (field, text.to_owned());
    let mark = |field| (field, String::new());
    let setup = bytes(SETUP);
    assert_eq!(
        noted(&setup, signal::user_information(&setup).unwrap(), &h225::USER).unwrap(),
        [
            mark(Field::Setup),
            place(Field::H245, "10.0.0.1:5000"),
            place(Field::DestCallSignal, "10.0.0.2:1720"),
            place(Field::SourceCallSignal, "10.0.0.1:1720"),
            mark(Field::Channel),
            place(Field::Media, "10.0.0.1:4000"),
            place(Field::Media, "10.0.0.1:4001"),
            mark(Field::Channel),
            mark(Field::T120),
            place(Field::Stack, "10.0.0.1:1503"),
        ]
    );
    let facility = bytes(FACILITY);
    assert_eq!(
        noted(&facility, signal::user_information(&facility).unwrap(), &h225::USER).unwrap(),
        [
            place(Field::Alternative, "198.51.100.7:1720"),
            mark(Field::CallForwarded),
            mark(Field::Tunnelled),
            mark(Field::ChannelAck),
            place(Field::Media, "10.0.0.1:6000"),
            place(Field::Media, "10.0.0.1:6001"),
        ]
    );
    assert_eq!(
        noted(&bytes(RRQ), 0, &h225::RAS_ANY).unwrap(),
        [
            mark(Field::Rrq),
            place(Field::CallSignal, "127.0.0.1:1720"),
            place(Field::CallSignal, "10.0.0.1:1720"),
            place(Field::Ras, "10.0.0.1:1719"),
            place(Field::TimeToLive, "300"),
        ]
    );
}

/// A time to live at the very end of a registration counts (the kernel misses it, docs/gaps.md).
#[test]
fn a_registration_may_end_with_its_time_to_live() {
    let mut message = bytes(RRQ);
    // Two extensions, the second of which is there: 0000001 01.
    let at = message.len() - 10;
    assert_eq!(message[at..at + 3], [0x0e, 0x8a, 0x03]);
    message.splice(at..at + 2, [0x02, 0x80]);
    message.truncate(at + 6);
    let noted = noted(&message, 0, &h225::RAS_ANY).unwrap();
    assert_eq!(noted.last(), Some(&(Field::TimeToLive, "300".to_owned())));
}

fn packed(message: &[u8]) -> Vec<u8> {
    let len = (message.len() as u16 + 4).to_be_bytes();
    [&[3, 0][..], &len, message].concat()
}

/// As Linux 6.18 lists it with `conntrack -L expect` behind the same messages.
#[test]
fn a_call_announces_its_control_connection_and_channels() {
    let mut bench = Bench::new(Config::default());
    let (caller, called) = ((v4(1), 3000), (v4(2), 1720));
    for (from, to, flags, numbers) in [
        (caller, called, flag::SYN, (0, 0)),
        (called, caller, flag::SYN | flag::ACK, (0, 1)),
        (caller, called, flag::ACK, (1, 1)),
    ] {
        bench.help(&Bytes::said(from, to, flags, numbers, b""), "Q.931");
    }
    let setup = packed(&bytes(SETUP));
    let said = Bytes::said(caller, called, flag::ACK, (1, 1), &setup);
    assert_eq!(bench.help(&said, "Q.931"), Judgement::Accept);
    let facility = packed(&bytes(FACILITY));
    let said = Bytes::said(caller, called, flag::ACK, (1 + setup.len() as u32, 1), &facility);
    assert_eq!(bench.help(&said, "Q.931"), Judgement::Accept);
    let mut all: Vec<(u8, Address, u16, bool, Option<&str>)> = bench
        .ct
        .expectations(bench.now)
        .map(|expected| &expected.expectation)
        .map(|e| {
            let stays = e.flags.contains(ExpectFlags::PERMANENT);
            assert_eq!(e.tuple.src, v4(2));
            (e.tuple.l4, e.tuple.dst, e.tuple.dst_id, stays, e.helper.as_deref())
        })
        .collect();
    all.sort_unstable();
    let forwarded = Address::v4([198, 51, 100, 7]);
    assert_eq!(
        all,
        [
            (ipproto::TCP, v4(1), 1503, true, None),
            (ipproto::TCP, v4(1), 5000, false, Some("H.245")),
            (ipproto::TCP, forwarded, 1720, false, Some("Q.931")),
            (ipproto::UDP, v4(1), 4000, false, None),
            (ipproto::UDP, v4(1), 4001, false, None),
            (ipproto::UDP, v4(1), 6000, false, None),
            (ipproto::UDP, v4(1), 6001, false, None),
        ]
    );
}

#[test]
fn what_is_cut_off_is_refused_or_has_less_in_it() {
    for (message, what) in [(bytes(SETUP), &h225::USER), (bytes(FACILITY), &h225::USER)] {
        let at = signal::user_information(&message).unwrap();
        let whole = per::read(&message, at, what).unwrap();
        for len in 0..message.len() {
            if let Some(found) = per::read(&message[..len], at, what) {
                assert!(found.len() <= whole.len());
            }
        }
    }
}

proptest! {
    /// Places lie in the message, and there are no more of them than is looked at.
    #[test]
    fn no_message_makes_it_panic(
        which in 0usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        random in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut message, what) = match which {
            0 => (bytes(SETUP), &h225::USER),
            1 => (bytes(RRQ), &h225::RAS_ANY),
            2 => (random.clone(), &h245::MESSAGE),
            _ => (random.clone(), &h225::RAS_ANY),
        };
        for (at, value) in changes {
            let len = message.len();
            if len > 0 {
                message[at.index(len)] = value;
            }
        }
        let at = if which == 0 { signal::user_information(&message).unwrap_or(0) } else { 0 };
        if let Some(found) = per::read(&message, at, what) {
            prop_assert!(found.len() <= 256);
            for one in found.iter().filter(|one| one.l3.address_len() > 0) {
                prop_assert!(one.at + one.l3.address_len() + 2 <= message.len());
            }
        }
    }
}
