//! Commands: what stands at the top of a file or on the command line.

mod include;
pub(crate) mod list;
mod object;
mod parse;

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::{Creation, Family, Handle, Set, SetFlags};

use crate::ast::Rule;
use crate::decl::chain::ChainDecl;
use crate::decl::element::ElementsDecl;
use crate::decl::flowtable::FlowtableDecl;
use crate::decl::object::ObjectDecl;
use crate::decl::set::SetDecl;
use crate::decl::table::TableDecl;
use crate::decl::{Name, TableName};
use crate::expr::Expr;
use crate::source::Span;

pub use parse::{Text, parse};

/// A command and its place.
#[derive(Clone, Debug)]
pub struct Command {
    /// What it does.
    pub kind: CommandKind,
    /// Where it is.
    pub span: Span,
}

/// What a command does.
#[derive(Clone, Debug)]
pub enum CommandKind {
    /// `add`, `create`, or a block without a verb.
    Declare(Creation, Declaration),
    /// `add rule`, `insert rule`, `replace rule`, `create rule`.
    Rule(RuleCommand),
    /// `delete`, `destroy`.
    Delete {
        /// What goes.
        what: Target,
        /// `destroy`: no error if there is no such thing.
        missing_ok: bool,
    },
    /// `list`.
    List(Listing),
    /// `reset`: lists, and sets what was counted to zero.
    Reset(Listing),
    /// `get element`.
    Get(ElementsDecl),
    /// `flush`.
    Flush(Flush),
    /// `rename chain`.
    Rename {
        /// Its table.
        table: TableName,
        /// Its name so far.
        chain: Name,
        /// Its new name.
        to: Name,
    },
    /// `describe`.
    Describe(Expr),
    /// `monitor`.
    Monitor(Monitor),
}

/// What is declared.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum Declaration {
    Table(TableDecl),
    Chain(ChainDecl),
    Set(SetDecl),
    Elements(ElementsDecl),
    Flowtable(FlowtableDecl),
    Object(ObjectDecl),
}

/// A rule that goes somewhere.
#[derive(Clone, Debug)]
pub struct RuleCommand {
    /// What is done with it.
    pub verb: RuleVerb,
    /// Its table.
    pub table: TableName,
    /// Its chain.
    pub chain: Name,
    /// By which rule it goes.
    pub position: Option<(Position, Span)>,
    /// The rule.
    pub rule: Rule,
}

/// What is done with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerb {
    /// At the end, or behind another.
    Add,
    /// At the beginning, or before another.
    Insert,
    /// Instead of another.
    Replace,
}

/// Which other rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// By its handle (`handle N`, `position N`).
    Handle(Handle),
    /// By its place in the chain, from 0 (`index N`).
    Index(u64),
}

/// A thing by name or handle.
#[derive(Clone, Debug)]
pub enum Which {
    /// By name.
    Name(Name),
    /// By handle, and where that is written.
    Handle(Handle, Span),
}

/// What `delete` and `destroy` remove.
#[derive(Clone, Debug)]
pub enum Target {
    /// A table.
    Table(Family, Which),
    /// A chain, or devices of it.
    Chain(TableName, Which, Option<ChainDecl>),
    /// A rule.
    Rule {
        /// Its table.
        table: TableName,
        /// Its chain.
        chain: Name,
        /// Its handle, and where that is written.
        handle: (Handle, Span),
    },
    /// A set or map; the flag tells which word was used.
    Set(TableName, Which),
    /// Elements.
    Elements(ElementsDecl),
    /// A flowtable, or devices of it.
    Flowtable(TableName, Which, Option<FlowtableDecl>),
    /// An object.
    Object(ObjectType, TableName, Which),
}

/// What `list` and `reset` show.
#[derive(Clone, Debug)]
pub enum Listing {
    /// `list ruleset [family]`.
    Ruleset(Option<Family>),
    /// `list tables [family]`.
    Tables(Option<Family>),
    /// `list table [family] NAME`.
    Table(TableName),
    /// `list chains [family]`.
    Chains(Option<Family>),
    /// `list chain [family] TABLE CHAIN`.
    Chain(TableName, Name),
    /// `list sets [family]`, `list sets table [family] NAME`; maps and meters too.
    Sets(SetKind, Option<Family>, Option<TableName>),
    /// `list set [family] TABLE NAME`.
    Set(SetKind, TableName, Name),
    /// `list flowtables [family]`.
    Flowtables(Option<Family>),
    /// `list flowtable [family] TABLE NAME`.
    Flowtable(TableName, Name),
    /// `list counters [family]`, `list counters table [family] NAME`.
    Objects(ObjectType, Option<Family>, Option<TableName>),
    /// `list counter [family] TABLE NAME`.
    Object(ObjectType, TableName, Name),
    /// `list hooks [family] [device D]`.
    Hooks(Option<Family>, Option<Name>),
    /// `reset rules [family]`, `reset rules [table|chain] ...`.
    Rules(Option<Family>, Option<TableName>, Option<Name>),
    /// `reset rule [family] TABLE CHAIN handle N`.
    Rule(TableName, Name, Handle),
    /// `reset element [family] TABLE SET { ... }`.
    Elements(ElementsDecl),
}

/// By which word a set was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum SetKind {
    Set,
    Map,
    Meter,
}

impl SetKind {
    /// Whether a set may be called by this word; sets that rules fill may be called meters too.
    pub(crate) fn includes(self, set: &Set) -> bool {
        let is_map = set.flags.intersects(SetFlags::MAP | SetFlags::OBJECT);
        match self {
            SetKind::Set => !is_map,
            SetKind::Map => is_map,
            SetKind::Meter => !is_map && set.flags.contains(SetFlags::EVAL),
        }
    }
}

/// What `flush` empties.
#[derive(Clone, Debug)]
pub enum Flush {
    /// Everything, of one family or all.
    Ruleset(Option<Family>),
    /// Every rule of a table.
    Table(TableName),
    /// Every rule of a chain.
    Chain(TableName, Name),
    /// Every element of a set, map or meter.
    Set(SetKind, TableName, Name),
}

/// What `monitor` shows.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    /// `new` or `destroy` alone.
    pub event: Option<Box<str>>,
    /// `tables`, `rules`, `trace` ... alone.
    pub what: Option<Box<str>>,
    /// `json` or `vm`.
    pub format: Option<Box<str>>,
}
