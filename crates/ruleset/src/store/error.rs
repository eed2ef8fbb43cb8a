//! Why a change was refused.

use std::fmt;

use ironweir_expr::objref::ObjectType;

use super::Errno;
use crate::netlink::FaultPart;
use crate::{Family, Handle, Hook, TableId};

/// Which change of a batch was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ChangeError {
    /// The change's place in [`crate::Batch::changes`].
    pub change: usize,
    /// Why.
    pub kind: ErrorKind,
}

/// What a change was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are netfilter's
pub enum Thing {
    Table,
    Chain,
    Rule,
    Set,
    Element,
    Object(ObjectType),
    Flowtable,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Table => "table",
            Thing::Chain => "chain",
            Thing::Rule => "rule",
            Thing::Set => "set",
            Thing::Element => "element",
            Thing::Object(kind) => kind.name(),
            Thing::Flowtable => "flowtable",
        })
    }
}

/// Why a change is refused. [`ErrorKind::errno`] is the number the kernel would answer with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // fields say what the message names
pub enum ErrorKind {
    #[error("table {0} does not exist")]
    NoTable(TableId),
    #[error("{what} {name} does not exist in table {table}")]
    NoSuch { what: Thing, table: TableId, name: Box<str> },
    #[error("there is no {what} with handle {handle} in table {table}")]
    NoHandle { what: Thing, table: TableId, handle: Handle },
    #[error("there is no table with handle {handle}")]
    NoTableHandle { handle: Handle },
    #[error("table {0} exists already")]
    TableExists(TableId),
    #[error("{what} {name} exists already in table {table}")]
    Exists { what: Thing, table: TableId, name: Box<str> },
    #[error("{what} {name} exists already in table {table} and is not the same: {difference}")]
    Differs { what: Thing, table: TableId, name: Box<str>, difference: &'static str },
    #[error("{what} {name} of table {table} is in use")]
    InUse { what: Thing, table: TableId, name: Box<str> },
    #[error("set {name} of table {table} may not be changed: it is constant and in use")]
    Constant { table: TableId, name: Box<str> },
    #[error("an element of set {set} in table {table} exists already")]
    ElementExists { table: TableId, set: Box<str>, element: usize },
    #[error("an element overlaps one that set {set} of table {table} holds")]
    Overlap { table: TableId, set: Box<str>, element: usize },
    #[error("set {set} of table {table} does not hold that element")]
    NoElement { table: TableId, set: Box<str>, element: usize },
    #[error("set {set} of table {table} is full: it holds {size} elements")]
    SetFull { table: TableId, set: Box<str>, size: u32 },
    #[error("element does not fit set {set} of table {table}: {reason}")]
    BadElement { table: TableId, set: Box<str>, element: usize, reason: &'static str },
    #[error("{what} name is empty or longer than 255 bytes")]
    BadName { what: Thing },
    #[error("family {family} has no {kind} chains at hook {hook}")]
    NoSuchHook { family: Family, hook: Hook, kind: &'static str },
    #[error("a nat chain's priority must be above -200, where connection tracking is")]
    NatPriority,
    #[error("a chain at hook {0} needs a device")]
    NeedsDevice(Hook),
    #[error("devices are for ingress and egress chains only")]
    NoDevicesHere,
    #[error("chain {name} of table {table} is a base chain: rules cannot jump there")]
    JumpToBase { table: TableId, name: Box<str> },
    #[error("the chains {} of table {table} jump in a loop", .chains.join(", "))]
    Loop { table: TableId, chains: Vec<Box<str>> },
    #[error("chain {name} of table {table} lies more than 16 jumps below a base chain")]
    TooDeep { table: TableId, name: Box<str> },
    #[error("set {name} of table {table}: {reason}")]
    BadSet { table: TableId, name: Box<str>, reason: &'static str },
    #[error("no set type can do that: {reason}")]
    UnsupportedSet { table: TableId, name: Box<str>, reason: &'static str },
    #[error("anonymous {what} of table {table} is used by no rule")]
    Unbound { what: Thing, table: TableId },
    #[error("rule has more than 128 expressions")]
    TooManyExpressions,
    #[error("{reason}")]
    BadRule { reason: Box<str>, errno: Errno },
    #[error("{what} {name} of table {table}: {reason}")]
    Unsupported { what: Thing, table: TableId, name: Box<str>, reason: &'static str },
    #[error("flowtables are for families ip, ip6 and inet")]
    FlowtableFamily(Family),
    #[error("device {device} belongs to flowtable {other} of table {table} already")]
    DeviceTaken { table: TableId, device: Box<str>, other: Box<str> },
    #[error("flowtable {name} of table {table} needs hook ingress")]
    FlowtableHook { table: TableId, name: Box<str> },
    #[error("table {0} would hold too many things")]
    TooMany(TableId),
    /// What a kernel answered: the error number, and what else it told.
    #[error("{}", .message.as_deref().unwrap_or(.errno.text()))]
    Answer { errno: Errno, message: Option<Box<str>>, part: Option<FaultPart> },
}

impl ErrorKind {
    /// What the kernel answers in this case (`net/netfilter/nf_tables_api.c`).
    pub const fn errno(&self) -> Errno {
        use ErrorKind::*;
        match self {
            NoTable(_) | NoSuch { .. } | NoHandle { .. } | NoTableHandle { .. } | NoElement { .. } => {
                Errno::ENOENT
            }
            TableExists(_)
            | Exists { .. }
            | Differs { .. }
            | ElementExists { .. }
            | Overlap { .. }
            | DeviceTaken { .. } => Errno::EEXIST,
            InUse { .. } | Constant { .. } => Errno::EBUSY,
            SetFull { .. } => Errno::ENFILE,
            TooMany(_) => Errno::EMLINK,
            BadElement { .. } | BadSet { .. } | NeedsDevice(_) | Unbound { .. } | TooManyExpressions => {
                Errno::EINVAL
            }
            BadName { .. } => Errno::ERANGE,
            NoSuchHook { .. }
            | NatPriority
            | NoDevicesHere
            | JumpToBase { .. }
            | UnsupportedSet { .. }
            | Unsupported { .. }
            | FlowtableFamily(_)
            | FlowtableHook { .. } => Errno::EOPNOTSUPP,
            Loop { .. } => Errno::ELOOP,
            TooDeep { .. } => Errno::EMLINK,
            BadRule { errno, .. } | Answer { errno, .. } => *errno,
        }
    }
}
