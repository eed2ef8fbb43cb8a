//! FTP: data connections by PORT, EPRT, 227 and 229 (nf_conntrack_ftp.c, nf_nat_ftp.c; RFC 959, RFC 2428).
//!
//! Only what stands at the start of a line counts, or a file name could open a port. So the sequence numbers behind the
//! last two newlines of each direction are remembered, and a packet that begins elsewhere is not read.

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3};

use super::number::{address, port};
use super::{Context, Helper, Judgement};
use crate::entry::{Direction, HelperMemory};
use crate::expect::{Expectation, Policy};
use crate::proto::tcp::{after, before};

/// The helper "ftp".
#[derive(Debug)]
pub(super) struct Ftp;

/// In what words a place is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Six numbers between commas.
    Numbers,
    /// `|1|ADDRESS|PORT|`, 2 for IPv6.
    Extended,
    /// `|||PORT|`.
    PortAlone,
}

/// A command or answer that names where data will be sent.
struct Pattern {
    word: &'static [u8],
    direction: Direction,
    /// What stands before the place.
    skip: Option<u8>,
    /// What stands behind it.
    end: Option<u8>,
    form: Form,
}

const PATTERNS: [Pattern; 4] = [
    Pattern {
        word: b"PORT",
        direction: Direction::Original,
        skip: Some(b' '),
        end: Some(b'\r'),
        form: Form::Numbers,
    },
    Pattern {
        word: b"EPRT",
        direction: Direction::Original,
        skip: Some(b' '),
        end: Some(b'\r'),
        form: Form::Extended,
    },
    // RFC 1123, 4.1.2.6: the numbers are to be searched for, parentheses or not.
    Pattern { word: b"227 ", direction: Direction::Reply, skip: None, end: None, form: Form::Numbers },
    Pattern {
        word: b"229 ",
        direction: Direction::Reply,
        skip: Some(b'('),
        end: Some(b')'),
        form: Form::PortAlone,
    },
];

/// What is found in a line.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A word with a place that is cut off or malformed: nobody may put it together behind the helper's back.
    Partial,
    At(Place),
}

/// Where data will be sent.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// `None`: to the sender's own address.
    address: Option<Address>,
    port: u16,
    form: Form,
    at: usize,
    len: usize,
}

impl Helper for Ftp {
    fn name(&self) -> &'static str {
        "ftp"
    }

    fn l4(&self) -> u8 {
        ipproto::TCP
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 1, timeout: Duration::from_secs(300) }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        let Some(seq) = context.seq().filter(|_| context.is_established()) else { return Judgement::Accept };
        let direction = context.direction();
        let memory = Newlines::of(context.memory(), direction);
        let mut judgement = Judgement::Accept;
        if memory.begins_line(seq) {
            match find(payload, direction, context.tuple(direction).l3) {
                Found::Nothing => {}
                Found::Partial => return Judgement::Drop,
                // The line ends here even if the packet is dropped.
                Found::At(place) => judgement = announce(&place, context),
            }
        }
        if payload.last() == Some(&b'\n') {
            let memory = memory.with(seq.wrapping_add(payload.len() as u32));
            let all = memory.stored(context.memory(), direction);
            context.remember(all);
        }
        judgement
    }
}

fn announce(place: &Place, context: &mut Context<'_, '_>) -> Judgement {
    let direction = context.direction();
    let (own, other) = (context.tuple(direction), context.tuple(direction.opposite()));
    // To a third host: `loose` of the kernel's module, off there too.
    if place.address.is_some_and(|address| address != own.src) {
        return Judgement::Accept;
    }
    let expectation = Expectation::new(&other, ipproto::TCP, Some(other.src), other.dst, place.port);
    if !context.has_nat() {
        return if context.expect(expectation).is_ok() { Judgement::Accept } else { Judgement::Drop };
    }
    let expectation = expectation.following(direction.opposite(), place.port);
    let Ok(port) = context.expect_at_free_port(&expectation) else { return Judgement::Drop };
    let text = written(other.dst, port, place.form, other.l3);
    if context.mangle(place.at, place.len, text.as_bytes()) {
        return Judgement::Accept;
    }
    context.unexpect_all();
    Judgement::Drop
}

fn written(address: Address, port: u16, form: Form, l3: L3) -> String {
    match form {
        Form::Numbers => {
            let [a, b, c, d] = address.as_v4();
            format!("{a},{b},{c},{d},{},{}", port >> 8, port & 0xff)
        }
        Form::Extended if l3 == L3::V4 => format!("|1|{}|{port}|", address.display(l3)),
        Form::Extended => {
            // All digits, as the kernel writes it (`%pI6`).
            let groups: Vec<String> = address
                .0
                .chunks(2)
                .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
                .collect();
            format!("|2|{}|{port}|", groups.join(":"))
        }
        Form::PortAlone => format!("|||{port}|"),
    }
}

