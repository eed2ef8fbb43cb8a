//! Evaluation of a base chain (`nft_do_chain`, `net/netfilter/nf_tables_core.c`): its rules in order, the chains they jump
//! to, its policy.

use ironweir_expr::{Decision, Outcome, Registers};
use ironweir_ruleset::Policy;
use ironweir_wire::Packet;

use crate::context::Context;
use crate::generation::Generation;
use crate::{ChainId, DropReason, Observer, RuleId, TraceStep, TraceVerdict};

/// How many jumps may be nested (`NFT_JUMP_STACK_SIZE`). Commits refuse rulesets that need more.
const JUMP_STACK: usize = 16;

/// What a base chain says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Accept,
    Drop(DropReason),
    Stolen,
    Queue { number: u16, bypass: bool },
    Repeat,
}

/// Evaluates the base chain that `context` stands in.
pub(crate) fn evaluate<O: Observer>(
    generation: &Generation,
    context: &mut Context<'_, O>,
    packet: &mut Packet<'_>,
) -> Judgement {
    let base = context.base;
    let Some(program) = generation.program(base) else { return Judgement::Accept };
    let mut registers = Registers::default();
    let mut stack = [(0u32, 0usize); JUMP_STACK];
    let mut depth = 0;
    let mut chain = base.chain;
    let mut rules = &*program.rules;
    let mut at = 0;
    loop {
        // How the chain's rules end: by a rule that decides, or at its end.
        let mut ended = None;
        while let Some(rule) = rules.get(at) {
            at += 1;
            let mut outcome = Outcome::Next;
            for expr in &rule.rule.exprs {
                outcome = expr.eval(&mut registers, packet, context);
                if outcome != Outcome::Next {
                    break;
                }
            }
            if outcome == Outcome::Break {
                continue;
            }
            let id = RuleId { chain: ChainId { table: base.table, chain }, handle: rule.handle };
            context.observer.rule_matched(id, packet.counted_len());
            match outcome {
                Outcome::Verdict(decision) => {
                    ended = Some((id, decision));
                    break;
                }
                _ => context.trace(TraceStep::Rule(id, TraceVerdict::Continue), packet),
            }
        }
        let into = |chain| ChainId { table: base.table, chain };
        match ended {
            Some((id, Decision::Accept)) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Accept), packet);
                return Judgement::Accept;
            }
            Some((id, Decision::Drop)) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Drop), packet);
                return Judgement::Drop(context.failure.take().unwrap_or(DropReason::Rule(id)));
            }
            Some((id, Decision::Stolen)) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Stolen), packet);
                return Judgement::Stolen;
            }
            Some((id, Decision::Queue { number, bypass })) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Queue(number)), packet);
                return Judgement::Queue { number, bypass };
            }
            Some((id, Decision::Repeat)) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Repeat), packet);
                return Judgement::Repeat;
            }
            Some((id, Decision::Jump(to))) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Jump(into(to))), packet);
                if let Some(next) = generation.program(into(to))
                    && depth < JUMP_STACK
                {
                    stack[depth] = (chain, at);
                    depth += 1;
                    (chain, rules, at) = (to, &next.rules, 0);
                }
                continue;
            }
            Some((id, Decision::Goto(to))) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Goto(into(to))), packet);
                if let Some(next) = generation.program(into(to)) {
                    (chain, rules, at) = (to, &next.rules, 0);
                }
                continue;
            }
            Some((id, Decision::Return)) => {
                context.trace(TraceStep::Rule(id, TraceVerdict::Return), packet);
            }
            // The end of a chain is no step: Linux 6.18 tells the rule that returns, and the policy.
            None => {}
        }
        if depth > 0 {
            depth -= 1;
            let (caller, next) = stack[depth];
            let Some(program) = generation.program(into(caller)) else { break };
            (chain, rules, at) = (caller, &program.rules, next);
            continue;
        }
        break;
    }
    let Some(own) = &program.base else { return Judgement::Accept };
    let len = packet.counted_len();
    own.hits.add(len as u64);
    context.trace(TraceStep::Policy(own.policy), packet);
    context.observer.policy(base, own.policy, len);
    match own.policy {
        Policy::Accept => Judgement::Accept,
        Policy::Drop => Judgement::Drop(DropReason::Policy(base)),
    }
}
