//! What is told about words and sets that are of another type than their place wants.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::datatype::names::NameTable;
use crate::datatype::{Names, SymbolError, Type};
use crate::diag::{Code, Diagnostic, nearest, short};
use crate::source::Span;
use crate::typed::Shape;

/// A word that is none of its type, with what it looks like.
pub(super) fn word(
    text: &str,
    want: Type,
    error: &SymbolError,
    names: &Names,
    span: Span,
) -> Box<Diagnostic> {
    let shown = short(text);
    let near = |table: &NameTable| nearest(text, table.words()).map(str::to_owned);
    match error {
        SymbolError::ServiceRange => {
            Diagnostic::error(span, format!("Value {shown} exceeds valid range 0-65535"))
        }
        SymbolError::ProtocolRange => {
            Diagnostic::error(span, format!("Value {shown} exceeds valid range 0-255"))
        }
        SymbolError::Interface => {
            let error = Diagnostic::error(span, format!("Interface '{shown}' does not exist"))
                .note("'iifname' and 'oifname' compare names of interfaces that need not exist yet");
            error.meant(near(&names.interfaces))
        }
        SymbolError::User => {
            Diagnostic::error(span, format!("User '{shown}' does not exist")).meant(near(&names.users))
        }
        SymbolError::Group => {
            Diagnostic::error(span, format!("Group '{shown}' does not exist")).meant(near(&names.groups))
        }
        SymbolError::Host | SymbolError::Service | SymbolError::Protocol => {
            let error =
                Diagnostic::error(span, format!("Could not parse '{shown}' as {}", want.description()))
                    .code(Code::Type);
            match (want, looks_like(text)) {
                (Type::InetService, _) if is_colon_range(text) => {
                    error.help(format!("a range is written with '-': {}", text.replace(':', "-")))
                }
                (Type::InetService, None) => error.meant(near(&names.services)),
                (Type::InetProto, None) => error.meant(near(&names.protocols)),
                (Type::Ipv4Addr, Some(Like::Ipv6)) => {
                    error.help("this is an IPv6 address: 'ip6' fields and sets of type ipv6_addr have those")
                }
                (Type::Ipv6Addr, Some(Like::Ipv4)) => {
                    error.help("this is an IPv4 address: 'ip' fields and sets of type ipv4_addr have those")
                }
                (Type::Ipv4Addr, None) if text.starts_with(|c: char| c.is_ascii_digit()) => {
                    error.help("an IPv4 address has four parts from 0 to 255")
                }
                (Type::Ipv4Addr | Type::Ipv6Addr, None) if !names.hosts.is_there() => {
                    error.note("names of hosts are not looked up")
                }
                (_, Some(like)) => error.note(format!("it looks like {}", like.name())),
                _ => error,
            }
        }
        SymbolError::ManyAddresses => {
            Diagnostic::error(span, error.to_string()).code(Code::Type).help("a set holds several addresses")
        }
        SymbolError::NotOne(_) if text.contains('/') => Diagnostic::error(span, error.to_string())
            .code(Code::Type)
            .help(format!("blanks stand around '/': {}", text.replace('/', " / "))),
        other => Diagnostic::error(span, other.to_string()).code(Code::Type),
    }
}

/// Names of types as sets are declared with: `ipv4_addr . inet_service`.
pub(crate) fn names_of(shapes: &[Shape]) -> String {
    shapes.iter().map(|shape| shape.datatype.name()).collect::<Vec<_>>().join(" . ")
}

#[derive(Clone, Copy)]
enum Like {
    Ipv4,
    Ipv6,
    Mac,
}

impl Like {
    const fn name(self) -> &'static str {
        match self {
            Like::Ipv4 => "an IPv4 address",
            Like::Ipv6 => "an IPv6 address",
            Like::Mac => "a MAC address",
        }
    }
}

fn looks_like(text: &str) -> Option<Like> {
    if text.parse::<Ipv4Addr>().is_ok() {
        return Some(Like::Ipv4);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some(Like::Ipv6);
    }
    (text.matches(':').count() == 5).then_some(Like::Mac)
}

fn is_colon_range(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':').is_some_and(|(first, last)| number(first) && number(last))
}