/// `find_pattern` for each pattern of a direction.
fn find(payload: &[u8], direction: Direction, l3: L3) -> Found {
    for pattern in PATTERNS.iter().filter(|pattern| pattern.direction == direction) {
        let word = pattern.word;
        if payload.len() <= word.len() {
            if word.get(..payload.len()).is_some_and(|start| start.eq_ignore_ascii_case(payload)) {
                return Found::Partial;
            }
            continue;
        }
        if !payload.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            continue;
        }
        let found = place_behind(payload, pattern, l3);
        return found.map_or(Found::Partial, Found::At);
    }
    Found::Nothing
}

fn place_behind(payload: &[u8], pattern: &Pattern, l3: L3) -> Option<Place> {
    let rest = payload.get(pattern.word.len()..)?;
    let skipped = match pattern.skip {
        Some(skip) => rest.iter().position(|byte| *byte == skip)? + 1,
        None => rest.iter().position(u8::is_ascii_digit)?,
    };
    let at = pattern.word.len() + skipped;
    let text = payload.get(at..)?;
    let (address, port, len) = match pattern.form {
        Form::Numbers => numbers(text, pattern.end)?,
        Form::Extended => extended(text, l3)?,
        Form::PortAlone => port_alone(text)?,
    };
    Some(Place { address, port, form: pattern.form, at, len })
}

/// Six numbers between commas, then `end` (`try_rfc959`, `try_number`). As in the kernel, one may be missing, which is 0, and
/// one may be too large: its bits spill over.
fn numbers(text: &[u8], end: Option<u8>) -> Option<(Option<Address>, u16, usize)> {
    let mut values = [0u32; 6];
    let mut index = 0;
    for (at, byte) in text.iter().enumerate() {
        match *byte {
            digit @ b'0'..=b'9' => {
                let value = values.get_mut(index)?;
                *value = value.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
            }
            b',' => index += 1,
            other => {
                if index + 1 != values.len() || end.is_some_and(|end| other != end) {
                    return None;
                }
                let [a, b, c, d, high, low] = values;
                let address = a << 24 | b << 16 | c << 8 | d;
                return Some((Some(Address::v4(address.to_be_bytes())), (high << 8 | low) as u16, at));
            }
        }
    }
    None
}

/// The character between the fields of RFC 2428.
fn delimiter(text: &[u8]) -> Option<u8> {
    text.first().copied().filter(|byte| byte.is_ascii_graphic() && !byte.is_ascii_digit())
}

/// `|1|ADDRESS|PORT|` (`try_eprt`).
fn extended(text: &[u8], l3: L3) -> Option<(Option<Address>, u16, usize)> {
    let delimiter = delimiter(text)?;
    let family = if l3 == L3::V6 { b'2' } else { b'1' };
    if text.get(1..3) != Some(&[family, delimiter]) {
        return None;
    }
    let rest = text.get(3..)?;
    let len = rest.iter().position(|byte| *byte == delimiter)?;
    let address = address(rest.get(..len)?, l3)?;
    let at = 3 + len + 1;
    let (port, digits) = port(text.get(at..)?)?;
    (text.get(at + digits) == Some(&delimiter)).then_some((Some(address), port, at + digits + 1))
}

/// `|||PORT|` (`try_epsv_response`).
fn port_alone(text: &[u8]) -> Option<(Option<Address>, u16, usize)> {
    let delimiter = delimiter(text)?;
    if text.get(1..3) != Some(&[delimiter; 2]) {
        return None;
    }
    let (port, digits) = port(text.get(3..)?)?;
    (text.get(3 + digits) == Some(&delimiter)).then_some((None, port, 3 + digits + 1))
}

/// Where lines of a direction begin: at most two sequence numbers.
#[derive(Clone, Copy, Debug)]
struct Newlines {
    at: [u32; 2],
    count: u32,
}

impl Newlines {
    fn of(memory: HelperMemory, direction: Direction) -> Newlines {
        let [a, b, c, d, e, f, ..] = memory;
        match direction {
            Direction::Original => Newlines { at: [a, b], count: c },
            Direction::Reply => Newlines { at: [d, e], count: f },
        }
    }

    fn stored(self, mut memory: HelperMemory, direction: Direction) -> HelperMemory {
        let start = direction as usize * 3;
        if let Some(place) = memory.get_mut(start..start + 3) {
            place.copy_from_slice(&[self.at[0], self.at[1], self.count]);
        }
        memory
    }

    fn begins_line(&self, seq: u32) -> bool {
        self.at.iter().take(self.count as usize).any(|at| *at == seq)
    }

