//! The packet engine. Packets, time and a seed come in; packets, verdicts and events go out. It opens no socket, reads
//! no clock and draws no randomness of its own.
//!
//! ```text
//!  Engine::commit(&Batch)                 a transaction: all or nothing
//!  Engine::process(now, packet, observer) one packet's whole way
//!  Engine::poll_output()                  packets the engine made: answers of `reject`, copies of `dup`
//!  Engine::advance(now)                   lets time pass: expiry of connections, flows and elements
//! ```

mod disposition;
mod engine;
pub mod host;
mod observer;
pub mod route;

pub use disposition::{ChainId, Disposition, DropReason, Malformed, RuleId};
pub use engine::{Engine, Output};
pub use host::{Host, Interface, Neighbour};
pub use observer::{Observer, TraceEvent, TraceStep, TraceVerdict};
pub use route::Route;
