//! Sets, maps and their elements.

use ironweir_expr::objref::ObjectType;

use crate::{Data, Expr, Userdata, Value};

/// A set's or map's own attributes (`NFTA_SET_*`).
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name; anonymous ones are `__set%d` or `__map%d` until they are committed.
    pub name: Box<str>,
    /// Number by which expressions of the same batch refer to it (`NFTA_SET_ID`). Unique within the batch.
    pub id: u32,
    /// Flags.
    pub flags: SetFlags,
    /// Type of the key, a front end's number (`NFTA_SET_KEY_TYPE`).
    pub key_type: u32,
    /// Bytes of the key (`NFTA_SET_KEY_LEN`); concatenated fields are padded to 4 bytes each.
    pub key_len: u32,
    /// Bytes of each field of a concatenation, unpadded (`NFTA_SET_DESC_CONCAT`); empty when it is none. Messages tell
    /// them only with [`SetFlags::CONCAT`], so a set without it that came in a message has none.
    pub fields: Vec<u32>,
    /// What elements map to; `None` for a set.
    pub data: Option<SetData>,
    /// How many elements it may hold (`NFTA_SET_DESC_SIZE`).
    pub size: Option<u32>,
    /// How long elements live, in milliseconds, unless they say otherwise.
    pub timeout: Option<u64>,
    /// How often expired elements are removed, in milliseconds.
    pub gc_interval: Option<u32>,
    /// What the kernel should prefer (`enum nft_set_policies`).
    pub policy: SetPolicy,
    /// Stateful expressions that every new element gets (`NFTA_SET_EXPR`, `NFTA_SET_EXPRESSIONS`).
    pub exprs: Vec<Expr>,
    /// Byte order, `typeof`, `auto-merge`, comment.
    pub userdata: Userdata,
    /// Attributes of a newer peer, which it gets back.
    pub unknown: crate::netlink::Unknown,
}

/// What a map's elements map to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetData {
    /// Bytes.
    Value {
        /// A front end's number (`NFTA_SET_DATA_TYPE`).
        kind: u32,
        /// How many (`NFTA_SET_DATA_LEN`).
        len: u32,
    },
    /// Verdicts (`NFT_DATA_VERDICT`).
    Verdict,
    /// Names of objects of one type (`NFTA_SET_OBJ_TYPE`).
    Object(ObjectType),
}

/// `enum nft_set_policies`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum SetPolicy {
    #[default]
    Performance,
    Memory,
}

bitflags::bitflags! {
    /// `enum nft_set_flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SetFlags: u32 {
        /// It goes with the rule that uses it (`NFT_SET_ANONYMOUS`).
        const ANONYMOUS = 0x1;
        /// Its elements do not change (`NFT_SET_CONSTANT`).
        const CONSTANT = 0x2;
        /// It holds intervals (`NFT_SET_INTERVAL`).
        const INTERVAL = 0x4;
        /// It is a map (`NFT_SET_MAP`).
        const MAP = 0x8;
        /// Its elements may expire (`NFT_SET_TIMEOUT`).
        const TIMEOUT = 0x10;
        /// It is changed from the packet path (`NFT_SET_EVAL`).
        const EVAL = 0x20;
        /// It maps to objects (`NFT_SET_OBJECT`).
        const OBJECT = 0x40;
        /// It holds concatenations of intervals (`NFT_SET_CONCAT`).
        const CONCAT = 0x80;
        /// Its elements have stateful expressions (`NFT_SET_EXPR`).
        const EXPR = 0x100;
    }
}

/// An element (`NFTA_SET_ELEM_*`).
///
/// Intervals of a set without [`SetFlags::CONCAT`] are two elements: one at the first key inside, and one, with
/// [`ElementFlags::INTERVAL_END`], at the first key beyond. In a concatenation `key_end` holds the last key inside.
///
/// Most elements are a key and nothing else, so the rest is boxed: a set of a million addresses is common.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The key; empty for a catch-all.
    pub key: Value,
    /// Flags.
    pub flags: ElementFlags,
    /// Everything few elements have.
    pub more: Option<Box<ElementMore>>,
}

/// What only some elements have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElementMore {
    /// Last key inside, in a concatenation with intervals (`NFTA_SET_ELEM_KEY_END`).
    pub key_end: Option<Value>,
    /// What a map maps the key to.
    pub data: Option<ElementData>,
    /// How long it lives, in milliseconds.
    pub timeout: Option<u64>,
    /// How long it lives from now on, in milliseconds.
    pub expiration: Option<u64>,
    /// Its stateful expressions.
    pub exprs: Vec<Expr>,
    /// The comment.
    pub userdata: Userdata,
    /// Attributes of a newer peer.
    pub unknown: crate::netlink::Unknown,
}

/// What a map's element maps to.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementData {
    /// Bytes or a verdict.
    Data(Data),
    /// The name of an object (`NFTA_SET_ELEM_OBJREF`).
    Object(Box<str>),
}

bitflags::bitflags! {
    /// `enum nft_set_elem_flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ElementFlags: u32 {
        /// The first key beyond an interval (`NFT_SET_ELEM_INTERVAL_END`).
        const INTERVAL_END = 1;
        /// Matches what no other element matches (`NFT_SET_ELEM_CATCHALL`).
        const CATCHALL = 2;
    }
}

impl Element {
    /// An element that is only a key.
    pub fn new(key: Value) -> Element {
        Element { key, flags: ElementFlags::empty(), more: None }
    }

    /// The first key beyond an interval.
    pub fn interval_end(key: Value) -> Element {
        Element { key, flags: ElementFlags::INTERVAL_END, more: None }
    }

    /// The catch-all.
    pub fn catchall() -> Element {
        Element { key: Value::new(&[]), flags: ElementFlags::CATCHALL, more: None }
    }

    /// What only some elements have, made if it is not there.
    pub fn more_mut(&mut self) -> &mut ElementMore {
        self.more.get_or_insert_default()
    }

    /// What a map maps it to.
    pub fn data(&self) -> Option<&ElementData> {
        self.more.as_ref()?.data.as_ref()
    }

    /// The last key inside, in a concatenation with intervals.
    pub fn key_end(&self) -> Option<&Value> {
        self.more.as_ref()?.key_end.as_ref()
    }

    /// Its stateful expressions.
    pub fn exprs(&self) -> &[Expr] {
        self.more.as_ref().map_or(&[], |more| &more.exprs)
    }
}
