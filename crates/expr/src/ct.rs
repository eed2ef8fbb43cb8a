//! `ct`: what connection tracking knows of the packet (`nft_ct.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, TRACKED, ValidateCtx, register, when};
use crate::{Env, Family, Outcome, Register, Registers, Value};

/// Loads a key of the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get {
    /// What is loaded.
    pub key: Key,
    /// Of which direction, for keys that have two (`NFTA_CT_DIRECTION`).
    pub direction: Option<Direction>,
    /// Where it goes.
    pub destination: Register,
}

/// Writes a key of the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// What is written: mark, zone, label, event mask, secmark.
    pub key: Key,
    /// Of which direction, for zones.
    pub direction: Option<Direction>,
    /// Where the new value lies.
    pub source: Register,
}

/// `enum ip_conntrack_dir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// As the connection was opened (`IP_CT_DIR_ORIGINAL`).
    Original = 0,
    /// The way back (`IP_CT_DIR_REPLY`).
    Reply = 1,
}

/// `enum nft_ct_keys`. How a key's value lies in a register ([`Key::width`]):
///
/// - addresses (`Src` to `DstIp6`), `ProtoSrc`, `ProtoDst`: network order;
/// - `Direction` (0 original, 1 reply), `L3Protocol` (`NFPROTO_*`), `Protocol`: one byte;
/// - `Helper`: its name, padded with zero bytes to 16; not there without a helper;
/// - `Labels`: 128 bits, the first byte's lowest bit is label 0 (on little-endian machines);
/// - `Zone`: 16 bits of host order; `Packets`, `Bytes`: 64 bits of host order, of both directions when none is given;
/// - `Expiration`: milliseconds, `Status` and `State`: bits (`IPS_*`; see [`Env::ct_state`]), `Id`, `Mark`, `Secmark`,
///   `EventMask`: 32 bits of host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    State = 0,
    Direction = 1,
    Status = 2,
    Mark = 3,
    Secmark = 4,
    Expiration = 5,
    Helper = 6,
    L3Protocol = 7,
    /// Address of one direction, width by family (before `SrcIp` and `SrcIp6`).
    Src = 8,
    Dst = 9,
    Protocol = 10,
    ProtoSrc = 11,
    ProtoDst = 12,
    Labels = 13,
    Packets = 14,
    Bytes = 15,
    AvgPkt = 16,
    Zone = 17,
    EventMask = 18,
    SrcIp = 19,
    DstIp = 20,
    SrcIp6 = 21,
    DstIp6 = 22,
    Id = 23,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 24] = {
        use Key::*;
        [
            State, Direction, Status, Mark, Secmark, Expiration, Helper, L3Protocol, Src, Dst, Protocol,
            ProtoSrc, ProtoDst, Labels, Packets, Bytes, AvgPkt, Zone, EventMask, SrcIp, DstIp, SrcIp6,
            DstIp6, Id,
        ]
    };

    /// From its number on the wire.
    pub fn from_number(number: u32) -> Option<Key> {
        Key::ALL.get(number as usize).copied()
    }
}

impl Key {
    /// How many bytes the key has in a register; `None` for addresses, which follow the family.
    pub const fn width(self) -> Option<u32> {
        Some(match self {
            Key::Direction | Key::L3Protocol | Key::Protocol => 1,
            Key::ProtoSrc | Key::ProtoDst | Key::Zone => 2,
            Key::State
            | Key::Status
            | Key::Mark
            | Key::Secmark
            | Key::Expiration
            | Key::EventMask
            | Key::Id => 4,
            Key::SrcIp | Key::DstIp => 4,
            Key::Packets | Key::Bytes | Key::AvgPkt => 8,
            Key::Helper | Key::Labels | Key::SrcIp6 | Key::DstIp6 => 16,
            Key::Src | Key::Dst => return None,
        })
    }
}

impl Direction {
    /// The direction that is given, if any; there are but two (`nft_ct_get_init`).
    fn decode(given: &Given<'_>) -> Result<Option<Direction>, Fault> {
        match given.option(DIRECTION, Attribute::u8)? {
            None => Ok(None),
            Some(0) => Ok(Some(Direction::Original)),
            Some(1) => Ok(Some(Direction::Reply)),
            Some(_) => Err(given.need(DIRECTION)?.bad_value().into()),
        }
    }
}

