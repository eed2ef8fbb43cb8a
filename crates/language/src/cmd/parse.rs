//! Parsing of whole texts: directives and commands, errors of all of them.

use ironweir_ruleset::{Creation, Handle};

use super::{
    Command, CommandKind, Declaration, Flush, Monitor, Position, RuleCommand, RuleVerb, SetKind, list, object,
};
use crate::ast::Rule;
use crate::decl::chain::ChainDecl;
use crate::decl::element::ElementsDecl;
use crate::decl::flowtable::FlowtableDecl;
use crate::decl::object::ObjectDecl;
use crate::decl::set::SetDecl;
use crate::decl::table::TableDecl;
use crate::decl::{Name, TableName, optional_family};
use crate::define::Scopes;
use crate::diag::{Code, Diagnostic, Parsed, nearest};
use crate::expr::Expr;
use crate::files::Files;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::source::{SourceId, Sources, Span};

/// Words that commands begin with.
const VERBS: [&str; 18] = [
    "add", "create", "insert", "replace", "delete", "destroy", "list", "reset", "get", "flush", "rename",
    "describe", "monitor", "table", "chain", "rule", "set", "map",
];

/// What a text was read as.
#[derive(Debug, Default)]
pub struct Text {
    /// The commands; where there is an error, those that could be read.
    pub commands: Vec<Command>,
    /// Every error and warning in it and its includes, by place.
    pub found: Vec<Diagnostic>,
    /// Whether reading stopped at so many errors.
    pub gave_up: bool,
    /// The stretches that were skipped behind errors.
    pub lost: Vec<Span>,
}

/// Parses a whole text.
pub fn parse(sources: &mut Sources, source: SourceId, files: &dyn Files, scopes: &mut Scopes) -> Text {
    let mut p = Parser::new(sources, source, files, std::mem::take(scopes));
    let mut commands = Vec::new();
    loop {
        p.separators();
        if p.at_end() || p.gave_up() {
            break;
        }
        let mark = p.mark();
        let start = p.peek().span;
        let result = p.directive().and_then(|done| {
            if done {
                return Ok(());
            }
            let kind = command(&mut p)?;
            commands.push(Command { kind, span: start.to(p.last_span()) });
            if p.is(Sign::BraceClose) {
                return Err(p.unexpected("end of statement"));
            }
            p.end_of_statement()
        });
        if let Err(error) = result {
            p.recover(error, mark);
            // A brace that closes nothing.
            if p.is(Sign::BraceClose) {
                p.next();
            }
        }
    }
    let gave_up = p.gave_up();
    let (left, found, lost) = p.finish();
    *scopes = left;
    Text { commands, found, gave_up, lost }
}

fn command(p: &mut Parser<'_>) -> Parsed<CommandKind> {
    match p.word() {
        "add" => {
            p.next();
            declaration(p, Creation::Add)
        }
        "create" => {
            p.next();
            declaration(p, Creation::Create)
        }
        "insert" => {
            p.next();
            p.eat_word("rule");
            rule(p, RuleVerb::Insert)
        }
        "replace" => {
            p.next();
            p.expect_word("rule")?;
            rule(p, RuleVerb::Replace)
        }
        "delete" => {
            p.next();
            Ok(CommandKind::Delete { what: object::target(p)?, missing_ok: false })
        }
        "destroy" => {
            p.next();
            Ok(CommandKind::Delete { what: object::target(p)?, missing_ok: true })
        }
        "list" => {
            p.next();
            Ok(CommandKind::List(list::listing(p, false)?))
        }
        "reset" => {
            p.next();
            Ok(CommandKind::Reset(list::listing(p, true)?))
        }
        "get" => {
            p.next();
            p.expect_word("element")?;
            Ok(CommandKind::Get(ElementsDecl::parse(p)?))
        }
        "flush" => {
            p.next();
            Ok(CommandKind::Flush(flush(p)?))
        }
        "rename" => {
            p.next();
            p.expect_word("chain")?;
            let table = TableName::parse(p)?;
            let chain = Name::parse(p, "a chain's name")?;
            let to = Name::parse(p, "a chain's new name")?;
            Ok(CommandKind::Rename { table, chain, to })
        }
        "describe" => {
            p.next();
            Ok(CommandKind::Describe(Expr::parse_lhs(p)?))
        }
        "monitor" => {
            p.next();
            Ok(CommandKind::Monitor(monitor(p)?))
        }
        "import" | "export" => Err(Diagnostic::error(
            p.peek().span,
            "JSON export and import commands are gone; use 'list ruleset' with -j",
        )),
        _ => declaration(p, Creation::Add),
    }
}

