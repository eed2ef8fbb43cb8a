//! `fib`: asks the routing table (`nft_fib.c`, `nft_fib_ipv4.c`, `nft_fib_ipv6.c`).

use std::fmt;
use std::net::IpAddr;

use ironweir_netlink::Writer;
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{IfIndex, Packet, PacketType};

use crate::env::RouteQuery;
use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register, when};
use crate::{Env, Family, Hook, Register, Registers};

/// Looks an address up and loads what the route says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// Where the answer goes.
    pub destination: Register,
    /// What is asked for.
    pub result: Outcome,
    /// With what it is looked up.
    pub flags: Flags,
}

/// `enum nft_fib_result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Outcome {
    /// Index of the interface the route names (`NFT_FIB_RESULT_OIF`).
    Oif = 1,
    /// Its name (`NFT_FIB_RESULT_OIFNAME`).
    Oifname = 2,
    /// The address' type, `RTN_*` (`NFT_FIB_RESULT_ADDRTYPE`).
    Addrtype = 3,
}

bitflags::bitflags! {
    /// `enum nft_fib_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// Look up the source address.
        const SADDR = 1;
        /// Look up the destination address.
        const DADDR = 2;
        /// With the packet's mark.
        const MARK = 4;
        /// From the input interface.
        const IIF = 8;
        /// To the output interface.
        const OIF = 16;
        /// Only whether there is a route (`check`, `exists`): loads 1 or 0.
        const PRESENT = 32;
    }
}

impl Expression for Fib {
    const NAME: &'static str = "fib";
    const HIGHEST: u16 = FLAGS;

    fn eval<E: Env>(
        &self,
        registers: &mut Registers,
        packet: &mut Packet<'_>,
        env: &mut E,
    ) -> crate::Outcome {
        let Some(addresses) = addresses(packet) else { return crate::Outcome::Break };
        if self.result == Outcome::Addrtype {
            let kind = self.address_type(addresses, packet, env);
            registers.store(self.destination, &kind.to_ne_bytes());
        } else {
            let oif = self.interface(addresses, packet, env);
            self.store(oif, registers, env);
        }
        crate::Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("fib ")?;
        let words = [
            (Flags::SADDR, "saddr"),
            (Flags::DADDR, "daddr"),
            (Flags::MARK, "mark"),
            (Flags::IIF, "iif"),
            (Flags::OIF, "oif"),
        ];
        let mut between = "";
        for (_, word) in words.iter().filter(|(flag, _)| self.flags.contains(*flag)) {
            write!(f, "{between}{word}")?;
            between = " . ";
        }
        let result = match self.result {
            Outcome::Oif => "oif",
            Outcome::Oifname => "oifname",
            Outcome::Addrtype => "type",
        };
        let present = if self.flags.contains(Flags::PRESENT) { " present" } else { "" };
        write!(f, " {result}{present} => reg {}", self.destination)
    }

    /// `nft_fib_init`, `nft_fib_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        use Hook::{Forward, Ingress, Input, Output, Postrouting, Prerouting};
        ctx.families("fib", &[Family::Ip, Family::Ip6, Family::Inet, Family::Netdev])?;
        register(self.destination, if self.result == Outcome::Oifname { 16 } else { 4 })?;
        let both = |flags| self.flags.contains(flags);
        when(both(Flags::SADDR | Flags::DADDR), "fib of source and destination at once")?;
        when(!self.flags.intersects(Flags::SADDR | Flags::DADDR), "fib of neither source nor destination")?;
        when(both(Flags::IIF | Flags::OIF), "fib by input and output interface at once")?;
        let asks_interface = self.result != Outcome::Addrtype;
        when(asks_interface && both(Flags::OIF), "fib asks for the output interface and gives it")?;
        if ctx.family == Family::Netdev {
            ctx.hooks("fib", &[Ingress])
        } else if asks_interface || both(Flags::IIF) {
            ctx.hooks("fib with this result and flags", &[Prerouting, Input, Forward])
        } else if both(Flags::OIF) {
            ctx.hooks("fib by output interface", &[Output, Postrouting, Forward])
        } else {
            ctx.hooks("fib", &[Prerouting, Input, Forward, Output, Postrouting])
        }
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = match self.result {
            Outcome::Oif | Outcome::Addrtype => (4, Order::Host),
            Outcome::Oifname => (16, Order::Network),
        };
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(RESULT, self.result as u32);
        writer.put_u32_be(FLAGS, self.flags.bits());
    }

    fn decode(given: &Given<'_>) -> Result<Fib, Fault> {
        Ok(Fib {
            destination: given.register(DREG)?,
            result: given.known(RESULT, |number| match number {
                1 => Some(Outcome::Oif),
                2 => Some(Outcome::Oifname),
                3 => Some(Outcome::Addrtype),
                _ => None,
            })?,
            flags: given.known(FLAGS, Flags::from_bits)?,
        })
    }
}

