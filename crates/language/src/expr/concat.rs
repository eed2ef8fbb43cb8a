//! Concatenations: `ip saddr . tcp dport`.

use super::Expr;
use crate::print::Printer;

/// Two or more parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat(pub Vec<Expr>);

impl Concat {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        for (at, part) in self.0.iter().enumerate() {
            if at > 0 {
                out.text(" . ");
            }
            part.print(out);
        }
    }
}
