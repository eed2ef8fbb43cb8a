//! Lists of flags: `established,related`, `syn / syn,ack`.

use serde_json::{Value, json};

use super::binary::BinaryOp;
use super::{Expr, ExprKind};
use crate::diag::Parsed;
use crate::json::Node;
use crate::print::Options;
use crate::print::Printer;

/// `a,b,c`: any of these flags.
#[derive(Clone, Debug, PartialEq)]
pub struct List(pub Vec<Expr>);

impl List {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        for (at, part) in self.0.iter().enumerate() {
            if at > 0 {
                out.text(",");
            }
            part.print(out);
        }
    }
}

/// `value / mask`: of the flags in the mask, these and no others.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked {
    /// Left of the slash.
    pub value: Box<Expr>,
    /// Right of the slash.
    pub mask: Box<Expr>,
}

impl Expr {
    /// Flags joined by `|` as a list.
    pub(crate) fn flag_list(self) -> Expr {
        fn flatten(expr: Expr, into: &mut Vec<Expr>) {
            match expr.kind {
                ExprKind::Binary(binary) if binary.op == BinaryOp::Or => {
                    flatten(*binary.left, into);
                    flatten(*binary.right, into);
                }
                _ => into.push(expr),
            }
        }
        if !matches!(&self.kind, ExprKind::Binary(binary) if binary.op == BinaryOp::Or) {
            return self;
        }
        let (span, mut flags) = (self.span, Vec::new());
        flatten(self, &mut flags);
        Expr::new(ExprKind::List(List(flags)), span)
    }
}

impl Masked {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.value.print(out);
        out.text(" / ");
        self.mask.print(out);
    }
}

impl List {
    /// As `nft -j` writes it: an array.
    pub fn to_json(&self, options: &Options) -> Value {
        self.0.iter().map(|part| part.to_json(options)).collect()
    }

    /// An array.
    pub fn from_json(node: Node<'_>) -> Parsed<List> {
        let parts = node.items()?;
        if parts.len() == 0 {
            return Err(node.error("the list is empty"));
        }
        parts.map(Expr::from_json).collect::<Parsed<_>>().map(List)
    }
}

impl Masked {
    /// JSON has the mask on the left side of the comparison; this is for where there is none.
    pub fn to_json(&self, options: &Options) -> Value {
        json!({ "&": [self.value.to_json(options), self.mask.to_json(options)] })
    }
}
