//! What a rule refers to.

use ironweir_expr::immediate::Immediate;
use ironweir_expr::objref::{ObjectType, Objref};

use crate::{ChainRef, Expr, SetRef, Verdict};

/// Something that an expression of a rule refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference<'a> {
    Chain(&'a ChainRef),
    Set(&'a SetRef),
    Object(ObjectType, &'a str),
    Flowtable(&'a str),
}

/// The chain a verdict leads to.
pub(crate) fn verdict_chain(verdict: &Verdict) -> Option<&ChainRef> {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        _ => None,
    }
}

/// The chain a verdict leads to, to fill in what it is.
pub(super) fn verdict_chain_mut(verdict: &mut Verdict) -> Option<&mut ChainRef> {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        _ => None,
    }
}

/// Everything expressions refer to, in order.
pub(crate) fn references(exprs: &[Expr]) -> impl Iterator<Item = Reference<'_>> {
    exprs.iter().filter_map(|expr| match expr.known() {
        Expr::Immediate(Immediate::Verdict(verdict)) => verdict_chain(verdict).map(Reference::Chain),
        Expr::Lookup(lookup) => Some(Reference::Set(&lookup.set)),
        Expr::Dynset(dynset) => Some(Reference::Set(&dynset.set)),
        Expr::Objref(Objref::Map { set, .. }) => Some(Reference::Set(set)),
        Expr::Objref(Objref::Name { kind, name }) => Some(Reference::Object(*kind, name)),
        Expr::FlowOffload(offload) => Some(Reference::Flowtable(&offload.flowtable)),
        _ => None,
    })
}
