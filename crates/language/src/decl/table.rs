//! Tables.

use crate::json::Node;
use ironweir_ruleset::TableFlags;

use super::chain::ChainDecl;
use super::flowtable::FlowtableDecl;
use super::object::ObjectDecl;
use super::set::SetDecl;
use super::{Name, TableName, table_block};
use crate::diag::{Diagnostic, Parsed};
use crate::lex::Sign;
use crate::parse::Parser;

/// `table FAMILY NAME { ... }`. What it holds is kept by kind, since nft commits it by kind: chains, sets, objects and
/// flowtables before rules, whatever order they are written in.
#[derive(Clone, Debug)]
pub struct TableDecl {
    /// Family and name.
    pub name: TableName,
    /// `flags dormant, owner, persist`.
    pub flags: TableFlags,
    /// The comment.
    pub comment: Option<Box<str>>,
    /// Chains.
    pub chains: Vec<ChainDecl>,
    /// Sets and maps.
    pub sets: Vec<SetDecl>,
    /// Objects.
    pub objects: Vec<ObjectDecl>,
    /// Flowtables.
    pub flowtables: Vec<FlowtableDecl>,
    /// Whether a block was written, even an empty one.
    pub block: bool,
}

impl TableDecl {
    /// A table with nothing in it.
    pub fn new(name: TableName) -> TableDecl {
        TableDecl {
            name,
            flags: TableFlags::empty(),
            comment: None,
            chains: Vec::new(),
            sets: Vec::new(),
            objects: Vec::new(),
            flowtables: Vec::new(),
            block: false,
        }
    }

    /// `FAMILY NAME`, and `{ ... }` if it stands next.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<TableDecl> {
        let mut table = TableDecl::new(TableName::parse(p)?);
        if p.is(Sign::BraceOpen) {
            table.block = true;
            table_block(p, &mut table, item)?;
        }
        Ok(table)
    }
}

/// Words that may begin an item of a table's block.
const ITEMS: [&str; 13] = [
    "chain",
    "set",
    "map",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct",
    "secmark",
    "synproxy",
    "tunnel",
    "flags",
    "comment",
];

fn item(p: &mut Parser<'_>, table: &mut TableDecl) -> Parsed<()> {
    let start = p.peek().span;
    match p.word() {
        "flags" => {
            p.next();
            loop {
                let flag = match p.word() {
                    "dormant" => TableFlags::DORMANT,
                    "owner" => TableFlags::OWNER,
                    "persist" => TableFlags::PERSIST,
                    _ => return Err(p.unexpected_word("a table's flag", &["dormant", "owner", "persist"])),
                };
                p.next();
                table.flags |= flag;
                if !p.eat(Sign::Comma) {
                    break;
                }
            }
        }
        "comment" => {
            p.next();
            if table.comment.is_some() {
                return Err(Diagnostic::error(
                    start,
                    "You can only specify this once. This statement is a duplicate.",
                ));
            }
            table.comment = Some(p.comment()?);
        }
        "chain" => {
            p.next();
            let name = Name::parse(p, "a chain's name")?;
            table.chains.push(ChainDecl::new(table.name.clone(), name).parse_block(p)?);
        }
        word @ ("set" | "map") => {
            let is_map = word == "map";
            p.next();
            let name = Name::parse(p, "a set's name")?;
            let set = SetDecl::new(table.name.clone(), name, is_map).parse_block(p)?;
            table.sets.push(set);
        }
        "flowtable" => {
            p.next();
            let name = Name::parse(p, "a flowtable's name")?;
            table.flowtables.push(FlowtableDecl::new(table.name.clone(), name).parse_block(p)?);
        }
        _ => match ObjectDecl::kind(p) {
            Some(kind) => {
                let name = Name::parse(p, "an object's name")?;
                table.objects.push(ObjectDecl::parse(p, kind, table.name.clone(), name)?);
            }
            None => return Err(p.unexpected_word("chain, set, map, flowtable or an object", &ITEMS)),
        },
    }
    Ok(())
}

impl TableDecl {
    /// A table as it is listed. What it holds is declared apart in JSON.
    pub fn from_json(node: Node<'_>) -> Parsed<TableDecl> {
        let mut table = TableDecl::new(TableName::from_json(node, "name")?);
        table.comment = super::comment_from_json(node)?;
        for flag in node.get("flags").map(Node::one_or_more).unwrap_or_default() {
            table.flags |= match flag.one_of("table flag", &["dormant", "owner", "persist"])? {
                "dormant" => TableFlags::DORMANT,
                "owner" => TableFlags::OWNER,
                _ => TableFlags::PERSIST,
            };
        }
        Ok(table)
    }
}
