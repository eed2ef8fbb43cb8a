//! Tables with what their blocks hold.

use ironweir_ruleset::{Change, Creation, Table};

use super::{Compiler, comment};
use crate::decl::table::TableDecl;
use crate::diag::Diagnostic;

impl Compiler<'_> {
    /// A table and its block, in nft's order: chains, objects, sets with their elements, flowtables, then rules, which
    /// may name any of them.
    pub(super) fn table(&mut self, decl: &TableDecl, creation: Creation, errors: &mut Vec<Diagnostic>) {
        let mut note = |result: Result<(), Box<Diagnostic>>| {
            if let Err(error) = result {
                errors.push(*error);
                return false;
            }
            true
        };
        let userdata = match comment(decl.comment.as_deref(), decl.name.span) {
            Ok(userdata) => userdata,
            Err(error) => {
                errors.push(*error);
                return;
            }
        };
        let table =
            Table { id: decl.name.id.clone(), flags: decl.flags, userdata, unknown: Default::default() };
        self.push(Change::NewTable { table, creation }, decl.name.span);
        for chain in &decl.chains {
            let declared = self.chain(chain, Creation::Add);
            self.note_failed(&declared, chain.name.span);
            note(declared);
        }
        for object in &decl.objects {
            note(self.object(object, Creation::Add));
        }
        let mut usable = Vec::with_capacity(decl.sets.len());
        for set in &decl.sets {
            let declared = self.set(set, Creation::Add);
            self.note_failed(&declared, set.name.span);
            usable.push(note(declared));
        }
        for flowtable in &decl.flowtables {
            let declared = self.flowtable(flowtable, Creation::Add);
            self.note_failed(&declared, flowtable.name.span);
            note(declared);
        }
        for (set, _) in decl.sets.iter().zip(usable).filter(|(_, usable)| *usable) {
            self.elements_of(set, errors);
        }
        for chain in &decl.chains {
            self.rules_of(chain, &chain.rules, errors);
        }
    }
}
