//! Attributes of a newer peer.

use ironweir_netlink::{Attribute, Writer};

/// Attributes that this program does not know, as they came: headers, values, padding. What wrote them reads them again
/// when the thing is written back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown(Option<Box<[u8]>>);

impl Unknown {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Keeps one more.
    pub(super) fn keep(&mut self, attribute: &Attribute<'_>) {
        let mut bytes = self.0.take().map_or_else(Vec::new, Vec::from);
        let mut writer = Writer::new(&mut bytes);
        if attribute.nested {
            writer.nest(attribute.kind, |writer| writer.put_raw(attribute.value));
        } else {
            writer.put(attribute.kind, attribute.value);
        }
        self.0 = Some(bytes.into());
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_raw(self.as_bytes());
    }
}
