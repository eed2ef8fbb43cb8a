//! What commands need to know of a ruleset that is somewhere else, before they are compiled or listed.
//!
//! The backend decides most things itself: whether a table or chain exists, whether a name is taken. Compiling needs to
//! know the sets that a table's rules and elements may name, since types come from there, and the elements of sets with
//! `auto-merge`; `index` needs the rules of its chain. So adding a rule or an element costs no more than that.

use ironweir_ruleset::store::Errno;
use ironweir_ruleset::{Change, Family, Part, SetRef, TableId, What, Within};

use crate::cmd::{Command, CommandKind, Declaration, Flush, Listing, Position, RuleCommand, Target};
use crate::decl::chain::ChainDecl;
use crate::decl::element::ElementsDecl;
use crate::decl::set::SetDecl;
use crate::decl::table::TableDecl;

/// Parts, each once.
#[derive(Debug, Default)]
struct Needs(Vec<Part>);

/// What compiling commands needs.
pub(super) fn of_changes(commands: &[Command]) -> Vec<Part> {
    let mut needs = Needs::default();
    for command in commands {
        needs.change(&command.kind);
    }
    needs.0
}

/// What a listing shows. `terse` listings show no elements of named sets.
pub(super) fn of_listing(listing: &Listing, terse: bool, reset: bool) -> Vec<Part> {
    let mut needs = Needs::default();
    needs.listing(listing, terse);
    if reset {
        needs.reset(listing);
    }
    needs.0
}

/// Headers of everything, to tell what a name that is missing may have meant.
pub(super) fn names() -> Vec<Part> {
    [What::Tables, What::Chains, What::Sets, What::Objects(None), What::Flowtables]
        .map(|what| Part::new(what, Within::All))
        .into()
}

/// What is needed to tell why changes were refused with these error numbers: names, and what is in the way.
pub(super) fn reasons<'a>(refused: impl Iterator<Item = (&'a Change, Errno)>) -> Vec<Part> {
    let mut needs = Needs(names());
    for (change, errno) in refused {
        match (change, errno) {
            (
                Change::NewElements { table, set: SetRef { name: set, .. }, .. }
                | Change::DelElements { table, set, .. },
                Errno::EEXIST | Errno::ENOENT,
            ) => needs.add(Part::named(What::Elements, table.clone(), set.clone())),
            (change, Errno::EBUSY) => {
                let rules = change.table().map(|table| Part::new(What::Rules, Within::Table(table)));
                rules.into_iter().for_each(|part| needs.add(part));
            }
            _ => {}
        }
    }
    needs.0
}

impl Needs {
    fn add(&mut self, part: Part) {
        // A file names few tables, mostly one after another: the last parts are those that come again.
        if !self.0.iter().rev().take(64).any(|known| *known == part) {
            self.0.push(part);
        }
    }

    fn within(&mut self, within: &Within, what: &[What]) {
        for what in what {
            self.add(Part::new(*what, within.clone()));
        }
    }

    fn change(&mut self, kind: &CommandKind) {
        match kind {
            CommandKind::Declare(_, declaration) => match declaration {
                Declaration::Table(table) => self.table(table),
                Declaration::Chain(chain) => self.chain(chain),
                Declaration::Set(set) => self.set(set),
                Declaration::Elements(elements) => self.elements(elements),
                Declaration::Flowtable(_) | Declaration::Object(_) => {}
            },
            CommandKind::Rule(rule) => self.rule(rule),
            CommandKind::Delete { what: Target::Elements(elements), .. } => self.elements(elements),
            // `flush map` is for maps alone.
            CommandKind::Flush(Flush::Set(_, table, set)) => {
                self.add(Part::new(What::Tables, Within::Table(table.id.clone())));
                self.add(Part::named(What::Sets, table.id.clone(), set.text.clone()));
            }
            CommandKind::Rename { table, chain, .. } => {
                self.add(Part::new(What::Tables, Within::Table(table.id.clone())));
                self.add(Part::named(What::Chains, table.id.clone(), chain.text.clone()));
            }
            _ => {}
        }
    }

    fn table(&mut self, decl: &TableDecl) {
        if !decl.sets.is_empty() || decl.chains.iter().any(|chain| !chain.rules.is_empty()) {
            self.within(&Within::Table(decl.name.id.clone()), &[What::Tables, What::Sets]);
        }
        decl.chains.iter().for_each(|chain| self.base(chain));
        decl.sets.iter().for_each(|set| self.merged(set));
    }

    fn chain(&mut self, decl: &ChainDecl) {
        if !decl.rules.is_empty() {
            self.within(&Within::Table(decl.table.id.clone()), &[What::Tables, What::Sets]);
        }
        self.base(decl);
    }

    /// A policy or devices alone are for a base chain that exists: its type, hook and priority are sent again.
    fn base(&mut self, decl: &ChainDecl) {
        if decl.base.is_none() && (decl.policy.is_some() || !decl.devices.is_empty() || decl.hw_offload) {
            self.add(Part::new(What::Tables, Within::Table(decl.table.id.clone())));
            self.add(Part::named(What::Chains, decl.table.id.clone(), decl.name.text.clone()));
        }
    }

