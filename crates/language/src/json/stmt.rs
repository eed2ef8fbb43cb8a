//! Statements: dispatch by what they are, or by the object's key.

use serde_json::Value;

use super::Node;
use crate::diag::{Parsed, short};
use crate::print::Options;
use crate::stmt::assign::Assign;
use crate::stmt::connlimit::Connlimit;
use crate::stmt::counter::Counter;
use crate::stmt::dup::Dup;
use crate::stmt::flow::Flow;
use crate::stmt::fwd::Fwd;
use crate::stmt::last::Last;
use crate::stmt::limit::Limit;
use crate::stmt::log::Log;
use crate::stmt::meter::Meter;
use crate::stmt::nat::{self, Nat};
use crate::stmt::notrack::Notrack;
use crate::stmt::objref::Objref;
use crate::stmt::queue::Queue;
use crate::stmt::quota::Quota;
use crate::stmt::reject::Reject;
use crate::stmt::relational::Relational;
use crate::stmt::reset_option::ResetOption;
use crate::stmt::set_update::SetUpdate;
use crate::stmt::synproxy::Synproxy;
use crate::stmt::tproxy::Tproxy;
use crate::stmt::verdict::Verdict;
use crate::stmt::vmap::Vmap;
use crate::stmt::xt::Xt;
use crate::stmt::{Stmt, StmtKind};

impl Stmt {
    /// As `nft -j` writes it: an object of one key.
    pub fn to_json(&self, options: &Options) -> Value {
        match &self.kind {
            StmtKind::Verdict(node) => node.to_json(options),
            StmtKind::Vmap(node) => node.to_json(options),
            StmtKind::Relational(node) => node.to_json(options),
            StmtKind::Counter(node) => node.to_json(options),
            StmtKind::Quota(node) => node.to_json(options),
            StmtKind::Limit(node) => node.to_json(),
            StmtKind::Last(node) => node.to_json(options),
            StmtKind::Connlimit(node) => node.to_json(),
            StmtKind::Log(node) => node.to_json(),
            StmtKind::Reject(node) => node.to_json(),
            StmtKind::Nat(node) => node.to_json(options),
            StmtKind::Tproxy(node) => node.to_json(options),
            StmtKind::Dup(node) => node.to_json(options),
            StmtKind::Fwd(node) => node.to_json(options),
            StmtKind::Notrack(node) => node.to_json(),
            StmtKind::Synproxy(node) => node.to_json(),
            StmtKind::Queue(node) => node.to_json(options),
            StmtKind::Flow(node) => node.to_json(),
            StmtKind::SetUpdate(node) => node.to_json(options),
            StmtKind::Meter(node) => node.to_json(options),
            StmtKind::Objref(node) => node.to_json(options),
            StmtKind::Assign(node) => node.to_json(options),
            StmtKind::ResetOption(node) => node.to_json(),
            StmtKind::Xt(node) => node.to_json(),
        }
    }

    /// From an object of one key.
    pub fn from_json(node: Node<'_>) -> Parsed<Stmt> {
        Ok(Stmt::new(StmtKind::from_json(node)?, node.span()))
    }

    /// A stateful statement by its key and what stands under it, as elements and sets have them; `None` of any other.
    pub fn stateful_from_json(key: &str, node: Node<'_>) -> Parsed<Option<Stmt>> {
        let kind = match key {
            "counter" => StmtKind::Counter(Counter::from_json(node)?),
            "quota" => StmtKind::Quota(Quota::from_json(node)?),
            "limit" => StmtKind::Limit(Limit::from_json(node)?),
            "last" => StmtKind::Last(Last::from_json(node)?),
            "ct count" => StmtKind::Connlimit(Connlimit::from_json(node)?),
            _ => return Ok(None),
        };
        Ok(Some(Stmt::new(kind, node.span())))
    }
}

impl StmtKind {
    fn from_json(node: Node<'_>) -> Parsed<StmtKind> {
        let (key, inside) = node.only()?;
        if let Some(objref) = Objref::from_json(key, inside)? {
            return Ok(StmtKind::Objref(objref));
        }
        if let Some(stateful) = Stmt::stateful_from_json(key, inside)? {
            return Ok(stateful.kind);
        }
        if let Some(kind) = nat::Kind::ALL.into_iter().find(|kind| kind.name() == key) {
            return Ok(StmtKind::Nat(Nat::from_json(kind, inside)?));
        }
        Ok(match key {
            "match" => StmtKind::Relational(Relational::from_json(inside)?),
            "vmap" => StmtKind::Vmap(Vmap::from_json(inside)?),
            "log" => StmtKind::Log(Log::from_json(inside)?),
            "reject" => StmtKind::Reject(Reject::from_json(inside)?),
            "tproxy" => StmtKind::Tproxy(Tproxy::from_json(inside)?),
            "dup" => StmtKind::Dup(Dup::from_json(inside)?),
            "fwd" => StmtKind::Fwd(Fwd::from_json(inside)?),
            "notrack" => StmtKind::Notrack(Notrack),
            "synproxy" => StmtKind::Synproxy(Synproxy::from_json(inside)?),
            "queue" => StmtKind::Queue(Queue::from_json(inside)?),
            "flow" => StmtKind::Flow(Flow::from_json(inside)?),
            "set" | "map" => StmtKind::SetUpdate(SetUpdate::from_json(key, inside)?.into()),
            "meter" => StmtKind::Meter(Meter::from_json(inside)?.into()),
            "mangle" => StmtKind::Assign(Assign::from_json(inside)?),
            "reset" => StmtKind::ResetOption(ResetOption::from_json(inside)?),
            "xt" => StmtKind::Xt(Xt::from_json(inside)?),
            _ if Verdict::KEYS.contains(&key) => StmtKind::Verdict(Verdict::from_json(key, inside)?),
            _ => return Err(node.error(format!("Unknown statement object '{}'.", short(key)))),
        })
    }
}
