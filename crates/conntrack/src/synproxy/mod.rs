//! synproxy: answers SYNs for a server, and opens the connection to it only for clients that answered back.
//!
//! ```text
//!   client                     here                          server
//!     | -------- SYN -------->  |                               |
//!     | <- SYN ACK (a cookie) - |   nothing is kept             |   [Conntrack::synproxy_syn]
//!     | -------- ACK -------->  |   the cookie is right         |   [Conntrack::synproxy_ack]
//!     |                         | ---- SYN (ack: the cookie) -> |   begins a connection, [Template::synproxy]
//!     |                         | <---------- SYN ACK --------- |   [Conntrack::synproxy_hook]
//!     |                         | ------------ ACK -----------> |
//!     | <- ACK (the window) --- |                               |
//!     | <===== the server's numbers and timestamps are moved ==> |   [`crate::seqadj`], tsoff
//! ```
//!
//! What the client offered comes back in the cookie (segment size) and in the timestamp (window scale, selective
//! acknowledgements); a client without timestamps gets neither of the two. The SYN to the server carries the cookie as
//! acknowledgement number (without ACK flag), which is how the hook learns it.
//!
//! Every packet made here is sent as this host's own: it passes output and postrouting. The engine sends them; here they are
//! bytes.
//!
//! Source: linux 6.18 net/netfilter/nf_synproxy_core.c, net/netfilter/nft_synproxy.c. The engine's
//! `tests/synproxy.rs` has what Linux 6.18 sent, segment by segment.

pub(crate) mod cookie;
mod options;
mod segment;

use ironweir_wire::checksum::Delta;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::tcp::{CHECKSUM_AT, Header, flag};
use ironweir_wire::{Headers, Instant, Packet, PacketInfo};

use self::cookie::Ends;
pub use self::options::Offer;
use self::options::Seen;
use self::segment::segment;
use crate::entry::{CtInfo, CtRef, Direction};
use crate::proto::{checksum_is_valid, tcp::TcpStatus};
use crate::seqadj::replace_option;
use crate::track::Conntrack;

/// What a rule's `synproxy` says of the server (`struct nf_synproxy_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerOffer {
    /// Its maximum segment size, with [`Offer::MSS`].
    pub mss: u16,
    /// Its window scale, with [`Offer::WSCALE`].
    pub wscale: u8,
    /// Which options it has; what is not there is not answered to the client.
    pub offer: Offer,
}

/// What a proxied connection remembers (`struct nf_conn_synproxy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proxied {
    /// The first number promised to the client: the cookie.
    pub isn: u32,
    /// The timestamp promised to the client.
    pub its: u32,
    /// How far the server's timestamps are ahead of those the client sees.
    pub tsoff: u32,
}

/// Counters of one table (`/proc/net/stat/synproxy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynproxyStats {
    /// SYNs answered (`syn_received`).
    pub syn_received: u64,
    /// ACKs whose number is no cookie (`cookie_invalid`).
    pub cookie_invalid: u64,
    /// ACKs whose number is a cookie (`cookie_valid`).
    pub cookie_valid: u64,
    /// Of these, those that came again before the server answered (`cookie_retrans`).
    pub cookie_retrans: u64,
    /// Connections opened again (`conn_reopened`).
    pub conn_reopened: u64,
}

/// What becomes of a packet of a proxied connection where it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyVerdict {
    /// It goes on, perhaps with another timestamp.
    Pass,
    /// It is dropped.
    Drop,
    /// It is taken; this SYN goes to the server, with a template of [`crate::Template::synproxy`].
    Again(Vec<u8>),
    /// It is taken: the server has answered. First `server` is sent, then [`Conntrack::synproxy_open`] is called, then
    /// `client` is sent as part of the same connection in reply direction.
    Open {
        /// The ACK to the server.
        server: Vec<u8>,
        /// The ACK to the client that opens its window.
        client: Vec<u8>,
        /// How far the server's numbers are to be moved.
        offset: u32,
    },
}

/// A segment with what it says.
struct Segment {
    ends: Ends,
    header: Header,
    at: usize,
    seen: Seen,
}

