//! `last`: when a packet was last seen here.

use ironweir_expr::Expr as Code;
use ironweir_expr::last::Last as Seen;
use ironweir_wire::Instant;
use serde_json::{Value, json};

use super::registry::{Stateful, Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer, time};
use crate::raise::Raise;
use crate::source::Span;

/// `last [used never | used TIME]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Milliseconds since then; `None` for never.
    pub used: Option<u64>,
}

impl Last {
    /// Without a clock only "never" can be told from "at some time", which is shown as 0s.
    fn of(last: &Seen, now: Option<Instant>) -> Last {
        let ago = |at: Instant| now.map_or(0, |now| now.nanos().saturating_sub(at.nanos()) / 1_000_000);
        Last { used: last.at().map(ago).or(last.ago()) }
    }
}

impl Statement for Last {
    const JSON: &'static str = "last";

    fn print(&self, out: &mut Printer) {
        out.text("last");
        if !out.options.stateless {
            match self.used {
                None => out.text(" used never"),
                Some(ago) => out.text(" used ").text(&time(ago)),
            };
        }
    }

    /// As `nft -j` writes it; the time in milliseconds.
    fn to_json(&self, options: &Options) -> Value {
        match self.used.filter(|_| !options.stateless) {
            None => json!({ "last": null }),
            Some(used) => json!({ "last": { "used": used } }),
        }
    }

    /// `null`, or `used`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Last> {
        if inside.is_null() {
            return Ok(Last::default());
        }
        Ok(Last { used: Some(inside.need("used")?.number(u64::MAX)?) })
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Last> {
        let Code::Last(last) = code else { return None };
        Some(Last::of(last, Some(from.now)))
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Last {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("last")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Last> {
        p.next();
        if !p.eat_word("used") || p.eat_word("never") {
            return Ok(Last::default());
        }
        Ok(Last { used: Some(p.time()?) })
    }
}

impl Stateful for Last {
    /// There is no clock here: it keeps how long ago that was.
    // DIVERGES: the kernel counts on from the time that has passed (`NFTA_LAST_MSECS`).
    fn code(&self) -> Code {
        Code::Last(self.used.map_or_else(Seen::default, Seen::before))
    }
}
