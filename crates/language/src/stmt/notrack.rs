//! `notrack`: leaves the packet to no connection.

use ironweir_expr::Expr as Code;

use crate::print::Printer;
use serde_json::{Value, json};

/// The packet becomes untracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notrack;

impl Notrack {
    /// As nft lists it.
    pub fn print(self, out: &mut Printer) {
        out.text("notrack");
    }

    pub(crate) fn code(self) -> Code {
        Code::Notrack(ironweir_expr::notrack::Notrack)
    }
}

impl Notrack {
    /// As `nft -j` writes it.
    pub fn to_json(self) -> Value {
        json!({ "notrack": null })
    }
}
