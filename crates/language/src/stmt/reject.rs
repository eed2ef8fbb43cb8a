//! `reject`: drops the packet and tells its sender.

use ironweir_expr::payload::Base;
use ironweir_expr::{Expr as Code, Family, meta, reject};
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::datatype::{Type, find_name, find_value, symbols};
use crate::diag::{Diagnostic, Parsed, nearest};
use crate::json::Node;
use crate::lex::TokenKind;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;

/// `reject [with tcp reset | with icmp CODE | with icmpv6 CODE | with icmpx CODE]`.
#[derive(Clone, Debug)]
pub struct Reject {
    /// How the sender is told; `None` leaves it to the family.
    pub with: Option<With>,
    /// What `reject` alone stands for, where it was raised: JSON leaves nothing out.
    pub unsaid: Option<With>,
}

impl PartialEq for Reject {
    fn eq(&self, other: &Reject) -> bool {
        self.with == other.with
    }
}

impl Eq for Reject {}

impl From<With> for Reject {
    fn from(with: With) -> Reject {
        Reject { with: Some(with), unsaid: None }
    }
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
            None => {
                let names = symbols(kind.code_type()).iter().map(|(name, _)| *name);
                error.note(format!("codes of {} are {}", kind.name(), names.collect::<Vec<_>>().join(", ")))
            }
        })
    }
}

/// A code by its name or number.
fn code_from_json(kind: Kind, node: Node<'_>) -> Parsed<u8> {
    let Some(word) = node.as_str() else { return node.number(u8::MAX.into()).map(|code| code as u8) };
    let number = || word.parse::<u8>().ok();
    match find_value(kind.code_type(), word).and_then(|code| u8::try_from(code).ok()).or_else(number) {
        Some(code) => Ok(code),
        None => {
            let names: Vec<&str> = symbols(kind.code_type()).iter().map(|(name, _)| *name).collect();
            Err(node.unknown(&format!("{} code", kind.name()), word, &names))
        }
    }
}

impl With {
    fn code(self) -> reject::Reject {
        match self {
            With::TcpReset => reject::Reject::TcpReset,
            With::Code(Kind::Icmpx, code) => reject::Reject::IcmpxUnreach { code },
            With::Code(_, code) => reject::Reject::IcmpUnreach { code },
        }
    }
}

/// What `reject` alone means (`stmt_evaluate_reject_default`): port unreachable in the packet's family.
fn default_for(to: &Lower<'_>) -> With {
    let kind = match (to.scope.family, to.protocols.at(Base::Network)) {
        (Family::Ip, _) | (_, Some(Proto::Ip)) => Kind::Icmp,
        (Family::Ip6, _) | (_, Some(Proto::Ip6)) => Kind::Icmpv6,
        _ => Kind::Icmpx,
    };
    With::Code(kind, kind.port_unreachable())
}

fn check_in_ip(family: Family, with: With, span: Span) -> Parsed<()> {
    let message = match (family, with) {
        (_, With::Code(Kind::Icmpx, _)) => "abstracted ICMP unreachable not supported",
        (Family::Ip, With::Code(Kind::Icmpv6, _)) | (Family::Ip6, With::Code(Kind::Icmp, _)) => {
            "conflicting protocols specified: ip vs ip6"
        }
        _ => return Ok(()),
    };
    Err(Diagnostic::error(span, message))
}

/// Only what can be answered may be rejected: Ethernet with or without a tag, IPv4 and IPv6.
fn check_in_link(to: &Lower<'_>, with: With, span: Span) -> Parsed<()> {
    let link = to.protocols.at(Base::Link);
    if !matches!(link, Some(Proto::Ether | Proto::Vlan | Proto::Netdev)) {
        return Err(Diagnostic::error(span, "unsupported link layer protocol"));
    }
    match (to.protocols.at(Base::Network), with) {
        (None | Some(Proto::Ip | Proto::Ip6), _) => Ok(()),
        _ => Err(Diagnostic::error(span, "cannot reject this network family")),
    }
}

/// Puts the match of the network protocol before everything else: what is logged is what is rejected.
fn imply_network(to: &mut Lower<'_>, proto: Proto) {
    let ip6 = proto == Proto::Ip6;
    if to.scope.family == Family::Inet {
        to.imply_first(meta::Key::Nfproto, &[if ip6 { 10 } else { 2 }], Base::Network, proto);
    } else {
        let number: [u8; 2] = if ip6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        to.imply_first(meta::Key::Protocol, &number, Base::Network, proto);
    }
}

