//! From bytecode to AST: how a rule that is known only as expressions is listed.
//!
//! [`raise_rule`] walks a rule's expressions. Loads leave [`Typed`] expressions in registers; comparisons and lookups
//! take them from there and become matches; everything else becomes a statement, which takes its operands from the
//! registers with [`Raise::operand`]. What a rule's author did not write - matches that other matches imply, masks of bit
//! fields, changes of byte order, merged loads - is taken out again on the way.
//!
//! | file | does |
//! |---|---|
//! | `registers` | what each register holds |
//! | `load` | expressions that fill registers |
//! | `field` | which header field a load is |
//! | `dependency` | matches that later ones imply |
//! | `relational` | comparisons, ranges, lookups |
//! | `mask` | bit fields, flags and prefixes out of masks |
//! | `value` | constants to words and numbers |
//! | `elements` | elements of sets |
//! | `syntax` | typed expressions to AST |

mod dependency;
mod elements;
mod field;
mod load;
mod mask;
mod registers;
mod relational;
mod syntax;
mod value;

use ironweir_expr::immediate::Immediate;
use ironweir_expr::range::Range;
use ironweir_expr::{Expr, Register, Value, cmp};
use ironweir_ruleset::Rule;
use ironweir_ruleset::userdata::RULE_COMMENT;
use ironweir_wire::Instant;

use crate::ast;
use crate::datatype::PrintOptions;
use crate::expr;
use crate::lower::constant_bytes;
use crate::print::Options;
use crate::resolve::Protocols;
use crate::scope::Scope;
use crate::source::Span;
use crate::stmt::{Stmt, StmtKind};
use crate::typed::{Kind, Shape, Typed};

use dependency::Dependencies;
use registers::RegisterFile;

pub(crate) use elements::interval_of;
pub use elements::{RaisedElement, raise_elements, sort_key};
pub(crate) use relational::verdict_syntax;
pub use value::datum_of;

/// Finds the rules of an anonymous chain.
pub trait Chains {
    /// The rules of a chain that belongs to the rule that jumps to it; `None` for a chain with a name of its own.
    fn block(&self, name: &str) -> Option<Vec<ast::Rule>>;
}

/// No anonymous chains.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoChains;

impl Chains for NoChains {
    fn block(&self, _: &str) -> Option<Vec<ast::Rule>> {
        None
    }
}

/// A rule being raised.
pub struct Raise<'a> {
    /// Where the rule stands.
    pub scope: Scope<'a>,
    /// How values are spelt.
    pub options: PrintOptions,
    /// Blocks of anonymous chains.
    pub chains: &'a dyn Chains,
    /// Which protocols the matches so far imply.
    pub protocols: Protocols,
    /// The same inside the tunnel that matches look into.
    inner_protocols: Protocols,
    /// When: statements that remember times tell how long ago.
    pub now: Instant,
    registers: RegisterFile,
    dependencies: Dependencies,
    stmts: Vec<Option<Stmt>>,
}

/// How values are spelt, out of the options of a listing.
pub fn print_options(options: &Options) -> PrintOptions {
    PrintOptions {
        numeric: options.numeric,
        service: options.service,
        reversedns: options.reverse_dns,
        guid: options.guid,
        numeric_protocol: options.protocol_numbers(),
        numeric_time: options.time_numbers(),
        numeric_priority: options.priority_numbers(),
        json: options.json,
    }
}

/// Raises a rule to AST.
pub fn raise_rule(
    scope: Scope<'_>,
    options: PrintOptions,
    chains: &dyn Chains,
    now: Instant,
    rule: &Rule,
) -> ast::Rule {
    let mut raise = Raise::new(scope, options, chains, now);
    raise.exprs(&rule.exprs);
    ast::Rule {
        stmts: raise.stmts.into_iter().flatten().collect(),
        comment: rule.userdata.get_str(RULE_COMMENT).map(Into::into),
        span: Span::NONE,
    }
}

/// The range that two comparisons of one load are: nft before 1.0.9 writes ranges so.
fn two_comparisons(exprs: &[Expr]) -> Option<Range> {
    let [first, second, ..] = exprs else { return None };
    let (Expr::Cmp(from), Expr::Cmp(to)) = (first.known(), second.known()) else { return None };
    let both = (from.op, to.op) == (cmp::Op::Gte, cmp::Op::Lte)
        && from.source == to.source
        && from.data.len() == to.data.len();
    let (source, from, to) = (from.source, from.data.clone(), to.data.clone());
    both.then_some(Range { source, negated: false, from, to })
}

