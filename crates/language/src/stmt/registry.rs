//! All statements of the language: the one list that names them, and what each one's file implements.
//!
//! As with expressions ([`crate::expr::registry`]), a file of this folder holds everything that is only about its
//! statement, and [`statements!`] names it in one line.

use ironweir_expr::Expr as Code;
use serde_json::Value;

use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// Hands the list of statements to another macro: variant and type of each.
///
/// - `stateful` ones implement [`Stateful`]: sets and their elements keep them too.
/// - `worded` ones begin with a word of their own and implement [`Worded`]. The largest are boxed: rulesets have many
///   statements, and most are comparisons and verdicts.
/// - `led` ones begin with an expression and implement [`Statement`] alone; [`super::relational::parse`] tells them apart.
///
/// Where two could begin with the same words or have the same key in JSON, the first that says so is meant.
macro_rules! statements {
    ($then:ident) => {
        $then! {
            stateful {
                Counter(super::counter::Counter),
                Quota(super::quota::Quota),
                Limit(super::limit::Limit),
                Last(super::last::Last),
                Connlimit(super::connlimit::Connlimit),
            }
            worded {
                Verdict(super::verdict::Verdict),
                Nat(super::nat::Nat),
                Objref(super::objref::Objref),
                Log(super::log::Log),
                Reject(super::reject::Reject),
                Tproxy(super::tproxy::Tproxy),
                Dup(super::dup::Dup),
                Fwd(super::fwd::Fwd),
                Notrack(super::notrack::Notrack),
                Synproxy(super::synproxy::Synproxy),
                Queue(super::queue::Queue),
                Flow(super::flow::Flow),
                SetUpdate(Box<super::set_update::SetUpdate>),
                Meter(Box<super::meter::Meter>),
                ResetOption(super::reset_option::ResetOption),
                Xt(super::xt::Xt),
            }
            led {
                Relational(super::relational::Relational),
                Vmap(super::vmap::Vmap),
                Assign(super::assign::Assign),
            }
        }
    };
}

/// What a rule does with a packet.
pub trait Statement: Sized {
    /// The key of its object in JSON.
    const JSON: &'static str;

    /// As nft lists it.
    fn print(&self, out: &mut Printer);

    /// As `nft -j` writes it: an object of one key.
    fn to_json(&self, options: &Options) -> Value;

    /// Whether an object of this key is one; `inside` is what stands under the key.
    fn in_json(key: &str, inside: Node<'_>) -> bool {
        let _ = inside;
        key == Self::JSON
    }

    /// From what stands under its key.
    fn from_json(key: &str, inside: Node<'_>) -> Parsed<Self>;

    /// Emits what it consists of.
    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()>;

    /// From bytecode; `None` of expressions that are none, or that cannot be told without what is not there.
    /// Comparisons and verdict maps are made of several expressions, and raised in [`crate::raise`].
    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Self> {
        let _ = (code, from);
        None
    }

    /// Whether nothing behind it in a rule is ever reached.
    fn is_terminal(&self) -> bool {
        false
    }

    /// What `-o` may do with it.
    fn role(&self) -> Role<'_> {
        Role::Alone
    }

    /// What it may change of what rules behind it compare, chains that it jumps to aside.
    fn writes(&self) -> Parts {
        Parts::all()
    }
}

