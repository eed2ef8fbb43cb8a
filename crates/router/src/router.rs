//! Packets between interfaces: frames of ports through the engine, and out.
//!
//! ```text
//! port ─► offload::frames ─► Engine::process ─┬─ forwarded, sent ─► next hop's address ─► port
//!                  ▲                          ├─ for us: ARP, neighbour discovery; all else to the host's port
//!     host's port ─┘                          └─ dropped
//! Engine::poll_output ────────────────────────┴─► next hop's address ─► port
//! ```
//!
//! The host's port leads to this machine's own kernel: what is for the host is received there, and what its programs send
//! comes from there. Without one, the router answers pings itself.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use ironweir_engine::{Disposition, DropReason, Engine, Host, Neighbour};
use ironweir_io::port::{Port, PortStatistics};
use ironweir_wire::{IfIndex, Instant, LinkType, Packet, PacketType, ipv6};

use crate::neighbours::{Neighbours, Word, announcements, answer};
use crate::offload;
use crate::watch::Watch;
use crate::witness::Witness;

/// Frames that are taken from one port before the others have their turn: a vector.
const VECTOR: usize = 64;
/// Bytes of a frame with its offloads: the longest that one packet can be.
const FRAME: usize = 70 << 10;

/// How often addresses are announced, and how long after each other: as RFC 5227 has it, and once more, since an interface
/// that has just come up may not send yet.
const ANNOUNCE_NUMBER: u32 = 3;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// Interfaces whose addresses are announced.
#[derive(Debug, Default)]
struct Announced {
    interfaces: Vec<IfIndex>,
    /// How often they were, and when they are next.
    times: u32,
    at: Instant,
}

impl Announced {
    fn deadline(&self) -> Option<Instant> {
        (!self.interfaces.is_empty() && self.times < ANNOUNCE_NUMBER).then_some(self.at)
    }
}

/// The ports of a router and what waits for neighbours.
#[derive(Debug)]
pub struct Router {
    ports: Vec<(IfIndex, Box<dyn Port>)>,
    /// The way to this machine's kernel, and the Ethernet address that it has there.
    own: Option<(Box<dyn Port>, [u8; 6])>,
    neighbours: Neighbours,
    announced: Announced,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    copy: Vec<u8>,
    witness: Witness,
}

impl Router {
    /// Over these ports, each of which is an interface of the engine's host.
    pub fn new(ports: Vec<(IfIndex, Box<dyn Port>)>) -> Router {
        Router {
            ports,
            own: None,
            neighbours: Neighbours::default(),
            announced: Announced::default(),
            buffer: vec![0; FRAME],
            scratch: Vec::new(),
            copy: Vec::new(),
            witness: Witness::default(),
        }
    }

    /// Gives it a way to this machine's own kernel: a port of Ethernet frames, and the kernel's address behind it.
    pub fn with_host(mut self, port: Box<dyn Port>, mac: [u8; 6]) -> Router {
        self.own = Some((port, mac));
        self
    }

    /// From now on, who listens there hears of packets.
    pub fn watch(&mut self, watch: &Arc<Watch>) {
        self.witness = Witness::new(watch.clone());
    }

