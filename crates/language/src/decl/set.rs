//! Sets and maps.

use crate::json::Node;
use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::SetFlags;
use ironweir_ruleset::set::SetPolicy;

use super::element::{Elements, set_literal};
use super::object::ObjectDecl;
use super::{Name, TableName, block};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed, nearest, short};
use crate::expr::set::SetLiteral;
use crate::expr::{Expr, ExprKind};
use crate::lex::Sign;
use crate::parse::Parser;
use crate::source::Span;
use crate::stmt::Stmt;

/// `set NAME { ... }`, `map NAME { ... }`.
#[derive(Clone, Debug)]
pub struct SetDecl {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: Name,
    /// Written as `map`.
    pub is_map: bool,
    /// What its keys are.
    pub key: Option<KeySpec>,
    /// What a map maps to.
    pub data: Option<DataSpec>,
    /// `flags ...`.
    pub flags: SetFlags,
    /// `timeout`, in milliseconds.
    pub timeout: Option<u64>,
    /// `gc-interval`, in milliseconds.
    pub gc_interval: Option<u32>,
    /// `size`.
    pub size: Option<u32>,
    /// `policy`.
    pub policy: Option<SetPolicy>,
    /// `auto-merge`.
    pub auto_merge: bool,
    /// The comment.
    pub comment: Option<Box<str>>,
    /// Stateful statements that every element gets.
    pub stmts: Vec<Stmt>,
    /// `elements = { ... }`.
    pub elements: Option<(Elements, Span)>,
}

/// What keys or values are.
#[derive(Clone, Debug)]
pub enum KeySpec {
    /// `type A . B`.
    Type {
        /// The types.
        types: Vec<Type>,
        /// Where they are.
        span: Span,
    },
    /// `typeof EXPR`.
    Typeof(Expr),
}

/// What a map maps to.
#[derive(Clone, Debug)]
pub enum DataSpec {
    /// Verdicts.
    Verdict,
    /// Verdicts of a queue statement (`typeof ... : queue`).
    Queue,
    /// Values; `interval` where they are ranges.
    Value {
        /// Of what type.
        key: KeySpec,
        /// `interval`.
        interval: bool,
    },
    /// Objects.
    Object(ObjectType),
}

impl SetDecl {
    /// A set with nothing in it.
    pub fn new(table: TableName, name: Name, is_map: bool) -> SetDecl {
        SetDecl {
            table,
            name,
            is_map,
            key: None,
            data: None,
            flags: SetFlags::empty(),
            timeout: None,
            gc_interval: None,
            size: None,
            policy: None,
            auto_merge: false,
            comment: None,
            stmts: Vec::new(),
            elements: None,
        }
    }

    /// `{ ... }`.
    pub fn parse_block(mut self, p: &mut Parser<'_>) -> Parsed<SetDecl> {
        if p.is(Sign::BraceOpen) {
            block(p, &mut self, item)?;
        }
        Ok(self)
    }
}

const ITEMS: [&str; 14] = [
    "type",
    "typeof",
    "flags",
    "timeout",
    "gc-interval",
    "size",
    "policy",
    "auto-merge",
    "comment",
    "elements",
    "counter",
    "limit",
    "quota",
    "last",
];

fn item(p: &mut Parser<'_>, set: &mut SetDecl) -> Parsed<()> {
    let start = p.peek().span;
    match p.word() {
        "type" => {
            p.next();
            once(set.key.is_some(), start)?;
            let key = types(p)?;
            set.data = parse_data(p, start, set.is_map, false)?;
            set.key = Some(key);
        }
        "typeof" => {
            p.next();
            once(set.key.is_some(), start)?;
            let key = KeySpec::Typeof(Expr::parse_lhs(p)?);
            set.data = parse_data(p, start, set.is_map, true)?;
            set.key = Some(key);
        }
        "flags" => {
            p.next();
            loop {
                set.flags |= flag(p)?;
                if !p.eat(Sign::Comma) {
                    break;
                }
            }
        }
        "timeout" => {
            p.next();
            set.timeout = Some(p.time()?);
            set.flags |= SetFlags::TIMEOUT;
        }
        "gc-interval" => {
            p.next();
            let interval = p.time()?;
            let wrong = || Diagnostic::error(start.to(p.last_span()), "gc-interval is too large");
            set.gc_interval = Some(u32::try_from(interval).map_err(|_| wrong())?);
        }
        "size" => {
            p.next();
            set.size = Some(p.number_to(u64::from(u32::MAX))? as u32);
        }
        "policy" => {
            p.next();
            set.policy = Some(match p.word() {
                "performance" => SetPolicy::Performance,
                "memory" => SetPolicy::Memory,
                _ => return Err(p.unexpected_word("performance or memory", &["performance", "memory"])),
            });
            p.next();
        }
        "auto-merge" => {
            p.next();
            set.auto_merge = true;
        }
        "comment" => {
            p.next();
            once(set.comment.is_some(), start)?;
            set.comment = Some(p.comment()?);
        }
        "elements" => {
            p.next();
            p.expect(Sign::Assign)?;
            once(set.elements.is_some(), start)?;
            set.elements = Some(set_literal(p)?);
        }
        _ => match p.nested(Stmt::parse_stateful)? {
            Some(stmt) => {
                set.stmts.push(stmt);
                // Several stand one behind the other on a line.
                while let Some(stmt) = p.nested(Stmt::parse_stateful)? {
                    set.stmts.push(stmt);
                }
            }
            None => return Err(p.unexpected_word("what a set is made of", &ITEMS)),
        },
    }
    Ok(())
}

