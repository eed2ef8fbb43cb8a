//! Reading parts of the kernel's ruleset.

use std::collections::HashSet;
use std::time::Duration;

use ironweir_expr::dynset::Dynset;
use ironweir_expr::immediate::Immediate;
use ironweir_expr::lookup::Lookup;
use ironweir_expr::objref::{ObjectType, Objref};
use ironweir_ruleset::netlink::{Query, Scope, Told};
use ironweir_ruleset::store::{Errno, Mirror, SetState};
use ironweir_ruleset::userdata::SET_MERGE_ELEMENTS;
use ironweir_ruleset::{
    Element, ElementFlags, Expr, Family, Handle, Part, Set, SetFlags, TableId, Verdict, What, Within,
};
use ironweir_wire::Instant;

use super::{FetchError, Kernel};
use crate::connection::{AskError, Connection};
use ironweir_io::netlink::program_of_port;

/// How often reading is tried at least while others change the ruleset, and how long.
const ATTEMPTS: usize = 64;
/// See [`ATTEMPTS`].
const PATIENCE: Duration = Duration::from_secs(20);

impl Kernel {
    /// Reads these parts anew. Afterwards [`Kernel::ruleset`] holds them as they are in one generation, with the tables
    /// they are in; what does not exist is left out. `now` is when elements tell what is left of their time.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(&mut self, parts: &[Part], now: Instant) -> Result<(), FetchError> {
        (self.generation, self.now) = (None, now);
        if parts.is_empty() {
            self.mirror = Mirror::default();
            return Ok(());
        }
        let begun = std::time::Instant::now();
        for attempt in 0.. {
            if attempt >= ATTEMPTS && begun.elapsed() > PATIENCE {
                break;
            }
            let before = self.ask_generation()?;
            let mut reading =
                Reading { connection: &mut self.connection, mirror: Mirror::new(0), parts, now };
            match reading.all() {
                Ok(()) => {
                    self.mirror = reading.mirror;
                    if self.ask_generation()? == before {
                        self.generation = Some(before);
                        self.mirror.set_generation(before.into());
                        return Ok(());
                    }
                    // What was counted so far is gone from the kernel: this answer is the only one that has it.
                    if parts.iter().any(|part| part.reset) {
                        return Ok(());
                    }
                }
                Err(AskError::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(FetchError::Restless)
    }
}

impl Kernel {
    /// Reads those elements of a set of the mirror alone that hold these keys. With `reset`, what they counted begins at
    /// zero again in the kernel. Keys that no element holds are left out, and beginnings of intervals with the ends that
    /// follow them where the set holds not both.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch_elements(
        &mut self,
        table: &TableId,
        set: &str,
        keys: &[Element],
        reset: bool,
    ) -> Result<(), FetchError> {
        let mut found = Vec::new();
        // One question for each key: the kernel answers with an error to all when one is missing.
        let flags =
            self.mirror.ruleset().table(table).and_then(|table| table.set(set)).map(|set| set.set.flags);
        let segments = flags
            .is_some_and(|flags| flags.contains(SetFlags::INTERVAL) && !flags.contains(SetFlags::CONCAT));
        let ends = |_: &Element, second: &Element| second.flags.contains(ElementFlags::INTERVAL_END);
        for interval in keys.chunk_by(ends) {
            let mut of_both = Vec::with_capacity(interval.len());
            for key in interval {
                let (table, elements) = (table.clone(), vec![key.clone()]);
                let query = Query::Element { table, set: set.into(), elements, reset };
                of_both.extend(ask_elements(&mut self.connection, &query)?);
            }
            if of_both.len() == interval.len() && (!segments || self.is_one(table, set, &of_both)?) {
                found.append(&mut of_both);
            }
        }
        self.mirror.elements(table, set, found, self.now);
        Ok(())
    }

    /// Whether a beginning and an end are of the same interval. The kernel looks for each by itself, and answers to both
    /// with the end of another interval where the asked one reaches into that (linux
    /// net/netfilter/nft_set_rbtree.c, `nft_rbtree_get`); the end that follows the beginning tells.
    fn is_one(&mut self, table: &TableId, set: &str, both: &[Element]) -> Result<bool, FetchError> {
        let [first, end @ ..] = both else { return Ok(false) };
        if first.flags.contains(ElementFlags::CATCHALL) {
            return Ok(true);
        }
        let mut behind = first.key.to_vec();
        for byte in behind.iter_mut().rev() {
            let (next, over) = byte.overflowing_add(1);
            *byte = next;
            if !over {
                break;
            }
        }
        if behind.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        let elements = vec![Element::interval_end(behind.into())];
        let query = Query::Element { table: table.clone(), set: set.into(), elements, reset: false };
        let follows = ask_elements(&mut self.connection, &query)?;
        Ok(follows.first().map(|end| &end.key) == end.first().map(|end| &end.key))
    }

    /// The number of the kernel's ruleset's generation.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn ask_generation(&mut self) -> Result<u32, AskError> {
        let mut generation = 0;
        self.connection.ask(
            |buffer, seq| Query::Generation.encode(buffer, seq),
            |message| {
                if let Told::Generation(told) = Told::decode(message)? {
                    generation = told.id;
                }
                Ok(())
            },
        )?;
        Ok(generation)
    }
}

