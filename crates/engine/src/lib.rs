//! The packet engine. Packets, time and a seed come in; packets, verdicts and events go out. It opens no socket, reads
//! no clock and draws no randomness of its own.
//!
//! ```text
//!  Engine::commit(&Batch)                 a transaction: all or nothing
//!  Engine::process(now, packet, observer) one packet's whole way
//!  Engine::resume(now, observer)          the rest of the way of a packet that waited for a verdict
//!  Engine::poll_output()                  packets the engine made: answers of `reject`, copies of `dup`
//!  Engine::advance(now)                   lets time pass: expiry of connections, flows and elements
//! ```

mod connections;
mod context;
mod disposition;
mod engine;
mod evaluate;
pub mod fingerprint;
mod flight;
pub mod flow_index;
mod flowtable;
mod generation;
mod helper_objects;
pub mod host;
pub mod icmp_limit;
mod observer;
mod path;
pub mod queue;
pub mod route;
mod seeded;
mod transmit;

pub use disposition::{ChainId, Disposition, DropReason, Malformed, RuleId};
pub use engine::{Engine, Output};
pub use flowtable::{Carried, Flow, FlowChange, FlowId, FlowtableStats};
pub use host::{Host, Interface, Neighbour};
pub use observer::{Observer, Scene, TraceConnection, TraceEvent, TraceStep, TraceVerdict};
pub use route::Route;
