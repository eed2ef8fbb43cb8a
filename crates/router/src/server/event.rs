//! Events: what a commit made and what went, to those who listen and to the one who asked for an echo
//! (`nf_tables_commit`, `nf_tables_*_notify`).
//!
//! What a batch made and took away again is not told, where the kernel tells both.
// DIVERGES: see above.

use ironweir_engine::Engine;
use ironweir_netlink::{Flags, Header};
use ironweir_ruleset::netlink::{Generation, Gone, RuleMessage, Told};
use ironweir_ruleset::store::{Applied, ChainState, ObjectState, TableState};
use ironweir_ruleset::{Batch, Change, Handle, Place, Rule, RuleSelector, Ruleset, Selector, TableId};

use ironweir_wire::Instant;

use super::{Client, ClientId, GROUP_NFTABLES, Process, Server, state};

/// Whose commit it was.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) client: Option<ClientId>,
    pub(super) port: u32,
    pub(super) process: Process,
}

/// Whether a client listens to the ruleset's events.
pub(super) fn hears(client: &Client) -> bool {
    client.groups & 1 << (GROUP_NFTABLES - 1) != 0
}

impl Server {
    #[allow(clippy::too_many_arguments)] // one call, of what one commit is
    pub(super) fn tell(
        &mut self,
        engine: &Engine,
        origin: &Origin,
        batch: &Batch,
        requests: &[Header],
        begin: Option<Header>,
        going: Vec<Vec<Gone>>,
        applied: &Applied,
    ) {
        let ruleset = engine.ruleset();
        let generation = ruleset.generation() as u32;
        for (index, (change, gone)) in batch.changes.iter().zip(going).enumerate() {
            let request = requests.get(index).copied().unwrap_or_default();
            let handle = applied.handles.get(index).copied().flatten();
            // As nf_tables_rule_notify and its kin: of the request's flags these alone.
            let kept = match change {
                Change::NewRule { .. } if request.flags.contains(Flags::REPLACE) => Flags::APPEND.0,
                Change::NewRule { .. } => request.flags.0 & Flags::APPEND.0,
                Change::DelRule { .. } | Change::DelElements { .. } => 0,
                _ => request.flags.0 & (Flags::CREATE.0 | Flags::EXCL.0),
            };
            let header = Header { flags: Flags(kept), seq: request.seq, port: origin.port, ..request };
            for gone in gone {
                let header = Header { flags: Flags::empty(), ..header };
                self.spread(origin, request.flags, header, &Told::Gone(gone), generation);
            }
            if let Some(made) = made(engine, change, handle) {
                self.spread(origin, request.flags, header, &made, generation);
            }
        }
        let told = Told::Generation(Generation {
            id: generation,
            pid: Some(origin.process.pid),
            process: origin.process.name.clone(),
        });
        let begin = begin.unwrap_or_default();
        let header = Header { flags: Flags::empty(), port: origin.port, ..begin };
        self.spread(origin, begin.flags, header, &told, generation);
    }

    /// Sends a message to all who listen, and to the one whose request wants an echo, once.
    fn spread(&mut self, origin: &Origin, request: Flags, header: Header, told: &Told, generation: u32) {
        let mut bytes = Vec::new();
        let encoded = match told {
            Told::Elements(elements) => Told::encode_elements(elements, &mut bytes, header, generation),
            told => told.encode(&mut bytes, header, generation),
        };
        if encoded.is_err() {
            return;
        }
        for (id, client) in &mut self.clients {
            let echo = origin.client == Some(*id) && request.contains(Flags::ECHO);
            if echo {
                client.output.answer(bytes.clone());
            } else if hears(client) {
                client.output.event(&bytes);
            }
        }
    }
}

