//! Events as text.

use std::fmt::Write as _;

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::netlink::{Generation, Gone, RuleMessage, Told, Verb};
use ironweir_ruleset::{Chain, Element, Handle, Policy, TableFlags, TableId};
use ironweir_wire::Instant;

use super::Events;
use crate::list::{Lister, devices, flag_words, priority_text};

impl Events {
    /// What was made or changed, and is in the mirror by now.
    pub(super) fn made(&self, told: &Told, verb: Verb, now: Instant, out: &mut String) {
        let lister = self.lister(now);
        match told {
            Told::Table(told) => {
                let _ = write!(out, "{} table {}", verb.name(), told.table.id);
                if told.table.flags != TableFlags::empty() {
                    let _ = write!(out, " {{ flags {}; }}", flag_words(told.table.flags).join(","));
                }
                lister.handle(told.handle, out);
            }
            Told::Chain(told) => {
                let _ = write!(out, "{} ", verb.name());
                self.chain(&told.table, &told.chain, out);
                lister.handle(told.handle, out);
            }
            Told::Set(told) => {
                let table = self.mirror.ruleset().table(&told.table);
                let Some((table, set)) = table.and_then(|table| Some((table, table.set(&told.set.name)?)))
                else {
                    return;
                };
                if set.is_anonymous() {
                    return;
                }
                let word = if set.set.data.is_some() { "map" } else { "set" };
                let mut block = String::new();
                lister.set_block_with(table, set, Some(Vec::new()), &mut block);
                let head = (word, &told.table, &*told.set.name, told.handle);
                self.block(verb, head, &block, "; ", &lister, out);
            }
            Told::Object(told) => {
                let table = self.mirror.ruleset().table(&told.table);
                let kind = told.object.object_type();
                let Some(object) = table.and_then(|table| table.object(kind, &told.object.name)) else {
                    return;
                };
                let mut block = String::new();
                lister.object_block(object, &mut block);
                let head = (kind.name(), &told.table, &*told.object.name, told.handle);
                self.block(verb, head, &block, separator(kind), &lister, out);
            }
            Told::Flowtable(told) => {
                let table = self.mirror.ruleset().table(&told.table);
                let found = table.and_then(|table| Some((table, table.flowtable(&told.flowtable.name)?)));
                let Some((table, flowtable)) = found else { return };
                let mut block = String::new();
                lister.flowtable_block(table, flowtable, &mut block);
                let head = ("flowtable", &told.table, &*told.flowtable.name, told.handle);
                self.block(verb, head, &block, "; ", &lister, out);
            }
            Told::Generation(generation) => return self::generation(generation, out),
            _ => return,
        }
        out.push('\n');
    }

    /// `chain inet t c { type filter hook input priority 0; policy accept; }`. Devices are those of the event.
    fn chain(&self, table: &TableId, chain: &Chain, out: &mut String) {
        let _ = write!(out, "chain {table} {}", chain.name);
        let Some(base) = &chain.base else { return };
        let _ = write!(out, " {{ type {} hook {}", base.kind.name(), base.hook);
        if !base.devices.is_empty() {
            let _ = write!(out, " devices = {}", devices(&base.devices));
        }
        let priority = priority_text(table.family, base.hook, base.priority, self.options.priority_numbers());
        let policy = base.policy.unwrap_or(Policy::Accept);
        let _ = write!(out, " priority {priority}; policy {}; }}", policy.name());
    }

    /// A block as a listing has it, on one line.
    fn block(
        &self,
        verb: Verb,
        (word, table, name, handle): (&str, &TableId, &str, Handle),
        block: &str,
        separator: &str,
        lister: &Lister<'_>,
        out: &mut String,
    ) {
        let _ = write!(out, "{} {word} {table} {name} {{", verb.name());
        lister.handle(handle, out);
        out.push(' ');
        let inside = block.lines().skip(1).map(str::trim).filter(|line| *line != "}");
        for line in inside {
            // How many elements it has now is not part of the declaration.
            let line = line.split_once("\t# ").map_or(line, |(line, _)| line);
            out.push_str(line.trim_end_matches(';'));
            out.push_str(separator);
        }
        // nft has a blank there, too.
        out.push_str("} ");
    }

