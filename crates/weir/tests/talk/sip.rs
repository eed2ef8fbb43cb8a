//! Messages of SIP.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::words::marred;
use super::{Side, Talk};

fn place(address: IpAddr, port: Option<u16>) -> String {
    let host = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    port.map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// Some end that a message names: mostly one of the connection.
fn end(talk: &mut Talk<'_, '_>, side: Side, own: usize) -> String {
    let (mine, peer) = (talk.own(side), talk.peer(side));
    let drawn = talk.chance.below(100);
    let addresses = talk.addresses();
    let ports = [5060u16, 5061, mine.1, peer.1, 80, 1024];
    let (address, port) = if drawn < own {
        (mine.0, Some(mine.1))
    } else if drawn < own + 10 {
        (peer.0, Some(peer.1))
    } else {
        (talk.chance.pick(&addresses), Some(talk.chance.pick(&ports)))
    };
    if talk.chance.percent(6) {
        return "example.org".to_owned();
    }
    place(address, port.filter(|port| *port != 5060 || talk.chance.percent(50)))
}

fn body(talk: &mut Talk<'_, '_>, side: Side) -> String {
    let mine = talk.own(side).0;
    let addresses = talk.addresses();
    let kind = if talk.is_six() { "IP6" } else { "IP4" };
    let any =
        |talk: &mut Talk<'_, '_>| if talk.chance.percent(80) { mine } else { talk.chance.pick(&addresses) };
    let owner = any(talk);
    let mut text = String::from("v=0\r\n");
    if talk.chance.percent(95) {
        let _ = write!(text, "o=me 1 1 IN {kind} {owner}\r\n");
    }
    text.push_str("s=-\r\n");
    if talk.chance.percent(85) {
        let connection = any(talk);
        let _ = write!(text, "c=IN {kind} {connection}\r\n");
    }
    text.push_str("t=0 0\r\n");
    for _ in 0..talk.chance.below(5) {
        let media = talk.chance.pick(&["audio", "audio", "video", "image", "application", "message"]);
        let port = talk.chance.pick(&[4000u32, 4000, 4001, 4002, 6000, 0, 80, 65_534, 65_535, 70_000]);
        let _ = write!(text, "m={media} {port} RTP/AVP 0\r\n");
        if talk.chance.percent(30) {
            let connection = any(talk);
            let _ = write!(text, "c=IN {kind} {connection}\r\n");
        }
    }
    text
}

fn message(talk: &mut Talk<'_, '_>, side: Side, over_tcp: bool) -> Vec<u8> {
    let method = talk.chance.pick(&[
        "INVITE", "INVITE", "INVITE", "REGISTER", "REGISTER", "ACK", "BYE", "UPDATE", "PRACK", "OPTIONS",
    ]);
    let number = talk.chance.pick(&[1u32, 1, 2, 3]);
    let is_request = talk.chance.percent(if side == Side::Client { 70 } else { 30 });
    let mut text = String::new();
    if is_request {
        let target = end(talk, side, 5);
        let user = talk.chance.pick(&["", "bob@", "a:b@"]);
        let _ = write!(text, "{method} sip:{user}{target} SIP/2.0\r\n");
    } else {
        let status = talk.chance.pick(&[100u32, 180, 183, 200, 200, 200, 200, 404, 486, 603]);
        let _ = write!(text, "SIP/2.0 {status} Something\r\n");
    }
    let transport = if over_tcp { "TCP" } else { "UDP" };
    let mut headers: Vec<String> = Vec::new();
    for _ in 0..1 + talk.chance.below(2) {
        let transport = if talk.chance.percent(95) { transport } else { "UDP" };
        let mut via = end(talk, side, if is_request { 80 } else { 20 });
        if !is_request && talk.chance.percent(70) {
            let peer = talk.peer(side);
            via = place(peer.0, Some(peer.1));
        }
        for (name, is_port) in [("rport", true), ("received", false), ("maddr", false)] {
            if talk.chance.percent(25) {
                let (mine, peer) = (talk.own(side), talk.peer(side));
                let (address, port) = talk.chance.pick(&[mine, peer]);
                let value = if is_port { port.to_string() } else { address.to_string() };
                let _ = write!(via, ";{name}={value}");
            }
        }
        let name = talk.chance.pick(&["Via", "Via", "v", "VIA"]);
        headers.push(format!("{name}: SIP/2.0/{transport} {via};branch=z9hG4bK1"));
    }
    for name in [["From", "f"], ["To", "t"]] {
        let (name, end) = (talk.chance.pick(&[name[0], name[0], name[1]]), end(talk, side, 50));
        headers.push(format!("{name}: \"x\" <sip:bob@{end}>;tag=1"));
    }
    if talk.chance.percent(95) {
        let method = if talk.chance.percent(95) { method } else { "INVITE" };
        headers.push(format!("CSeq: {number} {method}"));
    }
    if talk.chance.percent(80) {
        let name = talk.chance.pick(&["Contact", "Contact", "m"]);
        let values: Vec<String> = (0..1 + talk.chance.below(3))
            .map(|_| {
                let end = end(talk, side, if is_request { 75 } else { 10 });
                let transport =
                    talk.chance.pick(&["", "", "", ";transport=udp", ";transport=TCP", ";transport=tls"]);
                let expires = talk.chance.pick(&["", "", ";expires=600", ";expires=0", ";expires=0x10"]);
                format!("<sip:bob@{end}{transport}>{expires}")
            })
            .collect();
        let separator = talk.chance.pick(&[",", ", ", ",\r\n "]);
        headers.push(format!("{name}: {}", values.join(separator)));
    }
    if talk.chance.percent(60) {
        let seconds = talk.chance.pick(&[3600u32, 60, 0]);
        headers.push(format!("Expires: {seconds}"));
    }
    headers.push("Call-ID: 1@example.org".to_owned());
    let body = if talk.chance.percent(65) { body(talk, side) } else { String::new() };
    let length = if talk.chance.percent(96) { body.len() } else { talk.chance.below(400) };
    if talk.chance.percent(95) {
        let name = talk.chance.pick(&["Content-Length", "Content-Length", "l"]);
        headers.push(format!("{name}: {length}"));
    }
    if talk.chance.percent(40) {
        let last = headers.len() - 1;
        let (a, b) = (talk.chance.below(headers.len()), talk.chance.below(headers.len()));
        headers.swap(a, b.min(last));
    }
    for header in headers {
        text.push_str(&header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(&body);
    marred(talk, text.into_bytes())
}

/// Whether the length that a message names is that of its body, whatever names it.
fn is_whole(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let named = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name)?.parse().ok());
    named("Content-Length: ").or_else(|| named("l: ")) == Some(body.len())
}

/// Calls and registrations, over UDP, or over TCP where the rules say so.
pub(crate) fn sip_over_udp(talk: &mut Talk<'_, '_>) {
    converse(talk, false);
}

/// The same with several messages in a segment.
pub(crate) fn sip_over_tcp(talk: &mut Talk<'_, '_>) {
    talk.open();
    converse(talk, true);
}

fn converse(talk: &mut Talk<'_, '_>, over_tcp: bool) {
    for turn in 0..8 {
        if talk.is_over() {
            return;
        }
        let side = if turn == 0 || talk.chance.percent(55) { Side::Client } else { Side::Server };
        let mut text = message(talk, side, over_tcp);
        // Where a later message of a segment is cut off, the kernel forgets by how much those before it grew (gaps.md).
        while over_tcp && talk.chance.percent(25) && text.len() < 600 && is_whole(&text) {
            let next = message(talk, side, true);
            if !is_whole(&next) || text.len() + next.len() > 1400 {
                break;
            }
            text.extend(next);
        }
        text.truncate(1400);
        talk.say(side, &text);
        if talk.chance.percent(10) {
            talk.repeat(side, &text);
        }
        for _ in 0..2 {
            if talk.chance.percent(50) {
                talk.fulfil();
            }
        }
    }
}
