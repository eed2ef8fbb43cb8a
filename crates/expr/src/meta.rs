//! `meta`: what is known beside the packet's bytes (`nft_meta.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{Packet, PacketType};

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register};
use crate::{Env, Family, Hook, Outcome, Register, Registers, Value};

/// Loads a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
}

/// Writes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// What is written: mark, priority, nftrace, pkttype, secmark, broute.
    pub key: Key,
    /// Where the new value lies.
    pub source: Register,
}

/// `enum nft_meta_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    Len = 0,
    Protocol = 1,
    Priority = 2,
    Mark = 3,
    Iif = 4,
    Oif = 5,
    Iifname = 6,
    Oifname = 7,
    Iiftype = 8,
    Oiftype = 9,
    Skuid = 10,
    Skgid = 11,
    Nftrace = 12,
    Rtclassid = 13,
    Secmark = 14,
    Nfproto = 15,
    L4proto = 16,
    BriIifname = 17,
    BriOifname = 18,
    Pkttype = 19,
    Cpu = 20,
    Iifgroup = 21,
    Oifgroup = 22,
    Cgroup = 23,
    Prandom = 24,
    Secpath = 25,
    Iifkind = 26,
    Oifkind = 27,
    BriIifpvid = 28,
    BriIifvproto = 29,
    TimeNs = 30,
    TimeDay = 31,
    TimeHour = 32,
    Sdif = 33,
    Sdifname = 34,
    BriBroute = 35,
    BriIifhwaddr = 37,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 37] = {
        use Key::*;
        [
            Len,
            Protocol,
            Priority,
            Mark,
            Iif,
            Oif,
            Iifname,
            Oifname,
            Iiftype,
            Oiftype,
            Skuid,
            Skgid,
            Nftrace,
            Rtclassid,
            Secmark,
            Nfproto,
            L4proto,
            BriIifname,
            BriOifname,
            Pkttype,
            Cpu,
            Iifgroup,
            Oifgroup,
            Cgroup,
            Prandom,
            Secpath,
            Iifkind,
            Oifkind,
            BriIifpvid,
            BriIifvproto,
            TimeNs,
            TimeDay,
            TimeHour,
            Sdif,
            Sdifname,
            BriBroute,
            BriIifhwaddr,
        ]
    };

    /// From its number on the wire.
    pub fn from_number(number: u32) -> Option<Key> {
        Key::ALL.into_iter().find(|key| *key as u32 == number)
    }
}

/// What nft calls `IFNAMSIZ`: bytes of a register that holds an interface's name.
const NAME_LEN: usize = 16;

impl Expression for Get {
    const NAME: &'static str = "meta";
    const HIGHEST: u16 = SREG;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        Outcome::next_if(self.load(registers, packet, env).is_some())
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "meta load {} => reg {}", self.key.name(), self.destination)
    }

    /// `nft_meta_get_init`, `nft_meta_get_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        register(self.destination, self.key.width())?;
        match self.key {
            Key::BriIifname | Key::BriOifname | Key::BriIifpvid | Key::BriIifvproto | Key::BriIifhwaddr => {
                ctx.families("a meta key of bridges", &[Family::Bridge])
            }
            Key::BriBroute => Err(ExprError::Invalid("meta broute can only be written")),
            Key::Secpath => match ctx.family {
                Family::Netdev => ctx.hooks("meta ipsec", &[Hook::Ingress]),
                Family::Bridge => ctx.hooks("meta ipsec", &[Hook::Prerouting]),
                Family::Arp => Err(ExprError::Family { what: "meta ipsec", family: ctx.family }),
                _ => ctx.hooks("meta ipsec", &[Hook::Prerouting, Hook::Input, Hook::Forward]),
            },
            Key::Sdif | Key::Sdifname => {
                ctx.families("meta sdif", IP)?;
                ctx.hooks("meta sdif", &[Hook::Input, Hook::Forward])
            }
            _ => Ok(()),
        }
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = self.key.shape();
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(KEY, self.key as u32);
        put_register(writer, DREG, self.destination);
    }

    fn is_given(given: &Given<'_>) -> bool {
        !given.has(SREG)
    }

    fn decode(given: &Given<'_>) -> Result<Get, Fault> {
        Ok(Get { key: given.known(KEY, Key::from_number)?, destination: given.register(DREG)? })
    }
}

