//! `add @s { ... }`, `update @s { ... }`, `delete @s { ... }`: changes a set from the packet path.

use ironweir_expr::dynset::{Dynset, Op};
use ironweir_expr::{Expr as Code, SetRef};
use serde_json::{Value, json};

use super::Stmt;
use super::registry::{Statement, Worded};
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::Expr;
use crate::expr::set::SetName;
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::lower::set_of;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::{Raise, raise_stateful};
use crate::source::Span;
use crate::typed::Shape;

/// `OP @set { KEY [timeout T] [expires T] [comment TEXT] [STATEFUL...] [: DATA] }`, also `set OP KEY @set`.
#[derive(Clone, Debug, PartialEq)]
pub struct SetUpdate {
    /// What is done.
    pub op: Op,
    /// The set.
    pub set: SetName,
    /// The element.
    pub element: Entry,
}

/// An element that a packet makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Expr,
    /// How long it lives, in milliseconds.
    pub timeout: Option<u64>,
    /// What a map maps it to.
    pub data: Option<Expr>,
    /// Stateful statements the element gets.
    pub stmts: Vec<Stmt>,
}

/// Operations by their word.
const OPS: [(&str, Op); 3] = [("add", Op::Add), ("update", Op::Update), ("delete", Op::Delete)];

impl SetUpdate {
    /// What follows the word of the operation.
    fn braced(p: &mut Parser<'_>, op: Op) -> Parsed<SetUpdate> {
        let set = parse_name(p)?;
        p.expect(Sign::BraceOpen)?;
        let element = Entry::parse(p)?;
        p.expect(Sign::BraceClose)?;
        Ok(SetUpdate { op, set, element })
    }

    /// What follows the word `set`: the older order of words.
    fn parse_old(p: &mut Parser<'_>) -> Parsed<SetUpdate> {
        let Some((_, op)) = OPS.into_iter().find(|(word, _)| p.is_word(word)) else {
            return Err(p.unexpected_word("add, update or delete", &OPS.map(|(word, _)| word)));
        };
        p.next();
        let element = Entry::parse(p)?;
        let set = parse_name(p)?;
        Ok(SetUpdate { op, set, element })
    }
}

impl Entry {
    /// Key, options, stateful statements and data.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Entry> {
        p.newlines();
        let key = Expr::parse_single_value(p)?;
        let mut entry = Entry { key, timeout: None, data: None, stmts: Vec::new() };
        loop {
            match p.word() {
                "timeout" => {
                    p.next();
                    entry.timeout = Some(p.time()?);
                }
                // Accepted and without meaning here, as in nft.
                "expires" => {
                    p.next();
                    p.time()?;
                }
                "comment" => {
                    let message = "Key expression comments are not supported";
                    return Err(Diagnostic::error(p.peek().span, message));
                }
                _ => break,
            }
        }
        entry.parse_stateful(p)?;
        if p.eat(Sign::Colon) {
            entry.data = Some(Expr::parse_single_value(p)?);
            entry.parse_stateful(p)?;
        }
        p.newlines();
        Ok(entry)
    }

    fn parse_stateful(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        while let Some(stmt) = Stmt::parse_stateful(p)? {
            self.stmts.push(stmt);
        }
        Ok(())
    }

    pub(crate) fn print(&self, out: &mut Printer) {
        self.key.print(out);
        if let Some(timeout) = self.timeout {
            let text = out.options.time(timeout);
            out.text(" timeout ").text(&text);
        }
        // The state is that of the elements, so what a rule says shows none.
        let stateless = std::mem::replace(&mut out.options.stateless, true);
        for stmt in &self.stmts {
            out.text(" ");
            stmt.print(out);
        }
        out.options.stateless = stateless;
        if let Some(data) = &self.data {
            out.text(" : ");
            data.print(out);
        }
    }
}

impl Entry {
    /// The key, with its timeout in seconds where it has one.
    fn key_to_json(&self, options: &Options) -> Value {
        let key = self.key.to_json(options);
        match self.timeout {
            Some(timeout) => json!({ "elem": { "val": key, "timeout": timeout / 1000 } }),
            None => key,
        }
    }

    /// A key, perhaps in an `elem`, and the statements beside it.
    pub(crate) fn from_json(key: Node<'_>, stmts: Option<Node<'_>>) -> Parsed<Entry> {
        let inside = key.get("elem").filter(|_| key.only().is_ok());
        let mut entry = Entry {
            key: Expr::from_json(inside.map_or(Ok(key), |inside| inside.need("val"))?)?,
            timeout: None,
            data: None,
            stmts: Vec::new(),
        };
        if let Some(inside) = inside {
            entry.timeout = inside.get("timeout").map(crate::json::seconds).transpose()?;
            for (key, value) in inside.members()? {
                entry.stmts.extend(Stmt::stateful_from_json(key, value)?);
            }
        }
        for node in stmts.map(Node::one_or_more).unwrap_or_default() {
            let (key, inside) = node.only()?;
            match Stmt::stateful_from_json(key, inside)? {
                Some(stmt) => entry.stmts.push(stmt),
                None => {
                    return Err(
                        node.error("only counter, quota, limit, last and ct count belong to elements")
                    );
                }
            }
        }
        Ok(entry)
    }
}

