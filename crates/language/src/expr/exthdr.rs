//! IPv6 extension headers (`frag id`, `exthdr hbh exists`) and DCCP options.

use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;
use crate::proto::exthdr_by_name;
use serde_json::{Value, json};

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

const HEADERS: [&str; 8] = ["hbh", "rt", "rt0", "rt2", "srh", "frag", "dst", "mh"];

impl Exthdr {
    /// At the header's name.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Exthdr> {
        let header: Box<str> = p.word().into();
        p.next();
        let fields = exthdr_by_name(&header).map_or(&[][..], |header| header.fields);
        let names = fields.iter().map(|field| field.name);
        let Some(first) = names.clone().find(|name| name.split('[').next() == Some(p.word())) else {
            return Err(super::primary::no_field(p, &header, names));
        };
        p.next();
        if !first.contains('[') {
            return Ok(Exthdr { header, field: Some(first.into()) });
        }
        let open = p.expect(Sign::BracketOpen)?;
        let number = p.number()?;
        let close = p.expect(Sign::BracketClose)?;
        let field = format!("{}[{number}]", first.split('[').next().unwrap_or_default());
        if !names.clone().any(|name| name == field) {
            return Err(Diagnostic::error(open.to(close), format!("'{header}' has no '{field}'")));
        }
        Ok(Exthdr { header, field: Some(field.into()) })
    }

    /// At `exthdr`.
    pub fn parse_presence(p: &mut Parser<'_>) -> Parsed<Exthdr> {
        p.next();
        let header = super::primary::one_of(p, "an extension header", &HEADERS)?;
        Ok(Exthdr { header: header.into(), field: None })
    }
}

impl DccpOption {
    /// At `dccp option`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<DccpOption> {
        p.next();
        p.next();
        Ok(DccpOption { kind: p.number_to(255)? as u8 })
    }
}

impl Exthdr {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match &self.field {
            Some(field) => json!({ "exthdr": { "name": self.header, "field": field } }),
            None => json!({ "exthdr": { "name": self.header } }),
        }
    }

    /// `name` and `field`.
    pub fn from_json(node: Node<'_>) -> Parsed<Exthdr> {
        let header = node.need("name")?.one_of("extension header", &HEADERS)?;
        let fields = exthdr_by_name(header).map_or(&[][..], |header| header.fields);
        let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let field = node.get("field").map(|field| field.one_of("field of an extension header", &names));
        Ok(Exthdr { header: header.into(), field: field.transpose()?.map(Into::into) })
    }
}

impl DccpOption {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "dccp option": { "type": self.kind } })
    }

    /// `type`.
    pub fn from_json(node: Node<'_>) -> Parsed<DccpOption> {
        Ok(DccpOption { kind: node.need("type")?.number(255)? as u8 })
    }
}
