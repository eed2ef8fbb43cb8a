//! Flowtables.

use ironweir_ruleset::{Change, Creation, Flowtable, Priority};

use super::Compiler;
use crate::decl::flowtable::FlowtableDecl;
use crate::diag::Parsed;

impl Compiler<'_> {
    /// A flowtable.
    pub(super) fn flowtable(&mut self, decl: &FlowtableDecl, creation: Creation) -> Parsed<()> {
        let flowtable = flowtable(decl)?;
        self.push(Change::NewFlowtable { table: decl.table.id.clone(), flowtable, creation }, decl.name.span);
        Ok(())
    }
}

fn flowtable(decl: &FlowtableDecl) -> Parsed<Flowtable> {
    let (mut hook, mut priority) = (None, Priority::default());
    if let Some((at, spec)) = &decl.hook {
        hook = Some(*at);
        // Priorities of flowtables are those of the netdev family, whatever the table's.
        priority = spec.resolve(ironweir_ruleset::Family::Netdev, *at)?;
    }
    Ok(Flowtable {
        name: decl.name.text.clone(),
        hook,
        priority,
        devices: decl.devices.iter().map(|name| name.text.clone()).collect(),
        hw_offload: decl.hw_offload,
        counter: decl.counter,
        unknown: Default::default(),
    })
}
