//! What clients and servers of each protocol say, well and badly.

use std::net::IpAddr;

use super::{Nat, Side, Talk, public, sip};

/// A firewall that gives connections of a port the helper, and allows them and what is related.
pub(crate) fn rules(helper: &str, protocol: &str, port: u16, six: bool, nat: Nat) -> String {
    let (family, inside) = if six { ("ip6", "2001:db8:1::10") } else { ("ip", "10.0.1.10") };
    let public = public(six);
    let nat = match nat {
        Nat::None => String::new(),
        Nat::Source => format!(
            "chain post {{ type nat hook postrouting priority srcnat; {family} saddr {inside} snat to {public} }}"
        ),
        Nat::Destination => format!(
            "chain dnat {{ type nat hook prerouting priority dstnat; {family} daddr {public} {protocol} dport {port} dnat to {inside} }}"
        ),
    };
    let layer = if six { "ip6" } else { "ip" };
    format!(
        "table {family} f {{
	ct helper h {{ type \"{helper}\" protocol {protocol}; l3proto {layer}; }}
	chain pre {{
		type filter hook prerouting priority filter; policy accept;
		{protocol} dport {port} ct state new ct helper set \"h\"
	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established counter accept
		ct state related counter accept
		ct state new {protocol} dport {port} counter accept
		counter
	}}
	{nat}
}}
"
    )
}

fn sides(talk: &mut Talk<'_, '_>) -> Side {
    talk.chance.pick(&[Side::Client, Side::Server])
}

/// Some text changed a little, or left as it is.
pub(crate) fn marred(talk: &mut Talk<'_, '_>, text: Vec<u8>) -> Vec<u8> {
    let mut text = text;
    if text.is_empty() || talk.chance.percent(75) {
        return text;
    }
    let at = talk.chance.below(text.len());
    match talk.chance.below(5) {
        0 => text.truncate(at.max(1)),
        1 => text[at] = talk.chance.pick(b" \r\n\t0a:;,|)@<"),
        2 => text.insert(at, talk.chance.pick(b" \r\n\t0a:;,|)@<")),
        3 => {
            text.remove(at);
        }
        _ => text[at] = text[at].swap_case(),
    }
    if text.is_empty() { b"x".to_vec() } else { text }
}

trait SwapCase {
    fn swap_case(self) -> Self;
}

impl SwapCase for u8 {
    fn swap_case(self) -> u8 {
        if self.is_ascii_alphabetic() { self ^ 0x20 } else { self }
    }
}

fn numbers(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{a},{b},{c},{d},{},{}", port >> 8, port & 255)
        }
        IpAddr::V6(_) => format!("1,2,3,4,{},{}", port >> 8, port & 255),
    }
}

pub(crate) fn ftp(talk: &mut Talk<'_, '_>) {
    talk.open();
    // Only what stands behind a line's end is read.
    talk.say(Side::Server, b"220 hello\r\n");
    talk.say(Side::Client, b"USER a\r\n");
    for _ in 0..8 {
        if talk.is_over() {
            return;
        }
        let side = sides(talk);
        let mine = talk.own(side).0;
        let addresses = talk.addresses();
        let address = if talk.chance.percent(80) { mine } else { talk.chance.pick(&addresses) };
        let port = talk.chance.pick(&[0u16, 20, 1024, 1024, 4000, 4000, 50_000, 65_535]);
        let family = if address.is_ipv6() { 2 } else { 1 };
        let line = match (side, talk.chance.below(4)) {
            (Side::Client, 0) => format!("PORT {}\r\n", numbers(address, port)),
            (Side::Client, 1) => format!("EPRT |{family}|{address}|{port}|\r\n"),
            (Side::Server, 0) => format!("227 Entering Passive Mode ({}).\r\n", numbers(address, port)),
            (Side::Server, 1) => format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"),
            (Side::Client, _) => "PASV\r\n".to_owned(),
            (Side::Server, _) => "200 well\r\n".to_owned(),
        };
        let line = marred(talk, line.into_bytes());
        talk.say(side, &line);
        if talk.chance.percent(10) {
            talk.repeat(side, &line);
        }
        if talk.chance.percent(60) {
            talk.fulfil();
        }
    }
}

pub(crate) fn irc(talk: &mut Talk<'_, '_>) {
    talk.open();
    for _ in 0..8 {
        let side = if talk.chance.percent(80) { Side::Client } else { Side::Server };
        let addresses = talk.addresses();
        let own = talk.own(side).0;
        let address = if talk.chance.percent(70) { own } else { talk.chance.pick(&addresses) };
        let IpAddr::V4(address) = address else { return };
        let port = talk.chance.pick(&[0u32, 5000, 5000, 5001, 65_535]);
        let start = talk.chance.pick(&[
            "PRIVMSG bob :",
            "PRIVMSG bob :",
            "PRIVMSG bob :",
            "privmsg x :",
            "\r\n PRIVMSG bob :",
            "NOTICE bob :",
            "PRIVMSG bob : :",
            "",
        ]);
        let kind = talk.chance.pick(&[
            "SEND file",
            "SEND file",
            "CHAT chat",
            "MOVE f",
            "TSEND f",
            "SCHAT c",
            "KILL f",
        ]);
        let line = format!("{start}\x01DCC {kind} {} {port} 100\x01\r\n", u32::from(address));
        let line = marred(talk, line.into_bytes());
        talk.say(side, &line);
        if talk.chance.percent(60) {
            talk.fulfil();
        }
    }
}

