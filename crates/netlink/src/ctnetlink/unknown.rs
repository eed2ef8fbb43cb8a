//! Attributes that are not ours to read, kept so that nothing is lost.

use crate::{Attribute, DecodeError, Writer};

/// Attributes of a newer peer, as they came: decoding keeps them, encoding writes them again behind the known ones.
/// Takes no memory of its own while there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown(Vec<u8>);

impl Unknown {
    /// None.
    pub const fn new() -> Unknown {
        Unknown(Vec::new())
    }

    /// Keeps an attribute.
    ///
    /// # Errors
    /// If there are more than 64 KiB of them: no message of this kind needs that.
    pub fn keep(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        const MOST: usize = 65_536;
        if self.0.len() + attribute.value.len() > MOST {
            return Err(attribute.wrong_length());
        }
        let kind = if attribute.nested { attribute.kind | 1 << 15 } else { attribute.kind };
        Writer::new(&mut self.0).put(kind, attribute.value);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        if !self.0.is_empty() {
            writer.put_raw(&self.0);
        }
    }
}
