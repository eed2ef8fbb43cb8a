//! Matches: conversions both sides need, what can be merged, and the comparison itself.

use ironweir_expr as x;
use ironweir_expr::payload::Base;
use ironweir_expr::{Expr, Family, Value};

use super::Lower;
use super::constant::constant_bytes;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::ExprKind;
use crate::source::Span;
use crate::stmt::relational::{RelOp, Relational};
use crate::typed::{BinaryOp, Kind, Payload, SetLiteral, Shape, Typed};

/// A match whose sides are resolved.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) left: Typed,
    pub(crate) op: RelOp,
    pub(crate) right: Typed,
}

impl Lower<'_> {
    /// Lowers a comparison.
    ///
    /// # Errors
    /// Where the sides do not fit each other or earlier matches.
    pub fn relational(&mut self, node: &Relational, span: Span) -> Parsed<()> {
        let mut op = node.op;
        let mut left = self.resolve_left(&node.left)?;
        let mut right = match &node.right.kind {
            ExprKind::Masked(masked) => {
                if !left.shape.datatype.is_bitmask() {
                    return Err(Diagnostic::error(
                        span,
                        format!("Basetype of type {} is not bitmask", left.shape.datatype.description()),
                    ));
                }
                let mask = self.resolve_right(&masked.mask, &[left.shape])?;
                let right = self.resolve_right(&masked.value, &[left.shape])?;
                let shape = left.shape;
                left = Typed::new(Kind::Binary(BinaryOp::And, left.into(), mask.into()), shape).at(span);
                if op == RelOp::Implicit {
                    op = RelOp::Eq;
                }
                right
            }
            _ => {
                self.ask_presence(&mut left, &node.right);
                self.resolve_right(&node.right, &natural(&left))?
            }
        };
        if matches!(right.kind, Kind::Masked(..)) {
            return Err(Diagnostic::error(right.span, "a mask stands only beside a single value"));
        }
        if let Kind::Set(set) = &right.kind
            && let [only] = &set.elements[..]
            && only.timeout.is_none()
            && only.expires.is_none()
            && only.comment.is_none()
            && matches!(only.key.kind, Kind::Value(_) | Kind::Prefix(..) | Kind::Range(..))
        {
            right = only.key.clone();
            if op == RelOp::Implicit && right.shape.datatype.is_bitmask() && right.value().is_some() {
                op = RelOp::Eq;
            }
        }
        self.check(&left, op, &right, span)?;
        if matches!(op, RelOp::Eq | RelOp::Implicit) {
            self.protocols.learn(&left, &right);
        }
        let (left, right) = self.convert(left, op, right)?;
        let (left, right) = transfer(left, right, span)?;
        self.pending.push(Match { left, op, right });
        Ok(())
    }

    /// `fib saddr oif exists` asks, as `fib saddr check exists` does, whether there is a route.
    fn ask_presence(&self, left: &mut Typed, right: &crate::expr::Expr) {
        let ExprKind::Symbol(symbol) = &right.kind else { return };
        if let Kind::Fib(x::fib::Outcome::Oif | x::fib::Outcome::Oifname, flags) = &mut left.kind
            && !symbol.quoted
            && matches!(&*symbol.text, "exists" | "missing")
        {
            *flags |= x::fib::Flags::PRESENT;
            left.shape = Shape::of(Type::Boolean);
        }
    }

    fn check(&self, left: &Typed, op: RelOp, right: &Typed, span: Span) -> Parsed<()> {
        let single = matches!(right.kind, Kind::Value(_));
        match op {
            RelOp::Not => {
                if matches!(left.kind, Kind::Binary(..)) {
                    return Err(Diagnostic::error(span, "cannot combine negation with binary expression"));
                }
                if !single || !right.shape.datatype.is_bitmask() {
                    return Err(Diagnostic::error(
                        span,
                        "negation can only be used with singleton bitmask values.  Did you mean \"!=\"?",
                    ));
                }
            }
            RelOp::Lt | RelOp::Gt | RelOp::Le | RelOp::Ge => {
                if matches!(left.kind, Kind::Concat(_)) {
                    return Err(Diagnostic::error(
                        span,
                        format!(
                            "Relational expression ({}) is undefined for concatenations",
                            op.sign().trim()
                        ),
                    ));
                }
                if !single {
                    return Err(Diagnostic::error(
                        right.span,
                        format!(
                            "Relational expression ({}) is undefined for this right side",
                            op.sign().trim()
                        ),
                    ));
                }
            }
            _ => {}
        }
        if matches!(right.kind, Kind::Wildcard) {
            return Err(Diagnostic::error(right.span, "`*' stands only in sets and maps"));
        }
        Ok(())
    }

    /// Brings both sides to one byte order: the network's where order matters.
    fn convert(&mut self, left: Typed, op: RelOp, right: Typed) -> Parsed<(Typed, Typed)> {
        let ordered = matches!(op, RelOp::Lt | RelOp::Gt | RelOp::Le | RelOp::Ge)
            || match &right.kind {
                Kind::Range(..) => true,
                Kind::Set(set) => set.interval,
                Kind::SetRef(name, _) => self.is_interval_set(name),
                _ => false,
            };
        if ordered {
            let left = self.in_order_deep(left, Order::Big);
            let right = self.in_order_deep(right, Order::Big);
            return Ok((left, right));
        }
        let order = left.shape.order;
        let right = match &right.kind {
            Kind::Concat(_) | Kind::SetRef(..) | Kind::Set(_) => self.match_orders(right, &left),
            _ => self.in_order_deep(right, order),
        };
        Ok((left, right))
    }

    /// Gives the keys of a literal the byte orders of the expression that is looked up.
    pub(crate) fn with_left_orders(&mut self, map: Typed, key: &Typed) -> Typed {
        if !matches!(map.kind, Kind::Set(_)) {
            return map;
        }
        self.match_orders(map, key)
    }

    /// Gives constants the byte orders of the expression they are compared with.
    fn match_orders(&mut self, right: Typed, left: &Typed) -> Typed {
        let orders: Vec<Order> = natural(left).iter().map(|shape| shape.order).collect();
        self.with_orders(right, &orders)
    }

    fn with_orders(&mut self, typed: Typed, orders: &[Order]) -> Typed {
        let Typed { kind, shape, span } = typed;
        let kind = match kind {
            Kind::Set(mut set) => {
                for element in &mut set.elements {
                    element.key = self.with_orders(element.key.clone(), orders);
                }
                Kind::Set(set)
            }
            Kind::Concat(parts) => Kind::Concat(
                parts.into_iter().zip(orders).map(|(part, order)| self.in_order_deep(part, *order)).collect(),
            ),
            kind => {
                let typed = Typed { kind, shape, span };
                return match orders {
                    [one] => self.in_order_deep(typed, *one),
                    _ => typed,
                };
            }
        };
        Typed { kind, shape, span }
    }

    /// Converts the parts of concatenations and the elements of sets too.
    pub(crate) fn in_order_deep(&mut self, typed: Typed, order: Order) -> Typed {
        let Typed { kind, shape, span } = typed;
        match kind {
            Kind::Concat(parts) => {
                let parts = parts.into_iter().map(|part| self.in_order_deep(part, order)).collect();
                Typed { kind: Kind::Concat(parts), shape, span }
            }
            Kind::Set(mut set) => {
                for element in &mut set.elements {
                    element.key = self.in_order_deep(element.key.clone(), order);
                }
                let shape = if shape.datatype.is_string() { shape } else { Shape { order, ..shape } };
                Typed { kind: Kind::Set(set), shape, span }
            }
            kind @ Kind::SetRef(..) => Typed { kind, shape, span },
            kind => self.in_order(Typed { kind, shape, span }, order),
        }
    }

    fn is_interval_set(&self, name: &str) -> bool {
        self.scope.sets.set(name).is_some_and(|set| set.flags.contains(ironweir_ruleset::SetFlags::INTERVAL))
    }

    /// Adds an equality.
    pub(crate) fn match_equal(&mut self, left: Typed, right: Typed) {
        self.pending.push(Match { left, op: RelOp::Eq, right });
    }

    /// Adds a lookup in a literal set.
    pub(crate) fn lookup_literal(
        &mut self,
        left: Typed,
        set: SetLiteral,
        negated: bool,
        span: Span,
    ) -> Parsed<()> {
        let shape = left.shape;
        let op = if negated { RelOp::Ne } else { RelOp::Implicit };
        self.pending.push(Match { left, op, right: Typed::new(Kind::Set(set), shape).at(span) });
        Ok(())
    }

    /// Emits the matches collected so far: a statement that is no match follows.
    pub fn flush(&mut self) {
        self.emit_matches(false);
    }

    /// The same at the end of the rule.
    pub(crate) fn finish(&mut self) {
        self.emit_matches(true);
    }

    fn emit_matches(&mut self, last: bool) {
        let matches = std::mem::take(&mut self.pending);
        if matches.is_empty() {
            return;
        }
        let words = std::mem::replace(&mut self.words, 0);
        for one in reduce(matches, self.scope.family, last) {
            self.words = 0;
            if let Err(error) = self.emit_match(one) {
                self.failure.get_or_insert(error);
            }
        }
        self.words = words;
    }

    fn emit_match(&mut self, one: Match) -> Parsed<()> {
        let Match { mut left, op, right } = one;
        let negated = op == RelOp::Ne;
        match &right.kind {
            Kind::Set(_) | Kind::SetRef(..) => {
                let (set, left) = self.map_reference(&left, &right)?;
                let source = self.load(&left)?;
                let result = x::lookup::Outcome::Test { invert: negated };
                self.emit(Expr::Lookup(x::lookup::Lookup { set, source, result }));
                Ok(())
            }
            Kind::Range(from, to) => {
                let (Some(from), Some(to)) = (constant_bytes(from), constant_bytes(to)) else {
                    return Err(Diagnostic::error(right.span, "a range of constants is expected"));
                };
                // An hour range around midnight is what lies not between its ends
                let (from, to, negated) = if right.shape.datatype == Type::Hour && from > to {
                    (to, from, !negated)
                } else {
                    (from, to, negated)
                };
                let source = self.load(&left)?;
                self.emit(Expr::Range(x::range::Range { source, negated, from, to }));
                Ok(())
            }
            Kind::Prefix(base, len) => {
                let bytes = constant_bytes(base)
                    .ok_or_else(|| Diagnostic::error(right.span, "a prefix of constants is expected"))?;
                let whole = *len > 0
                    && len % 8 == 0
                    && (right.shape.datatype.is_string() || right.shape.order != Order::Host);
                let op = comparison(op);
                if whole {
                    left.shape.bits = *len;
                    let source = self.load(&left)?;
                    let data = Value::new(bytes.get(..(*len / 8) as usize).unwrap_or(&bytes));
                    self.emit(Expr::Cmp(x::cmp::Cmp { source, op, data }));
                    return Ok(());
                }
                let source = self.load(&left)?;
                let shape = base.shape;
                let ones = crate::resolve::ones(shape.bits);
                let mask = ones ^ crate::resolve::ones(shape.bits.saturating_sub(*len));
                self.emit_mask(source, mask, shape);
                self.emit(Expr::Cmp(x::cmp::Cmp { source, op, data: bytes }));
                Ok(())
            }
            _ => {
                let data = constant_bytes(&right)
                    .ok_or_else(|| Diagnostic::error(right.span, "a constant is expected here"))?;
                let flags = op == RelOp::Not
                    || (op == RelOp::Implicit
                        && right.shape.datatype.is_bitmask()
                        && right.shape.datatype != Type::Bitmask);
                let source = self.load(&left)?;
                if flags {
                    self.emit_mask(source, right.value().unwrap_or(0), right.shape);
                    let op = if op == RelOp::Not { x::cmp::Op::Eq } else { x::cmp::Op::Neq };
                    self.emit(Expr::Cmp(x::cmp::Cmp { source, op, data: Value::zeroed(data.len()) }));
                } else {
                    self.emit(Expr::Cmp(x::cmp::Cmp { source, op: comparison(op), data }));
                }
                Ok(())
            }
        }
    }

    fn emit_mask(&mut self, register: x::Register, mask: u128, shape: Shape) {
        let mask = constant_bytes(&Typed::number(mask, shape)).unwrap_or_else(|| Value::new(&[]));
        let xor = Value::zeroed(mask.len());
        self.emit(Expr::Bitwise(x::bitwise::Bitwise {
            source: register,
            destination: register,
            len: mask.len() as u32,
            op: x::bitwise::Op::MaskXor { mask, xor },
        }));
    }
}

