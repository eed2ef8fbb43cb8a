//! IPv6 extension headers (`frag id`, `exthdr hbh exists`) and DCCP options.

use crate::print::Printer;

/// A field of an extension header, or whether the header is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exthdr {
    /// `hbh`, `rt`, `rt0`, `rt2`, `srh`, `frag`, `dst`, `mh`.
    pub header: Box<str>,
    /// The field; `None` for `exthdr hbh`, compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

impl Exthdr {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        match &self.field {
            Some(field) => out.text(&self.header).text(" ").text(field),
            None => out.text("exthdr ").text(&self.header),
        };
    }
}

/// `dccp option N`, compared with `exists` or `missing`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DccpOption {
    /// Type of the option.
    pub kind: u8,
}

impl DccpOption {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("dccp option ").number(self.kind);
    }
}
