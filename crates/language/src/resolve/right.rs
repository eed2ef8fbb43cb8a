//! Constants whose type another expression gives: right sides, elements, arguments.

use super::mistyped::{self, names_of};
use super::payload::ones;
use crate::datatype::{Datum, Order, SymbolError, Type, parse_number, parse_symbol};
use crate::diag::{Code, Diagnostic, Parsed};
use crate::expr::list::List;
use crate::expr::{Expr, ExprKind};
use crate::lower::Lower;
use crate::source::Span;
use crate::typed::{BinaryOp, Kind, Shape, Typed};

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
                            "datatype mismatch, expected concatenation of {} parts, expression has {}",
                            want.len(),
                            node.0.len()
                        ),
                    )
                    .code(Code::Type)
                    .note(format!("the type is {}", names_of(want))));
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
                    "datatype mismatch, expected concatenation of {} parts, expression is one value",
                    want.len()
                ),
            )
            .code(Code::Type)
            .note(format!("the type is {}", names_of(want)))),
        }
    }

    fn resolve_constant(&mut self, expr: &Expr, want: Shape) -> Parsed<Typed> {
        let span = expr.span;
        let typed = |kind| Ok(Typed::new(kind, want).at(span));
        match &expr.kind {
            ExprKind::Symbol(symbol) => self.symbol(&symbol.text, symbol.quoted, want, span),
            ExprKind::Number(number) => self.symbol(&number.to_string(), false, want, span),
            ExprKind::Range(node) => {
                let from = self.resolve_constant(&node.from, want)?;
                let to = self.resolve_constant(&node.to, want)?;
                let (Some(first), Some(last)) = (from.value(), to.value()) else {
                    return Err(Diagnostic::error(span, "Range is undefined for this type"));
                };
                // Hours run around midnight
                if first > last && want.datatype != Type::Hour {
                    return Err(Diagnostic::error(span, "Range negative size")
                        .note("a range goes from the lower to the higher value"));
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
            )
            .code(Code::Type)),
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

    fn symbol(&mut self, text: &str, quoted: bool, want: Shape, span: Span) -> Parsed<Typed> {
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
                        SymbolError::Host
                            | SymbolError::Unresolved(_)
                            | SymbolError::ManyAddresses
                            | SymbolError::ServiceRange
                            | SymbolError::ProtocolRange
                    ) && want.datatype != Type::EtherAddr
                        && want.datatype != Type::CtLabel
                        && want.datatype != Type::Day =>
                {
                    Ok(Datum::Number(number))
                }
                _ if !quoted && self.scope.sets.set(text).is_some() => {
                    let error = mistyped::word(text, want.datatype, &error, self.scope.names, span);
                    Err(error.help(format!("did you mean the set '@{text}'?")))
                }
                _ => Err(mistyped::word(text, want.datatype, &error, self.scope.names, span)),
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
        // A zero byte ends even the longest name, so what begins with as many bytes as there is room for is none.
        if bytes.len() >= most {
            return Err(Diagnostic::error(span, format!("String exceeds maximum length of {most}")));
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
            )
            .help("several values stand in braces: { ..., ... }"));
        }
        let mut all = 0;
        for part in &list.0 {
            let part = self.resolve_constant(part, want)?;
            all |= part.value().ok_or_else(|| Diagnostic::error(part.span, "a flag is expected here"))?;
        }
        Ok(Typed::number(all, want).at(span))
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

/// Refuses constants that a computed number is never (`expr_evaluate_numgen`, `expr_evaluate_hash`).
pub(crate) fn can_be(left: &Typed, right: &Typed) -> Parsed<()> {
    let Some(most) = left.kind.most() else { return Ok(()) };
    match &right.kind {
        Kind::Value(_) => match right.value() {
            Some(value) if value > most => {
                let message = format!("Value {value} exceeds valid range 0-{most}");
                Err(Diagnostic::error(right.span, message))
            }
            _ => Ok(()),
        },
        Kind::Range(from, to) => can_be(left, from).and_then(|()| can_be(left, to)),
        Kind::Set(set) => set.elements.iter().try_for_each(|element| can_be(left, &element.key)),
        _ => Ok(()),
    }
}

/// Whether a statement takes an expression of another type than its own (`__stmt_evaluate_arg`): marks take every
/// number, and all take plain integers.
pub(crate) fn fits_argument(typed: &Typed, want: Shape) -> Parsed<()> {
    let found = typed.shape.datatype;
    let number = !found.is_string() && !found.is_bitmask() && typed.shape.bits <= want.bits;
    let fits = !typed.is_load()
        || matches!(typed.kind, Kind::Map(..))
        || found == Type::Invalid
        || found.number() == Type::Integer.number()
        || found.number() == want.datatype.number()
        || (want.datatype == Type::Mark && number);
    if fits { Ok(()) } else { Err(mismatch(want.datatype, found, typed.span)) }
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
    .code(Code::Type)
}

pub(super) fn described(shapes: &[Shape]) -> String {
    match shapes {
        [one] => one.datatype.description().into(),
        parts => {
            let names: Vec<&str> = parts.iter().map(|shape| shape.datatype.description()).collect();
            format!("concatenation of ({})", names.join(", "))
        }
    }
}