fn comparison(op: RelOp) -> x::cmp::Op {
    match op {
        RelOp::Implicit | RelOp::Eq | RelOp::Not => x::cmp::Op::Eq,
        RelOp::Ne => x::cmp::Op::Neq,
        RelOp::Lt => x::cmp::Op::Lt,
        RelOp::Gt => x::cmp::Op::Gt,
        RelOp::Le => x::cmp::Op::Lte,
        RelOp::Ge => x::cmp::Op::Gte,
    }
}

/// Shapes by which the right side of an expression is read: of bits that were masked and shifted, the field's own.
pub(crate) fn natural(left: &Typed) -> Vec<Shape> {
    match &left.kind {
        Kind::Concat(parts) => parts.iter().flat_map(natural).collect(),
        _ => vec![Shape { bits: left.bits_of_value(), ..left.shape }],
    }
}

impl Typed {
    /// How many bits its value has once masks and shifts of a field are applied.
    fn bits_of_value(&self) -> u32 {
        match &self.kind {
            Kind::Binary(BinaryOp::Rshift, left, by) => {
                let by = by.value().and_then(|by| u32::try_from(by).ok()).unwrap_or(0);
                left.bits_of_value().saturating_sub(by)
            }
            Kind::Binary(BinaryOp::And, left, mask) if left.span == self.span && mask.span == Span::NONE => {
                // The mask of a field, not one that was written
                mask.value().map_or(self.shape.bits, |mask| 128 - mask.leading_zeros())
            }
            Kind::Swap(operand) => operand.bits_of_value(),
            _ => self.shape.bits,
        }
    }
}

