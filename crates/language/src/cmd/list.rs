//! What `list` and `reset` name.

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::{Family, Handle};

use super::{Listing, SetKind};
use crate::decl::element::ElementsDecl;
use crate::decl::{Name, TableName, optional_family};
use crate::diag::Parsed;
use crate::parse::Parser;

/// Words for all objects of a type.
pub(crate) const PLURALS: [(&str, ObjectType); 5] = [
    ("counters", ObjectType::Counter),
    ("quotas", ObjectType::Quota),
    ("limits", ObjectType::Limit),
    ("synproxys", ObjectType::Synproxy),
    ("secmarks", ObjectType::Secmark),
];

const LISTED: [&str; 26] = [
    "ruleset",
    "tables",
    "table",
    "chains",
    "chain",
    "sets",
    "set",
    "maps",
    "map",
    "meters",
    "meter",
    "flowtables",
    "flowtable",
    "counters",
    "counter",
    "quotas",
    "quota",
    "limits",
    "limit",
    "synproxys",
    "synproxy",
    "secmarks",
    "secmark",
    "ct",
    "tunnel",
    "hooks",
];
const RESET: [&str; 9] = ["counters", "counter", "quotas", "quota", "rules", "rule", "set", "map", "element"];

/// What follows `list`, or `reset`.
pub(super) fn listing(p: &mut Parser<'_>, reset: bool) -> Parsed<Listing> {
    let word = p.word().to_owned();
    if reset {
        return reset_what(p, &word);
    }
    if let Some((_, kind)) = PLURALS.into_iter().find(|(plural, _)| *plural == word) {
        p.next();
        return objects(p, kind);
    }
    let plural_set = |kind, p: &mut Parser<'_>| {
        p.next();
        let (family, table) = family_or_table(p)?;
        Ok(Listing::Sets(kind, family, table))
    };
    match &*word {
        "ruleset" => {
            p.next();
            Ok(Listing::Ruleset(optional_family(p)))
        }
        "tables" => {
            p.next();
            Ok(Listing::Tables(optional_family(p)))
        }
        "table" => {
            p.next();
            Ok(Listing::Table(TableName::parse(p)?))
        }
        "chains" => {
            p.next();
            Ok(Listing::Chains(optional_family(p)))
        }
        "chain" => {
            p.next();
            Ok(Listing::Chain(TableName::parse(p)?, Name::parse(p, "a chain's name")?))
        }
        "sets" => plural_set(SetKind::Set, p),
        "maps" => plural_set(SetKind::Map, p),
        "meters" => plural_set(SetKind::Meter, p),
        "set" | "map" | "meter" => set(p),
        "flowtables" => {
            p.next();
            Ok(Listing::Flowtables(optional_family(p)))
        }
        "flowtable" => {
            p.next();
            Ok(Listing::Flowtable(TableName::parse(p)?, Name::parse(p, "a flowtable's name")?))
        }
        "hooks" => {
            p.next();
            let family = optional_family(p);
            let device = p.eat_word("device").then(|| crate::decl::device(p)).transpose()?;
            Ok(Listing::Hooks(family, device))
        }
        "ct" => {
            let kind = match p.word_at(1) {
                "helper" | "helpers" => ObjectType::CtHelper,
                "timeout" | "timeouts" => ObjectType::CtTimeout,
                "expectation" | "expectations" => ObjectType::CtExpectation,
                _ => {
                    p.next();
                    let words = ["helper", "helpers", "timeout", "expectation"];
                    return Err(p.unexpected_word("helper, timeout or expectation", &words));
                }
            };
            let plural = p.word_at(1).ends_with('s');
            p.next();
            p.next();
            // nft lists all of a table by `list ct timeout table ip x`.
            if plural || p.is_word("table") { objects(p, kind) } else { object(p, kind) }
        }
        "tunnels" => {
            p.next();
            objects(p, ObjectType::Tunnel)
        }
        _ => match ObjectType::ALL.into_iter().find(|kind| kind.name() == word) {
            Some(kind) => {
                p.next();
                object(p, kind)
            }
            None => Err(p.unexpected_word("what to list", &LISTED)),
        },
    }
}

fn reset_what(p: &mut Parser<'_>, word: &str) -> Parsed<Listing> {
    match word {
        "counters" | "quotas" => {
            p.next();
            objects(p, if word == "counters" { ObjectType::Counter } else { ObjectType::Quota })
        }
        "counter" | "quota" => {
            p.next();
            object(p, if word == "counter" { ObjectType::Counter } else { ObjectType::Quota })
        }
        "rules" => {
            p.next();
            if p.eat_word("chain") {
                let table = TableName::parse(p)?;
                let chain = Name::parse(p, "a chain's name")?;
                return Ok(Listing::Rules(None, Some(table), Some(chain)));
            }
            if p.eat_word("table") {
                return Ok(Listing::Rules(None, Some(TableName::parse(p)?), None));
            }
            let family = optional_family(p);
            if p.word().is_empty() {
                return Ok(Listing::Rules(family, None, None));
            }
            let name = Name::parse(p, "a table's name")?;
            let id = ironweir_ruleset::TableId::new(family.unwrap_or(Family::Ip), name.text);
            let table = TableName { id, span: name.span };
            let chain = if p.word().is_empty() { None } else { Some(Name::parse(p, "a chain's name")?) };
            Ok(Listing::Rules(None, Some(table), chain))
        }
        "rule" => {
            p.next();
            let table = TableName::parse(p)?;
            let chain = Name::parse(p, "a chain's name")?;
            p.expect_word("handle")?;
            Ok(Listing::Rule(table, chain, Handle(p.number()?)))
        }
        "element" => {
            p.next();
            Ok(Listing::Elements(ElementsDecl::parse(p)?))
        }
        "set" | "map" => set(p),
        _ => Err(p.unexpected_word("what to reset", &RESET)),
    }
}

/// `set [family] TABLE NAME`, at the word.
fn set(p: &mut Parser<'_>) -> Parsed<Listing> {
    let kind = match p.word() {
        "set" => SetKind::Set,
        "map" => SetKind::Map,
        _ => SetKind::Meter,
    };
    p.next();
    Ok(Listing::Set(kind, TableName::parse(p)?, Name::parse(p, "a set's name")?))
}

fn objects(p: &mut Parser<'_>, kind: ObjectType) -> Parsed<Listing> {
    let (family, table) = family_or_table(p)?;
    Ok(Listing::Objects(kind, family, table))
}

fn object(p: &mut Parser<'_>, kind: ObjectType) -> Parsed<Listing> {
    Ok(Listing::Object(kind, TableName::parse(p)?, Name::parse(p, "an object's name")?))
}

/// Nothing, a family, or `table [family] NAME`.
fn family_or_table(p: &mut Parser<'_>) -> Parsed<(Option<Family>, Option<TableName>)> {
    if p.eat_word("table") {
        return Ok((None, Some(TableName::parse(p)?)));
    }
    Ok((optional_family(p), None))
}
