//! What registers, set elements and immediates hold: values and verdicts.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Bytes as they lie in registers: at most 64, most of them short.
///
/// Values of up to 22 bytes are held inline; the type is 24 bytes and so is `Option<Value>`.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; Value::INLINE]),
    Heap(Box<[u8]>),
}

impl Value {
    const INLINE: usize = 22;

    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Value {
        if bytes.len() <= Self::INLINE {
            let mut inline = [0; Self::INLINE];
            inline[..bytes.len()].copy_from_slice(bytes);
            Value(Repr::Inline(bytes.len() as u8, inline))
        } else {
            Value(Repr::Heap(bytes.into()))
        }
    }

    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> Value {
        if len <= Self::INLINE {
            Value(Repr::Inline(len as u8, [0; Self::INLINE]))
        } else {
            Value(Repr::Heap(vec![0; len].into()))
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// The bytes, to change in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Repr::Inline(len, bytes) => &mut bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Ordered and hashed as its bytes are, so that tables with `Value` keys are searched by bytes.
impl Borrow<[u8]> for Value {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        Value::new(bytes)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        if bytes.len() <= Self::INLINE { Value::new(&bytes) } else { Value(Repr::Heap(bytes.into())) }
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Value {
        Value::new(&bytes)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(0x")?;
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A chain that a verdict names. A name is unique within its table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChainRef {
    /// Its name. Anonymous chains (`jump { ... }`) have the name that the transaction gave them.
    pub name: Box<str>,
    /// Which chain of the table that is, filled in when the rule is committed.
    pub id: Option<u32>,
}

impl ChainRef {
    /// A reference by name.
    pub fn new(name: impl Into<Box<str>>) -> ChainRef {
        ChainRef { name: name.into(), id: None }
    }
}

/// A set or map that an expression names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetRef {
    /// Its name within the table. Anonymous sets are named `__set%d` and `__map%d` until they are committed.
    pub name: Box<str>,
    /// Before the commit: which anonymous set of the batch is meant (`NFTA_LOOKUP_SET_ID`). After it: which set of the
    /// table that is.
    pub id: Option<u32>,
}

impl SetRef {
    /// A reference by name.
    pub fn new(name: impl Into<Box<str>>) -> SetRef {
        SetRef { name: name.into(), id: None }
    }
}

/// What becomes of a packet, or where evaluation goes on (`enum nft_verdicts`, `NF_*` of `linux/netfilter.h`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// End of this base chain; the packet goes on to the next one (`NF_ACCEPT`).
    Accept,
    /// The packet ends here (`NF_DROP`).
    Drop,
    /// The packet was taken by the expression (`NF_STOLEN`).
    Stolen,
    /// To a program in user space (`NF_QUEUE`): queue number, and whether it passes when nobody listens there.
    Queue {
        /// Queue number.
        number: u16,
        /// `NF_VERDICT_FLAG_QUEUE_BYPASS`.
        bypass: bool,
    },
    /// Once more through the same hook (`NF_REPEAT`).
    Repeat,
    /// On with the next rule (`NFT_CONTINUE`).
    Continue,
    /// This rule does not match; on with the next rule (`NFT_BREAK`).
    Break,
    /// Into a chain, and back (`NFT_JUMP`).
    Jump(ChainRef),
    /// Into a chain, and not back (`NFT_GOTO`).
    Goto(ChainRef),
    /// Back to the calling chain, or the base chain's policy (`NFT_RETURN`).
    Return,
}

/// What an immediate or a map element carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// Bytes for a data register (`NFTA_DATA_VALUE`).
    Value(Value),
    /// A verdict (`NFTA_DATA_VERDICT`).
    Verdict(Verdict),
}

impl fmt::Display for Verdict {
    /// As `nft --debug=netlink` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
            Verdict::Stolen => "stolen",
            Verdict::Queue { .. } => "queue",
            Verdict::Repeat => "repeat",
            Verdict::Continue => "continue",
            Verdict::Break => "break",
            Verdict::Return => "return",
            // A chain that the transaction is yet to name has none in the message.
            Verdict::Jump(chain) if chain.name.contains('%') => "jump",
            Verdict::Goto(chain) if chain.name.contains('%') => "goto",
            Verdict::Jump(chain) => return write!(f, "jump -> {}", chain.name),
            Verdict::Goto(chain) => return write!(f, "goto -> {}", chain.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_values_behave_alike() {
        assert_eq!(size_of::<Option<Value>>(), 24);
        for len in [0, 4, 22, 23, 64] {
            let bytes: Vec<u8> = (0..len).collect();
            let value = Value::new(&bytes);
            assert_eq!(value.as_slice(), bytes);
            assert_eq!(value, Value::from(bytes));
        }
        assert!(Value::new(&[1; 23]) < Value::new(&[2]));
    }
}
