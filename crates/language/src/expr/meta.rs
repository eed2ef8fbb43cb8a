//! `meta`: what is known of a packet besides its bytes.

use ironweir_expr::{Family, meta};
use serde_json::{Value, json};

use super::registry::Primary;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::resolve::unknown;
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};

/// `meta key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The key as nft lists it, such as `iifname`.
    pub key: Box<str>,
}

/// Keys that need no `meta` before them, and are listed without.
pub const UNQUALIFIED: &[&str] = &[
    "mark",
    "iif",
    "iifname",
    "iiftype",
    "oif",
    "oifname",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibriport",
    "ibrname",
    "obriport",
    "obrname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "time",
    "day",
    "hour",
];

/// Keys that need `meta` before them.
const QUALIFIED: &[&str] = &[
    "length",
    "protocol",
    "priority",
    "random",
    "secmark",
    "nfproto",
    "l4proto",
    "ibrpvid",
    "ibrvproto",
    "ibrhwaddr",
    "sdif",
    "sdifname",
    "broute",
    "iifkind",
    "oifkind",
    "ipsec",
    "secpath",
    "bri_iifname",
    "bri_oifname",
    "bri_iifpvid",
    "bri_iifvproto",
];

/// The key that a word means, as nft lists it.
pub fn key(word: &str) -> Option<&'static str> {
    Some(match word {
        "ibriport" => "ibrname",
        "obriport" => "obrname",
        "secpath" => "ipsec",
        word => QUALIFIED.iter().chain(UNQUALIFIED).find(|key| **key == word)?,
    })
}

/// Words of `meta` keys; the first one of a key is listed.
pub const META_KEYS: &[(&str, meta::Key)] = {
    use meta::Key::*;
    &[
        ("length", Len),
        ("protocol", Protocol),
        ("nfproto", Nfproto),
        ("l4proto", L4proto),
        ("priority", Priority),
        ("mark", Mark),
        ("iif", Iif),
        ("iifname", Iifname),
        ("iiftype", Iiftype),
        ("oif", Oif),
        ("oifname", Oifname),
        ("oiftype", Oiftype),
        ("skuid", Skuid),
        ("skgid", Skgid),
        ("nftrace", Nftrace),
        ("rtclassid", Rtclassid),
        ("ibrname", BriIifname),
        ("ibriport", BriIifname),
        ("obrname", BriOifname),
        ("obriport", BriOifname),
        ("pkttype", Pkttype),
        ("cpu", Cpu),
        ("iifgroup", Iifgroup),
        ("oifgroup", Oifgroup),
        ("cgroup", Cgroup),
        ("random", Prandom),
        ("ipsec", Secpath),
        ("secpath", Secpath),
        ("iifkind", Iifkind),
        ("oifkind", Oifkind),
        ("ibrpvid", BriIifpvid),
        ("ibrvproto", BriIifvproto),
        ("time", TimeNs),
        ("day", TimeDay),
        ("hour", TimeHour),
        ("secmark", Secmark),
        ("sdif", Sdif),
        ("sdifname", Sdifname),
        ("broute", BriBroute),
        ("ibrhwaddr", BriIifhwaddr),
    ]
};

/// From a word.
pub fn meta_key(word: &str) -> Option<meta::Key> {
    META_KEYS.iter().find(|(name, _)| *name == word).map(|(_, key)| *key)
}

/// The word listing prints.
pub fn meta_name(key: meta::Key) -> &'static str {
    META_KEYS.iter().find(|(_, k)| *k == key).map_or("", |(name, _)| name)
}

/// Type of a `meta` key (`meta_templates`).
pub fn meta_shape(key: meta::Key) -> Shape {
    use meta::Key::*;
    match key {
        Len | Cpu | Cgroup | Secmark => Shape::new(Type::Integer, 32, Order::Host),
        Protocol | BriIifvproto => Shape::of(Type::EtherType),
        Nfproto => Shape::new(Type::Nfproto, 8, Order::Host),
        L4proto => Shape::of(Type::InetProto),
        Priority => Shape::of(Type::Classid),
        Mark => Shape::of(Type::Mark),
        Iif | Oif | Sdif => Shape::of(Type::IfaceIndex),
        Iifname | Oifname | BriIifname | BriOifname | Iifkind | Oifkind | Sdifname => Shape::of(Type::Ifname),
        Iiftype | Oiftype => Shape::of(Type::IfaceType),
        Skuid => Shape::of(Type::Uid),
        Skgid => Shape::of(Type::Gid),
        Nftrace | BriBroute => Shape::new(Type::Integer, 1, Order::Host),
        Rtclassid => Shape::of(Type::Realm),
        Pkttype => Shape::of(Type::PktType),
        Iifgroup | Oifgroup => Shape::of(Type::Devgroup),
        Prandom => Shape::new(Type::Integer, 32, Order::Big),
        Secpath => Shape::of(Type::Boolean),
        BriIifpvid => Shape::new(Type::Integer, 16, Order::Host),
        TimeNs => Shape::of(Type::Date),
        TimeDay => Shape::of(Type::Day),
        TimeHour => Shape::of(Type::Hour),
        BriIifhwaddr => Shape::of(Type::EtherAddr),
    }
}

impl Primary for Meta {
    const NAME: &'static str = "meta";
    const JSON: &'static str = "meta";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        (word == "meta" && key(second).is_some()) || UNQUALIFIED.contains(&word)
    }

    fn owns(word: &str) -> bool {
        word == "meta"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Meta> {
        let qualified = p.eat_word("meta");
        let known = qualified || UNQUALIFIED.contains(&p.word());
        let Some(key) = key(p.word()).filter(|_| known) else {
            let keys: Vec<&str> = QUALIFIED.iter().chain(UNQUALIFIED).copied().collect();
            return Err(p.unexpected_word("a meta key", &keys));
        };
        p.next();
        Ok(Meta { key: key.into() })
    }

    fn print(&self, out: &mut Printer) {
        // nft 1.1.6 lists these without `meta`, and the rest with it.
        const BARE: &[&str] = &["iif", "iifname", "iifgroup", "oif", "oifname", "oifgroup"];
        if !BARE.contains(&&*self.key) {
            out.text("meta ");
        }
        out.text(&self.key);
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "meta": { "key": self.key } })
    }

    fn from_json(inside: Node<'_>) -> Parsed<Meta> {
        let key_node = inside.need("key")?;
        let word = key_node.string()?;
        let Some(key) = key(word) else {
            let keys: Vec<&str> = QUALIFIED.iter().chain(UNQUALIFIED).copied().collect();
            return Err(key_node.unknown("meta key", word, &keys));
        };
        Ok(Meta { key: key.into() })
    }

    fn resolve(&self, to: &mut Lower<'_>, inner: Option<Proto>, span: Span) -> Parsed<Typed> {
        let key = meta_key(&self.key).ok_or_else(|| unknown(span, "meta key", &self.key))?;
        if key == meta::Key::Nfproto && inner.is_none() && to.scope.family != Family::Inet {
            return Err(Diagnostic::error(span, "meta nfproto is only useful in the inet family"));
        }
        Ok(Typed::new(Kind::Meta(key, inner), meta_shape(key)).at(span))
    }

    fn is_steady(&self) -> bool {
        &*self.key != "random"
    }
}
