//! TCP options: `tcp option maxseg size`.

use crate::print::Printer;

/// A field of a TCP option, the option's presence, or bits of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpOption {
    /// Which option.
    pub option: OptionKind,
    /// What of it.
    pub part: TcpOptionPart,
}

/// An option by name or number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // as it says
pub enum OptionKind {
    Name(Box<str>),
    Number(u8),
}

/// What of a TCP option is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TcpOptionPart {
    /// Whether it is there; compared with `exists` or `missing`.
    Presence,
    /// A field.
    Field(Box<str>),
    /// `@kind,offset,len`: bits from its beginning.
    Raw {
        /// First bit.
        offset: u32,
        /// How many bits.
        len: u32,
    },
}

impl TcpOption {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("tcp option ");
        if let TcpOptionPart::Raw { .. } = self.part {
            out.text("@");
        }
        match &self.option {
            OptionKind::Name(name) => out.text(name),
            OptionKind::Number(number) => out.number(number),
        };
        match &self.part {
            TcpOptionPart::Presence => {}
            TcpOptionPart::Field(field) => {
                out.text(" ").text(field);
            }
            TcpOptionPart::Raw { offset, len } => {
                out.fmt(format_args!(",{offset},{len}"));
            }
        }
    }
}
