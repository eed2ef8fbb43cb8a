//! Questions about the ruleset.

use ironweir_engine::Engine;
use ironweir_netlink::{Done, EncodeError, Flags, GenMsg, Header, Message, Writer};
use ironweir_ruleset::netlink::{ElementsMessage, Generation, Query, Scope, Told};
use ironweir_ruleset::store::{Entry, Errno, Listed, SetState, TableState, reset_exprs, reset_object};
use ironweir_ruleset::{Element, ElementFlags, Expr, Family, SetFlags, TableId};

use super::{Output, Refused, state};

/// Bytes after which a dump goes on in the next datagram. Readers have room for 8 KiB at least
/// (`MNL_SOCKET_BUFFER_SIZE`), and the kernel makes datagrams of a page first (`netlink_dump`).
const DATAGRAM: usize = 4096;

/// How an answer ends.
#[derive(Debug)]
pub(super) enum Ended {
    /// By `NLMSG_DONE`.
    Done,
    /// By an acknowledgement, if that is wanted.
    Answered,
}

/// Messages that answer one request, gathered into datagrams.
pub(super) struct Answer<'o> {
    output: &'o mut Output,
    request: Header,
    header: Header,
    generation: u32,
    buffer: Vec<u8>,
}

impl<'o> Answer<'o> {
    pub(super) fn new(output: &'o mut Output, request: Header, port: u32) -> Answer<'o> {
        let header = Header { len: 0, kind: 0, flags: Flags::empty(), seq: request.seq, port };
        Answer { output, request, header, generation: 0, buffer: Vec::new() }
    }

    /// Puts a message in.
    pub(super) fn tell(&mut self, told: &Told) -> Result<(), Refused> {
        let start = self.buffer.len();
        told.encode(&mut self.buffer, self.header, self.generation).map_err(too_long)?;
        self.cut(start);
        Ok(())
    }

    /// What is told is many messages, ended by another.
    pub(super) fn multi(&mut self) {
        self.header.flags = Flags::MULTI;
    }

    /// Puts in a message of another subsystem.
    pub(super) fn put(
        &mut self,
        kind: u16,
        genmsg: GenMsg,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), Refused> {
        let start = self.buffer.len();
        ironweir_netlink::answer(&mut self.buffer, Header { kind, ..self.header }, genmsg, attributes)
            .map_err(too_long)?;
        self.cut(start);
        Ok(())
    }

    fn tell_elements(&mut self, elements: &ElementsMessage) -> Result<(), Refused> {
        // One message of the kernel's holds what fits its datagram.
        for some in elements.elements.chunks(32) {
            let (table, set) = (elements.table.clone(), elements.set.clone());
            let message = ElementsMessage { table, set, elements: some.to_vec() };
            let start = self.buffer.len();
            Told::encode_elements(&message, &mut self.buffer, self.header, self.generation)
                .map_err(too_long)?;
            self.cut(start);
        }
        Ok(())
    }

    /// Begins a new datagram before the message that begins there, where the last one is full.
    fn cut(&mut self, start: usize) {
        if self.buffer.len() > DATAGRAM && start > 0 {
            let rest = self.buffer.split_off(start);
            let full = std::mem::replace(&mut self.buffer, rest);
            self.output.answer(full);
        }
    }

    /// Ends the answer.
    pub(super) fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.output.answer(std::mem::take(&mut self.buffer));
        }
    }

    /// Ends a dump.
    pub(super) fn done(&mut self) {
        let start = self.buffer.len();
        let request = Header { port: self.header.port, ..self.request };
        Done::default().encode(&request, &mut self.buffer);
        self.cut(start);
        self.flush();
    }

    /// Forgets what was not sent yet.
    pub(super) fn abandon(&mut self) {
        self.buffer.clear();
    }
}

fn too_long(_: EncodeError) -> Refused {
    Errno::EMSGSIZE.into()
}

