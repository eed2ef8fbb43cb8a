//! Sets and maps.

use ironweir_expr::payload::Base;
use ironweir_ruleset::set::SetData;
use ironweir_ruleset::{Change, Creation, Expr as Code, Set, SetFlags, TableId, Userdata, userdata};

use super::Compiler;
use super::cache::TableSets;
use crate::datatype::{Order, Type, concat_number};
use crate::decl::set::{DataSpec, KeySpec, SetDecl};
use crate::diag::{self, Diagnostic, Parsed, short};
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, natural, ranges_len};
use crate::proto::Proto;
use crate::scope::Scope;
use crate::source::Span;
use crate::stmt::Stmt;
use crate::typed::{Kind, Shape, Typed};

/// What keys or data are, and how `typeof` wrote them.
struct Typing {
    shapes: Vec<Shape>,
    typeof_data: Option<Vec<u8>>,
    span: Span,
}

impl Typing {
    fn number(&self) -> u32 {
        let types: Vec<Type> = self.shapes.iter().map(|shape| shape.datatype).collect();
        concat_number(&types)
    }

    /// Bytes of the whole; parts of a concatenation are padded to 4.
    fn bytes(&self) -> u32 {
        match &self.shapes[..] {
            [one] => one.bytes() as u32,
            parts => parts.iter().map(|shape| shape.words() * 4).sum(),
        }
    }

    /// What user data says of it; of concatenated types only that they are concatenated, as nft does.
    fn typeof_bytes(&self) -> Option<Vec<u8>> {
        let concat = || (self.shapes.len() > 1).then(crate::typeof_data::concatenated_types);
        self.typeof_data.clone().or_else(concat)
    }

    fn order(&self) -> u32 {
        match self.shapes.first().map(|shape| shape.order) {
            Some(Order::Host) if self.shapes.len() == 1 => 1,
            Some(Order::Big) if self.shapes.len() == 1 => 2,
            _ => 0,
        }
    }
}

/// Bytes of a key: four registers of 16 bytes (`NFT_DATA_VALUE_MAXLEN`).
const MAX_KEY: u32 = 64;

