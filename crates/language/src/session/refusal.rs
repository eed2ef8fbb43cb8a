//! What a backend refused, as diagnostics at the text that asked for it.

use ironweir_ruleset::netlink::FaultPart;
use ironweir_ruleset::store::{ChangeError, Errno, ErrorKind, Thing};
use ironweir_ruleset::{Change, Element, Family, ObjectKind, Ruleset, TableId};

use super::kernel_option;
use crate::cmd::{Command, CommandKind};
use crate::compile::{Compiled, Origin};
use crate::diag::{Code, Diagnostic, nearest, short};
use crate::lex::{Lexer, TokenKind};
use crate::source::{Sources, Span};

/// What is needed to point at the text behind a refused change.
pub(super) struct Refusals<'a> {
    pub(super) commands: &'a [Command],
    pub(super) compiled: &'a Compiled,
    pub(super) ruleset: &'a Ruleset,
    pub(super) sources: &'a Sources,
}

/// A name that the batch or the ruleset knows.
struct Known<'a> {
    what: Thing,
    name: &'a str,
    /// Where the batch declares it; [`Span::NONE`] where it is committed.
    span: Span,
}

impl Refusals<'_> {
    /// nft's words for a change that the kernel refused, why, and what was meant.
    pub(super) fn diagnostic(&self, refused: &ChangeError) -> Diagnostic {
        let text = refused.kind.errno().text();
        let span = self.span(refused);
        let message = match &refused.kind {
            ErrorKind::Overlap { .. } => "interval overlaps with an existing one".to_owned(),
            _ => format!("Could not process rule: {text}"),
        };
        let error = Diagnostic::error(span, message).code(code(&refused.kind));
        let error = match &refused.kind {
            ErrorKind::Answer { message: None, .. } => error,
            kind => error.note(kind.to_string()),
        };
        *self.explained(error, refused)
    }

    /// The element that a refusal is about, of a set of intervals: those are not in the order they were written in.
    pub(super) fn interval(&self, refused: &ChangeError) -> Option<(&TableId, &str, &Element)> {
        let at = match &refused.kind {
            ErrorKind::ElementExists { element, .. }
            | ErrorKind::Overlap { element, .. }
            | ErrorKind::NoElement { element, .. }
            | ErrorKind::BadElement { element, .. } => *element,
            ErrorKind::Answer { part: Some(FaultPart::Element(element)), .. } => *element as usize,
            _ => return None,
        };
        let (table, set, elements) = match self.compiled.batch.changes.get(refused.change)? {
            Change::NewElements { table, set, elements, .. } => (table, &set.name, elements),
            Change::DelElements { table, set, elements: Some(elements), .. } => (table, set, elements),
            _ => return None,
        };
        let placed = self.compiled.origins.get(refused.change).is_some_and(|it| !it.elements.is_empty());
        elements.get(at).filter(|_| !placed).map(|element| (table, &**set, element))
    }

    /// The thing itself, within what the change comes from.
    fn span(&self, refused: &ChangeError) -> Span {
        let Some(origin) = self.compiled.origins.get(refused.change) else { return Span::NONE };
        let element = match &refused.kind {
            ErrorKind::ElementExists { element, .. }
            | ErrorKind::Overlap { element, .. }
            | ErrorKind::NoElement { element, .. }
            | ErrorKind::BadElement { element, .. } => origin.elements.get(*element).copied(),
            ErrorKind::Answer { part: Some(FaultPart::Element(element)), .. } => {
                origin.elements.get(*element as usize).copied()
            }
            _ => None,
        };
        let whole = element.unwrap_or(origin.span);
        let jumps = ["jump", "goto"];
        let found = match &refused.kind {
            ErrorKind::NoTable(id) => self.named_table(origin, id),
            ErrorKind::NoHandle { .. } => match &self.command(origin).map(|command| &command.kind) {
                Some(CommandKind::Rule(rule)) => rule.position.map(|(_, span)| span),
                _ => None,
            },
            ErrorKind::NoSuch { what: Thing::Chain, name, .. } => {
                self.named_chain(refused.change, origin, name).or_else(|| self.word(whole, name, &jumps))
            }
            ErrorKind::JumpToBase { name, .. } => self.word(whole, name, &jumps),
            ErrorKind::Loop { chains, .. } => chains.iter().find_map(|name| self.word(whole, name, &jumps)),
            ErrorKind::NoSuch { name, .. } => self.word(whole, name, &["name", "set", "@", ":"]),
            ErrorKind::BadRule { .. } => self.statement(whole),
            ErrorKind::NoSuchHook { hook, .. } | ErrorKind::NeedsDevice(hook) => {
                self.word(self.behind(origin), hook.name(), &["hook"])
            }
            ErrorKind::NatPriority => self.word(self.behind(origin), "priority", &[]),
            _ => None,
        };
        found.unwrap_or(whole)
    }

    fn explained(&self, error: Box<Diagnostic>, refused: &ChangeError) -> Box<Diagnostic> {
        match &refused.kind {
            ErrorKind::NoTable(id) => self.table_meant(error, id),
            ErrorKind::NoSuch { what, table, name } => self.name_meant(error, *what, table, name),
            ErrorKind::TableExists(id) => self
                .declared_here(error, Thing::Table, id, &id.name, refused.change)
                .help("'add table' changes nothing where the table exists"),
            ErrorKind::Exists { what, table, name } => self
                .declared_here(error, *what, table, name, refused.change)
                .help(format!("'add {what}' changes nothing where it exists")),
            ErrorKind::Differs { what, table, name, .. } => {
                self.declared_here(error, *what, table, name, refused.change)
            }
            ErrorKind::JumpToBase { table, name } => self
                .declared_here(error, Thing::Chain, table, name, usize::MAX)
                .help("rules jump to chains without 'type ... hook ...': move what both need into one"),
            ErrorKind::InUse { what, table, name } => self.users(error, *what, table, name),
            ErrorKind::Loop { table, chains, .. } => self.jumps_of_loop(error, table, chains),
            ErrorKind::NoSuchHook { family, kind, .. } => {
                let hooks = hooks_of(*family, kind);
                if hooks.is_empty() {
                    error
                } else {
                    error.help(format!("{kind} chains of family {family} have the hooks {hooks}"))
                }
            }
            ErrorKind::NeedsDevice(hook) => {
                error.help(format!("say which: hook {hook} device \"eth0\" priority ..."))
            }
            ErrorKind::BadRule { .. } => self.base_of(error, refused.change),
            ErrorKind::Answer { errno, .. } => self.answered(error, *errno, refused),
            _ => error,
        }
    }

    /// What a kernel may mean by an error number where nothing is wrong with the change in itself.
    fn answered(&self, error: Box<Diagnostic>, errno: Errno, refused: &ChangeError) -> Box<Diagnostic> {
        let Some(change) = self.compiled.batch.changes.get(refused.change) else { return error };
        if let Some(option) = kernel_option::missing(change, &refused.kind) {
            return error.help(format!("this kernel may be built without {option}"));
        }
        if let (Errno::ENOENT, Change::NewObject { object, .. }) = (errno, change)
            && let ObjectKind::CtHelper(helper) = &object.kind
        {
            return error.note(format!("the kernel has no connection tracking helper \"{}\"", helper.helper));
        }
        match (errno, change.table()) {
            (Errno::EPERM, Some(table)) => error.note(format!(
                "table {table} belongs to another program (flag 'owner'): it alone may change it"
            )),
            (Errno::ENODEV, _) => error.note("there is no such network device"),
            (Errno::ENOMEM, _) => error.note("the kernel has no memory left for it"),
            _ => error,
        }
    }

    /// Whether the word before a place is the family `ip`.
    fn follows_family(&self, place: Span) -> bool {
        let before =
            self.sources.get(place.source).and_then(|source| source.text.get(..place.start as usize));
        before.is_some_and(|text| text.split_whitespace().next_back() == Some("ip"))
    }

    /// A table of the same name in another family is what is meant most often.
    fn table_meant(&self, error: Box<Diagnostic>, id: &TableId) -> Box<Diagnostic> {
        let batch = self.compiled.batch.changes.iter().zip(&self.compiled.origins);
        let declared = batch.filter_map(|(change, origin)| match change {
            Change::NewTable { table, .. } => Some((&table.id, origin.span)),
            _ => None,
        });
        let committed = self.ruleset.tables().map(|table| (&table.table.id, Span::NONE));
        let known: Vec<(&TableId, Span)> =
            declared.chain(committed).filter(|(known, _)| *known != id).collect();
        if let Some((same, span)) = known.iter().find(|(known, _)| known.name == id.name) {
            let unsaid = id.family == Family::Ip && !self.follows_family(error.span);
            let rule = if unsaid { " Where no family is named it is ip" } else { "" };
            let error = error.help(format!("did you mean '{same}'?{rule}"));
            return if span.is_some() {
                error.and(*span, format!("table {same} is declared here"))
            } else {
                error
            };
        }
        let Some(near) = nearest(&id.name, known.iter().map(|(known, _)| &*known.name)) else { return error };
        let Some((table, span)) = known.iter().find(|(known, _)| &*known.name == near) else { return error };
        let error = error.help(format!("did you mean '{table}'?"));
        if span.is_some() { error.and(*span, format!("table {table} is declared here")) } else { error }
    }

    /// The same name for another thing, or the nearest name of a thing of that kind.
    fn name_meant(
        &self,
        error: Box<Diagnostic>,
        what: Thing,
        table: &TableId,
        name: &str,
    ) -> Box<Diagnostic> {
        let known = self.known(table);
        let names = known.iter().filter(|known| known.what == what).map(|known| known.name);
        if let Some(near) = nearest(name, names) {
            let span =
                known.iter().find(|known| known.what == what && known.name == near).map(|known| known.span);
            let error = error.help(format!("did you mean '{}'?", short(near)));
            return match span.filter(|span| span.is_some()) {
                Some(span) => error.and(span, format!("{what} '{}' is declared here", short(near))),
                None => error,
            };
        }
        match known.iter().find(|known| known.name == name && known.span.is_some()) {
            Some(other) => error.and(other.span, format!("'{}' is a {}", short(name), other.what)),
            None => error,
        }
    }

    /// What a table holds, of the batch and committed.
    fn known(&self, id: &TableId) -> Vec<Known<'_>> {
        let batch = self.compiled.batch.changes.iter().zip(&self.compiled.origins);
        let mut found: Vec<Known<'_>> = batch
            .filter_map(|(change, origin)| {
                let (what, table, name) = declares(change)?;
                (table == id).then_some(Known { what, name, span: origin.span })
            })
            .collect();
        let Some(table) = self.ruleset.table(id) else { return found };
        let committed = |what, name| Known { what, name, span: Span::NONE };
        found.extend(table.chains().map(|chain| committed(Thing::Chain, &*chain.chain.name)));
        found.extend(table.sets().map(|set| committed(Thing::Set, &*set.set.name)));
        found.extend(table.flowtables().map(|known| committed(Thing::Flowtable, &*known.flowtable.name)));
        found.extend(
            table
                .objects()
                .map(|object| committed(Thing::Object(object.object.object_type()), &*object.object.name)),
        );
        found
    }

    fn declared_here(
        &self,
        error: Box<Diagnostic>,
        what: Thing,
        table: &TableId,
        name: &str,
        before: usize,
    ) -> Box<Diagnostic> {
        let batch = self.compiled.batch.changes.iter().zip(&self.compiled.origins).take(before);
        let first = batch
            .filter(|(change, _)| match (what, change) {
                (Thing::Table, Change::NewTable { table: known, .. }) => known.id == *table,
                _ => declares(change).is_some_and(|known| known == (what, table, name)),
            })
            .map(|(_, origin)| origin.span)
            .next();
        match first.filter(|span| span.is_some()) {
            Some(span) => error.and(span, format!("{what} {name} is declared here")),
            None => error,
        }
    }

    /// Rules of the batch that use a thing.
    fn users(&self, error: Box<Diagnostic>, what: Thing, table: &TableId, name: &str) -> Box<Diagnostic> {
        let user =
            self.rules(table).find_map(|(_, span)| self.word(span, name, &["@", "jump", "goto", "name"]));
        match user {
            Some(span) => error.and(span, format!("this rule uses {what} {name}")),
            None => error,
        }
    }

    fn jumps_of_loop(
        &self,
        mut error: Box<Diagnostic>,
        table: &TableId,
        chains: &[Box<str>],
    ) -> Box<Diagnostic> {
        let next = chains.iter().cycle().skip(1);
        for (from, to) in chains.iter().zip(next).take(MAX_PLACES) {
            let mut of_chain = self.rules(table).filter(|(chain, _)| *chain == &**from);
            let jump = of_chain.find_map(|(_, span)| self.word(span, to, &["jump", "goto"]));
            if let Some(span) = jump {
                error = error.and(span, format!("chain {from} goes to {to} here"));
            }
        }
        error
    }

    /// Which base chain a refused statement stands in.
    fn base_of(&self, error: Box<Diagnostic>, change: usize) -> Box<Diagnostic> {
        let changes = &self.compiled.batch.changes;
        let Some(Change::NewRule { table, chain, .. }) = changes.get(change) else { return error };
        let declared = changes.iter().zip(&self.compiled.origins).find_map(|(change, origin)| match change {
            Change::NewChain { table: of, chain: known, .. } if of == table && known.name == chain.name => {
                known.base.as_ref().map(|base| (base, origin.span))
            }
            _ => None,
        });
        match declared {
            Some((base, span)) if span.is_some() => {
                let kind = base.kind.name();
                error.and(span, format!("chain {} is of type {kind} at hook {}", chain.name, base.hook))
            }
            _ => error.note(format!("it is in chain {} of table {table}", short(&chain.name))),
        }
    }

    /// Chains and places of the batch's rules in a table.
    fn rules<'s>(&'s self, id: &'s TableId) -> impl Iterator<Item = (&'s str, Span)> {
        let batch = self.compiled.batch.changes.iter().zip(&self.compiled.origins);
        batch.filter_map(move |(change, origin)| match change {
            Change::NewRule { table, chain, .. } if table == id => Some((&*chain.name, origin.span)),
            _ => None,
        })
    }

    fn command(&self, origin: &Origin) -> Option<&Command> {
        let holds = |command: &&Command| {
            let (outer, inner) = (command.span, origin.span);
            outer.source == inner.source && outer.start <= inner.start && inner.end <= outer.end
        };
        self.commands.iter().find(holds)
    }

    /// From what a change comes from to the end of its command.
    fn behind(&self, origin: &Origin) -> Span {
        let end = self.command(origin).map_or(origin.span.end, |command| command.span.end);
        Span { end, ..origin.span }
    }

    fn named_table(&self, origin: &Origin, id: &TableId) -> Option<Span> {
        let command = self.command(origin)?;
        match &command.kind {
            CommandKind::Rule(rule) => Some(rule.table.span),
            _ => self.word(command.span, &id.name, &[]),
        }
    }

    /// The chain that a rule goes to, where that is what is missing.
    fn named_chain(&self, change: usize, origin: &Origin, name: &str) -> Option<Span> {
        let change = self.compiled.batch.changes.get(change)?;
        let goes_there = matches!(change, Change::NewRule { chain, .. } if &*chain.name == name);
        match &self.command(origin)?.kind {
            CommandKind::Rule(rule) if goes_there => Some(rule.chain.span),
            _ => None,
        }
    }

    /// The one statement of a rule that not every chain takes.
    fn statement(&self, within: Span) -> Option<Span> {
        const WORDS: [&str; 13] = [
            "masquerade",
            "redirect",
            "dnat",
            "snat",
            "tproxy",
            "synproxy",
            "reject",
            "queue",
            "fwd",
            "flow",
            "fib",
            "add",
            "update",
        ];
        WORDS.iter().find_map(|word| self.word(within, word, &[]))
    }

    /// A word within a place: behind one of `after`, or else wherever it stands first.
    fn word(&self, within: Span, name: &str, after: &[&str]) -> Option<Span> {
        let source = self.sources.get(within.source)?;
        let mut lexer = Lexer::new(within.source);
        lexer.seek(within.start);
        let (mut warnings, mut before, mut first) = (Vec::new(), "", None);
        loop {
            let token = lexer.next(&source.text, &mut warnings);
            if token.kind == TokenKind::End || token.span.start >= within.end {
                return first.filter(|_| name != "set");
            }
            let text = self.sources.text(token.span);
            if text.trim_matches('"') == name {
                let place = token.span;
                if after.is_empty() || after.contains(&before) {
                    return Some(place);
                }
                first.get_or_insert(place);
            }
            before = text;
        }
    }
}

