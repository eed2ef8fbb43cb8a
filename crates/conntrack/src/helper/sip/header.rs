//! The headers of a SIP message (RFC 3261 §7.3): each at the start of a line, continued on lines that begin with a blank.
//!
//! What counts as a header, and where a value ends, is as in the kernel, its leniency included: an address that it does not
//! find must not be found here, and the other way round.

use ironweir_wire::{Address, L3};

use super::text::{Span, blank, digits_len, host, newline, number, same};

/// The port of SIP where none is written.
pub(super) const SIP_PORT: u16 = 5060;
/// Ports below this are no user's; the kernel takes none in a message.
const LEAST_PORT: u16 = 1024;
/// Nor is one with more digits than these.
const MOST_PORT_DIGITS: usize = 5;
/// DIVERGES: so many values of a header are tried in one message. Each costs a look through its line, which may be long; the
/// kernel goes on as long as there are any.
const MOST_TRIES: usize = 64;

/// The headers that are looked for (`enum sip_header_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    CSeq,
    From,
    To,
    Contact,
    ViaUdp,
    ViaTcp,
    Expires,
    ContentLength,
}

/// What of a header is wanted.
#[derive(Clone, Copy)]
enum Value {
    Digits,
    /// An address with or without a port.
    Place,
    /// The same, behind who is to be found there.
    UserPlace,
}

/// How a header is written (`ct_sip_hdrs`).
struct Form {
    name: &'static [u8],
    short: Option<u8>,
    /// What stands before the value wanted.
    before: Option<&'static [u8]>,
    value: Value,
}

