//! Limits, switches and timeouts: what `sysctl net.netfilter.nf_conntrack_*` sets on Linux.

use std::time::Duration;

/// How a [`Conntrack`](crate::Conntrack) behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The most connections, those not yet confirmed included (`nf_conntrack_max`).
    pub max: usize,
    /// Count packets and bytes (`nf_conntrack_acct`).
    ///
    /// DIVERGES: on by default (the kernel's default is off), for reports and listings are read for their counters.
    pub accounting: bool,
    /// Record when a connection began and ended (`nf_conntrack_timestamp`).
    pub timestamps: bool,
    /// Verify transport checksums of packets that come in (`nf_conntrack_checksum`).
    ///
    /// DIVERGES: off by default (the kernel's default is on). A capture taken on the sending machine holds checksums
    /// that the network card was yet to fill in; the kernel knows that from the `sk_buff`, a capture does not say.
    pub checksum: bool,
    /// Pick up TCP connections in the middle (`nf_conntrack_tcp_loose`).
    pub tcp_loose: bool,
    /// Only resets out of window are invalid (`nf_conntrack_tcp_be_liberal`).
    pub tcp_be_liberal: bool,
    /// Let resets out of window pass as valid (`nf_conntrack_tcp_ignore_invalid_rst`).
    pub tcp_ignore_invalid_rst: bool,
    /// Retransmissions without answer before the timeout shrinks (`nf_conntrack_tcp_max_retrans`).
    pub tcp_max_retrans: u8,
    /// Keep events for [`Conntrack::take_events`](crate::Conntrack::take_events), at most this many; 0 keeps none.
    pub event_capacity: usize,
    /// How long connections without packets live.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max: 262_144,
            accounting: true,
            timestamps: false,
            checksum: false,
            tcp_loose: true,
            tcp_be_liberal: false,
            tcp_ignore_invalid_rst: false,
            tcp_max_retrans: 3,
            event_capacity: 0,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long a connection without packets lives, by protocol and state. Defaults are those of Linux 6.12
/// (`nf_conntrack_proto_*.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, by the number of its state ([`TcpStatus`](crate::TcpStatus)): NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT,
    /// CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2.
    pub tcp: [Duration; 10],
    /// TCP after too many retransmissions, and with a window of zero.
    pub tcp_retrans: Duration,
    /// TCP with data not yet acknowledged.
    pub tcp_unacknowledged: Duration,
    /// UDP and UDP-Lite, one way or young.
    pub udp: Duration,
    /// UDP and UDP-Lite, both ways for more than two seconds.
    pub udp_stream: Duration,
    /// ICMP.
    pub icmp: Duration,
    /// ICMPv6.
    pub icmpv6: Duration,
    /// GRE, one way.
    pub gre: Duration,
    /// GRE, both ways.
    pub gre_stream: Duration,
    /// All other protocols.
    pub generic: Duration,
    /// A connection that a flowtable carries.
    pub offload: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        const fn s(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        Timeouts {
            tcp: [s(120), s(120), s(60), s(432_000), s(120), s(60), s(30), s(120), s(10), s(120)],
            tcp_retrans: s(300),
            tcp_unacknowledged: s(300),
            udp: s(30),
            udp_stream: s(120),
            icmp: s(30),
            icmpv6: s(30),
            gre: s(30),
            gre_stream: s(180),
            generic: s(600),
            offload: s(86_400),
        }
    }
}