fn parse_name(p: &mut Parser<'_>) -> Parsed<SetName> {
    p.expect(Sign::At)?;
    Ok(SetName { name: p.name("the name of a set")?.0 })
}

impl SetUpdate {
    fn of(dynset: &Dynset, from: &mut Raise<'_>) -> SetUpdate {
        let shapes = from.scope.sets.set(&dynset.set.name).map(set_of);
        let unknown = Shape::new(Type::Integer, 32, Order::Big);
        let key = match &shapes {
            Some(shapes) => from.operands(dynset.key, &shapes.key),
            None => from.operand(dynset.key, unknown),
        };
        let data =
            dynset.data.map(|register| match shapes.as_ref().and_then(|shapes| shapes.data.as_ref()) {
                Some(data) => from.operands(register, data),
                None => from.operand(register, unknown),
            });
        let stmts = dynset.exprs.iter().filter_map(|expr| raise_stateful(from, expr)).collect();
        SetUpdate {
            op: dynset.op,
            set: SetName { name: dynset.set.name.clone() },
            element: Entry { key, timeout: Some(dynset.timeout).filter(|timeout| *timeout > 0), data, stmts },
        }
    }
}

impl Statement for SetUpdate {
    const JSON: &'static str = "set";

    fn print(&self, out: &mut Printer) {
        let word = OPS.iter().find(|(_, op)| *op == self.op).map_or("", |(word, _)| word);
        out.text(word).text(" ");
        self.set.print(out);
        out.text(" { ");
        self.element.print(out);
        out.text(" }");
    }

    /// As `nft -j` writes it: `set`, or `map` where there are data.
    fn to_json(&self, options: &Options) -> Value {
        let word = OPS.iter().find(|(_, op)| *op == self.op).map_or("", |(word, _)| word);
        let set = format!("@{}", self.set.name);
        let mut update = json!({ "op": word, "elem": self.element.key_to_json(options) });
        let kind = match &self.element.data {
            Some(data) => {
                update["data"] = data.to_json(options);
                "map"
            }
            None => "set",
        };
        update[kind] = json!(set);
        if !self.element.stmts.is_empty() {
            // The state is that of the elements, so what a rule says shows none.
            let options = Options { stateless: true, ..*options };
            update["stmt"] = self.element.stmts.iter().map(|stmt| stmt.to_json(&options)).collect();
        }
        crate::json::tagged(kind, update)
    }

    fn in_json(key: &str, _: Node<'_>) -> bool {
        matches!(key, "set" | "map")
    }

    /// What stands under `set`, or under `map`, where there are data too.
    fn from_json(kind: &str, inside: Node<'_>) -> Parsed<SetUpdate> {
        let word = inside.need("op")?.one_of("operation", &OPS.map(|(word, _)| word))?;
        let op = OPS.iter().find(|(known, _)| *known == word).map_or(Op::Add, |(_, op)| *op);
        let mut element = Entry::from_json(inside.need("elem")?, inside.get("stmt"))?;
        if kind == "map" {
            element.data = Some(Expr::from_json(inside.need("data")?)?);
        }
        Ok(SetUpdate { op, set: SetName { name: inside.need(kind)?.reference()?.into() }, element })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let shapes = to.set_shapes(&self.set.name, span)?;
        // Everything is resolved before anything is loaded: matches that are implied use the same registers.
        let key = to.arguments(&self.element.key, &shapes.key)?;
        let mut data = None;
        match (&self.element.data, shapes.data) {
            (Some(node), Some(shapes)) => {
                data = Some(to.arguments(node, &shapes)?);
            }
            (None, None) => {}
            (Some(node), None) => {
                return Err(Diagnostic::error(node.span, "set has no data, it is not a map"));
            }
            (None, Some(_)) => return Err(Diagnostic::error(span, "map elements need data")),
        }
        let key = to.load(&key)?;
        let data = data.map(|data| to.load(&data)).transpose()?;
        to.emit(Code::Dynset(Dynset {
            set: SetRef::new(self.set.name.clone()),
            op: self.op,
            key,
            data,
            timeout: self.element.timeout.unwrap_or(0),
            invert: false,
            exprs: self.element.stmts.iter().filter_map(Stmt::stateful_code).collect(),
        }));
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<SetUpdate> {
        let Code::Dynset(dynset) = code else { return None };
        Some(SetUpdate::of(dynset, from))
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for SetUpdate {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("set") || OPS.iter().any(|(word, _)| p.is_word(word))
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<SetUpdate> {
        let op = OPS.into_iter().find(|(word, _)| p.is_word(word));
        p.next();
        match op {
            Some((_, op)) => SetUpdate::braced(p, op),
            None => SetUpdate::parse_old(p),
        }
    }
}
