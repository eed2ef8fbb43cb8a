//! What helpers of connections ask of the host.

use std::net::IpAddr;

use ironweir_conntrack::Surroundings;
use ironweir_wire::{Address, L3, Packet, PacketInfo, ipv4};

use crate::Host;

/// A host, and whether the packet at work is one that it broadcasts.
#[derive(Debug)]
pub(super) struct Around<'h> {
    host: &'h Host,
    /// The broadcast address of a network that a packet of the host itself goes to.
    to: Option<IpAddr>,
}

impl<'h> Around<'h> {
    /// `local`: a program of this host sends the packet.
    pub(super) fn new(host: &'h Host, info: &PacketInfo, packet: &Packet<'_>, local: bool) -> Around<'h> {
        let to = (local && info.l3 == L3::V4)
            .then(|| packet.array::<4>(info.network + ipv4::DST_AT))
            .flatten()
            .map(IpAddr::from);
        Around { host, to }
    }
}

impl Surroundings for Around<'_> {
    fn broadcast_mask(&self) -> Option<Address> {
        let Some(to @ IpAddr::V4(v4)) = self.to else { return None };
        let interface = self.host.interface(self.host.broadcast_interface(to)?)?;
        let mask = |len: u8| u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
        let found = interface.addresses.iter().find(
            |(own, len)| matches!(own, IpAddr::V4(own) if u32::from(*own) | !mask(*len) == u32::from(v4)),
        );
        found.map(|(_, len)| Address::v4(mask(*len).to_be_bytes()))
    }

    fn is_same_way(&self, l3: L3, one: &Address, other: &Address) -> bool {
        // Towards a neighbour the next hop is the neighbour itself (`rt_nexthop`).
        let way = |address: &Address| {
            let to = address.to_ip(l3)?;
            let local = self.host.local_interface(to).map(|interface| (interface, to));
            local.or_else(|| {
                let route = self.host.route(to)?;
                Some((route.interface, route.gateway.unwrap_or(to)))
            })
        };
        matches!((way(one), way(other)), (Some(one), Some(other)) if one == other)
    }
}

#[cfg(test)]
mod tests {
    use ironweir_wire::IfIndex;

    use super::*;
    use crate::{Interface, Route};

    fn host() -> Host {
        let mut host = Host::default();
        for (index, name, address, len) in [(1, "lan0", "10.0.1.1", 24), (2, "wan0", "203.0.113.2", 29)] {
            let mut interface = Interface::new(IfIndex(index), name);
            interface.addresses = vec![(address.parse().unwrap(), len)];
            host.add_interface(interface).unwrap();
        }
        let route = Route::by(IfIndex(2), Some("203.0.113.1".parse().unwrap()));
        host.add_route("0.0.0.0".parse().unwrap(), 0, route, 0).unwrap();
        host
    }

    #[test]
    fn the_mask_is_that_of_the_network_whose_broadcast_address_it_is() {
        let host = host();
        for (to, mask) in [
            ("10.0.1.255", Some([255, 255, 255, 0])),
            ("203.0.113.7", Some([255, 255, 255, 248])),
            ("255.255.255.255", None),
            ("10.0.1.9", None),
        ] {
            let around = Around { host: &host, to: Some(to.parse().unwrap()) };
            assert_eq!(around.broadcast_mask(), mask.map(Address::v4), "{to}");
        }
        assert_eq!(Around { host: &host, to: None }.broadcast_mask(), None);
    }

    /// `callforward_do_filter`: hosts behind the same router, not neighbours on one link.
    #[test]
    fn two_ways_are_the_same_behind_the_same_router() {
        let host = host();
        let around = Around { host: &host, to: None };
        let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
        for (one, other, same) in [
            ("198.51.100.1", "192.0.2.1", true),
            ("198.51.100.1", "203.0.113.1", true),
            ("198.51.100.1", "10.0.1.5", false),
            ("10.0.1.6", "10.0.1.5", false),
            ("10.0.1.5", "10.0.1.5", true),
        ] {
            assert_eq!(around.is_same_way(L3::V4, &address(one), &address(other)), same, "{one} {other}");
        }
    }
}
