//! Who is behind an address on a link: ARP (RFC 826) and neighbour discovery (RFC 4861), asked and answered.
//!
//! Frames wait until their next hop's Ethernet address is known, a few for each; a next hop that does not answer loses
//! them. No socket here: frames and time come in, frames go out.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hashbrown::HashMap;
use ironweir_engine::{Host, Interface};
use ironweir_wire::checksum::Sum;
use ironweir_wire::{IfIndex, Instant};

/// What may wait for one neighbour, as the kernel counts it ([`charge`]): `unres_qlen_bytes` of
/// `Documentation/networking/ip-sysctl.rst`, 101 frames of Ethernet's length.
const MAX_WAITING: usize = 212_992;
/// What may wait for all together, so that who goes through all addresses of a link does not fill memory.
const MAX_WAITING_FOR_ALL: usize = 32 << 20;
/// Neighbours that are asked for at once.
const MAX_ASKED: usize = 1024;
/// How long an answer may take (`retrans_time_ms`), and how often is asked (`mcast_solicit`).
const PATIENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;
/// How long a neighbour is believed to be where it was; then it is asked (`base_reachable_time_ms`, doubled, for here it is
/// not known whether anybody still sends to it).
const BELIEVED: Duration = Duration::from_secs(60);

const BROADCAST: [u8; 6] = [0xff; 6];

/// A frame for an interface.
pub type Outgoing = (IfIndex, Vec<u8>);

/// Neighbours that are being asked for.
#[derive(Debug, Default)]
pub struct Neighbours {
    asked: HashMap<(IfIndex, IpAddr), Asked>,
    /// What waits for all of them, as [`charge`] has it.
    waiting: usize,
    /// Those that answered, when they did last, and how often they were asked since.
    known: HashMap<(IfIndex, IpAddr), (Instant, u32)>,
    /// When the next of those is to be asked.
    due: Option<Instant>,
}

/// What [`Neighbours::again`] leads to.
#[derive(Debug, Default)]
pub struct Again {
    /// Frames to be sent.
    pub questions: Vec<Outgoing>,
    /// Neighbours that are there no longer.
    pub gone: Vec<(IfIndex, IpAddr)>,
    /// Frames that waited for somebody who never answered.
    pub lost: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Asked {
    frames: VecDeque<Vec<u8>>,
    waiting: usize,
    at: Instant,
    attempts: u32,
}

/// What a frame says about who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Who has `target`? Asked by `sender`, who is at `mac`; none asks whether the address is free.
    Asks {
        /// The address asked for.
        target: IpAddr,
        /// Who asks.
        sender: Option<IpAddr>,
        /// Where the answer goes.
        mac: [u8; 6],
    },
    /// `sender` is at `mac`.
    Tells {
        /// Whose address.
        sender: IpAddr,
        /// Its Ethernet address.
        mac: [u8; 6],
    },
}

impl Word {
    /// Reads a frame; `None` if it says nothing of the kind.
    pub fn read(frame: &[u8]) -> Option<Word> {
        match frame.get(12..14)? {
            [8, 6] => Word::arp(frame.get(14..42)?),
            [0x86, 0xdd] => Word::discovery(frame.get(14..)?),
            _ => None,
        }
    }

    fn arp(arp: &[u8]) -> Option<Word> {
        // Ethernet, IPv4, lengths 6 and 4.
        if !arp.starts_with(&[0, 1, 8, 0, 6, 4]) {
            return None;
        }
        let v4 = |at: usize| Some(Ipv4Addr::from(*arp.get(at..)?.first_chunk::<4>()?));
        let mac = *arp.get(8..)?.first_chunk::<6>()?;
        let sender = Some(v4(14)?).filter(|sender| !sender.is_unspecified()).map(IpAddr::V4);
        match arp.get(6..8)? {
            [0, 1] => Some(Word::Asks { target: v4(24)?.into(), sender, mac }),
            [0, 2] => Some(Word::Tells { sender: sender?, mac }),
            _ => None,
        }
    }