/// Moves reversible operations with constants to the right side (`binop_transfer`).
pub(crate) fn transfer(mut left: Typed, mut right: Typed, span: Span) -> Parsed<(Typed, Typed)> {
    if matches!(right.kind, Kind::SetRef(..) | Kind::Prefix(..)) {
        return Ok((left, right));
    }
    loop {
        let Kind::Binary(op, inner, constant) = &left.kind else { break };
        let (Some(constant), false) = (constant.value(), matches!(op, BinaryOp::And | BinaryOp::Or)) else {
            break;
        };
        let op = *op;
        let mut inner = (**inner).clone();
        if let (Kind::Swap(operand), BinaryOp::Rshift | BinaryOp::Lshift) = (&inner.kind, op) {
            inner = (**operand).clone();
        }
        right = shifted(right, op, constant, inner.shape, span)?;
        left = inner;
    }
    // A field's value is as wide as what is loaded of it
    if !matches!(left.kind, Kind::Concat(_)) {
        widen(&mut right, left.shape);
    }
    Ok((left, right))
}

fn widen(right: &mut Typed, shape: Shape) {
    if right.shape.bits != shape.bits && !matches!(right.kind, Kind::SetRef(..)) && shape.bits > 0 {
        right.shape.bits = shape.bits;
    }
    match &mut right.kind {
        Kind::Range(from, to) => {
            widen(from, shape);
            widen(to, shape);
        }
        Kind::Prefix(base, _) => widen(base, shape),
        Kind::Set(set) => set.elements.iter_mut().for_each(|element| widen(&mut element.key, shape)),
        _ => {}
    }
}

