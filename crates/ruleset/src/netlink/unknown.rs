//! Attributes of a newer peer.

use ironweir_netlink::{Attribute, DecodeError, Writer};

/// Attributes that this program does not know, as they came: headers, values, padding. What wrote them reads them again
/// when the thing is written back. 64 KiB at most.
// Boxed twice: it is in every rule and in nearly none has it anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::box_collection)]
pub struct Unknown(Option<Box<Vec<u8>>>);

/// Bytes that are kept of one thing: no message needs more.
const MOST: usize = 65_536;

impl Unknown {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Takes over those that a change of the thing brought, if it brought any.
    pub(crate) fn update(&mut self, newer: &Unknown) {
        if !newer.is_empty() {
            *self = newer.clone();
        }
    }

    /// Keeps none; whether there were any.
    pub(crate) fn forget(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Keeps one more.
    ///
    /// # Errors
    /// If there are more than 64 KiB of them.
    pub(super) fn keep(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let bytes = self.0.get_or_insert_default();
        if bytes.len() + attribute.value.len() > MOST {
            return Err(attribute.wrong_length());
        }
        let mut writer = Writer::new(bytes);
        if attribute.nested {
            writer.nest(attribute.kind, |writer| writer.put_raw(attribute.value));
        } else {
            writer.put(attribute.kind, attribute.value);
        }
        Ok(())
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_raw(self.as_bytes());
    }
}
