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