impl Reject {
    /// Codes that `reject` alone would give are left out where that is not ambiguous (`stmt_reject_postprocess`).
    fn of(reject: &reject::Reject, from: &mut Raise<'_>) -> Reject {
        let family = from.scope.family;
        let with = match *reject {
            reject::Reject::TcpReset => {
                if matches!(family, Family::Ip | Family::Ip6) {
                    from.implied(Base::Transport);
                }
                With::TcpReset
            }
            reject::Reject::IcmpxUnreach { code } => With::Code(Kind::Icmpx, code),
            reject::Reject::IcmpUnreach { code } => {
                let kind = match (family, from.protocols.at(Base::Network)) {
                    (Family::Ip6, _) | (_, Some(Proto::Ip6)) => Kind::Icmpv6,
                    _ => Kind::Icmp,
                };
                With::Code(kind, code)
            }
        };
        let two_families = matches!(family, Family::Inet | Family::Bridge | Family::Netdev);
        if two_families && !matches!(with, With::Code(Kind::Icmpx, _)) {
            from.implied(Base::Network);
        }
        let plain = match with {
            With::Code(Kind::Icmpx, code) => code == Kind::Icmpx.port_unreachable(),
            With::Code(kind, code) => !two_families && code == kind.port_unreachable(),
            With::TcpReset => false,
        };
        match plain {
            true => Reject { with: None, unsaid: Some(with) },
            false => with.into(),
        }
    }
}

impl Statement for Reject {
    const JSON: &'static str = "reject";

    /// As nft lists it; what to leave out was decided when it was raised.
    fn print(&self, out: &mut Printer) {
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

    fn to_json(&self, _: &Options) -> Value {
        match self.with.or(self.unsaid) {
            None => json!({ "reject": null }),
            Some(With::TcpReset) => json!({ "reject": { "type": "tcp reset" } }),
            Some(With::Code(kind, code)) => {
                let code =
                    find_name(kind.code_type(), code.into()).map_or_else(|| json!(code), |name| json!(name));
                json!({ "reject": { "type": kind.name(), "expr": code } })
            }
        }
    }

    /// `null`, or `type` and `expr`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Reject> {
        if inside.is_null() {
            return Ok(Reject { with: None, unsaid: None });
        }
        inside.object()?;
        let Some(how) = inside.get("type") else {
            return match inside.get("expr") {
                None => Ok(Reject { with: None, unsaid: None }),
                Some(_) => Err(inside.error("'type' is missing")),
            };
        };
        let word = how.one_of("reject type", &["tcp reset", "icmp", "icmpv6", "icmpx"])?;
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == word) else {
            return Ok(With::TcpReset.into());
        };
        let code = match inside.get("expr") {
            None => kind.port_unreachable(),
            Some(code) => code_from_json(kind, code)?,
        };
        Ok(With::Code(kind, code).into())
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let with = self.with.unwrap_or_else(|| default_for(to));
        let network = to.protocols.at(Base::Network);
        match to.scope.family {
            Family::Ip | Family::Ip6 => check_in_ip(to.scope.family, with, span)?,
            Family::Inet => {}
            Family::Bridge | Family::Netdev => check_in_link(to, with, span)?,
            Family::Arp => return Err(Diagnostic::error(span, "reject is not supported in the arp family")),
        }
        match with {
            With::TcpReset => match to.protocols.at(Base::Transport) {
                None => to.imply_first(meta::Key::L4proto, &[6], Base::Transport, Proto::Tcp),
                Some(Proto::Tcp) => {}
                Some(_) => {
                    return Err(Diagnostic::error(span, "you cannot use tcp reset with this protocol").note(
                        "only TCP connections are reset, and the rule matches another protocol before",
                    ));
                }
            },
            With::Code(Kind::Icmpx, _) => {}
            With::Code(kind, _) => {
                let proto = if kind == Kind::Icmpv6 { Proto::Ip6 } else { Proto::Ip };
                match network {
                    Some(known @ (Proto::Ip | Proto::Ip6)) if known != proto => {
                        return Err(Diagnostic::error(span, "conflicting protocols specified: ip vs ip6"));
                    }
                    Some(_) => {}
                    None => imply_network(to, proto),
                }
            }
        }
        to.emit(Code::Reject(with.code()));
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Reject> {
        let Code::Reject(reject) = code else { return None };
        Some(Reject::of(reject, from))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn role(&self) -> Role<'_> {
        Role::Same
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Reject {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("reject")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Reject> {
        p.next();
        if !p.eat_word("with") {
            return Ok(Reject { with: None, unsaid: None });
        }
        let with = if p.eat_word("tcp") {
            p.expect_word("reset")?;
            With::TcpReset
        } else {
            With::parse_code(p)?
        };
        Ok(with.into())
    }
}
