//! Declarations: what a table holds, one file each: node and parsing.

pub mod addresses;
pub mod chain;
pub mod ct_object;
pub mod element;
pub mod flowtable;
pub mod object;
pub mod priority;
pub mod set;
pub mod table;
pub mod tunnel;

use crate::json::Node;
use ironweir_ruleset::{Family, TableId};

use crate::diag::{Diagnostic, Parsed};
use crate::expr::{Expr, ExprKind};
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::Span;

/// A name and where it is written.
#[derive(Clone, Debug)]
pub struct Name {
    /// The name.
    pub text: Box<str>,
    /// Where it is.
    pub span: Span,
}

/// Which table, and where it is named.
#[derive(Clone, Debug)]
pub struct TableName {
    /// Family and name.
    pub id: TableId,
    /// Where the name is.
    pub span: Span,
}

/// Longest name of a table, chain, set, object or flowtable (`NFT_NAME_MAXLEN` with its zero byte is 256).
pub const MAX_NAME: usize = 255;

impl Name {
    /// Takes a name.
    // DIVERGES: words of the language are names here too, where nft refuses them: other programs make such things.
    pub fn parse(p: &mut Parser<'_>, what: &str) -> Parsed<Name> {
        let (text, span) = p.name(what)?;
        let name = Name { text, span };
        if name.text.len() > MAX_NAME {
            return Err(name.too_long(what));
        }
        Ok(name)
    }

    fn too_long(&self, what: &str) -> Box<Diagnostic> {
        Diagnostic::error(self.span, format!("{what} is too long ({} > {MAX_NAME})", self.text.len()))
    }
}

/// Takes a family word; `ip` where there is none.
pub fn family(p: &mut Parser<'_>) -> Family {
    optional_family(p).unwrap_or(Family::Ip)
}

/// Takes a family word if there is one.
pub fn optional_family(p: &mut Parser<'_>) -> Option<Family> {
    let family = Family::from_name(p.word())?;
    p.next();
    Some(family)
}

impl TableName {
    /// `[family] table`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<TableName> {
        let family = family(p);
        let name = Name::parse(p, "a table's name")?;
        Ok(TableName { id: TableId::new(family, name.text), span: name.span })
    }
}