impl Kind {
    fn form(self) -> Form {
        let uri = Some(&b"sip:"[..]);
        let (name, short, before, value): (&[u8], _, _, _) = match self {
            Kind::CSeq => (b"CSeq", None, None, Value::Digits),
            Kind::From => (b"From", Some(b'f'), uri, Value::UserPlace),
            Kind::To => (b"To", Some(b't'), uri, Value::UserPlace),
            Kind::Contact => (b"Contact", Some(b'm'), uri, Value::UserPlace),
            Kind::ViaUdp => (b"Via", Some(b'v'), Some(&b"UDP "[..]), Value::Place),
            Kind::ViaTcp => (b"Via", Some(b'v'), Some(&b"TCP "[..]), Value::Place),
            Kind::Expires => (b"Expires", None, None, Value::Digits),
            Kind::ContentLength => (b"Content-Length", Some(b'l'), None, Value::Digits),
        };
        Form { name, short, before, value }
    }
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought<T, U = ()> {
    /// There is no such thing.
    Missing,
    /// There is, but it cannot be read.
    Unreadable(U),
    /// Here it is.
    Found(T),
}

impl<T, U> Sought<T, U> {
    pub(super) fn found(self) -> Option<T> {
        match self {
            Sought::Found(found) => Some(found),
            Sought::Missing | Sought::Unreadable(_) => None,
        }
    }
}

/// Past a line's end at `at` and the blanks of the next line, if that continues this one (`sip_follow_continuation`).
fn continuation(text: &[u8], at: usize) -> Option<usize> {
    let mut next = at + 1;
    if text.get(at) == Some(&b'\r') && text.get(next) == Some(&b'\n') {
        next += 1;
    }
    if !blank(*text.get(next)?) {
        return None;
    }
    Some(next + text.get(next..)?.iter().take_while(|byte| blank(**byte)).count())
}

/// Past blanks and the start of a line that continues this one.
fn skip_blanks(text: &[u8], at: usize) -> Option<usize> {
    let at = at + text.get(at..)?.iter().take_while(|byte| blank(**byte)).count();
    match text.get(at) {
        Some(byte) if newline(*byte) => continuation(text, at),
        _ => Some(at),
    }
}

/// The next place of some text in the value that goes on at `at` (`ct_sip_header_search`).
fn within(text: &[u8], mut at: usize, needle: &[u8]) -> Option<usize> {
    let limit = text.len().checked_sub(needle.len())?;
    let text_to_limit = text.get(..limit)?;
    while at < limit {
        if newline(*text.get(at)?) {
            at = continuation(text_to_limit, at)?;
        } else if text.get(at..at + needle.len()).is_some_and(|found| same(found, needle)) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// What is wanted of a value, from `at` on.
fn value(text: &[u8], at: usize, wanted: Value, l3: L3) -> Option<Span> {
    let found = |at: usize, len: usize| (len > 0).then_some(Span { at, len });
    match wanted {
        Value::Digits => found(at, digits_len(text.get(at..)?)),
        Value::Place => found(at, place_len(text, at, l3)?),
        Value::UserPlace => {
            let at = past_user(text, at)?;
            found(at, place_len(text, at, l3)?)
        }
    }
}

/// Behind the `@` of this line, if it has one.
pub(super) fn past_user(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let end = rest.iter().position(|byte| *byte == b'@' || newline(*byte));
    Some(end.filter(|end| rest.get(*end) == Some(&b'@')).map_or(at, |end| at + end + 1))
}

/// The length of an address and the port behind it, if there is one.
pub(super) fn place_len(text: &[u8], at: usize, l3: L3) -> Option<usize> {
    place_at(text, at, l3).map(|(_, _, end)| end.saturating_sub(at))
}

/// The next header of a kind (`ct_sip_get_header`). One that cannot be read comes with where to look for the next.
pub(super) fn find(text: &[u8], from: usize, kind: Kind, l3: L3) -> Sought<Span, usize> {
    let form = kind.form();
    let mut at = from;
    while let Some(end) = text.get(at..).and_then(|rest| rest.iter().position(|byte| newline(*byte))) {
        at += end + 1;
        if text.get(at - 1) == Some(&b'\r') && text.get(at) == Some(&b'\n') {
            at += 1;
        }
        let Some(first) = text.get(at) else { break };
        let named = |len: usize| text.get(at..at + len);
        // A short name must not be the beginning of a longer one.
        let short = || {
            let (short, next) = (form.short?, text.get(at + 1)?);
            (first.eq_ignore_ascii_case(&short) && !next.is_ascii_alphabetic()).then_some(1)
        };
        let name_len = match named(form.name.len()) {
            _ if blank(*first) => None,
            Some(name) if same(name, form.name) => Some(form.name.len()),
            _ => short(),
        };
        let Some(name_len) = name_len else {
            at += 1;
            continue;
        };
        let Some(colon) = skip_blanks(text, at + name_len) else { break };
        if text.get(colon) != Some(&b':') || colon + 1 >= text.len() {
            break;
        }
        let Some(begin) = skip_blanks(text, colon + 1) else { break };
        let start = match form.before {
            Some(before) => within(text, begin, before).map(|at| at + before.len()),
            None => Some(begin),
        };
        return match start.and_then(|start| value(text, start, form.value, l3)) {
            Some(span) => Sought::Found(span),
            None => Sought::Unreadable(begin),
        };
    }
    Sought::Missing
}

/// The next value of a header that names several, behind a comma (`ct_sip_next_header`).
fn find_next(text: &[u8], from: usize, kind: Kind, l3: L3) -> Sought<Span, usize> {
    let form = kind.form();
    let before = form.before.unwrap_or_default();
    let start = within(text, from, b",").and_then(|comma| within(text, comma, before));
    let Some(start) = start.map(|at| at + before.len()) else { return Sought::Missing };
    match value(text, start, form.value, l3) {
        Some(span) => Sought::Found(span),
        None => Sought::Unreadable(start),
    }
}

/// A walk through all values of a header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    pub(super) at: usize,
    in_header: bool,
    tries: usize,
}

/// An address in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where it stands, its port included.
    pub(super) span: Span,
    pub(super) address: Address,
    pub(super) port: u16,
}

/// The address in the next header of a kind, as a whole message has one (`ct_sip_parse_header_uri`).
pub(super) fn place(text: &[u8], kind: Kind, l3: L3) -> Sought<Place> {
    next_place(text, &mut Walk::default(), kind, l3)
}

/// The address in the next value of a header (`ct_sip_walk_headers`, `ct_sip_parse_header_uri`).
pub(super) fn next_place(text: &[u8], walk: &mut Walk, kind: Kind, l3: L3) -> Sought<Place> {
    let span = loop {
        walk.tries += 1;
        if walk.tries > MOST_TRIES {
            return Sought::Missing;
        }
        let sought =
            if walk.in_header { find_next(text, walk.at, kind, l3) } else { find(text, walk.at, kind, l3) };
        match sought {
            Sought::Found(span) => break span,
            Sought::Unreadable(at) => walk.at = at,
            Sought::Missing if walk.in_header => walk.in_header = false,
            Sought::Missing => return Sought::Missing,
        }
    };
    walk.in_header = true;
    match place_at(text, span.at, l3) {
        Some((address, port, end)) => {
            walk.at = end;
            Sought::Found(Place { span, address, port })
        }
        None => Sought::Unreadable(()),
    }
}

/// The address and port at a place, and where they end. `None` too where the port is no user's, or the message ends with it
/// (`sip_parse_addr`, `sip_parse_port`).
pub(super) fn place_at(text: &[u8], at: usize, l3: L3) -> Option<(Address, u16, usize)> {
    let (address, len) = host(text.get(at..)?, l3, true)?;
    let end = at + len;
    if *text.get(end)? != b':' {
        return Some((address, SIP_PORT, end));
    }
    let digits = text.get(end + 1..)?;
    let (port, len) = number(digits);
    let port = u16::try_from(port).ok().filter(|port| *port >= LEAST_PORT && len <= MOST_PORT_DIGITS)?;
    (digits.len() > len).then_some((address, port, end + 1 + len))
}

/// The address in a request's first line (`ct_sip_parse_request`).
pub(super) fn request(text: &[u8], l3: L3) -> Option<Place> {
    let method = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if method == 0 {
        return None;
    }
    let line = text.get(method + 1..)?;
    let end = line.iter().position(|byte| newline(*byte)).unwrap_or(line.len());
    let uri = line.get(..end)?.windows(4).position(|window| same(window, b"sip:"))?;
    let start = past_user(text, method + 1 + uri + 4)?;
    place_len(text, start, l3)?;
    let (address, port, end) = place_at(text, start, l3)?;
    Some(Place { span: Span { at: start, len: end - start }, address, port })
}

/// Where the values of a header's parameters end: at a comma, or with the message.
fn parameters(text: &[u8], at: usize) -> &[u8] {
    within(text, at, b",").and_then(|comma| text.get(..comma)).unwrap_or(text)
}

/// The value of a parameter that is text (`ct_sip_parse_param`).
pub(super) fn parameter<'t>(text: &'t [u8], at: usize, name: &[u8]) -> Option<&'t [u8]> {
    let text = parameters(text, at);
    let start = within(text, at, name)? + name.len();
    let end = within(text, start, b";").unwrap_or(text.len());
    text.get(start..end)
}

