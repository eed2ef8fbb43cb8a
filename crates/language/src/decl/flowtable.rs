//! Flowtables.

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