    /// A line begins at `seq` (`update_nl_seq`): the older of two makes room.
    fn with(mut self, seq: u32) -> Newlines {
        if self.begins_line(seq) {
            return self;
        }
        let oldest = usize::from(!before(self.at[0], self.at[1]));
        match self.count {
            0 | 1 => {
                self.at[self.count as usize] = seq;
                self.count += 1;
            }
            _ if after(seq, self.at[oldest]) => self.at[oldest] = seq,
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::testing::{Bench, Bytes, v4};
    use ironweir_wire::tcp::flag;
    use proptest::prelude::*;

    fn place(line: &str, direction: Direction, l3: L3) -> Option<(Option<String>, u16, String)> {
        match find(line.as_bytes(), direction, l3) {
            Found::At(place) => Some((
                place.address.map(|address| address.display(l3).to_string()),
                place.port,
                line[place.at..place.at + place.len].to_owned(),
            )),
            _ => None,
        }
    }

    /// Examples of RFC 959 §4.1.2 and RFC 2428 §2 and §3.
    #[test]
    fn places_are_read_as_the_standards_write_them() {
        let (there, back) = (Direction::Original, Direction::Reply);
        for (line, direction, l3, expected) in [
            ("PORT 132,235,1,2,24,131\r\n", there, L3::V4, (Some("132.235.1.2"), 6275, "132,235,1,2,24,131")),
            ("port 1,2,3,4,0,21\r\n", there, L3::V4, (Some("1.2.3.4"), 21, "1,2,3,4,0,21")),
            (
                "227 Entering Passive Mode (1,2,3,4,5,6).\r\n",
                back,
                L3::V4,
                (Some("1.2.3.4"), 1286, "1,2,3,4,5,6"),
            ),
            (
                "227 Entering Passive Mode 1,2,3,4,5,6\r\n",
                back,
                L3::V4,
                (Some("1.2.3.4"), 1286, "1,2,3,4,5,6"),
            ),
            (
                "EPRT |1|132.235.1.2|6275|\r\n",
                there,
                L3::V4,
                (Some("132.235.1.2"), 6275, "|1|132.235.1.2|6275|"),
            ),
            (
                "EPRT |2|1080::8:800:200C:417A|5282|\r\n",
                there,
                L3::V6,
                (Some("1080::8:800:200c:417a"), 5282, "|2|1080::8:800:200C:417A|5282|"),
            ),
            ("229 Entering Extended Passive Mode (|||6446|)\r\n", back, L3::V4, (None, 6446, "|||6446|")),
        ] {
            let (address, port, text) = expected;
            let expected = Some((address.map(str::to_owned), port, text.to_owned()));
            assert_eq!(place(line, direction, l3), expected, "{line}");
            assert_eq!(place(line, direction.opposite(), l3), None, "{line}");
        }
    }

    #[test]
    fn what_is_cut_off_is_partial_and_other_lines_are_nothing() {
        let there = Direction::Original;
        for line in ["PO", "PORT", "PORT 1,2,3", "PORT 1,2,3,4,5,6,7\r\n", "EPRT |1|1.2.3.4|0|\r\n"] {
            assert_eq!(find(line.as_bytes(), there, L3::V4), Found::Partial, "{line}");
        }
        for line in ["USER me\r\n", "RETR PORT 1,2,3,4,5,6\r\n", "P\r\n"] {
            assert_eq!(find(line.as_bytes(), there, L3::V4), Found::Nothing, "{line}");
        }
    }

    /// Found beside Linux 6.18: behind a line that is dropped, because its port is expected already, the next one is read.
    #[test]
    fn a_line_ends_even_if_it_is_dropped() {
        let mut bench = Bench::new(Config::default());
        let server = (v4(2), 21);
        for port in [1000, 1001] {
            let client = (v4(1), port);
            for (from, to, flags, numbers) in [
                (client, server, flag::SYN, (0, 0)),
                (server, client, flag::SYN | flag::ACK, (0, 1)),
                (client, server, flag::ACK, (1, 1)),
            ] {
                bench.help(&Bytes::said(from, to, flags, numbers, b""), "ftp");
            }
        }
        let mut say = |port, seq, text: &[u8]| {
            bench.help(&Bytes::said((v4(1), port), server, flag::ACK, (seq, 1), text), "ftp")
        };
        say(1000, 1, b"\n");
        assert_eq!(say(1000, 2, b"PORT 10,0,0,1,16,0\r\n"), Judgement::Accept);
        say(1001, 1, b"\n");
        assert_eq!(say(1001, 2, b"PORT 10,0,0,1,16,0\r\n"), Judgement::Drop);
        assert_eq!(say(1001, 22, b"PORT 10,0,0,1,16,1\r\n"), Judgement::Accept);
        let ports: Vec<u16> =
            bench.ct.expectations(bench.now).map(|expected| expected.expectation.tuple.dst_id).collect();
        assert_eq!(ports, [4096, 4097]);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(
            word in prop_oneof![Just("PORT "), Just("EPRT "), Just("227 "), Just("229 ("), Just("")],
            rest in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'|'), Just(b','), Just(b'1')], 0..60),
        ) {
            let line = [word.as_bytes(), &rest].concat();
            for direction in [Direction::Original, Direction::Reply] {
                for l3 in [L3::V4, L3::V6] {
                    if let Found::At(place) = find(&line, direction, l3) {
                        prop_assert!(place.at + place.len <= line.len());
                    }
                }
            }
        }
    }
}
