//! Commands: an object whose key is the verb, or what is listed, which is then added.

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::{Creation, Handle};

use super::Node;
use crate::ast::Rule;
use crate::cmd::list::PLURALS;
use crate::cmd::{
    Command, CommandKind, Declaration, Flush, Listing, Position, RuleCommand, RuleVerb, SetKind, Target,
    Which,
};
use crate::decl::chain::ChainDecl;
use crate::decl::element::ElementsDecl;
use crate::decl::flowtable::FlowtableDecl;
use crate::decl::object::ObjectDecl;
use crate::decl::set::SetDecl;
use crate::decl::table::TableDecl;
use crate::decl::{Name, TableName, comment_from_json, family_from_json};
use crate::diag::Parsed;
use crate::stmt::Stmt;

const VERBS: [&str; 12] = [
    "add", "create", "replace", "insert", "delete", "destroy", "list", "reset", "flush", "rename", "get",
    "describe",
];

const THINGS: [&str; 17] = [
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
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
    "synproxy",
    "tunnel",
    "metainfo",
];

/// The highest `json_schema_version` that is understood.
const SCHEMA_VERSION: i64 = 1;

/// An item of a document; `None` for what is no command.
pub(super) fn command(node: Node<'_>) -> Parsed<Option<Command>> {
    let (verb, inside) = node.only()?;
    let kind = match verb {
        "metainfo" => {
            metainfo(inside)?;
            return Ok(None);
        }
        "add" => declaration(inside, Creation::Add, true)?,
        "create" => declaration(inside, Creation::Create, true)?,
        "insert" => CommandKind::Rule(rule(the(inside, "rule")?, RuleVerb::Insert, true)?),
        "replace" => CommandKind::Rule(rule(the(inside, "rule")?, RuleVerb::Replace, true)?),
        "delete" => CommandKind::Delete { what: target(inside)?, missing_ok: false },
        "destroy" => CommandKind::Delete { what: target(inside)?, missing_ok: true },
        "list" => CommandKind::List(listing(inside)?),
        "reset" => CommandKind::Reset(listing(inside)?),
        "flush" => CommandKind::Flush(flush(inside)?),
        "get" => CommandKind::Get(ElementsDecl::from_json(the(inside, "element")?)?),
        "rename" => {
            let chain = the(inside, "chain")?;
            CommandKind::Rename {
                table: TableName::from_json(chain, "table")?,
                chain: Name::from_json(chain.need("name")?, "a chain's name")?,
                to: Name::from_json(chain.need("newname")?, "a chain's new name")?,
            }
        }
        "describe" => CommandKind::Describe(crate::expr::Expr::from_json(inside)?),
        // A listing can be given back as it is
        _ if THINGS.contains(&verb) => declaration(node, Creation::Add, false)?,
        _ => {
            let words: Vec<&str> = VERBS.into_iter().chain(THINGS).collect();
            return Err(node.unknown("command", verb, &words));
        }
    };
    Ok(Some(Command { kind, span: inside.span() }))
}

fn metainfo(node: Node<'_>) -> Parsed<()> {
    match node.get("json_schema_version") {
        Some(version) if version.integer()? > SCHEMA_VERSION => {
            Err(version.error("unsupported JSON schema version"))
        }
        _ => Ok(()),
    }
}

/// What stands under the only key, which must be `word`.
fn the<'a>(node: Node<'a>, word: &str) -> Parsed<Node<'a>> {
    match node.only()? {
        (key, inside) if key == word => Ok(inside),
        (key, _) => Err(node.unknown("object of this command", key, &[word])),
    }
}

fn object_type(word: &str) -> Option<ObjectType> {
    ObjectType::ALL.into_iter().filter(|kind| *kind != ObjectType::Connlimit).find(|kind| kind.name() == word)
}

/// What `add` and `create` name. In a listing (not `explicit`) handles are only told.
fn declaration(node: Node<'_>, creation: Creation, explicit: bool) -> Parsed<CommandKind> {
    let (what, inside) = node.only()?;
    let declared = match what {
        "table" => Declaration::Table(TableDecl::from_json(inside)?),
        "chain" => Declaration::Chain(ChainDecl::from_json(inside)?),
        "rule" => return Ok(CommandKind::Rule(rule(inside, RuleVerb::Add, explicit)?)),
        "set" => Declaration::Set(SetDecl::from_json(inside, false)?),
        "map" => Declaration::Set(SetDecl::from_json(inside, true)?),
        "element" => Declaration::Elements(ElementsDecl::from_json(inside)?),
        "flowtable" => Declaration::Flowtable(FlowtableDecl::from_json(inside)?),
        _ => match object_type(what) {
            Some(kind) => Declaration::Object(ObjectDecl::from_json(kind, inside)?),
            None => return Err(node.unknown("object", what, &THINGS)),
        },
    };
    Ok(CommandKind::Declare(creation, declared))
}

fn handle(node: Node<'_>) -> Parsed<Option<Handle>> {
    let Some(handle) = node.get("handle") else { return Ok(None) };
    Ok(Some(Handle(handle.number(u64::MAX)?)))
}

fn rule(node: Node<'_>, verb: RuleVerb, explicit: bool) -> Parsed<RuleCommand> {
    let table = TableName::from_json(node, "table")?;
    let chain = Name::from_json(node.need("chain")?, "a chain's name")?;
    let stmts = node.need("expr")?.items()?.map(Stmt::from_json).collect::<Parsed<Vec<_>>>()?;
    let rule = Rule { stmts, comment: comment_from_json(node)?, span: node.span() };
    // Handle 0 is none: documents are normalised so
    let handle = handle(node)?.filter(|handle| explicit && handle.0 != 0);
    let index = node.get("index").filter(|_| explicit).map(|index| index.number(u64::MAX)).transpose()?;
    let position = handle.map(Position::Handle).or(index.map(Position::Index));
    if verb == RuleVerb::Replace && !matches!(position, Some(Position::Handle(_))) {
        return Err(node.error("'handle' is missing: which rule is replaced"));
    }
    Ok(RuleCommand { verb, table, chain, position: position.map(|position| (position, node.span())), rule })
}

