//! Validation: what the kernel refuses when an expression is made (`init`) or bound to a base chain (`validate`).

use crate::{Family, Hook, Register};

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

impl ValidateCtx {
    /// Refuses every family but these.
    pub(crate) fn families(&self, what: &'static str, families: &[Family]) -> Result<(), ExprError> {
        if families.contains(&self.family) {
            Ok(())
        } else {
            Err(ExprError::Family { what, family: self.family })
        }
    }

    /// Refuses base chains at other hooks than these (`nft_chain_validate_hooks`).
    pub(crate) fn hooks(&self, what: &'static str, hooks: &[Hook]) -> Result<(), ExprError> {
        match self.base {
            Some((_, hook)) if !hooks.contains(&hook) => Err(ExprError::Hook { what, hook }),
            _ => Ok(()),
        }
    }

    /// Refuses base chains of another type than nat (`nft_chain_validate_dependency`).
    pub(crate) fn nat_chain(&self, what: &'static str) -> Result<(), ExprError> {
        match self.base {
            Some((kind, _)) if kind != ChainKind::Nat => Err(ExprError::NotNatChain { what }),
            _ => Ok(()),
        }
    }
}

/// The families of IP packets.
pub(crate) const IP: &[Family] = &[Family::Ip, Family::Ip6, Family::Inet];
/// The families whose packets conntrack sees (`nf_ct_netns_get`).
pub(crate) const TRACKED: &[Family] = &[Family::Ip, Family::Ip6, Family::Inet, Family::Bridge];

/// Refuses a range of registers that does not exist (`nft_validate_register_load`, `nft_validate_register_store`).
pub(crate) fn register(register: Register, len: u32) -> Result<(), ExprError> {
    if len == 0 {
        return Err(ExprError::Length { len, expected: "at least 1" });
    }
    if register.offset() as u64 + u64::from(len) > Register::BYTES as u64 {
        return Err(ExprError::RegisterRange { register, len });
    }
    Ok(())
}

/// Refuses a constant of another length than the operation's.
pub(crate) fn length(value: &[u8], len: u32) -> Result<(), ExprError> {
    if value.len() as u64 == u64::from(len) {
        Ok(())
    } else {
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        Err(ExprError::Length { len, expected: "as many bytes as the operation has" })
    }
}

/// The number of bytes of a constant.
pub(crate) fn len_of(value: &[u8]) -> u32 {
    u32::try_from(value.len()).unwrap_or(u32::MAX)
}

pub(crate) fn when(fault: bool, why: &'static str) -> Result<(), ExprError> {
    if fault { Err(ExprError::Invalid(why)) } else { Ok(()) }
}

/// Refuses numbers that `modulus` and `offset` cannot give in 32 bits (numgen, hash).
pub(crate) fn modulus(modulus: u32, offset: u32) -> Result<(), ExprError> {
    when(modulus == 0, "a modulus of 0")?;
    when(offset.checked_add(modulus - 1).is_none(), "offset and modulus exceed 32 bits")
}
