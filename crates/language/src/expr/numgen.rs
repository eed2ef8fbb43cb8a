//! `numgen`: numbers in turn or by chance.

use ironweir_expr::{Expr as Code, Register, numgen};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

use super::ExprKind;
use super::primary::one_of;
use super::registry::{Primary, Selector};
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Shape, Typed};

/// `numgen inc|random mod N [offset N]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numgen {
    /// `random` instead of `inc`.
    pub random: bool,
    /// How many numbers there are.
    pub modulus: u32,
    /// The first one.
    pub offset: u32,
}

impl Primary for Numgen {
    const NAME: &'static str = "numgen";
    const JSON: &'static str = "numgen";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "numgen" && !second.is_empty()
    }

    fn owns(word: &str) -> bool {
        word == "numgen"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Numgen> {
        p.next();
        let random = one_of(p, "inc or random", &["inc", "random"])? == "random";
        p.expect_word("mod")?;
        let modulus = p.number_to(u64::from(u32::MAX))? as u32;
        Ok(Numgen { random, modulus, offset: parse_offset(p)? })
    }

    fn print(&self, out: &mut Printer) {
        let kind = if self.random { "random" } else { "inc" };
        out.fmt(format_args!("numgen {kind} mod {}", self.modulus));
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        let mode = if self.random { "random" } else { "inc" };
        json!({ "numgen": { "mode": mode, "mod": self.modulus, "offset": self.offset } })
    }

    fn from_json(inside: Node<'_>) -> Parsed<Numgen> {
        let random = inside.need("mode")?.one_of("numgen mode", &["inc", "random"])? == "random";
        Ok(Numgen { random, modulus: inside.need("mod")?.u32()?, offset: offset_from_json(inside)? })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        check_modulus(self.modulus, self.offset, span)?;
        Ok(self.clone().typed().at(span))
    }

    fn is_steady(&self) -> bool {
        false
    }
}

impl Selector for Numgen {
    const TYPEOF: u32 = 23;

    fn shape(&self) -> Shape {
        NUMBER
    }

    fn most(&self) -> Option<u128> {
        Some(greatest(self.modulus, self.offset))
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        let kind = if self.random { numgen::Kind::Random } else { numgen::Kind::Inc };
        Ok(Code::Numgen(numgen::Numgen::new(destination, self.modulus, kind, self.offset)))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Numgen)> {
        let Code::Numgen(load) = code else { return None };
        let random = load.kind == numgen::Kind::Random;
        Some((load.destination, Numgen { random, modulus: load.modulus, offset: load.offset }))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Numgen(self.clone())
    }

    fn to_userdata(&self, data: &mut Userdata) -> bool {
        data.push_u32(0, u32::from(self.random))
            && data.push_u32(1, self.modulus)
            && data.push_u32(2, self.offset)
    }

    fn from_userdata(data: &Userdata) -> Option<Numgen> {
        let random = match data.get_u32(0)? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Numgen { random, modulus: data.get_u32(1)?.max(1), offset: data.get_u32(2).unwrap_or(0) })
    }
}

/// The shape of a number that the machine computes.
pub(super) const NUMBER: Shape = Shape { datatype: Type::Integer, bits: 32, order: Order::Host, hex: false };

/// `offset N`, or 0.
pub(super) fn parse_offset(p: &mut Parser<'_>) -> Parsed<u32> {
    if !p.eat_word("offset") {
        return Ok(0);
    }
    Ok(p.number_to(u64::from(u32::MAX))? as u32)
}

/// `offset`, or 0.
pub(super) fn offset_from_json(node: Node<'_>) -> Parsed<u32> {
    node.get("offset").map_or(Ok(0), Node::u32)
}

/// The last of `modulus` numbers from `offset` on.
pub(super) fn greatest(modulus: u32, offset: u32) -> u128 {
    u128::from(offset) + u128::from(modulus.saturating_sub(1))
}

/// Refuses what the kernel refuses (`nft_ng_inc_init`).
pub(super) fn check_modulus(modulus: u32, offset: u32, span: Span) -> Parsed<()> {
    if modulus == 0 {
        return Err(Diagnostic::error(span, "modulus cannot be zero"));
    }
    if offset.checked_add(modulus - 1).is_none() {
        return Err(Diagnostic::error(span, "offset and modulus are beyond 32 bits together"));
    }
    Ok(())
}
