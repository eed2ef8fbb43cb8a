//! Statements of the language, one file each: node, parsing, printing, lowering, raising.

mod amount;
mod arguments;
pub mod assign;
pub mod connlimit;
pub mod counter;
pub mod dup;
pub mod flow;
pub mod fwd;
pub mod last;
pub mod limit;
pub mod log;
pub mod meter;
pub mod nat;
mod nat_flags;
pub mod notrack;
pub mod objref;
pub mod queue;
pub mod quota;
pub mod reject;
pub mod relational;
pub mod reset_option;
pub mod set_update;
pub mod synproxy;
pub mod tproxy;
pub mod verdict;
pub mod vmap;
pub mod xt;

use ironweir_expr::Expr as Code;
use ironweir_expr::exthdr::Action;
use ironweir_expr::immediate::Immediate;

use crate::diag::{Diagnostic, Parsed};
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::Printer;
use crate::raise::Raise;
use crate::source::Span;

/// A statement and its place.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it is; [`Span::NONE`] where listing raised it.
    pub span: Span,
}

/// Two statements are equal that say the same, wherever they stand.
impl PartialEq for Stmt {
    fn eq(&self, other: &Stmt) -> bool {
        self.kind == other.kind
    }
}

/// What a statement is. The largest are boxed: rulesets have many statements, and most are comparisons and verdicts.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum StmtKind {
    Verdict(verdict::Verdict),
    Vmap(vmap::Vmap),
    Relational(relational::Relational),
    Counter(counter::Counter),
    Quota(quota::Quota),
    Limit(limit::Limit),
    Last(last::Last),
    Connlimit(connlimit::Connlimit),
    Log(log::Log),
    Reject(reject::Reject),
    Nat(nat::Nat),
    Tproxy(tproxy::Tproxy),
    Dup(dup::Dup),
    Fwd(fwd::Fwd),
    Notrack(notrack::Notrack),
    Synproxy(synproxy::Synproxy),
    Queue(queue::Queue),
    Flow(flow::Flow),
    SetUpdate(Box<set_update::SetUpdate>),
    Meter(Box<meter::Meter>),
    Objref(objref::Objref),
    Assign(assign::Assign),
    ResetOption(reset_option::ResetOption),
    Xt(xt::Xt),
}

impl Stmt {
    /// At a place.
    pub fn new(kind: StmtKind, span: Span) -> Stmt {
        Stmt { kind, span }
    }

    /// Without a place: raised from bytecode.
    pub fn raised(kind: StmtKind) -> Stmt {
        Stmt { kind, span: Span::NONE }
    }

