//! Changing the kernel's ruleset: a batch in one message, and its verdict.

use ironweir_netlink::{EncodeError, Flags};
use ironweir_ruleset::netlink::{Event, Transaction, quickest};
use ironweir_ruleset::store::{Applied, ChangeError, Errno, ErrorKind, Thing};
use ironweir_ruleset::{Batch, Change, Selector, TableId};

use super::Kernel;
use super::names::{Names, was_taken};
use crate::connection::{AskError, Refusal};

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Every change that the kernel refused.
    #[error("{} changes were refused", .0.len())]
    Refused(Vec<ChangeError>),
    /// The ruleset changed since it was fetched (`ERESTART`).
    #[error("the ruleset has changed meanwhile")]
    Changed,
    /// A change cannot be written as a message.
    #[error("cannot tell the kernel of a change: {error}")]
    Encode {
        /// Its place in the batch.
        change: u32,
        /// Why.
        error: EncodeError,
    },
    /// The kernel refused the batch as a whole, or cannot be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl Kernel {
    /// Commits a batch whole or not at all. Where something was fetched before, only if the ruleset is still what it was.
    ///
    /// # Errors
    /// [`CommitError`]. Then nothing was changed.
    pub fn commit(&mut self, batch: &Batch) -> Result<Applied, CommitError> {
        self.send_quickly(batch, Purpose::Commit)
    }

    /// Whether the kernel would commit a batch. It works on all of it and takes it back.
    ///
    /// # Errors
    /// As [`Kernel::commit`].
    pub fn check(&mut self, batch: &Batch) -> Result<Applied, CommitError> {
        self.send_quickly(batch, Purpose::Check)
    }
}

/// Errors of one batch of which it is told which part of their change is at fault.
const LOCATED: usize = 256;

/// What a batch is sent for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commit,
    Check,
}

/// How a batch is sent.
#[derive(Clone, Copy)]
struct Way<'o> {
    purpose: Purpose,
    /// The places of the changes, in the order of their messages.
    order: &'o [u32],
    /// Whether anonymous sets get their names here.
    naming: bool,
}

/// What an answer of the kernel takes of the receive buffer, beside the message itself: its own structures.
const ANSWER_OVERHEAD: usize = 1024;

/// How much larger echoes are than what they answer: an element of 20 bytes is a message in a buffer of its own.
const ECHO_FACTOR: usize = 64;

/// Room for echoes at most.
const MAX_ECHO_ROOM: usize = 512 << 20;

/// Errors of one batch that there is room for; the kernel tells one for each change.
const ERRORS: usize = 8192;

impl Kernel {
    /// Sends a batch in the way that costs the kernel least, and else as it is.
    fn send_quickly(&mut self, batch: &Batch, purpose: Purpose) -> Result<Applied, CommitError> {
        // Who asks for echoes reads them in the order of the text.
        let order = if self.echoes.is_none() { quickest(batch) } else { None };
        let own = || (0u32..).take(batch.changes.len()).collect();
        // What is not known has names that we do not know of.
        let naming = order.is_some() && self.generation.is_some();
        let order = order.unwrap_or_else(own);
        let way = Way { purpose, order: &order, naming };
        match self.send(batch, way) {
            Err(CommitError::Refused(refused)) if naming && was_taken(&refused, batch) => {
                self.send(batch, Way { naming: false, ..way })
            }
            Err(CommitError::Refused(refused)) => match batch.without_unknown() {
                Some(known) => self.send_quickly(&known, purpose),
                None => Err(CommitError::Refused(refused)),
            },
            sent => sent,
        }
    }

