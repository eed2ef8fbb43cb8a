//! `list`, `reset` and `get`.

use ironweir_ruleset::store::{SetState, TableState, reset_exprs, reset_object};
use ironweir_ruleset::{Element, ElementFlags, Expr, Family, Ruleset, Set, SetFlags, TableId, Value};

use super::{Backend, Session, needs, unavailable};
use crate::cmd::{self, Listing};
use crate::compile::Compiler;
use crate::decl::element::ElementsDecl;
use crate::decl::{Name, TableName};
use crate::diag::{Code, Diagnostic, Parsed, nearest, short};
use crate::interval::{self, Member};
use crate::list::{self, Lister, SetKind};
use crate::source::Span;

impl From<cmd::SetKind> for SetKind {
    fn from(kind: cmd::SetKind) -> SetKind {
        match kind {
            cmd::SetKind::Set => SetKind::Set,
            cmd::SetKind::Map => SetKind::Map,
            cmd::SetKind::Meter => SetKind::Meter,
        }
    }
}

impl Session {
    fn lister<'a>(&'a self, backend: &'a dyn Backend) -> Lister<'a> {
        Lister { ruleset: backend.ruleset(), options: self.options, names: &self.names, now: backend.now() }
    }

    /// The text of a listing.
    pub(super) fn list(&self, listing: &Listing, backend: &dyn Backend, span: Span) -> Parsed<String> {
        let lister = self.lister(backend);
        let ruleset = backend.ruleset();
        let in_table = |table: &TableName, name: &Name, what: &str, found: Option<String>| {
            found.ok_or_else(|| missing(ruleset, table, name, what))
        };
        let exists = |table: &Option<TableName>| match table {
            Some(table) if ruleset.table(&table.id).is_none() => Err(no_table(ruleset, table)),
            _ => Ok(()),
        };
        match listing {
            Listing::Ruleset(family) => Ok(lister.ruleset(*family)),
            Listing::Tables(family) => Ok(lister.tables(*family)),
            Listing::Table(table) => lister.table(&table.id).ok_or_else(|| no_table(ruleset, table)),
            Listing::Chains(family) => Ok(lister.chains(*family)),
            Listing::Chain(table, name) => {
                in_table(table, name, "chain", lister.chain(&table.id, &name.text))
            }
            Listing::Sets(kind, family, table) => {
                exists(table)?;
                Ok(lister.sets(*family, table.as_ref().map(|table| &table.id), (*kind).into()))
            }
            Listing::Set(kind, table, name) => {
                let found = lister.set(&table.id, &name.text).filter(|_| {
                    let set = ruleset.table(&table.id).and_then(|table| table.set(&name.text));
                    set.is_some_and(|set| kind.includes(&set.set))
                });
                in_table(table, name, "set", found)
            }
            Listing::Flowtables(family) => Ok(lister.flowtables(*family, None)),
            Listing::Flowtable(table, name) => {
                in_table(table, name, "flowtable", lister.flowtable(&table.id, &name.text))
            }
            Listing::Objects(kind, family, table) => {
                exists(table)?;
                Ok(lister.objects(*family, table.as_ref().map(|table| &table.id), *kind))
            }
            Listing::Object(kind, table, name) => {
                in_table(table, name, kind.name(), lister.object(&table.id, *kind, &name.text))
            }
            Listing::Hooks(..) => {
                Err(Diagnostic::error(span, "hooks are the kernel's: there are none to list here"))
            }
            Listing::Rules(_, Some(table), Some(chain)) => {
                in_table(table, chain, "chain", lister.chain(&table.id, &chain.text))
            }
            Listing::Rules(_, Some(table), None) => {
                lister.table(&table.id).ok_or_else(|| no_table(ruleset, table))
            }
            Listing::Rules(family, None, _) => Ok(lister.ruleset(*family)),
            Listing::Rule(table, chain, handle) => {
                let found = ruleset.table(&table.id).and_then(|table| table.chain(&chain.text));
                let Some(found) = found else { return Err(missing(ruleset, table, chain, "chain")) };
                if found.rule(*handle).is_none() {
                    let message =
                        format!("there is no rule with handle {handle} in chain {}", short(&chain.text));
                    return Err(Diagnostic::error(span, message));
                }
                in_table(table, chain, "chain", lister.rule(&table.id, &chain.text, *handle))
            }
            // Its keys are read before it is fetched: see `get`.
            Listing::Elements(_) => Ok(String::new()),
        }
    }