impl Segment {
    fn read(packet: &Packet<'_>, info: &PacketInfo) -> Option<Segment> {
        let headers = Headers::of(info).filter(|headers| headers.l4 == ipproto::TCP)?;
        let tuple = headers.tuple(packet)?;
        let header = Header::read(packet, headers.transport)?;
        let seen = Seen::read(packet, headers.transport, &header)?;
        let ends =
            Ends { l3: tuple.l3, src: tuple.src, dst: tuple.dst, sport: header.src, dport: header.dst };
        Some(Segment { ends, header, at: headers.transport, seen })
    }

    /// A segment in the same direction, or back, with these numbers and flags.
    fn make(&self, back: bool, seq: u32, ack: u32, flags: u8, window: u16, options: &Seen) -> Vec<u8> {
        let Ends { l3, src, dst, sport, dport } = self.ends;
        let ends = if back { Ends { l3, src: dst, dst: src, sport: dport, dport: sport } } else { self.ends };
        segment(&ends, &Header { seq, ack, flags, window, ..Header::default() }, options)
    }
}

impl Conntrack {
    /// Answers a SYN for the server: the SYN ACK to send back (`nft_synproxy_tcp_options`, `synproxy_send_client_synack`).
    /// `None` drops the packet: its header is not whole, or, where checksums are verified, its checksum wrong.
    pub fn synproxy_syn(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        info: &PacketInfo,
        server: &ServerOffer,
    ) -> Option<Vec<u8>> {
        let syn = self.proxied_segment(packet, info)?;
        self.synproxy_stats.syn_received += 1;
        let mut options = syn.seen;
        if syn.header.has(flag::ECE | flag::CWR) {
            options.offer |= Offer::ECN;
        }
        options.offer &= server.offer;
        options.mss = server.mss;
        if options.offer.contains(Offer::TIMESTAMP) {
            options.put_timestamp_cookie(server.wscale, now);
        } else {
            options.offer -= Offer::WSCALE | Offer::SACK_PERM | Offer::ECN;
        }
        let cookie = self.cookies.make(&syn.ends, syn.header.seq, syn.seen.mss, now);
        let ecn = if options.offer.contains(Offer::ECN) { flag::ECE } else { 0 };
        let flags = flag::SYN | flag::ACK | ecn;
        Some(syn.make(true, cookie, syn.header.seq.wrapping_add(1), flags, 0, &options))
    }

    /// Checks the ACK of a client (`synproxy_recv_client_ack`): the SYN to send on to the server, to be tracked with
    /// [`crate::Template::synproxy`]. `None` drops the packet: no cookie, or as for [`Conntrack::synproxy_syn`].
    pub fn synproxy_ack(&mut self, now: Instant, packet: &Packet<'_>, info: &PacketInfo) -> Option<Vec<u8>> {
        let ack = self.proxied_segment(packet, info)?;
        self.server_syn(now, &ack, ack.header.seq)
    }

    fn proxied_segment(&self, packet: &Packet<'_>, info: &PacketInfo) -> Option<Segment> {
        if self.config.checksum {
            let tuple = Headers::of(info)?.tuple(packet)?;
            if !checksum_is_valid(packet, info, &tuple, usize::MAX) {
                return None;
            }
        }
        Segment::read(packet, info)
    }

    /// The SYN to the server, if the acknowledgement is a cookie (`synproxy_send_server_syn`). `recv_seq` is the number
    /// behind the client's SYN.
    fn server_syn(&mut self, now: Instant, ack: &Segment, recv_seq: u32) -> Option<Vec<u8>> {
        let cookie = ack.header.ack.wrapping_sub(1);
        let Some(mss) = self.cookies.check(&ack.ends, ack.header.seq.wrapping_sub(1), cookie, now) else {
            self.synproxy_stats.cookie_invalid += 1;
            return None;
        };
        self.synproxy_stats.cookie_valid += 1;
        let mut options = Seen { mss, ..ack.seen };
        options.offer |= Offer::MSS;
        if options.offer.contains(Offer::TIMESTAMP) {
            options.take_timestamp_cookie();
        }
        let ecn = if options.offer.contains(Offer::ECN) { flag::ECE | flag::CWR } else { 0 };
        let seq = recv_seq.wrapping_sub(1);
        Some(ack.make(false, seq, cookie, flag::SYN | ecn, ack.header.window, &options))
    }

