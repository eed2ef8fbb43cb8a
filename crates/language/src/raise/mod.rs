//! From bytecode to AST.

use ironweir_ruleset::Userdata;

use crate::typed::Typed;

/// PLACEHOLDER
pub fn decode_typeof(_userdata: &Userdata, _kind: u8) -> Option<Typed> {
    None
}

/// PLACEHOLDER
pub fn encode_typeof(_key: &Typed) -> Option<Vec<u8>> {
    None
}
