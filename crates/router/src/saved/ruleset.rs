//! The ruleset, thing by thing: what a thing is, as the message that a dump tells of it; what packets changed in it, as
//! numbers ([`ironweir_ruleset::Expr::live`]), which are written far more often.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use hashbrown::HashMap;
use ironweir_conntrack::saved::{Reader, SavedError};
use ironweir_engine::Engine;
use ironweir_netlink::{Header, Messages};
use ironweir_ruleset::netlink::{ElementsMessage, Told};
use ironweir_ruleset::object::ObjectKind;
use ironweir_ruleset::set::ElementMore;
use ironweir_ruleset::store::{ChainState, Listed, Mirror, Position, SetState, TableState};
use ironweir_ruleset::{Element, ElementFlags, Expr, Handle, Ruleset, TableFlags, TableId, Value};
use ironweir_wire::Instant;

use super::file::{Contents, Key, LoadError, Records};
use super::kind;
use crate::server::state;

/// Elements in one record.
const CHUNK: usize = 512;
/// Rounds that a ruleset may change under until one holds the engine to its end.
const PATIENCE: u32 = 4;

/// What was written of a thing, and in which round it was last there.
#[derive(Clone, Copy, Debug)]
struct Written {
    hash: u64,
    round: u32,
}

/// What was written of the ruleset.
#[derive(Debug, Default)]
pub(super) struct Rules {
    written: HashMap<Key, Written>,
    /// The version of each chain's rules that was written, by table and slot.
    versions: HashMap<(u64, u32), u64>,
    round: u32,
    generation: u64,
    /// What is left of this round, the next at the end.
    steps: Vec<Step>,
    begun_anew: u32,
    buffer: Vec<u8>,
    numbers: Vec<u64>,
}

/// A step of a round: tables, chains, sets by their slots.
#[derive(Clone, Debug)]
enum Step {
    Table(u32),
    Rules { table: u32, chain: u32, done: usize },
    Elements { table: u32, set: u32, from: Position, chunk: u32 },
    Lists,
}

impl Rules {
    /// All is written again.
    pub(super) fn forget(&mut self) {
        *self = Rules::default();
    }

    /// Begins a round.
    pub(super) fn begin(&mut self, engine: &Engine) {
        self.begun_anew = 0;
        self.begin_anew(engine);
    }

    fn begin_anew(&mut self, engine: &Engine) {
        self.round = self.round.wrapping_add(1);
        self.generation = engine.ruleset().generation();
        self.steps.clear();
        self.steps.push(Step::Lists);
        self.steps.extend(engine.ruleset().table_slots().map(|(slot, _)| Step::Table(slot)));
    }

    /// Writes what changed of some more things. Whether all were looked at: then records agree with each other.
    pub(super) fn portion(&mut self, engine: &Engine, things: usize, records: &mut Records) -> bool {
        if engine.ruleset().generation() != self.generation {
            self.begun_anew += 1;
            self.begin_anew(engine);
        }
        let mut left = if self.begun_anew < PATIENCE { things } else { usize::MAX };
        while let Some(step) = self.steps.pop() {
            let cost = self.step(engine, step, records);
            left = left.saturating_sub(cost);
            if left == 0 && !self.steps.is_empty() {
                return false;
            }
        }
        let round = self.round;
        self.written.retain(|key, written| {
            let there = written.round == round;
            if !there {
                records.delete(*key);
            }
            there
        });
        true
    }

    /// Notes that a thing is there, and writes it where it is not as it was.
    fn note(&mut self, records: &mut Records, key: Key, value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let now = Written { hash: hasher.finish(), round: self.round };
        let before = self.written.insert(key, now);
        if before.is_none_or(|before| before.hash != now.hash) {
            records.put(key, |out| out.extend(value));
        }
    }

    /// Notes that a thing is there as it was.
    fn stays(&mut self, key: Key) -> bool {
        let round = self.round;
        self.written.get_mut(&key).map(|written| written.round = round).is_some()
    }

