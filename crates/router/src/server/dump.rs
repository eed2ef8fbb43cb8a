//! Dumps: long answers, made a portion at a time (`netlink_dump` of `net/netlink/af_netlink.c`).
//!
//! Between two portions packets go on, others are answered, and batches are committed. Where the ruleset changed since a
//! dump began, what follows says so (`NLM_F_DUMP_INTR`), and the client asks again. No more is made than a client reads.

use std::collections::VecDeque;

use ironweir_conntrack::CtRef;
use ironweir_engine::Engine;
use ironweir_netlink::Header;
use ironweir_netlink::ctnetlink::Flow;
use ironweir_ruleset::netlink::{Query, Scope, Told};
use ironweir_ruleset::store::{Errno, Position, TableState, reset_exprs, reset_object};

use super::query::{Answer, named_set};
use super::{ClientId, Output, Refused, Server, expectation, flow, state};

/// Dumps that a client may have asked for before it has read the first.
const MOST: usize = 16;
/// Things of a ruleset in one portion.
const THINGS: usize = 1024;
/// Elements in one portion.
const ELEMENTS: usize = 4096;
/// Places of the connection table in one portion: packets wait for no more at a time (`examples/portions.rs`).
const PLACES: u32 = 512;
/// Bytes that may wait for a client for which the next portion is made.
const READY: usize = 256 << 10;

/// A dump that has begun.
#[derive(Debug)]
pub(super) struct Dump {
    request: Header,
    what: What,
    /// The ruleset's when it began.
    generation: u64,
}

/// What is dumped, and how far it came.
#[derive(Debug)]
pub(super) enum What {
    /// Something of the ruleset.
    Ruleset(Query, Place),
    /// Connections of a family that a request describes, from this place on.
    Connections { family: u8, wanted: Box<Flow>, reset: bool, place: u32 },
    /// Expectations of a family, or of one connection.
    Expectations { family: u8, master: Option<CtRef> },
    /// Nothing: there is none of what was asked for.
    Nothing,
}

/// How far a dump of the ruleset came.
#[derive(Debug)]
pub(super) enum Place {
    /// Nowhere yet.
    Begin,
    /// So many things were told.
    Things(usize),
    /// So far in a set.
    Elements(Position),
}

impl Server {
    /// Begins a dump.
    pub(super) fn dump(
        &mut self,
        engine: &mut Engine,
        id: ClientId,
        request: Header,
        what: What,
    ) -> Result<(), Refused> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        if client.dumps.len() >= MOST {
            return Err(Errno::EBUSY.into());
        }
        let mut dump = Dump { request, what, generation: engine.ruleset().generation() };
        // What fits the first portion is whole at once.
        if !client.dumps.is_empty() || !dump.portion(engine, client.port, &mut client.output)? {
            client.dumps.push_back(dump);
        }
        Ok(())
    }

    /// Makes the next portion of what a client asked for, where it has room for it. Tells whether there was anything to
    /// make.
    pub fn go_on(&mut self, engine: &mut Engine, id: ClientId) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        let Some(dump) = client.dumps.front_mut().filter(|_| client.output.bytes() < READY) else {
            return false;
        };
        // Of what is gone meanwhile there is no more; that the ruleset changed was told.
        if dump.portion(engine, client.port, &mut client.output).unwrap_or_else(|_| {
            dump.end(engine, client.port, &mut client.output);
            true
        }) {
            client.dumps.pop_front();
        }
        true
    }

    /// Whether [`Server::go_on`] has something to do for a client.
    pub fn goes_on(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| !client.dumps.is_empty() && client.output.bytes() < READY)
    }
}

/// Dumps of a client, the first at work.
pub(super) type Dumps = VecDeque<Dump>;

impl Dump {
    fn answer<'o>(&self, engine: &Engine, port: u32, output: &'o mut Output) -> Answer<'o> {
        let generation = engine.ruleset().generation();
        let mut answer = Answer::new(output, self.request, port, generation as u32);
        let of_ruleset = matches!(self.what, What::Ruleset(..));
        answer.multi(of_ruleset && generation != self.generation);
        answer
    }

    fn end(&self, engine: &Engine, port: u32, output: &mut Output) {
        self.answer(engine, port, output).done();
    }

    /// Tells the next portion. Tells whether it was the last.
    fn portion(&mut self, engine: &mut Engine, port: u32, output: &mut Output) -> Result<bool, Refused> {
        let mut answer = self.answer(engine, port, output);
        let told = match &mut self.what {
            What::Nothing => Ok(true),
            What::Expectations { family, master } => expectation::dump(engine, *family, *master, &mut answer),
            What::Ruleset(query, place) => ruleset(engine, query, place, &mut answer),
            What::Connections { family, wanted, reset, place } => {
                connections(engine, *family, wanted, *reset, place, &mut answer)
            }
        };
        match &told {
            Ok(true) => answer.done(),
            Ok(false) => answer.flush(),
            Err(_) => answer.abandon(),
        }
        told
    }
}

