//! Addresses as conntrack's options write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::Usage;

/// Family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// By name.
    pub fn of(word: &str) -> Result<Family, Usage> {
        match word {
            "ipv4" => Ok(Family::Ipv4),
            "ipv6" => Ok(Family::Ipv6),
            _ => Err(Usage::UnknownProtocol(word.to_owned())),
        }
    }

    /// Of an address.
    pub fn of_address(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// `AF_INET`, `AF_INET6`: what stands in the header of a message.
    pub fn number(self) -> u8 {
        match self {
            Family::Ipv4 => 2,
            Family::Ipv6 => 10,
        }
    }
}

/// What NAT translates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatAddress {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

impl NatAddress {
    /// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT` for IPv6.
    pub fn of(word: &str) -> Result<NatAddress, Usage> {
        let (host, port) = if let Some(rest) = word.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| Usage::BadAddress(word.to_owned()))?;
            (host, rest.strip_prefix(':'))
        } else if word.matches(':').count() == 1 {
            word.split_once(':').map_or((word, None), |(host, port)| (host, Some(port)))
        } else {
            (word, None)
        };
        let port = match port {
            None => None,
            Some("") => return Err(Usage::NoPort),
            Some(port) => Some(port.parse().map_err(|_| Usage::BadPort(port.to_owned()))?),
        };
        Ok(NatAddress { address: address(host)?, port })
    }
}

/// An address.
///
/// DIVERGES: conntrack takes `1.1` for 1.0.0.1, as `inet_aton(3)` does.
pub fn address(word: &str) -> Result<IpAddr, Usage> {
    word.parse().map_err(|_| Usage::BadAddress(word.to_owned()))
}

/// `ADDRESS` or `ADDRESS/PREFIX`.
pub fn address_with_mask(word: &str) -> Result<(IpAddr, Option<IpAddr>), Usage> {
    let Some((host, prefix)) = word.split_once('/') else { return Ok((address(word)?, None)) };
    let address = address(host)?;
    if prefix.is_empty() {
        return Ok((address, None));
    }
    let length = prefix.parse().map_err(|_| Usage::BadMask)?;
    prefix_mask(address, length).map(|mask| (address, Some(mask))).ok_or(Usage::BadMask)
}

/// A mask: an address, or the length of a prefix of IPv4.
///
/// DIVERGES: conntrack takes a length for the address 0.0.0.LENGTH.
pub fn mask(option: &'static str, word: &str) -> Result<IpAddr, Usage> {
    if word.contains('/') {
        return Err(Usage::NoPrefix(option));
    }
    if let Ok(length) = word.parse() {
        return prefix_mask(IpAddr::V4(Ipv4Addr::UNSPECIFIED), length).ok_or(Usage::BadMask);
    }
    address(word)
}

fn prefix_mask(of: IpAddr, length: u32) -> Option<IpAddr> {
    match of {
        IpAddr::V4(_) if length <= 32 => {
            let bits = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Some(Ipv4Addr::from(bits).into())
        }
        IpAddr::V6(_) if length <= 128 => {
            let bits = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Some(Ipv6Addr::from(bits).into())
        }
        _ => None,
    }
}

/// Whether two addresses agree in the bits of a mask; addresses of two families do not.
pub fn within(one: IpAddr, other: IpAddr, mask: IpAddr) -> bool {
    match (one, other, mask) {
        (IpAddr::V4(one), IpAddr::V4(other), IpAddr::V4(mask)) => {
            one.to_bits() & mask.to_bits() == other.to_bits() & mask.to_bits()
        }
        (IpAddr::V6(one), IpAddr::V6(other), IpAddr::V6(mask)) => {
            one.to_bits() & mask.to_bits() == other.to_bits() & mask.to_bits()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_masks() {
        let read = |word| address_with_mask(word).map(|(_, mask)| mask.map(|mask| mask.to_string()));
        assert_eq!(read("1.1.1.0/24"), Ok(Some("255.255.255.0".to_owned())));
        assert_eq!(read("1.1.1.0/0"), Ok(Some("0.0.0.0".to_owned())));
        assert_eq!(read("fe80::/10"), Ok(Some("ffc0::".to_owned())));
        assert_eq!(read("1.1.1.0/33"), Err(Usage::BadMask));
        assert_eq!(read("1.1.1.1"), Ok(None));
    }

    #[test]
    fn nat_addresses_may_have_ports() {
        let read = |word| NatAddress::of(word).map(|nat| (nat.address.to_string(), nat.port));
        assert_eq!(read("1.1.1.7:88"), Ok(("1.1.1.7".to_owned(), Some(88))));
        assert_eq!(read("[fe80::9]:5"), Ok(("fe80::9".to_owned(), Some(5))));
        assert_eq!(read("fe80::9"), Ok(("fe80::9".to_owned(), None)));
        assert_eq!(read("1.1.1.7:"), Err(Usage::NoPort));
        assert_eq!(read("1.1.1.7:70000"), Err(Usage::BadPort("70000".to_owned())));
    }
}
