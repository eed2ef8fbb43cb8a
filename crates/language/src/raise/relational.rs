//! Comparisons, ranges and lookups.

use ironweir_expr::{Register, cmp, lookup, range};

use super::load::number;
use super::mask::ones;
use super::value::typed_constant;
use super::{Raise, field};
use crate::datatype::{Datum, Type};
use crate::expr::{self, Expr, ExprKind, prefix};
use crate::lower::set_of;
use crate::proto::Proto;
use crate::stmt::relational::{RelOp, Relational};
use crate::stmt::vmap::Vmap;
use crate::stmt::{Stmt, StmtKind};
use crate::typed::{BinaryOp, Kind, Payload, SetLiteral, Shape, Typed};

/// How many bytes a shorter load is of the field it begins.
fn is_prefix_type(datatype: Type) -> bool {
    matches!(datatype, Type::Ipv4Addr | Type::Ipv6Addr)
}

impl Raise<'_> {
    pub(super) fn cmp(&mut self, cmp: &cmp::Cmp) {
        let left = self.registers.take(cmp.source, (cmp.data.len() as u32).div_ceil(4));
        let op = match cmp.op {
            cmp::Op::Eq => RelOp::Implicit,
            cmp::Op::Neq => RelOp::Ne,
            cmp::Op::Lt => RelOp::Lt,
            cmp::Op::Lte => RelOp::Le,
            cmp::Op::Gt => RelOp::Gt,
            cmp::Op::Gte => RelOp::Ge,
        };
        match &left.kind {
            Kind::Payload(payload) if matches!(op, RelOp::Implicit | RelOp::Ne) => {
                self.payload_equality(*payload, left, op, &cmp.data);
            }
            Kind::Binary(BinaryOp::And, load, mask) if number(mask).is_some() => {
                let (load, mask) = ((**load).clone(), (**mask).clone());
                self.masked_equality(left, load, mask, op, &cmp.data);
            }
            _ => {
                let part = self.begun_field(&left).filter(|_| matches!(op, RelOp::Implicit | RelOp::Ne));
                match part {
                    Some(field) => self.begins_with(field, op, &cmp.data),
                    None => {
                        let left = self.resolved(left);
                        self.plain(left, op, &cmp.data);
                    }
                }
            }
        }
    }

    /// The first bytes of a field of an optional header are compared: a prefix.
    fn begins_with(&mut self, field: Typed, op: RelOp, bytes: &[u8]) {
        self.kill_for(&field);
        let mut whole = bytes.to_vec();
        whole.resize(field.shape.bytes(), 0);
        let base = self.syntax(&typed_constant(&whole, &[field.shape]));
        let len = bytes.len() as u32 * 8;
        let right = Expr::raised(ExprKind::Prefix(prefix::Prefix { base: base.into(), len }));
        self.relational(&field, op, right);
    }

    /// A comparison with a constant of the left side's own type.
    fn plain(&mut self, left: Typed, op: RelOp, bytes: &[u8]) {
        let shapes = left.fields();
        if let [shape] = &shapes[..]
            && shape.datatype.is_string()
            && bytes.len() < shape.bytes()
        {
            let text = wildcard(bytes);
            self.relational(&left, op, Expr::quoted(text));
            return;
        }
        if let [shape] = &shapes[..]
            && is_prefix_type(shape.datatype)
            && bytes.len() < shape.bytes()
        {
            let mut whole = bytes.to_vec();
            whole.resize(shape.bytes(), 0);
            let base = self.syntax(&typed_constant(&whole, &shapes));
            let len = bytes.len() as u32 * 8;
            let right = Expr::raised(ExprKind::Prefix(prefix::Prefix { base: base.into(), len }));
            self.relational(&left, op, right);
            return;
        }
        let right = typed_constant(bytes, &shapes);
        let op = match (op, &left.kind) {
            (RelOp::Implicit, Kind::Binary(..)) => RelOp::Eq,
            (RelOp::Implicit, _) if left.shape.datatype.is_bitmask() => RelOp::Eq,
            (op, _) => op,
        };
        let syntax = self.syntax(&right);
        let place = self.relational(&left, op, syntax);
        if matches!(op, RelOp::Implicit | RelOp::Eq) {
            self.learn(&left, &right, place);
        }
    }

    /// Loads of several fields at once become a match of each (`payload_match_expand`).
    fn payload_equality(&mut self, payload: Payload, left: Typed, op: RelOp, bytes: &[u8]) {
        let bits = left.shape.bits.min(bytes.len() as u32 * 8);
        let mut at = 0;
        while at < bits {
            let here = Payload { offset: payload.offset + at, ..payload };
            let rest = bits - at;
            let found = self.field_from(&here, here.offset).filter(|(_, field)| {
                here.offset.is_multiple_of(8)
                    && field.bits.is_multiple_of(8)
                    && (field.bits <= rest || is_prefix_type(field.datatype))
            });
            let Some((proto, field)) = found else {
                let raw = Typed {
                    kind: Kind::Payload(here),
                    shape: Shape { bits: rest, ..left.shape },
                    span: left.span,
                };
                let raw = self.resolved(raw);
                return self.plain(raw, op, &bytes[(at / 8) as usize..]);
            };
            let known = field.bits.min(rest);
            let part = field::field_typed(here, proto, field, &left);
            let mut part_bytes = bytes[(at / 8) as usize..((at + known) / 8) as usize].to_vec();
            self.kill_for(&part);
            if known < field.bits {
                part_bytes.resize(part.shape.bytes(), 0);
                let base = self.syntax(&typed_constant(&part_bytes, &[part.shape]));
                let right = Expr::raised(ExprKind::Prefix(prefix::Prefix { base: base.into(), len: known }));
                self.relational(&part, op, right);
            } else {
                self.plain(part, op, &part_bytes);
            }
            at += known;
        }
    }

    /// `left & mask` compared with a constant: flags, a prefix, a bit field, or what it says.
    fn masked_equality(&mut self, left: Typed, load: Typed, mask: Typed, op: RelOp, bytes: &[u8]) {
        let load = self.completed(load);
        let shape = load.shape;
        let value = number(&typed_constant(bytes, &[shape])).unwrap_or(0);
        let mask = number(&mask).unwrap_or(0);
        let equality = matches!(op, RelOp::Implicit | RelOp::Ne);
        if equality && shape.datatype.is_bitmask() {
            self.kill_for(&load);
            if value != 0 {
                let mask = Typed::number(mask, shape);
                let masked = Typed::new(Kind::Binary(BinaryOp::And, load.into(), mask.into()), shape);
                let right = self.syntax(&Typed::number(value, shape));
                self.relational(&masked, if op == RelOp::Ne { op } else { RelOp::Eq }, right);
                return;
            }
            let op = if op == RelOp::Ne { RelOp::Implicit } else { RelOp::Not };
            let right = self.flag_list(mask, shape);
            self.relational(&load, op, right);
            return;
        }
        let leading = mask.count_ones();
        // DIVERGES: nft lists a prefix of values with bits outside of the mask too, which are never there.
        if equality
            && value & !mask == 0
            && is_prefix_type(shape.datatype)
            && mask == ones(shape.bits) & !ones(shape.bits - leading.min(shape.bits))
        {
            self.kill_for(&load);
            let base = self.syntax(&Typed::number(value, shape));
            let right = Expr::raised(ExprKind::Prefix(prefix::Prefix { base: base.into(), len: leading }));
            self.relational(&load, op, right);
            return;
        }
        match self.trimmed(&left) {
            Some((part, shift)) => {
                self.kill_for(&part);
                let right = Typed::number(value >> shift, part.shape);
                let place = {
                    let right = self.syntax(&right);
                    self.relational(&part, op, right)
                };
                if op == RelOp::Implicit {
                    self.learn(&part, &right, place);
                }
            }
            None => {
                let left = self.resolved(left);
                self.plain(left, op, bytes);
            }
        }
    }

    pub(super) fn range(&mut self, range: &range::Range) {
        let left = self.registers.take(range.source, 0);
        self.compare_range(left, range.negated, (range.from.to_vec(), range.to.to_vec()));
    }

    fn compare_range(&mut self, left: Typed, negated: bool, (from, to): (Vec<u8>, Vec<u8>)) {
        let (left, shift) = match self.trimmed(&left) {
            Some((field, shift)) => {
                self.kill_for(&field);
                (field, shift)
            }
            None => (self.resolved(left), 0),
        };
        let end = |bytes: &[u8]| {
            if shift == 0 {
                return typed_constant(bytes, &left.fields());
            }
            // The constant is as wide as what was loaded
            let bits = u32::try_from(bytes.len()).map_or(0, |len| len.saturating_mul(8));
            let mut typed = typed_constant(bytes, &[Shape { bits, ..left.shape }]);
            if let Kind::Value(Datum::Number(number)) = &mut typed.kind {
                *number >>= shift;
            }
            Typed { shape: left.shape, ..typed }
        };
        let (mut from, mut to, mut negated) = (end(&from), end(&to), negated);
        // Hours are written in local time and compared in universal time: a range that runs around midnight there is
        // compared as what it leaves out.
        if negated && left.shape.datatype == Type::Hour {
            std::mem::swap(&mut from, &mut to);
            negated = false;
        }
        let right = Typed::new(Kind::Range(from.into(), to.into()), left.shape);
        let right = self.syntax(&right);
        let op = match &left.kind {
            _ if negated => RelOp::Ne,
            Kind::Binary(..) => RelOp::Eq,
            _ => RelOp::Implicit,
        };
        self.relational(&left, op, right);
    }

    pub(super) fn lookup(&mut self, lookup: &lookup::Lookup) {
        let name = &*lookup.set.name;
        let sets = self.scope.sets;
        let set = sets.set(name);
        let words = set.map_or(0, |set| set.key_len.div_ceil(4));
        let key = self.registers.take(lookup.source, words);
        let (key, shift) = match self.trimmed(&key) {
            Some((field, shift)) => {
                self.kill_for(&field);
                (field, shift)
            }
            None => {
                (super::retyped(self.resolved(key), &set.map(|set| set_of(set).key).unwrap_or_default()), 0)
            }
        };
        let right = match set {
            Some(set) if super::elements::is_anonymous(set) => self.literal(set, &key, shift),
            _ => Typed::new(Kind::SetRef(name.into(), key.fields()), key.shape),
        };
        match lookup.result {
            lookup::Outcome::Test { invert } => self.membership(key, right, invert),
            lookup::Outcome::Verdict => {
                let (key, map) = (self.syntax(&key), self.syntax(&right));
                self.statement(StmtKind::Vmap(Vmap { key, map }));
            }
            lookup::Outcome::Load(destination) => {
                let shape = self.map_shape(name, destination);
                let typed = Typed::new(Kind::Map(key.into(), right.into()), shape);
                self.registers.set(destination, typed);
            }
        }
    }

    /// What a map gives for the key in a register.
    pub(super) fn map_typed(&mut self, name: &str, source: Register) -> Typed {
        let set = self.scope.sets.set(name);
        let key = self.registers.take(source, set.map_or(0, |set| set.key_len.div_ceil(4)));
        let key = self.resolved(key);
        let map = match set {
            Some(set) if super::elements::is_anonymous(set) => self.literal(set, &key, 0),
            _ => Typed::new(Kind::SetRef(name.into(), key.fields()), key.shape),
        };
        let shape = key.shape;
        Typed::new(Kind::Map(key.into(), map.into()), shape)
    }

    fn membership(&mut self, key: Typed, set: Typed, invert: bool) {
        let op = match invert {
            true => RelOp::Ne,
            false if matches!(key.kind, Kind::Binary(..)) => RelOp::Eq,
            false => RelOp::Implicit,
        };
        let right = self.syntax(&set);
        let place = self.relational(&key, op, right);
        if op != RelOp::Ne
            && let Kind::Set(literal) = &set.kind
        {
            self.learn_set(&key, literal, place);
        }
    }

    /// What a map loads, as far as bytecode tells.
    fn map_shape(&self, name: &str, _: Register) -> Shape {
        let data = self.scope.sets.set(name).and_then(super::elements::data_shapes);
        match data.as_deref() {
            Some([one]) => *one,
            Some(several) => {
                let bits = several.iter().map(|shape| shape.words() * 32).sum();
                Shape::new(Type::Invalid, bits, crate::datatype::Order::None)
            }
            None => Shape::new(Type::Integer, 32, crate::datatype::Order::Host),
        }
    }

    /// Appends a match; gives its place.
    pub(super) fn relational(&mut self, left: &Typed, op: RelOp, right: Expr) -> usize {
        let left = self.syntax(left);
        self.stmts.push(Some(Stmt::raised(StmtKind::Relational(Relational { left, op, right }))));
        self.stmts.len() - 1
    }

    /// What an equality tells of protocols.
    fn learn(&mut self, left: &Typed, right: &Typed, place: usize) {
        if left.is_inner() {
            self.inner_protocols.learn(left, right);
            if let Some(value) = number(right) {
                self.note_equality(left, value, place);
            }
            return;
        }
        self.protocols.learn(left, right);
        let Some(value) = number(right) else { return };
        match &left.kind {
            Kind::Payload(Payload { field: Some((Proto::Icmp | Proto::Icmpv6, "type")), .. }) => {
                self.note_icmp_type(value, place);
            }
            _ => self.note_equality(left, value, place),
        }
    }

    fn learn_set(&mut self, left: &Typed, set: &SetLiteral, _: usize) {
        // `ct state { ... }` tells nothing; ICMP types tell which fields a message has
        if let Kind::Payload(Payload { field: Some((Proto::Icmp | Proto::Icmpv6, "type")), .. }) = &left.kind
        {
            let right = Typed::new(Kind::Set(set.clone()), left.shape);
            self.protocols.learn(left, &right);
        }
    }

    /// The elements of an anonymous set, as the key's own type has them.
    fn literal(&self, set: &ironweir_ruleset::Set, key: &Typed, shift: u32) -> Typed {
        let elements = self.scope.sets.elements(&set.name);
        let literal = super::elements::literal_of(self, set, &key.fields(), shift, &elements);
        Typed::new(Kind::Set(literal), key.shape)
    }
}

/// A name of which only the beginning is compared: `eth*`. A `*` at its own end is escaped.
pub(super) fn wildcard(bytes: &[u8]) -> String {
    format!("{}*", String::from_utf8_lossy(bytes))
}

/// A verdict with where it leads.
pub(crate) fn verdict_syntax(
    raise: &Raise<'_>,
    verdict: &ironweir_ruleset::Verdict,
) -> expr::verdict::Verdict {
    use crate::source::Span;
    use expr::verdict::{Target, Verdict};
    use ironweir_ruleset::Verdict as Code;
    let target = |chain: &ironweir_ruleset::ChainRef| match raise.chains.block(&chain.name) {
        Some(rules) => Target::Block(rules),
        None => Target::Chain { name: chain.name.clone(), span: Span::NONE },
    };
    match verdict {
        Code::Accept => Verdict::Accept,
        Code::Drop | Code::Stolen | Code::Repeat => Verdict::Drop,
        Code::Queue { .. } => Verdict::Queue,
        Code::Continue | Code::Break => Verdict::Continue,
        Code::Return => Verdict::Return,
        Code::Jump(chain) => Verdict::Jump(target(chain)),
        Code::Goto(chain) => Verdict::Goto(target(chain)),
    }
}
