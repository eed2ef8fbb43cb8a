//! The live dataplane and its daemon.
//!
//! [`server`] answers nfnetlink over an engine: bytes of a client in, datagrams for clients out, no socket of its own.
//! [`router`] takes frames of ports through the engine and out again. [`daemon`] is the loop that gives both their sockets
//! and a clock.

pub mod daemon;
pub mod neighbours;
pub mod offload;
pub mod router;
pub mod server;