    fn set(&mut self, decl: &SetDecl) {
        // `typeof` may name other sets.
        self.within(&Within::Table(decl.table.id.clone()), &[What::Tables, What::Sets]);
        self.merged(decl);
    }

    fn merged(&mut self, decl: &SetDecl) {
        if decl.elements.is_some() {
            let part = Part::named(What::MergedElements, decl.table.id.clone(), decl.name.text.clone());
            self.add(part);
        }
    }

    fn elements(&mut self, decl: &ElementsDecl) {
        let (table, set) = (&decl.table.id, &decl.set.text);
        self.add(Part::new(What::Tables, Within::Table(table.clone())));
        self.add(Part::named(What::Sets, table.clone(), set.clone()));
        self.add(Part::named(What::MergedElements, table.clone(), set.clone()));
    }

    fn rule(&mut self, command: &RuleCommand) {
        let table = &command.table.id;
        self.within(&Within::Table(table.clone()), &[What::Tables, What::Sets]);
        if let Some((Position::Index(_), _)) = command.position {
            self.add(Part::named(What::Chains, table.clone(), command.chain.text.clone()));
            self.add(Part::named(What::Rules, table.clone(), command.chain.text.clone()));
        }
    }

    fn listing(&mut self, listing: &Listing, terse: bool) {
        let elements = if terse { What::AnonymousElements } else { What::Elements };
        let of = |family: &Option<Family>, table: Option<&TableId>| match table {
            Some(table) => Within::Table(table.clone()),
            None => Within::family(*family),
        };
        let whole = [
            What::Tables,
            What::Chains,
            What::Sets,
            What::Objects(None),
            What::Flowtables,
            elements,
            What::Rules,
        ];
        match listing {
            Listing::Ruleset(family) => self.within(&Within::family(*family), &whole),
            Listing::Table(table) => self.within(&Within::Table(table.id.clone()), &whole),
            Listing::Tables(family) => self.within(&Within::family(*family), &[What::Tables]),
            Listing::Chains(family) => self.within(&Within::family(*family), &[What::Tables, What::Chains]),
            Listing::Chain(table, chain)
            | Listing::Rules(_, Some(table), Some(chain))
            | Listing::Rule(table, chain, _) => {
                self.within(&Within::Table(table.id.clone()), &[What::Tables, What::Chains, What::Sets]);
                self.add(Part::named(What::Rules, table.id.clone(), chain.text.clone()));
            }
            Listing::Rules(family, table, _) => {
                self.within(&of(family, table.as_ref().map(|t| &t.id)), &whole)
            }
            Listing::Sets(_, family, table) => {
                let within = of(family, table.as_ref().map(|table| &table.id));
                self.within(&within, &[What::Tables, What::Sets]);
                if !terse {
                    self.within(&within, &[What::Elements]);
                }
            }
            Listing::Set(_, table, set) => {
                self.within(&Within::Table(table.id.clone()), &[What::Tables]);
                self.add(Part::named(What::Sets, table.id.clone(), set.text.clone()));
                if !terse {
                    self.add(Part::named(What::Elements, table.id.clone(), set.text.clone()));
                }
            }
            Listing::Flowtables(family) => {
                self.within(&Within::family(*family), &[What::Tables, What::Flowtables]);
            }
            Listing::Flowtable(table, _) => {
                self.within(&Within::Table(table.id.clone()), &[What::Tables, What::Flowtables]);
            }
            Listing::Objects(kind, family, table) => {
                let within = of(family, table.as_ref().map(|table| &table.id));
                self.within(&within, &[What::Tables, What::Objects(Some(*kind))]);
            }
            Listing::Object(kind, table, name) => {
                self.within(&Within::Table(table.id.clone()), &[What::Tables]);
                let part = Part::named(What::Objects(Some(*kind)), table.id.clone(), name.text.clone());
                self.add(part);
            }
            Listing::Elements(decl) => self.asked(decl),
            Listing::Hooks(..) => {}
        }
    }

    /// The set that elements are asked of; they themselves are fetched when its type is known.
    fn asked(&mut self, decl: &ElementsDecl) {
        self.within(&Within::Table(decl.table.id.clone()), &[What::Tables]);
        self.add(Part::named(What::Sets, decl.table.id.clone(), decl.set.text.clone()));
    }

    /// Which parts of a listing begin to count from zero again.
    fn reset(&mut self, listing: &Listing) {
        for part in &mut self.0 {
            part.reset = match listing {
                Listing::Objects(..) | Listing::Object(..) => matches!(part.what, What::Objects(_)),
                Listing::Set(..) => part.what == What::Elements,
                Listing::Rules(..) | Listing::Rule(..) => part.what == What::Rules,
                _ => false,
            };
            if let (Listing::Rule(_, _, handle), What::Rules) = (listing, part.what) {
                part.rule = Some(*handle);
            }
        }
    }
}

/// What `get element` needs before its keys can be read.
pub(super) fn of_get(decl: &ElementsDecl) -> Vec<Part> {
    let mut needs = Needs::default();
    needs.asked(decl);
    needs.0
}