    fn discovery(packet: &[u8]) -> Option<Word> {
        // Only what no router passed on has 255 hops left (RFC 4861, 7.1).
        if packet.get(6..8)? != [58, 255] {
            return None;
        }
        let v6 = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
        let (source, target) = (v6(8)?, v6(48)?);
        let option = |wanted: u8| {
            let mut options = packet.get(64..)?;
            while let [kind, len, rest @ ..] = options {
                if *kind == wanted && *len == 1 {
                    return rest.first_chunk::<6>().copied();
                }
                options = options.get(usize::from((*len).max(1)) * 8..)?;
            }
            None
        };
        match packet.get(40..42)? {
            [135, 0] => {
                let sender = Some(source).filter(|source| !source.is_unspecified()).map(IpAddr::V6);
                Some(Word::Asks { target: target.into(), sender, mac: option(1).unwrap_or_default() })
            }
            [136, 0] => Some(Word::Tells { sender: target.into(), mac: option(2)? }),
            _ => None,
        }
    }
}

impl Neighbours {
    /// A frame waits for a next hop; tells the question to be sent, if one is due.
    pub fn wait(
        &mut self,
        host: &Host,
        at: (IfIndex, IpAddr),
        frame: Vec<u8>,
        now: Instant,
    ) -> Option<Outgoing> {
        if self.asked.len() >= MAX_ASKED && !self.asked.contains_key(&at) {
            return None;
        }
        let new = || Asked { frames: VecDeque::new(), waiting: 0, at: now, attempts: 0 };
        let asked = self.asked.entry(at).or_insert_with(new);
        let len = charge(&frame);
        // The oldest goes first (`__neigh_event_send`).
        while asked.waiting + len > MAX_WAITING || self.waiting + len > MAX_WAITING_FOR_ALL {
            let Some(oldest) = asked.frames.pop_front() else { break };
            asked.waiting -= charge(&oldest);
            self.waiting -= charge(&oldest);
        }
        if self.waiting + len <= MAX_WAITING_FOR_ALL {
            asked.waiting += len;
            self.waiting += len;
            asked.frames.push_back(frame);
        }
        if asked.attempts > 0 {
            return None;
        }
        asked.attempts = 1;
        question(host.interface(at.0)?, at.1).map(|frame| (at.0, frame))
    }

    /// A neighbour is known now: the frames that waited for it, addressed.
    pub fn known(&mut self, at: (IfIndex, IpAddr), mac: [u8; 6]) -> Vec<Vec<u8>> {
        let Some(asked) = self.asked.remove(&at) else { return Vec::new() };
        self.waiting -= asked.waiting;
        let mut frames = Vec::from(asked.frames);
        for frame in &mut frames {
            if let Some(to) = frame.get_mut(..6) {
                to.copy_from_slice(&mac);
            }
        }
        frames
    }

    /// Whether somebody is asked for.
    pub fn wants(&self, at: (IfIndex, IpAddr)) -> bool {
        self.asked.contains_key(&at)
    }

    /// A neighbour has said where it is.
    pub fn confirm(&mut self, at: (IfIndex, IpAddr), now: Instant) {
        self.known.insert(at, (now, 0));
        let due = now + BELIEVED;
        self.due = Some(self.due.map_or(due, |other| other.min(due)));
    }

    /// Asks again those that did not answer in time; those that never do are given up, with what waits for them. Asks those
    /// that answered long ago whether they are still there.
    pub fn again(&mut self, host: &Host, now: Instant) -> Again {
        let mut again = Again::default();
        self.asked.retain(|(interface, address), asked| {
            if now.since(asked.at) < PATIENCE {
                return true;
            }
            asked.at = now;
            asked.attempts += 1;
            if asked.attempts > ATTEMPTS {
                self.waiting -= asked.waiting;
                again.lost.extend(asked.frames.drain(..));
                return false;
            }
            let question = host.interface(*interface).and_then(|interface| question(interface, *address));
            again.questions.extend(question.map(|frame| (*interface, frame)));
            true
        });
        if self.due.is_some_and(|due| due <= now) {
            self.ask_known(host, now, &mut again);
        }
        again
    }

