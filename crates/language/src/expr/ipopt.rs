//! IPv4 options: `ip option rr ptr`.

use serde_json::{Value, json};

use super::exthdr::{field_typed, named};
use super::primary::one_of;
use super::registry::Primary;
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::{Proto, ip_option_by_name};
use crate::resolve::unknown;
use crate::source::Span;
use crate::typed::{ExthdrKind, Typed};

/// A field of it, or whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IpOption {
    /// Its name.
    pub option: Box<str>,
    /// The field; `None` where it is compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

const NAMES: [&str; 4] = ["lsrr", "rr", "ssrr", "ra"];

impl Primary for IpOption {
    const NAME: &'static str = "exthdr";
    const JSON: &'static str = "ip option";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "ip" && second == "option"
    }

    fn owns(_: &str) -> bool {
        false
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<IpOption> {
        p.next();
        p.next();
        let option = one_of(p, "an IP option", &NAMES)?;
        let fields = ip_option_by_name(option).map_or(&[][..], |option| option.fields);
        let field = fields.iter().find(|field| p.is_word(field.name)).map(|field| field.name.into());
        if field.is_some() {
            p.next();
        }
        Ok(IpOption { option: option.into(), field })
    }

    fn print(&self, out: &mut Printer) {
        out.text("ip option ").text(&self.option);
        if let Some(field) = &self.field {
            out.text(" ").text(field);
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        match &self.field {
            Some(field) => json!({ "ip option": { "name": self.option, "field": field } }),
            None => json!({ "ip option": { "name": self.option } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<IpOption> {
        let option = inside.need("name")?.one_of("IP option", &NAMES)?;
        let fields = ip_option_by_name(option).map_or(&[][..], |option| option.fields);
        let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let field =
            inside.get("field").map(|field| field.one_of("field of an IP option", &names)).transpose()?;
        Ok(IpOption { option: option.into(), field: field.map(Into::into) })
    }

    fn resolve(&self, to: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let option =
            ip_option_by_name(&self.option).ok_or_else(|| unknown(span, "IP option", &self.option))?;
        let field = named(self.field.as_deref(), |name| option.field(name), span)?;
        to.network_dependency(Proto::Ip, span)?;
        Ok(field_typed(ExthdrKind::Ipv4, (option.number, option.name), field, span))
    }
}
