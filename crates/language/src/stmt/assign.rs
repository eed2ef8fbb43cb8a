//! Assignments: `meta mark set 1`, `ct mark set meta mark`, `ip dscp set cs1`, `tcp option maxseg size set rt mtu`.

use crate::expr::Expr;
use crate::print::Printer;

/// `TARGET set VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// What is written: a meta or ct key, a header field, a field of an option.
    pub target: Expr,
    /// What is written there.
    pub value: Expr,
}

impl Assign {
    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        self.target.print(out);
        out.text(" set ");
        self.value.print(out);
    }
}
