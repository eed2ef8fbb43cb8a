//! Expressions that have a type by themselves: fields, keys, and what is computed of them.

use ironweir_expr::ct;

use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed, short};
use crate::expr::{Expr, ExprKind};
use crate::lower::Lower;
use crate::proto::Proto;
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};

impl Lower<'_> {
    /// Resolves what stands on the left of a comparison or is a key; bits that are no whole bytes are masked.
    pub(crate) fn resolve_left(&mut self, expr: &Expr) -> Parsed<Typed> {
        self.resolve_load(expr, None)
    }

    /// Resolves what is to be written.
    pub(crate) fn resolve_target(&mut self, expr: &Expr) -> Parsed<Typed> {
        self.resolve_load(expr, None).map(Typed::into_written)
    }

    /// The same, perhaps inside of a tunnel.
    pub(crate) fn resolve_load(&mut self, expr: &Expr, inner: Option<Proto>) -> Parsed<Typed> {
        let span = expr.span;
        if let Some(primary) = expr.kind.resolve(self, inner, span) {
            return primary;
        }
        match &expr.kind {
            ExprKind::Binary(node) => {
                let left = self.resolve_load(&node.left, inner)?;
                self.operation(node.op, left, &node.right, 0, span)
            }
            ExprKind::Concat(node) => self.concatenation(&node.0, inner, span),
            ExprKind::Map(node) => self.resolve_map(node, span),
            ExprKind::Symbol(node) => Err(Diagnostic::error(
                span,
                format!("`{}' has no type here: nothing tells what it is compared with", short(&node.text)),
            )),
            _ => Err(Diagnostic::error(span, "this has no type by itself")),
        }
    }

    fn concatenation(&mut self, nodes: &[Expr], inner: Option<Proto>, span: Span) -> Parsed<Typed> {
        let mut parts = Vec::new();
        for node in nodes {
            let part = self.resolve_load(node, inner)?;
            has_family(&part)?;
            parts.push(part);
        }
        let bits = parts.iter().map(|part| part.shape.words() * 32).sum();
        if bits > 512 {
            return Err(Diagnostic::error(span, "Concatenation of size 512 bits is the largest possible"));
        }
        Ok(Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::Big)).at(span))
    }
}

/// Addresses of `ct` in keys need their family said.
pub(crate) fn has_family(typed: &Typed) -> Parsed<()> {
    match typed.kind {
        Kind::Ct(ct::Key::Src | ct::Key::Dst, _) => Err(Diagnostic::error(
            typed.span,
            "this has no type as a key, use \"ip saddr\" or \"ip6 saddr\" instead",
        )),
        _ => Ok(()),
    }
}