    /// What is waited for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let own = self.own.iter().map(|(port, _)| port.as_fd());
        self.ports.iter().map(|(_, port)| port.as_fd()).chain(own)
    }

    /// When there is something to do though no packet comes.
    pub fn deadline(&self) -> Option<Instant> {
        let ports = self.ports.iter().filter_map(|(_, port)| port.deadline());
        ports.chain(self.neighbours.deadline()).chain(self.announced.deadline()).min()
    }

    /// Tells whoever is on these interfaces' links that their addresses are there, in place of another's perhaps: in the next
    /// turn, and again in case nobody could hear it then.
    pub fn announce(&mut self, interfaces: Vec<IfIndex>) {
        self.announced = Announced { interfaces, times: 0, at: Instant::ZERO };
    }

    fn announce_again(&mut self, host: &Host, now: Instant) {
        if self.announced.deadline().is_none_or(|at| at > now) {
            return;
        }
        self.announced.times += 1;
        self.announced.at = now + ANNOUNCE_INTERVAL;
        for index in self.announced.interfaces.clone() {
            for frame in host.interface(index).map(announcements).unwrap_or_default() {
                self.put(index, &frame);
            }
        }
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
        came |= self.take_own(engine, now)?;
        came |= self.take_judged(engine, now);
        self.ask_again(engine, now);
        self.announce_again(engine.host(), now);
        self.put_output(engine, now);
        for (_, port) in &mut self.ports {
            port.flush()?;
        }
        if let Some((port, _)) = &mut self.own {
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

    /// Takes packets on that waited for a verdict. Tells whether there are more.
    fn take_judged(&mut self, engine: &mut Engine, now: Instant) -> bool {
        for _ in 0..VECTOR {
            let Some(mut resumed) = engine.resume(now, &mut self.witness) else { return false };
            self.witness.settle(engine);
            match resumed.disposition {
                Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => {
                    let hop = engine.next_hop();
                    self.put_output(engine, now);
                    self.leave(engine, oif, &resumed.bytes, hop, now);
                }
                Disposition::Local if !resumed.own => {
                    let len = resumed.bytes.len();
                    let mut packet = Packet::new(&mut resumed.bytes, 0, len, LinkType::Ethernet);
                    self.local(resumed.iif, &mut packet);
                }
                _ => {}
            }
            self.put_output(engine, now);
        }
        engine.has_judged()
    }

    /// Takes what programs of this machine send.
    fn take_own(&mut self, engine: &mut Engine, now: Instant) -> io::Result<bool> {
        let Some((mut port, mac)) = self.own.take() else { return Ok(false) };
        port.turn(now);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut came = Ok(false);
        for _ in 0..VECTOR {
            match port.receive(&mut buffer) {
                Ok(Some((offloads, frame))) => {
                    came = Ok(true);
                    offload::frames(offloads, frame, &mut scratch, |frame| {
                        self.process_own(engine, frame, now)
                    });
                }
                Ok(None) => break,
                Err(error) => {
                    came = Err(error);
                    break;
                }
            }
        }
        (self.buffer, self.scratch, self.own) = (buffer, scratch, Some((port, mac)));
        // What came back while the port was away: answers to its own packets.
        self.put_local(engine);
        came
    }

    /// One packet of a program of this machine. The kernel has chosen an interface for it, whose address it bears.
    fn process_own(&mut self, engine: &mut Engine, frame: &mut [u8], now: Instant) {
        let (Some(from), Some([8, 0] | [0x86, 0xdd])) = (frame.get(6..12), frame.get(12..14)) else { return };
        if is_discovery(frame) {
            return;
        }
        let chosen = engine.host().interfaces().iter().find(|one| one.mac[..] == *from && one.mac != [0; 6]);
        let chosen = chosen.map_or(IfIndex::NONE, |one| one.index);
        let len = frame.len();
        let mut packet = Packet::new(frame, 0, len, LinkType::Ethernet);
        packet.meta.iif = chosen;
        packet.meta.packet_type = PacketType::Outgoing;
        let disposition = engine.process(now, &mut packet, &mut self.witness);
        self.witness.settle(engine);
        match disposition {
            Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => {
                let hop = engine.next_hop();
                self.put_output(engine, now);
                self.leave(engine, oif, packet.head(), hop, now);
            }
            _ => {}
        }
        self.put_output(engine, now);
    }

    /// Hands a frame to this machine's kernel.
    fn hand_over(&mut self, frame: &mut [u8]) {
        let Some((port, mac)) = &mut self.own else { return };
        if let Some(to) = frame.get_mut(..6)
            && to.first().is_some_and(|first| first & 1 == 0)
        {
            to.copy_from_slice(mac);
        }
        let _ = port.send(frame);
    }

    /// Hands over what the engine made or put together for this machine.
    fn put_local(&mut self, engine: &mut Engine) {
        if self.own.is_none() {
            return;
        }
        while let Some(packet) = engine.poll_local() {
            let protocol =
                if packet.first().is_some_and(|first| first >> 4 == 6) { [0x86, 0xdd] } else { [8, 0] };
            let mut frame = Vec::with_capacity(packet.len() + 14);
            frame.extend([0; 6]);
            frame.extend(ROUTER);
            frame.extend(protocol);
            frame.extend(packet);
            self.hand_over(&mut frame);
        }
    }

    /// Asks again for neighbours that did not answer; who sent to those that never do is told.
    fn ask_again(&mut self, engine: &mut Engine, now: Instant) {
        let again = self.neighbours.again(engine.host(), now);
        for (oif, question) in again.questions {
            self.put(oif, &question);
        }
        for (interface, address) in again.gone {
            engine.change_host(|host| host.remove_neighbour(interface, address));
        }
        for mut frame in again.lost {
            let len = frame.len();
            engine.unreachable(now, &mut Packet::new(&mut frame, 0, len, LinkType::Ethernet));
        }
    }

    fn process(&mut self, engine: &mut Engine, iif: IfIndex, frame: &mut [u8], now: Instant) {
        let word = Word::read(frame);
        let len = frame.len();
        let mut packet = Packet::new(frame, 0, len, LinkType::Ethernet);
        packet.meta.iif = iif;
        let disposition = engine.process(now, &mut packet, &mut self.witness);
        self.witness.settle(engine);
        match disposition {
            Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => {
                let hop = engine.next_hop();
                // What was made for it left before it: copies, the fragments of which it is the last.
                self.put_output(engine, now);
                self.leave(engine, oif, packet.head(), hop, now);
            }
            Disposition::Dropped(DropReason::Rule(_) | DropReason::Policy(_)) => {}
            _ => {
                if let Some(word) = word {
                    self.hear(engine, iif, &word);
                } else if disposition == Disposition::Local {
                    self.local(iif, &mut packet);
                }
            }
        }
        self.put_output(engine, now);
    }

    /// Sends what the engine made.
    fn put_output(&mut self, engine: &mut Engine, now: Instant) {
        while let Some(output) = engine.poll_output() {
            if output.ethernet {
                let hop = (output.next_hop, output.addressed);
                self.leave(engine, output.oif, &output.bytes, hop, now);
            }
        }
        self.put_local(engine);
    }

    /// Sends a frame, once its next hop is known. A frame without a next hop goes as it is.
    fn leave(
        &mut self,
        engine: &Engine,
        oif: IfIndex,
        frame: &[u8],
        (hop, addressed): (Option<IpAddr>, bool),
        now: Instant,
    ) {
        let hop = match hop {
            Some(hop) if !addressed => hop,
            _ => return self.put(oif, frame),
        };
        if self.ports.iter().any(|(index, port)| *index == oif && !port.has_neighbours()) {
            return self.put(oif, frame);
        }
        if let Some((oif, question)) = self.neighbours.wait(engine.host(), (oif, hop), frame.to_vec(), now) {
            self.put(oif, &question);
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
        if before == Some(mac) {
            return self.neighbours.confirm(at, engine.now());
        }
        if before.is_none() && !self.neighbours.wants(at) {
            return;
        }
        self.neighbours.confirm(at, engine.now());
        engine.change_host(|host| {
            // The interface is there: the frame came through it.
            let _ = host.add_neighbour(Neighbour { address, mac, interface: iif });
        });
        for frame in self.neighbours.known(at, mac) {
            self.put(iif, &frame);
        }
    }

    /// A packet for this machine.
    ///
    /// DIVERGES: programs see it come in by the daemon's device, and do not see what is for groups or addresses of a link.
    ///
    /// Addresses of a link are known on that link alone, so the kernel would not know its own behind
    /// its port.
    fn local(&mut self, iif: IfIndex, packet: &mut Packet<'_>) {
        let frame = packet.head();
        let of_link = frame.get(12..14) == Some(&[0x86, 0xdd]) && frame.get(38..40).is_some_and(is_of_link);
        if self.own.is_none() || of_link {
            return self.echo(iif, frame);
        }
        if !is_discovery(frame) {
            let mut frame = std::mem::take(&mut self.copy);
            frame.clear();
            frame.extend_from_slice(packet.head());
            self.hand_over(&mut frame);
            self.copy = frame;
        }
    }

    /// Answers an echo request to one of our addresses (RFC 792, RFC 4443), the rest of the host not being there.
    fn echo(&mut self, iif: IfIndex, frame: &[u8]) {
        if let Some(reply) = echo_reply(frame) {
            // Its destination's Ethernet address is the question's source.
            self.put(iif, &reply);
        }
    }
}

/// What stands for this router as the sender of frames to its host.
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Whether an IPv6 address that begins so is of one link (`fe80::/10`).
fn is_of_link(begins: &[u8]) -> bool {
    matches!(begins, [0xfe, second, ..] if second & 0xc0 == 0x80)
}

/// Whether a frame is of neighbour discovery (RFC 4861) or tells of group members (RFC 3810): each link's own affair.
fn is_discovery(frame: &[u8]) -> bool {
    if frame.get(12..14) != Some(&[0x86, 0xdd]) {
        return false;
    }
    let icmp = match frame.get(20) {
        Some(58) => 14 + ipv6::HEADER_LEN,
        // A router alert stands before what tells of groups.
        Some(0) if frame.get(54) == Some(&58) => 14 + ipv6::HEADER_LEN + 8,
        _ => return false,
    };
    matches!(frame.get(icmp), Some(130..=137 | 143))
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
            let _ = is_discovery(&frame[..end]);
        }
    }
}
