//! The line that `log` without a group writes of a packet, as Linux does (`net/netfilter/nf_log_syslog.c`).

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `NF_LOG_*` of `linux/netfilter/nf_log.h`.
pub(crate) mod flag {
    pub(crate) const TCPSEQ: u32 = 1;
    pub(crate) const TCPOPT: u32 = 2;
    pub(crate) const IPOPT: u32 = 4;
    pub(crate) const MACDECODE: u32 = 32;
}

/// What a line is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// What it begins with.
    pub(crate) prefix: Box<str>,
    /// [`flag`]s.
    pub(crate) flags: u32,
    /// Names of the interfaces, empty for none.
    pub(crate) devices: [Box<str>; 2],
    /// The packet's mark.
    pub(crate) mark: u32,
    /// EtherType, host order.
    pub(crate) protocol: u16,
    /// Its link header; none of what this host sends.
    pub(crate) link: Vec<u8>,
    /// Its beginning, from the network header on.
    pub(crate) network: Vec<u8>,
}

/// How many bytes of a packet a line can need: headers with options, and those of one within.
pub(crate) const BYTES: usize = 256;
/// Packets within ICMP errors that are told: one.
const DEPTH: u8 = 1;

impl Lines {
    /// The line, without its end.
    pub(crate) fn text(&self) -> String {
        let [iif, oif] = &self.devices;
        let mut out = format!("{}IN={iif} OUT={oif} ", self.prefix);
        if !iif.is_empty() {
            self.mac(&mut out);
        }
        match self.protocol {
            0x0800 => self.ipv4(&mut out, &self.network, 0),
            0x86dd => self.ipv6(&mut out, &self.network, 0),
            0x0806 => self.arp(&mut out),
            _ => {}
        }
        if self.mark != 0 && self.protocol != 0x0806 {
            put(&mut out, format_args!("MARK=0x{:x} ", self.mark));
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// `dump_ipv4_mac_header`.
    fn mac(&self, out: &mut String) {
        if let (true, Some((to, rest))) =
            (self.flags & flag::MACDECODE != 0, self.link.split_first_chunk::<6>())
        {
            let from = rest.first_chunk::<6>().copied().unwrap_or_default();
            put(
                out,
                format_args!(
                    "MACSRC={} MACDST={} MACPROTO={:04x} ",
                    colons(&from),
                    colons(to),
                    self.protocol
                ),
            );
            return;
        }
        put(out, format_args!("MAC={} ", colons(&self.link)));
    }

    /// `noarp`, `dump_arp_packet`: of Ethernet and IPv4.
    fn arp(&self, out: &mut String) {
        let Some(header) = self.network.first_chunk::<28>() else {
            out.push_str("TRUNCATED");
            return;
        };
        let two = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        put(out, format_args!("ARP HTYPE={} PTYPE=0x{:04x} OPCODE={}", two(0), two(2), two(6)));
        if (two(0), header[4], header[5]) == (1, 6, 4) {
            let (from, to) = (address(&header[14..]), address(&header[24..]));
            let (source, target) = (colons(&header[8..14]), colons(&header[18..24]));
            put(out, format_args!(" MACSRC={source} IPSRC={from} MACDST={target} IPDST={to}"));
        }
    }

    /// `dump_ipv4_packet`.
    fn ipv4(&self, out: &mut String, packet: &[u8], depth: u8) {
        let Some(header) = packet.first_chunk::<20>() else {
            out.push_str("TRUNCATED ");
            return;
        };
        let two = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let tos = header[1];
        put(out, format_args!("SRC={} DST={} ", address(&header[12..]), address(&header[16..])));
        put(out, format_args!("LEN={} TOS=0x{:02X} PREC=0x{:02X} ", two(2), tos & 0x1e, tos & 0xe0));
        put(out, format_args!("TTL={} ID={} ", header[8], two(4)));
        let fragment = two(6);
        for (bit, word) in [(0x8000, "CE "), (0x4000, "DF "), (0x2000, "MF ")] {
            if fragment & bit != 0 {
                out.push_str(word);
            }
        }
        let offset = fragment & 0x1fff;
        if offset != 0 {
            put(out, format_args!("FRAG:{offset} "));
        }
        let at = usize::from(header[0] & 15) * 4;
        if self.flags & flag::IPOPT != 0 && at > 20 {
            match packet.get(20..at) {
                Some(options) => put(out, format_args!("OPT ({}) ", hex(options))),
                None => out.push_str("TRUNCATED "),
            }
        }
        let upper = packet.get(at..).unwrap_or_default();
        let whole = usize::from(two(2)).saturating_sub(at);
        self.transport(out, header[9], upper, whole, offset != 0, depth);
    }

    /// `dump_ipv6_packet`. Extension headers are passed over, but for a fragment's.
    fn ipv6(&self, out: &mut String, packet: &[u8], depth: u8) {
        let Some(header) = packet.first_chunk::<40>() else {
            out.push_str("TRUNCATED");
            return;
        };
        let address = |at: usize| {
            let bytes = header.get(at..).and_then(<[u8]>::first_chunk::<16>).copied().unwrap_or_default();
            // All digits, as %pI6 has them.
            Ipv6Addr::from(bytes).segments().map(|segment| format!("{segment:04x}")).join(":")
        };
        let first = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let len = usize::from(u16::from_be_bytes([header[4], header[5]])) + 40;
        put(out, format_args!("SRC={} DST={} ", address(8), address(24)));
        put(out, format_args!("LEN={len} TC={} HOPLIMIT={} ", first >> 20 & 0xff, header[7]));
        put(out, format_args!("FLOWLBL={} ", first & 0xf_ffff));
        let (mut next, mut at, mut fragment) = (header[6], 40, false);
        // No more headers than a line has room for.
        for _ in 0..8 {
            let Some([following, length]) = packet.get(at..).and_then(<[u8]>::first_chunk::<2>) else {
                break;
            };
            match next {
                44 => {
                    let Some([a, b]) = packet.get(at + 2..).and_then(<[u8]>::first_chunk::<2>) else {
                        return;
                    };
                    let Some(id) = packet.get(at + 4..).and_then(<[u8]>::first_chunk::<4>) else { return };
                    let offset = u16::from_be_bytes([*a, *b]);
                    let more = if offset & 1 != 0 { "INCOMPLETE " } else { "" };
                    put(
                        out,
                        format_args!("FRAG:{} {more}ID:{:08x} ", offset & 0xfff8, u32::from_be_bytes(*id)),
                    );
                    fragment = offset & 0xfff8 != 0;
                    at += 8;
                }
                0 | 43 | 60 => at += (usize::from(*length) + 1) * 8,
                51 => at += (usize::from(*length) + 2) * 4,
                _ => break,
            }
            next = *following;
        }
        let upper = packet.get(at..).unwrap_or_default();
        self.transport(out, next, upper, len.saturating_sub(at), fragment, depth);
    }

    fn transport(
        &self,
        out: &mut String,
        protocol: u8,
        upper: &[u8],
        whole: usize,
        fragment: bool,
        depth: u8,
    ) {
        let name = match protocol {
            6 => "TCP",
            17 => "UDP",
            136 => "UDPLITE",
            1 => "ICMP",
            58 => "ICMPv6",
            other => return put(out, format_args!("PROTO={other} ")),
        };
        put(out, format_args!("PROTO={name} "));
        if fragment {
            return;
        }
        let two = |at: usize| {
            let bytes = upper.get(at..).and_then(<[u8]>::first_chunk::<2>);
            bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
        };
        let needed = if protocol == 6 {
            20
        } else if matches!(protocol, 1 | 58) {
            4
        } else {
            8
        };
        if upper.len() < needed {
            return put(out, format_args!("INCOMPLETE [{whole} bytes] "));
        }
        match protocol {
            6 => self.tcp(out, upper),
            17 | 136 => put(out, format_args!("SPT={} DPT={} LEN={} ", two(0), two(2), two(4))),
            _ => {
                let kind = two(0) >> 8;
                put(out, format_args!("TYPE={kind} CODE={} ", two(0) & 0xff));
                let inner = upper.get(8..).filter(|_| depth < DEPTH);
                match (protocol, kind) {
                    (1, 0 | 8) | (58, 128 | 129) => put(out, format_args!("ID={} SEQ={} ", two(4), two(6))),
                    (1, 12) => put(out, format_args!("PARAMETER={} ", two(4) >> 8)),
                    (1, 5) => {
                        put(out, format_args!("GATEWAY={} ", address(upper.get(4..).unwrap_or_default())))
                    }
                    _ => {}
                }
                if let (1, 3 | 4 | 5 | 11, Some(inner)) = (protocol, kind, inner) {
                    out.push('[');
                    self.ipv4(out, inner, depth + 1);
                    out.push_str("] ");
                }
                if let (58, 1..=4, Some(inner)) = (protocol, kind, inner) {
                    out.push('[');
                    self.ipv6(out, inner, depth + 1);
                    out.push_str("] ");
                }
                match (protocol, two(0)) {
                    (1, 0x0304) => put(out, format_args!("MTU={} ", two(6))),
                    (58, 0x0200..=0x02ff) => {
                        put(out, format_args!("MTU={} ", u32::from(two(4)) << 16 | u32::from(two(6))));
                    }
                    _ => {}
                }
            }
        }
    }

    /// `nf_log_dump_tcp_header`.
    fn tcp(&self, out: &mut String, header: &[u8]) {
        let Some(fixed) = header.first_chunk::<20>() else { return };
        let two = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let four = |at: usize| u32::from(two(at)) << 16 | u32::from(two(at + 2));
        put(out, format_args!("SPT={} DPT={} ", two(0), two(2)));
        if self.flags & flag::TCPSEQ != 0 {
            put(out, format_args!("SEQ={} ACK={} ", four(4), four(8)));
        }
        // The four bits behind the header's length, as a number of six.
        put(out, format_args!("WINDOW={} RES=0x{:02x} ", two(14), (fixed[12] & 0x0f) << 2));
        let words = ["CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"];
        for (at, word) in words.into_iter().enumerate() {
            if fixed[13] & 0x80 >> at != 0 {
                put(out, format_args!("{word} "));
            }
        }
        put(out, format_args!("URGP={} ", two(18)));
        let len = usize::from(fixed[12] >> 4) * 4;
        if let (true, Some(options)) = (self.flags & flag::TCPOPT != 0 && len > 20, header.get(20..len)) {
            put(out, format_args!("OPT ({}) ", hex(options)));
        }
    }
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // A String takes all that is written to it.
    let _ = out.write_fmt(what);
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::from(bytes.first_chunk::<4>().copied().unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(prefix: &str, flags: u32, protocol: u16, network: &[u8]) -> Lines {
        Lines {
            prefix: prefix.into(),
            flags,
            devices: ["eth0".into(), "".into()],
            mark: 0,
            protocol,
            link: vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0],
            network: network.to_vec(),
        }
    }

    /// A SYN with an MSS option, its fields those of the line that follows.
    const SYN: [u8; 44] = [
        0x45, 0, 0, 44, 0x30, 0x39, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, //
        0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, 0x60, 2, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4,
    ];

    #[test]
    fn a_line_is_as_the_kernel_writes_it() {
        let syn = line("in: ", 0, 0x0800, &SYN).text();
        assert_eq!(
            syn,
            "in: IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 SRC=192.0.2.1 DST=198.51.100.2 LEN=44 \
             TOS=0x00 PREC=0x00 TTL=64 ID=12345 DF PROTO=TCP SPT=40000 DPT=80 WINDOW=64240 RES=0x00 SYN URGP=0"
        );
        let all = Lines { mark: 7, ..line("", 39, 0x0800, &SYN) }.text();
        assert!(all.starts_with(
            "IN=eth0 OUT= MACSRC=02:00:00:00:00:02 MACDST=02:00:00:00:00:01 MACPROTO=0800 SRC="
        ));
        assert!(
            all.ends_with(" SEQ=7 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B4) MARK=0x7"),
            "{all}"
        );
        let mut echo = vec![0x60, 0, 0, 9, 0, 12, 58, 63];
        echo.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        echo.extend([
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 128, 0, 0, 0, 0, 5, 0, 6, 1, 2, 3, 4,
        ]);
        let text = Lines { link: Vec::new(), ..line("", 0, 0x86dd, &echo) }.text();
        assert_eq!(
            text,
            "IN=eth0 OUT= MAC= SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=fe80:0000:0000:0000:0000:0000:0000:0002 \
             LEN=52 TC=0 HOPLIMIT=63 FLOWLBL=9 PROTO=ICMPv6 TYPE=128 CODE=0 ID=5 SEQ=6"
        );
        let mut unreachable = vec![
            0x45, 0xc0, 0, 72, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 4, 0, 0, 0, 0, 5, 0,
        ];
        unreachable.extend(SYN);
        let text = line("", 0, 0x0800, &unreachable).text();
        assert!(text.contains("PREC=0xC0 TTL=64 ID=1 PROTO=ICMP TYPE=3 CODE=4 [SRC=192.0.2.1 "), "{text}");
        assert!(text.ends_with("SYN URGP=0 ] MTU=1280"), "{text}");
    }

    #[test]
    fn what_is_cut_off_or_makes_no_sense_is_no_panic() {
        for protocol in [0x0800, 0x86dd, 0x0806, 0x1234] {
            for end in 0..SYN.len() {
                line("", u32::MAX, protocol, &SYN[..end]).text();
            }
            for byte in 0..=255 {
                line("", u32::MAX, protocol, &[byte; 200]).text();
            }
        }
    }
}
