//! What happened to connections, for listeners.

use crate::entry::Entry;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It entered the table (`IPCT_NEW`).
    New,
    /// A reply was seen, it became assured, or its protocol's state changed.
    Update,
    /// It left the table (`IPCT_DESTROY`).
    Destroy,
}

/// A connection as it was when something happened to it.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The connection, copied.
    pub entry: Entry,
}
