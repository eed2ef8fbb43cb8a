//! Ranges: `22-25`.

use serde_json::{Value, json};

use super::Expr;
use crate::diag::Parsed;
use crate::json::Node;
use crate::print::Options;
use crate::print::Printer;

/// `from-to`, both included.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// First.
    pub from: Box<Expr>,
    /// Last.
    pub to: Box<Expr>,
}

impl Range {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.from.print(out);
        out.text("-");
        self.to.print(out);
    }
}

impl Range {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        json!({ "range": [self.from.to_json(options), self.to.to_json(options)] })
    }

    /// First and last.
    pub fn from_json(node: Node<'_>) -> Parsed<Range> {
        let (from, to) = node.pair()?;
        Ok(Range { from: Expr::from_json(from)?.into(), to: Expr::from_json(to)?.into() })
    }
}
