//! The live dataplane and its daemon.
//!
//! ```text
//! thread of packets    packets::run ─► Router ─► ports
//!                           │
//!                        Shared: the engine behind a fair lock
//!                           │
//! thread of clients    Daemon ─► Server, clients' sockets, attendants
//! ```
//!
//! [`server`] answers nfnetlink over an engine: bytes of a client in, datagrams for clients out, no socket of its own.
//! [`router`] takes frames of ports through the engine and out again. [`daemon`] and [`packets`] are the loops that give
//! both their sockets and a clock; [`shared`] is what they share, [`watch`] what clients hear of packets. [`xdp`] takes connections of
//! flowtables past all of it.

pub mod daemon;
mod log_line;
pub mod neighbours;
pub mod offload;
pub mod packets;
pub mod router;
pub mod routes;
pub mod saved;
pub mod server;
pub mod shared;
pub mod watch;
pub mod witness;
pub mod xdp;
