//! What a message says of media (SDP, RFC 4566): `m=` lines with a port each, and the address in a `c=` line of their own or of
//! the whole session.

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3};

use super::header::Sought;
use super::message::Message;
use super::text::{Span, begins, digits_len, host, newline, number, written};
use super::{AUDIO, IMAGE, VIDEO};
use crate::expect::{ExpectError, Expectation, Follow};
use crate::helper::Judgement;

/// The kinds of media that are followed (`sdp_media_types`), and of a message not more than as many.
const MEDIA: [(&[u8], u8); 3] = [(b"audio ", AUDIO), (b"video ", VIDEO), (b"image ", IMAGE)];
/// Lines of media that are looked at, followed or not.
const MOST_LINES: usize = 256;
/// Ports below this are no user's.
const LEAST_PORT: u32 = 1024;

/// The lines that are looked for (`enum sdp_header_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Version,
    Owner,
    Connection,
    Media,
}

impl Line {
    fn name(self) -> &'static [u8] {
        match self {
            Line::Version => b"v=",
            Line::Owner => b"o=",
            Line::Connection => b"c=",
            Line::Media => b"m=",
        }
    }
}

/// The next line of a kind, before one of another, and what of it is wanted: the version, an address, or the kind of media
/// and the port (`ct_sip_get_sdp_header`).
pub(super) fn find(text: &[u8], from: usize, line: Line, before: Option<Line>, l3: L3) -> Sought<Span> {
    let mut at = from;
    while let Some(end) = text.get(at..).and_then(|rest| rest.iter().position(|byte| newline(*byte))) {
        at += end + 1;
        if text.get(at - 1) == Some(&b'\r') && text.get(at) == Some(&b'\n') {
            at += 1;
        }
        let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else { break };
        if before.is_some_and(|before| begins(rest, before.name())) {
            break;
        }
        if !begins(rest, line.name()) {
            at += 1;
            continue;
        }
        let start = at + line.name().len();
        let found = match line {
            Line::Version => text.get(start..).map(|rest| Span { at: start, len: digits_len(rest) }),
            Line::Owner | Line::Connection => address_in(text, start, l3),
            Line::Media => media_len(text, start).map(|len| Span { at: start, len }),
        };
        return match found.filter(|span| span.len > 0) {
            Some(span) => Sought::Found(span),
            None => Sought::Unreadable(()),
        };
    }
    Sought::Missing
}

fn address_in(text: &[u8], start: usize, l3: L3) -> Option<Span> {
    let before: &[u8] = if l3 == L3::V4 { b"IN IP4 " } else { b"IN IP6 " };
    let rest = text.get(start..)?;
    let end = rest.iter().position(|byte| newline(*byte)).unwrap_or(rest.len());
    let line = rest.get(..end)?;
    let at = start + line.windows(before.len()).position(|window| window == before)? + before.len();
    let (_, len) = host(text.get(at..)?, l3, false)?;
    Some(Span { at, len })
}

fn media_len(text: &[u8], start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let kind = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    (rest.get(kind) == Some(&b' ')).then(|| kind + 1 + digits_len(rest.get(kind + 1..).unwrap_or_default()))
}

fn address(text: &[u8], from: usize, line: Line, l3: L3) -> Option<Address> {
    let span = find(text, from, line, Some(Line::Media), l3).found()?;
    host(text.get(span.at..span.end())?, l3, false).map(|(address, _)| address)
}

/// Expects what the message says of media, and changes it for NAT (`process_sdp`).
pub(super) fn media(message: &mut Message<'_, '_, '_, '_>) -> Judgement {
    let l3 = message.l3();
    let Sought::Found(session) = find(message.text(), 0, Line::Version, None, l3) else {
        return Judgement::Accept;
    };
    let session = session.at;
    let of_all = address(message.text(), session, Line::Connection, l3);
    let (mut at, mut followed, mut last) = (session, 0, of_all);
    for _ in 0..MOST_LINES {
        if followed == MEDIA.len() {
            break;
        }
        let Sought::Found(found) = find(message.text(), at, Line::Media, None, l3) else { break };
        let text = message.text();
        let description = text.get(found.at..found.end()).unwrap_or_default();
        let Some((word, class)) = MEDIA.into_iter().find(|(word, _)| description.starts_with(word)) else {
            at = found.end();
            continue;
        };
        let port_at = Span { at: found.at + word.len(), len: found.len - word.len() };
        at = port_at.at;
        let (port, _) = number(text.get(port_at.at..).unwrap_or_default());
        let port = match u16::try_from(port) {
            // A stream that is not wanted.
            Ok(0) => continue,
            Ok(wanted) if port >= LEAST_PORT => wanted,
            _ => return Judgement::Drop,
        };
        let own = address(text, at, Line::Connection, l3);
        let Some(address) = own.or(of_all) else { return Judgement::Drop };
        let Some(seen) = expect(message, (address, port), class, port_at) else { return Judgement::Drop };
        last = Some(seen);
        if own.is_some() && message.context.has_nat() {
            let new = written(seen, l3, false);
            if !change_line(message, at, Line::Connection, &new).unwrap_or(false) || !change_length(message) {
                return Judgement::Drop;
            }
        }
        followed += 1;
    }
    let Some(last) = last.filter(|_| message.context.has_nat()) else { return Judgement::Accept };
    let new = written(last, l3, false);
    let done = change_line(message, session, Line::Owner, &new) == Some(true)
        && change_line(message, session, Line::Connection, &new) != Some(false)
        && change_length(message);
    if done { Judgement::Accept } else { Judgement::Drop }
}

