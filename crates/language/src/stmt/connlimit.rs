//! `ct count`: how many connections there are.

use ironweir_expr::Expr as Code;
use ironweir_expr::connlimit::Connlimit as Counted;
use serde_json::{Value, json};

use super::registry::{Stateful, Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// `ct count [over] N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// Matches beyond the limit.
    pub over: bool,
    /// The limit.
    pub count: u32,
}

impl Connlimit {
    fn of(limit: &Counted) -> Connlimit {
        Connlimit { over: limit.over, count: limit.count }
    }
}

impl Statement for Connlimit {
    const JSON: &'static str = "ct count";

    fn print(&self, out: &mut Printer) {
        out.text(if self.over { "ct count over " } else { "ct count " }).number(self.count);
    }

    fn to_json(&self, _: &Options) -> Value {
        match self.over {
            true => json!({ "ct count": { "val": self.count, "inv": true } }),
            false => json!({ "ct count": { "val": self.count } }),
        }
    }

    /// `val` and `inv`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Connlimit> {
        Ok(Connlimit { over: inside.flag("inv")?, count: inside.need("val")?.u32()? })
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Connlimit> {
        let Code::Connlimit(limit) = code else { return None };
        Some(Connlimit::of(limit))
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Connlimit {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("ct") && p.word_at(1) == "count"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Connlimit> {
        p.next();
        p.next();
        let over = p.eat_word("over");
        if !over {
            p.eat_word("until");
        }
        Ok(Connlimit { over, count: p.number_to(u32::MAX.into())? as u32 })
    }
}

impl Stateful for Connlimit {
    fn code(&self) -> Code {
        Code::Connlimit(Counted::new(self.count, self.over))
    }
}