/// A thing's `name`, or its `handle`.
fn which(node: Node<'_>, what: &str) -> Parsed<Which> {
    match (node.get("name"), handle(node)?) {
        (None, Some(handle)) => Ok(Which::Handle(handle, node.span())),
        (Some(name), _) => Name::from_json(name, what).map(Which::Name),
        (None, None) => Err(node.error("'name' or 'handle' is missing")),
    }
}

fn target(node: Node<'_>) -> Parsed<Target> {
    let (what, inside) = node.only()?;
    let table = || TableName::from_json(inside, "table");
    Ok(match what {
        "table" => {
            let family = family_from_json(inside)?.ok_or_else(|| inside.error("'family' is missing"))?;
            Target::Table(family, which(inside, "a table's name")?)
        }
        "chain" => {
            let devices = match inside.get("dev") {
                Some(_) => Some(ChainDecl::from_json(inside)?),
                None => None,
            };
            Target::Chain(table()?, which(inside, "a chain's name")?, devices)
        }
        "rule" => {
            let chain = Name::from_json(inside.need("chain")?, "a chain's name")?;
            let handle_node = inside.need("handle")?;
            let handle = Handle(handle_node.number(u64::MAX)?);
            Target::Rule { table: table()?, chain, handle: (handle, handle_node.span()) }
        }
        "set" | "map" => Target::Set(table()?, which(inside, "a set's name")?),
        "element" => Target::Elements(ElementsDecl::from_json(inside)?),
        "flowtable" => {
            let devices = match inside.get("dev") {
                Some(_) => Some(FlowtableDecl::from_json(inside)?),
                None => None,
            };
            Target::Flowtable(table()?, which(inside, "a flowtable's name")?, devices)
        }
        _ => match object_type(what) {
            Some(kind) => Target::Object(kind, table()?, which(inside, "an object's name")?),
            None => return Err(node.unknown("object", what, &THINGS)),
        },
    })
}

/// What `list` and `reset` name.
fn listing(node: Node<'_>) -> Parsed<Listing> {
    let (what, inside) = node.only()?;
    let family = || family_from_json(inside);
    let table = || TableName::from_json(inside, "table");
    let of_table = || inside.get("table").map(|_| table()).transpose();
    let name = |what: &str| Name::from_json(inside.need("name")?, what);
    let set_kind = match what {
        "set" | "sets" => SetKind::Set,
        "map" | "maps" => SetKind::Map,
        _ => SetKind::Meter,
    };
    Ok(match what {
        "ruleset" => Listing::Ruleset(family()?),
        "tables" => Listing::Tables(family()?),
        "table" => Listing::Table(TableName::from_json(inside, "name")?),
        "chains" => Listing::Chains(family()?),
        "chain" => Listing::Chain(table()?, name("a chain's name")?),
        "sets" | "maps" | "meters" => Listing::Sets(set_kind, family()?, of_table()?),
        "set" | "map" | "meter" => Listing::Set(set_kind, table()?, name("a set's name")?),
        "element" => Listing::Elements(ElementsDecl::from_json(inside)?),
        "flowtables" => Listing::Flowtables(family()?),
        "flowtable" => Listing::Flowtable(table()?, name("a flowtable's name")?),
        "rules" => {
            let chain =
                inside.get("chain").map(|chain| Name::from_json(chain, "a chain's name")).transpose()?;
            Listing::Rules(family()?, of_table()?, chain)
        }
        "rule" => {
            let chain = Name::from_json(inside.need("chain")?, "a chain's name")?;
            match handle(inside)? {
                Some(handle) => Listing::Rule(table()?, chain, handle),
                None => Listing::Rules(family()?, Some(table()?), Some(chain)),
            }
        }
        _ => {
            let plural = PLURALS.into_iter().find(|(word, _)| *word == what).map(|(_, kind)| kind);
            let plural = plural.or_else(|| object_type(what.strip_suffix('s')?));
            match (object_type(what), plural) {
                (Some(kind), _) if inside.get("name").is_some() => {
                    Listing::Object(kind, table()?, name("an object's name")?)
                }
                (Some(kind), _) | (None, Some(kind)) => Listing::Objects(kind, family()?, of_table()?),
                (None, None) => return Err(node.unknown("object of this command", what, &THINGS)),
            }
        }
    })
}

fn flush(node: Node<'_>) -> Parsed<Flush> {
    let (what, inside) = node.only()?;
    Ok(match what {
        "ruleset" => Flush::Ruleset(family_from_json(inside)?),
        "table" => Flush::Table(TableName::from_json(inside, "name")?),
        "chain" => {
            let table = TableName::from_json(inside, "table")?;
            Flush::Chain(table, Name::from_json(inside.need("name")?, "a chain's name")?)
        }
        "set" | "map" | "meter" => {
            let table = TableName::from_json(inside, "table")?;
            let kind = match what {
                "set" => SetKind::Set,
                "map" => SetKind::Map,
                _ => SetKind::Meter,
            };
            Flush::Set(kind, table, Name::from_json(inside.need("name")?, "a set's name")?)
        }
        _ => {
            let words = ["ruleset", "table", "chain", "set", "map", "meter"];
            return Err(node.unknown("object of 'flush'", what, &words));
        }
    })
}