impl Key {
    /// Of how many bytes it is in a register, and their order.
    fn shape(self) -> (usize, Order) {
        use Key::*;
        let len = self.width().unwrap_or(16) as usize;
        match self {
            Direction | L3Protocol | Protocol | Helper | ProtoSrc | ProtoDst | Id => (len, Order::Network),
            Src | Dst | SrcIp | DstIp | SrcIp6 | DstIp6 => (len, Order::Network),
            State | Status | Mark | Secmark | Expiration | Labels | Packets | Bytes | AvgPkt | Zone
            | EventMask => (len, Order::Host),
        }
    }
}

impl Expression for Get {
    const NAME: &'static str = "ct";
    const HIGHEST: u16 = SREG;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        let value = match self.key {
            Key::State => Some(Value::new(&env.ct_state().to_ne_bytes())),
            Key::AvgPkt => {
                let mut count = |key| {
                    let value = env.ct_get(key, self.direction)?;
                    value.as_slice().try_into().ok().map(u64::from_ne_bytes)
                };
                match (count(Key::Bytes), count(Key::Packets)) {
                    (Some(bytes), Some(packets)) => {
                        Some(Value::new(&bytes.checked_div(packets).unwrap_or(0).to_ne_bytes()))
                    }
                    _ => None,
                }
            }
            key => env.ct_get(key, self.direction),
        };
        let Some(value) = value else { return Outcome::Break };
        let mut padded = [0; 16];
        let width = self.key.width().map_or(value.len(), |width| width as usize).min(padded.len());
        for (to, from) in padded[..width].iter_mut().zip(value.iter()) {
            *to = *from;
        }
        registers.store(self.destination, &padded[..width]);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "ct load {} => reg {}", self.key.name(), self.destination)?;
        write_direction(f, self.direction)
    }

    /// `nft_ct_get_init`. Addresses and ports need a direction; most other keys must not have one.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("ct", TRACKED)?;
        let width = match (self.key.width(), ctx.family) {
            (Some(width), _) => width,
            (None, Family::Ip) => 4,
            (None, Family::Ip6 | Family::Inet) => 16,
            (None, family) => return Err(ExprError::Family { what: "ct address", family }),
        };
        register(self.destination, width)?;
        match self.key {
            Key::Src
            | Key::Dst
            | Key::SrcIp
            | Key::DstIp
            | Key::SrcIp6
            | Key::DstIp6
            | Key::ProtoSrc
            | Key::ProtoDst => when(self.direction.is_none(), "a key of both directions without direction"),
            Key::L3Protocol | Key::Protocol | Key::Packets | Key::Bytes | Key::AvgPkt | Key::Zone => Ok(()),
            _ => when(self.direction.is_some(), "a direction for a key that has none"),
        }
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = self.key.shape();
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(KEY, self.key as u32);
        put_register(writer, DREG, self.destination);
        self.direction.iter().for_each(|direction| writer.put_u8(DIRECTION, *direction as u8));
    }

    fn is_given(given: &Given<'_>) -> bool {
        !given.has(SREG)
    }

    fn decode(given: &Given<'_>) -> Result<Get, Fault> {
        let direction = Direction::decode(given)?;
        Ok(Get { key: given.known(KEY, Key::from_number)?, direction, destination: given.register(DREG)? })
    }
}

