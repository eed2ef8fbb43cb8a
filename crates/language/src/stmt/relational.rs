//! Comparisons: `tcp dport 22`, `ct state != new`.

use serde_json::{Value, json};

use super::StmtKind;
use super::assign::Assign;
use super::registry::Statement;
use super::vmap::Vmap;
use crate::datatype::{Type, clock_seconds, symbols};
use crate::diag::{Code, Diagnostic, Parsed, nearest};
use crate::expr::Expr;
use crate::expr::ExprKind;
use crate::json::Node;
use crate::lex::{Sign, TokenKind};
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::source::Span;

/// `left op right`; the rule ends here unless it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Relational {
    /// Left side.
    pub left: Expr,
    /// How they compare.
    pub op: RelOp,
    /// Right side.
    pub right: Expr,
}

/// How the sides of a comparison relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the signs are the language's
pub enum RelOp {
    /// Nothing between them: equality, membership or any flag, by the types.
    Implicit,
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    /// `!`: none of the flags.
    Not,
}

impl RelOp {
    /// As listed, with a blank behind it; empty for the implicit one.
    pub const fn sign(self) -> &'static str {
        match self {
            RelOp::Implicit => "",
            RelOp::Eq => "== ",
            RelOp::Ne => "!= ",
            RelOp::Lt => "< ",
            RelOp::Gt => "> ",
            RelOp::Le => "<= ",
            RelOp::Ge => ">= ",
            RelOp::Not => "! ",
        }
    }
}

impl Relational {
    /// Whether it asks for any of some flags: values of flags are compared for equality with `==` only.
    fn is_any_flag(&self) -> bool {
        let left = match &self.left.kind {
            ExprKind::Inner(inner) => &inner.expr.kind,
            kind => kind,
        };
        let flags = match left {
            ExprKind::Ct(ct) => matches!(&*ct.key, "state" | "status" | "label" | "event"),
            ExprKind::Payload(payload) => (payload.protocol, payload.field) == ("tcp", "flags"),
            _ => false,
        };
        flags && !matches!(self.right.kind, ExprKind::Set(_) | ExprKind::SetRef(_) | ExprKind::Range(_))
    }

    /// Whether it is a range of hours that in universal time, as they are compared, runs around midnight: nft keeps
    /// the complement of such a range, and lists it with another operator.
    fn is_around_midnight(&self, options: &Options) -> bool {
        let (ExprKind::Meta(meta), ExprKind::Range(range)) = (&self.left.kind, &self.right.kind) else {
            return false;
        };
        let universal = |hour: &Expr| match &hour.kind {
            ExprKind::Symbol(symbol) => {
                let seconds = clock_seconds(&symbol.text)? - i64::from(options.utc_offset);
                Some(seconds.rem_euclid(86_400))
            }
            _ => None,
        };
        &*meta.key == "hour" && universal(&range.from) > universal(&range.to)
    }
}

/// A statement that begins with an expression: comparison, assignment or verdict map.
pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    let first = p.peek();
    if first.is(Sign::Dash) {
        let error = p.unexpected("a statement or what is to be compared");
        return Err(error.help("options are iptables': what is '-p tcp --dport 22 -j ACCEPT' there is 'tcp dport 22 accept' here"));
    }
    if first.kind == TokenKind::Word && is_bare(p) {
        return Err(no_statement(p));
    }
    let left = Expr::parse_lhs(p)?;
    if matches!(left.kind, ExprKind::Set(_)) {
        // Only a variable can have put it here.
        let error =
            Diagnostic::error(left.span, "a set is compared with nothing: a selector must come first");
        return Err(error.help("what is looked up goes before it: tcp dport $PORTS"));
    }
    if p.eat_word("set") {
        let value = Expr::parse_value(p)?;
        return Ok(StmtKind::Assign(Assign { target: left, value }));
    }
    if p.eat_word("vmap") {
        let map = Expr::parse_set_or_name(p)?;
        return Ok(StmtKind::Vmap(Vmap { key: left, map }));
    }
    let op = RelOp::parse(p);
    if p.is(Sign::Assign) {
        return Err(p.unexpected("a value").help("values are compared with '==', or with no sign at all"));
    }
    // Quoted they may be names of interfaces.
    if matches!(p.word(), "accept" | "drop" | "continue" | "return" | "jump" | "goto") {
        return Err(p.unexpected("a value"));
    }
    let right = Expr::parse_rhs(p)?;
    Ok(StmtKind::Relational(Relational { left, op, right }))
}

/// Whether a word begins nothing: no header, no key, no extension header. What it is compared with then has no type.
fn is_bare(p: &Parser<'_>) -> bool {
    !crate::expr::primary::begins_expression(p)
        && !p.peek_at(1).is(Sign::Dot)
        && crate::expr::binary::BinaryOp::peek_at(p, 1).is_none()
}

