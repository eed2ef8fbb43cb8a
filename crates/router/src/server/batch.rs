//! Batches: what lies between a begin and an end is committed whole or not at all (`nfnetlink_rcv_batch` of
//! `net/netfilter/nfnetlink.c`).

use ironweir_engine::Engine;
use ironweir_netlink::{DecodeError, Flags, Header, Message, batch as envelope, subsystem};
use ironweir_ruleset::netlink::Requests;
use ironweir_ruleset::store::{ChangeError, Errno};
use ironweir_ruleset::{Batch, Change, Family, Handle, Ruleset, Selector, TableFlags, TableId};

use super::event::{self, Origin};
use super::{ClientId, Refused, Server, fault};
use crate::watch::Activity;

/// A batch that was read.
#[derive(Debug)]
pub(super) struct Read<'a> {
    begin: Message<'a>,
    batch: Batch,
    /// The message of each change.
    messages: Vec<Message<'a>>,
    /// Messages that are answered, with what is wrong with them.
    answers: Vec<(Message<'a>, Option<Refused>)>,
    /// Whether the end is there: a batch without is only checked.
    ends: bool,
    refused: bool,
}

impl Server {
    pub(super) fn batch(&mut self, engine: &mut Engine, id: ClientId, mut read: Read<'_>) {
        let begin = read.begin;
        if let Err(refused) = check_begin(engine, &begin) {
            return self.acknowledge(id, &begin.header, refused);
        }
        let Some(client) = self.clients.get(&id) else { return };
        let origin = Origin { client: Some(id), port: client.port, process: client.process.clone() };
        for (change, message) in read.batch.changes.iter().zip(&read.messages) {
            if self.is_of_another(engine.ruleset(), change, id) {
                read.answers.push((*message, Some(Errno::EPERM.into())));
                read.refused = true;
            }
        }
        if !read.refused {
            let headers: Vec<Header> = read.messages.iter().map(|message| message.header).collect();
            let committed = match read.ends {
                true => self.commit(engine, &origin, &read.batch, &headers, Some(begin.header)),
                false => {
                    let now = engine.now();
                    engine.ruleset().clone().apply(&read.batch, now).map(|_| ())
                }
            };
            if let Err(errors) = committed {
                for ChangeError { change, kind } in errors {
                    let Some(message) = read.messages.get(change) else { continue };
                    let refused =
                        Refused { errno: kind.errno(), error: None, offset: fault::offset(message, &kind) };
                    read.answers.push((*message, Some(refused)));
                }
            }
        }
        // A message has one answer: the first thing that is wrong with it, or that it is well.
        read.answers.sort_by_key(|(message, refused)| (message.offset, refused.is_none()));
        read.answers.dedup_by_key(|(message, _)| message.offset);
        for (message, refused) in read.answers {
            self.acknowledge(id, &message.header, refused.unwrap_or_else(|| Errno::Other(0).into()));
        }
    }

    /// Commits, and tells whoever listens what was made and what went.
    pub(super) fn commit(
        &mut self,
        engine: &mut Engine,
        origin: &Origin,
        batch: &Batch,
        requests: &[Header],
        begin: Option<Header>,
    ) -> Result<(), Vec<ChangeError>> {
        let heard = self.clients.values().any(event::hears)
            || requests.iter().chain(&begin).any(|header| header.flags.contains(Flags::ECHO));
        let going = match heard {
            true => batch.changes.iter().map(|change| event::going(engine.ruleset(), change)).collect(),
            false => Vec::new(),
        };
        let applied = engine.commit(batch);
        let [committed, refused] = &self.watch.activity().transactions;
        Activity::count(if applied.is_ok() { committed } else { refused });
        let applied = applied?;
        self.note_owners(engine.ruleset(), batch, origin);
        if heard {
            self.tell(engine, origin, batch, requests, begin, going, &applied);
        }
        Ok(())
    }