fn once(there: bool, span: Span) -> Parsed<()> {
    if there {
        return Err(Diagnostic::error(
            span,
            "You can only specify this once. This statement is a duplicate.",
        ));
    }
    Ok(())
}

fn flag(p: &mut Parser<'_>) -> Parsed<SetFlags> {
    let flag = match p.word() {
        "constant" => SetFlags::CONSTANT,
        "interval" => SetFlags::INTERVAL,
        "timeout" => SetFlags::TIMEOUT,
        "dynamic" => SetFlags::EVAL,
        _ => return Err(p.unexpected_word("a set's flag", &["constant", "interval", "timeout", "dynamic"])),
    };
    p.next();
    Ok(flag)
}

/// `A . B`.
fn types(p: &mut Parser<'_>) -> Parsed<KeySpec> {
    let start = p.peek().span;
    let mut types = Vec::new();
    loop {
        let Some(datatype) = Type::from_name(p.word()) else {
            if p.word().is_empty() {
                return Err(p.unexpected("a data type"));
            }
            let error = Diagnostic::error(p.peek().span, format!("unknown datatype {}", short(p.word())));
            return Err(match nearest(p.word(), Type::ALL.iter().map(|known| known.name())) {
                Some(near) => error.help(format!("did you mean '{near}'?")),
                None => error,
            });
        };
        p.next();
        types.push(datatype);
        if types.len() > crate::datatype::MAX_CONCAT {
            return Err(Diagnostic::error(start.to(p.last_span()), "Concatenation too long"));
        }
        if !p.eat(Sign::Dot) {
            break;
        }
    }
    Ok(KeySpec::Type { types, span: start.to(p.last_span()) })
}

/// `: DATA`, which a map needs and a set must not have.
fn parse_data(p: &mut Parser<'_>, start: Span, is_map: bool, is_typeof: bool) -> Parsed<Option<DataSpec>> {
    if !p.is(Sign::Colon) {
        if is_map {
            return Err(Diagnostic::error(
                start.to(p.last_span()),
                "map definition does not specify mapping data type",
            ));
        }
        return Ok(None);
    }
    if !is_map {
        return Err(p.unexpected("end of statement").help("a set has no data: write 'map' instead of 'set'"));
    }
    p.next();
    let interval = p.eat_word("interval");
    if !interval {
        match p.word() {
            "verdict" => {
                p.next();
                return Ok(Some(DataSpec::Verdict));
            }
            "queue" if is_typeof => {
                p.next();
                return Ok(Some(DataSpec::Queue));
            }
            // `ct mark`, with `typeof`, is a value; `ct helper` is an object there too.
            "ct" if is_typeof && !matches!(p.word_at(1), "helper" | "timeout" | "expectation") => {}
            _ => {
                if let Some(kind) = ObjectDecl::kind(p) {
                    return Ok(Some(DataSpec::Object(kind)));
                }
            }
        }
    }
    let key = if is_typeof { KeySpec::Typeof(Expr::parse_lhs(p)?) } else { types(p)? };
    Ok(Some(DataSpec::Value { key, interval }))
}

