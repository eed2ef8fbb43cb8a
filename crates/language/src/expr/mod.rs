//! Expressions of the language, one file each: node, parsing, printing.

pub mod binary;
pub mod concat;
pub mod ct;
pub mod exthdr;
pub mod fib;
pub mod hash;
pub mod inner;
pub mod ipopt;
pub mod list;
pub mod map;
pub mod meta;
pub mod numgen;
pub mod osf;
pub mod payload;
pub mod prefix;
pub mod primary;
pub mod range;
pub mod raw_payload;
pub mod rhs;
pub mod rt;
pub mod sctp_chunk;
pub mod set;
pub mod socket;
pub mod symbol;
pub mod tcpopt;
pub mod tunnel;
pub mod verdict;
pub mod xfrm;

use crate::print::Printer;
use crate::source::Span;

/// An expression and its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it is; [`Span::NONE`] where listing raised it.
    pub span: Span,
}

/// Two expressions are equal that say the same, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.kind == other.kind
    }
}

/// What an expression is. Nothing is resolved here: what `ssh` or `10` mean depends on what they are compared with.
/// Variables are replaced by what they stand for while parsing.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum ExprKind {
    Symbol(symbol::Symbol),
    /// A number as written, decimal or hexadecimal.
    Number(u64),
    /// `*`: the catch-all element.
    Wildcard,
    Payload(payload::Payload),
    RawPayload(raw_payload::RawPayload),
    Inner(inner::Inner),
    Exthdr(exthdr::Exthdr),
    TcpOption(tcpopt::TcpOption),
    IpOption(ipopt::IpOption),
    SctpChunk(sctp_chunk::SctpChunk),
    DccpOption(exthdr::DccpOption),
    Meta(meta::Meta),
    Ct(ct::Ct),
    Rt(rt::Rt),
    Fib(fib::Fib),
    Socket(socket::Socket),
    Osf(osf::Osf),
    Numgen(numgen::Numgen),
    Jhash(hash::Jhash),
    Symhash(hash::Symhash),
    Xfrm(xfrm::Xfrm),
    Tunnel(tunnel::Tunnel),
    Binary(binary::Binary),
    Prefix(prefix::Prefix),
    Range(range::Range),
    Concat(concat::Concat),
    /// `a,b,c` on a right side: flags.
    List(list::List),
    /// `syn / syn,ack` on a right side: value under a mask.
    Masked(list::Masked),
    /// `{ ... }`.
    Set(set::SetLiteral),
    /// `@name`.
    SetRef(set::SetName),
    /// `key map { ... }`, `key map @name`.
    Map(map::Map),
    /// A verdict, as a map's data.
    Verdict(verdict::Verdict),
}

impl Expr {
    /// At a place.
    pub fn new(kind: ExprKind, span: Span) -> Expr {
        Expr { kind, span }
    }

    /// Without a place: raised from bytecode.
    pub fn raised(kind: ExprKind) -> Expr {
        Expr { kind, span: Span::NONE }
    }

    /// An unquoted symbol, raised from bytecode.
    pub fn symbol(text: impl Into<Box<str>>) -> Expr {
        Expr::raised(ExprKind::Symbol(symbol::Symbol { text: text.into(), quoted: false }))
    }

    /// A quoted string, raised from bytecode.
    pub fn quoted(text: impl Into<Box<str>>) -> Expr {
        Expr::raised(ExprKind::Symbol(symbol::Symbol { text: text.into(), quoted: true }))
    }

    /// A number, raised from bytecode.
    pub fn number(number: u64) -> Expr {
        Expr::raised(ExprKind::Number(number))
    }

    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        match &self.kind {
            ExprKind::Symbol(node) => node.print(out),
            ExprKind::Number(number) => {
                out.number(number);
            }
            ExprKind::Wildcard => {
                out.text("*");
            }
            ExprKind::Payload(node) => node.print(out),
            ExprKind::RawPayload(node) => node.print(out),
            ExprKind::Inner(node) => node.print(out),
            ExprKind::Exthdr(node) => node.print(out),
            ExprKind::TcpOption(node) => node.print(out),
            ExprKind::IpOption(node) => node.print(out),
            ExprKind::SctpChunk(node) => node.print(out),
            ExprKind::DccpOption(node) => node.print(out),
            ExprKind::Meta(node) => node.print(out),
            ExprKind::Ct(node) => node.print(out),
            ExprKind::Rt(node) => node.print(out),
            ExprKind::Fib(node) => node.print(out),
            ExprKind::Socket(node) => node.print(out),
            ExprKind::Osf(node) => node.print(out),
            ExprKind::Numgen(node) => node.print(out),
            ExprKind::Jhash(node) => node.print(out),
            ExprKind::Symhash(node) => node.print(out),
            ExprKind::Xfrm(node) => node.print(out),
            ExprKind::Tunnel(node) => node.print(out),
            ExprKind::Binary(node) => node.print(out),
            ExprKind::Prefix(node) => node.print(out),
            ExprKind::Range(node) => node.print(out),
            ExprKind::Concat(node) => node.print(out),
            ExprKind::List(node) => node.print(out),
            ExprKind::Masked(node) => node.print(out),
            ExprKind::Set(node) => node.print(out),
            ExprKind::SetRef(node) => node.print(out),
            ExprKind::Map(node) => node.print(out),
            ExprKind::Verdict(node) => node.print(out),
        }
    }

    /// In nft's canonical form, as a string.
    pub fn to_text(&self, options: crate::print::Options) -> String {
        let mut out = Printer::new(options);
        self.print(&mut out);
        out.finish()
    }

    /// Roughly how many nodes it has; what counts are elements of sets.
    pub fn size(&self) -> usize {
        match &self.kind {
            ExprKind::Set(set) => 1 + set.elements.len(),
            ExprKind::List(list) => 1 + list.0.len(),
            ExprKind::Binary(binary) => 1 + binary.left.size() + binary.right.size(),
            _ => 1,
        }
    }
}