impl Expression for Set {
    const NAME: &'static str = "ct";
    const HIGHEST: u16 = SREG;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        let width = self.key.width().unwrap_or(4) as usize;
        env.ct_set(self.key, self.direction, registers.get(self.source, width));
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "ct set {} with reg {}", self.key.name(), self.source)?;
        write_direction(f, self.direction)
    }

    /// `nft_ct_set_init`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("ct", TRACKED)?;
        let writable =
            matches!(self.key, Key::Mark | Key::Labels | Key::Zone | Key::EventMask | Key::Secmark);
        when(!writable, "writing to a conntrack key that can only be read")?;
        let directed = self.direction.is_some() && self.key != Key::Zone;
        when(directed, "a direction for a key that has none")?;
        register(self.source, self.key.width().unwrap_or(4))
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (self.source == register).then_some(self.key.shape().1)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(KEY, self.key as u32);
        put_register(writer, SREG, self.source);
        self.direction.iter().for_each(|direction| writer.put_u8(DIRECTION, *direction as u8));
    }

    fn is_given(given: &Given<'_>) -> bool {
        given.has(SREG)
    }

    fn decode(given: &Given<'_>) -> Result<Set, Fault> {
        given.refuse(DREG)?;
        let direction = Direction::decode(given)?;
        Ok(Set { key: given.known(KEY, Key::from_number)?, direction, source: given.register(SREG)? })
    }
}

impl Key {
    /// The word of the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Key::State => "state",
            Key::Direction => "direction",
            Key::Status => "status",
            Key::Mark => "mark",
            Key::Secmark => "secmark",
            Key::Expiration => "expiration",
            Key::Helper => "helper",
            Key::L3Protocol => "l3protocol",
            Key::Src => "src",
            Key::Dst => "dst",
            Key::Protocol => "protocol",
            Key::ProtoSrc => "proto_src",
            Key::ProtoDst => "proto_dst",
            Key::Labels => "label",
            Key::Packets => "packets",
            Key::Bytes => "bytes",
            Key::AvgPkt => "avgpkt",
            Key::Zone => "zone",
            Key::EventMask => "event",
            Key::SrcIp => "src_ip",
            Key::DstIp => "dst_ip",
            Key::SrcIp6 => "src_ip6",
            Key::DstIp6 => "dst_ip6",
            Key::Id => "id",
        }
    }
}

/// `, dir original`, where a direction is given.
fn write_direction(f: &mut fmt::Formatter<'_>, direction: Option<Direction>) -> fmt::Result {
    match direction {
        None => Ok(()),
        Some(Direction::Original) => f.write_str(" , dir original"),
        Some(Direction::Reply) => f.write_str(" , dir reply"),
    }
}

/// `NFTA_CT_DREG`.
const DREG: u16 = 1;
/// `NFTA_CT_KEY`.
const KEY: u16 = 2;
/// `NFTA_CT_DIRECTION`.
const DIRECTION: u16 = 3;
/// `NFTA_CT_SREG`.
const SREG: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;
    use crate::testing::{World, ipv4, loaded, udp};

    #[test]
    fn without_a_connection_only_the_state_is_known() {
        let frame = ipv4(17, 0, &[], &udp(53, &[]));
        for key in Key::ALL {
            let expr = Expr::CtGet(Get { key, direction: None, destination: Register::R1 });
            let got = loaded(&expr, &frame, &mut World::default(), 4);
            assert_eq!(got, (key == Key::State).then(|| 1u32.to_ne_bytes().into()), "{key:?}");
        }
    }

    #[test]
    fn bytes_by_packets_are_the_average() {
        let mut world = World::default();
        world.connection.insert(Key::Bytes, 1000u64.to_ne_bytes().into());
        world.connection.insert(Key::Packets, 3u64.to_ne_bytes().into());
        let expr = Expr::CtGet(Get { key: Key::AvgPkt, direction: None, destination: Register::R1 });
        let frame = ipv4(17, 0, &[], &udp(53, &[]));
        assert_eq!(loaded(&expr, &frame, &mut world, 8), Some(333u64.to_ne_bytes().into()));
    }

    #[test]
    fn directions_are_demanded_and_refused_by_key() {
        let ctx = ValidateCtx { family: Family::Ip, base: None };
        let get = |key, direction| Get { key, direction, destination: Register::R1 }.validate(&ctx).is_ok();
        assert!(get(Key::SrcIp, Some(Direction::Reply)) && !get(Key::SrcIp, None));
        assert!(get(Key::Mark, None) && !get(Key::Mark, Some(Direction::Original)));
        assert!(get(Key::Zone, None) && get(Key::Zone, Some(Direction::Original)));
        let arp = ValidateCtx { family: Family::Arp, base: None };
        assert!(Get { key: Key::State, direction: None, destination: Register::R1 }.validate(&arp).is_err());
    }
}
