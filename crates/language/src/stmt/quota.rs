//! `quota`: an amount of bytes; also `quota name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::quota::Quota as Consumed;

use super::amount;
use crate::diag::Parsed;
use crate::parse::Parser;
use crate::print::Printer;

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
