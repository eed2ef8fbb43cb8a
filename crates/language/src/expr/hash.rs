//! `jhash` and `symhash`.

use ironweir_expr::{Expr as Code, Register, hash};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

use super::numgen::{NUMBER, check_modulus, greatest, offset_from_json, parse_offset};
use super::registry::{Primary, Selector};
use super::{Expr, ExprKind};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};
use crate::typeof_data::{self, EXTRA};

/// `jhash EXPR mod N [seed N] [offset N]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Jhash<E = Expr> {
    /// What is hashed.
    pub expr: Box<E>,
    /// How many numbers there are.
    pub modulus: u32,
    /// The seed; drawn by the kernel where none is given.
    pub seed: Option<u32>,
    /// The first number.
    pub offset: u32,
}

impl Primary for Jhash {
    const NAME: &'static str = "hash";
    const JSON: &'static str = "jhash";

    fn at(_: &Parser<'_>, word: &str, _: &str) -> bool {
        word == "jhash"
    }

    fn owns(word: &str) -> bool {
        word == "jhash"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Jhash> {
        p.next();
        let expr = p.nested(Expr::parse_lhs)?.into();
        p.expect_word("mod")?;
        let modulus = p.number_to(u64::from(u32::MAX))? as u32;
        let mut seed = None;
        if p.eat_word("seed") {
            seed = Some(p.number_to(u64::from(u32::MAX))? as u32);
        }
        Ok(Jhash { expr, modulus, seed, offset: parse_offset(p)? })
    }

    fn print(&self, out: &mut Printer) {
        out.text("jhash ");
        self.expr.print(out);
        out.fmt(format_args!(" mod {}", self.modulus));
        if let Some(seed) = self.seed {
            out.fmt(format_args!(" seed 0x{seed:x}"));
        }
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }

    fn to_json(&self, options: &Options) -> Value {
        let mut jhash = json!({ "mod": self.modulus, "expr": self.expr.to_json(options) });
        if self.offset > 0 {
            jhash["offset"] = json!(self.offset);
        }
        if let Some(seed) = self.seed {
            jhash["seed"] = json!(seed);
        }
        json!({ "jhash": jhash })
    }

    fn from_json(inside: Node<'_>) -> Parsed<Jhash> {
        let expr = Expr::from_json(inside.need("expr")?)?.into();
        let seed = inside.get("seed").map(Node::u32).transpose()?;
        Ok(Jhash { expr, modulus: inside.need("mod")?.u32()?, seed, offset: offset_from_json(inside)? })
    }

    fn inside(&self) -> Option<&Expr> {
        Some(&self.expr)
    }

    fn resolve(&self, to: &mut Lower<'_>, inner: Option<Proto>, span: Span) -> Parsed<Typed> {
        let expr = to.resolve_load(&self.expr, inner)?.into();
        check_modulus(self.modulus, self.offset, span)?;
        let (modulus, seed, offset) = (self.modulus, self.seed, self.offset);
        Ok(Jhash { expr, modulus, seed, offset }.typed().at(span))
    }

    /// Without a seed each draws its own.
    fn is_steady(&self) -> bool {
        self.seed.is_some() && self.expr.is_steady()
    }
}

impl Selector for Jhash<Typed> {
    const TYPEOF: u32 = 24;

    fn shape(&self) -> Shape {
        NUMBER
    }

    fn most(&self) -> Option<u128> {
        Some(greatest(self.modulus, self.offset))
    }

    fn operand(&self) -> Option<&Typed> {
        Some(&self.expr)
    }

