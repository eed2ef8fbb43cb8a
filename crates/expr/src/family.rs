//! Families and hooks: where a ruleset meets packets.

use std::fmt;

/// An nf_tables family (`NFPROTO_*` of `linux/netfilter.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4 and IPv6 together (`NFPROTO_INET`).
    Inet = 1,
    /// IPv4 (`NFPROTO_IPV4`).
    Ip = 2,
    /// ARP (`NFPROTO_ARP`).
    Arp = 3,
    /// One network device (`NFPROTO_NETDEV`).
    Netdev = 5,
    /// Frames that pass a bridge (`NFPROTO_BRIDGE`).
    Bridge = 7,
    /// IPv6 (`NFPROTO_IPV6`).
    Ip6 = 10,
}

impl Family {
    /// Every family, in the order of their numbers.
    pub const ALL: [Family; 6] =
        [Family::Inet, Family::Ip, Family::Arp, Family::Netdev, Family::Bridge, Family::Ip6];

    /// From its number on the wire.
    pub fn from_number(number: u8) -> Option<Family> {
        Family::ALL.into_iter().find(|family| *family as u8 == number)
    }

    /// From its number in an attribute of four bytes.
    pub(crate) fn from_u32(number: u32) -> Option<Family> {
        u8::try_from(number).ok().and_then(Family::from_number)
    }

    /// From the word nft uses.
    pub fn from_name(name: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The word nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Arp => "arp",
            Family::Netdev => "netdev",
            Family::Bridge => "bridge",
            Family::Ip6 => "ip6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place on a packet's way where base chains are called.
///
/// Hook numbers depend on the family (`NF_INET_*`, `NF_ARP_*`, `NF_BR_*`, `NF_NETDEV_*`): see [`Hook::number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words are netfilter's own
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Egress,
}

impl Hook {
    /// Every hook in the order a forwarded packet and a local one meet them.
    pub const ALL: [Hook; 7] = [
        Hook::Ingress,
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
        Hook::Output,
        Hook::Postrouting,
        Hook::Egress,
    ];

    /// From the word nft uses.
    pub fn from_name(name: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// The word nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }

    /// Its number in `family` on the wire, `None` where the family has no such hook
    /// (`linux/netfilter.h`, `netfilter_arp.h`, `netfilter_bridge.h`).
    pub const fn number(self, family: Family) -> Option<u32> {
        use Hook::*;
        Some(match (family, self) {
            (Family::Netdev, Ingress) => 0,
            (Family::Netdev, Egress) => 1,
            (Family::Netdev, _) => return None,
            (Family::Arp, Input) => 0,
            (Family::Arp, Output) => 1,
            (Family::Arp, _) => return None,
            (_, Prerouting) => 0,
            (_, Input) => 1,
            (_, Forward) => 2,
            (_, Output) => 3,
            (_, Postrouting) => 4,
            (Family::Inet, Ingress) => 5,
            (_, Ingress | Egress) => return None,
        })
    }

    /// The hook with that number in `family`.
    pub fn from_number(family: Family, number: u32) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.number(family) == Some(number))
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