impl Fib {
    fn asked(&self, (source, destination): (IpAddr, IpAddr)) -> IpAddr {
        if self.flags.contains(Flags::DADDR) { destination } else { source }
    }

    /// The device that the flags name.
    fn device(&self, packet: &Packet<'_>) -> IfIndex {
        if self.flags.contains(Flags::OIF) {
            packet.meta.oif
        } else if self.flags.contains(Flags::IIF) {
            packet.meta.iif
        } else {
            IfIndex::NONE
        }
    }

    fn mark(&self, packet: &Packet<'_>) -> u32 {
        if self.flags.contains(Flags::MARK) { packet.meta.mark } else { 0 }
    }

    /// `RTN_*`; addresses without a route are unicast (`inet_dev_addr_type`).
    fn address_type<E: Env>(&self, addresses: (IpAddr, IpAddr), packet: &Packet<'_>, env: &mut E) -> u32 {
        const BROADCAST: u32 = 3;
        const MULTICAST: u32 = 5;
        let asked = self.asked(addresses);
        match asked {
            IpAddr::V4(v4) if v4.is_unspecified() || v4.is_broadcast() => return BROADCAST,
            _ if asked.is_multicast() => return MULTICAST,
            _ => {}
        }
        let query = RouteQuery {
            destination: asked,
            source: None,
            mark: self.mark(packet),
            interface: self.device(packet),
            tos: 0,
        };
        match (env.route(&query), asked) {
            (Some(route), _) => route.kind,
            (None, IpAddr::V4(_)) => UNICAST,
            (None, IpAddr::V6(_)) => UNREACHABLE,
        }
    }

    /// The interface that a route to the address leaves by (`nft_fib4_eval`, `nft_fib6_eval`).
    fn interface<E: Env>(&self, addresses: (IpAddr, IpAddr), packet: &Packet<'_>, env: &mut E) -> IfIndex {
        let (source, destination) = addresses;
        let early = matches!(env.hook(), Hook::Prerouting | Hook::Ingress | Hook::Input);
        let iif = packet.meta.iif;
        if early
            && (packet.meta.packet_type == PacketType::Loopback
                || env.interface(iif).is_some_and(|iif| iif.loopback))
        {
            return iif;
        }
        // What has no address yet (DHCP, link-local groups) has no route either.
        let unspecified = source.is_unspecified();
        let near = match destination {
            IpAddr::V4(v4) => v4.is_broadcast() || matches!(v4.octets(), [224, 0, 0, _]),
            IpAddr::V6(v6) => matches!(v6.octets(), [0xff, 0x02, ..]),
        };
        if unspecified && near {
            return iif;
        }
        let (to, from) =
            if self.flags.contains(Flags::DADDR) { (destination, source) } else { (source, destination) };
        let interface = self.device(packet);
        let query = RouteQuery {
            destination: to,
            source: Some(from),
            mark: self.mark(packet),
            interface,
            tos: type_of_service(packet),
        };
        // A local address is reached by no interface, nor is what a route refuses; broadcasts and groups are, as any other.
        match env.route(&query) {
            Some(route) if matches!(route.kind, LOCAL | BLACKHOLE..=THROW) => IfIndex::NONE,
            Some(route) if interface.is_some() && route.oif != interface => IfIndex::NONE,
            Some(route) => route.oif,
            None => IfIndex::NONE,
        }
    }

