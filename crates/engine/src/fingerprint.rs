//! Operating systems by the SYN they send: a file of fingerprints in the format of OpenBSD's `pf.os`, and the search that `osf`
//! makes in it.
//!
//! ```text
//!   window : TTL : don't fragment : length : options : system : version : subtype : description
//!   S4     : 64  : 1              : 60     : M*,S,T,N,W0 : Linux : 2.4 : : Linux 2.4
//! ```
//!
//! The window is a number, `*` for any, `%n` for multiples of n, `Sn` and `Tn` for n segments and n packets of the largest size.
//! Options are N (no operation), E (end), M (segment size), W (window scale), S (selective acknowledgements), T (timestamp),
//! in their order; values behind the letters are not compared. The first fingerprint that matches says the system.
//!
//! Source: linux 6.18 net/netfilter/nfnetlink_osf.c (`nf_osf_match_one`, `nf_osf_find`); pf.os(5).

use ironweir_wire::tcp::{Header, Options};
use ironweir_wire::{L3, Packet, PacketInfo, ipv4};

/// Longest options of a header, in bytes (`MAX_IPOPTLEN`).
const OPTIONS_MAX: usize = 40;
/// Segment sizes that are tried beside the packet's own, because modems lower what a system has said.
const USUAL_MSS: [u32; 2] = [1460, 1448];

/// A file's fingerprints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints(Vec<Fingerprint>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint {
    window: Window,
    ttl: u8,
    dont_fragment: bool,
    /// Length of the whole packet.
    length: u16,
    /// Kind and length of each option.
    options: Vec<(u8, u8)>,
    system: Box<str>,
    version: Box<str>,
}

/// `enum osf_fmatch_states`, `OSF_WSS_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Any,
    Plain(u32),
    Modulo(u32),
    Segments(u32),
    Packets(u32),
}

/// A line that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct FingerprintError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// How the TTL is compared (`enum nf_osf_ttl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It is the fingerprint's.
    Exact,
    /// It is the fingerprint's or less (`ttl loose`).
    Less,
    /// It is not (`ttl skip`).
    Ignored,
}

impl Fingerprints {
    /// Reads a file's text. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// For the first line that is no fingerprint.
    pub fn parse(text: &str) -> Result<Fingerprints, FingerprintError> {
        let mut all = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what| FingerprintError { line: at + 1, what };
            let fields: Vec<&str> = line.split(':').map(str::trim).collect();
            let [window, ttl, df, length, options, system, version, ..] = fields.as_slice() else {
                return Err(wrong("a fingerprint has eight fields"));
            };
            all.push(Fingerprint {
                window: self::window(window).ok_or_else(|| wrong("the window is not understood"))?,
                ttl: ttl.parse().map_err(|_| wrong("the TTL is no number below 256"))?,
                dont_fragment: *df != "0",
                length: length.parse().map_err(|_| wrong("the length is no number below 65536"))?,
                options: self::options(options).ok_or_else(|| wrong("the options are not understood"))?,
                system: system.trim_start_matches(['@', '*']).into(),
                version: (*version).into(),
            });
        }
        Ok(Fingerprints(all))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// System and version of the sender of a SYN over IPv4; `None` where no fingerprint matches (`nf_osf_find`).
    pub fn find(&self, packet: &Packet<'_>, info: &PacketInfo, ttl: Ttl) -> Option<(&str, &str)> {
        let (_, at) = info.transport_header().filter(|_| info.l3 == L3::V4)?;
        let network = ipv4::Header::read(packet, info.network)?;
        let tcp = Header::read(packet, at)?;
        let mut bytes = [0; OPTIONS_MAX];
        let size = tcp.header_len.checked_sub(ironweir_wire::tcp::HEADER_LEN)?;
        let bytes = packet.load(at + ironweir_wire::tcp::HEADER_LEN, size, &mut bytes)?;
        let mss = Options::read(packet, at, tcp.header_len)
            .iter()
            .find_map(|(kind, data)| Some(data).filter(|_| kind == 2)?.try_into().ok())
            .map_or(0, u16::from_be_bytes);
        let df = network.flags_offset & ipv4::FLAG_DONT_FRAGMENT != 0;
        let found = self.0.iter().find(|print| {
            let ttl_fits = match ttl {
                Ttl::Exact => network.ttl == print.ttl,
                Ttl::Less => network.ttl <= print.ttl,
                Ttl::Ignored => true,
            };
            print.dont_fragment == df
                && ttl_fits
                && network.total_length == print.length
                && print.has_options(bytes)
                && print.window.fits(tcp.window.into(), mss.into())
        })?;
        Some((&found.system, &found.version))
    }
}