    fn note_told(&mut self, records: &mut Records, key: Key, told: &Told) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        // What cannot be said in a message could not have come in one.
        if told.encode(&mut buffer, Header::default(), 0).is_ok() {
            self.note(records, key, &buffer);
        }
        self.buffer = buffer;
    }

    fn note_numbers(&mut self, records: &mut Records, key: Key, live: impl FnOnce(&mut Vec<u64>)) {
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        live(&mut numbers);
        if !numbers.is_empty() {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            self.note(records, key, &bytes);
        }
        self.numbers = numbers;
    }

    /// Does a step, or some of it. How much it was.
    fn step(&mut self, engine: &Engine, step: Step, records: &mut Records) -> usize {
        match step {
            Step::Table(slot) => match engine.ruleset().table_at(slot) {
                Some(table) => self.table(slot, table, records),
                None => 1,
            },
            Step::Rules { table, chain, done } => {
                let found = engine.ruleset().table_at(table);
                match found.and_then(|found| Some((found, found.chain_at(chain)?))) {
                    Some((found, state)) => self.rules(found, state, (table, chain), done, records),
                    None => 1,
                }
            }
            Step::Elements { table, set, from, chunk } => {
                let found = engine.ruleset().table_at(table);
                match found.and_then(|found| Some((found, found.set_at(set)?))) {
                    Some((found, state)) => {
                        let (from, left) = self.elements(found, state, from, chunk, records);
                        if left {
                            self.steps.push(Step::Elements { table, set, from, chunk: chunk + 1 });
                        }
                        CHUNK
                    }
                    None => 1,
                }
            }
            Step::Lists => {
                let ruleset = engine.ruleset();
                let (table, anonymous_chain) = ruleset.next();
                let numbers = [ruleset.generation(), table, anonymous_chain];
                self.note_numbers(records, Key::one(kind::RULESET, 0), |out| out.extend(numbers));
                let mut count = 1;
                for (list, members) in engine.counted() {
                    count += members.len();
                    let mut members: Vec<u64> =
                        members.into_iter().map(|ct| engine.conntrack().number(ct).into()).collect();
                    members.sort_unstable();
                    self.note_numbers(records, Key::one(kind::COUNTED, list.into()), |out| {
                        out.extend(members);
                    });
                }
                count
            }
        }
    }

    /// A table with all it holds but rules and elements, which are steps of their own.
    fn table(&mut self, slot: u32, table: &TableState, records: &mut Records) -> usize {
        let handle = table.handle.0;
        let key = |kind, b| Key { kind, a: handle, b, c: 0 };
        // What belongs to a client goes with it, and so with us.
        let flags = table.table.flags;
        if flags.contains(TableFlags::OWNER) && !flags.contains(TableFlags::PERSIST) {
            return 1;
        }
        let mut count = 1;
        self.note_told(records, key(kind::TABLE, 0), &Told::Table(state::table(table, None)));
        self.note_numbers(records, key(kind::NEXT, 0), |out| out.push(table.next_handle()));
        for chain in table.chains() {
            count += 1;
            let b = chain.handle.0;
            self.note_told(records, key(kind::CHAIN, b), &Told::Chain(state::chain(table, chain)));
            if chain.chain.base.is_some() {
                self.note_numbers(records, key(kind::POLICY, b), |out| chain.policy_hits.live(out));
            }
            self.steps.push(Step::Rules { table: slot, chain: chain.id, done: 0 });
        }
        for set in table.sets() {
            count += 1;
            self.note_told(records, key(kind::SET, set.handle.0), &Told::Set(state::set(table, set)));
            let from = Position::Start;
            self.steps.push(Step::Elements { table: slot, set: set.id, from, chunk: 0 });
        }
        for object in table.objects() {
            count += 1;
            let b = object.handle.0;
            self.note_told(records, key(kind::OBJECT, b), &Told::Object(state::object(table, object)));
            self.note_numbers(records, key(kind::OBJECT_LIVE, b), |out| {
                live_object(&object.object.kind, out)
            });
        }
        for flowtable in table.flowtables() {
            count += 1;
            let told = Told::Flowtable(state::flowtable(table, flowtable));
            self.note_told(records, key(kind::FLOWTABLE, flowtable.handle.0), &told);
        }
        count
    }

    fn rules(
        &mut self,
        table: &TableState,
        chain: &ChainState,
        (table_slot, slot): (u32, u32),
        done: usize,
        records: &mut Records,
    ) -> usize {
        const PORTION: usize = 1024;
        let handle = table.handle.0;
        let key = |kind, b| Key { kind, a: handle, b, c: 0 };
        let known = self.versions.get(&(handle, slot)) == Some(&chain.version());
        if done == 0 {
            let order = key(kind::ORDER, chain.handle.0);
            if !known || !self.stays(order) {
                self.note_numbers(records, order, |out| out.extend(chain.rules().map(|rule| rule.handle.0)));
            }
        }
        let mut count = 0;
        for rule in chain.rules().skip(done).take(PORTION) {
            count += 1;
            let place = key(kind::RULE, rule.handle.0);
            if !known || !self.stays(place) {
                self.note_told(records, place, &Told::Rule(state::rule(table, chain, rule, None)));
            }
            self.note_numbers(records, key(kind::RULE_LIVE, rule.handle.0), |out| {
                live(&rule.rule.exprs, out)
            });
        }
        let done = done + count;
        if done < chain.rule_count() && count > 0 {
            self.steps.push(Step::Rules { table: table_slot, chain: slot, done });
        } else {
            self.versions.insert((handle, slot), chain.version());
        }
        count
    }

    /// One record of elements, and whether there are more.
    fn elements(
        &mut self,
        table: &TableState,
        set: &SetState,
        from: Position,
        chunk: u32,
        records: &mut Records,
    ) -> (Position, bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut behind = from.clone();
        let mut left = false;
        for (count, (listed, position)) in set.elements_from(from).enumerate() {
            if count >= CHUNK && position != behind {
                left = true;
                break;
            }
            behind = position;
            put_element(&mut buffer, table, set, &listed, &mut self.numbers);
        }
        if !buffer.is_empty() {
            let key = Key { kind: kind::ELEMENTS, a: table.handle.0, b: set.handle.0, c: chunk };
            self.note(records, key, &buffer);
        }
        self.buffer = buffer;
        (behind, left)
    }
}