/// Places of one loop that are shown.
const MAX_PLACES: usize = 8;

fn declares(change: &Change) -> Option<(Thing, &TableId, &str)> {
    Some(match change {
        Change::NewChain { table, chain, .. } => (Thing::Chain, table, &chain.name),
        Change::NewSet { table, set, .. } => (Thing::Set, table, &set.name),
        Change::NewFlowtable { table, flowtable, .. } => (Thing::Flowtable, table, &flowtable.name),
        Change::NewObject { table, object, .. } => (Thing::Object(object.object_type()), table, &object.name),
        _ => return None,
    })
}

/// Whether an error follows from another: what it misses is what was refused.
pub(super) fn follows(error: &ChangeError, all: &[ChangeError], compiled: &Compiled) -> bool {
    let declared = all.iter().filter(|other| other.change < error.change);
    let mut declared = declared.filter_map(|other| compiled.batch.changes.get(other.change));
    match &error.kind {
        ErrorKind::NoTable(id) => {
            declared.any(|change| matches!(change, Change::NewTable { table, .. } if table.id == *id))
        }
        ErrorKind::NoSuch { what, table, name } => {
            declared.any(|change| declares(change) == Some((*what, table, &**name)))
        }
        _ => false,
    }
}

fn code(kind: &ErrorKind) -> Code {
    match kind {
        ErrorKind::NoTable(_)
        | ErrorKind::NoSuch { .. }
        | ErrorKind::NoHandle { .. }
        | ErrorKind::NoTableHandle { .. }
        | ErrorKind::NoElement { .. } => Code::Missing,
        ErrorKind::TableExists(_)
        | ErrorKind::Exists { .. }
        | ErrorKind::Differs { .. }
        | ErrorKind::ElementExists { .. } => Code::Exists,
        ErrorKind::Overlap { .. } => Code::Overlap,
        ErrorKind::Answer { errno: Errno::ENOENT, .. } => Code::Missing,
        ErrorKind::Answer { errno: Errno::EEXIST, .. } => Code::Exists,
        _ => Code::Refused,
    }
}

/// Hooks at which chains of a type may be (`nft_chain_type`s of the kernel).
fn hooks_of(family: Family, kind: &str) -> &'static str {
    match (kind, family) {
        ("nat", Family::Ip | Family::Ip6 | Family::Inet) => "prerouting, input, output and postrouting",
        ("route", Family::Ip | Family::Ip6 | Family::Inet) => "output",
        ("filter", Family::Ip | Family::Ip6 | Family::Bridge) => {
            "prerouting, input, forward, output and postrouting"
        }
        ("filter", Family::Inet) => "ingress, prerouting, input, forward, output and postrouting",
        ("filter", Family::Arp) => "input and output",
        ("filter", Family::Netdev) => "ingress and egress",
        _ => "",
    }
}
