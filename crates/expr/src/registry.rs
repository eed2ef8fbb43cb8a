//! The list of all expressions, what each must be able to do, and the dispatch to it.
//!
//! A new expression is one file that implements [`Expression`] and one line in [`expressions`]: the compiler then asks for
//! nothing more in this crate.

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx};
use crate::{Env, Outcome, Register, Registers};
use crate::{
    bitwise, byteorder, cmp, compat, connlimit, counter, ct, dup, dynset, exthdr, fib, flow_offload, fwd,
    hash, immediate, inner, last, limit, log, lookup, masq, meta, nat, notrack, numgen, objref, osf, payload,
    queue, quota, range, redir, reject, rt, socket, synproxy, tproxy, tunnel, xfrm,
};

/// What the file of an expression says of it.
pub(crate) trait Expression: Sized {
    /// Its name on the wire (`NFTA_EXPR_NAME`). Several forms may share one, as those that load and those that write do.
    const NAME: &'static str;

    /// The highest type of its attributes in `linux/netfilter/nf_tables.h`; those above it are a newer peer's.
    const HIGHEST: u16;

    /// Evaluates it, as [`Expr::eval`] says.
    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome;

    /// Prints it as `nft --debug=netlink` does, without brackets.
    fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result;

    /// What the kernel checks when the expression is made and bound to a chain.
    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        Ok(())
    }
    /// Which register it loads: how many bytes, and in which order they lie there.
    fn loads(&self) -> Option<(Register, usize, Order)> {
        None
    }

    /// The order that a value in that register must have for its use here; `None` where it is not used.
    fn uses(&self, _: Register) -> Option<Order> {
        None
    }

    /// Appends the numbers that packets change: see [`Expr::live`].
    fn live(&self, _: &mut Vec<u64>) {}

    /// Takes over what [`Expression::live`] appended. `None` where there is less.
    fn revive(&self, _: &mut dyn Iterator<Item = u64>) -> Option<()> {
        Some(())
    }

    /// Puts its attributes into `NFTA_EXPR_DATA`.
    fn encode(&self, writer: &mut Writer<'_>);

    /// Whether attributes are those of this form, where several share a name.
    fn is_given(_: &Given<'_>) -> bool {
        true
    }

    /// Reads its attributes.
    fn decode(given: &Given<'_>) -> Result<Self, Fault>;
}

/// Makes the closed `enum` of all expressions, and each operation that goes to one of them.
macro_rules! expressions {
    ($($variant:ident($expression:ty),)*) => {
        /// Any nf_tables expression.
        ///
        /// The set is closed on purpose: an exhaustive `match` lists what a new expression still lacks.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // each variant is documented at its type
        pub enum Expr {
            $($variant($expression),)*
            /// An expression with attributes of a newer peer beside the known ones.
            Extended(Box<compat::Extended>),
            /// An expression of a newer peer, kept as it came.
            Unknown(compat::Unknown),
        }

        impl Expr {
            /// Evaluates the expression for one packet: reads and writes registers, may change the packet, and tells how
            /// the rule goes on. Never allocates, never panics, whatever packet and expression hold.
            ///
            /// Expressions that cannot be evaluated (xtables matches and targets, those of a newer peer) break: a rule
            /// with one never matches. [`Expr::validate`] refuses them.
            pub fn eval<E: Env>(
                &self,
                registers: &mut Registers,
                packet: &mut Packet<'_>,
                env: &mut E,
            ) -> Outcome {
                match self {
                    $(Expr::$variant(expr) => Expression::eval(expr, registers, packet, env),)*
                    Expr::Extended(expr) => expr.known().eval(registers, packet, env),
                    Expr::Unknown(_) => Outcome::Break,
                }
            }

            /// Checks what the kernel checks of one expression; what concerns several (sets that exist, chains that
            /// loop) is the ruleset's.
            pub fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
                match self {
                    $(Expr::$variant(expr) => Expression::validate(expr, ctx),)*
                    Expr::Extended(expr) => expr.known().validate(ctx),
                    Expr::Unknown(expr) => Err(ExprError::Unsupported(expr.name.clone())),
                }
            }

            /// The text form without brackets, values of registers in the order that is known.
            pub fn text<'a>(&'a self, orders: &'a Orders) -> impl fmt::Display + 'a {
                fmt::from_fn(move |f| match self {
                    $(Expr::$variant(expr) => Expression::text(expr, f, orders),)*
                    Expr::Extended(expr) => write!(f, "{}", expr.known().text(orders)),
                    Expr::Unknown(expr) => f.write_str(&expr.name),
                })
            }

            /// Its name on the wire (`NFTA_EXPR_NAME`).
            pub fn name(&self) -> &str {
                match self {
                    $(Expr::$variant(_) => <$expression>::NAME,)*
                    Expr::Extended(expr) => expr.known().name(),
                    Expr::Unknown(expr) => &expr.name,
                }
            }

            /// Which register it loads: how many bytes, and in which order.
            pub(crate) fn loads(&self) -> Option<(Register, usize, Order)> {
                match self {
                    $(Expr::$variant(expr) => expr.loads(),)*
                    Expr::Extended(expr) => expr.known().loads(),
                    Expr::Unknown(_) => None,
                }
            }

            /// The order that a value in that register must have for its use here; `None` where it is not used.
            pub(crate) fn uses(&self, register: Register) -> Option<Order> {
                match self {
                    $(Expr::$variant(expr) => expr.uses(register),)*
                    Expr::Extended(expr) => expr.known().uses(register),
                    Expr::Unknown(_) => None,
                }
            }

            /// Whether it has attributes at all.
            pub(crate) fn has_data(&self) -> bool {
                match self {
                    $(Expr::$variant(_) => <$expression>::HIGHEST != 0,)*
                    Expr::Extended(_) => true,
                    Expr::Unknown(expr) => !expr.attributes.is_empty(),
                }
            }

            /// Appends the numbers that packets change - what was counted, used up, when it was last evaluated - each in a
            /// form that means the same at any later time. Always as many of one expression; none of most.
            pub fn live(&self, numbers: &mut Vec<u64>) {
                match self {
                    $(Expr::$variant(expr) => expr.live(numbers),)*
                    Expr::Extended(expr) => expr.known().live(numbers),
                    Expr::Unknown(_) => {}
                }
            }

            /// Takes over what [`Expr::live`] appended of an equal expression. `None` where there are fewer numbers.
            pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
                match self {
                    $(Expr::$variant(expr) => expr.revive(numbers),)*
                    Expr::Extended(expr) => expr.known().revive(numbers),
                    Expr::Unknown(_) => Some(()),
                }
            }

            /// Puts the attributes of `NFTA_EXPR_DATA`.
            pub fn encode_data(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Expr::$variant(expr) => expr.encode(writer),)*
                    Expr::Extended(expr) => {
                        expr.known().encode_data(writer);
                        writer.put_raw(expr.newer());
                    }
                    Expr::Unknown(expr) => writer.put_raw(&expr.attributes),
                }
            }

            /// Reads an expression whose name is known.
            pub(crate) fn decode_known(name: &str, given: &Given<'_>) -> Result<Expr, Fault> {
                $(if name == <$expression>::NAME && <$expression>::is_given(given) {
                    let known = Expr::$variant(<$expression>::decode(given)?);
                    return Ok(match given.newer(<$expression>::HIGHEST) {
                        None => known,
                        Some(newer) => Expr::Extended(Box::new(compat::Extended::new(known, newer))),
                    });
                })*
                Err(Fault::Newer)
            }
        }

        $(impl From<$expression> for Expr {
            fn from(expr: $expression) -> Expr {
                Expr::$variant(expr)
            }
        })*
    };
}

