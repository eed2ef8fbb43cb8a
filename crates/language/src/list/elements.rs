//! Elements of named sets in listings.

use ironweir_ruleset::store::{SetState, TableState};
use ironweir_ruleset::{Element, ElementFlags, Set};
use serde_json::Value;

use super::Lister;
use super::addresses;
use super::wrap::Lines;
use crate::lower::set_of;
use crate::print::Printer;
use crate::raise::{raise_elements, raise_stateful};

impl Lister<'_> {
    /// `elements = { ... }`, where there are any.
    pub(super) fn elements(&self, table: &TableState, state: &SetState, out: &mut String) {
        self.these_elements(table, state, state.dump(self.now).collect(), out);
    }

    /// `elements = { ... }` with those that were asked for, in that order: an interval is a beginning and, unless it
    /// reaches the last key, the end behind it.
    pub(super) fn asked_elements(
        &self,
        table: &TableState,
        state: &SetState,
        elements: &[Element],
        out: &mut String,
    ) {
        if elements.is_empty() {
            return;
        }
        let set = &state.set;
        let shapes = set_of(set).key;
        let key = match &shapes[..] {
            [one] => Some(one.datatype),
            _ => None,
        };
        let mut lines = Lines::new(key, set.data.is_some(), out);
        let mut raise = self.raise(table);
        for one in elements.chunk_by(ends) {
            raise_elements(&mut raise, set, &shapes, one, |raised| {
                let mut printer = Printer::new(self.options);
                raised.element.print(&mut printer);
                lines.element(printer.as_str(), raised.several_words);
            });
        }
        lines.finish();
    }

    fn these_elements(&self, table: &TableState, state: &SetState, elements: Vec<Element>, out: &mut String) {
        if elements.is_empty() {
            return;
        }
        let set = &state.set;
        let shapes = set_of(set).key;
        let key = match &shapes[..] {
            [one] => Some(one.datatype),
            _ => None,
        };
        let mut lines = Lines::new(key, set.data.is_some(), out);
        if let Some(ranges) = addresses::ranges(set, &shapes, &elements) {
            drop(elements);
            let mut text = String::new();
            for range in ranges {
                text.clear();
                range.print(&mut text);
                lines.element(&text, false);
            }
            return lines.finish();
        }
        let mut raise = self.raise(table);
        raise_elements(&mut raise, set, &shapes, &elements, |raised| {
            let mut printer = Printer::new(self.options);
            raised.element.print(&mut printer);
            lines.element(printer.as_str(), raised.several_words);
        });
        lines.finish();
    }

    /// Each of some elements as text, in order of their keys.
    pub(crate) fn each_element(
        &self,
        table: &TableState,
        set: &Set,
        elements: &[Element],
        mut each: impl FnMut(&str),
    ) {
        let mut raise = self.raise(table);
        raise_elements(&mut raise, set, &set_of(set).key, elements, |raised| {
            let mut printer = Printer::new(self.options);
            raised.element.print(&mut printer);
            each(printer.as_str());
        });
    }

    /// Statements that every element gets, each on the same line.
    pub(super) fn set_stmts(&self, table: &TableState, set: &Set, out: &mut String) {
        let mut raise = self.raise(table);
        let mut before = "\t\t";
        for expr in &set.exprs {
            let Some(stmt) = raise_stateful(&mut raise, expr) else { continue };
            let mut printer = Printer::new(crate::print::Options { stateless: true, ..self.options });
            stmt.print(&mut printer);
            out.push_str(before);
            out.push_str(printer.as_str());
            before = " ";
        }
        if before == " " {
            out.push('\n');
        }
    }

    /// What a `typeof` key was written as.
    pub(super) fn typeof_key(&self, table: &TableState, set: &Set) -> Option<String> {
        self.typeof_key_syntax(table, set).map(|key| key.to_text(self.options))
    }

    /// What `typeof` data was written as.
    pub(super) fn typeof_data(&self, table: &TableState, set: &Set) -> Option<String> {
        let typed = set_of(set).data_typeof?;
        if typed == crate::typeof_data::queue_number() {
            return Some("queue".to_owned());
        }
        Some(self.raise(table).syntax(&typed).to_text(self.options))
    }
}

impl Lister<'_> {
    /// Elements as JSON.
    pub(crate) fn elements_json(&self, table: &TableState, set: &Set, elements: &[Element]) -> Vec<Value> {
        let mut raise = self.raise(table);
        let shapes = set_of(set).key;
        let mut out = Vec::with_capacity(elements.len());
        raise_elements(&mut raise, set, &shapes, elements, |raised| {
            out.push(raised.element.to_json(&self.options));
        });
        out
    }

    /// Elements that were asked for as JSON, in that order.
    pub(super) fn asked_elements_json(
        &self,
        table: &TableState,
        set: &Set,
        elements: &[Element],
    ) -> Vec<Value> {
        elements.chunk_by(ends).flat_map(|one| self.elements_json(table, set, one)).collect()
    }

    /// Statements that every element gets, as JSON.
    pub(super) fn set_stmts_json(&self, table: &TableState, set: &Set) -> Vec<Value> {
        let mut raise = self.raise(table);
        let options = crate::print::Options { stateless: true, ..self.options };
        let stmts = set.exprs.iter().filter_map(|expr| raise_stateful(&mut raise, expr));
        stmts.map(|stmt| stmt.to_json(&options)).collect()
    }

    /// What a `typeof` key was written as, as AST.
    pub(super) fn typeof_key_syntax(&self, table: &TableState, set: &Set) -> Option<crate::expr::Expr> {
        let typed = set_of(set).key_typeof?;
        Some(self.raise(table).syntax(&typed))
    }
}

/// Whether the second of two elements is where the interval of the first ends.
fn ends(_: &Element, second: &Element) -> bool {
    second.flags.contains(ElementFlags::INTERVAL_END)
}
