//! Flowtables.

use crate::json::Node;
use ironweir_ruleset::Hook;

use super::priority::PrioritySpec;
use super::{Name, TableName, block, devices};
use crate::diag::Parsed;
use crate::lex::Sign;
use crate::parse::Parser;

/// `flowtable NAME { ... }`.
#[derive(Clone, Debug)]
pub struct FlowtableDecl {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: Name,
    /// `hook ingress priority N`; `None` where a change (more devices) does not say.
    pub hook: Option<(Hook, PrioritySpec)>,
    /// On which devices.
    pub devices: Vec<Name>,
    /// `flags offload`.
    pub hw_offload: bool,
    /// `counter`.
    pub counter: bool,
}

impl FlowtableDecl {
    /// A flowtable with nothing in it.
    pub fn new(table: TableName, name: Name) -> FlowtableDecl {
        FlowtableDecl { table, name, hook: None, devices: Vec::new(), hw_offload: false, counter: false }
    }

    /// `{ ... }`.
    pub fn parse_block(mut self, p: &mut Parser<'_>) -> Parsed<FlowtableDecl> {
        if p.is(Sign::BraceOpen) {
            block(p, &mut self, item)?;
        }
        Ok(self)
    }
}

fn item(p: &mut Parser<'_>, flowtable: &mut FlowtableDecl) -> Parsed<()> {
    match p.word() {
        "hook" => {
            p.next();
            p.expect_word("ingress")?;
            p.expect_word("priority")?;
            flowtable.hook = Some((Hook::Ingress, PrioritySpec::parse(p)?));
        }
        "devices" => {
            p.next();
            p.expect(Sign::Assign)?;
            flowtable.devices.extend(devices(p)?);
        }
        "counter" => {
            p.next();
            flowtable.counter = true;
        }
        "flags" => {
            p.next();
            p.expect_word("offload")?;
            flowtable.hw_offload = true;
        }
        _ => {
            return Err(p.unexpected_word(
                "hook, devices, counter or flags",
                &["hook", "devices", "counter", "flags"],
            ));
        }
    }
    Ok(())
}

impl FlowtableDecl {
    /// A flowtable as it is listed.
    pub fn from_json(node: Node<'_>) -> Parsed<FlowtableDecl> {
        let table = TableName::from_json(node, "table")?;
        let name = Name::from_json(node.need("name")?, "a flowtable's name")?;
        let mut flowtable = FlowtableDecl::new(table, name);
        flowtable.devices = super::devices_from_json(node)?;
        if let Some(hook) = node.get("hook") {
            let priority = PrioritySpec::from_json(node.need("prio")?)?;
            flowtable.hook = Some((super::chain::hook_from_json(hook)?, priority));
        }
        for flag in node.get("flags").map(Node::one_or_more).unwrap_or_default() {
            flag.one_of("flowtable flag", &["offload"])?;
            flowtable.hw_offload = true;
        }
        flowtable.counter = node.get("counter").map_or(Ok(false), Node::boolean)?;
        Ok(flowtable)
    }
}
