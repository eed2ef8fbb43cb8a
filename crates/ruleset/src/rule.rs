//! Rules.

use crate::{Expr, Userdata};

/// A rule's own attributes (`NFTA_RULE_*`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// What it consists of, in order of evaluation.
    pub exprs: Vec<Expr>,
    /// The comment, and what front ends keep.
    pub userdata: Userdata,
}
