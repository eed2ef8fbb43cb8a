//! Header fields: `ip saddr`.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use crate::proto::Proto;
use serde_json::{Value, json};

/// A field of a header that the protocol tables know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// Name of the header, such as `ip`.
    pub protocol: &'static str,
    /// Name of the field, such as `saddr`.
    pub field: &'static str,
}

impl Payload {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text(self.protocol).text(" ").text(self.field);
    }
}

impl Payload {
    /// At the header's name.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Payload> {
        let Some(proto) = Proto::from_name(p.word()) else { return Err(p.unexpected("a header")) };
        p.next();
        let names = proto.header().fields.iter().map(|field| field.name);
        let (first, second) = (p.word(), p.word_at(1));
        // ARP's addresses are two words, such as `saddr ip`.
        let found = names.clone().find(|name| match name.strip_prefix(first) {
            Some("") => true,
            Some(rest) => rest.strip_prefix(' ') == Some(second),
            None => false,
        });
        let Some(field) = found else { return Err(super::primary::no_field(p, proto.name(), names)) };
        p.next();
        if field.contains(' ') {
            p.next();
        }
        Ok(Payload { protocol: proto.name(), field })
    }
}

impl Payload {
    /// As `nft -j` writes it: fields of a tunnel's own header are said to be in the tunnel.
    pub fn to_json(&self) -> Value {
        if matches!(self.protocol, "vxlan" | "geneve") {
            let tunnel = &self.protocol;
            return json!({ "payload": { "tunnel": tunnel, "protocol": self.protocol, "field": self.field } });
        }
        json!({ "payload": { "protocol": self.protocol, "field": self.field } })
    }

    /// `protocol` and `field`.
    pub fn from_json(node: Node<'_>) -> Parsed<Payload> {
        let (protocol, field) = (node.need("protocol")?, node.need("field")?);
        let name = protocol.string()?;
        let Some(proto) = Proto::from_name(name) else {
            return Err(protocol.error(format!("Unknown payload protocol '{}'", crate::diag::short(name))));
        };
        let names: Vec<&'static str> = proto.header().fields.iter().map(|field| field.name).collect();
        let field = field.one_of(&format!("field of '{}'", proto.name()), &names)?;
        Ok(Payload { protocol: proto.name(), field })
    }
}