impl Get {
    fn load<E: Env>(&self, registers: &mut Registers, packet: &Packet<'_>, env: &mut E) -> Option<()> {
        let meta = &packet.meta;
        let mut number = |number: u32| registers.store(self.destination, &number.to_ne_bytes());
        match self.key {
            Key::Len => number(u32::try_from(packet.counted_len()).unwrap_or(u32::MAX)),
            Key::Priority => number(meta.priority),
            Key::Mark => number(meta.mark),
            Key::Iif => number(meta.iif.0),
            Key::Oif => number(meta.oif.0),
            Key::Secmark => number(meta.secmark),
            Key::Cpu => number(env.cpu()),
            Key::Prandom => number(env.random()),
            Key::Iifgroup => number(env.interface(meta.iif)?.group),
            Key::Oifgroup => number(env.interface(meta.oif)?.group),
            Key::TimeHour => number((local_seconds(env) % 86_400) as u32),
            Key::TimeDay => {
                // The epoch was a Thursday, day 4 of a week that begins with Sunday.
                let day = (4 + local_seconds(env) / 86_400) % 7;
                registers.store(self.destination, &[day as u8]);
            }
            Key::TimeNs => registers.store(self.destination, &env.now().nanos().to_ne_bytes()),
            Key::Protocol => registers.store(self.destination, &meta.protocol.to_be_bytes()),
            Key::Nfproto => registers.store(self.destination, &[env.protocol_family() as u8]),
            Key::L4proto => registers.store(self.destination, &[env.info().l4proto?]),
            Key::Nftrace => registers.store(self.destination, &[u8::from(meta.nftrace)]),
            Key::Pkttype => registers.store(self.destination, &[packet_type(packet)]),
            Key::Iifname => self.name(registers, env.interface(meta.iif).map_or("", |iif| iif.name)),
            Key::Oifname => self.name(registers, env.interface(meta.oif).map_or("", |oif| oif.name)),
            Key::Iifkind => self.name(registers, env.interface(meta.iif)?.link_kind?),
            Key::Oifkind => self.name(registers, env.interface(meta.oif)?.link_kind?),
            Key::Iiftype => {
                // The kernel asks the device the packet is at (`skb->dev`), which is the one it leaves by from `ip_output` on.
                let leaves = matches!(env.hook(), Hook::Postrouting | Hook::Egress);
                let at = if leaves { meta.oif } else { meta.iif };
                registers.store(self.destination, &env.interface(at)?.kind.to_ne_bytes());
            }
            Key::Oiftype => {
                registers.store(self.destination, &env.interface(meta.oif)?.kind.to_ne_bytes());
            }
            Key::BriIifname => self.name(registers, env.bridge_port(meta.iif)?.bridge),
            Key::BriOifname => self.name(registers, env.bridge_port(meta.oif)?.bridge),
            Key::BriIifpvid => {
                registers.store(self.destination, &env.bridge_port(meta.iif)?.pvid?.to_ne_bytes());
            }
            Key::BriIifvproto => {
                registers.store(self.destination, &env.bridge_port(meta.iif)?.vlan_protocol?.to_be_bytes());
            }
            Key::BriIifhwaddr => registers.store(self.destination, &env.bridge_port(meta.iif)?.address),
            // A packet without IPsec has no path, one without a VRF no slave device: numbers, not failures.
            Key::Secpath => {
                let path = env.meta(self.key).is_some_and(|value| value.iter().any(|byte| *byte != 0));
                registers.store(self.destination, &[u8::from(path)]);
            }
            Key::Sdif if is_ip(env.protocol_family()) => {
                registers.store(self.destination, &env.meta(self.key).unwrap_or(Value::zeroed(4)));
            }
            Key::Sdifname if is_ip(env.protocol_family()) => {
                registers.store(self.destination, &env.meta(self.key).unwrap_or(Value::zeroed(NAME_LEN)));
            }
            Key::Skuid | Key::Skgid | Key::Rtclassid | Key::Cgroup => {
                registers.store(self.destination, &env.meta(self.key)?);
            }
            Key::Sdif | Key::Sdifname | Key::BriBroute => return None,
        }
        Some(())
    }

    /// Stores a name, with zero bytes up to the width of all names.
    fn name(&self, registers: &mut Registers, name: &str) {
        let mut bytes = [0; NAME_LEN];
        for (to, from) in bytes[..NAME_LEN - 1].iter_mut().zip(name.bytes()) {
            *to = from;
        }
        registers.store(self.destination, &bytes);
    }
}

/// Seconds since the epoch by the clock on the wall.
fn local_seconds<E: Env>(env: &E) -> u64 {
    env.now().secs().saturating_add_signed(i64::from(env.utc_offset()))
}