    fn store<E: Env>(&self, oif: IfIndex, registers: &mut Registers, env: &E) {
        if self.flags.contains(Flags::PRESENT) {
            registers.store(self.destination, &u32::from(oif.is_some()).to_ne_bytes());
        } else if self.result == Outcome::Oif {
            registers.store(self.destination, &oif.0.to_ne_bytes());
        } else {
            let mut name = [0; 16];
            let known = env.interface(oif).map_or("", |oif| oif.name);
            name[..15].iter_mut().zip(known.bytes()).for_each(|(to, from)| *to = from);
            registers.store(self.destination, &name);
        }
    }
}

/// `RTN_LOCAL`.
const LOCAL: u32 = 2;
/// `RTN_UNICAST`.
const UNICAST: u32 = 1;
/// `RTN_BLACKHOLE`, the first of the types that refuse.
const BLACKHOLE: u32 = 6;
/// `RTN_THROW`, the last of them.
const THROW: u32 = 9;
/// `RTN_UNREACHABLE`.
const UNREACHABLE: u32 = 7;

/// Source and destination of an IP packet.
pub fn addresses(packet: &Packet<'_>) -> Option<(IpAddr, IpAddr)> {
    let network = packet.network();
    match packet.meta.protocol {
        ethertype::IPV4 => {
            let [source, destination] = [12, 16].map(|at| packet.array::<4>(network + at).map(IpAddr::from));
            Some((source?, destination?))
        }
        ethertype::IPV6 => {
            let [source, destination] = [8, 24].map(|at| packet.array::<16>(network + at).map(IpAddr::from));
            Some((source?, destination?))
        }
        _ => None,
    }
}

/// TOS of IPv4 without its two ECN bits; 0 for IPv6, whose lookup takes the flow label instead.
fn type_of_service(packet: &Packet<'_>) -> u8 {
    match packet.meta.protocol {
        ethertype::IPV4 => packet.byte(packet.network() + 1).unwrap_or(0) & !3,
        _ => 0,
    }
}

/// `NFTA_FIB_DREG`.
const DREG: u16 = 1;
/// `NFTA_FIB_RESULT`.
const RESULT: u16 = 2;
/// `NFTA_FIB_FLAGS`.
const FLAGS: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;
    use crate::env::Route;
    use crate::testing::{World, ipv4, loaded, udp};

    fn ask(result: Outcome, flags: Flags, route: Option<Route>) -> (Option<Vec<u8>>, World) {
        let mut world = World { route, ..World::default() };
        let expr = Expr::Fib(Fib { destination: Register::R1, result, flags });
        let got = loaded(&expr, &ipv4(17, 0, &[], &udp(53, &[])), &mut world, 4);
        (got, world)
    }

    #[test]
    fn answers_are_numbers_and_no_route_is_zero() {
        let number = |number: u32| Some(number.to_ne_bytes().to_vec());
        let by = |oif, kind| Some(Route { kind, oif: IfIndex(oif) });
        let reverse = Flags::SADDR | Flags::IIF;
        let cases = [
            ("the way back is the way in", Outcome::Oif, reverse, by(3, 1), number(3)),
            ("it is another", Outcome::Oif, reverse, by(4, 1), number(0)),
            ("no route", Outcome::Oif, reverse, None, number(0)),
            ("exists", Outcome::Oif, Flags::SADDR | Flags::PRESENT, by(9, 1), number(1)),
            ("is missing", Outcome::Oif, Flags::SADDR | Flags::PRESENT, None, number(0)),
            ("blackhole is no interface", Outcome::Oif, Flags::DADDR, by(9, 6), number(0)),
            ("local", Outcome::Addrtype, Flags::DADDR, by(1, 2), number(2)),
            ("unknown addresses are unicast", Outcome::Addrtype, Flags::DADDR, None, number(1)),
        ];
        for (name, result, flags, route, want) in cases {
            assert_eq!(ask(result, flags, route).0, want, "{name}");
        }
    }

    #[test]
    fn the_source_is_looked_up_as_destination() {
        let (_, world) = ask(Outcome::Oif, Flags::SADDR | Flags::IIF, None);
        let asked = world.asked.expect("asked");
        assert_eq!(asked.destination, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(asked.interface, IfIndex(3));
        assert_eq!(asked.tos, 0x10);
    }
}
