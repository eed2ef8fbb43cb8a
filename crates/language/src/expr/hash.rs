//! `jhash` and `symhash`.

use super::Expr;
use super::numgen::offset_from_json;
use super::numgen::parse_offset;
use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use serde_json::{Value, json};

/// `jhash EXPR mod N [seed N] [offset N]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Jhash {
    /// What is hashed.
    pub expr: Box<Expr>,
    /// How many numbers there are.
    pub modulus: u32,
    /// The seed; drawn by the kernel where none is given.
    pub seed: Option<u32>,
    /// The first number.
    pub offset: u32,
}

/// `symhash mod N [offset N]`: both directions of a flow hash alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symhash {
    /// How many numbers there are.
    pub modulus: u32,
    /// The first number.
    pub offset: u32,
}

impl Jhash {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
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
}

impl Symhash {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.fmt(format_args!("symhash mod {}", self.modulus));
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }
}

impl Jhash {
    /// At `jhash`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Jhash> {
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
}

impl Symhash {
    /// At `symhash`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Symhash> {
        p.next();
        p.expect_word("mod")?;
        let modulus = p.number_to(u64::from(u32::MAX))? as u32;
        Ok(Symhash { modulus, offset: parse_offset(p)? })
    }
}

impl Jhash {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        let mut jhash = json!({ "mod": self.modulus, "expr": self.expr.to_json(options) });
        if self.offset > 0 {
            jhash["offset"] = json!(self.offset);
        }
        if let Some(seed) = self.seed {
            jhash["seed"] = json!(seed);
        }
        json!({ "jhash": jhash })
    }

    /// `expr`, `mod`, `seed` and `offset`.
    pub fn from_json(node: Node<'_>) -> Parsed<Jhash> {
        let expr = Expr::from_json(node.need("expr")?)?.into();
        let seed = node.get("seed").map(Node::u32).transpose()?;
        Ok(Jhash { expr, modulus: node.need("mod")?.u32()?, seed, offset: offset_from_json(node)? })
    }
}

impl Symhash {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match self.offset {
            0 => json!({ "symhash": { "mod": self.modulus } }),
            offset => json!({ "symhash": { "mod": self.modulus, "offset": offset } }),
        }
    }

    /// `mod` and `offset`.
    pub fn from_json(node: Node<'_>) -> Parsed<Symhash> {
        Ok(Symhash { modulus: node.need("mod")?.u32()?, offset: offset_from_json(node)? })
    }
}