fn shifted(right: Typed, op: BinaryOp, by: u128, shape: Shape, span: Span) -> Parsed<Typed> {
    let Typed { kind, shape: own, span: at } = right;
    let shape = Shape { datatype: own.datatype, hex: own.hex, ..shape };
    let never = || Diagnostic::error(span, "Comparison is always false");
    let kind = match kind {
        Kind::Value(datum) => {
            let Some(value) = datum.number() else { return Err(never()) };
            let value = match op {
                BinaryOp::Xor => value ^ by,
                BinaryOp::Rshift => {
                    let moved = value.checked_shl(by as u32).unwrap_or(0);
                    if moved > crate::resolve::ones(shape.bits) {
                        return Err(never());
                    }
                    moved
                }
                _ => {
                    if value & crate::resolve::ones(by as u32) != 0 {
                        return Err(never());
                    }
                    value >> by
                }
            };
            return Ok(Typed::number(value, shape).at(at));
        }
        Kind::Range(from, to) => {
            let from = shifted(*from, op, by, shape, span)?;
            let to = shifted(*to, op, by, shape, span)?;
            Kind::Range(from.into(), to.into())
        }
        Kind::Prefix(base, len) => Kind::Prefix(shifted(*base, op, by, shape, span)?.into(), len),
        Kind::Set(mut set) => {
            for element in &mut set.elements {
                element.key = shifted(element.key.clone(), op, by, shape, span)?;
            }
            Kind::Set(set)
        }
        other => other,
    };
    Ok(Typed { kind, shape, span: at })
}

