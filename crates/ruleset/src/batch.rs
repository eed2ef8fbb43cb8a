//! A batch: changes that become visible together or not at all.

use ironweir_expr::objref::ObjectType;

use crate::{Chain, Element, Family, Flowtable, Handle, Object, Rule, Set, Table, TableId};

/// Changes in order. A backend commits all of them or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The changes; a change is known by its place here, in errors and replies.
    pub changes: Vec<Change>,
}

impl Batch {
    /// The same without attributes of a newer peer ([`crate::netlink::Unknown`]), if any change has some: those that a
    /// kernel only tells, it may refuse in a request.
    pub fn without_unknown(&self) -> Option<Batch> {
        let mut batch = self.clone();
        let mut found = false;
        for change in &mut batch.changes {
            let mut forget = |unknown: &mut crate::netlink::Unknown| found |= unknown.forget();
            match change {
                Change::NewTable { table, .. } => forget(&mut table.unknown),
                Change::NewChain { chain, .. } => forget(&mut chain.unknown),
                Change::NewRule { rule, .. } => forget(&mut rule.unknown),
                Change::NewSet { set, .. } => forget(&mut set.unknown),
                Change::NewObject { object, .. } => forget(&mut object.unknown),
                Change::NewFlowtable { flowtable, .. } => forget(&mut flowtable.unknown),
                Change::NewElements { elements, .. } => {
                    let more = elements.iter_mut().filter_map(|element| element.more.as_deref_mut());
                    more.for_each(|more| forget(&mut more.unknown));
                }
                _ => {}
            }
        }
        found.then_some(batch)
    }
}

/// Whether a thing that exists already is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Creation {
    /// It is updated or left as it is (`add`: `NLM_F_CREATE`).
    #[default]
    Add,
    /// It is an error (`create`: `NLM_F_CREATE | NLM_F_EXCL`).
    Create,
}

/// By what a thing is meant that shall go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// By its name.
    Name(Box<str>),
    /// By its handle.
    Handle(Handle),
}

/// Which rule is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleSelector {
    /// A committed rule (`NFTA_RULE_HANDLE`).
    Handle(Handle),
    /// The rule that this change of the same batch made (`NFTA_RULE_ID`).
    Change(u32),
}

/// Where in its chain a new rule goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// At the end (`add`).
    #[default]
    Last,
    /// At the beginning (`insert`).
    First,
    /// Behind a rule (`add ... position`).
    After(RuleSelector),
    /// Before a rule (`insert ... position`).
    Before(RuleSelector),
    /// In the place of a rule (`replace`).
    Instead(RuleSelector),
}

