//! `rt`: what routing decided.

use ironweir_expr::{Expr as Code, Family, Register, rt};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

use super::ExprKind;
use super::primary::one_of;
use super::registry::{Primary, Selector};
use crate::datatype::{Order, Type};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::resolve::family_unknown;
use crate::source::Span;
use crate::typed::{Shape, Typed};

/// `rt [family] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rt {
    /// `ip` or `ip6` before `nexthop`.
    pub family: Option<Box<str>>,
    /// `classid`, `nexthop`, `mtu`, `ipsec`.
    pub key: Box<str>,
}

const KEYS: [&str; 4] = ["classid", "nexthop", "mtu", "ipsec"];

impl Primary for Rt {
    const NAME: &'static str = "rt";
    const JSON: &'static str = "rt";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "rt" && (KEYS.contains(&second) || matches!(second, "ip" | "ip6"))
    }

    fn owns(word: &str) -> bool {
        word == "rt"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Rt> {
        p.next();
        let family = match p.word() {
            word @ ("ip" | "ip6") => Some(word.into()),
            _ => None,
        };
        if family.is_some() {
            p.next();
            one_of(p, "nexthop", &["nexthop"])?;
            return Ok(Rt { family, key: "nexthop".into() });
        }
        Ok(Rt { family, key: one_of(p, "a rt key", &KEYS)?.into() })
    }

    fn print(&self, out: &mut Printer) {
        out.text("rt ");
        if let Some(family) = &self.family {
            out.text(family).text(" ");
        }
        out.text(&self.key);
    }

    fn to_json(&self, _: &Options) -> Value {
        match &self.family {
            Some(family) => json!({ "rt": { "key": self.key, "family": family } }),
            None => json!({ "rt": { "key": self.key } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Rt> {
        let key = inside.need("key")?.one_of("rt key", &KEYS)?;
        let family = match inside.get("family") {
            Some(family) => Some(family.one_of("family", &["ip", "ip6"])?.into()),
            None => None,
        };
        Ok(Rt { family, key: key.into() })
    }

    fn resolve(&self, to: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let key = match (&*self.key, self.family.as_deref(), to.network_family()) {
            ("nexthop", Some("ip"), _) | ("nexthop", None, Some(Family::Ip)) => rt::Key::Nexthop4,
            ("nexthop", Some("ip6"), _) | ("nexthop", None, Some(Family::Ip6)) => rt::Key::Nexthop6,
            ("nexthop", ..) => return Err(family_unknown(span, "nexthop")),
            ("classid", ..) => rt::Key::Classid,
            ("mtu", ..) => rt::Key::Tcpmss,
            ("ipsec", ..) => rt::Key::Xfrm,
            (word, ..) => return Err(crate::resolve::unknown(span, "rt key", word)),
        };
        match key {
            rt::Key::Nexthop4 => to.agrees_with_network(Proto::Ip, span)?,
            rt::Key::Nexthop6 => to.agrees_with_network(Proto::Ip6, span)?,
            _ => {}
        }
        Ok(key.typed().at(span))
    }
}

impl Selector for rt::Key {
    const TYPEOF: u32 = 25;

    // `rt_templates` of nft
    fn shape(&self) -> Shape {
        match self {
            rt::Key::Classid => Shape::of(Type::Realm),
            rt::Key::Nexthop4 => Shape::of(Type::Ipv4Addr),
            rt::Key::Nexthop6 => Shape::of(Type::Ipv6Addr),
            rt::Key::Tcpmss => Shape::new(Type::Integer, 16, Order::Host),
            rt::Key::Xfrm => Shape::of(Type::Boolean),
        }
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        Ok(Code::Rt(rt::Rt { key: *self, destination }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, rt::Key)> {
        let Code::Rt(load) = code else { return None };
        Some((load.destination, load.key))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        let (family, key) = match self {
            rt::Key::Classid => (None, "classid"),
            rt::Key::Nexthop4 => (Some("ip".into()), "nexthop"),
            rt::Key::Nexthop6 => (Some("ip6".into()), "nexthop"),
            rt::Key::Tcpmss => (None, "mtu"),
            rt::Key::Xfrm => (None, "ipsec"),
        };
        ExprKind::Rt(Rt { family, key: key.into() })
    }

    fn to_userdata(&self, data: &mut Userdata) -> bool {
        data.push_u32(0, *self as u32)
    }

    fn from_userdata(data: &Userdata) -> Option<rt::Key> {
        rt::Key::ALL.get(usize::try_from(data.get_u32(0)?).ok()?).copied()
    }
}
