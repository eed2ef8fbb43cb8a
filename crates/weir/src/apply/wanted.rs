//! What shall be, and how that differs from what is loaded.

use std::collections::BTreeSet;

use ironweir_language::datatype::Names;
use ironweir_language::difference::{Added, Difference, Sides, between};
use ironweir_language::session::{Backend, BackendError, Declared};
use ironweir_ruleset::store::{ChainState, TableState};
use ironweir_ruleset::{Expr, Family, Part, Ruleset, TableFlags, TableId, What, Within};

/// What a file says shall be.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) declared: Declared,
    /// Tables that it does not name go too.
    pub(crate) prune: bool,
    pub(crate) names: Names,
}

impl Wanted {
    /// Fetches what is needed of what is loaded; tells which tables are concerned, and what differs in them.
    pub(crate) fn compare(
        &self,
        backend: &mut dyn Backend,
    ) -> Result<(BTreeSet<TableId>, Difference), BackendError> {
        let named = self.declared.tables();
        let within = match self.prune {
            true => vec![Within::All],
            false => named.iter().cloned().map(Within::Table).collect(),
        };
        backend.fetch(&parts(within))?;
        let mut tables = named;
        if self.prune {
            let others = backend.ruleset().tables().filter(|table| !is_foreign(table));
            tables.extend(others.map(|table| table.table.id.clone()));
        }
        let found = self.difference(backend, &tables);
        Ok((tables, found))
    }

    fn difference(&self, backend: &dyn Backend, tables: &BTreeSet<TableId>) -> Difference {
        let (current, desired) = (backend.ruleset(), &self.declared.ruleset);
        let (names, now) = (&self.names, backend.now());
        between(&Sides { current, desired, names, now, added: None }, tables)
    }
}

/// Everything in some tables.
fn parts(within: Vec<Within>) -> Vec<Part> {
    let all = [
        What::Tables,
        What::Chains,
        What::Sets,
        What::Objects(None),
        What::Flowtables,
        What::Elements,
        What::Rules,
    ];
    within.iter().flat_map(|within| all.map(|what| Part::new(what, within.clone()))).collect()
}

/// Fetches everything in some tables.
pub(super) fn fetch(backend: &mut dyn Backend, tables: &BTreeSet<TableId>) -> Result<(), BackendError> {
    backend.fetch(&parts(tables.iter().cloned().map(Within::Table).collect()))
}

/// What brings tables of an old ruleset back. `added` is what a change added to their sets.
pub(super) fn restoring(
    current: &Ruleset,
    old: &Ruleset,
    tables: &BTreeSet<TableId>,
    added: Option<&Added>,
    now: ironweir_wire::Instant,
) -> Difference {
    // Whatever a number is called, it is called the same on both sides.
    let names = Names::default();
    between(&Sides { current, desired: old, names: &names, now, added }, tables)
}

/// Whether a table belongs to a program that is running, or to iptables-nft.
fn is_foreign(table: &TableState) -> bool {
    table.table.flags.contains(TableFlags::OWNER) || is_of_iptables(table)
}

/// Tables of iptables-nft, ip6tables-nft, arptables-nft and ebtables-nft by what they are called
/// (`iptables/nft.c`, `xtables_ipv4` and `xtables_bridge`); all their base chains are called after their hooks.
const OF_IPTABLES: [&str; 6] = ["filter", "nat", "mangle", "raw", "security", "broute"];
const CHAINS_OF_IPTABLES: [&str; 6] = ["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING", "BROUTING"];

fn is_of_iptables(table: &TableState) -> bool {
    let id = &table.table.id;
    let compat = |expr: &Expr| matches!(expr, Expr::XtMatch(_) | Expr::XtTarget(_));
    let mut rules = table.chains().flat_map(ChainState::rules);
    if rules.any(|rule| rule.rule.exprs.iter().any(compat)) {
        return true;
    }
    let mut bases = table.chains().filter(|chain| chain.chain.base.is_some()).peekable();
    matches!(id.family, Family::Ip | Family::Ip6 | Family::Arp | Family::Bridge)
        && OF_IPTABLES.contains(&&*id.name)
        && bases.peek().is_some()
        && bases.all(|chain| CHAINS_OF_IPTABLES.contains(&&*chain.chain.name))
}