fn is_ip(family: Family) -> bool {
    matches!(family, Family::Ip | Family::Ip6)
}

/// For whom the packet is. What was looped back is told by its destination address (`nft_meta_get_eval_pkttype_lo`).
fn packet_type(packet: &Packet<'_>) -> u8 {
    if packet.meta.packet_type != PacketType::Loopback {
        return packet.meta.packet_type as u8;
    }
    let multicast = match packet.meta.protocol {
        ethertype::IPV4 => packet.byte(packet.network() + 16).is_some_and(|first| first & 0xf0 == 0xe0),
        ethertype::IPV6 => packet.byte(packet.network() + 24) == Some(0xff),
        _ => false,
    };
    if multicast { PacketType::Multicast as u8 } else { PacketType::Broadcast as u8 }
}

impl Expression for Set {
    const NAME: &'static str = "meta";
    const HIGHEST: u16 = SREG;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let bytes = registers.get(self.source, 4);
        let number = bytes.try_into().map_or(0, u32::from_ne_bytes);
        let byte = bytes.first().copied().unwrap_or(0);
        let meta = &mut packet.meta;
        match self.key {
            Key::Mark => meta.mark = number,
            Key::Priority => meta.priority = number,
            Key::Secmark => meta.secmark = number,
            Key::Nftrace => meta.nftrace = byte != 0,
            Key::Pkttype => {
                // Only among the first four types (`skb_pkt_type_ok`).
                let new = match byte {
                    0 => PacketType::Host,
                    1 => PacketType::Broadcast,
                    2 => PacketType::Multicast,
                    3 => PacketType::OtherHost,
                    _ => return Outcome::Next,
                };
                if meta.packet_type as u8 <= PacketType::OtherHost as u8 {
                    meta.packet_type = new;
                }
            }
            key => env.meta_set(key, byte),
        }
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "meta set {} with reg {}", self.key.name(), self.source)
    }

    /// `nft_meta_set_init`, `nft_meta_set_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        register(self.source, self.key.width())?;
        match self.key {
            Key::Mark | Key::Priority | Key::Secmark | Key::Nftrace => Ok(()),
            Key::Pkttype => match ctx.family {
                Family::Netdev => ctx.hooks("writing meta pkttype", &[Hook::Ingress]),
                Family::Arp => Err(ExprError::Family { what: "writing meta pkttype", family: ctx.family }),
                _ => ctx.hooks("writing meta pkttype", &[Hook::Prerouting]),
            },
            Key::BriBroute => {
                ctx.families("meta broute", &[Family::Bridge])?;
                ctx.hooks("meta broute", &[Hook::Prerouting])
            }
            _ => Err(ExprError::Invalid("writing to a meta key that can only be read")),
        }
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (self.source == register).then_some(self.key.shape().1)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(KEY, self.key as u32);
        put_register(writer, SREG, self.source);
    }

    fn is_given(given: &Given<'_>) -> bool {
        given.has(SREG)
    }

    fn decode(given: &Given<'_>) -> Result<Set, Fault> {
        given.refuse(DREG)?;
        Ok(Set { key: given.known(KEY, Key::from_number)?, source: given.register(SREG)? })
    }
}

impl Key {
    /// The word of the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Key::Len => "len",
            Key::Protocol => "protocol",
            Key::Priority => "priority",
            Key::Mark => "mark",
            Key::Iif => "iif",
            Key::Oif => "oif",
            Key::Iifname => "iifname",
            Key::Oifname => "oifname",
            Key::Iiftype => "iiftype",
            Key::Oiftype => "oiftype",
            Key::Skuid => "skuid",
            Key::Skgid => "skgid",
            Key::Nftrace => "nftrace",
            Key::Rtclassid => "rtclassid",
            Key::Secmark => "secmark",
            Key::Nfproto => "nfproto",
            Key::L4proto => "l4proto",
            Key::BriIifname => "bri_iifname",
            Key::BriOifname => "bri_oifname",
            Key::Pkttype => "pkttype",
            Key::Cpu => "cpu",
            Key::Iifgroup => "iifgroup",
            Key::Oifgroup => "oifgroup",
            Key::Cgroup => "cgroup",
            Key::Prandom => "prandom",
            Key::Secpath => "secpath",
            Key::Iifkind => "iifkind",
            Key::Oifkind => "oifkind",
            Key::BriIifpvid => "bri_iifpvid",
            Key::BriIifvproto => "bri_iifvproto",
            Key::TimeNs => "time",
            Key::TimeDay => "day",
            Key::TimeHour => "hour",
            Key::Sdif => "sdif",
            Key::Sdifname => "sdifname",
            Key::BriBroute => "broute",
            Key::BriIifhwaddr => "ibrhwaddr",
        }
    }
}

