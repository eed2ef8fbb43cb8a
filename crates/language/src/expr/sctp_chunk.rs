//! SCTP chunks: `sctp chunk data flags`.

use crate::print::Printer;

/// A field of it, or whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SctpChunk {
    /// Its name.
    pub chunk: Box<str>,
    /// The field; `None` where it is compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

impl SctpChunk {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("sctp chunk ").text(&self.chunk);
        if let Some(field) = &self.field {
            out.text(" ").text(field);
        }
    }
}
