//! Fragments.
//!
//! DIVERGES: the kernel reassembles fragments before connection tracking (priority -400) when a ruleset uses it. Here a
//! fragment that is not the first has no tuple and is invalid; the first is tracked by the header it holds.
