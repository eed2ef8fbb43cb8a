//! A batch as it goes over the wire.

use ironweir_netlink::{EncodeError, Flags, GenMsg, Messages, Writer, batch, message};

use super::{chain, element, flowtable, kind, message_type, object, rule, set, table};
use crate::{Batch, Change, Creation, Element, Selector, SetRef, TableId};

/// A batch as messages: begin, changes, end, one behind the other in one buffer.
///
/// A change is one message; only elements may need several. Every message has its own sequence number, by which
/// [`Transaction::change_of`] finds the change that an answer is about.
///
/// ```
/// use ironweir_netlink::Flags;
/// use ironweir_ruleset::netlink::Transaction;
/// use ironweir_ruleset::{Batch, Change};
///
/// let batch = Batch { changes: vec![Change::FlushRuleset { family: None }] };
/// let transaction = Transaction::encode(&batch, 1, Some(7), Flags::ACK).unwrap();
/// assert_eq!(transaction.change_of(2), Some(0)); // the begin has number 1
/// ```
#[derive(Clone, Debug)]
pub struct Transaction {
    buffer: Vec<u8>,
    first: u32,
    next: u32,
    /// Number of the end, once it is there.
    end: Option<u32>,
    flags: Flags,
    runs: Vec<Run>,
}

/// Changes whose messages follow each other with one number each, from a change and a sequence number on.
#[derive(Clone, Copy, Debug)]
struct Run {
    seq: u32,
    change: u32,
    /// All messages from here to the next run are of this one change.
    same: bool,
}

/// What an answer with an offset is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The change.
    pub change: u32,
    /// Which part of it, if that is known.
    pub part: Option<FaultPart>,
}

/// Part of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPart {
    /// The element with this index.
    Element(u32),
    /// The expression with this index of a rule.
    Expression(u32),
    /// The attribute of this type, among the message's own.
    Attribute(u16),
}

impl Transaction {
    /// A whole batch. `seq` is the number of its first message; `flags` are those that every change's message gets besides
    /// its own ([`Flags::ACK`]; [`Flags::ECHO`], which only those get that make something).
    ///
    /// # Errors
    /// Which change cannot be said, and why.
    pub fn encode(
        batch: &Batch,
        seq: u32,
        generation: Option<u32>,
        flags: Flags,
    ) -> Result<Transaction, (u32, EncodeError)> {
        let mut transaction = Transaction::begin(seq, generation, flags).map_err(|error| (0, error))?;
        for (index, change) in (0u32..).zip(&batch.changes) {
            transaction.push(index, change).map_err(|error| (index, error))?;
        }
        transaction.end().map_err(|error| (0, error))?;
        Ok(transaction)
    }

    /// A batch that has begun, for a ruleset of this generation or any.
    pub fn begin(seq: u32, generation: Option<u32>, flags: Flags) -> Result<Transaction, EncodeError> {
        let mut buffer = Vec::new();
        // With the echo of the begin the kernel tells which generation the batch made.
        let echo = Flags(flags.0 & Flags::ECHO.0);
        batch::begin(&mut buffer, seq, echo, generation)?;
        Ok(Transaction { buffer, first: seq, next: seq.wrapping_add(1), end: None, flags, runs: Vec::new() })
    }

    /// Appends a change. `index` is its place in the batch.
    ///
    /// # Errors
    /// If it cannot be said, such as a name that is longer than an attribute.
    pub fn push(&mut self, index: u32, change: &Change) -> Result<(), EncodeError> {
        match change {
            Change::NewElements { table, set, elements, creation } => {
                let flags = creation_flags(*creation);
                self.push_elements(index, kind::NEWSETELEM, flags, (table, set), elements)
            }
            Change::DelElements { table, set, elements: Some(elements), missing_ok } => {
                let set = SetRef { name: set.clone(), id: None };
                let kind = if *missing_ok { kind::DESTROYSETELEM } else { kind::DELSETELEM };
                self.push_elements(index, kind, Flags::empty(), (table, &set), elements)
            }
            _ => {
                let (kind, flags, family) = envelope(change);
                self.run(index, false);
                self.message(kind, flags, family, |writer| put(writer, change, index))
            }
        }
    }

    /// Ends the batch. Without an end the kernel checks a batch and throws it away. Returns the number of the message.
    pub fn end(&mut self) -> Result<u32, EncodeError> {
        let seq = self.next;
        batch::end(&mut self.buffer, seq, Flags::empty())?;
        self.next = seq.wrapping_add(1);
        self.end = Some(seq);
        Ok(seq)
    }

    /// The messages.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The number that the next message gets; numbers of this batch are below.
    pub fn next_seq(&self) -> u32 {
        self.next
    }

