//! `fib`: what the routing table says.

use ironweir_expr::fib::{self, Flags, Outcome};
use ironweir_expr::{Expr as Code, Register};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

use super::ExprKind;
use super::primary::one_of;
use super::registry::{Primary, Selector};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Shape, Typed};

/// `fib saddr . iif oif`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fib {
    /// What is asked.
    pub result: Outcome,
    /// What is looked up; with [`Flags::PRESENT`], only whether there is a route (`check`).
    pub flags: Flags,
}

/// What `fib` looks up, in the order nft lists it.
const TUPLE: [(Flags, &str); 5] = [
    (Flags::SADDR, "saddr"),
    (Flags::DADDR, "daddr"),
    (Flags::MARK, "mark"),
    (Flags::IIF, "iif"),
    (Flags::OIF, "oif"),
];
const TUPLE_WORDS: [&str; 5] = ["saddr", "daddr", "mark", "iif", "oif"];
const RESULTS: [&str; 4] = ["oif", "oifname", "type", "check"];

fn flag(word: &str) -> Flags {
    TUPLE.iter().find(|(_, known)| *known == word).map_or(Flags::empty(), |(flag, _)| *flag)
}

impl Fib {
    fn new(tuple: Flags, result: &str) -> Fib {
        match result {
            "check" => Fib { result: Outcome::Oif, flags: tuple | Flags::PRESENT },
            "oif" => Fib { result: Outcome::Oif, flags: tuple },
            "oifname" => Fib { result: Outcome::Oifname, flags: tuple },
            _ => Fib { result: Outcome::Addrtype, flags: tuple },
        }
    }

    fn tuple(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.flags;
        TUPLE.iter().filter(move |(flag, _)| flags.contains(*flag)).map(|(_, word)| *word)
    }

    fn result_word(&self) -> &'static str {
        match self.result {
            _ if self.flags.contains(Flags::PRESENT) => "check",
            Outcome::Oif => "oif",
            Outcome::Oifname => "oifname",
            Outcome::Addrtype => "type",
        }
    }
}

impl Primary for Fib {
    const NAME: &'static str = "fib";
    const JSON: &'static str = "fib";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "fib" && TUPLE_WORDS.contains(&second)
    }

    fn owns(word: &str) -> bool {
        word == "fib"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Fib> {
        p.next();
        let mut tuple = Flags::empty();
        loop {
            let part = one_of(p, "what fib looks up", &TUPLE_WORDS)?;
            if tuple.contains(flag(part)) {
                return Err(Diagnostic::error(p.last_span(), format!("fib: '{part}' is given twice")));
            }
            tuple |= flag(part);
            if !p.eat(Sign::Dot) {
                break;
            }
        }
        Ok(Fib::new(tuple, one_of(p, "what fib tells", &RESULTS)?))
    }

    fn print(&self, out: &mut Printer) {
        out.text("fib ");
        for (at, part) in self.tuple().enumerate() {
            if at > 0 {
                out.text(" . ");
            }
            out.text(part);
        }
        out.text(" ").text(self.result_word());
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "fib": { "result": self.result_word(), "flags": self.tuple().collect::<Vec<_>>() } })
    }

    fn from_json(inside: Node<'_>) -> Parsed<Fib> {
        let result = inside.need("result")?.one_of("fib result", &RESULTS)?;
        let mut tuple = Flags::empty();
        for part in inside.need("flags")?.one_or_more() {
            tuple |= flag(part.one_of("fib flag", &TUPLE_WORDS)?);
        }
        Ok(Fib::new(tuple, result))
    }

    /// What cannot be asked together is refused as the kernel does (`nft_fib_init`).
    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let flags = self.flags;
        let refused = if !flags.intersects(Flags::SADDR | Flags::DADDR) {
            Some("fib: need either saddr or daddr")
        } else if flags.contains(Flags::SADDR | Flags::DADDR) {
            Some("fib: cannot use both saddr and daddr")
        } else if flags.contains(Flags::IIF | Flags::OIF) {
            Some("fib: cannot use both iif and oif")
        } else if self.result != Outcome::Addrtype && flags.contains(Flags::OIF) {
            Some("fib: cannot use oif as key and as result")
        } else {
            None
        };
        match refused {
            Some(why) => Err(Diagnostic::error(span, why)),
            None => Ok(self.clone().typed().at(span)),
        }
    }
}

impl Selector for Fib {
    const TYPEOF: u32 = 26;

    fn shape(&self) -> Shape {
        match self.result {
            _ if self.flags.contains(Flags::PRESENT) => Shape::of(Type::Boolean),
            Outcome::Oif => Shape::of(Type::IfaceIndex),
            Outcome::Oifname => Shape::of(Type::Ifname),
            Outcome::Addrtype => Shape::of(Type::FibAddrtype),
        }
    }

    /// `fib saddr oif exists` asks, as `fib saddr check exists` does, whether there is a route.
    fn presence(&self) -> Option<Fib> {
        let routes = matches!(self.result, Outcome::Oif | Outcome::Oifname);
        routes.then(|| Fib { result: self.result, flags: self.flags | Flags::PRESENT })
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        Ok(Code::Fib(fib::Fib { destination, result: self.result, flags: self.flags }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Fib)> {
        let Code::Fib(load) = code else { return None };
        Some((load.destination, Fib { result: load.result, flags: load.flags }))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Fib(self.clone())
    }

    fn to_userdata(&self, data: &mut Userdata) -> bool {
        data.push_u32(0, self.result as u32) && data.push_u32(1, self.flags.bits())
    }

    fn from_userdata(data: &Userdata) -> Option<Fib> {
        let result = match data.get_u32(0)? {
            1 => Outcome::Oif,
            2 => Outcome::Oifname,
            3 => Outcome::Addrtype,
            _ => return None,
        };
        Some(Fib { result, flags: Flags::from_bits(data.get_u32(1)?)? })
    }
}