    /// Whether a connection is proxied, so that [`Conntrack::synproxy_hook`] is to see its packets.
    pub fn is_proxied(&self, ct: CtRef) -> bool {
        self.entry(ct).is_some_and(|entry| entry.proxied().is_some())
    }

    /// A packet of a proxied connection, at the end of input and of postrouting, just before its numbers are adjusted and
    /// it is confirmed (`ipv4_synproxy_hook`). Not for what came in by the loopback interface.
    pub fn synproxy_hook(
        &mut self,
        now: Instant,
        packet: &mut Packet<'_>,
        info: &PacketInfo,
        ct: CtRef,
        ctinfo: CtInfo,
    ) -> ProxyVerdict {
        let Some((proxied, status, window)) = self.entry(ct).and_then(|entry| {
            let window = self.table.tcp(ct)?.max_window(Direction::Original);
            Some((entry.proxied()?, entry.tcp_status()?, window))
        }) else {
            return ProxyVerdict::Pass;
        };
        if !matches!(info.transport_header(), Some((ipproto::TCP, _))) {
            return ProxyVerdict::Pass;
        }
        let Some(own) = Segment::read(packet, info) else { return ProxyVerdict::Drop };
        let original = ctinfo.direction() == Direction::Original;
        let header = &own.header;
        let mut proxied = proxied;
        match status {
            TcpStatus::Close if header.has(flag::RST) && !original => {
                let offset = proxied.isn.wrapping_sub(header.seq).wrapping_add(1);
                self.seqadj_init(ct, Direction::Reply, offset);
            }
            TcpStatus::Close if !header.has(flag::SYN) || header.has(flag::ACK) || !original => {}
            TcpStatus::Close | TcpStatus::SynSent => {
                if status == TcpStatus::Close {
                    proxied.tsoff = 0;
                    self.set_proxied(ct, proxied);
                    self.synproxy_stats.conn_reopened += 1;
                }
                if !header.has(flag::SYN) && header.has(flag::ACK) && original {
                    // A probe of the window that is still closed: it has the number of the SYN.
                    return match self.server_syn(now, &own, header.seq.wrapping_add(1)) {
                        Some(syn) => {
                            self.synproxy_stats.cookie_retrans += 1;
                            ProxyVerdict::Again(syn)
                        }
                        None => ProxyVerdict::Drop,
                    };
                }
                proxied.isn = header.ack;
                if own.seen.offer.contains(Offer::TIMESTAMP) {
                    proxied.its = own.seen.tsecr;
                }
                self.set_proxied(ct, proxied);
            }
            TcpStatus::SynRecv if header.has(flag::SYN | flag::ACK) => {
                return self.open(ct, &own, proxied, window);
            }
            _ => {}
        }
        let _ = adjust_timestamp(packet, &own, ctinfo.direction(), proxied.tsoff);
        ProxyVerdict::Pass
    }

    /// The server answered: both sides get an ACK.
    fn open(&mut self, ct: CtRef, answer: &Segment, mut proxied: Proxied, window: u32) -> ProxyVerdict {
        let mut options = answer.seen;
        if options.offer.contains(Offer::TIMESTAMP) {
            proxied.tsoff = options.tsval.wrapping_sub(proxied.its);
            self.set_proxied(ct, proxied);
        }
        options.offer -= Offer::MSS | Offer::WSCALE | Offer::SACK_PERM;
        let header = &answer.header;
        let next = header.seq.wrapping_add(1);
        let turned = Seen { tsval: options.tsecr, tsecr: options.tsval, ..options };
        let server = answer.make(true, header.ack, next, flag::ACK, window as u16, &turned);
        let scaled = header.window >> options.wscale;
        let client = answer.make(false, next, header.ack, flag::ACK, scaled, &options);
        ProxyVerdict::Open { server, client, offset: proxied.isn.wrapping_sub(header.seq) }
    }

