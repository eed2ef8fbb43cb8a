//! IPv4 options: `ip option rr ptr`.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use crate::proto::ip_option_by_name;
use serde_json::{Value, json};

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

const NAMES: [&str; 4] = ["lsrr", "rr", "ssrr", "ra"];

impl IpOption {
    /// At `ip option`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<IpOption> {
        p.next();
        p.next();
        let option = super::primary::one_of(p, "an IP option", &NAMES)?;
        let fields = ip_option_by_name(option).map_or(&[][..], |option| option.fields);
        let field = fields.iter().find(|field| p.is_word(field.name)).map(|field| field.name.into());
        if field.is_some() {
            p.next();
        }
        Ok(IpOption { option: option.into(), field })
    }
}

impl IpOption {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match &self.field {
            Some(field) => json!({ "ip option": { "name": self.option, "field": field } }),
            None => json!({ "ip option": { "name": self.option } }),
        }
    }

    /// `name` and `field`.
    pub fn from_json(node: Node<'_>) -> Parsed<IpOption> {
        let option = node.need("name")?.one_of("IP option", &NAMES)?;
        let fields = ip_option_by_name(option).map_or(&[][..], |option| option.fields);
        let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let field =
            node.get("field").map(|field| field.one_of("field of an IP option", &names)).transpose()?;
        Ok(IpOption { option: option.into(), field: field.map(Into::into) })
    }
}