    /// The change that the message with this number is of: none for the begin and the end.
    pub fn change_of(&self, seq: u32) -> Option<u32> {
        let distance = |seq: u32| seq.wrapping_sub(self.first);
        if distance(seq) == 0 || distance(seq) >= distance(self.end.unwrap_or(self.next)) {
            return None;
        }
        let behind = self.runs.partition_point(|run| distance(run.seq) <= distance(seq));
        let run = self.runs.get(behind.checked_sub(1)?)?;
        Some(if run.same { run.change } else { run.change.wrapping_add(seq.wrapping_sub(run.seq)) })
    }

    /// What an error is about that names a message and an offset in it (`NLMSGERR_ATTR_OFFS`). Reads the batch from its
    /// beginning: for errors only.
    pub fn fault(&self, seq: u32, offset: Option<u32>) -> Option<Fault> {
        let change = self.change_of(seq)?;
        Some(Fault { change, part: offset.and_then(|offset| self.part(seq, change, offset as usize)) })
    }

    fn part(&self, seq: u32, change: u32, offset: usize) -> Option<FaultPart> {
        let mut elements_before = 0;
        for message in Messages::new(&self.buffer) {
            let message = message.ok()?;
            if self.change_of(message.header.seq) != Some(change) {
                continue;
            }
            let list_kind = match message.header.message() {
                kind::NEWSETELEM | kind::DELSETELEM | kind::DESTROYSETELEM => Some(element::ELEMENTS),
                kind::NEWRULE => Some(rule::EXPRESSIONS),
                _ => None,
            };
            let (_, attributes) = message.nfgen().ok()?;
            if message.header.seq != seq {
                let list = attributes.find(element::ELEMENTS).ok()??;
                elements_before += list.nested().count() as u32;
                continue;
            }
            let attribute = attributes.flatten().take_while(|attribute| attribute.offset <= offset).last()?;
            if Some(attribute.kind) != list_kind || attribute.offset == offset {
                return Some(FaultPart::Attribute(attribute.kind));
            }
            let within = attribute.nested().flatten().take_while(|inner| inner.offset <= offset).count();
            let index = u32::try_from(within.checked_sub(1)?).ok()?;
            return Some(match message.header.message() {
                kind::NEWRULE => FaultPart::Expression(index),
                _ => FaultPart::Element(elements_before + index),
            });
        }
        None
    }

    fn push_elements(
        &mut self,
        index: u32,
        kind: u8,
        flags: Flags,
        (table, set): (&TableId, &SetRef),
        elements: &[Element],
    ) -> Result<(), EncodeError> {
        let mut rest = elements;
        while !rest.is_empty() {
            let mut put = 0;
            self.run(index, rest.len() < elements.len());
            self.message(kind, flags, table.family as u8, |writer| {
                put = element::put_some(writer, table, set, rest);
            })?;
            rest = rest.get(put..).unwrap_or_default();
        }
        Ok(())
    }

    /// Keeps that the next message is of this change, if that does not follow from what is kept. `more`: it is not the
    /// change's first.
    fn run(&mut self, change: u32, more: bool) {
        let seq = self.next;
        let follows = self.runs.last().is_some_and(|run| match run.same {
            true => more,
            false => !more && run.change.wrapping_add(seq.wrapping_sub(run.seq)) == change,
        });
        if !follows {
            self.runs.push(Run { seq, change, same: more });
        }
    }

    fn message(
        &mut self,
        kind: u8,
        flags: Flags,
        family: u8,
        put: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), EncodeError> {
        // What goes is not echoed, as with nft, whose users read there what was made.
        let every = match self.flags.contains(Flags::ECHO) && !makes(kind) {
            true => Flags(self.flags.0 & !Flags::ECHO.0),
            false => self.flags,
        };
        let flags = Flags::REQUEST | flags | every;
        message(&mut self.buffer, message_type(kind), flags, self.next, GenMsg::of(family), put)?;
        self.next = self.next.wrapping_add(1);
        Ok(())
    }
}

/// Whether a message makes something.
fn makes(kind: u8) -> bool {
    matches!(
        kind,
        kind::NEWTABLE
            | kind::NEWCHAIN
            | kind::NEWRULE
            | kind::NEWSET
            | kind::NEWSETELEM
            | kind::NEWOBJ
            | kind::NEWFLOWTABLE
    )
}

fn creation_flags(creation: Creation) -> Flags {
    match creation {
        Creation::Add => Flags::CREATE,
        Creation::Create => Flags::CREATE | Flags::EXCL,
    }
}