/// Words that statements and comparisons begin with, beside the names of headers.
const STATEMENTS: [&str; 58] = [
    "accept",
    "drop",
    "continue",
    "return",
    "jump",
    "goto",
    "queue",
    "counter",
    "quota",
    "limit",
    "last",
    "log",
    "reject",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "tproxy",
    "dup",
    "fwd",
    "notrack",
    "synproxy",
    "flow",
    "add",
    "update",
    "delete",
    "reset",
    "comment",
    "meta",
    "ct",
    "fib",
    "socket",
    "rt",
    "osf",
    "numgen",
    "jhash",
    "symhash",
    "ipsec",
    "tunnel",
    "exthdr",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iifgroup",
    "oifgroup",
    "mark",
    "skuid",
    "skgid",
    "cgroup",
    "priority",
    "nftrace",
    "protocol",
    "l4proto",
    "nfproto",
    "pkttype",
    "set",
    "meter",
];

fn no_statement(p: &Parser<'_>) -> Box<Diagnostic> {
    let word = p.word();
    let error = p.unexpected("a statement or what is to be compared");
    let is_field = |proto: Proto| proto.header().fields.iter().any(|field| field.name == word);
    let (before, last) = (p.text_before_last(), p.last_text());
    if matches!(before, "l4proto" | "protocol" | "nexthdr") && Proto::from_name(last).is_some_and(is_field) {
        return error.help(format!(
            "'{last} {word}' says by itself that the protocol is {last}: leave '{before}' out"
        ));
    }
    let together = |known: &&Type| {
        let has = |word: &str| symbols(**known).iter().any(|(name, _)| *name == word);
        has(last) && has(word)
    };
    if Type::ALL.iter().any(|known| together(&known)) {
        return error.help(format!("several values are separated by ',': {last}, {word}"));
    }
    if let Some(proto) = Proto::from_name(last).filter(|proto| is_field(*proto)) {
        let (field, span) = (format!("{} {word}", proto.name()), p.last_span().to(p.peek().span));
        return Diagnostic::error(span, "Right hand side of relational expression must be constant")
            .code(Code::Syntax)
            .note(format!("'{field}' is read from the packet: fields are compared with values alone"));
    }
    // `dport 22`: the field of a header that is not named.
    let headers: Vec<String> = ["tcp", "udp", "ip", "ip6", "ether", "icmp", "arp", "vlan", "sctp", "th"]
        .into_iter()
        .filter_map(Proto::from_name)
        .filter(|proto| is_field(*proto))
        .map(|proto| format!("'{} {word}'", proto.name()))
        .collect();
    if !headers.is_empty() {
        return error.help(format!("did you mean {}?", headers.join(" or ")));
    }
    if word == "hook" {
        return error.help("the chain's type is missing: type filter hook ...");
    }
    if p.follows_bare_text() {
        return error.help("a text of several words stands in quotes");
    }
    let protocols = Proto::ALL.into_iter().map(Proto::name);
    error.meant(nearest(word, STATEMENTS.into_iter().chain(protocols)))
}

impl RelOp {
    /// The operator that stands next; implicit where none does.
    pub fn parse(p: &mut Parser<'_>) -> RelOp {
        const SIGNS: [(RelOp, Sign, &str); 7] = [
            (RelOp::Eq, Sign::Eq, "eq"),
            (RelOp::Ne, Sign::Ne, "ne"),
            (RelOp::Lt, Sign::Lt, "lt"),
            (RelOp::Gt, Sign::Gt, "gt"),
            (RelOp::Le, Sign::Le, "le"),
            (RelOp::Ge, Sign::Ge, "ge"),
            (RelOp::Not, Sign::Not, ""),
        ];
        for (op, sign, word) in SIGNS {
            if p.is(sign) || (!word.is_empty() && p.is_word(word)) {
                p.next();
                return op;
            }
        }
        RelOp::Implicit
    }
}

impl Statement for Relational {
    const JSON: &'static str = "match";

    fn print(&self, out: &mut Printer) {
        self.left.print(out);
        out.text(" ").text(self.op.sign());
        self.right.print(out);
    }

    /// As `nft -j` writes it. What text leaves unsaid has a name here: `in` for flags, `==` for all else.
    fn to_json(&self, options: &Options) -> Value {
        let op = match self.op {
            RelOp::Implicit if self.is_any_flag() || self.is_around_midnight(options) => "in",
            RelOp::Implicit => "==",
            op => op.sign().trim_end(),
        };
        let mut left = self.left.to_json(options);
        if let ExprKind::Fib(fib) = &self.left.kind
            && fib.flags.contains(ironweir_expr::fib::Flags::PRESENT)
        {
            // Here, not in maps, the right side alone says that presence is asked for
            left["fib"]["result"] = json!("oif");
        }
        json!({ "match": { "op": op, "left": left, "right": self.right.to_json(options) } })
    }

    /// `op`, `left` and `right`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Relational> {
        let op = inside.need("op")?;
        let word = op.one_of("relational operator", &["==", "!=", "<", ">", "<=", ">=", "!", "in"])?;
        let op = match word {
            "==" => RelOp::Eq,
            "!=" => RelOp::Ne,
            "<" => RelOp::Lt,
            ">" => RelOp::Gt,
            "<=" => RelOp::Le,
            ">=" => RelOp::Ge,
            "!" => RelOp::Not,
            _ => RelOp::Implicit,
        };
        let left = Expr::from_json(inside.need("left")?)?;
        Ok(Relational { left, op, right: Expr::from_json(inside.need("right")?)? })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        to.relational(self, span)
    }

    fn role(&self) -> Role<'_> {
        Role::Match(self)
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}
