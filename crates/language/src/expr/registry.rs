//! All expressions of the language: the one list that names them, and what each one's file implements.
//!
//! A file of this folder holds everything that is only about its expression: node, words, text, JSON, type, bytecode in
//! both directions, `typeof` user data. [`expressions!`] names it in one line. From the list come [`super::ExprKind`] and
//! [`crate::typed::Kind`], which are closed enums, and every dispatch by expression; what a new line lacks, the compiler
//! says. Passes over whole rules (implied matches, byte order, intervals, merging) stand elsewhere, each by itself.
//! `docs/adding-an-expression.md` follows one expression through.

use ironweir_expr::payload::Base;
use ironweir_expr::{Expr as Code, Register};
use ironweir_ruleset::Userdata;
use serde_json::Value;

use super::Expr;
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};

/// Hands the list of expressions to another macro: variant, file and type of each.
///
/// - `literals` have no type by themselves, or are made of other expressions. They have `print` and `to_json`; how they
///   are parsed, typed and lowered is the grammar's and the passes' business.
/// - `fields` implement [`Primary`]. Their typed form is [`Kind::Payload`], [`Kind::Exthdr`], [`Kind::Meta`] or
///   [`Kind::Ct`]: the passes look into those, for they tell of protocols and may be merged.
/// - `selectors` implement [`Primary`], and [`Selector`] for their typed form, which stands behind the arrow.
///
/// Where two could begin with the same words, the first that says so in [`Primary::at`] is meant.
macro_rules! expressions {
    ($then:ident) => {
        $then! {
            literals {
                Symbol(symbol::Symbol),
                Binary(binary::Binary),
                Prefix(prefix::Prefix),
                Range(range::Range),
                Concat(concat::Concat),
                List(list::List),
                Masked(list::Masked),
                Set(set::SetLiteral),
                SetRef(set::SetName),
                Map(map::Map),
                Verdict(verdict::Verdict),
            }
            fields {
                Inner(inner::Inner),
                Payload(payload::Payload),
                Meta(meta::Meta),
                Ct(ct::Ct),
                RawPayload(raw_payload::RawPayload),
                Exthdr(exthdr::Exthdr),
                IpOption(ipopt::IpOption),
                TcpOption(tcpopt::TcpOption),
                SctpChunk(sctp_chunk::SctpChunk),
                DccpOption(dccpopt::DccpOption),
            }
            selectors {
                Rt(rt::Rt) => ironweir_expr::rt::Key,
                Fib(fib::Fib) => crate::expr::fib::Fib,
                Socket(socket::Socket) => ironweir_expr::socket::Key,
                Osf(osf::Osf) => crate::expr::osf::Osf,
                Numgen(numgen::Numgen) => crate::expr::numgen::Numgen,
                Jhash(hash::Jhash) => crate::expr::hash::Jhash<crate::typed::Typed>,
                Symhash(hash::Symhash) => crate::expr::hash::Symhash,
                Xfrm(xfrm::Xfrm) => crate::expr::xfrm::Xfrm,
                Tunnel(tunnel::Tunnel) => ironweir_expr::tunnel::Key,
            }
        }
    };
}
pub(crate) use expressions;

/// An expression that has a type by itself (`primary_expr` of nft's grammar).
pub trait Primary: Sized {
    /// What `describe` calls it (`expr_name` of nft).
    const NAME: &'static str;

    /// The key of its object in JSON.
    const JSON: &'static str;

