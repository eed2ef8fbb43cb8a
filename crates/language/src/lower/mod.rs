//! From AST to bytecode: what statements need to lower themselves.
//!
//! A statement resolves its arguments ([`Lower::argument`]), which emits the matches they imply, loads them into
//! registers ([`Lower::load`]) and emits its own expression ([`Lower::emit`]). Registers are free again after each
//! statement.

mod constant;
mod load;
mod matching;
mod order;
mod reduce;
mod relational;
mod rule;
mod sets;
mod transfer;
mod verdict;

use ironweir_expr::objref::ObjectType;
use ironweir_expr::{Expr, Register, SetRef};
use ironweir_ruleset::set::SetData;
use ironweir_ruleset::{Change, Element, Set, TableId};

use crate::diag::{Diagnostic, Parsed};
use crate::expr;
use crate::proto::Proto;
use crate::resolve::{Protocols, fits_argument};
use crate::scope::Scope;
use crate::source::Span;
use crate::typed::{Shape, Typed};

use matching::Match;
pub(crate) use order::natural;
pub(crate) use transfer::transfer;

pub(crate) use constant::{bounds, datum_bytes};
pub use constant::{constant_bytes, constant_data};
pub use rule::{LoweredRule, lower_rule};
pub use sets::{SetShapes, set_of};
pub(crate) use sets::{member, ranges_len};

/// A rule being lowered.
pub struct Lower<'a> {
    /// Where it stands.
    pub scope: Scope<'a>,
    /// Its table.
    pub table: &'a TableId,
    /// Which protocols the matches so far imply.
    pub protocols: Protocols,
    /// What the rule consists of so far.
    out: Vec<Expr>,
    /// Matches not emitted yet, since later ones may be merged into them.
    pending: Vec<Match>,
    /// What went wrong while they were emitted.
    failure: Option<Box<Diagnostic>>,
    /// What the matches inside a tunnel imply.
    pub(crate) inner_protocols: Option<(Proto, Protocols)>,
    /// First free 4-byte register.
    words: u32,
    /// Anonymous sets, chains and their contents, to be committed before the rule.
    changes: Vec<Change>,
    /// Number for the next anonymous set of the batch.
    next_id: &'a std::cell::Cell<u32>,
}

impl<'a> Lower<'a> {
    /// For one rule. `next_id` numbers the anonymous sets and chains of the whole batch, counting from 1.
    pub fn new(scope: Scope<'a>, table: &'a TableId, next_id: &'a std::cell::Cell<u32>) -> Lower<'a> {
        Lower {
            scope,
            table,
            protocols: Protocols::new(scope.family),
            out: Vec::with_capacity(8),
            pending: Vec::with_capacity(4),
            failure: None,
            inner_protocols: None,
            words: 0,
            changes: Vec::new(),
            next_id,
        }
    }

    /// Appends an expression.
    pub fn emit(&mut self, expr: Expr) {
        self.flush();
        self.out.push(expr);
    }

    /// Resolves a statement's argument, of a type the statement gives: `meta mark set ARGUMENT`. Emits the matches that
    /// it implies.
    ///
    /// # Errors
    /// Where it has another type, is out of range or conflicts with earlier matches.
    pub fn argument(&mut self, argument: &expr::Expr, want: Shape) -> Parsed<Typed> {
        let typed = self.resolve_argument(argument, want)?;
        fits_argument(&typed, want)?;
        Ok(typed)
    }

    /// Resolves an expression that has a type by itself: a key, what a hash is computed of.
    ///
    /// # Errors
    /// Where it has no type by itself, or conflicts with earlier matches.
    pub fn expression(&mut self, expr: &expr::Expr) -> Parsed<Typed> {
        self.resolve_left(expr)
    }

    /// Registers for so many bits, free again after the statement.
    ///
    /// # Errors
    /// Where the statement has used up all sixteen.
    pub fn allocate(&mut self, words: u32, span: Span) -> Parsed<Register> {
        // nft hands out registers of 16 bytes
        let at = self.words.next_multiple_of(4);
        let register = Register::at_word(at).filter(|_| at + words <= 16);
        let Some(register) = register else {
            return Err(Diagnostic::error(span, "the expression needs more registers than there are"));
        };
        self.words = at + words;
        Ok(register)
    }

    /// How many words are in use; with [`Lower::release`] what is loaded after can be given back early.
    pub fn mark(&self) -> u32 {
        self.words
    }

    /// Frees what was allocated since the mark.
    pub fn release(&mut self, mark: u32) {
        self.words = mark;
    }

    /// Loads an expression into newly allocated registers.
    ///
    /// # Errors
    /// Where registers run out.
    pub fn load(&mut self, typed: &Typed) -> Parsed<Register> {
        self.flush();
        let register = self.allocate(typed.words(), typed.span)?;
        self.load_into(typed, register)?;
        Ok(register)
    }

    /// Adds an anonymous set with its elements to the changes before the rule and refers to it.
    pub fn anonymous_set(&mut self, mut set: Set, elements: Vec<Element>) -> SetRef {
        let id = self.new_id();
        set.id = id;
        let reference = SetRef { name: set.name.clone(), id: Some(id) };
        let table = self.table.clone();
        self.changes.push(Change::NewSet { table: table.clone(), set, creation: Default::default() });
        self.changes.push(Change::NewElements {
            table,
            set: reference.clone(),
            elements,
            creation: Default::default(),
        });
        reference
    }

    /// A number that no other anonymous set or chain of the batch has.
    pub fn new_id(&mut self) -> u32 {
        let id = self.next_id.get() + 1;
        self.next_id.set(id);
        id
    }

    /// Adds a change that must come before the rule.
    pub fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Puts expressions before everything else of the rule.
    pub(crate) fn prepend<const N: usize>(&mut self, exprs: [Expr; N]) {
        self.out.splice(0..0, exprs);
    }

    /// Puts the matches that `imply` makes before everything else of the rule.
    pub(crate) fn before_all(&mut self, imply: impl FnOnce(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let rest = (std::mem::take(&mut self.out), std::mem::take(&mut self.pending));
        let result = imply(self);
        self.flush();
        self.out.extend(rest.0);
        self.pending = rest.1;
        result
    }

    /// Says which objects an anonymous map of this batch holds.
    pub(crate) fn type_objects(&mut self, map: &SetRef, kind: ObjectType) {
        let Some(id) = map.id else { return };
        for change in &mut self.changes {
            if let Change::NewSet { set, .. } = change
                && set.id == id
                && let Some(SetData::Object(old)) = &mut set.data
            {
                *old = kind;
            }
        }
    }

    /// Ends a statement: its registers are free again.
    pub fn end_statement(&mut self) {
        self.words = 0;
    }
}