    /// Begins to move the server's numbers, its ACK being on its way: see [`ProxyVerdict::Open`].
    pub fn synproxy_open(&mut self, ct: CtRef, offset: u32) {
        self.seqadj_init(ct, Direction::Reply, offset);
    }

    fn set_proxied(&mut self, ct: CtRef, proxied: Proxied) {
        if let Some(entry) = self.entry_mut(ct) {
            entry.extras_mut().proxied = Some(proxied);
        }
    }

    /// What synproxies did so far.
    pub fn synproxy_stats(&self) -> SynproxyStats {
        self.synproxy_stats
    }
}

/// The server's timestamps become those the client expects, and what the client brings back becomes the server's
/// (`synproxy_tstamp_adjust`). Without a timestamp to be found the packet stays as it was, and passes, as in the kernel.
fn adjust_timestamp(packet: &mut Packet<'_>, own: &Segment, direction: Direction, tsoff: u32) -> Option<()> {
    if tsoff == 0 {
        return None;
    }
    let first = options::timestamp_at(packet, own.at, own.header.header_len)?;
    let (number, by) = match direction {
        Direction::Reply => (first, tsoff.wrapping_neg()),
        Direction::Original => (first + 4, tsoff),
    };
    let new = packet.be32(own.at + number)?.wrapping_add(by);
    let mut change = Delta::NONE;
    replace_option(packet, own.at + number, number % 2 == 1, new, &mut change)?;
    let checksum = packet.be16(own.at + CHECKSUM_AT)?;
    packet.store(own.at + CHECKSUM_AT, &change.apply(checksum).to_be_bytes()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Bytes, v4, v6};
    use crate::{Config, PacketIn, Template, Tracking};
    use ironweir_wire::{Address, L3};
    use proptest::prelude::*;

    const SERVER: ServerOffer = ServerOffer {
        mss: 1440,
        wscale: 7,
        offer: Offer::MSS.union(Offer::WSCALE).union(Offer::SACK_PERM).union(Offer::TIMESTAMP),
    };

    fn segment_of(src: (Address, u16), dst: (Address, u16), numbers: (u32, u32), flags: u8) -> Bytes {
        let (seq, ack) = numbers;
        let header = Header { src: src.1, dst: dst.1, seq, ack, flags, window: 1000, ..Header::default() };
        Bytes::ip(src.0, dst.0, L3::V6, ipproto::TCP, header.emit().to_vec(), Some(CHECKSUM_AT))
    }

    fn header(bytes: &Bytes) -> Header {
        bytes.clone().with(|packet, info| Header::read(packet, info.transport).unwrap())
    }

    /// What the engine does with what is made here, IPv6 and without options.
    #[test]
    fn an_ipv6_handshake_ends_with_both_sides_in_step() {
        let mut bench = Bench::new(Config::default());
        let now = bench.now;
        let (client, server) = ((v6(1), 1000), (v6(2), 80));
        let mut syn = segment_of(client, server, (100, 0), flag::SYN);
        let answer = syn.with(|packet, info| bench.ct.synproxy_syn(now, packet, info, &SERVER));
        let answer = Bytes(answer.unwrap());
        assert!(answer.is_whole());
        assert_eq!((answer.tuple().src, answer.tuple().dst), (server.0, client.0));
        let cookie = header(&answer).seq;
        assert_eq!((header(&answer).ack, header(&answer).flags), (101, flag::SYN | flag::ACK));

        let mut ack = segment_of(client, server, (101, cookie.wrapping_add(1)), flag::ACK);
        let syn = ack.with(|packet, info| bench.ct.synproxy_ack(now, packet, info));
        let syn = Bytes(syn.unwrap());
        assert!(syn.is_whole());
        assert_eq!((header(&syn).seq, header(&syn).ack, header(&syn).flags), (100, cookie, flag::SYN));

        bench.template.synproxy = true;
        let (ct, info) = bench.enter(&syn).flow().unwrap();
        bench.template = Template::default();
        let mut leaving = syn.clone();
        let hook = |bench: &mut Bench, bytes: &mut Bytes, ctinfo| {
            bytes.with(|packet, info| bench.ct.synproxy_hook(now, packet, info, ct, ctinfo))
        };
        assert_eq!(hook(&mut bench, &mut leaving, info), ProxyVerdict::Pass);
        bench.ct.confirm(now, Tracking::Flow(ct, info));
        assert_eq!(bench.ct.entry(ct).unwrap().proxied().unwrap().isn, cookie);

        let mut synack = segment_of(server, client, (7000, 101), flag::SYN | flag::ACK);
        let (_, info) = bench.pass(&synack).flow().unwrap();
        let ProxyVerdict::Open { server: to_server, client: to_client, offset } =
            hook(&mut bench, &mut synack, info)
        else {
            panic!("not opened")
        };
        bench.ct.synproxy_open(ct, offset);
        assert_eq!((header(&Bytes(to_server)).ack, offset), (7001, cookie.wrapping_sub(7000)));
        let mut to_client = Bytes(to_client);
        assert!(
            to_client
                .with(|packet, info| { bench.ct.seq_adjust(packet, info, ct, CtInfo::EstablishedReply) })
        );
        assert!(to_client.is_whole());
        assert_eq!((header(&to_client).seq, header(&to_client).ack), (cookie.wrapping_add(1), 101));
    }

    proptest! {
        /// Nothing panics, whatever the bytes, the state of the connection and the direction; what is made is whole.
        #[test]
        fn arbitrary_segments_do_not_panic(
            body in prop::collection::vec(any::<u8>(), 20..80),
            flags: u8,
            doff in 0u8..16,
            proxied: (u32, u32, u32),
            reply: bool,
            steps in prop::collection::vec(0u8..64, 0..4),
        ) {
            let mut bench = Bench::new(Config::default());
            let now = bench.now;
            bench.template.synproxy = true;
            let mut syn = vec![0; 20];
            syn[..4].copy_from_slice(&[3, 232, 0, 80]);
            syn[12..14].copy_from_slice(&[0x50, flag::SYN]);
            let syn = Bytes::ip(v4(1), v4(2), L3::V4, ipproto::TCP, syn, Some(CHECKSUM_AT));
            let (ct, info) = bench.pass(&syn).flow().unwrap();
            let (isn, its, tsoff) = proxied;
            bench.ct.set_proxied(ct, Proxied { isn, its, tsoff });
            for (at, step) in steps.into_iter().chain([flags]).enumerate() {
                let mut body = body.clone();
                let back = reply ^ (at % 2 == 1);
                body[..4].copy_from_slice(if back { &[0, 80, 3, 232] } else { &[3, 232, 0, 80] });
                body[12] = doff << 4;
                body[13] = step;
                let (src, dst) = if back { (v4(2), v4(1)) } else { (v4(1), v4(2)) };
                let mut bytes = Bytes::ip(src, dst, L3::V4, ipproto::TCP, body, Some(CHECKSUM_AT));
                let made = bytes.with(|packet, headers| {
                    let template = Template::default();
                    let mut made = vec![bench.ct.synproxy_syn(now, packet, headers, &SERVER)];
                    made.push(bench.ct.synproxy_ack(now, packet, headers));
                    let ctinfo = match bench.ct.packet_in(now, packet, headers, &template) {
                        PacketIn::Pass(Tracking::Flow(found, ctinfo)) if found == ct => ctinfo,
                        _ => info,
                    };
                    match bench.ct.synproxy_hook(now, packet, headers, ct, ctinfo) {
                        ProxyVerdict::Again(syn) => made.push(Some(syn)),
                        ProxyVerdict::Open { server, client, .. } => {
                            made.extend([Some(server), Some(client)]);
                        }
                        ProxyVerdict::Pass | ProxyVerdict::Drop => {}
                    }
                    made
                });
                for made in made.into_iter().flatten() {
                    prop_assert!(Bytes(made).is_whole());
                }
            }
        }
    }
}
