//! What a capture says, in lines that two runs of the same have in common: what is random is numbered in the order in which it
//! appears (ports of clients, ids of pings) or left out (identifications, checksums that are right, time); of TCP its
//! beginnings and how much went each way, for when segments are sent and acknowledged is chance. What neighbours say among
//! themselves is not told.
//!
//! What an end sent and what it received are told apart: which of two that cross comes first is chance, too.
#![allow(unreachable_pub)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ironweir_io::Capture;
use ironweir_io::capture::Frame;

/// Ports from here on are chosen by the system (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32768;

#[derive(Default)]
struct Log {
    /// What this end sent, and what it received.
    lines: [Vec<String>; 2],
    ports: HashMap<(String, u16), usize>,
    pings: HashMap<u16, usize>,
    /// First sequence number and bytes beyond it, by sender and receiver.
    flows: Vec<(String, u32, u32)>,
}

/// Reads a capture of the end with this Ethernet address.
pub fn read(path: &Path, own: [u8; 6]) -> Vec<String> {
    let mut capture = Capture::open(path).unwrap();
    let mut frame = Frame::default();
    let mut log = Log::default();
    while capture.read(&mut frame).unwrap() {
        log.frame(&[frame.link_header(), frame.bytes()].concat(), own);
    }
    let totals = log.flows.iter().map(|(flow, _, bytes)| format!("{flow} carried {bytes} bytes"));
    log.lines.iter().flatten().cloned().chain(totals.collect::<Vec<_>>()).collect()
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for pair in parts.concat().chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IP packet's outside.
struct Ip<'a> {
    from: String,
    to: String,
    protocol: u8,
    line: String,
    payload: &'a [u8],
    pseudo: Vec<u8>,
    fragment: bool,
}

fn ip(packet: &[u8], whole: bool) -> Option<Ip<'_>> {
    match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet[0] & 15) * 4;
            let (source, destination) = (packet.get(12..16)?, packet.get(16..20)?);
            let v4 = |at: &[u8]| Ipv4Addr::from(<[u8; 4]>::try_from(at).unwrap()).to_string();
            let (from, to) = (v4(source), v4(destination));
            let fragment = be16(packet, 6);
            let mut line =
                format!("{from} > {to} ttl {} tos {} len {}", packet[8], packet[1], be16(packet, 2));
            if fragment & 0x4000 != 0 {
                line += " df";
            }
            if fragment & 0x3fff != 0 {
                let _ = write!(
                    line,
                    " fragment {}{}",
                    (fragment & 0x1fff) * 8,
                    if fragment & 0x2000 != 0 { "+" } else { "" }
                );
            }
            if sum(&[packet.get(..header)?]) != 0 {
                line += " (header checksum wrong)";
            }
            let end = if whole { usize::from(be16(packet, 2)).min(packet.len()) } else { packet.len() };
            let payload = packet.get(header..end)?;
            let mut pseudo = packet.get(12..20)?.to_vec();
            pseudo.extend([0, packet[9]]);
            pseudo.extend((payload.len() as u16).to_be_bytes());
            Some(Ip {
                from,
                to,
                protocol: packet[9],
                line,
                payload,
                pseudo,
                fragment: fragment & 0x1fff != 0,
            })
        }
        6 => {
            let v6 = |at: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(at).unwrap()).to_string();
            let (from, to) = (v6(packet.get(8..24)?), v6(packet.get(24..40)?));
            let mut line = format!("{from} > {to} hops {} len {}", packet[7], be16(packet, 4));
            let end =
                if whole { (40 + usize::from(be16(packet, 4))).min(packet.len()) } else { packet.len() };
            let (mut protocol, mut payload, mut later) = (packet[6], packet.get(40..end)?, false);
            if protocol == 44 {
                let field = be16(payload, 2);
                let _ = write!(line, " fragment {}{}", field & 0xfff8, if field & 1 != 0 { "+" } else { "" });
                later = field & 0xfff8 != 0;
                (protocol, payload) = (*payload.first()?, payload.get(8..)?);
            }
            let mut pseudo = packet.get(8..40)?.to_vec();
            pseudo.extend([0, protocol]);
            pseudo.extend((payload.len() as u16).to_be_bytes());
            Some(Ip { from, to, protocol, line, payload, pseudo, fragment: later })
        }
        _ => None,
    }
}

impl Log {
    fn frame(&mut self, frame: &[u8], own: [u8; 6]) {
        let (Some([8, 0] | [0x86, 0xdd]), Some(packet)) = (frame.get(12..14), frame.get(14..)) else {
            return;
        };
        let Some(ip) = ip(packet, true) else { return };
        if ip.to.starts_with("ff02:") || ip.to.starts_with("224.") || ip.protocol == 0 {
            return;
        }
        let line = match ip.protocol {
            _ if ip.fragment => Some("rest".to_owned()),
            6 => self.tcp(&ip),
            17 => Some(self.udp(&ip)),
            1 => Some(self.icmp(&ip, false)),
            58 if matches!(ip.payload.first(), Some(133..=137)) => None,
            58 => Some(self.icmp(&ip, true)),
            other => Some(format!("protocol {other}")),
        };
        if let Some(line) = line {
            let received = frame.get(6..12) != Some(&own[..]);
            self.lines[usize::from(received)].push(format!("{} {line}", ip.line));
        }
    }

