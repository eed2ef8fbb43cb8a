//! Evaluation of any expression: the dispatch.

use ironweir_wire::Packet;

use crate::{Env, Expr, Outcome, Registers};

impl Expr {
    /// Evaluates the expression for one packet: reads and writes registers, may change the packet, and tells how the rule
    /// goes on. Never allocates, never panics, whatever the packet holds.
    pub fn eval<E: Env>(
        &self,
        _registers: &mut Registers,
        _packet: &mut Packet<'_>,
        _env: &mut E,
    ) -> Outcome {
        Outcome::Break
    }
}
