//! Verdicts and verdict maps.

use ironweir_expr as x;
use ironweir_expr::Expr;
use ironweir_ruleset::{Chain, ChainRef, Change, Userdata, Verdict};

use super::{Lower, lower_rule};
use crate::ast;
use crate::datatype::Type;
use crate::diag::{Code, Diagnostic, Parsed};
use crate::expr::ExprKind;
use crate::expr::verdict::{Target, Verdict as AstVerdict};
use crate::source::Span;
use crate::stmt::vmap::Vmap;
use crate::typed::Shape;

impl Lower<'_> {
    /// Lowers a verdict.
    ///
    /// # Errors
    /// Where a rule of an anonymous chain is refused.
    pub fn verdict(&mut self, node: &AstVerdict, span: Span) -> Parsed<()> {
        let verdict = match node {
            AstVerdict::Jump(Target::Block(rules)) => Verdict::Jump(self.anonymous_chain(rules)?),
            AstVerdict::Goto(Target::Block(rules)) => Verdict::Goto(self.anonymous_chain(rules)?),
            named => self.verdict_data(named, span)?,
        };
        self.emit(Expr::Immediate(x::immediate::Immediate::Verdict(verdict)));
        Ok(())
    }

    fn anonymous_chain(&mut self, rules: &[ast::Rule]) -> Parsed<ChainRef> {
        let id = self.new_id();
        let name: Box<str> = "__chain%d".into();
        let chain = Chain {
            name: name.clone(),
            base: None,
            binding: Some(id),
            userdata: Userdata::default(),
            unknown: Default::default(),
        };
        let table = self.table.clone();
        self.change(Change::NewChain { table: table.clone(), chain, creation: Default::default() });
        let reference = ChainRef { name, id: Some(id) };
        for rule in rules {
            let lowered = lower_rule(rule, self.scope, &table, self.next_id)?;
            self.changes.extend(lowered.changes);
            self.change(Change::NewRule {
                table: table.clone(),
                chain: reference.clone(),
                rule: lowered.rule,
                place: Default::default(),
            });
        }
        Ok(reference)
    }

    /// Lowers a verdict map.
    ///
    /// # Errors
    /// Where key or map are of other types, or the map gives no verdicts.
    pub fn vmap(&mut self, node: &Vmap, span: Span) -> Parsed<()> {
        let key = self.resolve_left(&node.key)?;
        let fields = super::natural(&key);
        let map = match &node.map.kind {
            ExprKind::Set(set) => {
                self.resolve_set(set, &fields, Some(&[Shape::of(Type::Verdict)]), node.map.span)?
            }
            ExprKind::SetRef(name) => {
                let map = self.resolve_set_ref(&name.name, &fields, node.map.span)?;
                let gives = self.scope.sets.set(&name.name).and_then(|set| set.data);
                if gives != Some(ironweir_ruleset::set::SetData::Verdict) {
                    let error = Diagnostic::error(node.map.span, "this is no verdict map").code(Code::Type);
                    let what = "it is declared without verdicts: type ... : verdict";
                    return Err(self.scope.declared(error, &name.name, what));
                }
                map
            }
            _ => return Err(Diagnostic::error(node.map.span, "a verdict map is expected here")),
        };
        crate::resolve::can_be(&key, &map)?;
        let map = self.with_left_orders(map, &key);
        let (key, map) = super::transfer(key, map, span)?;
        self.flush();
        let (set, key) = self.map_reference(&key, &map)?;
        let source = self.load(&key)?;
        self.emit(Expr::Lookup(x::lookup::Lookup { set, source, result: x::lookup::Outcome::Verdict }));
        Ok(())
    }
}