/// The value of a parameter that is an address (`ct_sip_parse_address_param`).
pub(super) fn address_parameter(
    text: &[u8],
    at: usize,
    name: &[u8],
    l3: L3,
    delimited: bool,
) -> Option<(Span, Address)> {
    let text = parameters(text, at);
    let start = within(text, at, name)? + name.len();
    let (address, len) = host(text.get(start..)?, l3, delimited)?;
    Some((Span { at: start, len }, address))
}

/// The value of a parameter that is a number (`ct_sip_parse_numerical_param`).
pub(super) fn number_parameter(text: &[u8], at: usize, name: &[u8]) -> Sought<(Span, u32)> {
    let text = parameters(text, at);
    let Some(start) = within(text, at, name).map(|at| at + name.len()) else { return Sought::Missing };
    match number(text.get(start..).unwrap_or_default()) {
        (_, 0) => Sought::Unreadable(()),
        (number, len) => Sought::Found((Span { at: start, len }, number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, kind: Kind) -> Vec<(String, u16)> {
        let (mut walk, mut found) = (Walk::default(), Vec::new());
        while let Sought::Found(place) = next_place(text.as_bytes(), &mut walk, kind, L3::V4) {
            found.push((place.address.display(L3::V4).to_string(), place.port));
        }
        found
    }

    /// RFC 3261 §7.3.1: one header with two values is two headers, and lines may be continued.
    #[test]
    fn values_are_found_in_lists_in_short_headers_and_in_continued_lines() {
        let text = "REGISTER sip:10.0.0.9 SIP/2.0\r\nContact: <sip:a@10.0.0.1:6000>;q=0.7,\r\n \
                    <sip:10.0.0.2>\r\nm : \"x\" <sip:b@10.0.0.3>\r\n\r\n";
        let expected = [("10.0.0.1", 6000), ("10.0.0.2", 5060), ("10.0.0.3", 5060)];
        let expected: Vec<_> = expected.map(|(address, port)| (address.to_owned(), port)).into();
        assert_eq!(all(text, Kind::Contact), expected);
        assert_eq!(all(text, Kind::From), []);
        assert_eq!(place(b"x\r\nContact: <sip:10.0.0.1:80>\r\n", Kind::Contact, L3::V4), Sought::Missing);
    }

    #[test]
    fn a_request_names_its_address_in_the_first_line() {
        let place = |line: &str| request(line.as_bytes(), L3::V4).map(|place| place.port);
        assert_eq!(place("INVITE sip:bob@10.0.0.1:5061;user=phone SIP/2.0\r\n"), Some(5061));
        assert_eq!(place("INVITE sip:10.0.0.1 SIP/2.0\r\n"), Some(SIP_PORT));
        assert_eq!(place("INVITE sip:bob@example.org SIP/2.0\r\n"), None);
        assert_eq!(place("INVITE \r\nsip:10.0.0.1 SIP/2.0\r\n"), None);
        let six = request(b"INVITE sip:bob@[2001:db8::1]:5070 SIP/2.0\r\n", L3::V6).unwrap();
        assert_eq!((six.port, six.span.len), (5070, "[2001:db8::1]:5070".len()));
    }

    #[test]
    fn parameters_end_with_their_value() {
        let text = b"x\r\nVia: SIP/2.0/UDP 10.0.0.1;rport=5062;received=10.0.0.9;branch=1, SIP/2.0/UDP 1.1.1.1;maddr=1.2.3.4\r\n";
        let via = place(text, Kind::ViaUdp, L3::V4).found().unwrap();
        let at = via.span.at + via.span.len;
        assert_eq!(number_parameter(text, at, b"rport=").found().map(|found| found.1), Some(5062));
        let received = address_parameter(text, at, b"received=", L3::V4, false).unwrap();
        assert_eq!(received.1, Address::v4([10, 0, 0, 9]));
        assert_eq!(address_parameter(text, at, b"maddr=", L3::V4, true), None, "of another hop");
    }

    #[test]
    fn a_message_of_many_values_costs_a_bounded_look() {
        let text = format!("x\r\nContact: {}\r\n", "sip:,".repeat(13_000));
        assert_eq!(all(&text, Kind::Contact), []);
    }
}
