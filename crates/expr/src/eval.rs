//! Evaluation of any expression: the dispatch.

use ironweir_wire::Packet;

use crate::{Env, Expr, Outcome, Register, Registers, Value};

impl Expr {
    /// Evaluates the expression for one packet: reads and writes registers, may change the packet, and tells how the rule
    /// goes on. Never allocates, never panics, whatever packet and expression hold.
    ///
    /// Expressions that cannot be evaluated (xtables matches and targets, those of a newer peer) break: a rule with one
    /// never matches. [`Expr::validate`] refuses them.
    pub fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        match self {
            Expr::Bitwise(expr) => expr.eval(registers),
            Expr::Byteorder(expr) => expr.eval(registers),
            Expr::Cmp(expr) => expr.eval(registers),
            Expr::Connlimit(expr) => expr.eval(packet, env),
            Expr::Counter(expr) => expr.eval(packet),
            Expr::CtGet(expr) => expr.eval(registers, env),
            Expr::CtSet(expr) => expr.eval(registers, env),
            Expr::Dup(expr) => expr.eval(registers, packet, env),
            Expr::Dynset(expr) => expr.eval(registers, packet, env),
            Expr::Exthdr(expr) => expr.eval(registers, packet, env),
            Expr::Fib(expr) => expr.eval(registers, packet, env),
            Expr::FlowOffload(expr) => env.flow_offload(&expr.flowtable, packet),
            Expr::Fwd(expr) => expr.eval(registers, packet, env),
            Expr::Hash(expr) => expr.eval(registers, packet, env),
            Expr::Immediate(expr) => expr.eval(registers),
            Expr::Inner(expr) => expr.eval(registers, packet, env),
            Expr::Last(expr) => expr.eval(env.now()),
            Expr::Limit(expr) => expr.eval(packet, env.now()),
            Expr::Log(expr) => {
                env.log(expr, packet);
                Outcome::Next
            }
            Expr::Lookup(expr) => expr.eval(registers, packet, env),
            Expr::Masq(expr) => expr.eval(registers, packet, env),
            Expr::MetaGet(expr) => expr.eval(registers, packet, env),
            Expr::MetaSet(expr) => expr.eval(registers, packet, env),
            Expr::Nat(expr) => expr.eval(registers, packet, env),
            Expr::Notrack(_) => {
                env.notrack();
                Outcome::Next
            }
            Expr::Numgen(expr) => expr.eval(registers, env),
            Expr::Objref(expr) => expr.eval(registers, packet, env),
            Expr::Osf(expr) => expr.eval(registers, packet, env),
            Expr::PayloadLoad(expr) => expr.eval(registers, packet, env),
            Expr::PayloadWrite(expr) => expr.eval(registers, packet, env),
            Expr::Queue(expr) => expr.eval(registers, packet, env),
            Expr::Quota(expr) => expr.eval(packet),
            Expr::Range(expr) => expr.eval(registers),
            Expr::Redir(expr) => expr.eval(registers, packet, env),
            Expr::Reject(expr) => expr.eval(packet, env),
            Expr::Rt(expr) => loaded(env.rt(expr.key), expr.destination, registers),
            Expr::Socket(expr) => loaded(env.socket(expr.key), expr.destination, registers),
            Expr::Synproxy(expr) => expr.eval(packet, env),
            Expr::Tproxy(expr) => expr.eval(registers, packet, env),
            Expr::Tunnel(expr) => loaded(env.tunnel(expr.key, expr.mode), expr.destination, registers),
            Expr::Xfrm(expr) => loaded(env.xfrm(expr), expr.destination, registers),
            Expr::XtMatch(_) | Expr::XtTarget(_) | Expr::Unknown(_) => Outcome::Break,
        }
    }
}

/// Stores what the environment answered; the rule ends where it had no answer.
fn loaded(value: Option<Value>, destination: Register, registers: &mut Registers) -> Outcome {
    match value {
        Some(value) => {
            registers.store(destination, &value);
            Outcome::Next
        }
        None => Outcome::Break,
    }
}