/// Raises one stateful expression, as it stands in sets and elements.
pub fn raise_stateful(raise: &mut Raise<'_>, expr: &Expr) -> Option<Stmt> {
    StmtKind::raise(expr.known(), raise).map(Stmt::raised)
}

impl<'a> Raise<'a> {
    /// At a rule's beginning.
    pub fn new(scope: Scope<'a>, options: PrintOptions, chains: &'a dyn Chains, now: Instant) -> Raise<'a> {
        Raise {
            scope,
            options,
            chains,
            protocols: Protocols::new(scope.family),
            inner_protocols: Protocols::nothing(scope.family),
            now,
            registers: RegisterFile::default(),
            dependencies: Dependencies::default(),
            stmts: Vec::new(),
        }
    }

    fn exprs(&mut self, mut exprs: &[Expr]) {
        while let [expr, rest @ ..] = exprs {
            exprs = match two_comparisons(exprs) {
                Some(range) => {
                    self.range(&range);
                    rest.get(1..).unwrap_or_default()
                }
                None => {
                    self.expr(expr);
                    rest
                }
            };
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr.known() {
            Expr::PayloadLoad(load) => self.payload(load),
            Expr::MetaGet(load) => self.meta(load),
            Expr::CtGet(load) => self.ct(load),
            Expr::Exthdr(exthdr) if self.exthdr(exthdr) => {}
            Expr::Inner(load) => self.inner(load),
            Expr::Bitwise(bitwise) => self.bitwise(bitwise),
            Expr::Byteorder(byteorder) => self.byteorder(byteorder),
            Expr::Immediate(Immediate::Value { destination, value }) => {
                self.registers.set_immediate(*destination, value.clone());
            }
            Expr::Cmp(cmp) => self.cmp(cmp),
            Expr::Range(range) => self.range(range),
            Expr::Lookup(lookup) => self.lookup(lookup),
            selector if self.selector(selector) => {}
            statement => {
                if let Some(kind) = StmtKind::raise(statement, self) {
                    self.statement(kind);
                }
            }
        }
    }

    /// Appends a statement that does something. Matches before it are no longer taken out for what comes after: the
    /// statement was reached only by packets that they let pass.
    fn statement(&mut self, kind: StmtKind) {
        self.stmts.push(Some(Stmt::raised(kind)));
        self.dependencies.forget();
    }

    /// What a statement finds in its register, as AST. `want` is the type that the statement gives to constants; a load
    /// keeps its own.
    pub fn operand(&mut self, register: Register, want: Shape) -> expr::Expr {
        let typed = self.operand_typed(register, &[want]);
        self.syntax(&typed)
    }

    /// The same for operands of several registers: a concatenation.
    pub fn operands(&mut self, register: Register, want: &[Shape]) -> expr::Expr {
        let typed = self.operand_typed(register, want);
        self.syntax(&typed)
    }

    /// The constant bytes in a register, where it holds a constant.
    pub fn constant(&self, register: Register) -> Option<&Value> {
        self.registers.immediate(register)
    }

    /// What a register holds, not yet as AST: loads resolved to fields, constants typed by `want`.
    pub fn operand_typed(&mut self, register: Register, want: &[Shape]) -> Typed {
        if let Some(value) = self.registers.immediate(register).cloned() {
            return value::typed_constant(&value, want);
        }
        let words = want.iter().map(Shape::words).sum();
        let typed = self.registers.take(register, words);
        retyped(self.resolved(typed), want)
    }

    /// What was loaded into a register, as bytecode has it; `None` where it holds a constant or nothing.
    pub(crate) fn loaded(&self, register: Register) -> Option<Typed> {
        self.registers.immediate(register).is_none().then(|| self.registers.take(register, 0))
    }

    /// What a map gives for the key in a register, as AST.
    pub(crate) fn map(&mut self, name: &str, source: Register) -> expr::Expr {
        let typed = self.map_typed(name, source);
        self.syntax(&typed)
    }

    /// Takes out the match that something at this layer implies, as a statement's own requirements do (`reject with
    /// tcp reset` implies `meta l4proto tcp`).
    pub fn implied(&mut self, base: ironweir_expr::payload::Base) {
        if let Some(place) = self.dependencies.release(base) {
            self.stmts[place] = None;
        }
    }
}

/// With the constants among the parts of a concatenation in the types that its place gives them.
fn retyped(mut typed: Typed, want: &[Shape]) -> Typed {
    if let Kind::Concat(parts) = &mut typed.kind
        && parts.len() == want.len()
    {
        for (part, shape) in parts.iter_mut().zip(want) {
            if let (Kind::Value(_), Some(bytes)) = (&part.kind, constant_bytes(part)) {
                *part = value::typed_constant(&bytes, &[*shape]);
            }
        }
    }
    typed
}