expressions! {
    Bitwise(bitwise::Bitwise),
    Byteorder(byteorder::Byteorder),
    Cmp(cmp::Cmp),
    Connlimit(connlimit::Connlimit),
    Counter(counter::Counter),
    CtGet(ct::Get),
    CtSet(ct::Set),
    Dup(dup::Dup),
    Dynset(dynset::Dynset),
    Exthdr(exthdr::Exthdr),
    Fib(fib::Fib),
    FlowOffload(flow_offload::FlowOffload),
    Fwd(fwd::Fwd),
    Hash(hash::Hash),
    Immediate(immediate::Immediate),
    Inner(inner::Inner),
    Last(last::Last),
    Limit(limit::Limit),
    Log(log::Log),
    Lookup(lookup::Lookup),
    Masq(masq::Masq),
    MetaGet(meta::Get),
    MetaSet(meta::Set),
    Nat(nat::Nat),
    Notrack(notrack::Notrack),
    Numgen(numgen::Numgen),
    Objref(objref::Objref),
    Osf(osf::Osf),
    PayloadLoad(payload::Load),
    PayloadWrite(payload::Write),
    Queue(queue::Queue),
    Quota(quota::Quota),
    Range(range::Range),
    Redir(redir::Redir),
    Reject(reject::Reject),
    Rt(rt::Rt),
    Socket(socket::Socket),
    Synproxy(synproxy::Synproxy),
    Tproxy(tproxy::Tproxy),
    Tunnel(tunnel::Tunnel),
    Xfrm(xfrm::Xfrm),
    XtMatch(compat::Match),
    XtTarget(compat::Target),
}

impl Expr {
    /// What is known of it: itself, but for attributes of a newer peer. To look at this one is what every `match` for
    /// certain expressions wants.
    pub fn known(&self) -> &Expr {
        match self {
            Expr::Extended(extended) => extended.known(),
            expr => expr,
        }
    }

    /// What is known of it, to be changed in place.
    pub fn known_mut(&mut self) -> &mut Expr {
        match self {
            Expr::Extended(extended) => extended.known_mut(),
            expr => expr,
        }
    }
}

impl fmt::Display for Expr {
    /// The text form, every value taken for one in network order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text(&Orders::default()))
    }
}

#[cfg(test)]
mod tests;
