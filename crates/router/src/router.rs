//! Packets between interfaces: frames of ports through the engine, and out.
//!
//! ```text
//! port ─► offload::frames ─► Engine::process ─┬─ forwarded ─► next hop's address ─► port
//!                                             ├─ for us: ARP and neighbour discovery are answered, echo as well
//!                                             └─ dropped
//! Engine::poll_output ────────────────────────┴─► next hop's address ─► port
//! ```

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use ironweir_engine::{Disposition, DropReason, Engine, Neighbour};
use ironweir_io::port::{Port, PortStatistics};
use ironweir_wire::{Address, IfIndex, Instant, L3, LinkType, Packet};

use crate::neighbours::{Neighbours, Word, answer};
use crate::offload;

/// Frames that are taken from one port before the others have their turn: a vector.
const VECTOR: usize = 64;
/// Bytes of a frame with its offloads: the longest that one packet can be.
const FRAME: usize = 70 << 10;

/// The ports of a router and what waits for neighbours.
#[derive(Debug)]
pub struct Router {
    ports: Vec<(IfIndex, Box<dyn Port>)>,
    neighbours: Neighbours,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl Router {
    /// Over these ports, each of which is an interface of the engine's host.
    pub fn new(ports: Vec<(IfIndex, Box<dyn Port>)>) -> Router {
        Router { ports, neighbours: Neighbours::default(), buffer: vec![0; FRAME], scratch: Vec::new() }
    }

    /// What is waited for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ports.iter().map(|(_, port)| port.as_fd())
    }

    /// When there is something to do though no packet comes.
    pub fn deadline(&self) -> Option<Instant> {
        let ports = self.ports.iter().filter_map(|(_, port)| port.deadline());
        ports.chain(self.neighbours.deadline()).min()
    }

    /// What came and went through each port.
    pub fn statistics(&self) -> impl Iterator<Item = (IfIndex, PortStatistics)> {
        self.ports.iter().map(|(index, port)| (*index, port.statistics()))
    }

    /// Takes what came, a vector from each port. Tells whether anything did.
    ///
    /// # Errors
    /// A port is gone.
    pub fn turn(&mut self, engine: &mut Engine, now: Instant) -> io::Result<bool> {
        let mut came = false;
        for (_, port) in &mut self.ports {
            port.turn(now);
        }
        for index in 0..self.ports.len() {
            for _ in 0..VECTOR {
                let mut buffer = std::mem::take(&mut self.buffer);
                let received = self.take(engine, index, &mut buffer, now);
                self.buffer = buffer;
                if !received? {
                    break;
                }
                came = true;
            }
        }
        for (oif, question) in self.neighbours.again(engine.host(), now) {
            self.put(oif, &question);
        }
        self.put_output(engine, now);
        for (_, port) in &mut self.ports {
            port.flush()?;
        }
        Ok(came)
    }

    /// Takes one frame of a port. Tells whether there was one.
    fn take(
        &mut self,
        engine: &mut Engine,
        index: usize,
        buffer: &mut [u8],
        now: Instant,
    ) -> io::Result<bool> {
        let Some((iif, port)) = self.ports.get_mut(index) else { return Ok(false) };
        let iif = *iif;
        let Some((offloads, frame)) = port.receive(buffer)? else { return Ok(false) };
        let mut scratch = std::mem::take(&mut self.scratch);
        offload::frames(offloads, frame, &mut scratch, |frame| self.process(engine, iif, frame, now));
        self.scratch = scratch;
        Ok(true)
    }

    fn process(&mut self, engine: &mut Engine, iif: IfIndex, frame: &mut [u8], now: Instant) {
        let word = Word::read(frame);
        let len = frame.len();
        let mut packet = Packet::new(frame, 0, len, LinkType::Ethernet);
        packet.meta.iif = iif;
        let disposition = engine.process(now, &mut packet, &mut ());
        match disposition {
            Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => {
                let frame = packet.head();
                self.leave(engine, oif, frame, now);
            }
            Disposition::Dropped(DropReason::Rule(_) | DropReason::Policy(_)) => {}
            _ => {
                if let Some(word) = word {
                    self.hear(engine, iif, &word);
                } else if disposition == Disposition::Local {
                    self.echo(engine, iif, packet.head(), now);
                }
            }
        }
        self.put_output(engine, now);
    }

    /// Sends what the engine made.
    fn put_output(&mut self, engine: &mut Engine, now: Instant) {
        while let Some(output) = engine.poll_output() {
            if output.ethernet {
                self.leave(engine, output.oif, &output.bytes, now);
            }
        }
    }

