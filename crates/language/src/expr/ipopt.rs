//! IPv4 options: `ip option rr ptr`.

use crate::print::Printer;

/// A field of it, or whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IpOption {
    /// Its name.
    pub option: Box<str>,
    /// The field; `None` where it is compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

impl IpOption {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("ip option ").text(&self.option);
        if let Some(field) = &self.field {
            out.text(" ").text(field);
        }
    }
}
