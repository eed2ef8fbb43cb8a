//! Header fields: `ip saddr`.

use crate::diag::Parsed;
use crate::parse::Parser;
use crate::print::Printer;
use crate::proto::Proto;

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

impl Payload {
    /// At the header's name.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Payload> {
        let protocol: Box<str> = p.word().into();
        p.next();
        let fields = Proto::from_name(&protocol).map_or(&[][..], |proto| proto.header().fields);
        let names = fields.iter().map(|field| field.name);
        let (first, second) = (p.word(), p.word_at(1));
        // ARP's addresses are two words, such as `saddr ip`.
        let found = names.clone().find(|name| match name.split_once(' ') {
            Some(parts) => parts == (first, second),
            None => *name == first,
        });
        let Some(field) = found else { return Err(super::primary::no_field(p, &protocol, names)) };
        p.next();
        if field.contains(' ') {
            p.next();
        }
        Ok(Payload { protocol, field: field.into() })
    }
}