impl SetDecl {
    /// A set or map as it is listed.
    pub fn from_json(node: Node<'_>, is_map: bool) -> Parsed<SetDecl> {
        let table = TableName::from_json(node, "table")?;
        let name = Name::from_json(node.need("name")?, "a set's name")?;
        let mut set = SetDecl::new(table, name, is_map);
        set.key = Some(KeySpec::from_json(node.need("type")?)?);
        set.data = match node.get("map") {
            Some(data) if is_map => Some(DataSpec::from_json(data)?),
            None if is_map => {
                return Err(node.error("map definition does not specify mapping data type"));
            }
            _ => None,
        };
        for flag in node.get("flags").map(Node::one_or_more).unwrap_or_default() {
            set.flags |= match flag.one_of("set flag", &["constant", "interval", "timeout", "dynamic"])? {
                "constant" => SetFlags::CONSTANT,
                "interval" => SetFlags::INTERVAL,
                "timeout" => SetFlags::TIMEOUT,
                _ => SetFlags::EVAL,
            };
        }
        if let Some(timeout) = node.get("timeout") {
            set.timeout = Some(crate::json::seconds(timeout)?);
            set.flags |= SetFlags::TIMEOUT;
        }
        if let Some(interval) = node.get("gc-interval") {
            set.gc_interval = Some(interval.number(u64::from(u32::MAX / 1000))? as u32 * 1000);
        }
        set.size = node.get("size").map(Node::u32).transpose()?;
        if let Some(policy) = node.get("policy") {
            set.policy = Some(match policy.one_of("set policy", &["performance", "memory"])? {
                "memory" => SetPolicy::Memory,
                _ => SetPolicy::Performance,
            });
        }
        set.auto_merge = node.get("auto-merge").map_or(Ok(false), Node::boolean)?;
        set.comment = super::comment_from_json(node)?;
        for stmt in node.get("stmt").map(Node::one_or_more).unwrap_or_default() {
            let (key, inside) = stmt.only()?;
            match Stmt::stateful_from_json(key, inside)? {
                Some(made) => set.stmts.push(made),
                None => return Err(stmt.error(format!("'{}' is no statement for elements", short(key)))),
            }
        }
        if let Some(elem) = node.get("elem") {
            let literal = SetLiteral::from_json(elem)?;
            // nft's JSON does not say that data is intervals; without it its own listing would not come back.
            if let Some(DataSpec::Value { interval, .. }) = &mut set.data {
                *interval =
                    literal.elements.iter().filter_map(|element| element.data.as_ref()).any(is_interval);
            }
            set.elements = Some((Elements::Literal(literal), elem.span()));
        }
        Ok(set)
    }
}

/// Whether a value is written as a range or a prefix, or a part of it is.
fn is_interval(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Range(_) | ExprKind::Prefix(_) => true,
        ExprKind::Concat(concat) => concat.0.iter().any(is_interval),
        _ => false,
    }
}

impl KeySpec {
    /// A type, an array of types, or `typeof`.
    fn from_json(node: Node<'_>) -> Parsed<KeySpec> {
        if node.value().is_object() {
            let (key, inside) = node.only()?;
            return match key {
                "typeof" => Ok(KeySpec::Typeof(Expr::from_json(inside)?)),
                _ => Err(node.unknown("way to give a type", key, &["typeof"])),
            };
        }
        let mut types = Vec::new();
        for name in node.one_or_more() {
            // nft 1.0.6 writes the data of maps in one string: `ipv4_addr . inet_service`
            for word in name.string()?.split(" . ") {
                let Some(datatype) = Type::from_name(word) else {
                    let names: Vec<&str> = Type::ALL.iter().map(|known| known.name()).collect();
                    return Err(name.unknown("datatype", word, &names));
                };
                types.push(datatype);
                if types.len() > crate::datatype::MAX_CONCAT {
                    return Err(node.error("Concatenation too long"));
                }
            }
        }
        if types.is_empty() {
            return Err(node.error("a type is expected here"));
        }
        Ok(KeySpec::Type { types, span: node.span() })
    }
}

impl DataSpec {
    /// `verdict`, a type of objects, or as a key.
    fn from_json(node: Node<'_>) -> Parsed<DataSpec> {
        if let Some(word) = node.as_str() {
            if word == "verdict" {
                return Ok(DataSpec::Verdict);
            }
            if let Some(kind) = ObjectType::ALL.into_iter().find(|kind| kind.name() == word) {
                return Ok(DataSpec::Object(kind));
            }
        }
        Ok(DataSpec::Value { key: KeySpec::from_json(node)?, interval: false })
    }
}
