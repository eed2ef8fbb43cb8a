//! Numbers that name protocols: EtherTypes and IP protocols.

/// EtherTypes in host order (`linux/if_ether.h`, IEEE registration).
pub mod ethertype {
    /// IPv4 (`ETH_P_IP`).
    pub const IPV4: u16 = 0x0800;
    /// ARP (`ETH_P_ARP`).
    pub const ARP: u16 = 0x0806;
    /// IPv6 (`ETH_P_IPV6`).
    pub const IPV6: u16 = 0x86dd;
    /// 802.1Q tag (`ETH_P_8021Q`).
    pub const VLAN: u16 = 0x8100;
    /// 802.1ad service tag (`ETH_P_8021AD`).
    pub const QINQ: u16 = 0x88a8;
    /// PPPoE session (`ETH_P_PPP_SES`).
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// What Linux calls an 802.3 frame with an LLC header (`ETH_P_802_2`); never on the wire.
    pub const LLC: u16 = 0x0004;
    /// What Linux calls a raw 802.3 frame of Novell (`ETH_P_802_3`); never on the wire.
    pub const NOVELL: u16 = 0x0001;
    /// The least value that is an EtherType and not a length (`ETH_P_802_3_MIN`).
    pub const MIN: u16 = 0x0600;
}

/// IP protocol and IPv6 next-header numbers (`linux/in.h`, `linux/in6.h`, IANA).
pub mod ipproto {
    /// IPv6 hop-by-hop options.
    pub const HOPOPTS: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// GRE.
    pub const GRE: u8 = 47;
    /// Encapsulating security payload.
    pub const ESP: u8 = 50;
    /// Authentication header.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6: nothing follows.
    pub const NONE: u8 = 59;
    /// IPv6 destination options.
    pub const DSTOPTS: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// IPv6 mobility header.
    pub const MH: u8 = 135;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;
}

/// The word `conntrack -L` prints for an IP protocol that has a tracker of its own; `None` for the generic one.
pub const fn tracked_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        ipproto::ICMP => "icmp",
        ipproto::TCP => "tcp",
        ipproto::UDP => "udp",
        ipproto::DCCP => "dccp",
        ipproto::GRE => "gre",
        ipproto::ICMPV6 => "icmpv6",
        ipproto::SCTP => "sctp",
        ipproto::UDPLITE => "udplite",
        _ => return None,
    })
}