fn connections(
    engine: &mut Engine,
    family: u8,
    wanted: &Flow,
    reset: bool,
    place: &mut u32,
    answer: &mut Answer<'_>,
) -> Result<bool, Refused> {
    let now = engine.now();
    let end = place.saturating_add(PLACES).min(engine.conntrack().places());
    let mut told: Vec<CtRef> = Vec::new();
    for (ct, entry) in engine.conntrack().iter_places(*place..end) {
        if flow::matches(entry, family, wanted) {
            flow::tell(answer, entry, now)?;
            told.push(ct);
        }
    }
    if reset {
        flow::zero(engine, &told);
    }
    *place = end;
    Ok(end >= engine.conntrack().places())
}

/// Counts things: those before a portion are passed over, and behind it there are more.
struct Portion {
    before: usize,
    left: usize,
}

/// The portion is full.
struct Full;

impl Portion {
    /// Whether the next thing is of this portion.
    fn has_next(&mut self) -> Result<bool, Full> {
        if self.before > 0 {
            self.before -= 1;
            return Ok(false);
        }
        self.left = self.left.checked_sub(1).ok_or(Full)?;
        Ok(true)
    }
}

/// Why a portion ends before all is told.
enum Stop {
    Full,
    Refused(Refused),
}

impl From<Full> for Stop {
    fn from(_: Full) -> Stop {
        Stop::Full
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(refused)
    }
}

fn ruleset(
    engine: &Engine,
    query: &Query,
    place: &mut Place,
    answer: &mut Answer<'_>,
) -> Result<bool, Refused> {
    if let Query::Elements { table, set, reset } = query {
        let (table, set) = named_set(engine, table, set)?;
        let now = engine.now();
        let begin = match place {
            Place::Elements(position) => std::mem::take(position),
            _ => Position::Start,
        };
        let mut elements = Vec::new();
        let mut behind = begin.clone();
        let mut whole = true;
        for (count, (listed, position)) in set.elements_from(begin).enumerate() {
            if count >= ELEMENTS && position != behind {
                whole = false;
                break;
            }
            behind = position;
            if listed.expires.is_some_and(|at| at <= now) {
                continue;
            }
            elements.push(listed.to_element(now));
            if let Some(more) = listed.more.filter(|_| *reset) {
                reset_exprs(&more.exprs);
            }
        }
        answer.tell_elements(&state::elements(table, set, elements))?;
        *place = Place::Elements(behind);
        return Ok(whole);
    }
    let before = if let Place::Things(before) = place { *before } else { 0 };
    *place = Place::Things(before + THINGS);
    match things(engine, query, &mut Portion { before, left: THINGS }, answer) {
        Ok(()) => Ok(true),
        Err(Stop::Full) => Ok(false),
        Err(Stop::Refused(refused)) => Err(refused),
    }
}

/// Tables of a scope. One that is named and not there is none.
fn within<'e>(engine: &'e Engine, scope: &'e Scope) -> impl Iterator<Item = &'e TableState> {
    let fits = |table: &&TableState| {
        scope.family.is_none_or(|family| table.table.id.family == family)
            && scope.table.as_ref().is_none_or(|name| table.table.id.name == *name)
    };
    engine.ruleset().tables().filter(fits)
}

fn things(
    engine: &Engine,
    query: &Query,
    portion: &mut Portion,
    answer: &mut Answer<'_>,
) -> Result<(), Stop> {
    match query {
        Query::Tables { family } => {
            for table in within(engine, &Scope { family: *family, table: None }) {
                if portion.has_next()? {
                    answer.tell(&Told::Table(state::table(table, None)))?;
                }
            }
        }
        // The kernel does not look at the table here (nf_tables_dump_chains).
        Query::Chains { within: scope } => {
            for table in within(engine, &Scope { family: scope.family, table: None }) {
                for chain in table.chains() {
                    if portion.has_next()? {
                        answer.tell(&Told::Chain(state::chain(table, chain)))?;
                    }
                }
            }
        }
        Query::Rules { within: scope, chain, reset } => {
            for table in within(engine, scope) {
                let wanted = |name: &str| chain.as_ref().is_none_or(|chain| **chain == *name);
                for chain in table.chains().filter(|state| wanted(&state.chain.name)) {
                    if portion.before >= chain.rule_count() {
                        portion.before -= chain.rule_count();
                        continue;
                    }
                    let mut position = None;
                    for rule in chain.rules() {
                        if portion.has_next()? {
                            answer.tell(&Told::Rule(state::rule(table, chain, rule, position)))?;
                            if *reset {
                                reset_exprs(&rule.rule.exprs);
                            }
                        }
                        position = Some(rule.handle);
                    }
                }
            }
        }
        Query::Sets { within: scope } => {
            for table in within(engine, scope) {
                for set in table.sets() {
                    if portion.has_next()? {
                        answer.tell(&Told::Set(state::set(table, set)))?;
                    }
                }
            }
        }
        Query::Objects { within: scope, kind, reset } => {
            for table in within(engine, scope) {
                for object in table.objects() {
                    if kind.is_some_and(|kind| object.object.object_type() != kind) || !portion.has_next()? {
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
                    if portion.has_next()? {
                        answer.tell(&Told::Flowtable(state::flowtable(table, flowtable)))?;
                    }
                }
            }
        }
        _ => return Err(Refused::from(Errno::EINVAL).into()),
    }
    Ok(())
}