/// A mirror that is being filled.
struct Reading<'a> {
    connection: &'a mut Connection,
    mirror: Mirror,
    parts: &'a [Part],
    now: Instant,
}

impl Reading<'_> {
    fn all(&mut self) -> Result<(), AskError> {
        self.tables()?;
        for part in self.parts {
            match part.what {
                What::Chains => self.chains(part)?,
                What::Sets => self.sets(part)?,
                What::Objects(kind) => self.objects(part, kind)?,
                What::Flowtables => self.flowtables(part)?,
                _ => {}
            }
        }
        for part in self.parts {
            let wanted: fn(&Set) -> bool = match part.what {
                What::Elements => |_| true,
                What::AnonymousElements => |set| set.flags.contains(SetFlags::ANONYMOUS),
                What::MergedElements => merges,
                _ => continue,
            };
            self.elements(part, wanted)?;
        }
        for part in self.parts.iter().filter(|part| part.what == What::Rules) {
            match (&part.within, &part.name) {
                (Within::Table(table), Some(chain)) => self.rules_of_chain(table, chain, part)?,
                _ => self.rules(&part.within, None, None, part.reset)?,
            }
        }
        Ok(())
    }

    /// Asks, and puts everything that is told into the mirror.
    fn ask(&mut self, query: &Query) -> Result<(), AskError> {
        let mirror = &mut self.mirror;
        self.connection.ask(
            |buffer, seq| query.encode(buffer, seq),
            |message| {
                tell(mirror, Told::decode(message)?);
                Ok(())
            },
        )
    }

    /// As [`Reading::ask`], for what may not exist.
    fn ask_optional(&mut self, query: &Query) -> Result<(), AskError> {
        match self.ask(query) {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }

    /// Every part lies in tables, whatever it is.
    fn tables(&mut self) -> Result<(), AskError> {
        let parts = self.parts;
        let mut asked: HashSet<&Within> = HashSet::new();
        for part in parts.iter().filter(|part| asked.insert(&part.within)) {
            match &part.within {
                Within::Table(id) => self.ask_optional(&Query::Table { table: id.clone() })?,
                within => self.ask(&Query::Tables { family: family(within) })?,
            }
        }
        Ok(())
    }

    /// Tables that a part lies in.
    fn places(&self, within: &Within) -> Vec<TableId> {
        let ids = self.mirror.ruleset().tables().map(|table| &table.table.id);
        ids.filter(|id| within.holds(id)).cloned().collect()
    }

    /// Whether the table that a part is about exists.
    fn exists(&self, within: &Within) -> bool {
        match within {
            Within::Table(id) => self.mirror.ruleset().table(id).is_some(),
            _ => true,
        }
    }

    fn chains(&mut self, part: &Part) -> Result<(), AskError> {
        if !self.exists(&part.within) {
            return Ok(());
        }
        match (&part.within, &part.name) {
            (Within::Table(table), Some(name)) => {
                self.ask_optional(&Query::Chain { table: table.clone(), name: name.clone() })
            }
            // The kernel has no way to ask for the chains of one table; those of others are passed over.
            (within, _) => self.ask(&Query::Chains { within: scope(within) }),
        }
    }

    fn sets(&mut self, part: &Part) -> Result<(), AskError> {
        if !self.exists(&part.within) {
            return Ok(());
        }
        match (&part.within, &part.name) {
            (Within::Table(table), Some(name)) => {
                self.ask_optional(&Query::Set { table: table.clone(), name: name.clone() })
            }
            (within, _) => self.ask(&Query::Sets { within: scope(within) }),
        }
    }

    fn objects(&mut self, part: &Part, kind: Option<ObjectType>) -> Result<(), AskError> {
        if !self.exists(&part.within) {
            return Ok(());
        }
        let reset = part.reset;
        match (&part.within, &part.name, kind) {
            (Within::Table(table), Some(name), Some(kind)) => {
                let (table, name) = (table.clone(), name.clone());
                self.ask_optional(&Query::Object { table, kind, name, reset })
            }
            (within, ..) => self.ask(&Query::Objects { within: scope(within), kind, reset }),
        }
    }

    fn flowtables(&mut self, part: &Part) -> Result<(), AskError> {
        if !self.exists(&part.within) {
            return Ok(());
        }
        match self.ask(&Query::Flowtables { within: scope(&part.within) }) {
            // A kernel without flowtables has none.
            Err(AskError::Answer(refusal)) if refusal.errno == Errno::EOPNOTSUPP => Ok(()),
            other => other,
        }
    }

    /// Elements of those sets of a part that are wanted and known.
    fn elements(&mut self, part: &Part, wanted: fn(&Set) -> bool) -> Result<(), AskError> {
        for id in self.places(&part.within) {
            let Some(table) = self.mirror.ruleset().table(&id) else { continue };
            let named = |set: &Set| part.name.as_ref().is_none_or(|name| *name == set.name);
            let sets = table.sets().map(|state| &state.set).filter(|set| named(set) && wanted(set));
            let names: Vec<Box<str>> = sets.map(|set| set.name.clone()).collect();
            for name in names {
                self.elements_of(&id, &name, part.reset)?;
            }
        }
        Ok(())
    }

    fn elements_of(&mut self, table: &TableId, set: &str, reset: bool) -> Result<(), AskError> {
        let query = Query::Elements { table: table.clone(), set: set.into(), reset };
        let elements = ask_elements(self.connection, &query)?;
        self.mirror.elements(table, set, elements, self.now);
        Ok(())
    }

    fn rules(
        &mut self,
        within: &Within,
        chain: Option<Box<str>>,
        rule: Option<Handle>,
        reset: bool,
    ) -> Result<(), AskError> {
        if !self.exists(within) {
            return Ok(());
        }
        match (within, chain, rule) {
            (Within::Table(table), Some(chain), Some(handle)) => {
                self.ask_optional(&Query::Rule { table: table.clone(), chain, handle, reset })
            }
            (within, chain, _) => self.ask(&Query::Rules { within: scope(within), chain, reset }),
        }
    }

    /// The rules of a chain with what goes with them: anonymous chains they jump to, elements of anonymous sets.
    fn rules_of_chain(&mut self, table: &TableId, chain: &str, part: &Part) -> Result<(), AskError> {
        let mut chains: Vec<Box<str>> = vec![chain.into()];
        let mut seen: HashSet<Box<str>> = HashSet::new();
        while let Some(chain) = chains.pop() {
            if !seen.insert(chain.clone()) {
                continue;
            }
            self.rules(&part.within, Some(chain.clone()), part.rule, part.reset)?;
            let Some(state) = self.mirror.ruleset().table(table) else { return Ok(()) };
            let Some(of) = state.chain(&chain) else { continue };
            let mut sets: HashSet<Box<str>> = HashSet::new();
            for expr in of.rules().flat_map(|rule| &rule.rule.exprs) {
                match expr {
                    Expr::Immediate(Immediate::Verdict(Verdict::Jump(to) | Verdict::Goto(to))) => {
                        let anonymous = state.chain(&to.name).is_some_and(|to| to.chain.binding.is_some());
                        chains.extend(anonymous.then(|| to.name.clone()));
                    }
                    Expr::Lookup(Lookup { set, .. })
                    | Expr::Objref(Objref::Map { set, .. })
                    | Expr::Dynset(Dynset { set, .. }) => {
                        let anonymous = state.set(&set.name).is_some_and(SetState::is_anonymous);
                        sets.extend(anonymous.then(|| set.name.clone()));
                    }
                    _ => {}
                }
            }
            for set in sets {
                self.elements_of(table, &set, false)?;
            }
        }
        Ok(())
    }
}