    fn port(&mut self, address: &str, port: u16) -> String {
        if port < EPHEMERAL {
            return port.to_string();
        }
        let next = self.ports.len();
        format!("client{}", self.ports.entry((address.to_owned(), port)).or_insert(next))
    }

    fn ping(&mut self, id: u16) -> usize {
        let next = self.pings.len();
        *self.pings.entry(id).or_insert(next)
    }

    fn udp(&mut self, ip: &Ip<'_>) -> String {
        let (from, to) = (self.port(&ip.from, be16(ip.payload, 0)), self.port(&ip.to, be16(ip.payload, 2)));
        format!("udp {from} > {to} {} bytes", be16(ip.payload, 4))
    }

    fn tcp(&mut self, ip: &Ip<'_>) -> Option<String> {
        let (sport, dport) = (be16(ip.payload, 0), be16(ip.payload, 2));
        let (from, to) = (self.port(&ip.from, sport), self.port(&ip.to, dport));
        let flags = ip.payload.get(13)?;
        let header = usize::from(ip.payload.get(12)? >> 4) * 4;
        let flow = format!("{} {from} > {} {to}", ip.from, ip.to);
        let seq = be32(ip.payload, 4);
        let known = self.flows.iter_mut().rev().find(|(other, ..)| *other == flow);
        if flags & 2 != 0 {
            if known.is_some_and(|(_, first, _)| *first == seq) {
                // Once more, for the first was not answered in time.
                return None;
            }
            self.flows.push((flow, seq, 0));
            let options = options(ip.payload.get(20..header)?);
            return Some(format!(
                "tcp {from} > {to} {}{options}",
                if flags & 16 != 0 { "syn ack" } else { "syn" }
            ));
        }
        // What iperf3 tells itself are measurements.
        if !matches!(sport, 5201 | 5202)
            && !matches!(dport, 5201 | 5202)
            && let Some((_, first, bytes)) = known
        {
            let len = ip.payload.len().saturating_sub(header) as u32;
            let end = seq.wrapping_sub(*first).wrapping_sub(1).wrapping_add(len);
            // A FIN takes a number, too, and carries nothing.
            *bytes = (*bytes).max(if len > 0 && end < 1 << 31 { end } else { 0 });
        } else if known.is_none() && flags & 4 != 0 {
            return Some(format!("tcp {from} > {to} reset"));
        }
        None
    }

    fn icmp(&mut self, outer: &Ip<'_>, v6: bool) -> String {
        let icmp = outer.payload;
        let (kind, code) = (icmp.first().copied().unwrap_or(0), icmp.get(1).copied().unwrap_or(0));
        let parts: &[&[u8]] = if v6 { &[&outer.pseudo, icmp] } else { &[icmp] };
        // Of the first fragment of several nobody can say.
        let wrong =
            if sum(parts) != 0 && !outer.line.contains("fragment") { " (checksum wrong)" } else { "" };
        let name = if v6 { "icmpv6" } else { "icmp" };
        match kind {
            0 | 8 | 128 | 129 if v6 == (kind >= 128) => {
                let id = self.ping(be16(icmp, 4));
                format!("{name} echo {kind} ping{id} {} {} bytes{wrong}", be16(icmp, 6), icmp.len())
            }
            _ => {
                let quoted = match ip(icmp.get(8..).unwrap_or_default(), false) {
                    Some(inner) => {
                        let ports = match inner.protocol {
                            6 | 17 => {
                                let from = self.port(&inner.from, be16(inner.payload, 0));
                                let to = self.port(&inner.to, be16(inner.payload, 2));
                                format!("{from} > {to}")
                            }
                            _ => format!("{:?}", inner.payload.first()),
                        };
                        format!(
                            "{} protocol {} {ports}, {} bytes",
                            inner.line,
                            inner.protocol,
                            icmp.len() - 8
                        )
                    }
                    None => format!("{} bytes", icmp.len()),
                };
                format!("{name} {kind}/{code} {:08x} about [{quoted}]{wrong}", be32(icmp, 4))
            }
        }
    }
}

fn options(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    while let [kind, rest @ ..] = bytes {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(*rest.first().unwrap_or(&2)).max(2),
        };
        match kind {
            2 => drop(write!(text, " mss {}", be16(bytes, 2))),
            3 => drop(write!(text, " scale {}", bytes.get(2).unwrap_or(&0))),
            4 => text += " sack",
            8 => text += " timestamps",
            _ => {}
        }
        bytes = bytes.get(len..).unwrap_or_default();
    }
    text
}
