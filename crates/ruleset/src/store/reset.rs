//! What was counted, counted anew: `reset` of counters, quotas and times of last use.

use ironweir_expr::Expr;

use crate::ObjectKind;

/// Sets what the expressions of a rule or an element counted to zero (`NFT_MSG_GETRULE_RESET`,
/// `NFT_MSG_GETSETELEM_RESET`).
pub fn reset_exprs(exprs: &[Expr]) {
    for expr in exprs {
        match expr.known() {
            Expr::Counter(counter) => drop(counter.take()),
            Expr::Quota(quota) => drop(quota.take()),
            Expr::Last(last) => drop(last.take()),
            _ => {}
        }
    }
}

/// Sets what an object counted to zero (`NFT_MSG_GETOBJ_RESET`).
pub fn reset_object(kind: &ObjectKind) {
    match kind {
        ObjectKind::Counter(counter) => drop(counter.take()),
        ObjectKind::Quota(quota) => drop(quota.take()),
        _ => {}
    }
}