/// One item of a block in braces.
pub(crate) type Item<T> = fn(&mut Parser<'_>, &mut T) -> Parsed<()>;

/// `{ ITEM; ITEM ... }`. Errors are collected item by item; definitions inside end with the block.
pub(crate) fn block<T>(p: &mut Parser<'_>, into: &mut T, item: Item<T>) -> Parsed<()> {
    block_of(p, into, item, true)
}

/// The same for a block that may hold chains and sets.
pub(crate) fn table_block<T>(p: &mut Parser<'_>, into: &mut T, item: Item<T>) -> Parsed<()> {
    block_of(p, into, item, false)
}

fn block_of<T>(p: &mut Parser<'_>, into: &mut T, item: Item<T>, inner: bool) -> Parsed<()> {
    let open = p.expect(Sign::BraceOpen)?;
    p.scopes.open();
    let result = p.nested(|p| {
        loop {
            p.separators();
            if p.eat(Sign::BraceClose) {
                return Ok(());
            }
            if p.at_end() || p.gave_up() || ends_block(p) || inner && begins_sibling(p) {
                // What was read of it is used: errors in it are told as well.
                p.unclosed(open, "block");
                return Ok(());
            }
            let mark = p.mark();
            match p
                .directive()
                .and_then(|done| if done { Ok(()) } else { item(p, into).and_then(|()| p.end_of_item()) })
            {
                Ok(()) => {}
                Err(error) => p.recover(error, mark),
            }
        }
    });
    p.scopes.close();
    result
}

/// Whether what stands next is no item of any block inside a chain or set, nor of a table at a line's begin: the `}` of
/// the blocks around is missing.
pub(crate) fn ends_block(p: &Parser<'_>) -> bool {
    const COMMANDS: [&str; 11] = [
        "add", "create", "insert", "replace", "delete", "destroy", "list", "reset", "flush", "rename",
        "table",
    ];
    const NOUNS: [&str; 10] =
        ["rule", "chain", "table", "set", "map", "element", "ruleset", "flowtable", "counter", "quota"];
    let command = COMMANDS.contains(&p.word())
        && (NOUNS.contains(&p.word_at(1)) || p.word() == "table" && !p.word_at(1).is_empty());
    command && p.at_line_start()
}

/// The same, inside of a chain or set, where no chain or set can begin either.
fn begins_sibling(p: &Parser<'_>) -> bool {
    matches!(p.word(), "chain" | "set" | "map" | "flowtable")
        && !p.word_at(1).is_empty()
        && p.peek_at(2).is(Sign::BraceOpen)
        && p.at_line_start()
}

/// Takes the quoted or unquoted name of a device, a pattern of them, or a variable that stands for one.
pub(crate) fn device(p: &mut Parser<'_>) -> Parsed<Name> {
    let token = p.peek();
    let name = if token.kind == TokenKind::Variable {
        let value = p.variable()?;
        device_of(&value)?
    } else {
        Name { text: p.string()?, span: token.span }
    };
    check_device(name)
}

fn device_of(value: &Expr) -> Parsed<Name> {
    match &value.kind {
        ExprKind::Symbol(symbol) => Ok(Name { text: symbol.text.clone(), span: value.span }),
        _ => Err(Diagnostic::error(value.span, "a device's name is expected here")),
    }
}

fn check_device(name: Name) -> Parsed<Name> {
    /// `IFNAMSIZ` without the zero byte.
    const MAX_DEVICE: usize = 15;
    if name.text.is_empty() {
        return Err(Diagnostic::error(name.span, "Device name cannot be empty"));
    }
    if name.text.trim_end_matches('*').len() > MAX_DEVICE {
        return Err(Diagnostic::error(name.span, "Device name too long"));
    }
    Ok(name)
}

/// `{ a, b }`, or variables that stand for devices or lists of them.
pub(crate) fn devices(p: &mut Parser<'_>) -> Parsed<Vec<Name>> {
    let mut names = Vec::new();
    if p.peek().kind == TokenKind::Variable {
        let value = p.variable()?;
        flatten(value, &mut names)?;
        return Ok(names);
    }
    p.expect(Sign::BraceOpen)?;
    loop {
        p.newlines();
        if p.eat(Sign::BraceClose) {
            return Ok(names);
        }
        if p.peek().kind == TokenKind::Variable {
            let value = p.variable()?;
            flatten(value, &mut names)?;
        } else {
            names.push(device(p)?);
        }
        p.newlines();
        if !p.is(Sign::BraceClose) {
            p.expect(Sign::Comma)?;
        }
    }
}

fn flatten(value: Expr, names: &mut Vec<Name>) -> Parsed<()> {
    match value.kind {
        ExprKind::Set(set) => {
            for element in set.elements {
                names.push(check_device(device_of(&element.key)?)?);
            }
            Ok(())
        }
        ExprKind::List(list) => {
            for part in list.0 {
                names.push(check_device(device_of(&part)?)?);
            }
            Ok(())
        }
        _ => {
            names.push(check_device(device_of(&value)?)?);
            Ok(())
        }
    }
}

impl Name {
    /// A string.
    pub fn from_json(node: Node<'_>, what: &str) -> Parsed<Name> {
        let name = Name { text: node.string()?.into(), span: node.span() };
        if name.text.is_empty() {
            return Err(node.error(format!("{what} is empty")));
        }
        if name.text.len() > MAX_NAME {
            return Err(name.too_long(what));
        }
        Ok(name)
    }
}

/// `family`, where it is given.
pub(crate) fn family_from_json(node: Node<'_>) -> Parsed<Option<Family>> {
    let Some(family) = node.get("family") else { return Ok(None) };
    let word = family.string()?;
    match Family::from_name(word) {
        Some(family) => Ok(Some(family)),
        None => Err(family.unknown("family", word, &["ip", "ip6", "inet", "arp", "bridge", "netdev"])),
    }
}

impl TableName {
    /// `family`, and the table's name under `key`.
    pub fn from_json(node: Node<'_>, key: &str) -> Parsed<TableName> {
        let Some(family) = family_from_json(node)? else { return Err(node.error("'family' is missing")) };
        let name = Name::from_json(node.need(key)?, "a table's name")?;
        Ok(TableName { id: TableId::new(family, name.text), span: name.span })
    }
}

/// `comment`, where it is given.
pub(crate) fn comment_from_json(node: Node<'_>) -> Parsed<Option<Box<str>>> {
    let Some(comment) = node.get("comment") else { return Ok(None) };
    let text = comment.string()?;
    if text.len() > crate::parse::MAX_COMMENT {
        return Err(comment
            .error(format!("comment too long, {} characters maximum allowed", crate::parse::MAX_COMMENT)));
    }
    Ok(Some(text.into()))
}

/// Devices under `dev`: one or several.
pub(crate) fn devices_from_json(node: Node<'_>) -> Parsed<Vec<Name>> {
    let Some(devices) = node.get("dev") else { return Ok(Vec::new()) };
    let device = |device: Node<'_>| check_device(Name { text: device.string()?.into(), span: device.span() });
    devices.one_or_more().into_iter().map(device).collect()
}