    fn load(&self, to: &mut Lower<'_>, destination: Register, span: Span) -> Parsed<Code> {
        let mark = to.mark();
        let source = to.allocate(self.expr.words(), span)?;
        to.load_into(&self.expr, source)?;
        to.release(mark);
        let len = match &self.expr.kind {
            Kind::Concat(_) => self.expr.words() * 4,
            _ => self.expr.shape.bytes() as u32,
        };
        let kind = hash::Kind::Jenkins { source, len, seed: self.seed };
        Ok(Code::Hash(hash::Hash { kind, destination, modulus: self.modulus, offset: self.offset }))
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<(Register, Jhash<Typed>)> {
        let Code::Hash(load) = code else { return None };
        let hash::Kind::Jenkins { source, len, seed } = load.kind else { return None };
        let expr = from.loaded_words(source, len.div_ceil(4)).into();
        Some((load.destination, Jhash { expr, modulus: load.modulus, seed, offset: load.offset }))
    }

    fn syntax(&self, from: &mut Raise<'_>) -> ExprKind {
        let expr = from.syntax(&self.expr).into();
        let (modulus, seed, offset) = (self.modulus, self.seed, self.offset);
        ExprKind::Jhash(Jhash { expr, modulus, seed, offset })
    }

    // What nft forgets is kept behind it, see `typeof_data`.
    fn to_userdata(&self, data: &mut Userdata) -> bool {
        let Some(expr) = typeof_data::encode(&self.expr) else { return false };
        data.push_u32(0, 0)
            && data.push_u32(1, self.offset)
            && data.push_u32(2, self.modulus)
            && data.push_u32(3, self.seed.unwrap_or(0))
            && data.push_u32(4, u32::from(self.seed.is_some()))
            && data.push(EXTRA, &expr)
    }

    fn from_userdata(data: &Userdata) -> Option<Jhash<Typed>> {
        if data.get_u32(0)? != 0 {
            return None;
        }
        // Each level takes bytes of the at most 255 that an attribute has, so this ends.
        let expr = typeof_data::decode(data.get(EXTRA)?)?.into();
        let seed = (data.get_u32(4)? != 0).then_some(data.get_u32(3)?);
        Some(Jhash { expr, modulus: data.get_u32(2)?.max(1), seed, offset: data.get_u32(1)? })
    }
}

/// `symhash mod N [offset N]`: both directions of a flow hash alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symhash {
    /// How many numbers there are.
    pub modulus: u32,
    /// The first number.
    pub offset: u32,
}

impl Primary for Symhash {
    const NAME: &'static str = "hash";
    const JSON: &'static str = "symhash";

    fn at(_: &Parser<'_>, word: &str, _: &str) -> bool {
        word == "symhash"
    }

    fn owns(word: &str) -> bool {
        word == "symhash"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Symhash> {
        p.next();
        p.expect_word("mod")?;
        let modulus = p.number_to(u64::from(u32::MAX))? as u32;
        Ok(Symhash { modulus, offset: parse_offset(p)? })
    }

    fn print(&self, out: &mut Printer) {
        out.fmt(format_args!("symhash mod {}", self.modulus));
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        match self.offset {
            0 => json!({ "symhash": { "mod": self.modulus } }),
            offset => json!({ "symhash": { "mod": self.modulus, "offset": offset } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Symhash> {
        Ok(Symhash { modulus: inside.need("mod")?.u32()?, offset: offset_from_json(inside)? })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        check_modulus(self.modulus, self.offset, span)?;
        Ok(self.clone().typed().at(span))
    }
}

impl Selector for Symhash {
    const TYPEOF: u32 = 24;

    fn shape(&self) -> Shape {
        NUMBER
    }

    fn most(&self) -> Option<u128> {
        Some(greatest(self.modulus, self.offset))
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        let kind = hash::Kind::Symmetric;
        Ok(Code::Hash(hash::Hash { kind, destination, modulus: self.modulus, offset: self.offset }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Symhash)> {
        match code {
            Code::Hash(load) if load.kind == hash::Kind::Symmetric => {
                Some((load.destination, Symhash { modulus: load.modulus, offset: load.offset }))
            }
            _ => None,
        }
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Symhash(self.clone())
    }

    fn to_userdata(&self, data: &mut Userdata) -> bool {
        data.push_u32(0, 1)
            && data.push_u32(1, self.offset)
            && data.push_u32(2, self.modulus)
            && data.push_u32(3, 0)
            && data.push_u32(4, 0)
    }

    fn from_userdata(data: &Userdata) -> Option<Symhash> {
        if data.get_u32(0)? == 0 {
            return None;
        }
        Some(Symhash { modulus: data.get_u32(2)?.max(1), offset: data.get_u32(1).unwrap_or(0) })
    }
}
