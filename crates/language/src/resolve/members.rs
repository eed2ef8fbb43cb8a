//! Set literals, maps, and references to named ones.

use ironweir_ruleset::{ChainRef, Verdict};

use super::mistyped::names_of;
use super::right::{compatible, described, is_interval};
use crate::datatype::{Order, Type};
use crate::diag::{Code, Diagnostic, Parsed};
use crate::expr::map::Map;
use crate::expr::set::SetLiteral as AstSet;
use crate::expr::verdict::{Target, Verdict as AstVerdict};
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, natural, set_of, transfer};
use crate::source::Span;
use crate::stmt::Stmt;
use crate::typed::{Element, Kind, SetLiteral, Shape, Typed};

impl Lower<'_> {
    /// A set literal; `data` gives the shapes of what a map maps to.
    pub(crate) fn resolve_set(
        &mut self,
        set: &AstSet,
        want: &[Shape],
        data: Option<&[Shape]>,
        span: Span,
    ) -> Parsed<Typed> {
        if set.elements.is_empty() {
            return Err(Diagnostic::error(span, "Set is empty"));
        }
        let mut literal = SetLiteral::default();
        for element in &set.elements {
            let resolved = self.resolve_element(element, want, data)?;
            literal.interval |= is_interval(&resolved.key);
            literal.elements.push(resolved);
        }
        let shape = match want {
            [one] => *one,
            _ => Shape::new(Type::Invalid, want.iter().map(|shape| shape.words() * 32).sum(), Order::Big),
        };
        Ok(Typed::new(Kind::Set(literal), shape).at(span))
    }

    /// One element of a set or map.
    ///
    /// # Errors
    /// Where key or data are of another type, or one that has no meaning there.
    pub fn resolve_element(
        &mut self,
        element: &crate::expr::set::Element,
        want: &[Shape],
        data: Option<&[Shape]>,
    ) -> Parsed<Element> {
        let key = self.resolve_right(&element.key, want)?;
        if matches!(key.kind, Kind::Set(_) | Kind::SetRef(..) | Kind::Masked(..)) {
            return Err(Diagnostic::error(key.span, "a set holds no sets"));
        }
        let mut resolved = Element::new(key);
        match (&element.data, data) {
            (None, None) => {}
            (Some(given), Some(shapes)) => resolved.data = Some(self.resolve_data(given, shapes)?),
            (Some(given), None) => {
                return Err(Diagnostic::error(given.span, "this is a set, its elements map to nothing"));
            }
            (None, Some(_)) => {
                return Err(Diagnostic::error(element.span, "the element of a map needs data after ':'"));
            }
        }
        if let Some(options) = &element.options {
            resolved.comment = options.comment.clone();
            resolved.timeout = options.timeout;
            resolved.expires = options.expires;
            resolved.exprs = options.stmts.iter().map(Stmt::element_state).collect::<Parsed<_>>()?;
        }
        Ok(resolved)
    }

    fn resolve_data(&mut self, expr: &Expr, shapes: &[Shape]) -> Parsed<Typed> {
        match (&expr.kind, shapes) {
            (ExprKind::Verdict(verdict), [Shape { datatype: Type::Verdict, .. }]) => {
                let verdict = self.verdict_data(verdict, expr.span)?;
                Ok(Typed::new(Kind::Verdict(verdict), Shape::of(Type::Verdict)).at(expr.span))
            }
            (_, [Shape { datatype: Type::Verdict, .. }]) => {
                Err(Diagnostic::error(expr.span, "a verdict is expected here"))
            }
            (ExprKind::Verdict(_), _) => {
                Err(Diagnostic::error(expr.span, "a verdict stands only in a verdict map"))
            }
            (ExprKind::Symbol(symbol), [Shape { datatype: Type::Invalid, .. }]) => {
                Ok(Typed::new(Kind::Object(symbol.text.clone()), Shape::of(Type::Invalid)).at(expr.span))
            }
            _ => self.resolve_right(expr, shapes),
        }
    }

    /// A verdict as data of a map, where chains must have names.
    pub(crate) fn verdict_data(&mut self, verdict: &AstVerdict, span: Span) -> Parsed<Verdict> {
        let chain = |target: &Target| match target {
            Target::Chain { name, .. } => Ok(ChainRef::new(name.clone())),
            Target::Block(_) => Err(Diagnostic::error(span, "a map's verdict needs a chain with a name")),
        };
        Ok(match verdict {
            AstVerdict::Accept => Verdict::Accept,
            AstVerdict::Drop => Verdict::Drop,
            AstVerdict::Continue => Verdict::Continue,
            AstVerdict::Return => Verdict::Return,
            AstVerdict::Queue => Verdict::Queue { number: 0, bypass: false },
            AstVerdict::Jump(target) => Verdict::Jump(chain(target)?),
            AstVerdict::Goto(target) => Verdict::Goto(chain(target)?),
        })
    }

    pub(crate) fn resolve_set_ref(&mut self, name: &str, want: &[Shape], span: Span) -> Parsed<Typed> {
        let Some(set) = self.scope.sets.set(name) else {
            return Err(self.scope.no_set(self.table, name, span));
        };
        let shapes = set_of(set).key;
        let fits = shapes.len() == want.len()
            && shapes.iter().zip(want).all(|(a, b)| compatible(a.datatype, b.datatype));
        if !fits {
            let error = Diagnostic::error(
                span,
                format!(
                    "datatype mismatch, expected {}, expression has type {}",
                    described(want),
                    described(&shapes)
                ),
            );
            let what = format!("the keys of '{name}' are of type {}", names_of(&shapes));
            return Err(self.scope.declared(error.code(Code::Type), name, &what));
        }
        let shape = want.first().copied().unwrap_or(Shape::of(Type::Invalid));
        Ok(Typed::new(Kind::SetRef(name.into(), shapes), shape).at(span))
    }

    /// A map expression with a type by itself: only where the map is a named one.
    pub(crate) fn resolve_map(&mut self, node: &Map, span: Span) -> Parsed<Typed> {
        self.resolve_map_to(node, None, span)
    }

    /// A map expression that gives what a statement wants.
    pub(crate) fn resolve_map_to(&mut self, node: &Map, want: Option<&[Shape]>, span: Span) -> Parsed<Typed> {
        let key = self.resolve_left(&node.key)?;
        super::left::has_family(&key)?;
        let fields = natural(&key);
        match &node.map.kind {
            ExprKind::SetRef(reference) => {
                let map = self.resolve_set_ref(&reference.name, &fields, node.map.span)?;
                let info = self.scope.sets.set(&reference.name).map(set_of);
                let data = info.and_then(|info| info.data).ok_or_else(|| {
                    let error = Diagnostic::error(node.map.span, "this is a set, not a map").code(Code::Type);
                    let what = format!(
                        "a map is declared with 'map' and maps to something: {} : ...",
                        names_of(&fields)
                    );
                    self.scope.declared(error, &reference.name, &what)
                })?;
                let shape = match &*data {
                    [one] => *one,
                    parts => {
                        Shape::new(Type::Invalid, parts.iter().map(|s| s.words() * 32).sum(), Order::Big)
                    }
                };
                if let Some(want) = want
                    && !(data.len() == want.len()
                        && data.iter().zip(want).all(|(a, b)| compatible(a.datatype, b.datatype)))
                {
                    let error = Diagnostic::error(
                        node.map.span,
                        format!(
                            "datatype mismatch, expected {}, expression has type {}",
                            described(want),
                            described(&data)
                        ),
                    );
                    let what = format!(
                        "'{}' maps to {}, not to {}",
                        reference.name,
                        names_of(&data),
                        names_of(want)
                    );
                    return Err(self.scope.declared(error.code(Code::Type), &reference.name, &what));
                }
                Ok(Typed::new(Kind::Map(key.into(), map.into()), shape).at(span))
            }
            ExprKind::Set(set) => {
                let Some(want) = want else {
                    return Err(Diagnostic::error(span, "a map without a name has no type here"));
                };
                let map = self.resolve_set(set, &fields, Some(want), node.map.span)?;
                super::right::can_be(&key, &map)?;
                let map = self.with_left_orders(map, &key);
                let (key, map) = transfer(key, map, span)?;
                let shape = match want {
                    [one] => *one,
                    parts => {
                        Shape::new(Type::Invalid, parts.iter().map(|s| s.words() * 32).sum(), Order::Big)
                    }
                };
                Ok(Typed::new(Kind::Map(key.into(), map.into()), shape).at(span))
            }
            _ => Err(Diagnostic::error(node.map.span, "a map is expected here")),
        }
    }
}
