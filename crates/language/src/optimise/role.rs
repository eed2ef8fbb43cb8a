//! What merging needs to know of a statement; each tells it in its own file.

use bitflags::bitflags;

use crate::expr::verdict::Verdict;
use crate::stmt::nat::Nat;
use crate::stmt::relational::Relational;
use crate::stmt::vmap::Vmap;

/// What `-o` may do with a statement.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// It compares: constants of neighbours may become a set.
    Match(&'a Relational),
    /// It takes a verdict from a map: maps of neighbours may become one.
    Map(&'a Vmap),
    /// A verdict: those of neighbours may become a map.
    Verdict(&'a Verdict),
    /// It translates: targets of neighbours may become a map.
    Nat(&'a Nat),
    /// It counts from zero: one may count for neighbours that do the same, and each element of a map for itself.
    Counter,
    /// Neighbours that have the same may share one.
    Same,
    /// Its rule stays as it is: it has state of its own.
    Alone,
}

bitflags! {
    /// What comparisons read and statements write.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Parts: u8 {
        /// Bytes of the packet.
        const PACKET = 1;
        /// What is kept beside it: mark, priority, type.
        const META = 2;
        /// Its connection.
        const CONNECTION = 4;
    }
}