    /// Whether a change is of a table that belongs to another client (`nft_table_lookup`).
    fn is_of_another(&self, ruleset: &Ruleset, change: &Change, id: ClientId) -> bool {
        if self.owners.is_empty() {
            return false;
        }
        let other = |handle: Handle| self.owners.get(&handle).is_some_and(|owner| *owner != id);
        match table_of(change) {
            Some(Named::Id(table)) => ruleset.table(table).is_some_and(|table| other(table.handle)),
            Some(Named::Handle(handle)) => other(handle),
            Some(Named::Name(family, name)) => {
                let table = TableId::new(family, name);
                ruleset.table(&table).is_some_and(|table| other(table.handle))
            }
            None => false,
        }
    }

    fn note_owners(&mut self, ruleset: &Ruleset, batch: &Batch, origin: &Origin) {
        for change in &batch.changes {
            let Change::NewTable { table, .. } = change else { continue };
            if !table.flags.contains(TableFlags::OWNER) {
                continue;
            }
            if let (Some(made), Some(client)) = (ruleset.table(&table.id), origin.client) {
                self.owners.insert(made.handle, client);
            }
        }
        if !self.owners.is_empty() {
            let lives = |handle: &Handle| ruleset.tables().any(|table| table.handle == *handle);
            self.owners.retain(|handle, _| lives(handle));
        }
    }
}

fn check_begin(engine: &Engine, begin: &Message<'_>) -> Result<(), Refused> {
    let (system, generation) = envelope::decode_begin(begin)?;
    if system != u16::from(subsystem::NFTABLES) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    // 0 is any (nf_tables_valid_genid).
    match generation {
        Some(wanted) if wanted != 0 && wanted != engine.ruleset().generation() as u32 => {
            Err(Errno::ERESTART.into())
        }
        _ => Ok(()),
    }
}

/// Reads the changes. `None`: what follows cannot be told apart, so nobody can be answered.
pub(super) fn read<'a>(
    begin: &Message<'a>,
    messages: impl Iterator<Item = Result<Message<'a>, DecodeError>>,
) -> Option<Read<'a>> {
    let mut read = Read {
        begin: *begin,
        batch: Batch::default(),
        messages: Vec::new(),
        answers: Vec::new(),
        ends: false,
        refused: false,
    };
    if begin.header.flags.contains(Flags::ACK) {
        read.answers.push((*begin, None));
    }
    let mut requests = Requests::new();
    for message in messages {
        let message = message.ok()?;
        let header = message.header;
        if header.kind == envelope::END {
            read.ends = true;
            if header.flags.contains(Flags::ACK) {
                read.answers.push((message, None));
            }
            break;
        }
        if header.flags.contains(Flags::ACK) {
            read.answers.push((message, None));
        }
        let index = read.batch.changes.len() as u32;
        let asks = header.flags.contains(Flags::REQUEST) && header.subsystem() == subsystem::NFTABLES;
        let change = match asks {
            true => requests.decode(&message, index).map_err(Refused::from),
            false => Ok(None),
        };
        match change.and_then(|change| change.ok_or_else(|| Errno::EINVAL.into())) {
            Ok(change) => {
                read.batch.changes.push(change);
                read.messages.push(message);
            }
            Err(refused) => {
                read.refused = true;
                read.answers.push((message, Some(refused)));
            }
        }
    }
    Some(read)
}

/// The table that a change is of.
enum Named<'c> {
    Id(&'c TableId),
    Name(Family, &'c str),
    Handle(Handle),
}

fn table_of(change: &Change) -> Option<Named<'_>> {
    Some(match change {
        Change::NewTable { table, .. } => Named::Id(&table.id),
        Change::DelTable { family, which: Selector::Name(name), .. } => Named::Name(*family, name),
        Change::DelTable { which: Selector::Handle(handle), .. } => Named::Handle(*handle),
        // What belongs to others is passed over there (nft_flush).
        Change::FlushRuleset { .. } => return None,
        Change::NewChain { table, .. }
        | Change::RenameChain { table, .. }
        | Change::DelChain { table, .. }
        | Change::NewRule { table, .. }
        | Change::DelRule { table, .. }
        | Change::FlushRules { table, .. }
        | Change::NewSet { table, .. }
        | Change::DelSet { table, .. }
        | Change::NewElements { table, .. }
        | Change::DelElements { table, .. }
        | Change::NewObject { table, .. }
        | Change::DelObject { table, .. }
        | Change::NewFlowtable { table, .. }
        | Change::DelFlowtable { table, .. } => Named::Id(table),
    })
}