    fn send(&mut self, batch: &Batch, way: Way<'_>) -> Result<Applied, CommitError> {
        let count = batch.changes.len();
        let none = Applied { handles: vec![None; count], generation: self.ruleset().generation() };
        if count == 0 {
            return Ok(none);
        }
        let first = self.connection.next_number();
        let transaction = self.encode(batch, first, way)?;
        self.connection.take_numbers(transaction.next_seq().wrapping_sub(first));
        let room = ERRORS * ANSWER_OVERHEAD + self.echo_room(&transaction);
        self.connection.socket().make_receive_room(room);
        let mut refused = Vec::new();
        // Errors come before everything else: where something is lost and no error is among what was read, there was none.
        let mut echoes = self.echoes.take();
        let lost = self.connection.send_batch(transaction.as_bytes(), first, &mut refused, |message| {
            if let Some(echoes) = echoes.as_mut() {
                echoes.push(Event::decode(message)?);
            }
            Ok(())
        });
        self.echoes = echoes;
        self.echoes_lost = lost? && self.echoes.is_some();
        if refused.is_empty() {
            return Ok(none);
        }
        Err(verdict(refused, &transaction))
    }

    /// Room for what is echoed. The kernel counts what it says with its own structures; one element is a message.
    fn echo_room(&self, transaction: &Transaction) -> usize {
        match self.echoes {
            Some(_) => transaction.as_bytes().len().saturating_mul(ECHO_FACTOR).min(MAX_ECHO_ROOM),
            None => 0,
        }
    }

    fn encode(&self, batch: &Batch, first: u32, way: Way<'_>) -> Result<Transaction, CommitError> {
        let cannot = |change: u32, error| CommitError::Encode { change, error };
        let flags = if self.echoes.is_some() { Flags::ECHO } else { Flags::empty() };
        let mut transaction =
            Transaction::begin(first, self.generation, flags).map_err(|error| cannot(0, error))?;
        let mut names = way.naming.then(|| Names::new(self.ruleset()));
        for &index in way.order {
            let Some(change) = batch.changes.get(index as usize) else { continue };
            let named = names.as_mut().and_then(|names| names.named(change));
            match named.as_ref().unwrap_or(change) {
                Change::RenameChain { table, chain: Selector::Name(old), name } => {
                    let chain = self.chain_handle(index, table, old)?;
                    let by_handle = Change::RenameChain { table: table.clone(), chain, name: name.clone() };
                    transaction.push(index, &by_handle)
                }
                change => transaction.push(index, change),
            }
            .map_err(|error| cannot(index, error))?;
        }
        if way.purpose == Purpose::Commit {
            transaction.end().map_err(|error| cannot(0, error))?;
        }
        Ok(transaction)
    }
}

impl Kernel {
    /// The kernel takes a new name for a chain that is named by its handle alone (`nf_tables_newchain`).
    fn chain_handle(&self, change: u32, table: &TableId, name: &str) -> Result<Selector, CommitError> {
        let missing = |kind| CommitError::Refused(vec![ChangeError { change: change as usize, kind }]);
        let Some(known) = self.ruleset().table(table) else {
            return Err(missing(ErrorKind::NoTable(table.clone())));
        };
        match known.chain(name) {
            Some(chain) => Ok(Selector::Handle(chain.handle)),
            None => {
                let (table, name) = (table.clone(), name.into());
                Err(missing(ErrorKind::NoSuch { what: Thing::Chain, table, name }))
            }
        }
    }
}

/// What the kernel's errors mean. One about no change is about the whole batch.
fn verdict(refused: Vec<Refusal>, transaction: &Transaction) -> CommitError {
    let mut changes: Vec<ChangeError> = Vec::new();
    for refusal in refused {
        // To find the part, the batch is read from its beginning: not for thousands of errors.
        let offset = refusal.offset.filter(|_| changes.len() < LOCATED);
        let Some(fault) = transaction.fault(refusal.seq, offset) else {
            return match refusal.errno {
                Errno::ERESTART | Errno::EAGAIN => CommitError::Changed,
                _ => AskError::Answer(refusal).into(),
            };
        };
        let kind = ErrorKind::Answer { errno: refusal.errno, message: refusal.message, part: fault.part };
        changes.push(ChangeError { change: fault.change as usize, kind });
    }
    changes.sort_by_key(|error| error.change);
    CommitError::Refused(changes)
}
