//! User data: what front ends keep with tables, chains, rules, sets, elements, objects and flowtables, and the kernel
//! does not look into. It is a list of type (1 byte), length (1 byte), value (`libnftnl udata`).

/// User data as it lies on the wire; empty when there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Userdata(Vec<u8>);

impl Userdata {
    /// How long user data may be (`NFT_USERDATA_MAXLEN`).
    pub const MAX: usize = 256;

    /// From bytes as they lie on the wire. They are kept even where they are no well-formed list.
    pub fn from_bytes(bytes: Vec<u8>) -> Userdata {
        Userdata(bytes)
    }

    /// Appends an attribute. Returns false, having changed nothing, when `value` is over 255 bytes or the whole would
    /// become longer than [`Userdata::MAX`].
    #[must_use]
    pub fn push(&mut self, kind: u8, value: &[u8]) -> bool {
        let Ok(len) = u8::try_from(value.len()) else { return false };
        if self.0.len() + 2 + value.len() > Self::MAX {
            return false;
        }
        self.0.extend([kind, len]);
        self.0.extend(value);
        true
    }

    /// Appends a string with the zero byte that nft ends strings with.
    #[must_use]
    pub fn push_str(&mut self, kind: u8, text: &str) -> bool {
        self.push(kind, &[text.as_bytes(), &[0]].concat())
    }

    /// Appends a number in four bytes of host order.
    #[must_use]
    pub fn push_u32(&mut self, kind: u8, number: u32) -> bool {
        self.push(kind, &number.to_ne_bytes())
    }

    /// Every attribute in order, as far as the list is well-formed.
    pub fn attributes(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (&[kind, len], after) = rest.split_first_chunk::<2>()?;
            let value = after.get(..usize::from(len))?;
            rest = &after[usize::from(len)..];
            Some((kind, value))
        })
    }

    /// The value of the first attribute of that type.
    pub fn get(&self, kind: u8) -> Option<&[u8]> {
        self.attributes().find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// A string attribute, without its zero byte; `None` also where it is no UTF-8.
    pub fn get_str(&self, kind: u8) -> Option<&str> {
        let value = self.get(kind)?;
        std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
    }

    /// A number attribute of four bytes in host order.
    pub fn get_u32(&self, kind: u8) -> Option<u32> {
        self.get(kind)?.try_into().ok().map(u32::from_ne_bytes)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it lies on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A table's comment (`NFTNL_UDATA_TABLE_COMMENT`); chains, objects and flowtables use the same number.
pub const COMMENT: u8 = 0;
/// A rule's comment (`NFTNL_UDATA_RULE_COMMENT`).
pub const RULE_COMMENT: u8 = 0;
/// What variables or ebtables policy left with a rule (`NFTNL_UDATA_RULE_EBTABLES_POLICY`).
pub const RULE_EBTABLES_POLICY: u8 = 1;
/// Byte order of a set's key (`NFTNL_UDATA_SET_KEYBYTEORDER`).
pub const SET_KEY_BYTEORDER: u8 = 0;
/// Byte order of a map's data (`NFTNL_UDATA_SET_DATABYTEORDER`).
pub const SET_DATA_BYTEORDER: u8 = 1;
/// `auto-merge` (`NFTNL_UDATA_SET_MERGE_ELEMENTS`).
pub const SET_MERGE_ELEMENTS: u8 = 2;
/// `typeof` of the key (`NFTNL_UDATA_SET_KEY_TYPEOF`), nested.
pub const SET_KEY_TYPEOF: u8 = 3;
/// `typeof` of the data (`NFTNL_UDATA_SET_DATA_TYPEOF`), nested.
pub const SET_DATA_TYPEOF: u8 = 4;
/// Expression of a `typeof` key (`NFTNL_UDATA_SET_EXPR`).
pub const SET_EXPR: u8 = 5;
/// The data is an interval (`NFTNL_UDATA_SET_DATA_INTERVAL`).
pub const SET_DATA_INTERVAL: u8 = 6;
/// A set's comment (`NFTNL_UDATA_SET_COMMENT`).
pub const SET_COMMENT: u8 = 7;
/// An element's comment (`NFTNL_UDATA_SET_ELEM_COMMENT`).
pub const ELEMENT_COMMENT: u8 = 0;
/// What the end of an open interval was written as (`NFTNL_UDATA_SET_ELEM_FLAGS`).
pub const ELEMENT_FLAGS: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_and_garbage_ends_the_list() {
        let mut udata = Userdata::default();
        assert!(udata.push_str(COMMENT, "hello"));
        assert!(udata.push_u32(SET_MERGE_ELEMENTS, 1));
        assert_eq!(udata.get_str(COMMENT), Some("hello"));
        assert_eq!(udata.get_u32(SET_MERGE_ELEMENTS), Some(1));
        assert!(!udata.push(9, &[0; 256]));
        let mut bytes = udata.as_bytes().to_vec();
        bytes.extend([5, 200, 1]);
        assert_eq!(Userdata::from_bytes(bytes).attributes().count(), 2);
    }
}