    fn ask_known(&mut self, host: &Host, now: Instant, again: &mut Again) {
        let mut due: Option<Instant> = None;
        self.known.retain(|at, (heard, asked)| {
            let mut next = *heard + BELIEVED + PATIENCE * *asked;
            if next <= now {
                // Somebody else may have taken it away or set it since.
                let Some(mac) = host.neighbour(at.0, at.1) else { return false };
                if *asked >= ATTEMPTS {
                    again.gone.push(*at);
                    return false;
                }
                *asked += 1;
                next = now + PATIENCE;
                let question = host.interface(at.0).and_then(|interface| question(interface, at.1));
                again.questions.extend(question.map(|mut frame| {
                    // To itself alone (RFC 1122, 2.3.2.1; RFC 4861, 7.3.3).
                    frame[..6].copy_from_slice(&mac);
                    (at.0, frame)
                }));
            }
            due = Some(due.map_or(next, |other| other.min(next)));
            true
        });
        self.due = due;
    }

    /// When [`Neighbours::again`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.asked.values().map(|asked| asked.at + PATIENCE).chain(self.due).min()
    }
}

/// What a frame that waits costs, as the kernel counts it (`skb->truesize`): the memory of its bytes in lines of 64, and of
/// what describes it.
fn charge(frame: &[u8]) -> usize {
    const DESCRIPTION: usize = 576;
    frame.len().next_multiple_of(64) + DESCRIPTION
}

/// What tells everybody on a link that an interface's addresses are there: a question for oneself (`arp_notify`; RFC 5227,
/// 3), an answer that nobody asked for (`ndisc_send_unsol_na`).
pub fn announcements(interface: &Interface) -> Vec<Vec<u8>> {
    let frame = |(address, _): &(IpAddr, u8)| match *address {
        IpAddr::V4(own) => arp(interface.mac, BROADCAST, 1, (interface.mac, own), ([0; 6], own)),
        IpAddr::V6(own) => taken(interface.mac, own),
    };
    interface.addresses.iter().map(frame).collect()
}

fn own_v4(interface: &Interface) -> Option<Ipv4Addr> {
    interface.addresses.iter().find_map(|(address, _)| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    })
}

/// The address of the link, if there is one (`ndisc_solicit`).
fn own_v6(interface: &Interface) -> Option<Ipv6Addr> {
    let mut own = interface.addresses.iter().filter_map(|(address, _)| match address {
        IpAddr::V6(v6) => Some(*v6),
        IpAddr::V4(_) => None,
    });
    own.clone().find(Ipv6Addr::is_unicast_link_local).or_else(|| own.next())
}

/// The frame that asks for an address.
fn question(interface: &Interface, target: IpAddr) -> Option<Vec<u8>> {
    match target {
        IpAddr::V4(target) => {
            let sender = own_v4(interface)?;
            Some(arp(interface.mac, BROADCAST, 1, (interface.mac, sender), ([0; 6], target)))
        }
        IpAddr::V6(target) => {
            let source = own_v6(interface)?;
            // The solicited-node group of the target (RFC 4291, 2.7.1), and its Ethernet address (RFC 2464).
            let [.., a, b, c] = target.octets();
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
            let to = [0x33, 0x33, 0xff, a, b, c];
            Some(discovery(interface.mac, to, (source, group), [135, 0], target, 1))
        }
    }
}