    /// Sets to zero what a listing showed.
    pub(super) fn reset(&self, listing: &Listing, backend: &dyn Backend) {
        let ruleset = backend.ruleset();
        let tables = |family: Option<ironweir_ruleset::Family>, only: Option<&TableId>| {
            let only = only.cloned();
            ruleset.tables().filter(move |table| {
                let id = &table.table.id;
                family.is_none_or(|family| id.family == family) && only.as_ref().is_none_or(|only| id == only)
            })
        };
        match listing {
            Listing::Objects(kind, family, table) => {
                for table in tables(*family, table.as_ref().map(|table| &table.id)) {
                    table
                        .objects()
                        .filter(|object| object.object.object_type() == *kind)
                        .for_each(|object| reset_object(&object.object.kind));
                }
            }
            Listing::Object(kind, table, name) => {
                let object = ruleset.table(&table.id).and_then(|table| table.object(*kind, &name.text));
                object.into_iter().for_each(|object| reset_object(&object.object.kind));
            }
            Listing::Set(_, table, name) => {
                let set = ruleset.table(&table.id).and_then(|table| table.set(&name.text));
                set.into_iter()
                    .flat_map(SetState::elements)
                    .filter_map(|element| element.more)
                    .for_each(|more| reset_exprs(&more.exprs));
            }
            Listing::Rules(family, table, chain) => {
                for table in tables(*family, table.as_ref().map(|table| &table.id)) {
                    reset_rules(table, chain.as_ref().map(|chain| &*chain.text));
                }
            }
            Listing::Rule(table, chain, handle) => {
                let chain = ruleset.table(&table.id).and_then(|table| table.chain(&chain.text));
                if let Some(rule) = chain.and_then(|chain| chain.rule(*handle)) {
                    reset_exprs(&rule.rule.exprs);
                }
            }
            _ => {}
        }
    }