fn live(exprs: &[Expr], numbers: &mut Vec<u64>) {
    exprs.iter().for_each(|expr| expr.live(numbers));
}

fn revive(exprs: &[Expr], numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
    exprs.iter().try_for_each(|expr| expr.revive(numbers))
}

fn live_object(kind: &ObjectKind, numbers: &mut Vec<u64>) {
    match kind {
        ObjectKind::Counter(counter) => counter.live(numbers),
        ObjectKind::Quota(quota) => quota.live(numbers),
        ObjectKind::Limit(limit) => limit.live(numbers),
        ObjectKind::Connlimit(connlimit) => connlimit.live(numbers),
        _ => {}
    }
}

fn revive_object(kind: &ObjectKind, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
    match kind {
        ObjectKind::Counter(counter) => counter.revive(numbers),
        ObjectKind::Quota(quota) => quota.revive(numbers),
        ObjectKind::Limit(limit) => limit.revive(numbers),
        ObjectKind::Connlimit(connlimit) => connlimit.revive(numbers),
        _ => Some(()),
    }
}

mod part {
    pub(super) const EXPIRES: u8 = 1;
    pub(super) const TIMEOUT: u8 = 2;
    pub(super) const MESSAGE: u8 = 4;
}

/// An element: which parts follow 1, flags 1, length of the key 1, the key; when it expires 8; its timeout in milliseconds 8;
/// all that few have: length 4, a message, numbers 1, each 8.
fn put_element(
    out: &mut Vec<u8>,
    table: &TableState,
    set: &SetState,
    element: &Listed<'_>,
    numbers: &mut Vec<u64>,
) {
    let timeout = element.more.and_then(|more| more.timeout);
    let plain = ElementMore { timeout, ..ElementMore::default() };
    let message = element.more.filter(|more| **more != plain);
    let parts = [
        (element.expires.is_some(), part::EXPIRES),
        (timeout.is_some(), part::TIMEOUT),
        (message.is_some(), part::MESSAGE),
    ];
    out.push(parts.iter().filter(|(has, _)| *has).fold(0, |all, (_, part)| all | part));
    let key: &[u8] = &element.key;
    out.extend([element.flags.bits() as u8, key.len() as u8]);
    out.extend(key);
    if let Some(expires) = element.expires {
        out.extend(expires.nanos().to_le_bytes());
    }
    if let Some(timeout) = timeout {
        out.extend(timeout.to_le_bytes());
    }
    if let Some(more) = message {
        let at = out.len();
        out.extend([0; 4]);
        let mut whole = Element { key: element.key.clone().into_owned(), flags: element.flags, more: None };
        whole.more = Some(Box::new(more.clone()));
        let message = state::elements(table, set, vec![whole]);
        // What cannot be said in a message could not have come in one.
        let _ = Told::encode_elements(&message, out, Header::default(), 0);
        let len = (out.len() - at - 4) as u32;
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        numbers.clear();
        live(&more.exprs, numbers);
        out.push(numbers.len() as u8);
        numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
    }
}

