//! Constants whose type another expression gives: right sides, elements, arguments.

use super::payload::ones;
use crate::datatype::{Datum, Order, SymbolError, Type, parse_number, parse_symbol};
use crate::diag::{Diagnostic, Parsed, short};
use crate::expr::list::List;
use crate::expr::map::Map;
use crate::expr::set::SetLiteral as AstSet;
use crate::expr::symbol::Symbol;
use crate::expr::verdict::{Target, Verdict as AstVerdict};
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, natural, set_of, transfer};
use crate::source::Span;
use crate::stmt::Stmt;
use crate::typed::{BinaryOp, Element, Kind, SetLiteral, Shape, Typed};
use ironweir_ruleset::{ChainRef, Verdict};

impl Lower<'_> {
    /// A statement's argument: a constant of the wanted type, or an expression of that type.
    pub(crate) fn resolve_argument(&mut self, expr: &Expr, want: Shape) -> Parsed<Typed> {
        match &expr.kind {
            ExprKind::Binary(node) if has_load(&node.left) => {
                let left = self.resolve_argument(&node.left, want)?;
                let left = if left.is_load() { self.in_order(left, want.order) } else { left };
                self.operation(node.op, left, &node.right, want.bits, expr.span)
            }
            ExprKind::Map(node) => {
                let typed = self.resolve_map_to(node, Some(&[want]), expr.span)?;
                Ok(typed)
            }
            _ if has_load(expr) => {
                let typed = self.resolve_left(expr)?;
                Ok(if typed.shape.datatype == Type::Invalid {
                    typed
                } else {
                    self.in_order(typed, want.order)
                })
            }
            _ => self.resolve_right(expr, &[want]),
        }
    }

    /// A constant of the given shapes; more than one for a concatenation.
    pub(crate) fn resolve_right(&mut self, expr: &Expr, want: &[Shape]) -> Parsed<Typed> {
        let span = expr.span;
        if let [one] = want {
            return self.resolve_constant(expr, *one);
        }
        match &expr.kind {
            ExprKind::Concat(node) => {
                if node.0.len() != want.len() {
                    return Err(Diagnostic::error(
                        span,
                        format!(
                            "Concatenation of {} parts where one of {} is expected",
                            node.0.len(),
                            want.len()
                        ),
                    ));
                }
                let mut parts = Vec::new();
                for (part, shape) in node.0.iter().zip(want) {
                    parts.push(self.resolve_constant(part, *shape)?);
                }
                let bits = want.iter().map(|shape| shape.words() * 32).sum();
                Ok(Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::Big)).at(span))
            }
            ExprKind::Set(set) => self.resolve_set(set, want, None, span),
            ExprKind::SetRef(set) => self.resolve_set_ref(&set.name, want, span),
            ExprKind::Wildcard => Ok(Typed::new(Kind::Wildcard, Shape::of(Type::Invalid)).at(span)),
            _ => Err(Diagnostic::error(
                span,
                format!(
                    "datatype mismatch, expected concatenation of ({}), expression is no concatenation",
                    names_of(want)
                ),
            )),
        }
    }

    fn resolve_constant(&mut self, expr: &Expr, want: Shape) -> Parsed<Typed> {
        let span = expr.span;
        let typed = |kind| Ok(Typed::new(kind, want).at(span));
        match &expr.kind {
            ExprKind::Symbol(symbol) => self.symbol(symbol, want, span),
            ExprKind::Number(number) => {
                self.symbol(&Symbol { text: number.to_string().into(), quoted: false }, want, span)
            }
            ExprKind::Range(node) => {
                let from = self.resolve_constant(&node.from, want)?;
                let to = self.resolve_constant(&node.to, want)?;
                let (Some(first), Some(last)) = (from.value(), to.value()) else {
                    return Err(Diagnostic::error(span, "Range is undefined for this type"));
                };
                // Hours run around midnight
                if first > last && want.datatype != Type::Hour {
                    return Err(Diagnostic::error(span, "Range negative size"));
                }
                typed(Kind::Range(from.into(), to.into()))
            }
            ExprKind::Prefix(node) => {
                let base = self.resolve_constant(&node.base, want)?;
                if want.datatype.is_string() || want.datatype.is_bitmask() && want.datatype != Type::Bitmask {
                    return Err(Diagnostic::error(
                        span,
                        format!("Prefix expression is undefined for {} types", want.datatype.description()),
                    ));
                }
                if node.len > want.bits {
                    return Err(Diagnostic::error(
                        span,
                        format!("Prefix length {} is invalid for type of {} bits width", node.len, want.bits),
                    ));
                }
                let Some(value) = base.value() else {
                    return Err(Diagnostic::error(span, "Prefix of something that is no number"));
                };
                let mask = ones(want.bits) ^ ones(want.bits - node.len);
                typed(Kind::Prefix(Typed::number(value & mask, want).at(base.span).into(), node.len))
            }
            ExprKind::Binary(node) => {
                if matches!(node.op, BinaryOp::Lshift | BinaryOp::Rshift) {
                    let left = self.resolve_constant(&node.left, want)?;
                    let by =
                        self.resolve_constant(&node.right, Shape::new(Type::Integer, 32, Order::Host))?;
                    let (Some(value), Some(by)) = (left.value(), by.value()) else {
                        return Err(Diagnostic::error(span, "shift of something that is no number"));
                    };
                    if by >= u128::from(want.bits) {
                        return Err(Diagnostic::error(
                            span,
                            format!("shift of {by} bits is undefined for type of {} bits width", want.bits),
                        ));
                    }
                    let value = match node.op {
                        BinaryOp::Lshift => (value << by) & ones(want.bits),
                        _ => value >> by,
                    };
                    return Ok(Typed::number(value, want).at(span));
                }
                let left = self.resolve_constant(&node.left, want)?;
                let right = self.resolve_constant(&node.right, want)?;
                let (Some(a), Some(b)) = (left.value(), right.value()) else {
                    return Err(Diagnostic::error(
                        span,
                        format!(
                            "Binary operation ({}) is undefined for {} types",
                            node.op.sign(),
                            want.datatype.description()
                        ),
                    ));
                };
                let value = match node.op {
                    BinaryOp::And => a & b,
                    BinaryOp::Or => a | b,
                    _ => a ^ b,
                };
                Ok(Typed::number(value, want).at(span))
            }
            ExprKind::List(list) => self.flags(list, want, span),
            ExprKind::Set(set) => self.resolve_set(set, &[want], None, span),
            ExprKind::SetRef(set) => self.resolve_set_ref(&set.name, &[want], span),
            ExprKind::Wildcard => typed(Kind::Wildcard),
            ExprKind::Masked(node) => {
                let value = self.resolve_constant(&node.value, want)?;
                let mask = self.resolve_constant(&node.mask, want)?;
                typed(Kind::Masked(value.into(), mask.into()))
            }
            ExprKind::Concat(_) => Err(Diagnostic::error(
                span,
                format!(
                    "datatype mismatch, expected {}, expression is a concatenation",
                    want.datatype.description()
                ),
            )),
            _ if has_load(expr) => {
                let found = self.resolve_left(expr)?;
                if compatible(found.shape.datatype, want.datatype) {
                    return Err(Diagnostic::error(
                        span,
                        "Right hand side of relational expression must be constant",
                    ));
                }
                Err(mismatch(want.datatype, found.shape.datatype, span))
            }
            _ => Err(Diagnostic::error(span, "a constant is expected here")),
        }
    }

    fn symbol(&mut self, symbol: &Symbol, want: Shape, span: Span) -> Parsed<Typed> {
        let text = &*symbol.text;
        let typed = |kind| Ok(Typed::new(kind, want).at(span));
        if want.datatype.is_string() {
            return self.text(text, want, span);
        }
        let datum = parse_symbol(want.datatype, text, self.scope.names).or_else(|error| {
            // What a type has no word for may be a word of its base: `0x10` for flags
            match parse_number(text) {
                Some(number)
                    if !matches!(
                        error,
                        SymbolError::Host | SymbolError::ServiceRange | SymbolError::ProtocolRange
                    ) && want.datatype != Type::EtherAddr
                        && want.datatype != Type::CtLabel
                        && want.datatype != Type::Day =>
                {
                    Ok(Datum::Number(number))
                }
                _ => Err(Diagnostic::error(span, error.to_string())),
            }
        })?;
        if let Datum::Number(number) = &datum {
            let most = ones(want.bits);
            if *number > most {
                return Err(Diagnostic::error(span, format!("Value {number} exceeds valid range 0-{most}")));
            }
        }
        typed(Kind::Value(datum))
    }

    fn text(&mut self, text: &str, want: Shape, span: Span) -> Parsed<Typed> {
        let most = want.bytes();
        let mut bytes = text.as_bytes().to_vec();
        if bytes.is_empty() {
            return Err(Diagnostic::error(span, "Empty string is not allowed"));
        }
        let wildcard = bytes.last() == Some(&b'*') && !bytes.ends_with(b"\\*");
        if wildcard {
            bytes.pop();
            if bytes.is_empty() {
                return Err(Diagnostic::error(span, "All-wildcard strings are not supported"));
            }
        } else if bytes.ends_with(b"\\*") {
            bytes.truncate(bytes.len() - 2);
            bytes.push(b'*');
        }
        if bytes.len() + usize::from(!wildcard) > most {
            return Err(Diagnostic::error(
                span,
                format!("String exceeds maximum length of {}", most.saturating_sub(1)),
            ));
        }
        let bits = u32::try_from(bytes.len() * 8).unwrap_or(0);
        let value = Typed::new(Kind::Value(Datum::Text(bytes)), want).at(span);
        if wildcard {
            return Ok(Typed::new(Kind::Prefix(value.into(), bits), want).at(span));
        }
        Ok(value)
    }

    fn flags(&mut self, list: &List, want: Shape, span: Span) -> Parsed<Typed> {
        if !want.datatype.is_bitmask() {
            return Err(Diagnostic::error(
                span,
                format!("Basetype of type {} is not bitmask", want.datatype.description()),
            ));
        }
        let mut all = 0;
        for part in &list.0 {
            let part = self.resolve_constant(part, want)?;
            all |= part.value().ok_or_else(|| Diagnostic::error(part.span, "a flag is expected here"))?;
        }
        Ok(Typed::number(all, want).at(span))
    }

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
                return Err(Diagnostic::error(element.span, "the element of a map needs data after `:'"));
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
            return Err(Diagnostic::error(
                span,
                format!("No such file or directory; did you declare set `{}'?", short(name)),
            ));
        };
        let shapes = set_of(set).key;
        let fits = shapes.len() == want.len()
            && shapes.iter().zip(want).all(|(a, b)| compatible(a.datatype, b.datatype));
        if !fits {
            return Err(Diagnostic::error(
                span,
                format!(
                    "datatype mismatch, expected {}, expression has type {}",
                    described(want),
                    described(&shapes)
                ),
            ));
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
                    Diagnostic::error(node.map.span, "this is a set, not a map")
                        .help("a map has a type `key : data'")
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
                    return Err(Diagnostic::error(
                        span,
                        format!(
                            "datatype mismatch, expected {}, expression has type {}",
                            described(want),
                            described(&data)
                        ),
                    ));
                }
                Ok(Typed::new(Kind::Map(key.into(), map.into()), shape).at(span))
            }
            ExprKind::Set(set) => {
                let Some(want) = want else {
                    return Err(Diagnostic::error(span, "a map without a name has no type here"));
                };
                let map = self.resolve_set(set, &fields, Some(want), node.map.span)?;
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

/// Whether a key covers several values.
pub(crate) fn is_interval(key: &Typed) -> bool {
    match &key.kind {
        Kind::Prefix(..) | Kind::Range(..) => true,
        Kind::Concat(parts) => parts.iter().any(is_interval),
        _ => false,
    }
}

/// Whether an expression has a type by itself.
pub(crate) fn has_load(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Binary(node) => has_load(&node.left) || has_load(&node.right),
        ExprKind::Concat(node) => node.0.iter().any(has_load),
        ExprKind::Symbol(_)
        | ExprKind::Number(_)
        | ExprKind::Wildcard
        | ExprKind::Prefix(_)
        | ExprKind::Range(_)
        | ExprKind::List(_)
        | ExprKind::Masked(_)
        | ExprKind::Set(_)
        | ExprKind::SetRef(_)
        | ExprKind::Verdict(_) => false,
        _ => true,
    }
}

/// Whether values of one type may stand where the other is expected (`datatype_compatible`).
pub(crate) fn compatible(a: Type, b: Type) -> bool {
    a == b || a.is_a(b) || b.is_a(a)
}

fn mismatch(expected: Type, found: Type, span: Span) -> Box<Diagnostic> {
    Diagnostic::error(
        span,
        format!(
            "datatype mismatch, expected {}, expression has type {}",
            expected.description(),
            found.description()
        ),
    )
}

fn names_of(shapes: &[Shape]) -> String {
    shapes.iter().map(|shape| shape.datatype.name()).collect::<Vec<_>>().join(" . ")
}

fn described(shapes: &[Shape]) -> String {
    match shapes {
        [one] => one.datatype.description().into(),
        parts => {
            let names: Vec<&str> = parts.iter().map(|shape| shape.datatype.description()).collect();
            format!("concatenation of ({})", names.join(", "))
        }
    }
}