impl Fingerprint {
    /// Whether these are the options, kinds at the places that their lengths give.
    fn has_options(&self, bytes: &[u8]) -> bool {
        let total: usize = self.options.iter().map(|(_, length)| usize::from(*length)).sum();
        let mut at = 0;
        total == bytes.len()
            && self.options.iter().all(|(kind, length)| {
                let same = bytes.get(at) == Some(kind);
                at += usize::from(*length);
                same
            })
    }
}

impl Window {
    fn fits(self, window: u32, mss: u32) -> bool {
        let sizes = [mss, USUAL_MSS[0], USUAL_MSS[1]];
        match self {
            Window::Any => true,
            Window::Plain(value) => window == value,
            Window::Modulo(value) => window.checked_rem(value) == Some(0),
            Window::Segments(count) => sizes.iter().any(|size| Some(window) == count.checked_mul(*size)),
            Window::Packets(count) => sizes.iter().any(|size| Some(window) == count.checked_mul(*size + 40)),
        }
    }
}

fn window(text: &str) -> Option<Window> {
    let number = |text: &str| text.parse::<u16>().ok().map(u32::from);
    Some(match text.as_bytes() {
        [b'*'] => Window::Any,
        [b'%', ..] => Window::Modulo(number(&text[1..])?),
        [b'S', ..] => Window::Segments(number(&text[1..])?),
        [b'T', ..] => Window::Packets(number(&text[1..])?),
        _ => match number(text)? {
            0 => Window::Any,
            number => Window::Plain(number),
        },
    })
}

fn options(text: &str) -> Option<Vec<(u8, u8)>> {
    if text == "." {
        return Some(Vec::new());
    }
    let all: Option<Vec<(u8, u8)>> = text
        .split(',')
        .map(|option| {
            Some(match option.trim().chars().next()? {
                'E' => (0, 1),
                'N' => (1, 1),
                'M' => (2, 4),
                'W' => (3, 3),
                'S' => (4, 2),
                'T' => (8, 10),
                _ => return None,
            })
        })
        .collect();
    all.filter(|all| all.len() <= OPTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_syn_looks_like() {
        let all = Fingerprints::parse("# nothing\n\nS4:64:1:60:M*,S,T,N,W0:@Linux:2.4::Linux 2.4\n").unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all.0[0].options, [(2, 4), (4, 2), (8, 10), (1, 1), (3, 3)]);
        assert_eq!((&*all.0[0].system, &*all.0[0].version), ("Linux", "2.4"));
    }

    #[test]
    fn what_is_no_fingerprint_is_told_with_its_line() {
        for (text, line) in [
            ("S4:64:1", 1),
            ("\nX4:64:1:60:.:Linux:2.4::x", 2),
            ("*:256:1:60:.:Linux:2.4::x", 1),
            ("*:64:1:60:Q:Linux:2.4::x", 1),
        ] {
            assert_eq!(Fingerprints::parse(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn windows_count_segments_and_packets_of_usual_sizes_too() {
        for (window, seen, mss, fits) in [
            (Window::Segments(4), 4 * 1400, 1400, true),
            (Window::Segments(4), 4 * 1460, 1400, true),
            (Window::Packets(4), 4 * 1500, 1400, true),
            (Window::Packets(4), 4 * 1460, 1400, false),
            (Window::Modulo(8192), 16_384, 0, true),
            (Window::Modulo(0), 16_384, 0, false),
            (Window::Plain(5), 6, 0, false),
            (Window::Any, 6, 0, true),
        ] {
            assert_eq!(window.fits(seen, mss), fits, "{window:?}");
        }
    }
}
