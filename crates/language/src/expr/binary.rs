//! Bitwise operations.

use serde_json::Value;

use super::{Expr, ExprKind};
use crate::diag::Parsed;
use crate::json::{Node, tagged};
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;

/// `left op right`.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// What is done.
    pub op: BinaryOp,
    /// Left side.
    pub left: Box<Expr>,
    /// Right side.
    pub right: Box<Expr>,
}

/// Bitwise operators, tightest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words are the language's
pub enum BinaryOp {
    Or,
    Xor,
    And,
    Lshift,
    Rshift,
}

impl BinaryOp {
    /// The sign nft lists.
    pub const fn sign(self) -> &'static str {
        match self {
            BinaryOp::Or => "|",
            BinaryOp::Xor => "^",
            BinaryOp::And => "&",
            BinaryOp::Lshift => "<<",
            BinaryOp::Rshift => ">>",
        }
    }

    /// How tightly it binds; shifts most.
    const fn strength(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::Xor => 2,
            BinaryOp::And => 3,
            BinaryOp::Lshift | BinaryOp::Rshift => 4,
        }
    }

    /// The operator that stands next, as a sign or a word.
    pub fn peek(p: &Parser<'_>) -> Option<BinaryOp> {
        BinaryOp::peek_at(p, 0)
    }

    /// The operator `n` tokens behind the next one.
    pub(crate) fn peek_at(p: &Parser<'_>, n: usize) -> Option<BinaryOp> {
        let token = p.peek_at(n);
        for (op, sign, word) in [
            (BinaryOp::Or, Sign::Or, "or"),
            (BinaryOp::Xor, Sign::Xor, "xor"),
            (BinaryOp::And, Sign::And, "and"),
            (BinaryOp::Lshift, Sign::Lshift, "lshift"),
            (BinaryOp::Rshift, Sign::Rshift, "rshift"),
        ] {
            if token.is(sign) || p.word_at(n) == word {
                return Some(op);
            }
        }
        None
    }
}

/// Reads an operand.
type Operand = fn(&mut Parser<'_>) -> Parsed<Expr>;

/// Operands joined by operators, with their strengths; `operand` reads one.
pub fn parse(p: &mut Parser<'_>, operand: Operand) -> Parsed<Expr> {
    climb(p, operand, operand, 1)
}

/// The same, where those behind an operator are read otherwise.
pub(super) fn parse_with(p: &mut Parser<'_>, first: Operand, others: Operand) -> Parsed<Expr> {
    climb(p, first, others, 1)
}

fn climb(p: &mut Parser<'_>, first: Operand, others: Operand, least: u8) -> Parsed<Expr> {
    let mut left = first(p)?;
    let mut chained = 0;
    while let Some(op) = BinaryOp::peek(p).filter(|op| op.strength() >= least) {
        chained += 1;
        if chained > crate::parse::MAX_NESTING {
            let message = format!("more than {} operators in a row", crate::parse::MAX_NESTING);
            return Err(crate::diag::Diagnostic::error(p.peek().span, message));
        }
        p.next();
        let right = p.nested(|p| climb(p, others, others, op.strength() + 1))?;
        let span = left.span.to(right.span);
        left = Expr::new(ExprKind::Binary(Binary { op, left: left.into(), right: right.into() }), span);
    }
    Ok(left)
}

impl Binary {
    /// In nft's canonical form: parentheses only around what binds less (`binop_arg_print`). Of operations of the same
    /// strength the right one may be nested without showing it.
    pub fn print(&self, out: &mut Printer) {
        self.left.print_operand(out, self.op);
        out.text(" ").text(self.op.sign()).text(" ");
        self.right.print_operand(out, self.op);
    }
}

impl Expr {
    fn print_operand(&self, out: &mut Printer, parent: BinaryOp) {
        match &self.kind {
            ExprKind::Binary(binary) if binary.op.strength() < parent.strength() => {
                out.text("(");
                self.print(out);
                out.text(")");
            }
            _ => self.print(out),
        }
    }
}

impl BinaryOp {
    /// From the sign.
    pub fn from_sign(sign: &str) -> Option<BinaryOp> {
        [BinaryOp::Or, BinaryOp::Xor, BinaryOp::And, BinaryOp::Lshift, BinaryOp::Rshift]
            .into_iter()
            .find(|op| op.sign() == sign)
    }
}

impl Binary {
    /// As `nft -j` writes it: operations of one kind share one array.
    pub fn to_json(&self, options: &Options) -> Value {
        let mut operands = Vec::new();
        self.operands(&mut operands, options);
        tagged(self.op.sign(), operands)
    }

    fn operands(&self, into: &mut Vec<Value>, options: &Options) {
        for side in [&self.left, &self.right] {
            match &side.kind {
                ExprKind::Binary(inner) if inner.op == self.op => inner.operands(into, options),
                _ => into.push(side.to_json(options)),
            }
        }
    }

    /// Two or more operands; more are taken from the left.
    pub fn from_json(op: BinaryOp, node: Node<'_>) -> Parsed<Binary> {
        let operands = node.items()?;
        if operands.len() > crate::parse::MAX_NESTING as usize {
            return Err(node.error(format!("more than {} operators in a row", crate::parse::MAX_NESTING)));
        }
        let mut operands = operands.map(Expr::from_json);
        let (Some(left), Some(right)) = (operands.next(), operands.next()) else {
            return Err(node.error("an array of two or more operands is expected here"));
        };
        let mut binary = Binary { op, left: left?.into(), right: right?.into() };
        for right in operands {
            let left = Expr::new(ExprKind::Binary(binary), node.span()).into();
            binary = Binary { op, left, right: right?.into() };
        }
        Ok(binary)
    }
}
