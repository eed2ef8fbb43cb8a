//! An nfnetlink client: the running kernel as a backend for rulesets, and as a source of connections and events.
//!
//! Messages are made and read by `ironweir-netlink` and `ironweir-ruleset`; the socket is `ironweir-io`'s. What is here is
//! the conversation: which requests answer a question, what their answers mean together, and when to ask again.

pub mod connection;
pub mod conntrack;
pub mod kernel;
pub mod statistics;
