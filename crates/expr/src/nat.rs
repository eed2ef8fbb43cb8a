//! `nat`: source or destination NAT (`nft_nat.c`).

use std::fmt;
use std::net::IpAddr;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::env::{NatKind, NatRange};
use crate::given::{Fault, Given, put_flags, put_range};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register, when};
use crate::{Env, Family, Hook, Outcome, Register, Registers, fib};

/// Sets up NAT for the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Which end is changed.
    pub kind: Kind,
    /// `ip` or `ip6`: of which family the addresses are (`NFTA_NAT_FAMILY`).
    pub family: Family,
    /// Where the first and last address to choose from lie.
    pub addresses: Option<(Register, Option<Register>)>,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
    /// How address and port are chosen.
    pub flags: Flags,
}

/// `enum nft_nat_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are netfilter's
pub enum Kind {
    Snat = 0,
    Dnat = 1,
}

bitflags::bitflags! {
    /// `NF_NAT_RANGE_*` of `linux/netfilter/nf_nat.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// There are addresses (`NF_NAT_RANGE_MAP_IPS`).
        const MAP_IPS = 1;
        /// There are ports (`NF_NAT_RANGE_PROTO_SPECIFIED`).
        const PROTO_SPECIFIED = 2;
        /// `random` (`NF_NAT_RANGE_PROTO_RANDOM`).
        const PROTO_RANDOM = 4;
        /// `persistent` (`NF_NAT_RANGE_PERSISTENT`).
        const PERSISTENT = 8;
        /// `fully-random` (`NF_NAT_RANGE_PROTO_RANDOM_FULLY`).
        const PROTO_RANDOM_FULLY = 16;
        /// Ports keep their distance to a base (`NF_NAT_RANGE_PROTO_OFFSET`).
        const PROTO_OFFSET = 32;
        /// `prefix`: the host part is kept (`NF_NAT_RANGE_NETMAP`).
        const NETMAP = 64;
    }
}

impl Flags {
    /// The flags that a rule gives. That there are addresses is told by their registers, and the kernel adds a flag for
    /// it to what it tells (`nft_nat_init`).
    pub(crate) fn decode(given: &Given<'_>, kind: u16) -> Result<Flags, Fault> {
        let flags = given.flags(kind, Flags::all().bits())?;
        Ok(Flags::from_bits_truncate(flags).difference(Flags::MAP_IPS))
    }
}

impl Expression for Nat {
    const NAME: &'static str = "nat";
    const HIGHEST: u16 = FLAGS;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let family = env.protocol_family();
        // In an inet table a rule for one family lets packets of the other pass by (`nft_nat_inet_eval`).
        if self.family != Family::Inet && self.family != family {
            return Outcome::Next;
        }
        let mut addresses = None;
        if let Some((first, last)) = self.addresses {
            let read = |register| address(registers, register, family);
            let (Some(first), Some(last)) = (read(first), read(last.unwrap_or(first))) else {
                return Outcome::Break;
            };
            addresses = Some((first, last));
        }
        if self.flags.contains(Flags::NETMAP)
            && let Some((first, last)) = addresses
        {
            let Some((source, destination)) = fib::addresses(packet) else { return Outcome::Break };
            let old = if self.kind == Kind::Snat { source } else { destination };
            let mapped = netmap(first, last, old);
            addresses = Some((mapped, mapped));
        }
        let kind = match self.kind {
            Kind::Snat => NatKind::Snat,
            Kind::Dnat => NatKind::Dnat,
        };
        env.nat(&range(kind, self.flags, addresses, self.ports, registers), packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let kind = match self.kind {
            Kind::Snat => "snat",
            Kind::Dnat => "dnat",
        };
        write!(f, "nat {kind} {}", self.family)?;
        write_range(f, "addr", self.addresses)?;
        write_range(f, "proto", self.ports)?;
        write_flags(f, self.flags)
    }