/// What changes. `missing_ok` is `destroy`: no error if there is no such thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// `NFT_MSG_NEWTABLE`.
    NewTable {
        /// The table.
        table: Table,
        /// If it exists.
        creation: Creation,
    },
    /// `NFT_MSG_DELTABLE` for one table, with all it holds.
    DelTable {
        /// Family of the table.
        family: Family,
        /// Which.
        which: Selector,
        /// `destroy`.
        missing_ok: bool,
    },
    /// `NFT_MSG_DELTABLE` without a name: `flush ruleset`, of one family or all.
    FlushRuleset {
        /// Only this family.
        family: Option<Family>,
    },
    /// `NFT_MSG_NEWCHAIN`.
    NewChain {
        /// Its table.
        table: TableId,
        /// The chain.
        chain: Chain,
        /// If it exists.
        creation: Creation,
    },
    /// `NFT_MSG_NEWCHAIN` with handle and new name: `rename`.
    RenameChain {
        /// Its table.
        table: TableId,
        /// Which.
        chain: Selector,
        /// The new name.
        name: Box<str>,
    },
    /// `NFT_MSG_DELCHAIN`. The chain must be unused; its rules go with it. With devices, only these leave the base chain.
    DelChain {
        /// Its table.
        table: TableId,
        /// Which.
        chain: Selector,
        /// Devices to leave; empty to delete the chain.
        devices: Vec<Box<str>>,
        /// `destroy`.
        missing_ok: bool,
    },
    /// `NFT_MSG_NEWRULE`.
    NewRule {
        /// Its table.
        table: TableId,
        /// Its chain, by name; the number is that of an anonymous chain of this batch ([`Chain::binding`]).
        chain: crate::ChainRef,
        /// The rule.
        rule: Rule,
        /// Where it goes.
        place: Place,
    },
    /// `NFT_MSG_DELRULE` for one rule.
    DelRule {
        /// Its table.
        table: TableId,
        /// Its chain.
        chain: Box<str>,
        /// Which.
        rule: RuleSelector,
        /// `destroy`.
        missing_ok: bool,
    },
    /// `NFT_MSG_DELRULE` without a handle: every rule of a chain, or of a table.
    FlushRules {
        /// The table.
        table: TableId,
        /// Only this chain.
        chain: Option<Box<str>>,
    },
    /// `NFT_MSG_NEWSET`.
    NewSet {
        /// Its table.
        table: TableId,
        /// The set.
        set: Set,
        /// If it exists.
        creation: Creation,
    },
    /// `NFT_MSG_DELSET`. The set must be unused.
    DelSet {
        /// Its table.
        table: TableId,
        /// Which.
        set: Selector,
        /// `destroy`.
        missing_ok: bool,
    },
    /// `NFT_MSG_NEWSETELEM`.
    NewElements {
        /// Its table.
        table: TableId,
        /// The set, with the number of an anonymous set of this batch.
        set: crate::SetRef,
        /// The elements.
        elements: Vec<Element>,
        /// If one exists.
        creation: Creation,
    },
    /// `NFT_MSG_DELSETELEM`.
    DelElements {
        /// Its table.
        table: TableId,
        /// The set.
        set: Box<str>,
        /// Keys of the elements; `None` for all (`flush set`).
        elements: Option<Vec<Element>>,
        /// `destroy`.
        missing_ok: bool,
    },
    /// `NFT_MSG_NEWOBJ`.
    NewObject {
        /// Its table.
        table: TableId,
        /// The object.
        object: Object,
        /// If it exists.
        creation: Creation,
    },
    /// `NFT_MSG_DELOBJ`. The object must be unused.
    DelObject {
        /// Its table.
        table: TableId,
        /// Its type.
        kind: ObjectType,
        /// Which.
        object: Selector,
        /// `destroy`.
        missing_ok: bool,
    },
    /// `NFT_MSG_NEWFLOWTABLE`.
    NewFlowtable {
        /// Its table.
        table: TableId,
        /// The flowtable.
        flowtable: Flowtable,
        /// If it exists.
        creation: Creation,
    },
    /// `NFT_MSG_DELFLOWTABLE`. With devices, only these leave the flowtable.
    DelFlowtable {
        /// Its table.
        table: TableId,
        /// Which.
        flowtable: Selector,
        /// Devices to leave; empty to delete the flowtable.
        devices: Vec<Box<str>>,
        /// `destroy`.
        missing_ok: bool,
    },
}

impl Change {
    /// The table that it is about; `None` for all, or one that is named by its handle.
    pub fn table(&self) -> Option<TableId> {
        match self {
            Change::NewTable { table, .. } => Some(table.id.clone()),
            Change::DelTable { family, which: Selector::Name(name), .. } => {
                Some(TableId::new(*family, name.clone()))
            }
            Change::DelTable { .. } | Change::FlushRuleset { .. } => None,
            Change::NewChain { table, .. }
            | Change::RenameChain { table, .. }
            | Change::DelChain { table, .. }
            | Change::NewRule { table, .. }
            | Change::DelRule { table, .. }
            | Change::FlushRules { table, .. }
            | Change::NewSet { table, .. }
            | Change::DelSet { table, .. }
            | Change::NewElements { table, .. }
            | Change::DelElements { table, .. }
            | Change::NewObject { table, .. }
            | Change::DelObject { table, .. }
            | Change::NewFlowtable { table, .. }
            | Change::DelFlowtable { table, .. } => Some(table.clone()),
        }
    }
}
