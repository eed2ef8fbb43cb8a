//! `quota`: an amount of bytes; also `quota name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::quota::Quota as Consumed;
use serde_json::{Value, json};

use super::amount;
use super::registry::{Stateful, Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// `quota [over|until] N UNIT [used N UNIT]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Matches once it is used up, instead of until then.
    pub over: bool,
    /// The amount in bytes.
    pub bytes: u64,
    /// Bytes used so far.
    pub used: u64,
}

impl Quota {
    /// What follows the word `quota`.
    pub(crate) fn arguments(p: &mut Parser<'_>) -> Parsed<Quota> {
        let over = p.eat_word("over");
        if !over {
            p.eat_word("until");
        }
        let bytes = amount::parse(p)?;
        let used = if p.eat_word("used") { amount::parse(p)? } else { 0 };
        Ok(Quota { over, bytes, used })
    }

    fn of(quota: &Consumed) -> Quota {
        Quota { over: quota.over, bytes: quota.bytes, used: quota.consumed() }
    }
}

impl Statement for Quota {
    const JSON: &'static str = "quota";

    fn print(&self, out: &mut Printer) {
        out.text(if self.over { "quota over " } else { "quota " });
        amount::print(self.bytes, out);
        if self.used > 0 && !out.options.stateless {
            out.text(" used ");
            amount::print(self.used, out);
        }
    }

    fn to_json(&self, options: &Options) -> Value {
        let (number, unit) = amount::to_json(self.bytes);
        let mut quota = json!({ "val": number, "val_unit": unit });
        if self.over {
            quota["inv"] = json!(true);
        }
        if self.used > 0 && !options.stateless {
            let (number, unit) = amount::to_json(self.used);
            quota["used"] = json!(number);
            quota["used_unit"] = json!(unit);
        }
        json!({ "quota": quota })
    }

    /// `val`, `val_unit`, `used`, `used_unit` and `inv`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Quota> {
        let bytes = amount::from_json(inside.need("val")?, inside.get("val_unit"))?;
        let used =
            inside.get("used").map_or(Ok(0), |used| amount::from_json(used, inside.get("used_unit")))?;
        Ok(Quota { over: inside.flag("inv")?, bytes, used })
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Quota> {
        let Code::Quota(quota) = code else { return None };
        Some(Quota::of(quota))
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Quota {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("quota") && p.word_at(1) != "name"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Quota> {
        p.next();
        Quota::arguments(p)
    }
}

impl Stateful for Quota {
    fn code(&self) -> Code {
        Code::Quota(Consumed::new(self.bytes, self.over, self.used))
    }
}
