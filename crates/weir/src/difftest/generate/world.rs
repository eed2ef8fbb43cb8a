//! The host that generated rules and packets are for, and the stations around it.

use std::net::IpAddr;
use std::path::Path;

use ironweir_engine::Host;
use ironweir_wire::IfIndex;

use crate::difftest::run::exact;
use crate::host_file::{self, HostFileError};

/// Three networks.
const HOST: &str = r#"
[forwarding]
ipv4 = true
ipv6 = true

[[interface]]
name = "lo"
index = 1
addresses = ["127.0.0.1/8", "::1/128"]
mtu = 65536

[[interface]]
name = "lan0"
index = 2
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24", "2001:db8:1::1/64", "fe80::ff:fe00:101/64"]

[[interface]]
name = "wan0"
index = 3
mac = "02:00:00:00:02:01"
addresses = ["203.0.113.2/24", "2001:db8:2::2/64", "fe80::ff:fe00:201/64"]

[[interface]]
name = "dmz0"
index = 4
mac = "02:00:00:00:03:01"
addresses = ["10.0.3.1/24", "2001:db8:3::1/64", "fe80::ff:fe00:301/64"]

[[route]]
dst = "0.0.0.0/0"
via = "203.0.113.1"
dev = "wan0"

[[route]]
dst = "::/0"
via = "2001:db8:2::1"
dev = "wan0"
"#;

/// A machine that sends and receives.
#[derive(Clone, Copy, Debug)]
pub struct Station {
    /// Where frames from it arrive.
    pub interface: IfIndex,
    /// Its addresses.
    pub v4: [u8; 4],
    /// The last two groups of its IPv6 address below 2001:db8::/32, and the network's.
    pub v6: (u16, u16),
    /// The last byte of its Ethernet address.
    pub mac: u8,
}

/// Stations of the three networks, and two far away.
pub const STATIONS: [Station; 8] = [
    station(2, [10, 0, 1, 10], (1, 0x10), 0x10),
    station(2, [10, 0, 1, 11], (1, 0x11), 0x11),
    station(2, [10, 0, 1, 12], (1, 0x12), 0x12),
    station(3, [203, 0, 113, 1], (2, 1), 0x20),
    station(3, [198, 18, 0, 7], (0x18, 7), 0x20),
    station(3, [198, 18, 9, 9], (0x18, 9), 0x20),
    station(4, [10, 0, 3, 10], (3, 0x10), 0x30),
    station(4, [10, 0, 3, 11], (3, 0x11), 0x31),
];

/// The router's own addresses that a packet may be for.
pub const OWN: [([u8; 4], (u16, u16)); 3] =
    [([10, 0, 1, 1], (1, 1)), ([203, 0, 113, 2], (2, 2)), ([10, 0, 3, 1], (3, 1))];

const fn station(interface: u32, v4: [u8; 4], v6: (u16, u16), mac: u8) -> Station {
    Station { interface: IfIndex(interface), v4, v6, mac }
}

impl Station {
    /// Its address.
    pub fn address(&self, v6: bool) -> IpAddr {
        address(self.v4, self.v6, v6)
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0xaa, self.mac]
    }
}

/// One of two addresses.
pub fn address(v4: [u8; 4], (net, host): (u16, u16), v6: bool) -> IpAddr {
    if v6 { IpAddr::from([0x2001, 0xdb8, net, 0, 0, 0, 0, host]) } else { v4.into() }
}

/// The host with the stations of its networks for neighbours.
///
/// # Errors
/// None, unless the text above is wrong.
pub fn host() -> Result<Host, HostFileError> {
    let mut text = HOST.to_owned();
    for station in STATIONS.iter().filter(|station| station.v4[0] != 198) {
        let dev = ["", "", "lan0", "wan0", "dmz0"][station.interface.0 as usize];
        let mac = station.mac().map(|byte| format!("{byte:02x}")).join(":");
        for v6 in [false, true] {
            text.push_str(&format!(
                "[[neighbour]]\naddress = \"{}\"\nmac = \"{mac}\"\ndev = \"{dev}\"\n",
                station.address(v6)
            ));
        }
    }
    let mut host = host_file::parse(Path::new("generated"), &text)?;
    exact(&mut host);
    host.noarp = true;
    Ok(host)
}