impl Compiler<'_> {
    /// A set without its elements.
    pub(super) fn set(&mut self, decl: &SetDecl, creation: Creation) -> Parsed<()> {
        let id = decl.table.id.clone();
        let set = self.set_of_decl(decl)?;
        let known = self.cache.set(self.ruleset, &id, &set.name);
        if let Some(known) = known {
            let same = known.key_type == set.key_type && known.key_len == set.key_len;
            if !same || known.data.is_some() != set.data.is_some() {
                let message = format!("set '{}' is declared with another type already", short(&set.name));
                let error = Diagnostic::error(decl.name.span, message).code(diag::Code::Exists);
                return Err(match self.cache.place(&id, &set.name) {
                    Some(place) => error.and(place, "it is declared here"),
                    None => error,
                });
            }
        } else {
            self.cache.declare_set(&id, set.clone(), true, decl.name.span);
        }
        self.push(Change::NewSet { table: id, set, creation }, decl.name.span);
        Ok(())
    }

    fn set_of_decl(&mut self, decl: &SetDecl) -> Parsed<Set> {
        let id = &decl.table.id;
        let what = if decl.is_map { "map" } else { "set" };
        let Some(key) = &decl.key else {
            let message = format!("{what} definition does not specify key");
            let error = Diagnostic::error(decl.name.span, message).code(diag::Code::Incomplete);
            return Err(error.help("say 'type ...' or 'typeof ...'"));
        };
        let mut flags = decl.flags;
        let key = self.typing(id, key, what)?;
        if key.bytes() > MAX_KEY {
            return Err(Diagnostic::error(
                key.span,
                format!("the key has {} bytes, {MAX_KEY} are the most", key.bytes()),
            ));
        }
        let mut fields = Vec::new();
        if key.shapes.len() > 1 {
            fields = key.shapes.iter().map(|shape| shape.bytes() as u32).collect();
            if flags.contains(SetFlags::INTERVAL) {
                flags |= SetFlags::CONCAT;
            }
        }
        let exprs = self.set_exprs(decl)?;
        if exprs.len() > 1 {
            flags |= SetFlags::EXPR;
        }
        if decl.gc_interval.is_some() && !flags.contains(SetFlags::TIMEOUT) {
            flags |= SetFlags::TIMEOUT;
        }
        let mut data_typing = None;
        let mut data_interval = false;
        let data = match &decl.data {
            None => None,
            Some(DataSpec::Verdict) => {
                flags |= SetFlags::MAP;
                Some(SetData::Verdict)
            }
            Some(DataSpec::Queue) => {
                flags |= SetFlags::MAP;
                let number = crate::typeof_data::queue_number();
                let typing = Typing {
                    shapes: vec![number.shape],
                    typeof_data: crate::typeof_data::encode(&number),
                    span: decl.name.span,
                };
                let (kind, len) = (typing.number(), typing.bytes());
                data_typing = Some(typing);
                Some(SetData::Value { kind, len })
            }
            Some(DataSpec::Object(kind)) => {
                flags |= SetFlags::OBJECT;
                Some(SetData::Object(*kind))
            }
            Some(DataSpec::Value { key: data, interval }) => {
                flags |= SetFlags::MAP;
                let typing = self.typing(id, data, "map")?;
                data_interval = *interval;
                let len = if data_interval { ranges_len(typing.bytes()) } else { typing.bytes() };
                if len > MAX_KEY {
                    return Err(Diagnostic::error(typing.span, "the map's data is too long"));
                }
                let kind = typing.number();
                data_typing = Some(typing);
                Some(SetData::Value { kind, len })
            }
        };
        let is_map = decl.data.is_some();
        let decl_typeof = key.typeof_data.is_some();
        let mut user = Userdata::default();
        let mut fits = user.push_u32(userdata::SET_KEY_BYTEORDER, key.order());
        if let Some(typing) = &data_typing {
            fits &= user.push_u32(userdata::SET_DATA_BYTEORDER, typing.order());
        } else if matches!(data, Some(SetData::Verdict)) {
            fits &= user.push_u32(userdata::SET_DATA_BYTEORDER, 0);
        }
        if decl.auto_merge {
            fits &= user.push_u32(userdata::SET_MERGE_ELEMENTS, 1);
        }
        if let Some(bytes) = key.typeof_bytes() {
            fits &= user.push(userdata::SET_KEY_TYPEOF, &bytes);
        }
        if let Some(bytes) = data_typing.as_ref().and_then(Typing::typeof_bytes) {
            fits &= user.push(userdata::SET_DATA_TYPEOF, &bytes);
        }
        if matches!(data, Some(SetData::Verdict)) && decl_typeof {
            fits &= user.push(userdata::SET_DATA_TYPEOF, &crate::typeof_data::verdict());
        }
        if is_map {
            fits &= user.push_u32(userdata::SET_DATA_INTERVAL, u32::from(data_interval));
        }
        if let Some(comment) = &decl.comment {
            fits &= user.push_str(userdata::SET_COMMENT, comment);
        }
        if !fits {
            let message = "type and comment together are too long to be kept";
            return Err(Diagnostic::error(decl.name.span, message).help("make the comment shorter"));
        }
        Ok(Set {
            name: decl.name.text.clone(),
            id: self.new_id(),
            flags,
            key_type: key.number(),
            key_len: key.bytes(),
            fields,
            data,
            size: decl.size,
            timeout: decl.timeout.filter(|timeout| *timeout > 0),
            gc_interval: decl.gc_interval,
            policy: decl.policy.unwrap_or_default(),
            exprs,
            userdata: user,
            unknown: Default::default(),
        })
    }

    fn typing(&self, id: &TableId, key: &KeySpec, what: &str) -> Parsed<Typing> {
        match key {
            KeySpec::Type { types, span } => {
                let unqualified = types.iter().find(|datatype| datatype.bits() == 0);
                if let Some(datatype) = unqualified {
                    let name = datatype.name();
                    return Err(Diagnostic::error(
                        *span,
                        format!(
                            "unqualified type {name} specified in {what} definition. Try \"typeof expression\" \
                             instead of \"type datatype\"."
                        ),
                    ));
                }
                if types.len() > 1 && types.contains(&Type::Verdict)
                    || *types == [Type::Verdict] && what == "set"
                {
                    return Err(Diagnostic::error(
                        *span,
                        format!("a {what} cannot have keys of type verdict"),
                    ));
                }
                let shapes = types.iter().map(|datatype| Shape::of(*datatype)).collect();
                Ok(Typing { shapes, typeof_data: None, span: *span })
            }
            KeySpec::Typeof(expr) => self.typeof_expr(id, expr),
        }
    }

    /// Each part of a `typeof` stands for itself: what a rule would have to match before is of no concern.
    fn typeof_expr(&self, id: &TableId, expr: &Expr) -> Parsed<Typing> {
        let sets = TableSets { cache: &self.cache, ruleset: self.ruleset, table: id };
        let scope = Scope { family: id.family, names: self.names, sets: &sets };
        let resolve = |part: &Expr| {
            let mut lower = Lower::new(scope, id, &self.next_id);
            if matches!(part.kind, ExprKind::Inner(_)) {
                lower.protocols.set(Base::Transport, Proto::Udp);
            }
            let typed = lower.expression(part)?;
            if !typed.is_load() {
                let message = "primary expression type 'symbol' lacks typeof serialization";
                return Err(Diagnostic::error(part.span, message));
            }
            Ok(typed)
        };
        let typed = match &expr.kind {
            ExprKind::Concat(parts) => {
                let parts = parts.0.iter().map(resolve).collect::<Parsed<Vec<_>>>()?;
                let bits = parts.iter().map(|part| part.words() * 32).sum();
                Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::Big)).at(expr.span)
            }
            _ => resolve(expr)?,
        };
        let typeof_data = crate::typeof_data::encode(&typed);
        Ok(Typing { shapes: natural(&typed), typeof_data, span: expr.span })
    }

    fn set_exprs(&self, decl: &SetDecl) -> Parsed<Vec<Code>> {
        decl.stmts.iter().map(Stmt::element_state).collect()
    }
}
