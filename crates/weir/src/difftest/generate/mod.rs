//! Rulesets and packets by chance, from a seed: what captures and examples do not think of. What parts kernel and engine is
//! made as small as it gets.

pub mod build;
pub mod campaign;
pub mod chance;
pub mod packets;
pub mod rules;
pub mod shrink;
pub mod world;
