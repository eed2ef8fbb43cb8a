//! What is wrong with bytes, and what cannot be written.

/// Why a message cannot be read. Offsets count bytes from the first of the message's `nlmsghdr`, as an extended
/// acknowledgement does (`NLMSGERR_ATTR_OFFS`). The fault is the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within a header or an attribute, or a length field is less than its own header.
    #[error("message cut off at byte {offset}")]
    Truncated {
        /// Where the header or attribute begins.
        offset: usize,
    },
    /// An attribute that must be there is not.
    #[error("attribute {kind} is missing in what begins at byte {nest}")]
    Missing {
        /// Its type.
        kind: u16,
        /// Where the nest begins in which it is missing (its attribute header); 0 for the message itself.
        nest: usize,
    },
    /// An attribute is longer or shorter than its type allows.
    #[error("attribute {kind} at byte {offset} is {len} bytes long")]
    Length {
        /// Its type.
        kind: u16,
        /// Where it begins.
        offset: usize,
        /// Bytes of its value.
        len: usize,
    },
    /// An attribute's value is none of those it may have.
    #[error("attribute {kind} at byte {offset} has a value that it cannot have")]
    Value {
        /// Its type.
        kind: u16,
        /// Where it begins.
        offset: usize,
    },
    /// Attributes within attributes, deeper than any message needs.
    #[error("attributes nested too deeply at byte {offset}")]
    Depth {
        /// Where the innermost one begins.
        offset: usize,
    },
}

impl DecodeError {
    /// Where, in bytes from the message's first: the attribute at fault, or the nest in which one is missing.
    pub fn offset(&self) -> usize {
        match *self {
            DecodeError::Missing { nest, .. } => nest,
            DecodeError::Truncated { offset }
            | DecodeError::Length { offset, .. }
            | DecodeError::Value { offset, .. }
            | DecodeError::Depth { offset } => offset,
        }
    }

    /// What the kernel answers: `ERANGE` (34) for a wrong length (`lib/nlattr.c, validate_nla`), else `EINVAL` (22).
    pub fn errno(&self) -> i32 {
        match self {
            DecodeError::Length { .. } => 34,
            _ => 22,
        }
    }
}

/// Why a message cannot be written. The message is not in the buffer then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// An attribute, with its header, is longer than 65,535 bytes (`struct nlattr`, `nla_len` is 16 bits).
    #[error("attribute {kind} would be {len} bytes long, over 65,535")]
    AttributeTooLong {
        /// Its type.
        kind: u16,
        /// Its length with header.
        len: usize,
    },
    /// The message is longer than its length field can say (4 GiB).
    #[error("message of {len} bytes is too long")]
    MessageTooLong {
        /// Its length.
        len: usize,
    },
    /// Something cannot be said in a message: a number or a reference has no form on the wire.
    #[error("attribute {kind} has no form for this value")]
    Value {
        /// The attribute's type.
        kind: u16,
    },
}
