//! TCP options: `tcp option maxseg size`.

use serde_json::{Value, json};

use super::primary::one_of;
use super::registry::Primary;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::{Sign, TokenKind};
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::{Proto, tcp_option_by_name, tcp_options_by_number};
use crate::resolve::{unknown, whole_bytes};
use crate::source::Span;
use crate::typed::{self, ExthdrKind, Kind, Shape, Typed};

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

/// Words nft takes for options.
const NAMES: [&str; 17] = [
    "eol",
    "nop",
    "noop",
    "maxseg",
    "mss",
    "window",
    "sack-permitted",
    "sack-perm",
    "sack",
    "sack0",
    "sack1",
    "sack2",
    "sack3",
    "timestamp",
    "mptcp",
    "md5sig",
    "fastopen",
];

impl OptionKind {
    /// A name or a number.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<OptionKind> {
        if matches!(p.peek().kind, TokenKind::Number(_)) {
            return Ok(OptionKind::Number(p.number_to(255)? as u8));
        }
        let name = one_of(p, "a TCP option", &NAMES)?;
        Ok(OptionKind::Name(tcp_option_by_name(name).map_or(name, |option| option.name).into()))
    }
}

impl OptionKind {
    fn number(&self) -> u8 {
        match self {
            OptionKind::Number(number) => *number,
            OptionKind::Name(name) => tcp_option_by_name(name).map_or(0, |option| option.number),
        }
    }

    /// A name or a number.
    pub fn from_json(node: Node<'_>) -> Parsed<OptionKind> {
        if node.as_str().is_none() {
            return Ok(OptionKind::Number(node.number(255)? as u8));
        }
        let name = node.one_of("TCP option", &NAMES)?;
        Ok(OptionKind::Name(tcp_option_by_name(name).map_or(name, |option| option.name).into()))
    }
}

impl Primary for TcpOption {
    const NAME: &'static str = "exthdr";
    const JSON: &'static str = "tcp option";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "tcp" && second == "option"
    }

    fn owns(_: &str) -> bool {
        false
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<TcpOption> {
        p.next();
        p.next();
        if p.eat(Sign::At) {
            let option = OptionKind::Number(p.number_to(255)? as u8);
            p.expect(Sign::Comma)?;
            let offset = p.number_to(u64::from(u32::MAX))? as u32;
            p.expect(Sign::Comma)?;
            let len = p.number_to(u64::from(u32::MAX))? as u32;
            return Ok(TcpOption { option, part: TcpOptionPart::Raw { offset, len } });
        }
        let option = OptionKind::parse(p)?;
        let OptionKind::Name(name) = &option else {
            return Ok(TcpOption { option, part: TcpOptionPart::Presence });
        };
        let fields = tcp_option_by_name(name).map_or(&[][..], |option| option.fields);
        let part = match fields.iter().find(|field| p.is_word(field.name)) {
            Some(field) => {
                p.next();
                TcpOptionPart::Field(field.name.into())
            }
            None => TcpOptionPart::Presence,
        };
        Ok(TcpOption { option, part })
    }

    fn print(&self, out: &mut Printer) {
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

    fn to_json(&self, _: &Options) -> Value {
        let option = match (&self.option, &self.part) {
            (option, TcpOptionPart::Raw { offset, len }) => {
                json!({ "base": option.number(), "offset": offset, "len": len })
            }
            (OptionKind::Number(number), _) => json!({ "base": number, "offset": 0, "len": 8 }),
            (OptionKind::Name(name), TcpOptionPart::Field(field)) => json!({ "name": name, "field": field }),
            (OptionKind::Name(name), TcpOptionPart::Presence) => json!({ "name": name }),
        };
        json!({ "tcp option": option })
    }

    fn from_json(inside: Node<'_>) -> Parsed<TcpOption> {
        if let Some(base) = inside.get("base") {
            let option = OptionKind::Number(base.number(255)? as u8);
            let (offset, len) = (inside.need("offset")?.u32()?, inside.need("len")?.u32()?);
            // What `tcp option 255 missing` becomes
            if (offset, len) == (0, 8) {
                return Ok(TcpOption { option, part: TcpOptionPart::Presence });
            }
            return Ok(TcpOption { option, part: TcpOptionPart::Raw { offset, len } });
        }
        let option = OptionKind::from_json(inside.need("name")?)?;
        let Some(field) = inside.get("field") else {
            return Ok(TcpOption { option, part: TcpOptionPart::Presence });
        };
        let fields = match &option {
            OptionKind::Name(name) => tcp_option_by_name(name).map_or(&[][..], |option| option.fields),
            OptionKind::Number(_) => &[],
        };
        let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let field = field.one_of("field of a TCP option", &names)?;
        Ok(TcpOption { option, part: TcpOptionPart::Field(field.into()) })
    }

    /// Packets of other protocols have no such options, so nothing is implied.
    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let option = match &self.option {
            OptionKind::Name(name) => {
                Some(tcp_option_by_name(name).ok_or_else(|| unknown(span, "TCP option", name))?)
            }
            OptionKind::Number(number) => tcp_options_by_number(*number).next(),
        };
        let number = match (&self.option, option) {
            (OptionKind::Number(number), _) => *number,
            (_, Some(option)) => option.number,
            _ => 0,
        };
        let by_name = matches!(self.option, OptionKind::Name(_));
        let mut exthdr = typed::Exthdr {
            kind: ExthdrKind::Tcpopt,
            header: number,
            name: option.filter(|_| by_name).map(|option| option.name),
            offset: 0,
            field: None,
            present: false,
        };
        let shape = match &self.part {
            TcpOptionPart::Presence => {
                exthdr.present = true;
                Shape::of(Type::Boolean)
            }
            TcpOptionPart::Field(name) => {
                let field = option
                    .and_then(|option| option.field(name))
                    .ok_or_else(|| unknown(span, "TCP option field", name))?;
                exthdr.offset = field.offset;
                exthdr.field = Some(field.name);
                Shape::new(field.datatype, field.bits, Order::Big)
            }
            TcpOptionPart::Raw { offset, len } => {
                if *len == 0 || *len > 128 {
                    return Err(Diagnostic::error(span, "TCP option length must be between 1 and 128 bits"));
                }
                if (offset % 8 + len).div_ceil(8) > 16 {
                    let message = "TCP option must lie within 16 bytes: fewer bits, or an offset that is a multiple of 8";
                    return Err(Diagnostic::error(span, message));
                }
                exthdr.offset = *offset;
                exthdr.name = None;
                Shape::new(Type::Integer, *len, Order::Big)
            }
        };
        Ok(whole_bytes(Typed::new(Kind::Exthdr(exthdr), shape).at(span)))
    }
}
