//! Header fields: `ip saddr`.

use crate::print::Printer;

/// A field of a header that the protocol tables know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// Name of the header, such as `ip`.
    pub protocol: Box<str>,
    /// Name of the field, such as `saddr`.
    pub field: Box<str>,
}

impl Payload {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text(&self.protocol).text(" ").text(&self.field);
    }
}
