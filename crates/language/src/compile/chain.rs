//! Chains.

use ironweir_ruleset::{BaseChain, Chain, Change, Creation, Family, Hook, Selector};

use super::{Compiler, comment, no_hook};
use crate::decl::chain::ChainDecl;
use crate::decl::{Name, TableName};
use crate::diag::{Diagnostic, Parsed};

impl Compiler<'_> {
    /// A chain without its rules.
    pub(super) fn chain(&mut self, decl: &ChainDecl, creation: Creation) -> Parsed<()> {
        let id = &decl.table.id;
        let base = self.base_of(decl)?;
        self.cache.declare_chain(id, &decl.name.text, base.clone());
        let userdata = comment(decl.comment.as_deref(), decl.name.span)?;
        let chain = Chain {
            name: decl.name.text.clone(),
            base,
            binding: None,
            userdata,
            unknown: Default::default(),
        };
        let span = decl.base.as_ref().map_or(decl.name.span, |_| decl.name.span);
        self.push(Change::NewChain { table: id.clone(), chain, creation }, span);
        Ok(())
    }

    fn base_of(&mut self, decl: &ChainDecl) -> Parsed<Option<BaseChain>> {
        let id = &decl.table.id;
        let policy = decl.policy.map(|(policy, _)| policy);
        let mut devices: Vec<Box<str>> = decl.devices.iter().map(|name| name.text.clone()).collect();
        let Some(base) = &decl.base else {
            if policy.is_none() && devices.is_empty() && !decl.hw_offload {
                return Ok(None);
            }
            // A base chain that exists gets another policy or more devices.
            let Some(mut base) = self.cache.base_chain(self.ruleset, id, &decl.name.text) else {
                let span = decl.policy.map(|(_, span)| span).or(decl.devices.first().map(|name| name.span));
                let message = "only base chains have a policy, devices or flags";
                return Err(Diagnostic::error(span.unwrap_or(decl.name.span), message)
                    .help("say 'type ... hook ... priority ...' first"));
            };
            base.policy = policy;
            base.devices = devices;
            base.hw_offload |= decl.hw_offload;
            return Ok(Some(base));
        };
        let (hook, span) = base.hook;
        if hook.number(id.family).is_none() && !is_ingress(id.family, hook) {
            return Err(no_hook(id.family, span));
        }
        devices.splice(0..0, base.devices.iter().map(|name| name.text.clone()));
        let priority = base.priority.resolve(id.family, hook)?;
        Ok(Some(BaseChain { kind: base.kind, hook, priority, devices, policy, hw_offload: decl.hw_offload }))
    }

    /// `rename chain`.
    pub(super) fn rename(&mut self, table: &TableName, chain: &Name, to: &Name) -> Parsed<()> {
        let base = self.cache.base_chain(self.ruleset, &table.id, &chain.text);
        self.cache.remove_chain(&table.id, &chain.text);
        self.cache.declare_chain(&table.id, &to.text, base);
        let change = Change::RenameChain {
            table: table.id.clone(),
            chain: Selector::Name(chain.text.clone()),
            name: to.text.clone(),
        };
        self.push(change, chain.span);
        Ok(())
    }
}

/// Families in whose words there is an ingress hook.
fn is_ingress(family: Family, hook: Hook) -> bool {
    hook == Hook::Ingress && matches!(family, Family::Inet | Family::Netdev)
}
