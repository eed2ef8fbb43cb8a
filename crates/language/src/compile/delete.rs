//! `delete` and `destroy`.

use ironweir_ruleset::{Change, RuleSelector, Selector, TableId};

use super::Compiler;
use crate::cmd::{Target, Which};
use crate::diag::Parsed;
use crate::source::Span;

impl Which {
    fn selector(&self) -> Selector {
        match self {
            Which::Name(name) => Selector::Name(name.text.clone()),
            Which::Handle(handle, _) => Selector::Handle(*handle),
        }
    }

    fn span(&self) -> Span {
        match self {
            Which::Name(name) => name.span,
            Which::Handle(_, span) => *span,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Which::Name(name) => Some(&name.text),
            Which::Handle(..) => None,
        }
    }
}

impl Compiler<'_> {
    pub(super) fn delete(&mut self, what: &Target, missing_ok: bool, _command: Span) -> Parsed<()> {
        match what {
            Target::Table(family, which) => {
                if let Some(name) = which.name() {
                    self.cache.remove_table(&TableId::new(*family, name));
                }
                let change = Change::DelTable { family: *family, which: which.selector(), missing_ok };
                self.push(change, which.span());
            }
            Target::Chain(table, which, block) => {
                let devices: Vec<Box<str>> =
                    block.iter().flat_map(|chain| &chain.devices).map(|name| name.text.clone()).collect();
                if let (Some(name), true) = (which.name(), devices.is_empty()) {
                    self.cache.remove_chain(&table.id, name);
                }
                let chain = which.selector();
                let change = Change::DelChain { table: table.id.clone(), chain, devices, missing_ok };
                self.push(change, which.span());
            }
            Target::Rule { table, chain, handle: (handle, span) } => {
                let rule = RuleSelector::Handle(*handle);
                self.cache.rules(self.ruleset, &table.id, &chain.text).retain(|known| *known != rule);
                let chain = chain.text.clone();
                self.push(Change::DelRule { table: table.id.clone(), chain, rule, missing_ok }, *span);
            }
            Target::Set(table, which) => {
                if let Some(name) = which.name() {
                    self.cache.remove_set(&table.id, name);
                }
                let change = Change::DelSet { table: table.id.clone(), set: which.selector(), missing_ok };
                self.push(change, which.span());
            }
            Target::Elements(elements) => self.delete_elements(elements, missing_ok)?,
            Target::Flowtable(table, which, block) => {
                let devices =
                    block.iter().flat_map(|decl| &decl.devices).map(|name| name.text.clone()).collect();
                let flowtable = which.selector();
                let change = Change::DelFlowtable { table: table.id.clone(), flowtable, devices, missing_ok };
                self.push(change, which.span());
            }
            Target::Object(kind, table, which) => {
                let (kind, object) = (*kind, which.selector());
                self.push(
                    Change::DelObject { table: table.id.clone(), kind, object, missing_ok },
                    which.span(),
                );
            }
        }
        Ok(())
    }
}
