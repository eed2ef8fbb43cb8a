//! `ct`: what conntrack knows.

use ironweir_expr::{Family, ct};
use serde_json::{Value, json};

use super::primary::one_of;
use super::registry::Primary;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::resolve::{family_unknown, unknown};
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};

/// `ct [direction] [family] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ct {
    /// `original` or `reply`.
    pub direction: Option<Direction>,
    /// `ip` or `ip6` before `saddr`, `daddr`.
    pub family: Option<Box<str>>,
    /// Whether listing has inferred the family: text then says it, JSON does not.
    pub inferred: bool,
    /// The key, such as `state`.
    pub key: Box<str>,
}

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are nft's
pub enum Direction {
    Original,
    Reply,
}

impl Direction {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Direction::Original => "original",
            Direction::Reply => "reply",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Direction> {
        [Direction::Original, Direction::Reply].into_iter().find(|direction| direction.word() == word)
    }
}

/// Keys that belong to the connection.
const KEYS: [&str; 15] = [
    "state",
    "status",
    "direction",
    "mark",
    "expiration",
    "helper",
    "label",
    "event",
    "secmark",
    "id",
    "l3proto",
    "protocol",
    "zone",
    "count",
    "timeout",
];
/// Keys that belong to a direction, or to both together.
const DIRECTED: [&str; 10] =
    ["saddr", "daddr", "proto-src", "proto-dst", "bytes", "packets", "avgpkt", "zone", "l3proto", "protocol"];

/// Words of `ct` keys.
pub const CT_KEYS: &[(&str, ct::Key)] = {
    use ct::Key::*;
    &[
        ("state", State),
        ("direction", Direction),
        ("status", Status),
        ("mark", Mark),
        ("expiration", Expiration),
        ("helper", Helper),
        ("l3proto", L3Protocol),
        ("saddr", Src),
        ("daddr", Dst),
        ("protocol", Protocol),
        ("proto-src", ProtoSrc),
        ("proto-dst", ProtoDst),
        ("label", Labels),
        ("packets", Packets),
        ("bytes", Bytes),
        ("avgpkt", AvgPkt),
        ("zone", Zone),
        ("event", EventMask),
        ("ip saddr", SrcIp),
        ("ip daddr", DstIp),
        ("ip6 saddr", SrcIp6),
        ("ip6 daddr", DstIp6),
        ("secmark", Secmark),
        ("id", Id),
    ]
};

/// Type of a `ct` key (`ct_templates`); addresses without a family have none.
pub fn ct_shape(key: ct::Key) -> Shape {
    use ct::Key::*;
    match key {
        State => Shape::of(Type::CtState),
        Direction => Shape::of(Type::CtDir),
        Status => Shape::of(Type::CtStatus),
        Mark => Shape::of(Type::Mark),
        Expiration => Shape::new(Type::Time, 32, Order::Host),
        Helper => Shape::new(Type::String, 128, Order::Host),
        L3Protocol => Shape::new(Type::Nfproto, 8, Order::Host),
        Src | Dst => Shape::new(Type::Invalid, 0, Order::Big),
        Protocol => Shape::of(Type::InetProto),
        ProtoSrc | ProtoDst => Shape::of(Type::InetService),
        Labels => Shape::of(Type::CtLabel),
        Packets | Bytes | AvgPkt => Shape::new(Type::Integer, 64, Order::Host),
        Zone => Shape::new(Type::Integer, 16, Order::Host),
        EventMask => Shape::of(Type::CtEvent),
        SrcIp | DstIp => Shape::of(Type::Ipv4Addr),
        SrcIp6 | DstIp6 => Shape::of(Type::Ipv6Addr),
        Secmark => Shape::new(Type::Integer, 32, Order::Host),
        Id => Shape::new(Type::Integer, 32, Order::Big),
    }
}

impl Ct {
    /// Addresses of the family known from elsewhere are listed with it; the protocol is one for both directions.
    pub(crate) fn raised(key: ct::Key, direction: Option<ct::Direction>, datatype: Type) -> Ct {
        let inferred =
            matches!((key, datatype), (ct::Key::Src | ct::Key::Dst, Type::Ipv4Addr | Type::Ipv6Addr));
        let key = match (key, datatype) {
            (ct::Key::Src, Type::Ipv4Addr) => ct::Key::SrcIp,
            (ct::Key::Src, Type::Ipv6Addr) => ct::Key::SrcIp6,
            (ct::Key::Dst, Type::Ipv4Addr) => ct::Key::DstIp,
            (ct::Key::Dst, Type::Ipv6Addr) => ct::Key::DstIp6,
            (key, _) => key,
        };
        let direction = direction.filter(|_| key != ct::Key::Protocol);
        let word = CT_KEYS.iter().find(|(_, k)| *k == key).map_or("", |(word, _)| word);
        let (family, key) = split_family(word);
        let direction = direction.map(|direction| match direction {
            ct::Direction::Original => Direction::Original,
            ct::Direction::Reply => Direction::Reply,
        });
        Ct { direction, family, inferred, key }
    }
}