    /// `get element`: the elements that hold the keys asked for. `reset element` sets to zero what they counted as well.
    pub(super) fn get(&self, decl: &ElementsDecl, backend: &mut dyn Backend, reset: bool) -> Parsed<String> {
        backend.fetch(&needs::of_get(decl)).map_err(|error| unavailable(&error))?;
        if backend.ruleset().table(&decl.table.id).and_then(|table| table.set(&decl.set.text)).is_none() {
            backend.fetch(&needs::names()).map_err(|error| unavailable(&error))?;
            return Err(missing(backend.ruleset(), &decl.table, &decl.set, "set"));
        }
        let (set, asked) = Compiler::new(backend.ruleset(), &self.names, backend.now()).asked(decl)?;
        let keys = keys_of(&set, &asked);
        backend
            .fetch_elements(&decl.table.id, &decl.set.text, &keys, reset)
            .map_err(|error| unavailable(&error))?;
        let ruleset = backend.ruleset();
        let Some(state) = ruleset.table(&decl.table.id).and_then(|table| table.set(&decl.set.text)) else {
            return Err(missing(ruleset, &decl.table, &decl.set, "set"));
        };
        let stored: Vec<Element> = state.dump(backend.now()).collect();
        let mut found: Vec<Element> = Vec::new();
        let segments = set.flags.contains(SetFlags::INTERVAL) && !set.flags.contains(SetFlags::CONCAT);
        let intervals = if segments { interval::intervals(stored.clone()) } else { Vec::new() };
        for member in &asked {
            let before = found.len();
            if member.element.flags.contains(ElementFlags::CATCHALL) {
                found.extend(stored.iter().find(|e| e.flags.contains(ElementFlags::CATCHALL)).cloned());
            } else if segments {
                let holds = |known: &&Member| known.first <= member.first && member.last <= known.last;
                if let Some(known) = intervals.iter().find(holds) {
                    found.push(known.element.clone());
                    found.extend(interval::after(&known.last).map(|end| Element::interval_end(end.into())));
                }
            } else {
                found.extend(stored.iter().find(|known| holds(known, member, &set.fields)).cloned());
            }
            if found.len() == before {
                let message = "Could not process rule: No such file or directory";
                return Err(
                    Diagnostic::error(member.span, message).help("the set does not hold that element")
                );
            }
        }
        if !segments {
            found.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let text = self.lister(backend).set_with(&decl.table.id, &decl.set.text, found);
        for member in asked.iter().filter(|_| reset) {
            let entry = state.lookup(&member.first, backend.now());
            entry.into_iter().for_each(|(_, entry)| reset_exprs(entry.element.exprs()));
        }
        text.ok_or_else(|| missing(ruleset, &decl.table, &decl.set, "set"))
    }
}

/// What hangs at the hooks of a family, or of all.
pub(super) fn hooks(
    family: Option<Family>,
    device: Option<&str>,
    backend: &mut dyn Backend,
) -> Parsed<String> {
    let mut out = String::new();
    for (family, hooks) in list::hooks::hooks_of(family, device.is_some()) {
        let mut found = Vec::new();
        for hook in hooks {
            let hooked = backend.hooked(family, hook, device).map_err(|error| unavailable(&error))?;
            found.push((hook, hooked));
        }
        list::hooks::print(family, device, &found, &mut out);
    }
    Ok(out)
}

/// Keys as a backend is asked for them: of an interval its beginning and the first key beyond.
fn keys_of(set: &Set, asked: &[Member]) -> Vec<Element> {
    let interval = set.flags.contains(SetFlags::INTERVAL);
    let concat = set.flags.contains(SetFlags::CONCAT);
    let mut keys = Vec::with_capacity(asked.len());
    for member in asked {
        if member.element.flags.contains(ElementFlags::CATCHALL) {
            keys.push(Element::catchall());
            continue;
        }
        let mut key = Element::new(Value::new(&member.first));
        if interval && concat {
            key.more_mut().key_end = Some(Value::new(&member.last));
        }
        keys.push(key);
        if interval && !concat {
            let end = interval::after(&member.last);
            keys.extend(end.map(|end| Element::interval_end(end.into())));
        }
    }
    keys
}

/// Whether a stored key, or every field of a stored concatenation of intervals, holds what is asked for.
fn holds(known: &Element, asked: &Member, fields: &[u32]) -> bool {
    let Some(end) = known.key_end() else { return *known.key == *asked.first };
    let mut at = 0;
    !fields.is_empty()
        && fields.iter().all(|len| {
            let field = at..at + *len as usize;
            at += len.next_multiple_of(4) as usize;
            let part = |bytes: &[u8]| bytes.get(field.clone()).map(<[u8]>::to_vec);
            part(&known.key) <= part(&asked.first) && part(&asked.last) <= part(end)
        })
}

/// A remark for each listed table that iptables-nft keeps: it alone knows all that its rules mean.
pub(super) fn foreign(listing: &Listing, ruleset: &Ruleset) -> Vec<String> {
    let listed = |table: &TableState| match listing {
        Listing::Ruleset(family) => family.is_none_or(|family| table.table.id.family == family),
        Listing::Table(name) => table.table.id == name.id,
        _ => false,
    };
    let is_xt = |expr: &Expr| matches!(expr, Expr::XtMatch(_) | Expr::XtTarget(_));
    let mut tables = ruleset.tables().filter(|table| listed(table)).collect::<Vec<_>>();
    tables.retain(|table| {
        table.chains().flat_map(|chain| chain.rules()).flat_map(|rule| &rule.rule.exprs).any(is_xt)
    });
    let remark = |table: &TableState| {
        format!("# Warning: table {} is managed by iptables-nft, do not touch!", table.table.id)
    };
    tables.into_iter().map(remark).collect()
}

fn reset_rules(table: &TableState, chain: Option<&str>) {
    for state in table.chains().filter(|state| chain.is_none_or(|chain| *state.chain.name == *chain)) {
        state.rules().for_each(|rule| reset_exprs(&rule.rule.exprs));
    }
}

const MISSING: &str = "No such file or directory";

fn no_table(ruleset: &Ruleset, table: &TableName) -> Box<Diagnostic> {
    let error = Diagnostic::error(table.span, MISSING).code(Code::Missing);
    let same = ruleset.tables().map(|known| &known.table.id).find(|known| known.name == table.id.name);
    if let Some(same) = same {
        return error.help(format!("did you mean table '{}' in family {}?", same.name, same.family));
    }
    let names = ruleset.tables().map(|known| &*known.table.id.name);
    match nearest(&table.id.name, names) {
        Some(near) => error.help(format!("did you mean table '{near}'?")),
        None => error.help(format!("there is no table {}", table.id)),
    }
}

fn missing(ruleset: &Ruleset, table: &TableName, name: &Name, what: &str) -> Box<Diagnostic> {
    let Some(state) = ruleset.table(&table.id) else { return no_table(ruleset, table) };
    let error = Diagnostic::error(name.span, MISSING).code(Code::Missing);
    let names: Vec<&str> = match what {
        "chain" => state.chains().map(|known| &*known.chain.name).collect(),
        "set" => state.sets().map(|known| &*known.set.name).collect(),
        "flowtable" => state.flowtables().map(|known| &*known.flowtable.name).collect(),
        _ => state.objects().map(|known| &*known.object.name).collect(),
    };
    match nearest(&name.text, names.into_iter().filter(|known| **known != *name.text)) {
        Some(near) => error.help(format!("did you mean {what} '{near}' in table {}?", table.id)),
        None => error.help(format!("there is no {what} {} in table {}", short(&name.text), table.id)),
    }
}