    pub(super) fn rule_text(&self, rule: &RuleMessage, verb: Verb, now: Instant, out: &mut String) {
        let _ = write!(out, "{} rule {} {}", verb.name(), rule.table, rule.chain);
        if verb == Verb::Delete {
            let _ = writeln!(out, " handle {}", rule.handle);
            return;
        }
        if let Some(position) = rule.position {
            let _ = write!(out, " handle {position}");
        }
        let lister = self.lister(now);
        let Some(table) = self.mirror.ruleset().table(&rule.table) else {
            let _ = writeln!(out, " # handle {}", rule.handle);
            return;
        };
        let _ = write!(out, " {}", lister.rule_line(table, &rule.rule));
        lister.handle(rule.handle, out);
        out.push('\n');
    }

    pub(super) fn gone_text(&self, gone: &Gone, now: Instant, out: &mut String) {
        let lister = self.lister(now);
        out.push_str("delete ");
        let handle = match gone {
            Gone::Table { id, handle } => {
                let _ = write!(out, "table {id}");
                handle
            }
            Gone::Chain { table, name, handle, devices } => {
                match self.part_of_chain(table, name, devices) {
                    Some(part) => self.chain(table, &part, out),
                    None => {
                        let _ = write!(out, "chain {table} {name}");
                    }
                }
                handle
            }
            Gone::Set { table, name, handle } => {
                let set = self.mirror.ruleset().table(table).and_then(|state| state.set(name));
                if set.is_some_and(|set| set.is_anonymous()) {
                    out.truncate(out.len() - "delete ".len());
                    return;
                }
                let word = if set.is_some_and(|set| set.set.data.is_some()) { "map" } else { "set" };
                let _ = write!(out, "{word} {table} {name}");
                handle
            }
            Gone::Object { table, kind, name, handle } => {
                let _ = write!(out, "{} {table} {name}", kind.name());
                handle
            }
            Gone::Flowtable { table, name, handle, devices: gone } => {
                let _ = write!(out, "flowtable {table} {name}");
                let state = self.mirror.ruleset().table(table);
                if let Some(known) =
                    state.and_then(|state| state.flowtable(name)).filter(|_| !gone.is_empty())
                {
                    let hook = known.flowtable.hook.unwrap_or(ironweir_ruleset::Hook::Ingress);
                    let numeric = self.options.priority_numbers();
                    let priority = priority_text(table.family, hook, known.flowtable.priority, numeric);
                    let _ =
                        write!(out, " {{ hook {hook} priority {priority}; devices = {}; }}", devices(gone));
                }
                handle
            }
            Gone::Rule(_) | Gone::Elements(_) => return,
        };
        lister.handle(*handle, out);
        out.push('\n');
    }

    /// The chain with the devices that left it, where it stays itself.
    pub(super) fn part_of_chain(&self, table: &TableId, name: &str, left: &[Box<str>]) -> Option<Chain> {
        if left.is_empty() {
            return None;
        }
        let known = self.mirror.ruleset().table(table)?.chain(name)?;
        let mut part = known.chain.clone();
        part.base.as_mut()?.devices = left.to_vec();
        Some(part)
    }

    pub(super) fn element_text(
        &self,
        table: &TableId,
        set: &str,
        verb: Verb,
        element: &[Element],
        now: Instant,
        out: &mut String,
    ) {
        let state = self.mirror.ruleset().table(table);
        let Some((state, set)) = state.and_then(|state| Some((state, state.set(set)?))) else { return };
        self.lister(now).each_element(state, &set.set, element, |text| {
            let _ = writeln!(out, "{} element {table} {} {{ {text} }}", verb.name(), set.set.name);
        });
    }
}

/// `# new generation 5 by process 123 (nft)`.
fn generation(told: &Generation, out: &mut String) {
    let _ = write!(out, "# new generation {}", told.id);
    if let Some(pid) = told.pid {
        let name = told.process.as_deref().unwrap_or_default();
        let _ = write!(out, " by process {pid} ({name})");
    }
    out.push('\n');
}

/// What stands behind each line of an object: those with one line have nothing there.
fn separator(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::Counter
        | ObjectType::Quota
        | ObjectType::Limit
        | ObjectType::Connlimit
        | ObjectType::Secmark => " ",
        _ => "; ",
    }
}
