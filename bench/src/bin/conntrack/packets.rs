//! Vectors of packets of many flows, made as they are needed: a million packets in memory would measure the memory.

use ironweir_conntrack::{Conntrack, Item, PacketIn, Template, Tracking};
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{Instant, LinkType, Packet, PacketInfo, dissect};

/// Packets of a vector.
pub const VECTOR: usize = 256;
/// Bytes of a packet, from the network header on: with an Ethernet header and checksum, 64 on the wire.
const LEN: usize = 46;

/// The transport protocol of a benchmark's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP: an acknowledgement without data.
    Tcp,
}

/// Which way packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the clients.
    There,
    /// To the clients, or to the address that source NAT gave them.
    Back,
}

/// The buffers of a vector.
pub struct Packets {
    buffers: Vec<[u8; LEN]>,
    transport: Transport,
}

/// TCP's flags.
pub mod flags {
    /// SYN.
    pub const SYN: u8 = 2;
    /// SYN and ACK.
    pub const SYN_ACK: u8 = 18;
    /// ACK.
    pub const ACK: u8 = 16;
}

impl Packets {
    /// Buffers for packets of a protocol.
    pub fn new(transport: Transport) -> Packets {
        let mut template = [0; LEN];
        template[0] = 0x45;
        template[3] = LEN as u8;
        template[8] = 64;
        template[9] = if transport == Transport::Udp { 17 } else { 6 };
        if transport == Transport::Udp {
            template[25] = (LEN - 20) as u8;
        } else {
            template[3] = 40;
            template[32] = 5 << 4;
            template[33] = flags::ACK;
            template[34..36].copy_from_slice(&1000_u16.to_be_bytes());
        }
        Packets { buffers: vec![template; VECTOR], transport }
    }

    /// Fills the vector with packets of flows `from` to `from + count`, the numbers taken modulo `flows`. `public` is whom
    /// answers go to, instead of the client.
    pub fn fill(&mut self, from: u32, count: usize, flows: u32, way: Way, public: Option<[u8; 4]>) {
        for (at, buffer) in (0..count as u32).zip(&mut self.buffers) {
            let flow = (from + at) % flows;
            // 60,000 ports of each client, hosts of 10.0.0.0/8.
            let (host, port) = (flow / 60_000 + 1, (flow % 60_000 + 2000) as u16);
            let client = public.unwrap_or((0x0a00_0000 + host).to_be_bytes());
            let server = [192, 0, 2, 1];
            let (src, dst, sport, dport) = match way {
                Way::There => (client, server, port, 443),
                Way::Back => (server, client, 443, port),
            };
            buffer[12..16].copy_from_slice(&src);
            buffer[16..20].copy_from_slice(&dst);
            buffer[20..22].copy_from_slice(&sport.to_be_bytes());
            buffer[22..24].copy_from_slice(&dport.to_be_bytes());
        }
    }

    /// Sets what the next packets say in TCP.
    pub fn tcp(&mut self, flags: u8, seq: u32, ack: u32) {
        if self.transport == Transport::Tcp {
            for buffer in &mut self.buffers {
                buffer[24..28].copy_from_slice(&seq.to_be_bytes());
                buffer[28..32].copy_from_slice(&ack.to_be_bytes());
                buffer[33] = flags;
            }
        }
    }

    /// The vector's packets, their headers found.
    pub fn dissected(&mut self, count: usize) -> Vec<(Packet<'_>, PacketInfo)> {
        let mut packets = Vec::with_capacity(count);
        for buffer in self.buffers.iter_mut().take(count) {
            let mut packet = Packet::new(buffer, 0, LEN, LinkType::None);
            packet.meta.protocol = ethertype::IPV4;
            let info = dissect(&mut packet).expect("made to be sound");
            packets.push((packet, info));
        }
        packets
    }
}

/// Tracks a vector; what each packet carries then is left in `tracked`.
pub fn track(
    conntrack: &mut Conntrack,
    now: Instant,
    packets: &[(Packet<'_>, PacketInfo)],
    tracked: &mut Vec<Tracking>,
) {
    tracked.clear();
    let mut items = Vec::with_capacity(VECTOR);
    for (packet, info) in packets {
        items.push(Item::new(packet, info, Template::default()));
    }
    conntrack.packets_in(now, &mut items);
    for item in items {
        match item.result {
            PacketIn::Pass(tracking) => tracked.push(tracking),
            PacketIn::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }
}
