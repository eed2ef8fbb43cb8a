//! The AST above expressions and statements: rules.

use crate::diag::Parsed;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;
use crate::source::Span;
use crate::stmt::Stmt;

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its statements in order.
    pub stmts: Vec<Stmt>,
    /// Its comment.
    pub comment: Option<Box<str>>,
    /// Where it is.
    pub span: Span,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        (&self.stmts, &self.comment) == (&other.stmts, &other.comment)
    }
}

impl Rule {
    /// In nft's canonical form, without a newline.
    pub fn print(&self, out: &mut Printer) {
        for (at, stmt) in self.stmts.iter().enumerate() {
            if at > 0 {
                out.text(" ");
            }
            stmt.print(out);
        }
        if let Some(comment) = &self.comment {
            out.text(" comment ").quoted(comment);
        }
    }
}

impl Rule {
    /// A rule up to its end, which stays.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Rule> {
        let start = p.peek().span;
        let mut stmts = Vec::with_capacity(4);
        let mut comment = None;
        loop {
            let token = p.peek();
            if token.ends_statement() || token.is(Sign::BraceClose) {
                break;
            }
            if comment.is_some() {
                let error = p.unexpected("end of statement");
                return Err(if p.follows_bare_text() {
                    error.help("a text of several words stands in quotes")
                } else {
                    error
                });
            }
            if p.eat_word("comment") {
                comment = Some(p.comment()?);
                continue;
            }
            stmts.push(p.nested(Stmt::parse)?);
        }
        if stmts.is_empty() {
            return Err(p.unexpected("a statement"));
        }
        // Many rules wait to be lowered: each takes what it needs, and the room it grew in serves the next one.
        let mut fitting = Vec::with_capacity(stmts.len());
        fitting.append(&mut stmts);
        Ok(Rule { stmts: fitting, comment, span: start.to(p.last_span()) })
    }

    /// `{ RULE; RULE ... }`. Errors are collected rule by rule.
    pub fn parse_block(p: &mut Parser<'_>) -> Parsed<Vec<Rule>> {
        let open = p.expect(Sign::BraceOpen)?;
        let mut rules = Vec::new();
        loop {
            p.separators();
            if p.eat(Sign::BraceClose) {
                return Ok(rules);
            }
            if p.at_end() || p.gave_up() || crate::decl::ends_block(p) {
                p.unclosed(open, "block");
                return Ok(rules);
            }
            let mark = p.mark();
            match Rule::parse(p).and_then(|rule| p.end_of_statement().map(|()| rule)) {
                Ok(rule) => rules.push(rule),
                Err(error) => p.recover(error, mark),
            }
        }
    }
}
