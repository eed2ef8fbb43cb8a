//! Packets and a bench for the tests of this crate.

use ironweir_wire::checksum::Sum;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{
    Address, Headers, Instant, L3, LinkType, Packet, PacketInfo, Tuple, dissect, ipv4, ipv6, rewrite, tcp,
};

use crate::{
    Config, Confirm, Conntrack, CtInfo, CtRef, Direction, Judgement, Manip, NatRange, NatVerdict, Nowhere,
    PacketIn, Template, Tracking,
};

/// The bytes of a network packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

pub(crate) fn v4(last: u8) -> Address {
    Address::v4([10, 0, 0, last])
}

pub(crate) fn v6(last: u8) -> Address {
    let mut address = Address([0; 16]);
    address.0[..2].copy_from_slice(&[0xfd, 0]);
    address.0[15] = last;
    address
}

impl Bytes {
    /// A whole packet around a transport header and payload, its checksum at `checksum_at` filled in.
    pub(crate) fn ip(
        src: Address,
        dst: Address,
        l3: L3,
        l4: u8,
        mut body: Vec<u8>,
        checksum_at: Option<usize>,
    ) -> Bytes {
        if let Some(at) = checksum_at {
            body[at..at + 2].fill(0);
            let pseudo = match (l3, l4) {
                (L3::V4, ipproto::ICMP) => Sum::ZERO,
                _ => Sum::ZERO.pseudo(l3, &src, &dst, body.len(), l4),
            };
            let mut sum = pseudo.bytes(&body).finish();
            if sum == 0 && matches!(l4, ipproto::UDP | ipproto::UDPLITE) {
                sum = 0xffff;
            }
            body[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        let mut bytes = match l3 {
            L3::V4 => ipv4::Header {
                header_len: 20,
                version: 4,
                tos: 0,
                total_length: 20 + body.len() as u16,
                id: 1,
                flags_offset: 0,
                ttl: 64,
                protocol: l4,
                checksum: 0,
                src,
                dst,
            }
            .emit()
            .to_vec(),
            _ => ipv6::Header {
                version: 6,
                traffic_class: 0,
                flow_label: 0,
                payload_length: body.len() as u16,
                next_header: l4,
                hop_limit: 64,
                src,
                dst,
            }
            .emit()
            .to_vec(),
        };
        bytes.extend(body);
        Bytes(bytes)
    }

    pub(crate) fn udp(src: (Address, u16), dst: (Address, u16), l3: L3, payload: &[u8]) -> Bytes {
        let mut body = Vec::new();
        body.extend(src.1.to_be_bytes());
        body.extend(dst.1.to_be_bytes());
        body.extend((8 + payload.len() as u16).to_be_bytes());
        body.extend([0, 0]);
        body.extend(payload);
        Bytes::ip(src.0, dst.0, l3, ipproto::UDP, body, Some(6))
    }

    /// A TCP segment over IPv4 that says something.
    pub(crate) fn said(
        src: (Address, u16),
        dst: (Address, u16),
        flags: u8,
        (seq, ack): (u32, u32),
        text: &[u8],
    ) -> Bytes {
        let header =
            tcp::Header { src: src.1, dst: dst.1, seq, ack, flags, window: 1000, ..Default::default() };
        let mut body = header.emit().to_vec();
        body.extend(text);
        Bytes::ip(src.0, dst.0, L3::V4, ipproto::TCP, body, Some(tcp::CHECKSUM_AT))
    }

    /// A TCP segment over IPv4 from host 1 port 1000 to host 2 port 80, or back.
    pub(crate) fn tcp(
        direction: Direction,
        flags: u8,
        seq: u32,
        ack: u32,
        window: u16,
        options: &[u8],
        data: usize,
    ) -> Bytes {
        let (src, dst) = match direction {
            Direction::Original => ((v4(1), 1000), (v4(2), 80)),
            Direction::Reply => ((v4(2), 80), (v4(1), 1000)),
        };
        let header = tcp::Header { src: src.1, dst: dst.1, seq, ack, flags, window, ..Default::default() };
        let mut body = header.emit().to_vec();
        body.extend(options);
        body[12] = ((body.len() / 4) as u8) << 4;
        body.resize(body.len() + data, 0x55);
        Bytes::ip(src.0, dst.0, L3::V4, ipproto::TCP, body, Some(tcp::CHECKSUM_AT))
    }

    pub(crate) fn icmp(
        src: Address,
        dst: Address,
        l3: L3,
        kind: u8,
        code: u8,
        rest: [u8; 4],
        payload: &[u8],
    ) -> Bytes {
        let l4 = if l3 == L3::V4 { ipproto::ICMP } else { ipproto::ICMPV6 };
        let mut body = vec![kind, code, 0, 0];
        body.extend(rest);
        body.extend(payload);
        Bytes::ip(src, dst, l3, l4, body, Some(2))
    }

    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut Packet<'_>, &PacketInfo) -> R) -> R {
        let len = self.0.len();
        let version = self.0[0] >> 4;
        let mut packet = Packet::new(&mut self.0, 0, len, LinkType::None);
        packet.meta.protocol = if version == 4 { ethertype::IPV4 } else { ethertype::IPV6 };
        let info = dissect(&mut packet).expect("test packets are sound");
        work(&mut packet, &info)
    }

    pub(crate) fn tuple(&self) -> Tuple {
        self.clone().with(|packet, info| Headers::of(info).unwrap().tuple(packet).unwrap())
    }

    /// Whether network and transport checksums are right, computed from nothing.
    pub(crate) fn is_whole(&self) -> bool {
        self.clone().with(|packet, info| {
            let headers = Headers::of(info).unwrap();
            let tuple = headers.tuple(packet).unwrap();
            let network = info.l3 != L3::V4 || ipv4::checksum_is_valid(packet, info.network);
            let pseudo = match (info.l3, headers.l4) {
                (L3::V4, ipproto::ICMP) => Sum::ZERO,
                _ => Sum::ZERO.pseudo(info.l3, &tuple.src, &tuple.dst, info.transport_len(), headers.l4),
            };
            let transport = match headers.l4 {
                ipproto::SCTP => {
                    rewrite::sctp_checksum(packet, &headers) == packet.array(headers.transport + 8)
                }
                ipproto::UDP if packet.be16(headers.transport + 6) == Some(0) => true,
                _ => pseudo.packet(packet, info.transport, info.transport_len()).unwrap().is_valid(),
            };
            network && transport
        })
    }
}

/// A table and a clock.
pub(crate) struct Bench {
    pub(crate) ct: Conntrack,
    pub(crate) now: Instant,
    pub(crate) template: Template,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Bench {
        Bench {
            ct: Conntrack::new(config, 42),
            now: Instant::from_secs(1_000_000),
            template: Template::default(),
        }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now + std::time::Duration::from_secs(seconds);
    }