/// What may follow `add` and `create`, and stand alone.
fn declaration(p: &mut Parser<'_>, creation: Creation) -> Parsed<CommandKind> {
    let declared = match p.word() {
        "table" => {
            p.next();
            Declaration::Table(TableDecl::parse(p)?)
        }
        "chain" => {
            p.next();
            let table = TableName::parse(p)?;
            let name = Name::parse(p, "a chain's name")?;
            Declaration::Chain(ChainDecl::new(table, name).parse_block(p)?)
        }
        // There is no `create rule`: no rule is the same as another.
        "rule" if creation == Creation::Add => {
            p.next();
            return rule(p, RuleVerb::Add);
        }
        // `ip`, `set`, `map` and so on may also name the table of a rule; a declaration takes precedence, as in nft.
        word @ ("set" | "map") => {
            let is_map = word == "map";
            p.next();
            let table = TableName::parse(p)?;
            let name = Name::parse(p, "a set's name")?;
            let set = SetDecl::new(table, name, is_map);
            if !p.is(Sign::BraceOpen) {
                return Err(p.unexpected("'{'"));
            }
            Declaration::Set(set.parse_block(p)?)
        }
        "element" => {
            p.next();
            Declaration::Elements(ElementsDecl::parse(p)?)
        }
        "flowtable" => {
            p.next();
            let table = TableName::parse(p)?;
            let name = Name::parse(p, "a flowtable's name")?;
            Declaration::Flowtable(FlowtableDecl::new(table, name).parse_block(p)?)
        }
        _ => match ObjectDecl::kind(p) {
            Some(kind) => {
                let table = TableName::parse(p)?;
                let name = Name::parse(p, "an object's name")?;
                Declaration::Object(ObjectDecl::parse(p, kind, table, name)?)
            }
            None if creation == Creation::Create => {
                let kinds = ["table", "chain", "set", "map", "element", "flowtable"];
                return Err(p.unexpected_word("what is created", &kinds));
            }
            None => return misspelt_or_rule(p),
        },
    };
    Ok(CommandKind::Declare(creation, declared))
}

/// `TABLE CHAIN STATEMENTS...`: a rule without the words `add rule`. An error in it may be that of a misspelt command.
fn misspelt_or_rule(p: &mut Parser<'_>) -> Parsed<CommandKind> {
    let word = p.word().to_owned();
    let first = p.peek();
    let other = match &*word {
        "show" | "ls" => Some("list"),
        "remove" | "del" | "rm" => Some("delete"),
        "append" => Some("add"),
        _ => None,
    };
    rule(p, RuleVerb::Add).map_err(|error| match other.or_else(|| nearest(&word, VERBS)) {
        Some(near) if near != word => {
            Diagnostic::error(first.span, format!("syntax error, unexpected '{}'", crate::diag::short(&word)))
                .code(Code::Syntax)
                .help(format!("did you mean '{near}'?"))
        }
        _ => error,
    })
}

/// `[family] TABLE CHAIN [handle|position|index N] STATEMENTS`.
fn rule(p: &mut Parser<'_>, verb: RuleVerb) -> Parsed<CommandKind> {
    let table = TableName::parse(p)?;
    let chain = Name::parse(p, "a chain's name")?;
    let start = p.peek().span;
    let position = match p.word() {
        "handle" | "position" => {
            p.next();
            Some(Position::Handle(Handle(p.number()?)))
        }
        "index" => {
            p.next();
            Some(Position::Index(p.number()?))
        }
        _ => None,
    };
    let position = position.map(|position| (position, start.to(p.last_span())));
    if verb == RuleVerb::Replace && !matches!(position, Some((Position::Handle(_), _))) {
        return Err(p.unexpected("handle"));
    }
    let rule = Rule::parse(p)?;
    Ok(CommandKind::Rule(RuleCommand { verb, table, chain, position, rule }))
}

fn flush(p: &mut Parser<'_>) -> Parsed<Flush> {
    let word = p.word().to_owned();
    match &*word {
        "ruleset" => {
            p.next();
            Ok(Flush::Ruleset(optional_family(p)))
        }
        "table" => {
            p.next();
            Ok(Flush::Table(TableName::parse(p)?))
        }
        "chain" => {
            p.next();
            Ok(Flush::Chain(TableName::parse(p)?, Name::parse(p, "a chain's name")?))
        }
        "set" | "map" | "meter" => {
            let kind = match &*word {
                "set" => SetKind::Set,
                "map" => SetKind::Map,
                _ => SetKind::Meter,
            };
            p.next();
            Ok(Flush::Set(kind, TableName::parse(p)?, Name::parse(p, "a set's name")?))
        }
        _ => {
            let words = ["ruleset", "table", "chain", "set", "map", "meter"];
            Err(p.unexpected_word("ruleset, table, chain, set, map or meter", &words))
        }
    }
}

fn monitor(p: &mut Parser<'_>) -> Parsed<Monitor> {
    const EVENTS: [&str; 2] = ["new", "destroy"];
    const WHAT: [&str; 9] =
        ["tables", "chains", "rules", "sets", "elements", "trace", "ruleset", "objects", "flowtables"];
    const FORMATS: [&str; 2] = ["json", "vm"];
    let mut monitor = Monitor::default();
    for (slot, words) in [
        (&mut monitor.event, &EVENTS[..]),
        (&mut monitor.what, &WHAT[..]),
        (&mut monitor.format, &FORMATS[..]),
    ] {
        if words.contains(&p.word()) {
            *slot = Some(p.word().into());
            p.next();
        }
    }
    // `vm json` is one format.
    if monitor.format.as_deref() == Some("vm") && p.word() == "json" {
        monitor.format = Some("json".into());
        p.next();
    }
    Ok(monitor)
}