/// A statement that begins with a word of its own.
pub trait Worded: Statement {
    /// Whether it stands next.
    fn at(p: &Parser<'_>) -> bool;

    /// Takes it, from its first word on.
    fn parse(p: &mut Parser<'_>) -> Parsed<Self>;
}

/// A statement with state, which elements of sets may have too.
pub trait Stateful: Worded {
    /// The expression that it is.
    fn code(&self) -> Code;
}

impl<T: Statement> Statement for Box<T> {
    const JSON: &'static str = T::JSON;

    fn print(&self, out: &mut Printer) {
        T::print(self, out);
    }

    fn to_json(&self, options: &Options) -> Value {
        T::to_json(self, options)
    }

    fn in_json(key: &str, inside: Node<'_>) -> bool {
        T::in_json(key, inside)
    }

    fn from_json(key: &str, inside: Node<'_>) -> Parsed<Box<T>> {
        T::from_json(key, inside).map(Box::new)
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        T::lower(self, to, span)
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Box<T>> {
        T::raise(code, from).map(Box::new)
    }

    fn is_terminal(&self) -> bool {
        T::is_terminal(self)
    }

    fn role(&self) -> Role<'_> {
        T::role(self)
    }

    fn writes(&self) -> Parts {
        T::writes(self)
    }
}

impl<T: Worded> Worded for Box<T> {
    fn at(p: &Parser<'_>) -> bool {
        T::at(p)
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Box<T>> {
        T::parse(p).map(Box::new)
    }
}

macro_rules! dispatch {
    (
        stateful { $($state:ident($stype:ty),)* }
        worded { $($word:ident($wtype:ty),)* }
        led { $($led:ident($ltype:ty),)* }
    ) => {
        /// What a statement is.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // each variant is documented at its type
        pub enum StmtKind {
            $($state($stype),)*
            $($word($wtype),)*
            $($led($ltype),)*
        }

        impl StmtKind {
            /// As nft lists it.
            pub(super) fn print(&self, out: &mut Printer) {
                match self {
                    $(StmtKind::$state(node) => Statement::print(node, out),)*
                    $(StmtKind::$word(node) => Statement::print(node, out),)*
                    $(StmtKind::$led(node) => Statement::print(node, out),)*
                }
            }

            /// As `nft -j` writes it.
            pub(crate) fn to_json(&self, options: &Options) -> Value {
                match self {
                    $(StmtKind::$state(node) => Statement::to_json(node, options),)*
                    $(StmtKind::$word(node) => Statement::to_json(node, options),)*
                    $(StmtKind::$led(node) => Statement::to_json(node, options),)*
                }
            }

            /// From an object's key and what stands under it; `None` where no statement has that key.
            pub(crate) fn from_json(key: &str, inside: Node<'_>) -> Parsed<Option<StmtKind>> {
                // Names of objects stand under the keys of statements with state
                if <super::objref::Objref as Statement>::in_json(key, inside) {
                    return Ok(Some(StmtKind::Objref(Statement::from_json(key, inside)?)));
                }
                if let Some(stateful) = StmtKind::stateful_from_json(key, inside)? {
                    return Ok(Some(stateful));
                }
                $(if <$wtype>::in_json(key, inside) {
                    return Ok(Some(StmtKind::$word(Statement::from_json(key, inside)?)));
                })*
                $(if <$ltype>::in_json(key, inside) {
                    return Ok(Some(StmtKind::$led(Statement::from_json(key, inside)?)));
                })*
                Ok(None)
            }

            /// The same, of those with state alone.
            pub(crate) fn stateful_from_json(key: &str, inside: Node<'_>) -> Parsed<Option<StmtKind>> {
                $(if <$stype>::in_json(key, inside) {
                    return Ok(Some(StmtKind::$state(Statement::from_json(key, inside)?)));
                })*
                Ok(None)
            }

            /// The statement that stands next.
            pub(super) fn parse(p: &mut Parser<'_>) -> Parsed<StmtKind> {
                if let Some(stateful) = StmtKind::parse_stateful(p)? {
                    return Ok(stateful);
                }
                $(if <$wtype>::at(p) {
                    return Ok(StmtKind::$word(Worded::parse(p)?));
                })*
                super::relational::parse(p)
            }

            /// The statement with state that stands next, where one does; not those that name an object.
            pub(super) fn parse_stateful(p: &mut Parser<'_>) -> Parsed<Option<StmtKind>> {
                $(if <$stype>::at(p) {
                    return Ok(Some(StmtKind::$state(Worded::parse(p)?)));
                })*
                Ok(None)
            }

            /// Emits what it consists of.
            pub(super) fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
                match self {
                    $(StmtKind::$state(node) => Statement::lower(node, to, span),)*
                    $(StmtKind::$word(node) => Statement::lower(node, to, span),)*
                    $(StmtKind::$led(node) => Statement::lower(node, to, span),)*
                }
            }

            /// The statement that an expression is; `None` for expressions that are none, or that cannot be told
            /// without what is not there.
            pub(crate) fn raise(code: &Code, from: &mut Raise<'_>) -> Option<StmtKind> {
                $(if let Some(node) = <$stype as Statement>::raise(code, from) {
                    return Some(StmtKind::$state(node));
                })*
                $(if let Some(node) = <$wtype as Statement>::raise(code, from) {
                    return Some(StmtKind::$word(node));
                })*
                $(if let Some(node) = <$ltype as Statement>::raise(code, from) {
                    return Some(StmtKind::$led(node));
                })*
                None
            }

            /// Whether nothing behind it in a rule is ever reached.
            pub(super) fn is_terminal(&self) -> bool {
                match self {
                    $(StmtKind::$state(node) => node.is_terminal(),)*
                    $(StmtKind::$word(node) => node.is_terminal(),)*
                    $(StmtKind::$led(node) => node.is_terminal(),)*
                }
            }

            /// What `-o` may do with it.
            pub(crate) fn role(&self) -> Role<'_> {
                match self {
                    $(StmtKind::$state(node) => node.role(),)*
                    $(StmtKind::$word(node) => node.role(),)*
                    $(StmtKind::$led(node) => node.role(),)*
                }
            }

            /// What it may change of what rules behind it compare, chains that it jumps to aside.
            pub(crate) fn writes(&self) -> Parts {
                match self {
                    $(StmtKind::$state(node) => node.writes(),)*
                    $(StmtKind::$word(node) => node.writes(),)*
                    $(StmtKind::$led(node) => node.writes(),)*
                }
            }

            /// The expression of a statement with state; `None` of any other.
            pub(super) fn stateful_code(&self) -> Option<Code> {
                match self {
                    $(StmtKind::$state(node) => Some(Stateful::code(node)),)*
                    _ => None,
                }
            }
        }

        $(impl From<$stype> for StmtKind {
            fn from(node: $stype) -> StmtKind {
                StmtKind::$state(node)
            }
        })*
        $(impl From<$wtype> for StmtKind {
            fn from(node: $wtype) -> StmtKind {
                StmtKind::$word(node)
            }
        })*
        $(impl From<$ltype> for StmtKind {
            fn from(node: $ltype) -> StmtKind {
                StmtKind::$led(node)
            }
        })*
    };
}
statements!(dispatch);