    /// The statement that stands next in a rule.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Stmt> {
        let start = p.peek().span;
        let kind = StmtKind::parse(p)?;
        Ok(Stmt { kind, span: start.to(p.last_span()) })
    }

    /// Emits what the statement consists of.
    pub(crate) fn lower(&self, to: &mut Lower<'_>) -> Parsed<()> {
        let span = self.span;
        match &self.kind {
            StmtKind::Verdict(node) => to.verdict(node, span)?,
            StmtKind::Vmap(node) => to.vmap(node, span)?,
            StmtKind::Relational(node) => to.relational(node, span)?,
            StmtKind::Counter(node) => to.emit(node.code()),
            StmtKind::Quota(node) => to.emit(node.code()),
            StmtKind::Limit(node) => to.emit(node.code()),
            StmtKind::Last(node) => to.emit(node.code()),
            StmtKind::Connlimit(node) => to.emit(node.code()),
            StmtKind::Log(node) => to.emit(node.code()),
            StmtKind::Notrack(node) => to.emit(node.code()),
            StmtKind::Synproxy(node) => to.emit(node.code()),
            StmtKind::Flow(node) => to.emit(node.code()),
            StmtKind::Reject(node) => node.lower(to, span)?,
            StmtKind::Nat(node) => node.lower(to, span)?,
            StmtKind::Tproxy(node) => node.lower(to, span)?,
            StmtKind::Dup(node) => node.lower(to, span)?,
            StmtKind::Fwd(node) => node.lower(to, span)?,
            StmtKind::Queue(node) => node.lower(to, span)?,
            StmtKind::SetUpdate(node) => node.lower(to, span)?,
            StmtKind::Meter(node) => node.lower(to, span)?,
            StmtKind::Objref(node) => node.lower(to, span)?,
            StmtKind::Assign(node) => node.lower(to, span)?,
            StmtKind::ResetOption(node) => node.lower(to, span)?,
            StmtKind::Xt(node) => return Err(node.refuse(span)),
        }
        to.end_statement();
        Ok(())
    }

    /// Whether nothing behind it in a rule is ever reached.
    pub(crate) fn is_terminal(&self) -> bool {
        match &self.kind {
            StmtKind::Verdict(verdict) => *verdict != verdict::Verdict::Continue,
            StmtKind::Reject(_) | StmtKind::Nat(_) | StmtKind::Queue(_) => true,
            _ => false,
        }
    }

    /// The expression of a stateful statement, for sets and elements; `None` of any other.
    pub fn stateful_code(&self) -> Option<ironweir_expr::Expr> {
        Some(match &self.kind {
            StmtKind::Counter(node) => node.code(),
            StmtKind::Quota(node) => node.code(),
            StmtKind::Limit(node) => node.code(),
            StmtKind::Last(node) => node.code(),
            StmtKind::Connlimit(node) => node.code(),
            _ => return None,
        })
    }

    /// The stateful statement that stands next, if one does.
    pub(crate) fn parse_stateful(p: &mut Parser<'_>) -> Parsed<Option<Stmt>> {
        let start = p.peek().span;
        let kind = StmtKind::parse_stateful(p)?;
        Ok(kind.map(|kind| Stmt { kind, span: start.to(p.last_span()) }))
    }

    /// The expression of a stateful statement, as sets and elements keep it.
    pub(crate) fn element_state(&self) -> Parsed<Code> {
        self.stateful_code().ok_or_else(|| {
            let message = "only counter, quota, limit, last and ct count belong to elements";
            Diagnostic::error(self.span, message)
        })
    }

    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        match &self.kind {
            StmtKind::Verdict(node) => node.print(out),
            StmtKind::Vmap(node) => node.print(out),
            StmtKind::Relational(node) => node.print(out),
            StmtKind::Counter(node) => node.print(out),
            StmtKind::Quota(node) => node.print(out),
            StmtKind::Limit(node) => node.print(out),
            StmtKind::Last(node) => node.print(out),
            StmtKind::Connlimit(node) => node.print(out),
            StmtKind::Log(node) => node.print(out),
            StmtKind::Reject(node) => node.print(out),
            StmtKind::Nat(node) => node.print(out),
            StmtKind::Tproxy(node) => node.print(out),
            StmtKind::Dup(node) => node.print(out),
            StmtKind::Fwd(node) => node.print(out),
            StmtKind::Notrack(node) => node.print(out),
            StmtKind::Synproxy(node) => node.print(out),
            StmtKind::Queue(node) => node.print(out),
            StmtKind::Flow(node) => node.print(out),
            StmtKind::SetUpdate(node) => node.print(out),
            StmtKind::Meter(node) => node.print(out),
            StmtKind::Objref(node) => node.print(out),
            StmtKind::Assign(node) => node.print(out),
            StmtKind::ResetOption(node) => node.print(out),
            StmtKind::Xt(node) => node.print(out),
        }
    }
}

impl StmtKind {
    /// The statement that an expression is; `None` for expressions that are none, or that cannot be told without what
    /// is not there.
    pub(crate) fn raise(expr: &ironweir_expr::Expr, from: &mut Raise<'_>) -> Option<StmtKind> {
        Some(match expr {
            Code::Immediate(Immediate::Verdict(verdict)) => {
                StmtKind::Verdict(crate::raise::verdict_syntax(from, verdict))
            }
            Code::Counter(counter) => StmtKind::Counter(counter::Counter::raise(counter)),
            Code::Quota(quota) => StmtKind::Quota(quota::Quota::raise(quota)),
            Code::Limit(limit) => StmtKind::Limit(limit::Limit::raise(limit)),
            Code::Last(last) => StmtKind::Last(last::Last::raise(last, Some(from.now))),
            Code::Connlimit(limit) => StmtKind::Connlimit(connlimit::Connlimit::raise(limit)),
            Code::Log(log) => StmtKind::Log(log::Log::raise(log)),
            Code::Reject(reject) => StmtKind::Reject(reject::Reject::raise(reject, from)),
            Code::Nat(nat) => StmtKind::Nat(nat::Nat::raise_nat(nat, from)),
            Code::Masq(masq) => {
                StmtKind::Nat(nat::Nat::raise_ports(nat::Kind::Masquerade, masq.flags, masq.ports, from))
            }
            Code::Redir(redir) => {
                StmtKind::Nat(nat::Nat::raise_ports(nat::Kind::Redirect, redir.flags, redir.ports, from))
            }
            Code::Tproxy(tproxy) => StmtKind::Tproxy(tproxy::Tproxy::raise(tproxy, from)),
            Code::Dup(dup) => StmtKind::Dup(dup::Dup::raise(dup, from)?),
            Code::Fwd(fwd) => StmtKind::Fwd(fwd::Fwd::raise(fwd, from)),
            Code::Notrack(_) => StmtKind::Notrack(notrack::Notrack),
            Code::Synproxy(proxy) => StmtKind::Synproxy(synproxy::Synproxy::raise(proxy)),
            Code::Queue(queue) => StmtKind::Queue(queue::Queue::raise(queue, from)),
            Code::FlowOffload(flow) => StmtKind::Flow(flow::Flow::raise(flow)),
            Code::Dynset(dynset) => StmtKind::SetUpdate(set_update::SetUpdate::raise(dynset, from).into()),
            Code::Objref(objref) => StmtKind::Objref(objref::Objref::raise(objref, from)?),
            Code::MetaSet(set) => StmtKind::Assign(assign::Assign::raise_meta(set, from)),
            Code::CtSet(set) => StmtKind::Assign(assign::Assign::raise_ct(set, from)),
            Code::PayloadWrite(write) => StmtKind::Assign(assign::Assign::raise_payload(write, from)),
            Code::Exthdr(exthdr) => match exthdr.action {
                Action::Write(source) => StmtKind::Assign(assign::Assign::raise_exthdr(exthdr, source, from)),
                Action::Strip => StmtKind::ResetOption(reset_option::ResetOption::raise(exthdr)),
                Action::Load(_) | Action::Present(_) => return None,
            },
            Code::XtMatch(xt) => StmtKind::Xt(xt::Xt { target: false, name: xt.name.clone() }),
            Code::XtTarget(xt) => StmtKind::Xt(xt::Xt { target: true, name: xt.name.clone() }),
            _ => return None,
        })
    }

