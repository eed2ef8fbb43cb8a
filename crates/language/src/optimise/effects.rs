//! What the rules behind a jump may change of a packet before evaluation comes back.

use std::collections::HashMap;

use ironweir_expr::Expr as Code;
use ironweir_ruleset::{Part, TableId, What, Within};

use super::{Parts, Role};
use crate::ast::Rule;
use crate::cmd::{self, Command, CommandKind, Declaration, Flush, Which};
use crate::decl::chain::ChainDecl;
use crate::expr::verdict::{Target, Verdict};
use crate::expr::{Expr, ExprKind};
use crate::session::Backend;

/// What one selector reads. Devices and protocols of a packet stay what they are while a chain is evaluated.
pub(super) fn read(selector: &Expr) -> Parts {
    const LASTING: [&str; 10] = [
        "iif", "iifname", "iiftype", "iifgroup", "oif", "oifname", "oiftype", "oifgroup", "l4proto",
        "nfproto",
    ];
    match &selector.kind {
        ExprKind::Payload(_) | ExprKind::RawPayload(_) => Parts::PACKET,
        ExprKind::Meta(meta) if LASTING.contains(&&*meta.key) => Parts::empty(),
        ExprKind::Meta(_) => Parts::META,
        ExprKind::Ct(_) => Parts::CONNECTION,
        ExprKind::Binary(node) => read(&node.left),
        _ => Parts::all(),
    }
}

/// What an expression changes that is committed.
fn written_by(code: &Code) -> Parts {
    match code {
        Code::Immediate(_)
        | Code::Cmp(_)
        | Code::Range(_)
        | Code::Bitwise(_)
        | Code::Byteorder(_)
        | Code::Lookup(_)
        | Code::PayloadLoad(_)
        | Code::MetaGet(_)
        | Code::CtGet(_)
        | Code::Counter(_)
        | Code::Limit(_)
        | Code::Quota(_)
        | Code::Log(_)
        | Code::Reject(_) => Parts::empty(),
        _ => Parts::all(),
    }
}

/// What the chains of a text's tables change.
#[derive(Debug, Default)]
pub(super) struct Effects {
    tables: HashMap<TableId, Chains>,
    /// Whether the text begins with flushing all that is there.
    flushed: bool,
}

/// Those of one table.
#[derive(Debug, Default)]
struct Chains {
    by_name: HashMap<Box<str>, Effect>,
    /// What rules change that are there already; `None` until it is asked.
    there: Option<Parts>,
    /// What all of its chains in the text change; `None` until each holds what those change that it jumps to.
    all: Option<Parts>,
}

#[derive(Debug, Default)]
struct Effect {
    writes: Parts,
    targets: Vec<Box<str>>,
    /// Whether it may jump to any chain of the table, as a map says.
    anywhere: bool,
}

impl Effects {
    /// Of all chains that commands give rules to.
    pub(super) fn of(commands: &[Command]) -> Effects {
        let mut effects = Effects::default();
        commands.iter().for_each(|command| effects.command(&command.kind));
        effects
    }

    fn command(&mut self, command: &CommandKind) {
        match command {
            CommandKind::Declare(_, Declaration::Table(table)) => {
                table.chains.iter().for_each(|chain| self.declared(chain));
            }
            CommandKind::Declare(_, Declaration::Chain(chain)) => self.declared(chain),
            CommandKind::Rule(command) => {
                let chains = self.tables.entry(command.table.id.clone()).or_default();
                chains.by_name.entry(command.chain.text.clone()).or_default().rule(&command.rule);
            }
            // What goes by a new name is not followed.
            CommandKind::Rename { table, to, .. } => {
                let chains = self.tables.entry(table.id.clone()).or_default();
                chains.by_name.entry(to.text.clone()).or_default().writes = Parts::all();
            }
            CommandKind::Flush(Flush::Ruleset(None)) if self.tables.is_empty() => self.flushed = true,
            CommandKind::Flush(Flush::Table(table)) => self.emptied(table.id.clone()),
            CommandKind::Delete { what: cmd::Target::Table(family, Which::Name(name)), .. } => {
                self.emptied(TableId::new(*family, name.text.clone()));
            }
            _ => {}
        }
    }

