//! Objects of conntrack: helpers, timeouts, expectations.

use crate::json::Node;
use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::Family;
use ironweir_ruleset::ObjectKind;
use ironweir_ruleset::object::{CtExpectation, CtHelper, CtTimeout};

use super::object::{Body, comment};
use crate::diag::{Diagnostic, Parsed, nearest, short};
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::Span;

/// What a block says so far.
#[derive(Debug, Default)]
pub(crate) struct CtBody {
    helper: Option<Box<str>>,
    l3proto: Option<u16>,
    l4proto: Option<u8>,
    dport: Option<u16>,
    timeout: Option<u32>,
    size: Option<u8>,
    /// State names and seconds, as written.
    policy: Vec<(Box<str>, Span, u32)>,
}

/// A state of a connection as `ct timeout` policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutState {
    /// Its word.
    pub name: &'static str,
    /// The protocol's own number (`CTA_TIMEOUT_TCP_*`, `CTA_TIMEOUT_UDP_*`).
    pub number: u16,
    /// The kernel's default, in seconds.
    pub default: u32,
}

const fn state(name: &'static str, number: u16, default: u32) -> TimeoutState {
    TimeoutState { name, number, default }
}

const TCP_STATES: [TimeoutState; 11] = [
    state("syn_sent", 1, 120),
    state("syn_recv", 2, 60),
    state("established", 3, 432_000),
    state("fin_wait", 4, 120),
    state("close_wait", 5, 60),
    state("last_ack", 6, 30),
    state("time_wait", 7, 120),
    state("close", 8, 10),
    state("syn_sent2", 9, 120),
    state("retrans", 10, 300),
    state("unack", 11, 300),
];
const UDP_STATES: [TimeoutState; 2] = [state("unreplied", 1, 30), state("replied", 2, 120)];

/// A protocol's states, as `ct timeout` policies name them.
pub fn timeout_states(l4proto: u8) -> &'static [TimeoutState] {
    match l4proto {
        6 => &TCP_STATES,
        17 => &UDP_STATES,
        _ => &[],
    }
}

impl CtBody {
    pub(crate) fn finish(&mut self, kind: ObjectType, span: Span) -> Parsed<ObjectKind> {
        let missing = |what: &str| Diagnostic::error(span, format!("{what} is missing"));
        let l3proto = self.l3proto.unwrap_or(0);
        let l4proto = self.l4proto.ok_or_else(|| missing("the protocol"))?;
        Ok(match kind {
            ObjectType::CtHelper => {
                let helper = self.helper.take().ok_or_else(|| missing("the type of helper"))?;
                ObjectKind::CtHelper(CtHelper { helper, l3proto, l4proto })
            }
            ObjectType::CtTimeout => {
                let states = timeout_states(l4proto);
                let mut timeouts = Vec::new();
                for (name, span, seconds) in self.policy.drain(..) {
                    let Some(state) = states.iter().find(|known| *known.name == *name) else {
                        let message = format!("invalid state name {} specified", short(&name));
                        let error = Diagnostic::error(span, message);
                        return Err(match nearest(&name, states.iter().map(|known| known.name)) {
                            Some(near) => error.help(format!("did you mean '{near}'?")),
                            None => error,
                        });
                    };
                    timeouts.retain(|(known, _)| *known != state.number);
                    timeouts.push((state.number, seconds));
                }
                timeouts.sort_unstable();
                ObjectKind::CtTimeout(CtTimeout { l3proto, l4proto, timeouts })
            }
            _ => ObjectKind::CtExpectation(CtExpectation {
                l3proto,
                l4proto,
                dport: self.dport.ok_or_else(|| missing("the destination port"))?,
                timeout: self.timeout.ok_or_else(|| missing("the timeout"))?,
                size: self.size.ok_or_else(|| missing("the size"))?,
            }),
        })
    }
}

/// An item of a `ct helper` block.
pub(crate) fn helper(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if comment(p, body)? {
    } else if p.eat_word("type") {
        body.ct.helper = Some(p.quoted()?);
        p.expect_word("protocol")?;
        body.ct.l4proto = Some(l4proto(p)?);
    } else if !l3proto(p, body)? {
        return Err(p.unexpected_word("type, l3proto or comment", &["type", "l3proto", "comment"]));
    }
    Ok(())
}