    /// By its first words.
    fn parse(p: &mut Parser<'_>) -> Parsed<StmtKind> {
        if let Some(stateful) = Self::parse_stateful(p)? {
            return Ok(stateful);
        }
        if let Some(verdict) = verdict::Verdict::parse(p)? {
            return Ok(StmtKind::Verdict(verdict));
        }
        let word = p.word();
        if let Some((_, op)) = set_update::OPS.into_iter().find(|(name, _)| *name == word) {
            p.next();
            return Ok(StmtKind::SetUpdate(set_update::SetUpdate::parse(p, op)?.into()));
        }
        if let Some(kind) = nat::Kind::ALL.into_iter().find(|kind| kind.name() == word) {
            p.next();
            return Ok(StmtKind::Nat(nat::Nat::parse(p, kind)?));
        }
        if let Some(objref) = objref::Objref::parse(p)? {
            return Ok(StmtKind::Objref(objref));
        }
        Ok(match p.word() {
            "log" => {
                p.next();
                StmtKind::Log(log::Log::parse(p)?)
            }
            "reject" => {
                p.next();
                StmtKind::Reject(reject::Reject::parse(p)?)
            }
            "tproxy" => {
                p.next();
                StmtKind::Tproxy(tproxy::Tproxy::parse(p)?)
            }
            "dup" => {
                p.next();
                StmtKind::Dup(dup::Dup::parse(p)?)
            }
            "fwd" => {
                p.next();
                StmtKind::Fwd(fwd::Fwd::parse(p)?)
            }
            "notrack" => {
                p.next();
                StmtKind::Notrack(notrack::Notrack)
            }
            "synproxy" => {
                p.next();
                StmtKind::Synproxy(synproxy::Synproxy::parse(p)?)
            }
            "queue" => {
                p.next();
                StmtKind::Queue(queue::Queue::parse(p)?)
            }
            "flow" => {
                p.next();
                StmtKind::Flow(flow::Flow::parse(p)?)
            }
            "set" => {
                p.next();
                StmtKind::SetUpdate(set_update::SetUpdate::parse_old(p)?.into())
            }
            "meter" => {
                p.next();
                StmtKind::Meter(meter::Meter::parse(p)?.into())
            }
            "reset" => {
                p.next();
                StmtKind::ResetOption(reset_option::ResetOption::parse(p)?)
            }
            "xt" => {
                p.next();
                StmtKind::Xt(xt::Xt::parse(p)?)
            }
            _ => relational::parse(p)?,
        })
    }

    /// `counter`, `quota`, `limit`, `last`, `ct count`, where it stands next; not those that name an object.
    fn parse_stateful(p: &mut Parser<'_>) -> Parsed<Option<StmtKind>> {
        let named = p.word_at(1) == "name";
        Ok(Some(match p.word() {
            "counter" if !named => {
                p.next();
                StmtKind::Counter(counter::Counter::parse(p)?)
            }
            "quota" if !named => {
                p.next();
                StmtKind::Quota(quota::Quota::parse(p)?)
            }
            "limit" if !named => {
                p.next();
                StmtKind::Limit(limit::Limit::parse(p)?)
            }
            "last" => {
                p.next();
                StmtKind::Last(last::Last::parse(p)?)
            }
            "ct" if p.word_at(1) == "count" => {
                p.next();
                p.next();
                StmtKind::Connlimit(connlimit::Connlimit::parse(p)?)
            }
            _ => return Ok(None),
        }))
    }
}