/// Type, flags and family of a change's message.
fn envelope(change: &Change) -> (u8, Flags, u8) {
    let new =
        |kind, creation: &Creation, table: &TableId| (kind, creation_flags(*creation), table.family as u8);
    let del = |delete, destroy, missing_ok: &bool, table: &TableId| {
        (if *missing_ok { destroy } else { delete }, Flags::empty(), table.family as u8)
    };
    match change {
        Change::NewTable { table, creation } => new(kind::NEWTABLE, creation, &table.id),
        Change::DelTable { family, missing_ok, .. } => {
            (if *missing_ok { kind::DESTROYTABLE } else { kind::DELTABLE }, Flags::empty(), *family as u8)
        }
        Change::FlushRuleset { family } => {
            (kind::DELTABLE, Flags::empty(), family.map_or(0, |family| family as u8))
        }
        Change::NewChain { table, creation, .. } => new(kind::NEWCHAIN, creation, table),
        Change::RenameChain { table, .. } => (kind::NEWCHAIN, Flags::empty(), table.family as u8),
        Change::DelChain { table, missing_ok, .. } => {
            del(kind::DELCHAIN, kind::DESTROYCHAIN, missing_ok, table)
        }
        Change::NewRule { table, place, .. } => {
            (kind::NEWRULE, rule::place_flags(*place), table.family as u8)
        }
        Change::DelRule { table, missing_ok, .. } => del(kind::DELRULE, kind::DESTROYRULE, missing_ok, table),
        Change::FlushRules { table, .. } => (kind::DELRULE, Flags::empty(), table.family as u8),
        Change::NewSet { table, creation, .. } => new(kind::NEWSET, creation, table),
        Change::DelSet { table, missing_ok, .. } => del(kind::DELSET, kind::DESTROYSET, missing_ok, table),
        Change::NewElements { table, creation, .. } => new(kind::NEWSETELEM, creation, table),
        Change::DelElements { table, missing_ok, .. } => {
            del(kind::DELSETELEM, kind::DESTROYSETELEM, missing_ok, table)
        }
        Change::NewObject { table, creation, .. } => new(kind::NEWOBJ, creation, table),
        Change::DelObject { table, missing_ok, .. } => del(kind::DELOBJ, kind::DESTROYOBJ, missing_ok, table),
        Change::NewFlowtable { table, creation, .. } => new(kind::NEWFLOWTABLE, creation, table),
        Change::DelFlowtable { table, missing_ok, .. } => {
            del(kind::DELFLOWTABLE, kind::DESTROYFLOWTABLE, missing_ok, table)
        }
    }
}

/// Puts what a change says.
fn put(writer: &mut Writer<'_>, change: &Change, index: u32) {
    match change {
        Change::NewTable { table, .. } => table::put_new(writer, table),
        Change::DelTable { which, .. } => select(writer, which, table::NAME, table::HANDLE),
        Change::FlushRuleset { .. } => {}
        Change::NewChain { table, chain, .. } => chain::put_new(writer, table, chain),
        Change::RenameChain { table, chain: Selector::Handle(handle), name } => {
            writer.put_str(chain::TABLE, &table.name);
            writer.put_u64_be(chain::HANDLE, handle.0);
            writer.put_str(chain::NAME, name);
        }
        // The kernel takes a chain's name for the new one and knows the chain by its handle alone.
        Change::RenameChain { .. } => writer.fail(EncodeError::Value { kind: chain::HANDLE }),
        Change::DelChain { table, chain, devices, .. } => {
            writer.put_str(chain::TABLE, &table.name);
            select(writer, chain, chain::NAME, chain::HANDLE);
            if !devices.is_empty() {
                chain::put_leaving(writer, table.family, devices);
            }
        }
        Change::NewRule { table, chain, rule, place } => {
            rule::put_new(writer, table, chain, rule, *place, index);
        }
        Change::DelRule { table, chain, rule, .. } => {
            writer.put_str(rule::TABLE, &table.name);
            writer.put_str(rule::CHAIN, chain);
            rule::put_selector(writer, *rule);
        }
        Change::FlushRules { table, chain } => {
            writer.put_str(rule::TABLE, &table.name);
            if let Some(chain) = chain {
                writer.put_str(rule::CHAIN, chain);
            }
        }
        Change::NewSet { table, set, .. } => set::put_new(writer, table, set),
        Change::DelSet { table, set, .. } => {
            writer.put_str(set::TABLE, &table.name);
            select(writer, set, set::NAME, set::HANDLE);
        }
        Change::DelElements { table, set, .. } => {
            element::put_set(writer, table, &SetRef { name: set.clone(), id: None });
        }
        // Written by Transaction::push_elements.
        Change::NewElements { .. } => {}
        Change::NewObject { table, object, .. } => object::put_new(writer, table, object),
        Change::DelObject { table, kind, object, .. } => {
            writer.put_str(object::TABLE, &table.name);
            writer.put_u32_be(object::TYPE, *kind as u32);
            select(writer, object, object::NAME, object::HANDLE);
        }
        Change::NewFlowtable { table, flowtable, .. } => flowtable::put_new(writer, table, flowtable),
        Change::DelFlowtable { table, flowtable, devices, .. } => {
            writer.put_str(flowtable::TABLE, &table.name);
            select(writer, flowtable, flowtable::NAME, flowtable::HANDLE);
            if !devices.is_empty() {
                flowtable::put_leaving(writer, devices);
            }
        }
    }
}

fn select(writer: &mut Writer<'_>, selector: &Selector, name: u16, handle: u16) {
    match selector {
        Selector::Name(text) => writer.put_str(name, text),
        Selector::Handle(number) => writer.put_u64_be(handle, number.0),
    }
}