/// What a change made, as it is now.
fn made(engine: &Engine, change: &Change, handle: Option<Handle>) -> Option<Told> {
    let ruleset = engine.ruleset();
    Some(match change {
        Change::NewTable { table, .. } => Told::Table(state::table(ruleset.table(&table.id)?, None)),
        Change::NewChain { table, chain, .. } => {
            let table = ruleset.table(table)?;
            let by_handle = handle.and_then(|handle| table.chain_by_handle(handle));
            Told::Chain(state::chain(table, by_handle.or_else(|| table.chain(&chain.name))?))
        }
        Change::RenameChain { table, name, .. } => {
            let table = ruleset.table(table)?;
            Told::Chain(state::chain(table, table.chain(name)?))
        }
        Change::NewRule { table, chain, .. } => {
            let table = ruleset.table(table)?;
            // An anonymous chain's name is given by the ruleset.
            let holds = |chain: &&ChainState| chain.rule(handle.unwrap_or_default()).is_some();
            let chain = table.chain(&chain.name).filter(holds).or_else(|| table.chains().find(holds))?;
            // The rule before it is told where another stands behind it (nf_tables_rule_notify).
            let mut rules = chain.rules();
            let mut position = None;
            let rule = rules.by_ref().find(|rule| {
                let found = Some(rule.handle) == handle;
                position = if found { position } else { Some(rule.handle) };
                found
            })?;
            let position = position.filter(|_| rules.next().is_some());
            Told::Rule(state::rule(table, chain, rule, position))
        }
        Change::NewSet { table, set, .. } => {
            let table = ruleset.table(table)?;
            let by_handle = handle.and_then(|handle| table.set_by_handle(handle));
            Told::Set(state::set(table, by_handle.or_else(|| table.set(&set.name))?))
        }
        Change::NewElements { table, set, elements, .. } => {
            let table = ruleset.table(table)?;
            Told::Elements(state::elements(table, table.set(&set.name)?, elements.clone()))
        }
        Change::NewObject { table, object, .. } => {
            let table = ruleset.table(table)?;
            Told::Object(state::object(table, table.object(object.object_type(), &object.name)?))
        }
        Change::NewFlowtable { table, flowtable, .. } => {
            let table = ruleset.table(table)?;
            Told::Flowtable(state::flowtable(table, table.flowtable(&flowtable.name)?))
        }
        _ => return None,
    })
}

/// What a change is about to take away.
pub(super) fn going(ruleset: &Ruleset, change: &Change) -> Vec<Gone> {
    let mut gone = Vec::new();
    let _ = find(ruleset, change, &mut gone);
    gone
}