fn ask_elements(connection: &mut Connection, query: &Query) -> Result<Vec<Element>, AskError> {
    let mut elements = Vec::new();
    let asked = connection.ask(
        |buffer, seq| query.encode(buffer, seq),
        |message| {
            if let Told::Elements(told) = Told::decode(message)? {
                elements.extend(told.elements);
            }
            Ok(())
        },
    );
    match asked {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(elements),
    }
}

/// Puts what the kernel told into a mirror. What is of a table that was not asked for is passed over there.
fn tell(mirror: &mut Mirror, told: Told) {
    match told {
        Told::Table(told) => {
            let owner = told.owner.and_then(program_of_port);
            mirror.table(told.handle, told.table, owner);
        }
        Told::Chain(told) => mirror.chain(&told.table, told.handle, told.chain, told.counters),
        Told::Set(told) => mirror.set(&told.table, told.handle, told.set, told.count),
        Told::Object(told) => mirror.object(&told.table, told.handle, told.object),
        Told::Flowtable(told) => mirror.flowtable(&told.table, told.handle, told.flowtable),
        Told::Rule(told) => mirror.rule(&told.table, &told.chain, told.handle, told.rule),
        _ => {}
    }
}

/// Whether what is added may grow together with what a set holds (`auto-merge`).
fn merges(set: &Set) -> bool {
    let interval = set.flags.contains(SetFlags::INTERVAL) && !set.flags.contains(SetFlags::CONCAT);
    interval && set.userdata.get_u32(SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0)
}

fn family(within: &Within) -> Option<Family> {
    match within {
        Within::All => None,
        Within::Family(family) => Some(*family),
        Within::Table(id) => Some(id.family),
    }
}

fn scope(within: &Within) -> Scope {
    let table = match within {
        Within::Table(id) => Some(id.name.clone()),
        _ => None,
    };
    Scope { family: family(within), table }
}
