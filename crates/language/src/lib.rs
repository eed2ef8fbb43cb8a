//! The nft language: from text to the ruleset model and back.

pub mod datatype;
pub mod proto;
