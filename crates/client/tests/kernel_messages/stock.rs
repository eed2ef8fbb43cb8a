//! What stock nft sends.

use super::place::Dump;

pub(crate) fn hold(_: &[Dump]) {}
