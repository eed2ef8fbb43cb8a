//! `-o`: consecutive rules of a chain that differ in constants alone become one rule with an anonymous set or map.
//!
//! One pass over what a text declares, before it is compiled: only rules inside the block of a chain are looked at, as
//! nft does. A [`shape::Shape`] says of one rule what it compares with which constants and what it does then; a
//! [`group::Group`] takes neighbours of the same shape; [`merged`] writes the rule that stands for all of them.
//!
//! What is merged means the same as before. DIVERGES: nft does not promise that, and merges more.
//!
//! * Selectors have one value per packet that is compared as a whole. Flags (`tcp flags syn`, `ct status snat`) ask for
//!   bits, and a set would ask for equality; under a mask that is compared with `==` they are values again.
//! * No two keys cover the same packet, so that no packet depends on which rule comes first. Duplicates and overlapping
//!   intervals begin a new group.
//! * A rule behind which evaluation goes on is merged only where nothing between could have changed the selector
//!   (`effects.rs` follows jumps; rules that come into those chains by later commands are not known).
//! * Statements with state of their own (`limit`, `quota`, `ct count`) stay where they are. `counter` is the exception:
//!   in a verdict map each element counts for itself, in a set the one counter counts what all counted before.
//! * What follows from what was compared (`reject` alone) is lowered before and after, and must come out the same.
//! * Comments are not lost: rules that have one are not merged.
//!
//! What nft merges of that is merged, in its form, so that listings are the same; `meta mark set 1`, which it leaves
//! alone, is left alone here too.

mod action;
mod column;
mod effects;
mod group;
mod keys;
mod merged;
mod order;
mod role;
mod shape;
mod told;

use std::cell::Cell;

use ironweir_expr::Expr as Code;
use ironweir_ruleset::TableId;

use crate::ast::Rule;
use crate::cmd::{Command, CommandKind, Declaration};
use crate::datatype::Names;
use crate::decl::chain::ChainDecl;
use crate::lower::lower_rule;
use crate::print::{Options, Printer};
use crate::scope::{NoSets, Scope};
use crate::session::Backend;
use crate::source::Span;

use effects::Effects;
use group::Group;
use order::Order;
use shape::{Behind, Shape};

pub use role::{Parts, Role};
pub use told::tell;

/// Rules that became one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Where they were written, in order.
    pub from: Vec<Span>,
    /// What stands for them, as it is listed without state.
    pub into: String,
}

/// Merges rules in the chains that commands declare; tells which. The ruleset that they are for is asked what chains do
/// that the commands jump to, where it matters.
pub fn optimise(commands: &mut [Command], names: &Names, backend: &mut dyn Backend) -> Vec<Merge> {
    let mut merges = Vec::new();
    let mut effects = Effects::of(commands);
    let mut merge = |declared: &mut ChainDecl| {
        let table = declared.table.id.clone();
        let mut behind = |chain: &str| effects.behind(&table, chain, backend);
        chain(declared, Place { table: &table, names }, &mut behind, &mut merges);
    };
    for command in commands {
        match &mut command.kind {
            CommandKind::Declare(_, Declaration::Table(table)) => {
                table.chains.iter_mut().for_each(&mut merge)
            }
            CommandKind::Declare(_, Declaration::Chain(declared)) => merge(declared),
            _ => {}
        }
    }
    merges
}

/// Where rules of a chain are lowered to see whether they can be.
#[derive(Clone, Copy)]
struct Place<'a> {
    table: &'a TableId,
    names: &'a Names,
}

impl Place<'_> {
    /// Sets are not known: rules that name one stay as they are.
    fn scope(&self) -> Scope<'_> {
        Scope { family: self.table.family, names: self.names, sets: &NoSets }
    }

    /// What a rule becomes; `None` where it is refused.
    fn lowered(&self, rule: &Rule) -> Option<Vec<Code>> {
        let lowered = lower_rule(rule, self.scope(), self.table, &Cell::new(0)).ok()?;
        Some(lowered.rule.exprs)
    }
}

fn chain(chain: &mut ChainDecl, place: Place<'_>, behind: &mut Behind<'_>, merges: &mut Vec<Merge>) {
    let order = Order::of(&chain.rules);
    let mut out = Vec::with_capacity(chain.rules.len());
    let mut group: Option<Group> = None;
    for rule in std::mem::take(&mut chain.rules) {
        let Some(mut shape) = Shape::of(&rule, place, behind) else {
            end(group.take(), place, &mut out, merges);
            out.push(rule);
            continue;
        };
        order.sort(&mut shape);
        let refused = match &mut group {
            Some(open) => open.take(shape, rule),
            None => Some((shape, rule)),
        };
        if let Some((shape, rule)) = refused {
            end(group.take(), place, &mut out, merges);
            match Group::new(shape, rule) {
                Ok(new) => group = Some(new),
                Err(rule) => out.push(rule),
            }
        }
    }
    end(group, place, &mut out, merges);
    chain.rules = out;
}

fn end(group: Option<Group>, place: Place<'_>, out: &mut Vec<Rule>, merges: &mut Vec<Merge>) {
    let Some(group) = group else { return };
    match merged(&group, place) {
        Some(into) => {
            let from = group.rules.iter().map(|rule| rule.span).collect();
            let mut text = Printer::new(Options { stateless: true, ..Options::default() });
            into.print(&mut text);
            merges.push(Merge { from, into: text.finish() });
            out.push(into);
        }
        None => out.extend(group.rules),
    }
}

/// What stands for a group; `None` of a rule alone, and where something is refused: as it was written it shall be.
fn merged(group: &Group, place: Place<'_>) -> Option<Rule> {
    if group.rules.len() < 2 {
        return None;
    }
    let before: Vec<Vec<Code>> = group.rules.iter().map(|rule| place.lowered(rule)).collect::<Option<_>>()?;
    let into = group.merged(place.table.family)?;
    let after = place.lowered(&into)?;
    // What a statement leaves out follows from what was compared before it (`meta nfproto ipv4 reject`).
    let same = |rule: &Vec<Code>| behind_matches(rule) == behind_matches(&after);
    (!group.ends_alike() || before.iter().all(same)).then_some(into)
}

/// What a rule consists of behind its last comparison.
fn behind_matches(rule: &[Code]) -> &[Code] {
    let matches = |code: &Code| matches!(code, Code::Cmp(_) | Code::Range(_) | Code::Lookup(_));
    rule.rsplit(matches).next().unwrap_or_default()
}
