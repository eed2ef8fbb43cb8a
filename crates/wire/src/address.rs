//! An IPv4 or IPv6 address in one shape.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network protocol of a packet or tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum L3 {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// ARP.
    Arp,
    /// Anything else.
    #[default]
    Other,
}

impl L3 {
    /// Bytes of an address: 4 or 16, else 0.
    pub const fn address_len(self) -> usize {
        match self {
            L3::V4 => 4,
            L3::V6 => 16,
            L3::Arp | L3::Other => 0,
        }
    }

    /// The word `conntrack` uses: `ipv4`, `ipv6`.
    pub const fn name(self) -> &'static str {
        match self {
            L3::V4 => "ipv4",
            L3::V6 => "ipv6",
            L3::Arp => "arp",
            L3::Other => "unknown",
        }
    }

    /// `NFPROTO_IPV4` 2, `NFPROTO_ARP` 3, `NFPROTO_IPV6` 10, else 0 (`linux/netfilter.h`).
    pub const fn nfproto(self) -> u8 {
        match self {
            L3::V4 => 2,
            L3::V6 => 10,
            L3::Arp => 3,
            L3::Other => 0,
        }
    }
}

/// Sixteen bytes in network order: an IPv6 address, or an IPv4 address in the first four with zeros behind
/// (`union nf_inet_addr`). Which of both, the [`L3`] beside it tells.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// All zeros.
    pub const UNSPECIFIED: Address = Address([0; 16]);

    /// From the four bytes of an IPv4 address.
    #[inline]
    pub const fn v4(bytes: [u8; 4]) -> Address {
        // As one number: sixteen bytes written one by one make whoever reads them at once wait.
        Address((u32::from_le_bytes(bytes) as u128).to_le_bytes())
    }

    /// From 4 or 16 bytes in network order; `None` for another length.
    pub fn from_slice(bytes: &[u8]) -> Option<Address> {
        match bytes.len() {
            4 => bytes.try_into().ok().map(Address::v4),
            16 => bytes.try_into().ok().map(Address),
            _ => None,
        }
    }

    /// The four bytes of an IPv4 address.
    pub const fn as_v4(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }

    /// The bytes that count: 4 for IPv4, 16 for IPv6, none else.
    pub fn bytes(&self, l3: L3) -> &[u8] {
        &self.0[..l3.address_len()]
    }

    /// The standard library's address; `None` unless `l3` is IPv4 or IPv6.
    pub fn to_ip(self, l3: L3) -> Option<IpAddr> {
        match l3 {
            L3::V4 => Some(IpAddr::V4(Ipv4Addr::from(self.as_v4()))),
            L3::V6 => Some(IpAddr::V6(Ipv6Addr::from(self.0))),
            L3::Arp | L3::Other => None,
        }
    }

    /// As text: dotted quad or RFC 5952, as `l3` says.
    pub fn display(self, l3: L3) -> impl fmt::Display {
        DisplayAddress(self, l3)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Address {
        match ip {
            IpAddr::V4(v4) => Address::v4(v4.octets()),
            IpAddr::V6(v6) => Address(v6.octets()),
        }
    }
}

impl fmt::Debug for Address {
    /// Zeros behind the first four bytes look like IPv4.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let l3 = if self.0[4..] == [0; 12] { L3::V4 } else { L3::V6 };
        write!(f, "{}", self.display(l3))
    }
}

struct DisplayAddress(Address, L3);

impl fmt::Display for DisplayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_ip(self.1) {
            Some(ip) => ip.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_their_protocol_says() {
        let v4 = Address::v4([192, 0, 2, 1]);
        assert_eq!(v4.display(L3::V4).to_string(), "192.0.2.1");
        assert_eq!(
            Address::from("2001:db8::1".parse::<IpAddr>().unwrap()).display(L3::V6).to_string(),
            "2001:db8::1"
        );
        assert_eq!(Address::from_slice(&[192, 0, 2, 1]), Some(v4));
        assert_eq!(Address::from_slice(&[1, 2, 3]), None);
    }
}