/// `ip saddr` into `ip` and `saddr`.
fn split_family(word: &str) -> (Option<Box<str>>, Box<str>) {
    match word.split_once(' ') {
        Some((family, key)) => (Some(family.into()), key.into()),
        None => (None, word.into()),
    }
}

/// A word with the family before it, where one was written.
fn with_family(family: Option<&str>, key: &str) -> String {
    family.map_or_else(|| key.to_string(), |family| format!("{family} {key}"))
}

impl Primary for Ct {
    const NAME: &'static str = "ct";
    const JSON: &'static str = "ct";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "ct" && !second.is_empty()
    }

    fn owns(word: &str) -> bool {
        word == "ct"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Ct> {
        p.next();
        let direction = Direction::from_word(p.word());
        if direction.is_some() {
            p.next();
            let family = match p.word() {
                word @ ("ip" | "ip6") => Some(word.into()),
                _ => None,
            };
            if family.is_some() {
                p.next();
            }
            let key = one_of(p, "a ct key", &DIRECTED)?;
            if family.is_some() && !matches!(key, "saddr" | "daddr") {
                return Err(Diagnostic::error(p.last_span(), format!("'ct {key}' has no family")));
            }
            return Ok(Ct { direction, family, inferred: false, key: key.into() });
        }
        let words: Vec<&'static str> = KEYS.into_iter().chain(["bytes", "packets", "avgpkt"]).collect();
        if DIRECTED[..4].contains(&p.word()) {
            return Err(p
                .unexpected("a ct key")
                .help(format!("a direction goes first: 'ct original {0}' or 'ct reply {0}'", p.word())));
        }
        let key = one_of(p, "a ct key", &words)?;
        Ok(Ct { direction, family: None, inferred: false, key: key.into() })
    }

    fn print(&self, out: &mut Printer) {
        out.text("ct ");
        if let Some(direction) = self.direction {
            out.text(direction.word()).text(" ");
        }
        if let Some(family) = &self.family {
            out.text(family).text(" ");
        }
        out.text(&self.key);
    }

    fn to_json(&self, _: &Options) -> Value {
        let key = match self.family.as_ref().filter(|_| !self.inferred) {
            Some(family) => format!("{family} {}", self.key),
            None => self.key.to_string(),
        };
        match self.direction {
            Some(direction) => json!({ "ct": { "key": key, "dir": direction.word() } }),
            None => json!({ "ct": { "key": key } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Ct> {
        let key_node = inside.need("key")?;
        let word = key_node.string()?;
        let (mut family, key) = match word.split_once(' ') {
            Some((family @ ("ip" | "ip6"), key)) => (Some(family), key),
            _ => (None, word),
        };
        if let Some(given) = inside.get("family") {
            family = Some(given.one_of("family", &["ip", "ip6"])?);
        }
        let Some(dir) = inside.get("dir") else {
            if family.is_some() || DIRECTED[..4].contains(&key) {
                return Err(inside.error(format!("Direction required with CT key {word}")));
            }
            let words: Vec<&'static str> = KEYS.into_iter().chain(["bytes", "packets", "avgpkt"]).collect();
            let key = key_node.one_of("ct key", &words)?;
            return Ok(Ct { direction: None, family: None, inferred: false, key: key.into() });
        };
        let direction = Direction::from_word(dir.one_of("direction", &["original", "reply"])?);
        let Some(key) = DIRECTED.into_iter().find(|known| *known == key) else {
            return Err(key_node.unknown("ct key with a direction", key, &DIRECTED));
        };
        if family.is_some() && !matches!(key, "saddr" | "daddr") {
            return Err(inside.error(format!("'ct {key}' has no family")));
        }
        Ok(Ct { direction, family: family.map(Into::into), inferred: false, key: key.into() })
    }

    fn resolve(&self, to: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let word = with_family(self.family.as_deref(), &self.key);
        let found = CT_KEYS.iter().find(|(name, _)| *name == word);
        let key = found.map(|(_, key)| *key).ok_or_else(|| unknown(span, "ct key", &word))?;
        let direction = self.direction.map(|direction| match direction {
            Direction::Original => ct::Direction::Original,
            Direction::Reply => ct::Direction::Reply,
        });
        let mut shape = ct_shape(key);
        use ct::Key::{Dst, DstIp, DstIp6, Src, SrcIp, SrcIp6};
        match key {
            Src | Dst => match to.network_family() {
                Some(Family::Ip) => shape = Shape::of(Type::Ipv4Addr),
                Some(Family::Ip6) => shape = Shape::of(Type::Ipv6Addr),
                _ => return Err(family_unknown(span, &self.key)),
            },
            SrcIp | DstIp => to.agrees_with_network(Proto::Ip, span)?,
            SrcIp6 | DstIp6 => to.agrees_with_network(Proto::Ip6, span)?,
            _ => {}
        }
        Ok(Typed::new(Kind::Ct(key, direction), shape).at(span))
    }
}
