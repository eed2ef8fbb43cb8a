//! `reject`: drops the packet and tells its sender.

use crate::datatype::{Type, find_name, find_value, symbols};
use crate::diag::{Diagnostic, Parsed, nearest};
use crate::lex::TokenKind;
use crate::parse::Parser;
use crate::print::Printer;

/// `reject [with tcp reset | with icmp CODE | with icmpv6 CODE | with icmpx CODE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// How the sender is told; `None` leaves it to the family.
    pub with: Option<With>,
}

/// How the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// A TCP reset.
    TcpReset,
    /// An unreachable message of this kind with this code.
    Code(Kind, u8),
}

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum Kind {
    Icmp,
    Icmpv6,
    /// ICMP or ICMPv6, by the packet; codes are those of `enum nft_reject_inet_code`.
    Icmpx,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Icmp, Kind::Icmpv6, Kind::Icmpx];

    /// The word nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Icmp => "icmp",
            Kind::Icmpv6 => "icmpv6",
            Kind::Icmpx => "icmpx",
        }
    }

    /// The code that means "port unreachable", which is what `reject` alone says.
    pub const fn port_unreachable(self) -> u8 {
        match self {
            Kind::Icmp => 3,
            Kind::Icmpv6 => 4,
            Kind::Icmpx => 1,
        }
    }

    /// The datatype of its codes.
    pub const fn code_type(self) -> Type {
        match self {
            Kind::Icmp => Type::IcmpCode,
            Kind::Icmpv6 => Type::Icmpv6Code,
            Kind::Icmpx => Type::IcmpxCode,
        }
    }
}

impl Reject {
    /// What follows the word `reject`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Reject> {
        if !p.eat_word("with") {
            return Ok(Reject { with: None });
        }
        let with = if p.eat_word("tcp") {
            p.expect_word("reset")?;
            With::TcpReset
        } else {
            With::parse_code(p)?
        };
        Ok(Reject { with: Some(with) })
    }

    /// As nft lists it; what to leave out was decided when it was raised.
    pub fn print(&self, out: &mut Printer) {
        out.text("reject");
        match self.with {
            None => {}
            Some(With::TcpReset) => drop(out.text(" with tcp reset")),
            Some(With::Code(kind, code)) => {
                out.text(" with ").text(kind.name()).text(" ");
                match find_name(kind.code_type(), code.into()) {
                    Some(name) => out.text(name),
                    None => out.number(code),
                };
            }
        }
    }
}

impl With {
    fn parse_code(p: &mut Parser<'_>) -> Parsed<With> {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| p.is_word(kind.name())) else {
            return Err(p.unexpected_word("tcp, icmp, icmpv6 or icmpx", &["tcp", "icmp", "icmpv6", "icmpx"]));
        };
        p.next();
        // `icmp type host-unreachable` is an older way to write it.
        p.eat_word("type");
        if let TokenKind::Number(_) = p.peek().kind {
            return Ok(With::Code(kind, p.number_to(u8::MAX.into())? as u8));
        }
        let (word, span) = p.name("a code")?;
        if let Some(code) = find_value(kind.code_type(), &word) {
            return Ok(With::Code(kind, code as u8));
        }
        let error = Diagnostic::error(span, format!("unknown {} code '{word}'", kind.name()));
        let names = symbols(kind.code_type()).iter().map(|(name, _)| *name);
        Err(match nearest(&word, names) {
            Some(name) => error.help(format!("did you mean '{name}'?")),
            None => error,
        })
    }
}
