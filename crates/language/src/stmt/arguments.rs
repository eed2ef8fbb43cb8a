//! What several statements need of their arguments.

use ironweir_expr::cmp::{Cmp, Op};
use ironweir_expr::objref::ObjectType;
use ironweir_expr::payload::Base;
use ironweir_expr::{Expr as Code, Register, SetRef, Value, meta};
use ironweir_ruleset::set::SetData;

use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::map::Map;
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, SetShapes, set_of};
use crate::proto::Proto;
use crate::resolve::{compatible, is_interval, ones};
use crate::scope::Scope;
use crate::source::Span;
use crate::typed::{Kind, Shape, Typed};

impl Lower<'_> {
    /// Key and data of a set of the table.
    pub(crate) fn set_shapes(&self, name: &str, span: Span) -> Parsed<SetShapes> {
        self.scope.sets.set(name).map(set_of).ok_or_else(|| self.scope.no_set(self.table, name, span))
    }

    /// An argument of several parts, `ip saddr . 22`, whose constants get their types from `want`.
    pub(crate) fn arguments(&mut self, argument: &Expr, want: &[Shape]) -> Parsed<Typed> {
        let ExprKind::Concat(concat) = &argument.kind else {
            return match want {
                [one] => self.part(argument, *one),
                _ => self.resolve_right(argument, want),
            };
        };
        if concat.0.len() != want.len() {
            let message = format!(
                "datatype mismatch, expected {} parts, expression has {}",
                want.len(),
                concat.0.len()
            );
            return Err(Diagnostic::error(argument.span, message));
        }
        let parts = concat.0.iter().zip(want).map(|(part, shape)| self.part(part, *shape));
        let parts = parts.collect::<Parsed<Vec<_>>>()?;
        Ok(Typed::concat(parts).at(argument.span))
    }

    /// A part of a key, which must be of the key's type.
    fn part(&mut self, part: &Expr, want: Shape) -> Parsed<Typed> {
        let typed = self.resolve_argument(part, want)?;
        let (expected, found) = (want.datatype, typed.shape.datatype);
        let wide = typed.fields().len() > 1;
        if typed.is_load() && (wide || !compatible(expected, found)) {
            let (expected, found) = (expected.description(), found.description());
            let message = format!("datatype mismatch, expected {expected}, expression has type {found}");
            return Err(Diagnostic::error(part.span, message));
        }
        Ok(typed)
    }

    /// A map that gives one of these: the first whose number of parts the map's data have.
    pub(crate) fn argument_map(&mut self, map: &Map, wants: &[&[Shape]], span: Span) -> Parsed<Typed> {
        let parts = match &map.map.kind {
            ExprKind::Set(set) => match set.elements.iter().find_map(|element| element.data.as_ref()) {
                Some(Expr { kind: ExprKind::Concat(concat), .. }) => concat.0.len(),
                _ => 1,
            },
            ExprKind::SetRef(set) => {
                self.set_shapes(&set.name, map.map.span)?.data.map_or(1, |data| data.len())
            }
            _ => 1,
        };
        let want = wants.iter().find(|want| want.len() == parts).or(wants.first()).copied();
        self.resolve_map_to(map, want, span)
    }

    /// Puts an equality of a meta key before everything else of the rule.
    pub(crate) fn imply_first(&mut self, key: meta::Key, value: &[u8], base: Base, proto: Proto) {
        let load = meta::Get { key, destination: Register::R1 };
        let compare = Cmp { source: Register::R1, op: Op::Eq, data: Value::new(value) };
        self.prepend([Code::MetaGet(load), Code::Cmp(compare)]);
        self.protocols.set(base, proto);
    }

    /// The map of objects that a key goes to: a named one, or an anonymous one that is made now.
    pub(crate) fn object_reference(
        &mut self,
        key: &Typed,
        map: &Typed,
        kind: ObjectType,
    ) -> Parsed<(SetRef, Typed)> {
        if let Kind::SetRef(name, _) = &map.kind
            && self.scope.sets.set(name).is_some_and(|set| set.data != Some(SetData::Object(kind)))
        {
            return Err(Diagnostic::error(map.span, format!("this is no map of {} objects", kind.name())));
        }
        self.flush();
        let made = self.map_reference(key, map)?;
        self.type_objects(&made.0, kind);
        Ok(made)
    }
}

/// The parts of a map's data, and whether each is a range.
pub(crate) fn map_data(scope: Scope<'_>, typed: &Typed) -> (Vec<Shape>, bool) {
    let Kind::Map(_, map) = &typed.kind else { return (vec![typed.shape], false) };
    match &map.kind {
        Kind::Set(set) => {
            let data = || set.elements.iter().filter_map(|element| element.data.as_ref());
            let fields = data().next().map_or_else(|| vec![typed.shape], data_fields);
            (fields, data().any(is_interval))
        }
        Kind::SetRef(name, _) => {
            let set = scope.sets.set(name);
            let interval = set.is_some_and(|set| {
                set.userdata.get_u32(ironweir_ruleset::userdata::SET_DATA_INTERVAL).is_some_and(|on| on != 0)
            });
            let data = set.and_then(|set| set_of(set).data);
            (data.unwrap_or_else(|| vec![typed.shape]), interval)
        }
        _ => (vec![typed.shape], false),
    }
}

/// Shapes of the parts of a map's data.
fn data_fields(data: &Typed) -> Vec<Shape> {
    match &data.kind {
        Kind::Concat(parts) => parts.iter().map(|part| part.shape).collect(),
        _ => vec![data.shape],
    }
}

impl Typed {
    /// First and last value of a range or prefix.
    pub(crate) fn bounds(&self) -> Option<(Typed, Typed)> {
        match &self.kind {
            Kind::Range(from, to) => Some(((**from).clone(), (**to).clone())),
            Kind::Prefix(base, len) => {
                let host = ones(self.shape.bits.checked_sub(*len)?);
                let first = base.value()?;
                Some(((**base).clone(), Typed::number(first | host, self.shape).at(self.span)))
            }
            _ => None,
        }
    }

    /// Parts joined into one key.
    pub(crate) fn concat(parts: Vec<Typed>) -> Typed {
        let bits = parts.iter().map(|part| part.shape.words() * 32).sum();
        Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, crate::datatype::Order::Big))
    }
}