    /// `nft_nat_init`, `nft_nat_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("nat", IP)?;
        ctx.nat_chain("nat")?;
        if ctx.family != Family::Inet && ctx.family != self.family {
            return Err(ExprError::Family {
                what: "nat to an address of another family",
                family: ctx.family,
            });
        }
        match self.kind {
            Kind::Snat => ctx.hooks("snat", &[Hook::Postrouting, Hook::Input])?,
            Kind::Dnat => ctx.hooks("dnat", &[Hook::Prerouting, Hook::Output])?,
        }
        match self.family {
            Family::Ip => validate_range(self.addresses, 4)?,
            Family::Ip6 => validate_range(self.addresses, 16)?,
            Family::Inet => when(self.addresses.is_some(), "nat addresses without their family")?,
            family => return Err(ExprError::Family { what: "nat addresses", family }),
        }
        validate_range(self.ports, 2)
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (within(self.addresses, register) || within(self.ports, register)).then_some(Order::Network)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(TYPE, self.kind as u32);
        writer.put_u32_be(FAMILY, self.family as u32);
        put_range(writer, [REG_ADDR_MIN, REG_ADDR_MAX], self.addresses);
        put_range(writer, [REG_PROTO_MIN, REG_PROTO_MAX], self.ports);
        put_flags(writer, FLAGS, self.flags.bits());
    }

    fn decode(given: &Given<'_>) -> Result<Nat, Fault> {
        Ok(Nat {
            kind: given.one_of(TYPE, &[Kind::Snat, Kind::Dnat])?,
            family: given.known(FAMILY, Family::from_u32)?,
            addresses: given.range(REG_ADDR_MIN, REG_ADDR_MAX)?,
            ports: given.range(REG_PROTO_MIN, REG_PROTO_MAX)?,
            flags: Flags::decode(given, FLAGS)?,
        })
    }
}

/// The range an expression describes, ports read from their registers.
pub(crate) fn range(
    kind: NatKind,
    mut flags: Flags,
    addresses: Option<(IpAddr, IpAddr)>,
    ports: Option<(Register, Option<Register>)>,
    registers: &Registers,
) -> NatRange {
    let port = |register| registers.get(register, 2).try_into().map_or(0, u16::from_be_bytes);
    let ports = ports.map(|(first, last)| (port(first), port(last.unwrap_or(first))));
    flags.set(Flags::MAP_IPS, addresses.is_some());
    flags.set(Flags::PROTO_SPECIFIED, ports.is_some());
    NatRange { kind, flags, addresses, ports, base_port: 0 }
}

