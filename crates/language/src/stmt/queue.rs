//! `queue`: hands the packet to a program.

use ironweir_expr::Expr as Code;
use ironweir_expr::queue::{self, Number};
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::range::Range;
use crate::expr::{Expr, ExprKind};
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::Shape;

/// `queue [flags FLAGS] [to QUEUE]`, also written `queue [num QUEUE] [FLAGS]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Queue, range of queues, or what gives one; `None` is queue 0.
    pub to: Option<Expr>,
    /// Passes when nobody listens.
    pub bypass: bool,
    /// Chosen by CPU.
    pub fanout: bool,
}

impl Queue {
    fn parse_flags(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        loop {
            if p.eat_word("bypass") {
                self.bypass = true;
            } else if p.eat_word("fanout") {
                self.fanout = true;
            } else {
                return Err(p.unexpected_word("bypass or fanout", &["bypass", "fanout"]));
            }
            if !p.eat(Sign::Comma) {
                return Ok(());
            }
        }
    }
}

fn queue_range(first: u128, last: u128, span: Span) -> Parsed<Number> {
    let first = u16::try_from(first).ok();
    let last = u16::try_from(last).ok();
    match (first, last) {
        (Some(first), Some(last)) if last >= first && last - first < u16::MAX => {
            Ok(Number::Range { first, total: last - first + 1 })
        }
        _ => Err(Diagnostic::error(span, format!("queue expression max value exceeds {}", u16::MAX))),
    }
}

impl Queue {
    fn of(queue: &queue::Queue, from: &mut Raise<'_>) -> Queue {
        let to = match queue.to {
            Number::Range { first, total } => {
                let low = Expr::number(first.into());
                match total {
                    0 | 1 => low,
                    _ => {
                        let high = Expr::number(u64::from(first) + u64::from(total) - 1);
                        Expr::raised(ExprKind::Range(Range { from: low.into(), to: high.into() }))
                    }
                }
            }
            Number::Register(register) => from.operand(register, Shape::new(Type::Integer, 16, Order::Host)),
        };
        Queue { to: Some(to), bypass: queue.bypass, fanout: queue.fanout }
    }
}

impl Statement for Queue {
    const JSON: &'static str = "queue";

    fn print(&self, out: &mut Printer) {
        out.text("queue");
        match (self.bypass, self.fanout) {
            (true, true) => drop(out.text(" flags bypass,fanout")),
            (true, false) => drop(out.text(" flags bypass")),
            (false, true) => drop(out.text(" flags fanout")),
            (false, false) => {}
        }
        if let Some(to) = &self.to {
            out.text(" to ");
            to.print(out);
        }
    }

    fn to_json(&self, options: &Options) -> Value {
        let mut queue = serde_json::Map::new();
        if let Some(to) = &self.to {
            queue.insert("num".into(), to.to_json(options));
        }
        let flags = [(self.bypass, "bypass"), (self.fanout, "fanout")];
        let flags: Vec<Value> = flags.iter().filter(|(set, _)| *set).map(|(_, word)| json!(word)).collect();
        if !flags.is_empty() {
            queue.insert("flags".into(), json!(flags));
        }
        match queue.is_empty() {
            true => json!({ "queue": null }),
            false => json!({ "queue": queue }),
        }
    }

    /// `null`, or `num` and `flags`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Queue> {
        let mut queue = Queue { to: None, bypass: false, fanout: false };
        if inside.is_null() {
            return Ok(queue);
        }
        inside.object()?;
        queue.to = inside.get("num").map(Expr::from_json).transpose()?;
        for flag in inside.get("flags").map(Node::one_or_more).unwrap_or_default() {
            match flag.one_of("queue flag", &["bypass", "fanout"])? {
                "bypass" => queue.bypass = true,
                _ => queue.fanout = true,
            }
        }
        Ok(queue)
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let mut number = Number::Range { first: 0, total: 1 };
        let mut range = false;
        if let Some(node) = &self.to {
            let typed = to.argument(node, Shape::new(Type::Integer, 16, Order::Host))?;
            let bounds = typed.bounds().and_then(|(from, last)| Some((from.value()?, last.value()?)));
            range = bounds.is_some();
            number = match bounds.or_else(|| typed.value().map(|value| (value, value))) {
                Some((first, last)) => queue_range(first, last, node.span)?,
                None => Number::Register(to.load(&typed)?),
            };
        }
        if self.fanout && !range {
            return Err(Diagnostic::error(span, "fanout requires a range to be specified"));
        }
        to.emit(Code::Queue(queue::Queue { to: number, bypass: self.bypass, fanout: self.fanout }));
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Queue> {
        let Code::Queue(queue) = code else { return None };
        Some(Queue::of(queue, from))
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

impl Worded for Queue {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("queue")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Queue> {
        p.next();
        let mut queue = Queue { to: None, bypass: false, fanout: false };
        if p.eat_word("flags") {
            queue.parse_flags(p)?;
            if p.eat_word("to") {
                queue.to = Some(Expr::parse_single_value(p)?);
            }
        } else if p.eat_word("to") {
            queue.to = Some(Expr::parse_single_value(p)?);
        } else {
            loop {
                match p.word() {
                    "num" => {
                        p.next();
                        queue.to = Some(Expr::parse_single_value(p)?);
                    }
                    "bypass" | "fanout" => queue.parse_flags(p)?,
                    _ => break,
                }
            }
        }
        Ok(queue)
    }
}
