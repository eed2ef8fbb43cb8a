//! `queue`: hands the packet to a program.

use crate::diag::Parsed;
use crate::expr::Expr;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;

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
    /// What follows the word `queue`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Queue> {
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

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
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
}