/// An address of that family in a register.
pub(crate) fn address(registers: &Registers, register: Register, family: Family) -> Option<IpAddr> {
    match family {
        Family::Ip => <[u8; 4]>::try_from(registers.get(register, 4)).ok().map(IpAddr::from),
        Family::Ip6 => <[u8; 16]>::try_from(registers.get(register, 16)).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The network part of the range and the host part of the old address. What differs between first and last address is
/// the host part (`nft_nat_setup_netmap`).
fn netmap(first: IpAddr, last: IpAddr, old: IpAddr) -> IpAddr {
    match (first, last, old) {
        (IpAddr::V4(first), IpAddr::V4(last), IpAddr::V4(old)) => {
            let host = first.to_bits() ^ last.to_bits();
            IpAddr::V4(((old.to_bits() & host) | (first.to_bits() & !host)).into())
        }
        (IpAddr::V6(first), IpAddr::V6(last), IpAddr::V6(old)) => {
            let host = first.to_bits() ^ last.to_bits();
            IpAddr::V6(((old.to_bits() & host) | (first.to_bits() & !host)).into())
        }
        _ => first,
    }
}

/// ` addr_min reg 1 addr_max reg 2`, for `addr` and `proto`.
pub(crate) fn write_range(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    range: Option<(Register, Option<Register>)>,
) -> fmt::Result {
    let Some((first, last)) = range else { return Ok(()) };
    write!(f, " {what}_min reg {first}")?;
    last.iter().try_for_each(|last| write!(f, " {what}_max reg {last}"))
}

/// ` flags 0x2`, where there are any.
pub(crate) fn write_flags(f: &mut fmt::Formatter<'_>, flags: Flags) -> fmt::Result {
    if flags.is_empty() { Ok(()) } else { write!(f, " flags 0x{:x}", flags.bits()) }
}

/// Whether a register is one of those that hold a range.
pub(crate) fn within(range: Option<(Register, Option<Register>)>, register: Register) -> bool {
    range.is_some_and(|(first, last)| first == register || last == Some(register))
}

/// Refuses registers of a range that do not exist.
pub(crate) fn validate_range(range: Option<(Register, Option<Register>)>, len: u32) -> Result<(), ExprError> {
    let Some((first, last)) = range else { return Ok(()) };
    register(first, len)?;
    last.map_or(Ok(()), |last| register(last, len))
}

/// `NFTA_NAT_TYPE`.
const TYPE: u16 = 1;
/// `NFTA_NAT_FAMILY`.
const FAMILY: u16 = 2;
/// `NFTA_NAT_REG_ADDR_MIN`.
const REG_ADDR_MIN: u16 = 3;
/// `NFTA_NAT_REG_ADDR_MAX`.
const REG_ADDR_MAX: u16 = 4;
/// `NFTA_NAT_REG_PROTO_MIN`.
const REG_PROTO_MIN: u16 = 5;
/// `NFTA_NAT_REG_PROTO_MAX`.
const REG_PROTO_MAX: u16 = 6;
/// `NFTA_NAT_FLAGS`.
const FLAGS: u16 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;
    use crate::testing::{World, eval, ipv4, udp};
    use crate::validate::ChainKind;

    fn run(nat: Nat, world: &mut World) -> Outcome {
        let mut registers = Registers::default();
        registers.store(Register::R1, &[198, 51, 100, 0]);
        registers.store(Register::R2, &[198, 51, 100, 255]);
        let third = Register::at_word(8).expect("third");
        registers.store(third, &[0x1f, 0x90]);
        eval(&Expr::Nat(nat), &mut ipv4(17, 0, &[], &udp(53, &[])), &mut registers, world)
    }

    #[test]
    fn addresses_and_ports_come_from_registers() {
        let mut world = World::default();
        let nat = Nat {
            kind: Kind::Dnat,
            family: Family::Ip,
            addresses: Some((Register::R1, Some(Register::R2))),
            ports: Register::at_word(8).map(|port| (port, None)),
            flags: Flags::PERSISTENT,
        };
        run(nat, &mut world);
        let range = world.nat.expect("asked");
        let last: IpAddr = [198, 51, 100, 255].into();
        assert_eq!(range.addresses, Some(([198, 51, 100, 0].into(), last)));
        assert_eq!(range.ports, Some((8080, 8080)));
        assert_eq!(range.flags, Flags::PERSISTENT | Flags::MAP_IPS | Flags::PROTO_SPECIFIED);
    }

    #[test]
    fn a_prefix_keeps_the_host_part() {
        let mut world = World::default();
        let addresses = Some((Register::R1, Some(Register::R2)));
        run(
            Nat { kind: Kind::Dnat, family: Family::Ip, addresses, ports: None, flags: Flags::NETMAP },
            &mut world,
        );
        // The packet goes to 192.0.2.7.
        let mapped: IpAddr = [198, 51, 100, 7].into();
        assert_eq!(world.nat.and_then(|range| range.addresses), Some((mapped, mapped)));
    }

    #[test]
    fn packets_of_the_other_family_pass_by() {
        let mut world = World { family: Family::Ip, ..World::default() };
        let nat = Nat {
            kind: Kind::Snat,
            family: Family::Ip6,
            addresses: None,
            ports: None,
            flags: Flags::empty(),
        };
        assert_eq!(run(nat, &mut world), Outcome::Next);
        assert!(world.nat.is_none());
    }

    #[test]
    fn nat_stands_in_nat_chains_at_its_hooks() {
        let nat =
            Nat { kind: Kind::Snat, family: Family::Ip, addresses: None, ports: None, flags: Flags::empty() };
        let check = |family, base| nat.validate(&ValidateCtx { family, base }).is_ok();
        assert!(check(Family::Ip, Some((ChainKind::Nat, Hook::Postrouting))));
        assert!(check(Family::Inet, Some((ChainKind::Nat, Hook::Input))));
        assert!(!check(Family::Ip, Some((ChainKind::Nat, Hook::Prerouting))));
        assert!(!check(Family::Ip, Some((ChainKind::Filter, Hook::Postrouting))));
        assert!(!check(Family::Ip6, None));
        assert!(check(Family::Ip, None));
    }
}
