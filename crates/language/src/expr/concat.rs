//! Concatenations: `ip saddr . tcp dport`.

use serde_json::Value;

use super::Expr;
use crate::diag::Parsed;
use crate::json::{Node, tagged};
use crate::print::Options;
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

impl Concat {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        tagged("concat", self.0.iter().map(|part| part.to_json(options)).collect::<Vec<_>>())
    }

    /// The parts.
    pub fn from_json(node: Node<'_>) -> Parsed<Concat> {
        let parts = node.items()?;
        if !(1..=crate::datatype::MAX_CONCAT).contains(&parts.len()) {
            let message = format!("a concatenation has 1 to {} parts", crate::datatype::MAX_CONCAT);
            return Err(node.error(message));
        }
        parts.map(Expr::from_json).collect::<Parsed<_>>().map(Concat)
    }
}
