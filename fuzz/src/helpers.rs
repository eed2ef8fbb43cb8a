//! Any bytes as what two sides of a connection with a helper say, with NAT and without: nothing panics, no more is expected
//! than may be, packets stay whole, and what is expected comes about.

use ironweir_conntrack::{
    Config, Conntrack, CtInfo, Direction, Judgement, Manip, NatRange, Nowhere, PacketIn, Template,
};
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{Address, Instant, L3, LinkType, Packet, Tuple, dissect, ipv4, ipv6, tcp};

/// Helpers and the protocol of their connections.
const HELPERS: [(&str, u8); 14] = [
    ("ftp", ipproto::TCP),
    ("irc", ipproto::TCP),
    ("sane", ipproto::TCP),
    ("pptp", ipproto::TCP),
    ("sip", ipproto::TCP),
    ("sip", ipproto::UDP),
    ("tftp", ipproto::UDP),
    ("amanda", ipproto::UDP),
    ("nobody's", ipproto::UDP),
    ("Q.931", ipproto::TCP),
    ("H.245", ipproto::TCP),
    ("RAS", ipproto::UDP),
    ("netbios-ns", ipproto::UDP),
    ("snmp", ipproto::UDP),
];
/// The most that is expected at once.
const EXPECTED: usize = 12;
/// Room for packets that grow.
const ROOM: usize = 2048;

struct Talk {
    conntrack: Conntrack,
    now: Instant,
    l3: L3,
    l4: u8,
    helper: &'static str,
    nat: bool,
    seq: [u32; 2],
}

fn end(l3: L3, host: u8) -> Address {
    match l3 {
        L3::V6 => {
            let mut address = Address([0; 16]);
            address.0[0] = 0xfd;
            address.0[15] = host;
            address
        }
        _ => Address::v4([10, 0, 0, host]),
    }
}

fn whole(tuple: &Tuple, seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (src, dst, l4) = (tuple.src, tuple.dst, tuple.l4);
    let mut body = match l4 {
        ipproto::TCP => tcp::Header {
            src: tuple.src_id,
            dst: tuple.dst_id,
            seq,
            ack: 1,
            flags,
            window: 60_000,
            ..tcp::Header::default()
        }
        .emit()
        .to_vec(),
        ipproto::UDP => {
            [tuple.src_id, tuple.dst_id, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).concat()
        }
        _ => [0x3001, 0x880b, payload.len() as u16, tuple.dst_id].map(u16::to_be_bytes).concat(),
    };
    body.extend(payload);
    let mut bytes = if tuple.l3 == L3::V6 {
        let payload_length = body.len() as u16;
        let header = ipv6::Header {
            version: 6,
            traffic_class: 0,
            flow_label: 0,
            payload_length,
            next_header: l4,
            hop_limit: 64,
            src,
            dst,
        };
        header.emit().to_vec()
    } else {
        let total_length = 20 + body.len() as u16;
        let header = ipv4::Header {
            header_len: 20,
            version: 4,
            tos: 0,
            total_length,
            id: 1,
            flags_offset: 0,
            ttl: 64,
            protocol: l4,
            checksum: 0,
            src,
            dst,
        };
        header.emit().to_vec()
    };
    bytes.extend(body);
    bytes
}

impl Talk {
    /// Something is said in a direction.
    fn say(&mut self, direction: Direction, flags: u8, payload: &[u8]) {
        let seq = self.seq[direction as usize];
        let opens = u32::from(flags & tcp::flag::SYN != 0);
        self.seq[direction as usize] = seq.wrapping_add(payload.len() as u32 + opens);
        let tuple = Tuple {
            src: end(self.l3, 1),
            dst: end(self.l3, 2),
            src_id: 5060,
            dst_id: 5060,
            zone: 0,
            l3: self.l3,
            l4: self.l4,
        };
        let tuple = match direction {
            Direction::Original => tuple,
            Direction::Reply => {
                let seen = if self.nat { end(self.l3, 77) } else { tuple.src };
                Tuple { src: tuple.dst, dst: seen, ..tuple }
            }
        };
        self.pass(&tuple, seq, flags, payload, true);
    }

