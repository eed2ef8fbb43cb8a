//! `quota`: an amount of bytes; also `quota name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::quota::Quota as Consumed;

use super::amount;
use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use serde_json::{Value, json};

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
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Quota> {
        let over = p.eat_word("over");
        if !over {
            p.eat_word("until");
        }
        let bytes = amount::parse(p)?;
        let used = if p.eat_word("used") { amount::parse(p)? } else { 0 };
        Ok(Quota { over, bytes, used })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text(if self.over { "quota over " } else { "quota " });
        amount::print(self.bytes, out);
        if self.used > 0 && !out.options.stateless {
            out.text(" used ");
            amount::print(self.used, out);
        }
    }

    /// The expression alone, for sets and elements.
    pub(crate) fn code(&self) -> Code {
        Code::Quota(Consumed::new(self.bytes, self.over, self.used))
    }

    pub(crate) fn raise(quota: &Consumed) -> Quota {
        Quota { over: quota.over, bytes: quota.bytes, used: quota.consumed() }
    }
}

impl Quota {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
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
    pub fn from_json(node: Node<'_>) -> Parsed<Quota> {
        let bytes = amount::from_json(node.need("val")?, node.get("val_unit"))?;
        let used = node.get("used").map_or(Ok(0), |used| amount::from_json(used, node.get("used_unit")))?;
        Ok(Quota { over: node.flag("inv")?, bytes, used })
    }
}