/// Reads elements, those that live at `now`.
fn read_elements(bytes: &[u8], now: Instant, set_back: Duration) -> Result<Vec<Element>, LoadError> {
    let mut reader = Reader::new(bytes);
    let mut elements = Vec::new();
    while !reader.rest().is_empty() {
        let (parts, flags) = (reader.u8()?, reader.u8()?);
        let len = reader.u8()?;
        let key = Value::new(reader.bytes(len.into())?);
        let flags = ElementFlags::from_bits_retain(flags.into());
        let mut element = Element { key, flags, more: None };
        let expires = if parts & part::EXPIRES != 0 { Some(reader.u64()?) } else { None };
        let timeout = if parts & part::TIMEOUT != 0 { Some(reader.u64()?) } else { None };
        if parts & part::MESSAGE != 0 {
            let len = reader.u32()? as usize;
            let message = reader.bytes(len)?;
            match told(message)? {
                Some(Told::Elements(ElementsMessage { elements, .. })) => {
                    element = elements.into_iter().next().ok_or(SavedError::Value("element"))?;
                }
                _ => return Err(SavedError::Value("element").into()),
            }
            let count = reader.u8()?;
            let numbers = (0..count).map(|_| reader.u64()).collect::<Result<Vec<u64>, _>>()?;
            revive(element.exprs(), &mut numbers.into_iter()).ok_or(SavedError::Length)?;
        }
        if timeout.is_some() {
            element.more_mut().timeout = timeout;
        }
        if let Some(expires) = expires {
            let expires = Instant::from_nanos(expires) - set_back;
            if expires <= now {
                continue;
            }
            element.more_mut().expiration = Some(expires.since(now).as_millis() as u64);
        }
        elements.push(element);
    }
    Ok(elements)
}

fn told(message: &[u8]) -> Result<Option<Told>, LoadError> {
    match Messages::new(message).next() {
        Some(message) => Ok(Some(Told::decode(&message?)?)),
        None => Ok(None),
    }
}

fn numbers(bytes: &[u8]) -> Result<Vec<u64>, SavedError> {
    let mut reader = Reader::new(bytes);
    let mut numbers = Vec::new();
    while !reader.rest().is_empty() {
        numbers.push(reader.u64()?);
    }
    Ok(numbers)
}

