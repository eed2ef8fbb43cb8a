//! The TCP options a synproxy reads and writes, and the timestamp that remembers them
//! (linux 6.18 net/netfilter/nf_synproxy_core.c).

use ironweir_wire::tcp::{Header, Options};
use ironweir_wire::{Instant, Packet};

/// Largest window scale (`TCP_MAX_WSCALE`, RFC 7323 §2.3).
const MAX_WSCALE: u8 = 14;
const MSS: u8 = 2;
const WINDOW: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const TIMESTAMP: u8 = 8;
const NOP: u8 = 1;
/// In a timestamp cookie: the window scale, 15 for none; then two flags. Time counts in steps of 64 ms.
const COOKIE_WSCALE: u32 = 0xf;
const COOKIE_SACK: u32 = 1 << 4;
const COOKIE_ECN: u32 = 1 << 5;
const COOKIE_BITS: u32 = 0x3f;

bitflags::bitflags! {
    /// `NF_SYNPROXY_OPT_*` of `linux/netfilter/nf_synproxy.h`, with their numbers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Offer: u8 {
        /// The maximum segment size.
        const MSS = 1;
        /// The window scale.
        const WSCALE = 2;
        /// Selective acknowledgements.
        const SACK_PERM = 4;
        /// Timestamps.
        const TIMESTAMP = 8;
        /// Explicit congestion notification.
        const ECN = 16;
    }
}

/// What a segment's options say (`struct synproxy_options`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) offer: Offer,
    pub(super) mss: u16,
    pub(super) wscale: u8,
    pub(super) tsval: u32,
    pub(super) tsecr: u32,
}

impl Seen {
    /// `synproxy_parse_options`; `None` when the header is shorter than a TCP header or not there whole.
    pub(super) fn read(packet: &Packet<'_>, at: usize, header: &Header) -> Option<Seen> {
        if header.header_len < ironweir_wire::tcp::HEADER_LEN || packet.len() < at + header.header_len {
            return None;
        }
        let mut seen = Seen::default();
        for (kind, data) in Options::read(packet, at, header.header_len).iter() {
            match (kind, data) {
                (MSS, [a, b]) => {
                    seen.mss = u16::from_be_bytes([*a, *b]);
                    seen.offer |= Offer::MSS;
                }
                (WINDOW, [scale]) => {
                    seen.wscale = (*scale).min(MAX_WSCALE);
                    seen.offer |= Offer::WSCALE;
                }
                (TIMESTAMP, [a, b, c, d, e, f, g, h]) => {
                    seen.tsval = u32::from_be_bytes([*a, *b, *c, *d]);
                    seen.tsecr = u32::from_be_bytes([*e, *f, *g, *h]);
                    seen.offer |= Offer::TIMESTAMP;
                }
                (SACK_PERMITTED, []) => seen.offer |= Offer::SACK_PERM,
                _ => {}
            }
        }
        Some(seen)
    }

    /// The options as bytes, their number a multiple of four (`synproxy_build_options`).
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.offer.contains(Offer::MSS) {
            let [a, b] = self.mss.to_be_bytes();
            out.extend([MSS, 4, a, b]);
        }
        let sack = self.offer.contains(Offer::SACK_PERM);
        if self.offer.contains(Offer::TIMESTAMP) {
            out.extend(if sack { [SACK_PERMITTED, 2, TIMESTAMP, 10] } else { [NOP, NOP, TIMESTAMP, 10] });
            out.extend(self.tsval.to_be_bytes());
            out.extend(self.tsecr.to_be_bytes());
        } else if sack {
            out.extend([NOP, NOP, SACK_PERMITTED, 2]);
        }
        if self.offer.contains(Offer::WSCALE) {
            out.extend([NOP, WINDOW, 3, self.wscale]);
        }
    }

    /// Makes the answer's timestamp say what the client offered, for the client will bring it back
    /// (`synproxy_init_timestamp_cookie`). `wscale` is the server's.
    pub(super) fn put_timestamp_cookie(&mut self, wscale: u8, now: Instant) {
        self.tsecr = self.tsval;
        self.tsval = now.millis() as u32 & !COOKIE_BITS;
        if self.offer.contains(Offer::WSCALE) {
            self.tsval |= u32::from(self.wscale);
            self.wscale = wscale;
        } else {
            self.tsval |= COOKIE_WSCALE;
        }
        if self.offer.contains(Offer::SACK_PERM) {
            self.tsval |= COOKIE_SACK;
        }
        if self.offer.contains(Offer::ECN) {
            self.tsval |= COOKIE_ECN;
        }
    }

    /// Takes from a timestamp brought back what the client had offered (`synproxy_check_timestamp_cookie`).
    pub(super) fn take_timestamp_cookie(&mut self) {
        let scale = self.tsecr & COOKIE_WSCALE;
        self.wscale = scale as u8;
        self.offer.set(Offer::WSCALE, scale != COOKIE_WSCALE);
        if self.tsecr & COOKIE_SACK != 0 {
            self.offer |= Offer::SACK_PERM;
        }
        if self.tsecr & COOKIE_ECN != 0 {
            self.offer |= Offer::ECN;
        }
    }
}

/// Where the timestamp's two numbers are: offset of the first, from the header at `at`. `None` when there is no timestamp, or
/// an option before it reaches beyond the header.
pub(super) fn timestamp_at(packet: &Packet<'_>, at: usize, header_len: usize) -> Option<usize> {
    let mut option = ironweir_wire::tcp::HEADER_LEN;
    while option < header_len {
        match packet.byte(at + option)? {
            0 => return None,
            NOP => option += 1,
            kind => {
                let length = usize::from(packet.byte(at + option + 1)?);
                if option + length > header_len || length < 2 {
                    return None;
                }
                if (kind, length) == (TIMESTAMP, 10) {
                    return Some(option + 2);
                }
                option += length;
            }
        }
    }
    None
}