impl Key {
    /// Of how many bytes it is in a register, and their order.
    pub(crate) const fn shape(self) -> (usize, Order) {
        use Key::*;
        match self {
            Iiftype | Oiftype | BriIifpvid => (2, Order::Host),
            Protocol | BriIifvproto => (2, Order::Network),
            Prandom => (4, Order::Network),
            TimeNs => (8, Order::Host),
            Nftrace | Nfproto | L4proto | Pkttype | Secpath | TimeDay | BriBroute => (1, Order::Network),
            Iifname | Oifname | BriIifname | BriOifname | Iifkind | Oifkind | Sdifname => {
                (16, Order::Network)
            }
            BriIifhwaddr => (6, Order::Network),
            Len | Priority | Mark | Iif | Oif | Skuid | Skgid | Rtclassid | Secmark | Cpu | Iifgroup
            | Oifgroup | Cgroup | TimeHour | Sdif => (4, Order::Host),
        }
    }

    /// How many bytes it has in a register.
    pub const fn width(self) -> u32 {
        self.shape().0 as u32
    }
}

/// `NFTA_META_DREG`.
const DREG: u16 = 1;
/// `NFTA_META_KEY`.
const KEY: u16 = 2;
/// `NFTA_META_SREG`.
const SREG: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;
    use crate::testing::{World, ethernet, ipv4, loaded, udp};
    use ironweir_wire::Instant;

    /// Name, frame, key, result.
    type Case<'a> = (&'a str, &'a [u8], Key, Option<Vec<u8>>);

    #[test]
    fn keys_load_what_is_known_beside_the_packet() {
        let dns = ipv4(17, 0, &[], &udp(53, &[]));
        let later = ipv4(17, 9, &[], &[0; 8]);
        let arp = ethernet(0x0806, &[0; 28]);
        let name = *b"eth0\0\0\0\0\0\0\0\0\0\0\0\0";
        let cases: [Case<'_>; 14] = [
            ("len without link header", &dns, Key::Len, Some(28u32.to_ne_bytes().into())),
            ("protocol", &dns, Key::Protocol, Some(vec![8, 0])),
            ("nfproto", &dns, Key::Nfproto, Some(vec![2])),
            ("l4proto", &dns, Key::L4proto, Some(vec![17])),
            ("l4proto of a later fragment", &later, Key::L4proto, Some(vec![17])),
            ("no l4proto in ARP", &arp, Key::L4proto, None),
            ("iif", &dns, Key::Iif, Some(3u32.to_ne_bytes().into())),
            ("iifname", &dns, Key::Iifname, Some(name.into())),
            ("oifname before routing is empty", &dns, Key::Oifname, Some(vec![0; 16])),
            ("no oif has no group", &dns, Key::Oifgroup, None),
            ("iifgroup", &dns, Key::Iifgroup, Some(7u32.to_ne_bytes().into())),
            ("no socket, no user", &dns, Key::Skuid, None),
            ("no IPsec path is a number", &dns, Key::Secpath, Some(vec![0])),
            ("no bridge", &dns, Key::BriIifname, None),
        ];
        for (name, frame, key, want) in cases {
            let expr = Expr::MetaGet(Get { key, destination: Register::R1 });
            let got = loaded(&expr, frame, &mut World::default(), key.width() as usize);
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn day_and_hour_are_local() {
        // 2026-02-25 23:30:00 UTC was a Wednesday; two hours east it is Thursday, 01:30.
        let now = Instant::from_secs(1_772_062_200);
        let frame = ipv4(17, 0, &[], &udp(53, &[]));
        for (utc_offset, day, hour) in
            [(0, 3, 23 * 3600 + 1800), (7200, 4, 3600 + 1800), (-86_400, 2, 84_600)]
        {
            let mut world = World { now, utc_offset, ..World::default() };
            let mut get = |key, len| {
                loaded(&Expr::MetaGet(Get { key, destination: Register::R1 }), &frame, &mut world, len)
            };
            assert_eq!(get(Key::TimeDay, 1), Some(vec![day]));
            assert_eq!(get(Key::TimeHour, 4), Some(u32::to_ne_bytes(hour).into()));
        }
    }
}