/// Answers a question of nf_tables.
pub(super) fn nftables(
    engine: &mut Engine,
    message: &Message<'_>,
    answer: &mut Answer<'_>,
    generation: Generation,
) -> Result<Ended, Refused> {
    // What changes something comes in batches only (`NFNL_CB_BATCH`).
    let query = Query::decode(message)?.ok_or(Errno::EINVAL)?;
    answer.generation = generation.id;
    if query.is_dump() {
        answer.multi();
        dump(engine, &query, answer)?;
        return Ok(Ended::Done);
    }
    one(engine, &query, answer, generation)?;
    Ok(Ended::Answered)
}

/// Tables of a scope. One that is named and not there is none.
fn within<'e>(engine: &'e Engine, scope: &'e Scope) -> impl Iterator<Item = &'e TableState> {
    let fits = |table: &&TableState| {
        scope.family.is_none_or(|family| table.table.id.family == family)
            && scope.table.as_ref().is_none_or(|name| table.table.id.name == *name)
    };
    engine.ruleset().tables().filter(fits)
}

fn of_family(family: Option<Family>) -> Scope {
    Scope { family, table: None }
}

fn dump(engine: &Engine, query: &Query, answer: &mut Answer<'_>) -> Result<(), Refused> {
    let now = engine.now();
    match query {
        Query::Tables { family } => {
            for table in within(engine, &of_family(*family)) {
                answer.tell(&Told::Table(state::table(table, None)))?;
            }
        }
        // The kernel does not look at the table here (nf_tables_dump_chains).
        Query::Chains { within: scope } => {
            for table in within(engine, &of_family(scope.family)) {
                for chain in table.chains() {
                    answer.tell(&Told::Chain(state::chain(table, chain)))?;
                }
            }
        }
        Query::Rules { within: scope, chain, reset } => {
            for table in within(engine, scope) {
                let wanted = |name: &str| chain.as_ref().is_none_or(|chain| **chain == *name);
                for chain in table.chains().filter(|state| wanted(&state.chain.name)) {
                    let mut position = None;
                    for rule in chain.rules() {
                        answer.tell(&Told::Rule(state::rule(table, chain, rule, position)))?;
                        position = Some(rule.handle);
                        if *reset {
                            reset_exprs(&rule.rule.exprs);
                        }
                    }
                }
            }
        }
        Query::Sets { within: scope } => {
            for table in within(engine, scope) {
                for set in table.sets() {
                    answer.tell(&Told::Set(state::set(table, set)))?;
                }
            }
        }
        Query::Elements { table, set, reset } => {
            let (table, set) = named_set(engine, table, set)?;
            answer.tell_elements(&state::elements(table, set, set.dump(now).collect()))?;
            if *reset {
                set.elements().filter_map(|element| element.more).for_each(|more| reset_exprs(&more.exprs));
            }
        }
        Query::Objects { within: scope, kind, reset } => {
            for table in within(engine, scope) {
                for object in table.objects() {
                    if kind.is_some_and(|kind| object.object.object_type() != kind) {
                        continue;
                    }
                    answer.tell(&Told::Object(state::object(table, object)))?;
                    if *reset {
                        reset_object(&object.object.kind);
                    }
                }
            }
        }
        Query::Flowtables { within: scope } => {
            for table in within(engine, scope) {
                for flowtable in table.flowtables() {
                    answer.tell(&Told::Flowtable(state::flowtable(table, flowtable)))?;
                }
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(())
}

fn one(
    engine: &Engine,
    query: &Query,
    answer: &mut Answer<'_>,
    generation: Generation,
) -> Result<(), Refused> {
    match query {
        Query::Generation => answer.tell(&Told::Generation(generation)),
        Query::Table { table } => answer.tell(&Told::Table(state::table(named(engine, table)?, None))),
        Query::Chain { table, name } => {
            let table = named(engine, table)?;
            let chain = table.chain(name).ok_or(Errno::ENOENT)?;
            answer.tell(&Told::Chain(state::chain(table, chain)))
        }
        Query::Rule { table, chain, handle, reset } => {
            let table = named(engine, table)?;
            let chain = table.chain(chain).ok_or(Errno::ENOENT)?;
            let mut position = None;
            let found = chain.rules().find(|rule| {
                let found = rule.handle == *handle;
                position = if found { position } else { Some(rule.handle) };
                found
            });
            let rule = found.ok_or(Errno::ENOENT)?;
            answer.tell(&Told::Rule(state::rule(table, chain, rule, position)))?;
            if *reset {
                reset_exprs(&rule.rule.exprs);
            }
            Ok(())
        }
        Query::Set { table, name } => {
            let (table, set) = named_set(engine, table, name)?;
            answer.tell(&Told::Set(state::set(table, set)))
        }
        Query::Element { table, set, elements, reset } => {
            let (table, set) = named_set(engine, table, set)?;
            for key in elements {
                let (found, exprs) = element(engine, set, key).ok_or(Errno::ENOENT)?;
                answer.tell_elements(&state::elements(table, set, vec![found]))?;
                if *reset {
                    exprs.into_iter().for_each(reset_exprs);
                }
            }
            Ok(())
        }
        Query::Object { table, kind, name, reset } => {
            let table = named(engine, table)?;
            let object = table.object(*kind, name).ok_or(Errno::ENOENT)?;
            answer.tell(&Told::Object(state::object(table, object)))?;
            if *reset {
                reset_object(&object.object.kind);
            }
            Ok(())
        }
        Query::Flowtable { table, name } => {
            let table = named(engine, table)?;
            let flowtable = table.flowtable(name).ok_or(Errno::ENOENT)?;
            answer.tell(&Told::Flowtable(state::flowtable(table, flowtable)))
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn named<'e>(engine: &'e Engine, id: &TableId) -> Result<&'e TableState, Refused> {
    engine.ruleset().table(id).ok_or(Errno::ENOENT.into())
}

fn named_set<'e>(
    engine: &'e Engine,
    table: &TableId,
    name: &str,
) -> Result<(&'e TableState, &'e SetState), Refused> {
    let table = named(engine, table)?;
    Ok((table, table.set(name).ok_or(Errno::ENOENT)?))
}

/// The element that holds a key, with the expressions that count for it. Of an interval the beginning is told where the
/// beginning is asked for, and its end where the end is (`nft_rbtree_get`).
fn element<'e>(engine: &Engine, set: &'e SetState, key: &Element) -> Option<(Element, Option<&'e [Expr]>)> {
    let now = engine.now();
    let end = key.flags.contains(ElementFlags::INTERVAL_END);
    let mut last: Option<(Element, Option<&'e [Expr]>)> = None;
    if key.flags.contains(ElementFlags::CATCHALL) {
        let is = |listed: &Listed<'_>| listed.flags.contains(ElementFlags::CATCHALL);
        let listed = set.elements().find(is)?;
        return Some((listed.to_element(now), listed.more.map(|more| &*more.exprs)));
    }
    let segments = set.set.flags.contains(SetFlags::INTERVAL) && !set.set.flags.contains(SetFlags::CONCAT);
    if !segments {
        let (_, entry) = set.lookup(&key.key, now)?;
        let exact = key.key_end().is_none_or(|end| entry.element.key_end() == Some(end));
        let caught = entry.element.flags.contains(ElementFlags::CATCHALL);
        let Entry { element, expires } = entry;
        let more = element.more.as_deref();
        let listed = Listed { key: &element.key, flags: element.flags, more, expires: *expires };
        return (exact && !caught).then(|| (listed.to_element(now), Some(element.exprs())));
    }
    // Beginnings and ends in order of their keys.
    let mut listed: Vec<_> = set
        .elements()
        .filter(|one| !one.flags.contains(ElementFlags::CATCHALL) && one.expires.is_none_or(|at| at > now))
        .collect();
    listed.sort_by(|a, b| a.key.cmp(b.key).then(end_first(a.flags).cmp(&end_first(b.flags))));
    for one in listed {
        let is_end = one.flags.contains(ElementFlags::INTERVAL_END);
        if end {
            // The first end at or behind the key.
            if is_end && *one.key >= key.key {
                return Some((one.to_element(now), None));
            }
        } else if *one.key <= key.key {
            let exprs = one.more.map(|more| &*more.exprs);
            last = (!is_end).then(|| (one.to_element(now), exprs));
        }
    }
    last
}

/// An end goes before a beginning at the same key: it closes the interval before.
fn end_first(flags: ElementFlags) -> bool {
    !flags.contains(ElementFlags::INTERVAL_END)
}