/// Expects a stream of media and its control (`set_expected_rtp_rtcp`). Gives the address that the other side is to see;
/// `None`: it cannot be expected.
fn expect(
    message: &mut Message<'_, '_, '_, '_>,
    (address, port): (Address, u16),
    class: u8,
    port_at: Span,
) -> Option<Address> {
    let direction = message.context.direction();
    let (own, other) = (message.context.tuple(direction), message.context.tuple(direction.opposite()));
    let direct = message.context.config().sip_direct_media;
    if direct && address != own.src {
        return Some(address);
    }
    let from = direct.then_some(other.src);
    let base = port & !1;
    let to = |port| Expectation { class, ..Expectation::new(&own, ipproto::UDP, from, address, port) };
    if !message.context.has_nat() {
        let context = &mut *message.context;
        let stream = context.expect_among_all(to(base));
        if stream.as_ref().is_err_and(|error| *error != ExpectError::Already) {
            return None;
        }
        return match (context.expect_among_all(to(base + 1)), stream) {
            (Ok(_) | Err(ExpectError::Already), _) => Some(address),
            (Err(_), Ok(id)) => {
                context.unexpect(id);
                None
            }
            (Err(_), Err(_)) => None,
        };
    }
    // Where the answer is to come from behind this NAT, nothing is hidden.
    let seen = if own.src == other.dst { address } else { other.dst };
    let (mut stream, mut control) = (to(base), to(base + 1));
    for expectation in [&mut stream, &mut control] {
        expectation.follow = Follow::Saved;
        expectation.direction = direction.opposite();
        expectation.saved_addr = address;
        expectation.saved_id = expectation.tuple.dst_id;
        expectation.tuple.dst = seen;
    }
    let chosen = pair(message, &mut stream, &mut control)?;
    if chosen != base && (!message.change(port_at, chosen.to_string().as_bytes()) || !change_length(message))
    {
        message.context.unexpect_some(|_| true, 2);
        return None;
    }
    Some(seen)
}

/// An even port and the next, at which nobody else is expected (`nf_nat_sdp_media`).
fn pair(
    message: &mut Message<'_, '_, '_, '_>,
    stream: &mut Expectation,
    control: &mut Expectation,
) -> Option<u16> {
    for port in (stream.tuple.dst_id..u16::MAX).step_by(2) {
        stream.tuple.dst_id = port;
        control.tuple.dst_id = port + 1;
        let first = match message.context.expect_among_all(stream.clone()) {
            Ok(id) => id,
            Err(ExpectError::Busy) => continue,
            Err(_) => return None,
        };
        match message.context.expect_among_all(control.clone()) {
            Ok(_) => return Some(port),
            Err(error) => {
                message.context.unexpect(first);
                if error != ExpectError::Busy {
                    return None;
                }
            }
        }
    }
    None
}

/// Puts another address in a line of the session; `None` without such a line, false without room.
fn change_line(message: &mut Message<'_, '_, '_, '_>, from: usize, line: Line, new: &str) -> Option<bool> {
    let span = find(message.text(), from, line, Some(Line::Media), message.l3()).found()?;
    Some(message.change(span, new.as_bytes()))
}

/// Makes `Content-Length` what it is now (`mangle_content_len`).
fn change_length(message: &mut Message<'_, '_, '_, '_>) -> bool {
    let l3 = message.l3();
    let Some(version) = find(message.text(), 0, Line::Version, None, l3).found() else { return false };
    let len = message.text().len() - version.at + Line::Version.name().len();
    let header = super::header::find(message.text(), 0, super::header::Kind::ContentLength, l3);
    header.found().is_some_and(|span| message.change(span, len.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "INVITE sip:a SIP/2.0\r\n\r\nv=0\r\no=u 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.2\r\n\
                           m=audio 4000 RTP/AVP 0\r\nm=video 4002/2 RTP/AVP 0\r\nc=IN IP4 10.0.0.3\r\n";

    fn text(from: usize, line: Line, before: Option<Line>) -> Option<&'static str> {
        let span = find(SESSION.as_bytes(), from, line, before, L3::V4).found()?;
        Some(&SESSION[span.at..span.end()])
    }

    #[test]
    fn lines_of_the_session_and_of_a_medium_are_told_apart() {
        assert_eq!(text(0, Line::Owner, Some(Line::Media)), Some("10.0.0.1"));
        assert_eq!(text(0, Line::Connection, Some(Line::Media)), Some("10.0.0.2"));
        assert_eq!(text(0, Line::Media, None), Some("audio 4000"));
        let audio = SESSION.find("audio").unwrap();
        assert_eq!(text(audio, Line::Connection, Some(Line::Media)), None);
        assert_eq!(text(audio, Line::Media, None), Some("video 4002"));
        let video = SESSION.find("video").unwrap();
        assert_eq!(text(video, Line::Connection, Some(Line::Media)), Some("10.0.0.3"));
    }
}
