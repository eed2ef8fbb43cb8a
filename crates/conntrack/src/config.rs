//! Limits, switches and timeouts: what `sysctl net.netfilter.nf_conntrack_*` sets on Linux.

use std::time::Duration;

use ironweir_wire::protocol::ipproto;

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
    /// Full-cone NAT: a UDP source that was translated is reached by anybody, not by those alone whom it sent to. Our own;
    /// off by default.
    pub full_cone: bool,
    /// Keep events for [`Conntrack::take_events`](crate::Conntrack::take_events), at most this many; 0 keeps none.
    pub event_capacity: usize,
    /// The most expectations (`nf_conntrack_expect_max`).
    pub expect_max: usize,
    /// Of SIP, calls are expected from the registrar alone (`sip_direct_signalling` of `nf_conntrack_sip`).
    pub sip_direct_signalling: bool,
    /// Of SIP, streams are expected between the two who talk about them alone, not of others whom they name, as gateways
    /// do (`sip_direct_media`).
    pub sip_direct_media: bool,
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
            full_cone: false,
            event_capacity: 0,
            expect_max: 4096,
            sip_direct_signalling: true,
            sip_direct_media: true,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long a connection without packets lives, by protocol and state. Defaults are those of Linux 6.18
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
    /// SCTP, by the number of its state ([`SctpStatus`](crate::SctpStatus)): NONE, CLOSED, COOKIE_WAIT, COOKIE_ECHOED,
    /// ESTABLISHED, SHUTDOWN_SENT, SHUTDOWN_RECD, SHUTDOWN_ACK_SENT, HEARTBEAT_SENT.
    pub sctp: [Duration; 9],
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
            sctp: [s(10), s(10), s(3), s(3), s(210), s(3), s(3), s(3), s(30)],
            gre: s(30),
            gre_stream: s(180),
            generic: s(600),
            offload: s(86_400),
        }
    }
}

impl Timeouts {
    /// Changes what a timeout policy names: `state` is numbered as in `CTA_TIMEOUT_*` of
    /// `linux/netfilter/nfnetlink_cttimeout.h`, by protocol. False when there is no such state.
    pub fn set(&mut self, l4: u8, state: u16, timeout: Duration) -> bool {
        let Some(place) = self.place(l4, state) else { return false };
        *place = timeout;
        // A connection that has no state yet lives as long as one in the first.
        match (l4, state) {
            (ipproto::TCP, 1) => self.tcp[0] = timeout,
            (ipproto::SCTP, 1) => self.sctp[0] = timeout,
            _ => {}
        }
        true
    }

    /// How long a connection lives that was never answered (`nf_ct_timeout_data`, the first value).
    pub fn first(&self, l4: u8) -> Duration {
        match l4 {
            ipproto::TCP => self.tcp[0],
            ipproto::UDP | ipproto::UDPLITE => self.udp,
            ipproto::ICMP => self.icmp,
            ipproto::ICMPV6 => self.icmpv6,
            ipproto::SCTP => self.sctp[0],
            ipproto::GRE => self.gre,
            _ => self.generic,
        }
    }

    fn place(&mut self, l4: u8, state: u16) -> Option<&mut Duration> {
        let number = usize::from(state);
        Some(match (l4, state) {
            (_, 0) => return None,
            (ipproto::TCP, 10) => &mut self.tcp_retrans,
            (ipproto::TCP, 11) => &mut self.tcp_unacknowledged,
            (ipproto::TCP, _) => self.tcp.get_mut(number)?,
            (ipproto::SCTP, _) => self.sctp.get_mut(number)?,
            (ipproto::UDP | ipproto::UDPLITE, 1) => &mut self.udp,
            (ipproto::UDP | ipproto::UDPLITE, 2) => &mut self.udp_stream,
            (ipproto::GRE, 1) => &mut self.gre,
            (ipproto::GRE, 2) => &mut self.gre_stream,
            (ipproto::ICMP, 1) => &mut self.icmp,
            (ipproto::ICMPV6, 1) => &mut self.icmpv6,
            (ipproto::UDP | ipproto::UDPLITE | ipproto::GRE | ipproto::ICMP | ipproto::ICMPV6, _) => {
                return None;
            }
            (_, 1) => &mut self.generic,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of `enum ctattr_timeout_*` of `linux/netfilter/nfnetlink_cttimeout.h`.
    #[test]
    fn states_of_policies_are_numbered_as_in_the_header() {
        let second = Duration::from_secs(1);
        let mut timeouts = Timeouts::default();
        for (l4, last) in [(6, 11), (17, 2), (136, 2), (132, 8), (47, 2), (1, 1), (58, 1), (99, 1)] {
            for state in 1..=last {
                assert!(timeouts.set(l4, state, second), "{l4} {state}");
            }
            assert!(!timeouts.set(l4, 0, second) && !timeouts.set(l4, last + 1, second), "{l4}");
            assert_eq!(timeouts.first(l4), second);
        }
        let all = Timeouts {
            tcp: [second; 10],
            tcp_retrans: second,
            tcp_unacknowledged: second,
            udp: second,
            udp_stream: second,
            icmp: second,
            icmpv6: second,
            sctp: [second; 9],
            gre: second,
            gre_stream: second,
            generic: second,
            ..Timeouts::default()
        };
        assert_eq!(timeouts, all);
    }
}
