//! `counter`: packets and bytes; also `counter name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::counter::Counter as Counted;
use serde_json::{Value, json};

use super::registry::{Stateful, Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

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
    pub(crate) fn arguments(p: &mut Parser<'_>) -> Parsed<Counter> {
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

    fn of(counter: &Counted) -> Counter {
        let (packets, bytes) = counter.totals();
        Counter { packets, bytes }
    }
}

impl Statement for Counter {
    const JSON: &'static str = "counter";

    /// As nft lists it; without the numbers where state is not asked for.
    fn print(&self, out: &mut Printer) {
        out.text("counter");
        if !out.options.stateless {
            out.fmt(format_args!(" packets {} bytes {}", self.packets, self.bytes));
        }
    }

    fn to_json(&self, options: &Options) -> Value {
        match options.stateless {
            true => json!({ "counter": null }),
            false => json!({ "counter": { "packets": self.packets, "bytes": self.bytes } }),
        }
    }

    /// `null`, or `packets` and `bytes`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Counter> {
        if inside.is_null() {
            return Ok(Counter::default());
        }
        inside.object()?;
        let number = |key| inside.get(key).map_or(Ok(0), |number| number.number(u64::MAX));
        Ok(Counter { packets: number("packets")?, bytes: number("bytes")? })
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Counter> {
        let Code::Counter(counter) = code else { return None };
        Some(Counter::of(counter))
    }

    fn role(&self) -> Role<'_> {
        match *self == Counter::default() {
            true => Role::Counter,
            false => Role::Alone,
        }
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Counter {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("counter") && p.word_at(1) != "name"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Counter> {
        p.next();
        Counter::arguments(p)
    }
}

impl Stateful for Counter {
    fn code(&self) -> Code {
        Code::Counter(Counted::new(self.packets, self.bytes))
    }
}
