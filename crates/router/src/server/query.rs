//! Questions about the ruleset.

use ironweir_engine::Engine;
use ironweir_netlink::{Done, EncodeError, Flags, GenMsg, Header, Message, Writer};
use ironweir_ruleset::netlink::{ElementsMessage, Generation, Query, Told};
use ironweir_ruleset::store::{Errno, Listed, SetState, TableState, reset_exprs, reset_object};
use ironweir_ruleset::{Element, ElementFlags, Expr, SetFlags, TableId};

use super::dump::{Place, What};
use super::{Output, Refused, state};

/// Bytes after which a dump goes on in the next datagram. Readers have room for 8 KiB at least
/// (`MNL_SOCKET_BUFFER_SIZE`), and the kernel makes datagrams of a page first (`netlink_dump`).
const DATAGRAM: usize = 4096;

/// How a request ends.
#[derive(Debug)]
pub(super) enum Ended {
    /// By a dump of this, in portions.
    Dump(What),
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
    /// An answer of a ruleset of this generation.
    pub(super) fn new(output: &'o mut Output, request: Header, port: u32, generation: u32) -> Answer<'o> {
        let header = Header { len: 0, kind: 0, flags: Flags::empty(), seq: request.seq, port };
        Answer { output, request, header, generation, buffer: Vec::new() }
    }

    /// Puts a message in.
    pub(super) fn tell(&mut self, told: &Told) -> Result<(), Refused> {
        let start = self.buffer.len();
        told.encode(&mut self.buffer, self.header, self.generation).map_err(too_long)?;
        self.cut(start);
        Ok(())
    }

    /// What is told is many messages, ended by another. Something may have changed since it began.
    pub(super) fn multi(&mut self, interrupted: bool) {
        self.header.flags = if interrupted { Flags::MULTI | Flags::DUMP_INTR } else { Flags::MULTI };
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

    pub(super) fn tell_elements(&mut self, elements: &ElementsMessage) -> Result<(), Refused> {
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
        let interrupted = self.header.flags.contains(Flags::DUMP_INTR);
        Done { interrupted, ..Done::default() }.encode(&request, &mut self.buffer);
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
    if query.is_dump() {
        return Ok(Ended::Dump(What::Ruleset(query, Place::Begin)));
    }
    one(engine, &query, answer, generation)?;
    Ok(Ended::Answered)
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

pub(super) fn named<'e>(engine: &'e Engine, id: &TableId) -> Result<&'e TableState, Refused> {
    engine.ruleset().table(id).ok_or(Errno::ENOENT.into())
}

pub(super) fn named_set<'e>(
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
    if key.flags.contains(ElementFlags::CATCHALL) {
        let is = |listed: &Listed<'_>| listed.flags.contains(ElementFlags::CATCHALL);
        let listed = set.elements().find(is)?;
        return Some((listed.to_element(now), listed.more.map(|more| &*more.exprs)));
    }
    let segments = set.set.flags.contains(SetFlags::INTERVAL) && !set.set.flags.contains(SetFlags::CONCAT);
    if segments && key.flags.contains(ElementFlags::INTERVAL_END) {
        // The first end at or behind the key. None before the interval that begins below it is.
        let near = set.elements_from(set.position_below(&key.key)).map(|(listed, _)| listed);
        let end = near
            .filter(|one| one.flags.contains(ElementFlags::INTERVAL_END))
            .find(|one| *one.key >= key.key)?;
        return Some((end.to_element(now), None));
    }
    let (_, entry) = set.lookup(&key.key, now)?;
    let exact = key.key_end().is_none_or(|end| entry.element.key_end() == Some(end));
    let caught = entry.element.flags.contains(ElementFlags::CATCHALL);
    (exact && !caught).then(|| (entry.listed().to_element(now), Some(entry.element.exprs())))
}
