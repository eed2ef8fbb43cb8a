//! `-o`: consecutive rules of a chain that differ in constants alone become one rule with an anonymous set or map.
//!
//! One pass over what a text declares, before it is compiled: only rules inside the block of a chain are looked at, as
//! nft does. A [`shape::Shape`] says of one rule what it compares with which constants and what it does then; a
//! [`group::Group`] takes neighbours of the same shape; [`merged`] writes the rule that stands for all of them.
//!
//! What is merged means the same as before, which nft does not promise:
//!
//! * Selectors have one value per packet that is compared as a whole. Flags (`tcp flags syn`, `ct status snat`) ask for
//!   bits, and a set would ask for equality; under a mask that is compared with `==` they are values again.
//! * No two keys cover the same packet, so that no packet depends on which rule comes first. Duplicates and overlapping
//!   intervals begin a new group.
//! * A rule behind which evaluation goes on is merged only where nothing between could have changed the selector.
//! * Statements with state of their own (`limit`, `quota`, `ct count`) stay where they are. `counter` is the exception:
//!   in a verdict map each element counts for itself, in a set the one counter counts what all counted before.
//! * Comments are not lost: rules that have one are not merged.

mod group;
mod keys;
mod merged;
mod shape;

use std::cell::Cell;

use ironweir_ruleset::TableId;

use crate::ast::Rule;
use crate::cmd::{Command, CommandKind, Declaration};
use crate::datatype::Names;
use crate::decl::chain::ChainDecl;
use crate::lower::lower_rule;
use crate::print::{Options, Printer};
use crate::scope::{NoSets, Scope};
use crate::source::{Sources, Span};

use group::Group;
use shape::Shape;

/// Rules that became one.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// Where they were written, in order.
    pub from: Vec<Span>,
    /// What stands for them.
    pub into: Rule,
}

impl Merge {
    /// As `nft -o` tells it (nft(8), `--optimize`): every rule with its place and line, and what they became.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = "Merging:\n".to_owned();
        for span in &self.from {
            if let Some(place) = sources.place(*span) {
                let (first, last) = (place.column, place.last_column);
                out.push_str(&format!("{}:{}:{first}-{last}: {}\n", place.name, place.line, place.text));
            }
        }
        let mut rule = Printer::new(Options::default());
        self.into.print(&mut rule);
        out.push_str(&format!("into:\n\t{}", rule.as_str()));
        out
    }
}

/// Merges rules in the chains that commands declare; tells which.
pub fn optimise(commands: &mut [Command], names: &Names) -> Vec<Merge> {
    let mut merges = Vec::new();
    for command in commands {
        match &mut command.kind {
            CommandKind::Declare(_, Declaration::Table(table)) => {
                table.chains.iter_mut().for_each(|declared| chain(declared, names, &mut merges));
            }
            CommandKind::Declare(_, Declaration::Chain(declared)) => chain(declared, names, &mut merges),
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

    fn can_lower(&self, rule: &Rule) -> bool {
        lower_rule(rule, self.scope(), self.table, &Cell::new(0)).is_ok()
    }
}

fn chain(chain: &mut ChainDecl, names: &Names, merges: &mut Vec<Merge>) {
    let place = Place { table: &chain.table.id, names };
    let mut out = Vec::with_capacity(chain.rules.len());
    let mut group: Option<Group> = None;
    for rule in std::mem::take(&mut chain.rules) {
        let Some(shape) = Shape::of(&rule, place) else {
            end(group.take(), place, &mut out, merges);
            out.push(rule);
            continue;
        };
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
    let lowers = |rules: &[Rule]| rules.iter().all(|rule| place.can_lower(rule));
    let into = match group.rules.len() {
        0 | 1 => None,
        // A rule that is refused shall be refused as it was written.
        _ if !lowers(&group.rules) => None,
        _ => group.merged(place.table.family).filter(|rule| place.can_lower(rule)),
    };
    match into {
        Some(into) => {
            let from = group.rules.iter().map(|rule| rule.span).collect();
            merges.push(Merge { from, into: into.clone() });
            out.push(into);
        }
        None => out.extend(group.rules),
    }
}
