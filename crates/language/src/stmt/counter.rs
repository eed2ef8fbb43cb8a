//! `counter`: packets and bytes; also `counter name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::counter::Counter as Counted;

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use serde_json::{Value, json};

/// `counter [packets N bytes N]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets so far.
    pub packets: u64,
    /// Bytes so far.
    pub bytes: u64,
}

impl Counter {
    /// What follows the word `counter`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Counter> {
        let mut counter = Counter::default();
        loop {
            if p.eat_word("packets") {
                counter.packets = p.number()?;
            } else if p.eat_word("bytes") {
                counter.bytes = p.number()?;
            } else {
                return Ok(counter);
            }
        }
    }

    /// As nft lists it; without the numbers where state is not asked for.
    pub fn print(&self, out: &mut Printer) {
        out.text("counter");
        if !out.options.stateless {
            out.fmt(format_args!(" packets {} bytes {}", self.packets, self.bytes));
        }
    }

    /// The expression alone, for sets and elements.
    pub(crate) fn code(&self) -> Code {
        Code::Counter(Counted::new(self.packets, self.bytes))
    }

    pub(crate) fn raise(counter: &Counted) -> Counter {
        let (packets, bytes) = counter.totals();
        Counter { packets, bytes }
    }
}

impl Counter {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        match options.stateless {
            true => json!({ "counter": null }),
            false => json!({ "counter": { "packets": self.packets, "bytes": self.bytes } }),
        }
    }

    /// `null`, or `packets` and `bytes`.
    pub fn from_json(node: Node<'_>) -> Parsed<Counter> {
        if node.is_null() {
            return Ok(Counter::default());
        }
        node.object()?;
        let number = |key| node.get(key).map_or(Ok(0), |number| number.number(u64::MAX));
        Ok(Counter { packets: number("packets")?, bytes: number("bytes")? })
    }
}