/// The ruleset of a file, keyed by `seed`.
pub(super) fn read(
    contents: &Contents,
    seed: u64,
    now: Instant,
    set_back: Duration,
) -> Result<Ruleset, LoadError> {
    let mut mirror = Mirror::new(seed);
    let missing = || LoadError::Record(SavedError::Value("reference"));
    let value = |key| contents.get(key).ok_or_else(missing);
    let live_of = |key: Key, kind| match contents.get(Key { kind, ..key }) {
        Some(bytes) => numbers(bytes).map(Some),
        None => Ok(None),
    };
    let mut tables: HashMap<u64, TableId> = HashMap::new();
    for key in contents.keys(kind::TABLE) {
        let Some(Told::Table(told)) = told(value(key)?)? else { return Err(missing()) };
        tables.insert(key.a, told.table.id.clone());
        mirror.table(told.handle, told.table, None);
    }
    for key in contents.keys(kind::CHAIN) {
        let Some(Told::Chain(told)) = told(value(key)?)? else { return Err(missing()) };
        let hits = live_of(key, kind::POLICY)?.and_then(|hits| Some((*hits.first()?, *hits.get(1)?)));
        mirror.chain(&told.table, told.handle, told.chain, hits);
    }
    let mut sets: HashMap<(u64, u64), Box<str>> = HashMap::new();
    for key in contents.keys(kind::SET) {
        let Some(Told::Set(told)) = told(value(key)?)? else { return Err(missing()) };
        sets.insert((key.a, key.b), told.set.name.clone());
        mirror.set(&told.table, told.handle, told.set, None);
    }
    for key in contents.keys(kind::OBJECT) {
        let Some(Told::Object(told)) = told(value(key)?)? else { return Err(missing()) };
        if let Some(live) = live_of(key, kind::OBJECT_LIVE)? {
            revive_object(&told.object.kind, &mut live.into_iter()).ok_or(SavedError::Length)?;
        }
        mirror.object(&told.table, told.handle, told.object);
    }
    for key in contents.keys(kind::FLOWTABLE) {
        let Some(Told::Flowtable(told)) = told(value(key)?)? else { return Err(missing()) };
        mirror.flowtable(&told.table, told.handle, told.flowtable);
    }
    // Chunks of one set stand beside each other: starts and ends of intervals are told together.
    let chunks = contents.keys(kind::ELEMENTS);
    for of_set in chunks.chunk_by(|one, next| (one.a, one.b) == (next.a, next.b)) {
        let Some(first) = of_set.first() else { continue };
        let table = tables.get(&first.a).ok_or_else(missing)?;
        let set = sets.get(&(first.a, first.b)).ok_or_else(missing)?;
        let mut elements = Vec::new();
        for key in of_set {
            elements.extend(read_elements(value(*key)?, now, set_back)?);
        }
        mirror.elements(table, set, elements, now);
    }
    for key in contents.keys(kind::ORDER) {
        for handle in numbers(value(key)?)? {
            let rule = Key { kind: kind::RULE, a: key.a, b: handle, c: 0 };
            let Some(Told::Rule(told)) = told(value(rule)?)? else { return Err(missing()) };
            if let Some(live) = live_of(rule, kind::RULE_LIVE)? {
                revive(&told.rule.exprs, &mut live.into_iter()).ok_or(SavedError::Length)?;
            }
            mirror.rule(&told.table, &told.chain, Handle(handle), told.rule);
        }
    }
    for key in contents.keys(kind::NEXT) {
        let (table, next) = (tables.get(&key.a).ok_or_else(missing)?, numbers(value(key)?)?);
        mirror.set_next_handle(table, *next.first().ok_or(SavedError::Length)?);
    }
    if let Some(bytes) = contents.get(Key::one(kind::RULESET, 0)) {
        let mut reader = Reader::new(bytes);
        mirror.set_generation(reader.u64()?);
        mirror.set_next(reader.u64()?, reader.u64()?);
    }
    Ok(mirror.into_ruleset()?)
}

/// Which connections `ct count` counts: lists of their numbers.
pub(super) fn lists(contents: &Contents) -> Result<Vec<(u32, Vec<u32>)>, SavedError> {
    let number = |number: u64| u32::try_from(number).map_err(|_| SavedError::Value("list"));
    let mut lists = Vec::new();
    for key in contents.keys(kind::COUNTED) {
        let members = numbers(contents.get(key).unwrap_or_default())?.into_iter().map(number);
        lists.push((number(key.a)?, members.collect::<Result<_, _>>()?));
    }
    Ok(lists)
}
