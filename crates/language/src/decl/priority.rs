//! Priorities by name: `filter`, `dstnat + 5`.

use crate::json::Node;
use ironweir_ruleset::{Family, Hook, Priority};

use crate::diag::{Diagnostic, Parsed, nearest};
use crate::expr::ExprKind;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::Span;

/// A priority as written.
#[derive(Clone, Debug)]
pub struct PrioritySpec {
    /// The name; `None` for a number alone.
    pub name: Option<Box<str>>,
    /// The number, or what is added to the name's.
    pub offset: i64,
    /// Where it is.
    pub span: Span,
}

/// Names and numbers (`std_prios` and `bridge_std_prios` of nft; `enum nf_ip_hook_priorities`).
const NAMES: [(&str, i32); 6] =
    [("raw", -300), ("mangle", -150), ("dstnat", -100), ("filter", 0), ("security", 50), ("srcnat", 100)];
const BRIDGE_NAMES: [(&str, i32); 4] = [("dstnat", -300), ("filter", -200), ("out", 100), ("srcnat", 300)];

/// The number of a name, where that family and hook has it.
pub fn number_of(name: &str, family: Family, hook: Hook) -> Option<i32> {
    let names: &[(&str, i32)] = if family == Family::Bridge { &BRIDGE_NAMES } else { &NAMES };
    let (_, number) = names.iter().find(|(known, _)| *known == name)?;
    let fits = match (family, name) {
        (Family::Netdev | Family::Arp, _) => name == "filter",
        (Family::Bridge, "dstnat") => hook == Hook::Prerouting,
        (Family::Bridge, "srcnat") => hook == Hook::Postrouting,
        (Family::Bridge, "out") => hook == Hook::Output,
        (_, "dstnat") => matches!(hook, Hook::Prerouting | Hook::Output),
        (_, "srcnat") => matches!(hook, Hook::Postrouting | Hook::Input),
        (Family::Inet, _) if hook == Hook::Ingress => name == "filter",
        _ => true,
    };
    fits.then_some(*number)
}

const FORMS: &str = "a priority is a number, a name, or a name + or - a number";

/// The names that family and hook have, with their numbers.
pub fn named(family: Family, hook: Hook) -> impl Iterator<Item = (&'static str, i32)> {
    let names: &[(&str, i32)] = if family == Family::Bridge { &BRIDGE_NAMES } else { &NAMES };
    names.iter().copied().filter(move |(name, _)| number_of(name, family, hook).is_some())
}

impl PrioritySpec {
    /// What follows `priority`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<PrioritySpec> {
        let start = p.peek().span;
        match p.peek().kind {
            TokenKind::Variable => PrioritySpec::variable(p),
            TokenKind::Word => {
                let name = Some(p.word().into());
                p.next();
                let mut offset = 0;
                if p.eat(Sign::Plus) {
                    offset = bounded(p)?;
                } else if p.eat(Sign::Dash) {
                    offset = -bounded(p)?;
                }
                Ok(PrioritySpec { name, offset, span: start.to(p.last_span()) })
            }
            _ => {
                let offset = if p.eat(Sign::Dash) { -bounded(p)? } else { bounded(p)? };
                Ok(PrioritySpec { name: None, offset, span: start.to(p.last_span()) })
            }
        }
    }

    /// A variable holds a name, a number, or both: `-10`, `filter`, `"filter - 10"`.
    fn variable(p: &mut Parser<'_>) -> Parsed<PrioritySpec> {
        let value = p.variable()?;
        let span = value.span;
        let wrong = || Diagnostic::error(span, FORMS);
        match &value.kind {
            ExprKind::Number(number) => {
                let offset = i64::try_from(*number).map_err(|_| wrong())?;
                Ok(PrioritySpec { name: None, offset, span })
            }
            ExprKind::Symbol(symbol) => PrioritySpec::from_text(&symbol.text, span).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// `-10`, `filter`, `filter - 10`.
    fn from_text(text: &str, span: Span) -> Option<PrioritySpec> {
        let text: String = text.split_whitespace().collect();
        if let Ok(offset) = text.parse() {
            return Some(PrioritySpec { name: None, offset, span });
        }
        let Some(at) = text.find(['+', '-']).filter(|at| *at > 0) else {
            return Some(PrioritySpec { name: Some(text.into()), offset: 0, span });
        };
        let offset = text[at..].parse().ok()?;
        Some(PrioritySpec { name: Some(text[..at].into()), offset, span })
    }

    /// The number, for a base chain of that family and hook.
    pub fn resolve(&self, family: Family, hook: Hook) -> Parsed<Priority> {
        let base = match &self.name {
            None => 0,
            Some(name) => match number_of(name, family, hook) {
                Some(number) => i64::from(number),
                None => {
                    let message =
                        format!("'{}' is invalid priority in this context.", crate::diag::short(name));
                    let error = Diagnostic::error(self.span, message);
                    let known = NAMES.iter().chain(&BRIDGE_NAMES).map(|(name, _)| *name);
                    let near = nearest(name, known).filter(|near| *near != &**name);
                    return Err(match near {
                        Some(near) => error.help(format!("did you mean '{near}'?")),
                        None => error.note(format!("here it may be {}", names_at(family, hook))),
                    });
                }
            },
        };
        match i32::try_from(base.saturating_add(self.offset)) {
            Ok(number) => Ok(Priority(number)),
            Err(_) => Err(Diagnostic::error(self.span, "priority does not fit into 32 bits")),
        }
    }
}

/// Names of priorities that a family has at a hook.
fn names_at(family: Family, hook: Hook) -> String {
    let all = if family == Family::Bridge { &BRIDGE_NAMES[..] } else { &NAMES[..] };
    let known = all.iter().map(|(name, _)| *name).filter(|name| number_of(name, family, hook).is_some());
    known.chain(["a number"]).collect::<Vec<_>>().join(", ")
}

fn bounded(p: &mut Parser<'_>) -> Parsed<i64> {
    match p.peek().kind {
        TokenKind::Number(_) => Ok(p.number_to(1 << 32)? as i64),
        _ => Err(p.unexpected("a priority: a name such as 'filter', or a number")),
    }
}

impl PrioritySpec {
    /// A number, or a string such as `filter` or `filter - 10`.
    pub fn from_json(node: Node<'_>) -> Parsed<PrioritySpec> {
        let span = node.span();
        match node.as_str() {
            None => Ok(PrioritySpec { name: None, offset: node.integer()?, span }),
            Some(text) => PrioritySpec::from_text(text, span).ok_or_else(|| node.error(FORMS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_family_and_hook() {
        // nft(8), "Standard priority names" for ip, ip6, inet, and for bridge.
        assert_eq!(number_of("dstnat", Family::Ip, Hook::Prerouting), Some(-100));
        assert_eq!(number_of("dstnat", Family::Ip, Hook::Forward), None);
        assert_eq!(number_of("filter", Family::Bridge, Hook::Forward), Some(-200));
        assert_eq!(number_of("out", Family::Bridge, Hook::Output), Some(100));
        assert_eq!(number_of("raw", Family::Netdev, Hook::Ingress), None);
    }
}
