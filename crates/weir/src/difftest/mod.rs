//! `weir difftest`: the same rules, host and packets through the running kernel and through the engine.

pub mod rig;