/// The frame that answers a question for one of an interface's own addresses.
pub fn answer(interface: &Interface, word: &Word) -> Option<Vec<u8>> {
    let Word::Asks { target, sender, mac } = word else { return None };
    if !interface.addresses.iter().any(|(address, _)| address == target) {
        return None;
    }
    match (target, sender) {
        (IpAddr::V4(own), sender) => {
            let to = match sender {
                Some(IpAddr::V4(sender)) => *sender,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            Some(arp(interface.mac, *mac, 2, (interface.mac, *own), (*mac, to)))
        }
        (IpAddr::V6(own), Some(IpAddr::V6(sender))) if *mac != [0; 6] => {
            // Router, solicited, override.
            Some(discovery(interface.mac, *mac, (*own, *sender), [136, 0xe0], *own, 2))
        }
        // Somebody wants to take our address: all hear that it is taken.
        (IpAddr::V6(own), _) => Some(taken(interface.mac, *own)),
    }
}

/// Tells all nodes of a link whose an address is: router, override.
fn taken(mac: [u8; 6], own: Ipv6Addr) -> Vec<u8> {
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    discovery(mac, [0x33, 0x33, 0, 0, 0, 1], (own, all), [136, 0xa0], own, 2)
}

fn arp(
    from: [u8; 6],
    to: [u8; 6],
    operation: u8,
    sender: ([u8; 6], Ipv4Addr),
    target: ([u8; 6], Ipv4Addr),
) -> Vec<u8> {
    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, operation];
    [&to[..], &from, &head, &sender.0, &sender.1.octets(), &target.0, &target.1.octets()].concat()
}