    /// Sends a frame, once its next hop is known.
    fn leave(&mut self, engine: &Engine, oif: IfIndex, frame: &[u8], now: Instant) {
        let host = engine.host();
        let Some(destination) = destination(frame) else { return self.put(oif, frame) };
        let group = match destination {
            IpAddr::V4(v4) => v4.is_multicast() || host.is_broadcast(destination),
            IpAddr::V6(v6) => v6.is_multicast(),
        };
        let gateway =
            host.route(destination).filter(|route| route.interface == oif).and_then(|route| route.gateway);
        let hop = gateway.unwrap_or(destination);
        let alone = self.ports.iter().any(|(index, port)| *index == oif && !port.has_neighbours());
        match host.neighbour(oif, hop) {
            _ if group || alone => self.put(oif, frame),
            Some(mac) => {
                let mut frame = frame.to_vec();
                if let Some(to) = frame.get_mut(..6) {
                    to.copy_from_slice(&mac);
                }
                self.put(oif, &frame);
            }
            None => {
                if let Some((oif, question)) = self.neighbours.wait(host, (oif, hop), frame.to_vec(), now) {
                    self.put(oif, &question);
                }
            }
        }
    }

    fn put(&mut self, oif: IfIndex, frame: &[u8]) {
        if let Some((_, port)) = self.ports.iter_mut().find(|(index, _)| *index == oif) {
            // What a port cannot take is lost, as on any full queue.
            let _ = port.send(frame);
        }
    }

    /// Learns who somebody is, if that was asked or has changed, and answers for our own addresses.
    fn hear(&mut self, engine: &mut Engine, iif: IfIndex, word: &Word) {
        let (address, mac) = match word {
            Word::Asks { sender: Some(sender), mac, .. } if *mac != [0; 6] => (Some(*sender), *mac),
            Word::Asks { .. } => (None, [0; 6]),
            Word::Tells { sender, mac } => (Some(*sender), *mac),
        };
        if let Some(interface) = engine.host().interface(iif)
            && let Some(frame) = answer(interface, word)
        {
            self.put(iif, &frame);
        }
        let Some(address) = address else { return };
        let at = (iif, address);
        let before = engine.host().neighbour(iif, address);
        // Who nobody asked for is not kept: a stranger could fill the table.
        if before == Some(mac) || (before.is_none() && !self.neighbours.wants(at)) {
            return;
        }
        engine.change_host(|host| {
            // The interface is there: the frame came through it.
            let _ = host.add_neighbour(Neighbour { address, mac, interface: iif });
        });
        for frame in self.neighbours.known(at, mac) {
            self.put(iif, &frame);
        }
    }

    /// Answers an echo request to one of our addresses (RFC 792, RFC 4443), the rest of the host not being there.
    fn echo(&mut self, engine: &Engine, iif: IfIndex, frame: &[u8], now: Instant) {
        if let Some(reply) = echo_reply(frame) {
            self.leave(engine, iif, &reply, now);
        }
    }
}

/// The destination of an IP packet in an Ethernet frame.
fn destination(frame: &[u8]) -> Option<IpAddr> {
    let (at, l3) = match frame.get(12..14)? {
        [8, 0] => (30, L3::V4),
        [0x86, 0xdd] => (38, L3::V6),
        _ => return None,
    };
    Address::from_slice(frame.get(at..at + l3.address_len())?)?.to_ip(l3)
}

fn echo_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let mut reply = frame.to_vec();
    let swap = |reply: &mut Vec<u8>, a: usize, b: usize, len: usize| {
        for offset in 0..len {
            reply.swap(a + offset, b + offset);
        }
    };
    // The checksum changes by as much as the type does.
    let retype = |reply: &mut Vec<u8>, at: usize, old: u8, new: u8| {
        reply[at] = new;
        let sum = u16::from_be_bytes([reply[at + 2], reply[at + 3]]);
        let delta = ironweir_wire::checksum::Delta::default()
            .word(u16::from_be_bytes([old, 0]), u16::from_be_bytes([new, 0]));
        reply[at + 2..at + 4].copy_from_slice(&delta.apply(sum).to_be_bytes());
    };
    match frame.get(12..14)? {
        [8, 0] => {
            let icmp = 14 + usize::from(frame.get(14)? & 15) * 4;
            if *frame.get(23)? != 1 || frame.get(icmp..icmp + 8)?[..2] != [8, 0] {
                return None;
            }
            swap(&mut reply, 26, 30, 4);
            retype(&mut reply, icmp, 8, 0);
        }
        [0x86, 0xdd] => {
            if *frame.get(20)? != 58 || frame.get(54..62)?[..2] != [128, 0] {
                return None;
            }
            swap(&mut reply, 22, 38, 16);
            retype(&mut reply, 54, 128, 129);
        }
        _ => return None,
    }
    swap(&mut reply, 0, 6, 6);
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_wire::checksum::Sum;

    #[test]
    fn an_echo_is_answered_with_a_right_checksum() {
        let mut frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0][..], &[0x45, 0, 0, 30]].concat();
        frame.extend([0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1]);
        let mut icmp = [8, 0, 0, 0, 1, 2, 0, 1, 0xab, 0xcd];
        let sum = Sum::default().bytes(&icmp).finish();
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        frame.extend(icmp);
        let reply = echo_reply(&frame).unwrap();
        assert_eq!(reply[..12], [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1]);
        assert_eq!(reply[26..34], [10, 0, 0, 1, 10, 0, 0, 9]);
        assert_eq!((reply[34], Sum::default().bytes(&reply[34..]).finish()), (0, 0));
        for end in 0..frame.len() {
            let _ = echo_reply(&frame[..end]);
            let _ = destination(&frame[..end]);
        }
    }
}
