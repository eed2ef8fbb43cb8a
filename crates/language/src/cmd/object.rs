//! What `delete` and `destroy` name.

use ironweir_ruleset::Handle;

use super::{Target, Which};
use crate::decl::chain::ChainDecl;
use crate::decl::element::ElementsDecl;
use crate::decl::flowtable::FlowtableDecl;
use crate::decl::object::ObjectDecl;
use crate::decl::{Name, TableName, family};
use crate::diag::Parsed;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;

/// `NAME`, or `handle N`. A thing may be called `handle`: then no number follows.
fn which(p: &mut Parser<'_>, what: &str) -> Parsed<Which> {
    let start = p.peek().span;
    if p.is_word("handle") && matches!(p.peek_at(1).kind, TokenKind::Number(_)) {
        p.next();
        let handle = Handle(p.number()?);
        return Ok(Which::Handle(handle, start.to(p.last_span())));
    }
    Name::parse(p, what).map(Which::Name)
}

/// What follows `delete`.
pub(super) fn target(p: &mut Parser<'_>) -> Parsed<Target> {
    let word = p.word().to_owned();
    match &*word {
        "table" => {
            p.next();
            let family = family(p);
            Ok(Target::Table(family, which(p, "a table's name")?))
        }
        "chain" => {
            p.next();
            let table = TableName::parse(p)?;
            let which = which(p, "a chain's name")?;
            let devices = match &which {
                Which::Name(name) if p.is(Sign::BraceOpen) => {
                    Some(ChainDecl::new(table.clone(), name.clone()).parse_block(p)?)
                }
                _ => None,
            };
            Ok(Target::Chain(table, which, devices))
        }
        "rule" => {
            p.next();
            let table = TableName::parse(p)?;
            let chain = Name::parse(p, "a chain's name")?;
            let start = p.peek().span;
            p.expect_word("handle")
                .map_err(|error| error.help("'nft -a list ruleset' shows the handles of rules"))?;
            let handle = Handle(p.number()?);
            Ok(Target::Rule { table, chain, handle: (handle, start.to(p.last_span())) })
        }
        "set" | "map" => {
            p.next();
            Ok(Target::Set(TableName::parse(p)?, which(p, "a set's name")?))
        }
        "element" => {
            p.next();
            Ok(Target::Elements(ElementsDecl::parse(p)?))
        }
        "flowtable" => {
            p.next();
            let table = TableName::parse(p)?;
            let which = which(p, "a flowtable's name")?;
            let devices = match &which {
                Which::Name(name) if p.is(Sign::BraceOpen) => {
                    Some(FlowtableDecl::new(table.clone(), name.clone()).parse_block(p)?)
                }
                _ => None,
            };
            Ok(Target::Flowtable(table, which, devices))
        }
        _ => match ObjectDecl::kind(p) {
            Some(kind) => Ok(Target::Object(kind, TableName::parse(p)?, which(p, "an object's name")?)),
            None => {
                let words = [
                    "table",
                    "chain",
                    "rule",
                    "set",
                    "map",
                    "element",
                    "flowtable",
                    "counter",
                    "quota",
                    "limit",
                    "ct",
                    "secmark",
                    "synproxy",
                    "tunnel",
                ];
                Err(p.unexpected_word("what to delete", &words))
            }
        },
    }
}