fn discovery(
    from: [u8; 6],
    to: [u8; 6],
    (source, destination): (Ipv6Addr, Ipv6Addr),
    [kind, flags]: [u8; 2],
    target: Ipv6Addr,
    option: u8,
) -> Vec<u8> {
    let mut icmp = [&[kind, 0, 0, 0, flags, 0, 0, 0][..], &target.octets(), &[option, 1], &from].concat();
    let sum = Sum::default()
        .bytes(&source.octets())
        .bytes(&destination.octets())
        .bytes(&[0, 0, 0, icmp.len() as u8, 0, 0, 0, 58])
        .bytes(&icmp)
        .finish();
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let ip = [0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 255];
    [&to[..], &from, &[0x86, 0xdd], &ip, &source.octets(), &destination.octets(), &icmp].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn host() -> Host {
        let mut host = Host::default();
        let mut interface = Interface::new(IfIndex(1), "lan0");
        interface.mac = MAC;
        interface.addresses = vec![("10.0.0.1".parse().unwrap(), 24), ("2001:db8::1".parse().unwrap(), 64)];
        host.add_interface(interface).unwrap();
        host
    }

    #[test]
    fn a_frame_waits_for_its_answer_and_is_addressed() {
        let (host, mut neighbours) = (host(), Neighbours::default());
        for target in ["10.0.0.9", "2001:db8::9"] {
            let target: IpAddr = target.parse().unwrap();
            let at = (IfIndex(1), target);
            let (_, question) = neighbours.wait(&host, at, vec![0; 60], Instant::ZERO).unwrap();
            assert_eq!(neighbours.wait(&host, at, vec![0; 60], Instant::ZERO), None, "asked already");
            let asked = Word::read(&question).unwrap();
            assert!(
                matches!(asked, Word::Asks { target: asked, mac: MAC, sender: Some(_) } if asked == target)
            );
            // As the neighbour itself would answer.
            let mut other = Interface::new(IfIndex(2), "eth0");
            other.mac = OTHER;
            other.addresses = vec![(target, 24)];
            let told = Word::read(&answer(&other, &asked).unwrap()).unwrap();
            assert_eq!(told, Word::Tells { sender: target, mac: OTHER });
            let frames = neighbours.known(at, OTHER);
            assert_eq!(frames.len(), 2);
            assert_eq!(frames[0][..6], OTHER);
            assert!(!neighbours.wants(at));
        }
    }

    #[test]
    fn so_much_waits_for_a_neighbour_as_for_the_kernels_and_the_oldest_goes_first() {
        let (host, mut neighbours) = (host(), Neighbours::default());
        let at = (IfIndex(1), "10.0.0.9".parse().unwrap());
        for number in 0..200_u8 {
            neighbours.wait(&host, at, vec![number; 1514], Instant::ZERO);
        }
        // `unres_qlen` of ip-sysctl.rst: 101, rounded up from 212992 bytes.
        let frames = neighbours.known(at, OTHER);
        assert_eq!((frames.len(), frames[0][6], frames[99][6]), (100, 100, 199));
        assert_eq!(neighbours.waiting, 0);
    }

    #[test]
    fn what_waits_for_all_together_is_bounded() {
        let (host, mut neighbours) = (host(), Neighbours::default());
        let at = |number: u32| (IfIndex(1), IpAddr::from(Ipv4Addr::from(0x0a00_0000 | number)));
        for number in 0..1000 {
            for _ in 0..20 {
                neighbours.wait(&host, at(number), vec![0; 9000], Instant::ZERO);
            }
        }
        assert!(neighbours.waiting <= MAX_WAITING_FOR_ALL && neighbours.waiting > MAX_WAITING_FOR_ALL / 2);
        // Nothing is lost count of.
        assert_eq!(neighbours.known(at(1), OTHER).len(), 20);
        let mut lost = 0;
        while let Some(deadline) = neighbours.deadline() {
            lost += neighbours.again(&host, deadline).lost.len();
        }
        assert!(lost > 3000, "{lost}");
        assert_eq!(neighbours.waiting, 0);
    }

    #[test]
    fn addresses_are_announced_to_all() {
        let host = host();
        let told = announcements(&host.interfaces()[0]);
        let own: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(Word::read(&told[0]), Some(Word::Asks { target: own, sender: Some(own), mac: MAC }));
        assert_eq!(told[0][..6], BROADCAST);
        assert_eq!(
            Word::read(&told[1]),
            Some(Word::Tells { sender: "2001:db8::1".parse().unwrap(), mac: MAC })
        );
        assert_eq!(told[1][..6], [0x33, 0x33, 0, 0, 0, 1]);
    }

    #[test]
    fn who_never_answers_is_given_up() {
        let (host, mut neighbours) = (host(), Neighbours::default());
        let at = (IfIndex(1), "10.0.0.9".parse().unwrap());
        neighbours.wait(&host, at, vec![0; 60], Instant::ZERO);
        let mut now = Instant::ZERO;
        let (mut asked, mut lost) = (0, 0);
        while let Some(deadline) = neighbours.deadline() {
            now = deadline.max(now);
            let again = neighbours.again(&host, now);
            asked += again.questions.len();
            lost += again.lost.len();
            assert!(asked < 10);
        }
        // As often as `mcast_solicit` says, the first time before these.
        assert_eq!((asked, lost), (2, 1));
    }

    #[test]
    fn who_answered_long_ago_is_asked_by_itself_and_forgotten_if_it_is_gone() {
        let (mut host, mut neighbours) = (host(), Neighbours::default());
        let at = (IfIndex(1), "10.0.0.9".parse().unwrap());
        let neighbour = ironweir_engine::Neighbour { address: at.1, mac: OTHER, interface: at.0 };
        host.add_neighbour(neighbour).unwrap();
        neighbours.confirm(at, Instant::ZERO);
        let asked = neighbours.again(&host, neighbours.deadline().unwrap()).questions;
        assert_eq!((asked.len(), &asked[0].1[..6]), (1, &OTHER[..]));
        neighbours.confirm(at, Instant::from_secs(61));
        let (mut asked, mut gone) = (0, Vec::new());
        while let Some(deadline) = neighbours.deadline() {
            let again = neighbours.again(&host, deadline);
            asked += again.questions.len();
            gone.extend(again.gone);
        }
        assert_eq!((asked, gone), (3, vec![at]));
    }

    #[test]
    fn an_arp_question_is_as_rfc_826_has_it() {
        let frame = question(&host().interfaces()[0], "10.0.0.9".parse().unwrap()).unwrap();
        assert_eq!(frame[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(frame[14..22], [0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(frame[22..], [2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9]);
    }

    #[test]
    fn no_beginning_of_a_frame_panics() {
        let host = host();
        for target in ["10.0.0.9", "2001:db8::9"] {
            let frame = question(&host.interfaces()[0], target.parse().unwrap()).unwrap();
            for end in 0..frame.len() {
                let _ = Word::read(&frame[..end]);
            }
        }
    }
}
