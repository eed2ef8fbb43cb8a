//! What commands of a text show: the ruleset as the commands before them leave it, which is committed at the end.

use ironweir_ruleset::netlink::Hooked;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Element, Family, Hook, Part, Ruleset, TableId, What};
use ironweir_wire::Instant;

use super::needs;
use super::{Backend, BackendError, Rejection};
use crate::cmd::Command;
use crate::compile::Compiler;
use crate::datatype::Names;

/// A backend as it would be if commands that are not committed yet were. What it would refuse of them is left out: that
/// is told when they are committed.
pub(super) struct View<'b> {
    backend: &'b mut dyn Backend,
    names: &'b Names,
    /// The commands that are not committed yet.
    before: &'b [Command],
    ruleset: Ruleset,
}

impl<'b> View<'b> {
    /// A view after no commands.
    pub(super) fn new(backend: &'b mut dyn Backend, names: &'b Names) -> View<'b> {
        let ruleset = backend.ruleset().clone();
        View { backend, names, before: &[], ruleset }
    }

    /// From now on it is seen after these commands.
    pub(super) fn after(&mut self, before: &'b [Command]) {
        self.before = before;
    }

    /// What is committed.
    pub(super) fn committed(&self) -> &dyn Backend {
        self.backend
    }

    fn look(&mut self) {
        self.ruleset = self.backend.ruleset().clone();
        let mut compiler = Compiler::new(self.backend.ruleset(), self.names, self.backend.now());
        // What is wrong with the commands is told when they are committed.
        let mut errors = Vec::new();
        self.before.iter().for_each(|command| compiler.command(command, &mut errors));
        self.ruleset.foresee(&compiler.finish().batch, self.backend.now());
    }
}

impl Backend for View<'_> {
    fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    fn now(&self) -> Instant {
        self.backend.now()
    }

    fn fetch(&mut self, parts: &[Part]) -> Result<(), BackendError> {
        let mut wanted = parts.to_vec();
        // What the commands change must be there, and what may hinder them.
        for part in parts {
            let headers = [What::Tables, What::Chains, What::Sets, What::Objects(None), What::Flowtables];
            let rules = [What::AnonymousElements, What::Rules];
            wanted.extend(headers.into_iter().chain(rules).map(|what| Part::new(what, part.within.clone())));
        }
        wanted.extend(needs::of_changes(self.before));
        let mut asked: Vec<Part> = Vec::with_capacity(wanted.len());
        for part in wanted {
            if !asked.contains(&part) {
                asked.push(part);
            }
        }
        self.backend.fetch(&asked)?;
        self.look();
        Ok(())
    }

    fn fetch_elements(
        &mut self,
        table: &TableId,
        set: &str,
        keys: &[Element],
        reset: bool,
    ) -> Result<(), BackendError> {
        self.backend.fetch_elements(table, set, keys, reset)?;
        self.look();
        Ok(())
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.backend.commit(batch)
    }

    fn hooked(
        &mut self,
        family: Family,
        hook: Hook,
        device: Option<&str>,
    ) -> Result<Vec<Hooked>, BackendError> {
        self.backend.hooked(family, hook, device)
    }
}
