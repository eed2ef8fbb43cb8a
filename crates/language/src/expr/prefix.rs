//! Prefixes: `10.0.0.0/8`.

use serde_json::{Value, json};

use super::Expr;
use crate::diag::Parsed;
use crate::json::Node;
use crate::print::Options;
use crate::print::Printer;

/// `base/len`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    /// Left of the slash.
    pub base: Box<Expr>,
    /// Bits.
    pub len: u32,
}

impl Prefix {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.base.print(out);
        out.text("/").number(self.len);
    }
}

impl Prefix {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        json!({ "prefix": { "addr": self.base.to_json(options), "len": self.len } })
    }

    /// `addr` and `len`.
    pub fn from_json(node: Node<'_>) -> Parsed<Prefix> {
        let base = Expr::from_json(node.need("addr")?)?.into();
        Ok(Prefix { base, len: node.need("len")?.u32()? })
    }
}
