//! Named objects.

use ironweir_ruleset::{Change, Creation, Object};

use super::{Compiler, comment};
use crate::decl::object::ObjectDecl;
use crate::diag::Parsed;

impl Compiler<'_> {
    /// An object.
    pub(super) fn object(&mut self, decl: &ObjectDecl, creation: Creation) -> Parsed<()> {
        let userdata = comment(decl.comment.as_deref(), decl.span)?;
        let mut kind = decl.kind.clone();
        l3proto(&mut kind, decl.table.id.family);
        let object = Object { name: decl.name.text.clone(), kind, userdata, unknown: Default::default() };
        self.push(Change::NewObject { table: decl.table.id.clone(), object, creation }, decl.name.span);
        Ok(())
    }
}

/// An object of conntrack that names no family is for the table's own.
fn l3proto(kind: &mut ironweir_ruleset::ObjectKind, family: ironweir_ruleset::Family) {
    use ironweir_ruleset::ObjectKind::*;
    let slot = match kind {
        CtHelper(helper) => &mut helper.l3proto,
        CtTimeout(timeout) => &mut timeout.l3proto,
        CtExpectation(expectation) => &mut expectation.l3proto,
        _ => return,
    };
    if *slot == 0 {
        *slot = family as u16;
    }
}