fn find(ruleset: &Ruleset, change: &Change, gone: &mut Vec<Gone>) -> Option<()> {
    match change {
        Change::FlushRuleset { family } => {
            let of = |table: &&TableState| family.is_none_or(|family| table.table.id.family == family);
            ruleset.tables().filter(of).for_each(|table| whole_table(table, gone));
        }
        Change::DelTable { family, which, .. } => {
            let table = match which {
                Selector::Name(name) => ruleset.table(&TableId::new(*family, &**name))?,
                Selector::Handle(handle) => ruleset.table_by_handle(*family, *handle)?,
            };
            whole_table(table, gone);
        }
        Change::DelChain { table, chain, devices, .. } => {
            let table = ruleset.table(table)?;
            let chain = match chain {
                Selector::Name(name) => table.chain(name)?,
                Selector::Handle(handle) => table.chain_by_handle(*handle)?,
            };
            if devices.is_empty() {
                rules(table, chain, gone);
            }
            gone.push(chain_gone(table, chain, devices.clone()));
        }
        Change::NewRule { table, chain, place: Place::Instead(RuleSelector::Handle(handle)), .. } => {
            let table = ruleset.table(table)?;
            let chain = table.chain(&chain.name)?;
            gone.extend(chain.rule(*handle).map(|rule| rule_gone(table, chain, rule.handle)));
        }
        Change::DelRule { table, chain, rule: RuleSelector::Handle(handle), .. } => {
            let table = ruleset.table(table)?;
            let chain = table.chain(chain)?;
            gone.extend(chain.rule(*handle).map(|rule| rule_gone(table, chain, rule.handle)));
        }
        Change::FlushRules { table, chain } => {
            let table = ruleset.table(table)?;
            let named = |state: &&ChainState| match chain {
                Some(name) => state.chain.name == *name,
                None => state.chain.binding.is_none(),
            };
            table.chains().filter(named).for_each(|chain| rules(table, chain, gone));
        }
        Change::DelSet { table, set, .. } => {
            let table = ruleset.table(table)?;
            let set = match set {
                Selector::Name(name) => table.set(name)?,
                Selector::Handle(handle) => table.set_by_handle(*handle)?,
            };
            let (name, handle) = (set.set.name.clone(), set.handle);
            gone.push(Gone::Set { table: table.table.id.clone(), name, handle });
        }
        Change::DelElements { table, set, elements, .. } => {
            let table = ruleset.table(table)?;
            let set = table.set(set)?;
            let elements = match elements {
                Some(elements) => elements.clone(),
                None => set.elements().map(|one| one.to_element(Instant::ZERO)).collect(),
            };
            gone.extend(
                elements.chunks(64).map(|some| Gone::Elements(state::elements(table, set, some.to_vec()))),
            );
        }
        Change::DelObject { table, kind, object, .. } => {
            let table = ruleset.table(table)?;
            let object = match object {
                Selector::Name(name) => table.object(*kind, name)?,
                Selector::Handle(handle) => table.object_by_handle(*kind, *handle)?,
            };
            gone.push(object_gone(table, object));
        }
        Change::DelFlowtable { table, flowtable, devices, .. } => {
            let table = ruleset.table(table)?;
            let flowtable = match flowtable {
                Selector::Name(name) => table.flowtable(name)?,
                Selector::Handle(handle) => table.flowtable_by_handle(*handle)?,
            };
            let (name, handle) = (flowtable.flowtable.name.clone(), flowtable.handle);
            gone.push(Gone::Flowtable {
                table: table.table.id.clone(),
                name,
                handle,
                devices: devices.clone(),
            });
        }
        _ => {}
    }
    Some(())
}

/// All of a table, in the order of `nft_flush_table`.
fn whole_table(table: &TableState, gone: &mut Vec<Gone>) {
    let id = || table.table.id.clone();
    table.chains().for_each(|chain| rules(table, chain, gone));
    for set in table.sets().filter(|set| !set.is_anonymous()) {
        gone.push(Gone::Set { table: id(), name: set.set.name.clone(), handle: set.handle });
    }
    for state in table.flowtables() {
        let (name, handle) = (state.flowtable.name.clone(), state.handle);
        gone.push(Gone::Flowtable { table: id(), name, handle, devices: Vec::new() });
    }
    table.objects().for_each(|object| gone.push(object_gone(table, object)));
    for chain in table.chains().filter(|chain| chain.chain.binding.is_none()) {
        gone.push(chain_gone(table, chain, Vec::new()));
    }
    gone.push(Gone::Table { id: id(), handle: table.handle });
}

fn chain_gone(table: &TableState, chain: &ChainState, devices: Vec<Box<str>>) -> Gone {
    let (name, handle) = (chain.chain.name.clone(), chain.handle);
    Gone::Chain { table: table.table.id.clone(), name, handle, devices }
}

fn object_gone(table: &TableState, state: &ObjectState) -> Gone {
    let (kind, name) = (state.object.object_type(), state.object.name.clone());
    Gone::Object { table: table.table.id.clone(), kind, name, handle: state.handle }
}

fn rules(table: &TableState, chain: &ChainState, gone: &mut Vec<Gone>) {
    gone.extend(chain.rules().map(|rule| rule_gone(table, chain, rule.handle)));
}

/// A rule that went is told by its handle (Linux 6.3).
fn rule_gone(table: &TableState, chain: &ChainState, handle: Handle) -> Gone {
    Gone::Rule(RuleMessage {
        table: table.table.id.clone(),
        chain: chain.chain.name.clone(),
        rule: Rule::default(),
        handle,
        position: None,
    })
}