    /// Whether it stands next where a value may stand too; `word` and `second` are the next two words, empty where none
    /// stands there. Keywords are words like any other: only `ip` with a field of `ip` behind it is no value.
    fn at(p: &Parser<'_>, word: &str, second: &str) -> bool;

    /// Whether on a left side `word` can begin nothing else, so that what is wrong behind it is told.
    fn owns(word: &str) -> bool;

    /// Takes it, from its first word on.
    fn parse(p: &mut Parser<'_>) -> Parsed<Self>;

    /// In nft's canonical form.
    fn print(&self, out: &mut Printer);

    /// As `nft -j` writes it: an object of one key.
    fn to_json(&self, options: &Options) -> Value;

    /// Whether an object of this key is one; `inside` is what stands under the key.
    fn in_json(key: &str, inside: Node<'_>) -> bool {
        let _ = inside;
        key == Self::JSON
    }

    /// From what stands under its key.
    fn from_json(inside: Node<'_>) -> Parsed<Self>;

    /// The expression that it is made of.
    fn inside(&self) -> Option<&Expr> {
        None
    }

    /// Whether it may be read once or twice for a packet, and is the same each time.
    fn is_steady(&self) -> bool {
        true
    }

    /// Its type and what it reads, perhaps inside of a tunnel; matches that it implies are noted in `to`.
    fn resolve(&self, to: &mut Lower<'_>, inner: Option<Proto>, span: Span) -> Parsed<Typed>;
}

/// The typed form of an expression that fills a register and about which no pass needs to know more.
pub trait Selector: Into<Kind> {
    /// Its number in `typeof` user data (`enum expr_types` of nft).
    const TYPEOF: u32;

    /// Its type.
    fn shape(&self) -> Shape;

    /// The bytecode that loads it into `destination`; what it reads itself is loaded before.
    fn load(&self, to: &mut Lower<'_>, destination: Register, span: Span) -> Parsed<Code>;

    /// From bytecode, with the register it fills; `None` of any other expression.
    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<(Register, Self)>;

    /// As it is written.
    fn syntax(&self, from: &mut Raise<'_>) -> ExprKind;

    /// Tells `typeof` user data what it is (`expr_ops.build_udata` of nft); false where there is no room.
    fn to_userdata(&self, data: &mut Userdata) -> bool;

    /// From that (`expr_ops.parse_udata`); `None` where it is not understood.
    fn from_userdata(data: &Userdata) -> Option<Self>;

    /// The greatest number that it ever is; `None` where its type alone says that.
    fn most(&self) -> Option<u128> {
        None
    }

    /// What it reads itself.
    fn operand(&self) -> Option<&Typed> {
        None
    }

    /// The layer whose protocol it implies: matches of that are not listed before it.
    fn implies(&self) -> Option<Base> {
        None
    }

    /// What it is when it is compared with `exists` or `missing`; `None` where that means nothing.
    fn presence(&self) -> Option<Self> {
        None
    }

    /// With its type.
    fn typed(self) -> Typed {
        let shape = self.shape();
        Typed::new(self.into(), shape)
    }
}

macro_rules! dispatch {
    (
        literals { $($literal:ident($lmod:ident::$lnode:ident),)* }
        fields { $($field:ident($fmod:ident::$fnode:ident),)* }
        selectors { $($selector:ident($smod:ident::$snode:ident) => $typed:ty,)* }
    ) => {
        /// What an expression is. Nothing is resolved here: what `ssh` or `10` mean depends on what they are compared
        /// with. Variables are replaced by what they stand for while parsing.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // each variant is documented at its type
        pub enum ExprKind {
            /// A number as written, decimal or hexadecimal.
            Number(u64),
            /// `*`: the catch-all element.
            Wildcard,
            $($literal(super::$lmod::$lnode),)*
            $($field(super::$fmod::$fnode),)*
            $($selector(super::$smod::$snode),)*
        }

        impl ExprKind {
            /// In nft's canonical form.
            pub(super) fn print(&self, out: &mut Printer) {
                match self {
                    ExprKind::Number(number) => {
                        out.number(number);
                    }
                    ExprKind::Wildcard => {
                        out.text("*");
                    }
                    $(ExprKind::$literal(node) => node.print(out),)*
                    $(ExprKind::$field(node) => node.print(out),)*
                    $(ExprKind::$selector(node) => node.print(out),)*
                }
            }

            /// As `nft -j` writes it.
            pub(crate) fn to_json(&self, options: &Options) -> Value {
                match self {
                    ExprKind::Number(number) => Value::from(*number),
                    ExprKind::Wildcard => Value::from("*"),
                    $(ExprKind::$literal(node) => node.to_json(options),)*
                    $(ExprKind::$field(node) => node.to_json(options),)*
                    $(ExprKind::$selector(node) => node.to_json(options),)*
                }
            }

            /// Whether one that has a type by itself stands next.
            pub(super) fn at(p: &Parser<'_>, word: &str, second: &str) -> bool {
                $(super::$fmod::$fnode::at(p, word, second) ||)*
                $(super::$smod::$snode::at(p, word, second) ||)*
                false
            }

            /// Whether `word` can only begin one of those.
            pub(super) fn owns(word: &str) -> bool {
                $(super::$fmod::$fnode::owns(word) ||)* $(super::$smod::$snode::owns(word) ||)* false
            }

            /// The one that stands next; `None` where none does.
            pub(super) fn parse_primary(p: &mut Parser<'_>) -> Parsed<Option<ExprKind>> {
                let (word, second) = (p.word(), p.word_at(1));
                $(if super::$fmod::$fnode::at(p, word, second) {
                    return Ok(Some(ExprKind::$field(super::$fmod::$fnode::parse(p)?)));
                })*
                $(if super::$smod::$snode::at(p, word, second) {
                    return Ok(Some(ExprKind::$selector(super::$smod::$snode::parse(p)?)));
                })*
                $(if super::$fmod::$fnode::owns(word) {
                    return Ok(Some(ExprKind::$field(super::$fmod::$fnode::parse(p)?)));
                })*
                $(if super::$smod::$snode::owns(word) {
                    return Ok(Some(ExprKind::$selector(super::$smod::$snode::parse(p)?)));
                })*
                Ok(None)
            }

            /// The one whose key an object of JSON has; `None` where it is none of them.
            pub(crate) fn primary_from_json(key: &str, inside: Node<'_>) -> Parsed<Option<ExprKind>> {
                $(if super::$fmod::$fnode::in_json(key, inside) {
                    return Ok(Some(ExprKind::$field(super::$fmod::$fnode::from_json(inside)?)));
                })*
                $(if super::$smod::$snode::in_json(key, inside) {
                    return Ok(Some(ExprKind::$selector(super::$smod::$snode::from_json(inside)?)));
                })*
                Ok(None)
            }

            /// Its type and what it reads; `None` of what has none by itself.
            pub(crate) fn resolve(
                &self,
                to: &mut Lower<'_>,
                inner: Option<Proto>,
                span: Span,
            ) -> Option<Parsed<Typed>> {
                match self {
                    $(ExprKind::$field(node) => Some(node.resolve(to, inner, span)),)*
                    $(ExprKind::$selector(node) => Some(node.resolve(to, inner, span)),)*
                    ExprKind::Number(_) | ExprKind::Wildcard $(| ExprKind::$literal(_))* => None,
                }
            }

            /// The expression that one with a type by itself is made of.
            pub(super) fn inside(&self) -> Option<&Expr> {
                match self {
                    $(ExprKind::$field(node) => node.inside(),)*
                    $(ExprKind::$selector(node) => node.inside(),)*
                    ExprKind::Number(_) | ExprKind::Wildcard $(| ExprKind::$literal(_))* => None,
                }
            }

            /// Whether one with a type by itself may be read once or twice for a packet, and is the same each time.
            pub(super) fn is_steady(&self) -> bool {
                match self {
                    $(ExprKind::$field(node) => node.is_steady(),)*
                    $(ExprKind::$selector(node) => node.is_steady(),)*
                    ExprKind::Number(_) | ExprKind::Wildcard $(| ExprKind::$literal(_))* => false,
                }
            }

            /// What `describe` calls it.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(ExprKind::$field(_) => super::$fmod::$fnode::NAME,)*
                    $(ExprKind::$selector(_) => super::$smod::$snode::NAME,)*
                    ExprKind::Concat(_) => "concat",
                    _ => "",
                }
            }
        }

        $(impl From<$typed> for Kind {
            fn from(selector: $typed) -> Kind {
                Kind::$selector(selector)
            }
        })*

        impl Kind {
            /// The bytecode of a selector; `None` of any other.
            pub(crate) fn load_selector(
                &self,
                to: &mut Lower<'_>,
                destination: Register,
                span: Span,
            ) -> Option<Parsed<Code>> {
                match self {
                    $(Kind::$selector(selector) => Some(selector.load(to, destination, span)),)*
                    _ => None,
                }
            }

            /// A selector as it is written; `None` of any other.
            pub(crate) fn selector_syntax(&self, from: &mut Raise<'_>) -> Option<ExprKind> {
                match self {
                    $(Kind::$selector(selector) => Some(selector.syntax(from)),)*
                    _ => None,
                }
            }

            /// The greatest number that a selector ever is, where that is known.
            pub(crate) fn most(&self) -> Option<u128> {
                match self {
                    $(Kind::$selector(selector) => selector.most(),)*
                    _ => None,
                }
            }

            /// What a selector reads itself.
            pub(crate) fn operand(&self) -> Option<&Typed> {
                match self {
                    $(Kind::$selector(selector) => selector.operand(),)*
                    _ => None,
                }
            }

            /// The layer whose protocol a selector implies.
            pub(crate) fn implies(&self) -> Option<Base> {
                match self {
                    $(Kind::$selector(selector) => selector.implies(),)*
                    _ => None,
                }
            }

            /// What a selector is when it is compared with `exists` or `missing`.
            pub(crate) fn presence(&self) -> Option<Typed> {
                match self {
                    $(Kind::$selector(selector) => selector.presence().map(Selector::typed),)*
                    _ => None,
                }
            }

            /// A selector's number in user data, and what that says of it; `None` of any other.
            pub(crate) fn selector_userdata(&self, data: &mut Userdata) -> Option<(u32, bool)> {
                match self {
                    $(Kind::$selector(selector) => {
                        Some((<$typed>::TYPEOF, selector.to_userdata(data)))
                    })*
                    _ => None,
                }
            }
        }

        /// The selector that bytecode loads, and into which register.
        pub(crate) fn raise_selector(code: &Code, from: &mut Raise<'_>) -> Option<(Register, Typed)> {
            $(if let Some((register, selector)) = <$typed>::raise(code, from) {
                return Some((register, selector.typed()));
            })*
            None
        }

        /// The selector that user data tells of.
        pub(crate) fn selector_from_userdata(number: u32, data: &Userdata) -> Option<Typed> {
            $(if number == <$typed>::TYPEOF
                && let Some(selector) = <$typed>::from_userdata(data)
            {
                return Some(selector.typed());
            })*
            None
        }
    };
}

expressions!(dispatch);
