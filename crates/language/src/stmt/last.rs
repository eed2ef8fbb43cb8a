//! `last`: when a packet was last seen here.

use ironweir_expr::Expr as Code;
use ironweir_expr::last::Last as Seen;
use ironweir_wire::Instant;

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::{Printer, time};
use serde_json::{Value, json};

/// `last [used never | used TIME]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Milliseconds since then; `None` for never.
    pub used: Option<u64>,
}

impl Last {
    /// What follows the word `last`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Last> {
        if !p.eat_word("used") || p.eat_word("never") {
            return Ok(Last::default());
        }
        Ok(Last { used: Some(p.time()?) })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text("last");
        if !out.options.stateless {
            match self.used {
                None => out.text(" used never"),
                Some(ago) => out.text(" used ").text(&time(ago)),
            };
        }
    }

    /// The expression alone, for sets and elements. There is no clock here: it keeps how long ago that was.
    // DIVERGES: the kernel counts on from the time that has passed (`NFTA_LAST_MSECS`).
    pub(crate) fn code(&self) -> Code {
        Code::Last(self.used.map_or_else(Seen::default, Seen::before))
    }

    /// Without a clock only "never" can be told from "at some time", which is shown as 0s.
    pub(crate) fn raise(last: &Seen, now: Option<Instant>) -> Last {
        let ago = |at: Instant| now.map_or(0, |now| now.nanos().saturating_sub(at.nanos()) / 1_000_000);
        Last { used: last.at().map(ago).or(last.ago()) }
    }
}

impl Last {
    /// As `nft -j` writes it; the time in milliseconds.
    pub fn to_json(&self, options: &Options) -> Value {
        match self.used.filter(|_| !options.stateless) {
            None => json!({ "last": null }),
            Some(used) => json!({ "last": { "used": used } }),
        }
    }

    /// `null`, or `used`.
    pub fn from_json(node: Node<'_>) -> Parsed<Last> {
        if node.is_null() {
            return Ok(Last::default());
        }
        Ok(Last { used: Some(node.need("used")?.number(u64::MAX)?) })
    }
}