    fn declared(&mut self, chain: &ChainDecl) {
        if !chain.rules.is_empty() {
            let chains = self.tables.entry(chain.table.id.clone()).or_default();
            let effect = chains.by_name.entry(chain.name.text.clone()).or_default();
            chain.rules.iter().for_each(|rule| effect.rule(rule));
        }
    }

    fn emptied(&mut self, table: TableId) {
        self.tables.entry(table).or_default().there = Some(Parts::empty());
    }

    /// What a chain changes with all that it jumps to, in the text and in the ruleset that the text changes.
    pub(super) fn behind(&mut self, table: &TableId, chain: &str, backend: &mut dyn Backend) -> Parts {
        let flushed = self.flushed;
        let chains = self.tables.entry(table.clone()).or_default();
        let all = chains.close();
        let written = chains.by_name.get(chain).map_or(Parts::empty(), |effect| effect.writes);
        written
            | *chains.there.get_or_insert_with(|| match flushed {
                true => Parts::empty(),
                // Rules that are there may jump to chains of the text.
                false => there(table, backend).map_or(Parts::empty(), |there| there | all),
            })
    }
}

impl Effect {
    fn rule(&mut self, rule: &Rule) {
        for stmt in &rule.stmts {
            self.writes |= stmt.kind.writes();
            match stmt.kind.role() {
                Role::Verdict(verdict) => self.verdict(verdict),
                Role::Map(vmap) => match &vmap.map.kind {
                    ExprKind::Set(set) => {
                        for element in &set.elements {
                            if let Some(Expr { kind: ExprKind::Verdict(verdict), .. }) = &element.data {
                                self.verdict(verdict);
                            }
                        }
                    }
                    _ => self.anywhere = true,
                },
                _ => {}
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Jump(Target::Chain { name, .. }) | Verdict::Goto(Target::Chain { name, .. }) => {
                self.targets.push(name.clone());
            }
            // Blocks lie in one another as deep as the parser allows.
            Verdict::Jump(Target::Block(rules)) | Verdict::Goto(Target::Block(rules)) => {
                rules.iter().for_each(|rule| self.rule(rule));
            }
            _ => {}
        }
    }
}

impl Chains {
    /// Adds to each chain what those change that it jumps to. Each is looked at again only when it changes more than
    /// before, which is three times at most. Tells what all of them change.
    fn close(&mut self) -> Parts {
        if let Some(all) = self.all {
            return all;
        }
        let all = self.by_name.values().fold(Parts::empty(), |all, effect| all | effect.writes);
        self.all = Some(all);
        let mut callers: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
        for (name, effect) in &mut self.by_name {
            if effect.anywhere {
                effect.writes |= all;
            }
            for target in std::mem::take(&mut effect.targets) {
                callers.entry(target).or_default().push(name.clone());
            }
        }
        let mut changed: Vec<Box<str>> = self.by_name.keys().cloned().collect();
        while let Some(name) = changed.pop() {
            let Some(writes) = self.by_name.get(&name).map(|effect| effect.writes) else { continue };
            for caller in callers.get(&name).into_iter().flatten() {
                if let Some(effect) = self.by_name.get_mut(caller)
                    && !effect.writes.contains(writes)
                {
                    effect.writes |= writes;
                    changed.push(caller.clone());
                }
            }
        }
        all
    }
}

/// What the rules of a table change that are there already, those of all its chains together; `None` where there are
/// none.
fn there(table: &TableId, backend: &mut dyn Backend) -> Option<Parts> {
    let within = Within::Table(table.clone());
    let parts = [What::Tables, What::Chains, What::Rules].map(|what| Part::new(what, within.clone()));
    if backend.fetch(&parts).is_err() {
        return Some(Parts::all());
    }
    let chains = backend.ruleset().table(table)?.chains();
    let rules = chains.flat_map(|chain| chain.rules()).map(|rule| &rule.rule.exprs);
    let writes = rules.map(|exprs| exprs.iter().fold(Parts::empty(), |all, code| all | written_by(code)));
    writes.reduce(|all, one| all | one)
}