    /// A packet meets all that a router does.
    fn pass(&mut self, tuple: &Tuple, seq: u32, flags: u8, payload: &[u8], helped: bool) {
        let mut bytes = whole(tuple, seq, flags, payload);
        let len = bytes.len();
        bytes.resize(len + ROOM, 0);
        let mut packet = Packet::new(&mut bytes, 0, len, LinkType::None);
        packet.meta.protocol = if self.l3 == L3::V6 { ethertype::IPV6 } else { ethertype::IPV4 };
        let Ok(mut info) = dissect(&mut packet) else { return };
        let (now, conntrack) = (self.now, &mut self.conntrack);
        let PacketIn::Pass(tracking) = conntrack.packet_in(now, &packet, &info, &Template::default()) else {
            return;
        };
        let Some((ct, ctinfo)) = tracking.flow() else { return };
        if ctinfo == CtInfo::New
            && helped
            && let Some(entry) = conntrack.entry_mut(ct)
        {
            entry.set_helper(self.helper.into());
        }
        for manip in [Manip::Destination, Manip::Source] {
            if conntrack.nat_pending(ct, ctinfo, manip) {
                if self.nat && helped && manip == Manip::Source {
                    conntrack.nat_setup(ct, &NatRange::default().to_address(end(self.l3, 77)), manip);
                } else {
                    conntrack.nat_null_bind(ct, manip);
                }
            }
            conntrack.nat_packet(&mut packet, &info, ct, ctinfo, manip);
        }
        let judgement = conntrack.help(now, &mut packet, &mut info, ct, ctinfo, &Nowhere);
        if judgement == Judgement::Accept && conntrack.seq_adjust(&mut packet, &info, ct, ctinfo) {
            conntrack.confirm(now, tracking);
        } else {
            conntrack.release(ct);
        }
        assert!(info.end <= packet.len());
        let again = dissect(&mut packet).expect("what leaves is a packet");
        assert_eq!(again.end, info.end, "lengths fit");
        let expected = self.conntrack.expectations(now).count();
        assert!(expected <= EXPECTED);
        let most = self.conntrack.expect_policy(ct, 0).map_or(0, |policy| policy.max_expected);
        assert!(self.conntrack.expecting(ct, 0) <= most, "as many as the policy says");
    }

    /// Somebody does what is expected.
    fn fulfil(&mut self, which: usize) {
        let all: Vec<_> = self.conntrack.expectations(self.now).map(|e| e.expectation.clone()).collect();
        let Some(expected) = all.get(which % all.len().max(1)) else { return };
        let src =
            if expected.src_mask == Address::UNSPECIFIED { end(self.l3, 9) } else { expected.tuple.src };
        let src_id = if expected.src_id_mask == 0 { 4000 } else { expected.tuple.src_id };
        let tuple = Tuple { src, src_id, ..expected.tuple };
        self.pass(&tuple, 1, tcp::flag::SYN, b"", false);
    }
}

/// Runs one input: a byte says which helper, NAT and family; then a byte each for direction and what to do, one for the
/// length, and so many bytes that are said.
pub fn run(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let (helper, l4) = HELPERS[usize::from(first & 15) % HELPERS.len()];
    let config = Config {
        max: 256,
        tcp_be_liberal: true,
        expect_max: EXPECTED,
        sip_direct_media: first & 0x80 == 0,
        ..Config::default()
    };
    let mut talk = Talk {
        conntrack: Conntrack::new(config, 1),
        now: Instant::from_secs(1_000_000),
        l3: if first & 0x20 == 0 { L3::V4 } else { L3::V6 },
        l4,
        helper,
        nat: first & 0x10 != 0,
        seq: [u32::MAX - 100, 7],
    };
    if l4 == ipproto::TCP {
        talk.say(Direction::Original, tcp::flag::SYN, b"");
        talk.say(Direction::Reply, tcp::flag::SYN | tcp::flag::ACK, b"");
        talk.say(Direction::Original, tcp::flag::ACK, b"");
    }
    for _ in 0..64 {
        let [what, len, behind @ ..] = rest else { break };
        let (said, others) = behind.split_at(usize::from(*len).saturating_mul(4).min(behind.len()));
        rest = others;
        let direction = if what & 1 == 0 { Direction::Original } else { Direction::Reply };
        talk.say(direction, tcp::flag::ACK | tcp::flag::PSH, said);
        if what & 2 != 0 {
            talk.fulfil(usize::from(what >> 4));
        }
        if what & 4 != 0 {
            talk.now = talk.now + std::time::Duration::from_secs(60);
        }
    }
}
