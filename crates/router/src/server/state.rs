//! What a committed ruleset holds, as messages tell it.

use ironweir_ruleset::netlink::{
    ChainMessage, ElementsMessage, FlowtableMessage, ObjectMessage, RuleMessage, SetMessage, TableMessage,
};
use ironweir_ruleset::store::{ChainState, FlowtableState, ObjectState, RuleState, SetState, TableState};
use ironweir_ruleset::{Element, Handle};

/// A table. `owner` is its owner's port.
pub(crate) fn table(state: &TableState, owner: Option<u32>) -> TableMessage {
    // As nft_use_inc counts: whatever lies in the table itself.
    let uses =
        state.chain_count() + state.sets().count() + state.objects().count() + state.flowtables().count();
    TableMessage { table: state.table.clone(), handle: state.handle, uses: uses as u32, owner }
}

/// A chain.
pub(crate) fn chain(table: &TableState, state: &ChainState) -> ChainMessage {
    ChainMessage {
        table: table.table.id.clone(),
        chain: state.chain.clone(),
        handle: state.handle,
        uses: (state.rule_count() as u32).saturating_add(state.uses()),
        counters: None,
    }
}

/// A rule, which stands behind the one with handle `position`.
pub(crate) fn rule(
    table: &TableState,
    chain: &ChainState,
    state: &RuleState,
    position: Option<Handle>,
) -> RuleMessage {
    RuleMessage {
        table: table.table.id.clone(),
        chain: chain.chain.name.clone(),
        rule: state.rule.clone(),
        handle: state.handle,
        position,
    }
}

/// A set without its elements.
pub(crate) fn set(table: &TableState, state: &SetState) -> SetMessage {
    SetMessage {
        table: table.table.id.clone(),
        set: state.set.clone(),
        handle: state.handle,
        backend: None,
        count: None,
    }
}

/// Elements of a set.
pub(crate) fn elements(table: &TableState, set: &SetState, elements: Vec<Element>) -> ElementsMessage {
    ElementsMessage { table: table.table.id.clone(), set: set.set.name.clone(), elements }
}

/// An object.
pub(crate) fn object(table: &TableState, state: &ObjectState) -> ObjectMessage {
    ObjectMessage {
        table: table.table.id.clone(),
        object: state.object.clone(),
        handle: state.handle,
        uses: state.uses(),
    }
}

/// A flowtable.
pub(crate) fn flowtable(table: &TableState, state: &FlowtableState) -> FlowtableMessage {
    FlowtableMessage {
        table: table.table.id.clone(),
        flowtable: state.flowtable.clone(),
        handle: state.handle,
        uses: state.uses(),
    }
}
