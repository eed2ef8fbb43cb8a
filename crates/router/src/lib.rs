//! The live dataplane and its daemon.
//!
//! [`server`] answers nfnetlink over an engine: bytes of a client in, datagrams for clients out, no socket of its own.
//! [`daemon`] is the loop that gives it sockets and a clock.

pub mod daemon;
pub mod server;
