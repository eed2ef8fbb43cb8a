//! Parts of a ruleset: what a command needs to know of a ruleset that is somewhere else.

use ironweir_expr::objref::ObjectType;

use crate::{Family, Handle, TableId};

/// Something that is asked for of a ruleset elsewhere, such as the rules of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// What.
    pub what: What,
    /// Where.
    pub within: Within,
    /// Only this chain, or of this chain (of [`What::Chains`], [`What::Rules`]); only this set, or of this set (of
    /// [`What::Sets`] and those of elements); only this object. Needs [`Within::Table`].
    pub name: Option<Box<str>>,
    /// Of [`What::Rules`] of a chain, this rule alone.
    pub rule: Option<Handle>,
    /// What was counted in it begins at zero again; what is told is what it was.
    pub reset: bool,
}

/// Kinds of things, each without what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Tables.
    Tables,
    /// Chains without their rules.
    Chains,
    /// Sets and maps without their elements.
    Sets,
    /// Objects with their state, of one type or all.
    Objects(Option<ObjectType>),
    /// Flowtables.
    Flowtables,
    /// Elements of every set.
    Elements,
    /// Elements of those sets that go with a rule. They are part of what the rule says.
    AnonymousElements,
    /// Elements of a set if it has `auto-merge`: what is added may grow together with them.
    MergedElements,
    /// Rules, and for those of one chain the chains and elements that go with them.
    Rules,
}

/// Where a part is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Within {
    /// In any table.
    All,
    /// In tables of a family.
    Family(Family),
    /// In one table.
    Table(TableId),
}

impl Within {
    /// Of one family or all, as listings say it.
    pub fn family(family: Option<Family>) -> Within {
        family.map_or(Within::All, Within::Family)
    }

    /// Whether a table lies there.
    pub fn holds(&self, table: &TableId) -> bool {
        match self {
            Within::All => true,
            Within::Family(family) => table.family == *family,
            Within::Table(id) => id == table,
        }
    }
}

impl Part {
    /// All there is of a kind.
    pub fn new(what: What, within: Within) -> Part {
        Part { what, within, name: None, rule: None, reset: false }
    }

    /// One thing, or what one thing holds.
    pub fn named(what: What, table: TableId, name: impl Into<Box<str>>) -> Part {
        Part { what, within: Within::Table(table), name: Some(name.into()), rule: None, reset: false }
    }
}
