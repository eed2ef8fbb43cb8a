//! A sandbox's firewall in a program of its own: packets made in memory go through a ruleset in nft's language. Time is
//! an argument, so a minute takes no time, and every run is the same.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use ironweir_firewall::{
    Disposition, Family, Firewall, Host, IfIndex, Instant, Interface, Passage, Route, TableId,
};

const SANDBOX: IfIndex = IfIndex(1);
const UPLINK: IfIndex = IfIndex(2);
/// `ARPHRD_NONE`: packets without Ethernet headers, as a user-mode network stack has them.
const BARE: u16 = 65534;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?);
    Ok(())
}

/// What the firewall stands between.
fn host() -> Result<Host, ironweir_firewall::HostError> {
    let mut host = Host::default();
    for (index, name, address) in [(SANDBOX, "sandbox", [10, 0, 0, 1]), (UPLINK, "uplink", [192, 0, 2, 1])] {
        let mut interface = Interface::new(index, name);
        interface.addresses.push((address.into(), 24));
        interface.kind = BARE;
        host.add_interface(interface)?;
    }
    let gateway = Ipv4Addr::new(192, 0, 2, 254);
    host.add_route(Ipv4Addr::UNSPECIFIED.into(), 0, Route::by(UPLINK, Some(gateway.into())), 0)?;
    Ok(host)
}

fn run() -> Result<String, Box<dyn std::error::Error>> {
    let mut out = String::new();
    let mut firewall = Firewall::new(host()?, 7);
    firewall.nft(include_str!("egress.nft"))?;
    let at = Instant::from_secs;
    let guest = |port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), port);
    let there = |address: [u8; 4], port| SocketAddrV4::new(address.into(), port);
    let resolver = there([192, 0, 2, 53], 53);

    writeln!(out, "A question for the resolver, and its answer:")?;
    let question = firewall.receive(at(1), SANDBOX, &packet(UDP, guest(4000), resolver));
    tell(&mut out, &firewall, &question)?;
    // Masquerade chose the port that the answer goes to.
    let asked = question.sent.first().map(|sent| source(&sent.bytes)).ok_or("it was forwarded")?;
    let answer = firewall.receive(at(2), UPLINK, &packet(UDP, resolver, asked));
    tell(&mut out, &firewall, &answer)?;

    writeln!(out, "The same answer five minutes later, when nobody waits for it:")?;
    let late = firewall.receive(at(302), UPLINK, &packet(UDP, resolver, asked));
    tell(&mut out, &firewall, &late)?;

    writeln!(out, "A page, before and after its address is allowed, for an hour:")?;
    let page = packet(TCP_SYN, guest(4001), there([203, 0, 113, 80], 443));
    for (time, command) in
        [(303, "add element inet egress allowed { 203.0.113.80 . 443 timeout 1h }"), (304, "")]
    {
        let passage = firewall.receive(at(time), SANDBOX, &page);
        tell(&mut out, &firewall, &passage)?;
        firewall.nft(command)?;
    }
    let another = packet(TCP_SYN, guest(4002), there([203, 0, 113, 80], 443));
    let expired = firewall.receive(at(2 * 3600), SANDBOX, &another);
    tell(&mut out, &firewall, &expired)?;

    writeln!(out, "Mail, and why it does not leave:")?;
    let mail = packet(TCP_SYN, guest(4003), there([203, 0, 113, 25], 25));
    let (passage, why) = firewall.explain(at(7201), SANDBOX, &mail);
    tell(&mut out, &firewall, &passage)?;
    out += &why;

    let (packets, bytes) = firewall.counter(&TableId::new(Family::Inet, "egress"), "dns").unwrap_or_default();
    writeln!(out, "Questions for the resolver: {packets}, {bytes} bytes.")?;
    Ok(out)
}

/// A packet's fate, and what is to be sent for it.
fn tell(out: &mut String, firewall: &Firewall, passage: &Passage) -> std::fmt::Result {
    writeln!(out, "  {}", firewall.describe(passage.disposition))?;
    for sent in &passage.sent {
        let name = firewall.engine().host().interface(sent.oif).map_or("?", |interface| &interface.name);
        let (from, to) = (source(&sent.bytes), destination(&sent.bytes));
        let answer = if matches!(passage.disposition, Disposition::Dropped(_)) { ", an answer" } else { "" };
        writeln!(out, "    out by {name}: {from} -> {to}, TTL {}{answer}", sent.bytes[8])?;
    }
    Ok(())
}

const UDP: u8 = 17;
const TCP_SYN: u8 = 6;

/// An IPv4 packet: a UDP datagram without a checksum, or the first segment of a TCP connection.
fn packet(protocol: u8, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let addresses = [from.ip().octets(), to.ip().octets()].concat();
    let mut upper = match protocol {
        UDP => [&ports[..], &[0, 12, 0, 0], b"ask?"].concat(),
        _ => [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]].concat(),
    };
    if protocol != UDP {
        let pseudo = [&addresses[..], &[0, protocol, 0, upper.len() as u8], &upper].concat();
        upper[16..18].copy_from_slice(&checksum(&pseudo));
    }
    let mut header =
        [&[0x45, 0, 0, 20 + upper.len() as u8, 0, 1, 0, 0, 64, protocol, 0, 0], &addresses[..]].concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    [header, upper].concat()
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
}

fn source(packet: &[u8]) -> SocketAddrV4 {
    end(&packet[12..16], &packet[20..22])
}

fn destination(packet: &[u8]) -> SocketAddrV4 {
    end(&packet[16..20], &packet[22..24])
}

fn end(address: &[u8], port: &[u8]) -> SocketAddrV4 {
    let address = Ipv4Addr::new(address[0], address[1], address[2], address[3]);
    SocketAddrV4::new(address, u16::from_be_bytes([port[0], port[1]]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_shows_what_the_program_prints() {
        let page = include_str!("../README.md");
        let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(super::run().unwrap(), shown);
    }
}
