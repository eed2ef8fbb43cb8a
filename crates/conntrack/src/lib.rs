//! Connection tracking and NAT, with the semantics of Linux's nf_conntrack and nf_nat.
//!
//! Nothing here reads a clock or draws randomness: `now` is an argument of every call that needs it, and the seed
//! of hashes and of port choice is given at construction. One packet is at work at a time:
//!
//! ```text
//! prerouting / output, priority -400        Defrag::push   fragments become whole packets
//! prerouting / output, priority -200        packet_in   -> Tracking: what `ct state` and its kin read
//! nat hooks (-100, 100)                     nat_pending -> ask the nat chains -> nat_setup | nat_null_bind
//!                                           nat_packet     rewrites the packet, or the packet an error quotes
//! end of input / postrouting                help           the connection's helper reads and changes the payload
//!                                           seq_adjust     numbers of a changed payload
//!                                           confirm        a new connection enters the table
//! dropped, stolen, or lost on the way       release        a connection not yet confirmed is forgotten
//! ```
//!
//! A reference ([`CtRef`]) is checked at every use: one whose connection is gone yields `None`, never another
//! connection. A connection that ends while its packet is at work (a TCP reset as only answer) stays readable
//! until the next call of [`Conntrack::packet_in`].

pub mod config;
pub mod defrag;
pub mod entry;
pub mod event;
pub mod expect;
pub mod helper;
mod index;
mod key;
mod keymap;
mod known;
pub mod list;
pub mod nat;
mod proto;
pub mod reason;
pub mod saved;
pub mod seqadj;
mod slab;
mod sources;
pub mod status;
pub mod synproxy;
mod table;
#[cfg(test)]
mod testing;
pub mod track;
mod vector;
pub mod zone;

pub use config::{Config, Timeouts};
pub use defrag::Defrag;
pub use entry::{Counter, CtInfo, CtRef, Direction, Entry, HelperMemory, HelperName, Labels, Tracking};
pub use event::{Event, EventKind};
pub use expect::{ExpectError, ExpectEvent, ExpectFlags, ExpectId, Expectation, Expected, Follow, Policy};
pub use helper::{Context, Helper, Helpers, Judgement, Nowhere, Surroundings};
pub use nat::{Manip, NatFlags, NatRange, NatVerdict};
pub use proto::sctp::SctpStatus;
pub use proto::tcp::TcpStatus;
pub use reason::InvalidReason;
pub use seqadj::SeqAdj;
pub use status::Status;
pub use synproxy::{Offer, Proxied, ProxyVerdict, ServerOffer, SynproxyStats};
pub use track::{Confirm, Conntrack, DropReason, PacketIn, Stats, Template};
pub use vector::Item;
pub use zone::{Zone, ZoneDirection};
