//! `meter NAME { KEY STATEFUL }`: an older way to write a set that packets fill. nft makes a set of it and lists
//! `add @NAME { ... }`.

use ironweir_expr::dynset::{Dynset, Op};
use ironweir_expr::{Expr as Code, SetRef};
use ironweir_ruleset::{Change, Set, SetFlags, Userdata};
use serde_json::{Value, json};

use super::Stmt;
use super::registry::{Statement, Worded};
use super::set_update::{Entry, SetUpdate};
use crate::datatype::{Type, concat_number};
use crate::diag::Parsed;
use crate::expr::set::SetName;
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::source::Span;
use crate::typed::{Shape, Typed};

/// A set made on the spot, and the element that a packet adds to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// Name of the set.
    pub name: Box<str>,
    /// How many elements it holds.
    pub size: Option<u32>,
    /// The element.
    pub element: Entry,
}

impl Meter {
    fn declared(&self, key: &Typed, id: u32) -> Set {
        let fields = key.fields();
        let types: Vec<Type> = fields.iter().map(|shape| shape.datatype).collect();
        let bytes = |shape: &Shape| shape.bytes() as u32;
        let (key_len, parts) = match &fields[..] {
            [one] => (bytes(one), Vec::new()),
            many => (many.iter().map(|shape| shape.words() * 4).sum(), many.iter().map(bytes).collect()),
        };
        let mut flags = SetFlags::EVAL;
        flags.set(SetFlags::TIMEOUT, self.element.timeout.is_some());
        Set {
            name: self.name.clone(),
            id,
            flags,
            key_type: concat_number(&types),
            key_len,
            fields: parts,
            data: None,
            size: Some(self.size.unwrap_or(DEFAULT_SIZE)),
            timeout: None,
            gc_interval: None,
            policy: Default::default(),
            exprs: Vec::new(),
            userdata: Userdata::default(),
            unknown: Default::default(),
        }
    }
}

/// How many elements a meter holds that does not say so (nft's own default).
const DEFAULT_SIZE: u32 = 65_535;

impl Statement for Meter {
    const JSON: &'static str = "meter";

    /// As it is written; listing prints the [`super::set_update::SetUpdate`] that it becomes.
    fn print(&self, out: &mut Printer) {
        out.text("meter ").text(&self.name);
        if let Some(size) = self.size {
            out.text(" size ").number(size);
        }
        out.text(" { ");
        self.element.print(out);
        out.text(" }");
    }

    /// As nft has it that knows meters; listing shows the [`super::set_update::SetUpdate`] that it becomes.
    fn to_json(&self, options: &Options) -> Value {
        let options = Options { stateless: true, ..*options };
        let mut meter = json!({ "name": self.name, "key": self.element.key.to_json(&options) });
        if let [stmt] = &self.element.stmts[..] {
            meter["stmt"] = stmt.to_json(&options);
        }
        if let Some(size) = self.size {
            meter["size"] = json!(size);
        }
        json!({ "meter": meter })
    }

    /// `name`, `key`, `stmt` and `size`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Meter> {
        let name = inside.need("name")?.string()?.into();
        let size = inside.get("size").map(Node::u32).transpose()?;
        Ok(Meter { name, size, element: Entry::from_json(inside.need("key")?, Some(inside.need("stmt")?))? })
    }

    /// Makes the set, unless the table has one of that name, and fills it.
    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let set = SetName { name: self.name.clone() };
        // Elements that time out are renewed (`netlink_gen_meter_stmt`)
        let op = if self.element.timeout.is_some() { Op::Update } else { Op::Add };
        if to.scope.sets.set(&self.name).is_some() {
            return SetUpdate { op, set, element: self.element.clone() }.lower(to, span);
        }
        let key = to.expression(&self.element.key)?;
        let set = self.declared(&key, to.new_id());
        let table = to.table.clone();
        to.change(Change::NewSet { table, set, creation: Default::default() });
        let register = to.load(&key)?;
        to.emit(Code::Dynset(Dynset {
            set: SetRef::new(self.name.clone()),
            op,
            key: register,
            data: None,
            timeout: self.element.timeout.unwrap_or(0),
            invert: false,
            exprs: self.element.stmts.iter().filter_map(Stmt::stateful_code).collect(),
        }));
        Ok(())
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Meter {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("meter")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Meter> {
        p.next();
        let (name, _) = p.name("the name of a meter")?;
        let size = if p.eat_word("size") { Some(p.number_to(u32::MAX.into())? as u32) } else { None };
        p.expect(Sign::BraceOpen)?;
        let element = Entry::parse(p)?;
        p.expect(Sign::BraceClose)?;
        Ok(Meter { name, size, element })
    }
}
