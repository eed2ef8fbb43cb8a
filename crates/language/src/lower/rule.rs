//! A whole rule.

use std::cell::Cell;

use ironweir_ruleset::{Change, Rule, TableId, Userdata, userdata};

use super::Lower;
use crate::ast;
use crate::diag::{Diagnostic, Parsed};
use crate::scope::Scope;
use crate::stmt::Stmt;

/// A rule with the anonymous sets and chains it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct LoweredRule {
    /// To be committed before the rule, in order.
    pub changes: Vec<Change>,
    /// The rule.
    pub rule: Rule,
}

/// Resolves and lowers a rule. `next_id` numbers the anonymous sets and chains of the whole batch.
///
/// # Errors
/// The first statement that is refused, with its place.
pub fn lower_rule(
    rule: &ast::Rule,
    scope: Scope<'_>,
    table: &TableId,
    next_id: &Cell<u32>,
) -> Parsed<LoweredRule> {
    let mut lower = Lower::new(scope, table, next_id);
    let mut end: Option<&Stmt> = None;
    for stmt in &rule.stmts {
        if let Some(end) = end {
            let message = "Statement after terminal statement has no effect";
            return Err(Diagnostic::error(stmt.span, message).and(end.span, "the rule ends here"));
        }
        end = Some(stmt).filter(|stmt| stmt.is_terminal());
        stmt.lower(&mut lower)?;
    }
    lower.finish();
    if let Some(failure) = lower.failure.take() {
        return Err(failure);
    }
    let mut user = Userdata::default();
    if let Some(comment) = &rule.comment
        && !user.push_str(userdata::RULE_COMMENT, comment)
    {
        return Err(Diagnostic::error(rule.span, "comment is too long; 128 characters are the most"));
    }
    // Copied to where they just fit, so that the room they grew in serves the next rule.
    let mut exprs = Vec::with_capacity(lower.out.len());
    exprs.append(&mut lower.out);
    Ok(LoweredRule { changes: lower.changes, rule: Rule { exprs, userdata: user, ..Rule::default() } })
}