pub(crate) fn tftp(talk: &mut Talk<'_, '_>) {
    for _ in 0..4 {
        let side = if talk.chance.percent(80) { Side::Client } else { Side::Server };
        let opcode = talk.chance.pick(&[1u8, 1, 2, 3, 5]);
        talk.say(side, &[&[0, opcode][..], b"file\0octet\0"].concat());
        if talk.chance.percent(70) {
            talk.fulfil();
        }
    }
}

pub(crate) fn amanda(talk: &mut Talk<'_, '_>) {
    talk.say(Side::Client, b"Amanda 2.4 REQ HANDLE 000-0 SEQ 1\nSERVICE sendbackup\n");
    for _ in 0..4 {
        let port = |talk: &mut Talk<'_, '_>| talk.chance.pick(&[0u32, 1206, 1207, 50_000, 65_536]);
        let (data, mesg, index) = (port(talk), port(talk), port(talk));
        let line = format!(
            "Amanda 2.4 REP HANDLE 000-0 SEQ 1\nCONNECT DATA {data} MESG {mesg} INDEX {index}\nOPTIONS ;\n"
        );
        let line = marred(talk, line.into_bytes());
        let side = if talk.chance.percent(85) { Side::Server } else { Side::Client };
        talk.say(side, &line);
        if talk.chance.percent(70) {
            talk.fulfil();
        }
    }
}

pub(crate) fn sane(talk: &mut Talk<'_, '_>) {
    talk.open();
    for _ in 0..5 {
        let code = talk.chance.pick(&[7u8, 7, 7, 6]);
        talk.say(Side::Client, &[0, 0, 0, code, 0, 0, 0, 1]);
        let status = talk.chance.pick(&[0u8, 0, 0, 1]);
        let answer = [0, 0, 0, status, 0, 0, 0x17, talk.chance.pick(&[0x70u8, 0x71]), 0, 0, 0, 0];
        let len = talk.chance.pick(&[12usize, 12, 8, 7, 3]);
        talk.say(Side::Server, &answer[..len]);
        if talk.chance.percent(70) {
            talk.fulfil();
        }
    }
}

fn control(kind: u8, fields: &[u8], len: usize) -> Vec<u8> {
    let mut message = ((12 + len) as u16).to_be_bytes().to_vec();
    message.extend([0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0]);
    message.extend(fields);
    message.resize(12 + len, 0);
    message
}

pub(crate) fn pptp(talk: &mut Talk<'_, '_>) {
    talk.open();
    talk.say(Side::Client, &control(1, &[1, 0], 144));
    talk.say(Side::Server, &control(2, &[1, 0, 1, 0], 144));
    for _ in 0..12 {
        if talk.is_over() {
            return;
        }
        let [mine, theirs] = [talk.chance.pick(&[7u16, 7, 7, 8]), talk.chance.pick(&[9u16, 9, 9, 7])];
        // The server names the client's call as it has heard it.
        let heard =
            if talk.nat == Nat::None || talk.chance.percent(10) { mine } else { talk.peer(Side::Server).1 };
        let pair = |a: u16, b: u16, result: u8| {
            let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
            [a, b, c, d, result, 0, 0, 0]
        };
        let result = talk.chance.pick(&[1u8, 1, 1, 1, 2]);
        let (side, kind, fields, len) = match talk.chance.below(14) {
            0..3 => (Side::Client, 7, pair(mine, 1, 0), 156),
            3..6 => (Side::Server, 8, pair(theirs, heard, result), 20),
            6 => (Side::Server, 9, pair(theirs, 0, 0), 208),
            7 => (Side::Client, 10, pair(mine, theirs, result), 12),
            8 => (Side::Server, 11, pair(heard, 0, 0), 16),
            9 => (Side::Client, 12, pair(mine, 0, 0), 4),
            10 => (Side::Server, 13, pair(theirs, 0, 0), 136),
            11 => (Side::Server, 14, pair(heard, 0, 0), 28),
            12 => (Side::Client, 15, pair(theirs, 0, 0), 12),
            _ => (Side::Client, talk.chance.pick(&[1u8, 3, 5, 6, 20]), [1, 0, 0, 0, 0, 0, 0, 0], 144),
        };
        let short = usize::from(talk.chance.percent(3));
        talk.say(side, &control(kind, &fields, (len - short).max(8)));
        for _ in 0..2 {
            if talk.chance.percent(30) {
                talk.fulfil();
            }
            if talk.chance.percent(30) {
                let (side, call) = (sides(talk), talk.chance.pick(&[7u16, 8, 9, 0]));
                talk.tunnel(side, call);
            }
        }
    }
    if talk.chance.percent(50) {
        talk.close();
    }
}

pub(crate) use super::h323::{calls, registrations};
pub(crate) use sip::{sip_over_tcp, sip_over_udp};