/// Leaves out matches the family makes true, and merges equalities of neighbouring bytes (`stmt_reduce`).
fn reduce(matches: Vec<Match>, family: Family, last: bool) -> Vec<Match> {
    let count = matches.len();
    let mut matches: Vec<Option<Match>> = matches.into_iter().map(Some).collect();
    let mut payloads: Vec<(Base, u32, usize)> = Vec::new();
    for (at, slot) in matches.iter_mut().enumerate() {
        let Some(one) = slot else { continue };
        if !matches!(one.op, RelOp::Eq | RelOp::Implicit) {
            continue;
        }
        let Some(value) = one.right.value() else { continue };
        match &one.left.kind {
            Kind::Meta(x::meta::Key::Protocol, None)
                if ((family, value) == (Family::Ip, 0x0800) || (family, value) == (Family::Ip6, 0x86dd))
                    && !(last && at + 1 == count) =>
            {
                *slot = None;
            }
            Kind::Payload(payload) if payload.inner.is_none() && !is_flags(one) => {
                payloads.push((payload.base, payload.offset, at));
            }
            _ => {}
        }
    }
    payloads.sort_by_key(|(base, offset, _)| (*base, *offset));
    let mut last: Option<usize> = None;
    for (_, _, at) in payloads {
        let Some(before) = last.replace(at) else { continue };
        let (Some(first), Some(second)) = (&matches[before], &matches[at]) else { continue };
        if !can_merge(first, second) {
            continue;
        }
        let protocol = is_protocol(second);
        let merged = merge(first, second);
        if protocol {
            // What tells the protocol must stay where it stands, before what depends on it
            matches[at] = None;
            matches[before] = Some(merged);
            last = Some(before);
            if at < before {
                matches.swap(at, before);
                last = Some(at);
            }
        } else {
            matches[before] = None;
            matches[at] = Some(merged);
        }
    }
    matches.into_iter().flatten().collect()
}

fn is_flags(one: &Match) -> bool {
    one.op == RelOp::Implicit
        && one.right.shape.datatype.is_bitmask()
        && one.right.shape.datatype != Type::Bitmask
}

fn is_protocol(one: &Match) -> bool {
    match &one.left.kind {
        Kind::Payload(Payload { field: Some((proto, field)), .. }) => proto.header().key == Some(field),
        _ => false,
    }
}

fn can_merge(first: &Match, second: &Match) -> bool {
    let (Kind::Payload(a), Kind::Payload(b)) = (&first.left.kind, &second.left.kind) else { return false };
    let (a_bits, b_bits) = (first.left.shape.bits, second.left.shape.bits);
    if a.base != b.base
        || a.offset + a_bits != b.offset
        || (a.offset | a_bits | b.offset | b_bits) % 8 != 0
        || a_bits + b_bits > 128
    {
        return false;
    }
    // The kernel is faster with loads of up to 4 bytes of these headers
    !matches!(a.base, Base::Network | Base::Transport) || a_bits + b_bits <= 32 || a_bits > 32 || b_bits > 32
}

fn merge(first: &Match, second: &Match) -> Match {
    let bits = first.left.shape.bits + second.left.shape.bits;
    let shape = Shape::new(Type::Integer, bits, Order::Big);
    let (high, low) = (first.right.value().unwrap_or(0), second.right.value().unwrap_or(0));
    let kind = match &first.left.kind {
        Kind::Payload(payload) => Kind::Payload(Payload { field: None, ..*payload }),
        other => other.clone(),
    };
    Match {
        left: Typed::new(kind, shape).at(first.left.span),
        op: RelOp::Eq,
        right: Typed::number((high << second.left.shape.bits) | low, shape).at(first.right.span),
    }
}