    /// The packet meets the first hook.
    pub(crate) fn enter(&mut self, bytes: &Bytes) -> Tracking {
        let (now, template, ct) = (self.now, self.template, &mut self.ct);
        match bytes.clone().with(|packet, info| ct.packet_in(now, packet, info, &template)) {
            PacketIn::Pass(tracking) => tracking,
            PacketIn::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }

    /// The packet meets its connection's helper, and all hooks without NAT.
    pub(crate) fn help(&mut self, bytes: &Bytes, helper: &str) -> Judgement {
        let tracking = self.enter(bytes);
        let (flow, info) = tracking.flow().expect("a connection");
        if info == CtInfo::New {
            self.ct.entry_mut(flow).expect("it is there").set_helper(helper.into());
        }
        let (now, ct) = (self.now, &mut self.ct);
        let judgement = bytes.clone().with(|packet, parsed| {
            let mut parsed = *parsed;
            ct.help(now, packet, &mut parsed, flow, info, &Nowhere)
        });
        if judgement == Judgement::Accept {
            self.ct.confirm(self.now, tracking);
        }
        judgement
    }

    /// The packet meets all hooks without NAT; what it carries at the end.
    pub(crate) fn pass(&mut self, bytes: &Bytes) -> Tracking {
        let tracking = self.enter(bytes);
        match self.ct.confirm(self.now, tracking) {
            Confirm::Pass(tracking) => tracking,
            Confirm::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }

    /// The packet meets all hooks of a router with these NAT rules for new connections, and is changed.
    pub(crate) fn route(
        &mut self,
        bytes: &mut Bytes,
        dnat: Option<NatRange>,
        snat: Option<NatRange>,
    ) -> Tracking {
        let tracking = self.enter(bytes);
        if let Some((flow, info)) = tracking.flow() {
            self.nat(bytes, flow, info, Manip::Destination, dnat);
            self.nat(bytes, flow, info, Manip::Source, snat);
        }
        match self.ct.confirm(self.now, tracking) {
            Confirm::Pass(tracking) => tracking,
            Confirm::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }

    fn nat(&mut self, bytes: &mut Bytes, flow: CtRef, info: CtInfo, manip: Manip, range: Option<NatRange>) {
        if self.ct.nat_pending(flow, info, manip) {
            let verdict = match range {
                Some(range) => self.ct.nat_setup(flow, &range, manip),
                None => self.ct.nat_null_bind(flow, manip),
            };
            assert_eq!(verdict, NatVerdict::Accept);
        }
        let ct = &self.ct;
        let verdict = bytes.with(|packet, headers| ct.nat_packet(packet, headers, flow, info, manip));
        assert_eq!(verdict, NatVerdict::Accept);
    }
}

pub(crate) fn info_of(tracking: Tracking) -> Option<CtInfo> {
    tracking.flow().map(|(_, info)| info)
}