/// An item of a `ct timeout` block.
pub(crate) fn timeout(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if comment(p, body)? || l3proto(p, body)? {
    } else if p.eat_word("protocol") {
        body.ct.l4proto = Some(l4proto(p)?);
    } else if p.eat_word("policy") {
        p.expect(Sign::Assign)?;
        p.expect(Sign::BraceOpen)?;
        loop {
            p.newlines();
            if p.eat(Sign::BraceClose) {
                break;
            }
            let (name, span) = p.name("a state's name")?;
            p.expect(Sign::Colon)?;
            let seconds = u32::try_from(p.time()? / 1000).unwrap_or(u32::MAX);
            body.ct.policy.push((name, span, seconds));
            p.newlines();
            if !p.is(Sign::BraceClose) {
                p.expect(Sign::Comma)?;
            }
        }
    } else {
        return Err(p.unexpected_word(
            "protocol, l3proto, policy or comment",
            &["protocol", "l3proto", "policy", "comment"],
        ));
    }
    Ok(())
}

/// An item of a `ct expectation` block.
pub(crate) fn expectation(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if comment(p, body)? || l3proto(p, body)? {
    } else if p.eat_word("protocol") {
        body.ct.l4proto = Some(l4proto(p)?);
    } else if p.eat_word("dport") {
        body.ct.dport = Some(p.number_to(u64::from(u16::MAX))? as u16);
    } else if p.eat_word("timeout") {
        let timeout = p.time()?;
        let wrong = || Diagnostic::error(p.last_span(), "timeout is too large");
        body.ct.timeout = Some(u32::try_from(timeout).map_err(|_| wrong())?);
    } else if p.eat_word("size") {
        body.ct.size = Some(p.number_to(255)? as u8);
    } else {
        let words = ["protocol", "dport", "timeout", "size", "l3proto", "comment"];
        return Err(p.unexpected_word("protocol, dport, timeout, size, l3proto or comment", &words));
    }
    Ok(())
}

fn l4proto(p: &mut Parser<'_>) -> Parsed<u8> {
    let number = match p.word() {
        "tcp" => 6,
        "udp" => 17,
        _ => match p.peek().kind {
            TokenKind::Number(number @ (6 | 17)) => number as u8,
            _ => return Err(p.unexpected_word("tcp or udp", &["tcp", "udp"])),
        },
    };
    p.next();
    Ok(number)
}

/// `l3proto ip` if it stands next; as `NFPROTO_*`.
fn l3proto(p: &mut Parser<'_>, body: &mut Body) -> Parsed<bool> {
    if !p.eat_word("l3proto") {
        return Ok(false);
    }
    let Some(family) = super::optional_family(p) else {
        return Err(p.unexpected_word("a family", &["ip", "ip6", "inet"]));
    };
    body.ct.l3proto = Some(family as u16);
    Ok(true)
}

impl CtBody {
    /// An object as it is listed.
    pub(crate) fn from_json(kind: ObjectType, node: Node<'_>) -> Parsed<CtBody> {
        let mut body =
            CtBody { l4proto: Some(l4proto_from_json(node.need("protocol")?)?), ..CtBody::default() };
        if let Some(family) = node.get("l3proto") {
            let word = family.string()?;
            let Some(known) = Family::from_name(word) else {
                return Err(family.unknown("family", word, &["ip", "ip6", "inet"]));
            };
            body.l3proto = Some(known as u16);
        }
        match kind {
            ObjectType::CtHelper => body.helper = Some(node.need("type")?.string()?.into()),
            ObjectType::CtTimeout => {
                for (name, seconds) in node.need("policy")?.members()? {
                    body.policy.push((name.into(), seconds.span(), seconds.u32()?));
                }
            }
            _ => {
                body.dport = Some(node.need("dport")?.number(u64::from(u16::MAX))? as u16);
                body.timeout = Some(node.need("timeout")?.u32()?);
                body.size = Some(node.need("size")?.number(255)? as u8);
            }
        }
        Ok(body)
    }
}

fn l4proto_from_json(node: Node<'_>) -> Parsed<u8> {
    match node.as_str() {
        Some("tcp") => Ok(6),
        Some("udp") => Ok(17),
        Some(word) => Err(node.unknown("protocol of conntrack", word, &["tcp", "udp"])),
        None => match node.number(255)? {
            number @ (6 | 17) => Ok(number as u8),
            _ => Err(node.error("tcp or udp is expected here")),
        },
    }
}
