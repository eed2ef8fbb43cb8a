//! Packets of captures as frames that arrive at a router.
//!
//! A capture was mostly made elsewhere than at the host of the host file. So that its packets are for the router at all,
//! frames are addressed to the interface they arrive by; and where the capture does not name the interface, addresses are
//! given a side each: who speaks first is at the host's first interface, who is spoken to is at another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use ironweir_engine::Host;
use ironweir_io::capture::Frame;
use ironweir_io::{Capture, CaptureError};
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{IfIndex, L3, LinkType, PacketType, dissect};

/// A frame that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// By this interface.
    pub iif: IfIndex,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Its number in the capture, from 1.
    pub number: u64,
}

/// Why a packet of a capture is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// The router itself sent it.
    Own,
    /// It is for a group that only a program could have joined.
    Group,
    /// It is longer than the interface takes.
    TooLong,
    /// It is neither IP nor ARP.
    Other,
}

impl LeftOut {
    /// Why, in words.
    pub const fn words(self) -> &'static str {
        match self {
            LeftOut::Own => "sent by the router itself",
            LeftOut::Group => "to groups that nobody joined",
            LeftOut::TooLong => "longer than the interface takes",
            LeftOut::Other => "neither IP nor ARP",
        }
    }
}

/// The frames of a capture.
#[derive(Debug, Default)]
pub struct Frames {
    /// In order.
    pub arriving: Vec<Arriving>,
    /// How many were left out, and why.
    pub left_out: HashMap<LeftOut, usize>,
}

impl std::hash::Hash for LeftOut {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (*self as u8).hash(state);
    }
}

/// Reads a capture, at most so many packets.
///
/// # Errors
/// If it cannot be read.
pub fn read(host: &Host, path: &Path, most: usize) -> Result<Frames, CaptureError> {
    let mut capture = Capture::open(path)?;
    let mut frame = Frame::default();
    let mut sides = Sides::new(host);
    let mut frames = Frames::default();
    while frames.arriving.len() < most && capture.read(&mut frame)? {
        let named = capture.interface(frame.interface).and_then(|interface| interface.name.clone());
        let named = named.and_then(|name| host.interface_by_name(&name)).map(|interface| interface.index);
        match arriving(host, &mut sides, named, &mut frame) {
            Ok(arriving) => frames.arriving.push(arriving),
            Err(why) => *frames.left_out.entry(why).or_default() += 1,
        }
    }
    Ok(frames)
}

fn arriving(
    host: &Host,
    sides: &mut Sides,
    named: Option<IfIndex>,
    frame: &mut Frame,
) -> Result<Arriving, LeftOut> {
    let number = frame.number;
    let missing = frame.missing();
    let mut packet = frame.packet();
    let info = dissect(&mut packet);
    let (network, protocol) = (packet.network(), packet.meta.protocol);
    let (link, packet_type) = (packet.link(), packet.meta.packet_type);
    let addresses = match protocol {
        ethertype::IPV4 => packet
            .array::<4>(network + 12)
            .zip(packet.array::<4>(network + 16))
            .map(|(from, to)| (IpAddr::from(from), IpAddr::from(to))),
        ethertype::IPV6 => packet
            .array::<16>(network + 8)
            .zip(packet.array::<16>(network + 24))
            .map(|(from, to)| (IpAddr::from(from), IpAddr::from(to))),
        ethertype::ARP => packet
            .array::<4>(network + 14)
            .zip(packet.array::<4>(network + 24))
            .map(|(from, to)| (IpAddr::from(from), IpAddr::from(to))),
        _ => None,
    };
    let _ = info.map(|info| info.l3 == L3::V4);
    let iif = named.or_else(|| sides.of(host, addresses)).ok_or(LeftOut::Other)?;
    let interface = host.interface(iif).ok_or(LeftOut::Other)?;
    let mut bytes = Vec::with_capacity(packet.len() + 14);
    if link != LinkType::Ethernet {
        // From a station that is nobody's.
        bytes.extend(interface.mac);
        bytes.extend([2, 0, 0, 0, 0xee, 1]);
        bytes.extend(protocol.to_be_bytes());
    }
    // What the capture cut off is zeros.
    bytes.extend(packet.head());
    bytes.resize(bytes.len() + missing, 0);
    match protocol {
        ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP => {}
        _ => return Err(LeftOut::Other),
    }
    let own = bytes.get(6..12) == Some(&interface.mac[..])
        || (packet_type == PacketType::Outgoing && named.is_some())
        || addresses
            .is_some_and(|(from, _)| protocol != ethertype::ARP && host.local_interface(from).is_some());
    if own {
        return Err(LeftOut::Own);
    }
    if let Some((_, to)) = addresses
        && protocol != ethertype::ARP
        && to.is_multicast()
        && !is_joined(to)
    {
        return Err(LeftOut::Group);
    }
    let tagged = matches!(bytes.get(12..14), Some([0x81, 0] | [0x88, 0xa8]));
    if bytes.len() > interface.mtu as usize + if tagged { 18 } else { 14 } {
        return Err(LeftOut::TooLong);
    }
    if bytes.first().is_some_and(|first| first & 1 == 0)
        && let Some(to) = bytes.get_mut(..6)
    {
        to.copy_from_slice(&interface.mac);
    }
    Ok(Arriving { iif, bytes, number })
}

/// Groups that a host is in without any program: all hosts (RFC 1112), all nodes of the link (RFC 4291).
fn is_joined(group: IpAddr) -> bool {
    group == IpAddr::from([224, 0, 0, 1]) || group == IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 1])
}

/// On which side of the router addresses are.
struct Sides {
    interfaces: Vec<IfIndex>,
    known: HashMap<IpAddr, usize>,
}

impl Sides {
    fn new(host: &Host) -> Sides {
        let others = host.interfaces().iter().filter(|interface| &*interface.name != "lo");
        Sides { interfaces: others.map(|interface| interface.index).collect(), known: HashMap::new() }
    }

    fn of(&mut self, host: &Host, addresses: Option<(IpAddr, IpAddr)>) -> Option<IfIndex> {
        let count = self.interfaces.len().max(1);
        let Some((from, to)) = addresses else { return self.interfaces.first().copied() };
        let here = |address: IpAddr| {
            let route = host.route(address).filter(|route| route.gateway.is_none())?;
            self.interfaces.iter().position(|interface| *interface == route.interface)
        };
        let side = self
            .known
            .get(&from)
            .copied()
            .or_else(|| here(from))
            .or_else(|| self.known.get(&to).map(|side| (side + 1) % count))
            .unwrap_or(0);
        self.known.insert(from, side);
        self.known.entry(to).or_insert((side + 1) % count);
        self.interfaces.get(side).copied()
    }
}
