//! `ct count`: how many connections there are.

use ironweir_expr::Expr as Code;
use ironweir_expr::connlimit::Connlimit as Counted;

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// `ct count [over] N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// Matches beyond the limit.
    pub over: bool,
    /// The limit.
    pub count: u32,
}

impl Connlimit {
    /// What follows `ct count`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Connlimit> {
        let over = p.eat_word("over");
        if !over {
            p.eat_word("until");
        }
        Ok(Connlimit { over, count: p.number_to(u32::MAX.into())? as u32 })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text(if self.over { "ct count over " } else { "ct count " }).number(self.count);
    }

    /// The expression alone, for sets and elements.
    pub(crate) fn code(&self) -> Code {
        Code::Connlimit(Counted::new(self.count, self.over))
    }

    pub(crate) fn raise(limit: &Counted) -> Connlimit {
        Connlimit { over: limit.over, count: limit.count }
    }
}

impl Connlimit {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match self.over {
            true => json!({ "ct count": { "val": self.count, "inv": true } }),
            false => json!({ "ct count": { "val": self.count } }),
        }
    }

    /// `val` and `inv`.
    pub fn from_json(node: Node<'_>) -> Parsed<Connlimit> {
        Ok(Connlimit { over: node.flag("inv")?, count: node.need("val")?.u32()? })
    }
}
