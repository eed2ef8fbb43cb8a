//! Elements of named sets.

use ironweir_ruleset::{Change, Creation, Element, ElementFlags, Set, SetFlags, SetRef, TableId, userdata};

use super::Compiler;
use super::cache::TableSets;
use crate::cmd::{Command, CommandKind, Declaration, Target};
use crate::decl::element::{Elements, ElementsDecl};
use crate::decl::set::SetDecl;
use crate::diag::{Code, Diagnostic, Parsed, nearest, short};
use crate::expr::set::SetLiteral;
use crate::interval::{self, Member, Merge, Style};
use crate::lower::{Lower, member, set_of};
use crate::scope::{Scope, Sets};
use crate::source::Span;

impl Compiler<'_> {
    /// The elements that a set's block holds.
    pub(super) fn elements_of(&mut self, decl: &SetDecl, errors: &mut Vec<Diagnostic>) {
        let Some((elements, span)) = &decl.elements else { return };
        if !elements.is_empty() {
            self.add(&decl.table.id, &decl.name.text, elements, *span, Creation::Add, errors);
        }
    }

    /// `add element`.
    pub(super) fn add_elements(
        &mut self,
        decl: &ElementsDecl,
        creation: Creation,
        errors: &mut Vec<Diagnostic>,
    ) {
        if self.cache.set(self.ruleset, &decl.table.id, &decl.set.text).is_none() {
            errors.push(*self.no_set(decl));
            return;
        }
        self.add(&decl.table.id, &decl.set.text, &decl.elements, decl.span, creation, errors);
    }

    fn add(
        &mut self,
        table: &TableId,
        name: &str,
        elements: &Elements,
        span: Span,
        creation: Creation,
        errors: &mut Vec<Diagnostic>,
    ) {
        let (ruleset, now) = (self.ruleset, self.now);
        let Some(set) = self.cache.set(ruleset, table, name).cloned() else { return };
        if let Elements::Addresses(addresses) = elements
            && let Some((made, spans)) = self.addresses(table, &set, addresses)
        {
            let change = Change::NewElements {
                table: table.clone(),
                set: SetRef::new(name),
                elements: made,
                creation,
            };
            self.push_with(change, span, spans);
            return;
        }
        let before = errors.len();
        let members = self.members(table, &set, &elements.literal(), errors);
        if errors.len() > before {
            return;
        }
        let merge = set.userdata.get_u32(userdata::SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0);
        let committed = self.cache.committed_elements(ruleset, table, name);
        let Some(cached) = self.cache.set_mut(ruleset, table, name) else { return };
        let mut style = Style {
            interval: set.flags.contains(SetFlags::INTERVAL),
            concat: set.flags.contains(SetFlags::CONCAT),
            merge: Merge::of(&set_of(&set).key, merge),
            fresh: cached.empty,
            anonymous: false,
        };
        let spans: Vec<Span>;
        let mut removed = Vec::new();
        let made = if merge && style.interval && !style.concat {
            // What is there may grow together with what comes.
            let there = cached.members.take().unwrap_or_else(|| {
                let stored = committed.filter(|_| !cached.empty).into_iter().flat_map(|set| set.dump(now));
                interval::intervals(stored)
            });
            let catchalls: Vec<Member> = members
                .iter()
                .filter(|member| member.element.flags.contains(ElementFlags::CATCHALL))
                .cloned()
                .collect();
            let all: Vec<Member> = there
                .iter()
                .cloned()
                .chain(members)
                .filter(|member| !member.element.flags.contains(ElementFlags::CATCHALL))
                .collect();
            let merged = match interval::distinct(all, style.merge) {
                Ok(merged) => merged,
                Err(error) => {
                    errors.push(*error);
                    return;
                }
            };
            let key = |member: &Member| (member.first.clone(), member.last.clone());
            let kept: std::collections::HashSet<_> = merged.iter().map(key).collect();
            let had: std::collections::HashSet<_> = there.iter().map(key).collect();
            let gone: Vec<Member> = there.into_iter().filter(|member| !kept.contains(&key(member))).collect();
            let new = merged
                .iter()
                .filter(|member| !had.contains(&key(member)))
                .cloned()
                .chain(catchalls)
                .collect();
            cached.members = Some(merged);
            removed = interval::elements(gone, Style { fresh: false, ..style }).unwrap_or_default();
            spans = Vec::new();
            style.merge = Merge::Never;
            interval::elements(new, style)
        } else {
            spans = if style.interval && !style.concat {
                Vec::new()
            } else {
                members.iter().map(|member| member.span).collect()
            };
            interval::elements(members, style)
        };
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                errors.push(*error);
                return;
            }
        };
        cached.empty = false;
        if !removed.is_empty() {
            let change = Change::DelElements {
                table: table.clone(),
                set: name.into(),
                elements: Some(removed),
                missing_ok: false,
            };
            self.push(change, span);
        }
        if !made.is_empty() {
            let set = SetRef::new(name);
            let change = Change::NewElements { table: table.clone(), set, elements: made, creation };
            self.push_with(change, span, spans);
        }
    }

    /// Keys and data of a set literal's elements, each with its own errors.
    fn members(
        &self,
        table: &TableId,
        set: &Set,
        literal: &SetLiteral,
        errors: &mut Vec<Diagnostic>,
    ) -> Vec<Member> {
        let sets = TableSets { cache: &self.cache, ruleset: self.ruleset, table };
        let scope = Scope { family: table.family, names: self.names, sets: &sets };
        let mut lower = Lower::new(scope, table, &self.next_id);
        let shapes = set_of(set);
        let ranges = set.userdata.get_u32(userdata::SET_DATA_INTERVAL).is_some_and(|interval| interval != 0);
        let mut members = Vec::with_capacity(literal.elements.len());
        for element in &literal.elements {
            let made = lower.resolve_element(element, &shapes.key, shapes.data.as_deref()).and_then(|typed| {
                if typed.timeout.is_some() && !set.flags.contains(SetFlags::TIMEOUT) {
                    let message = "the set has no flag 'timeout', its elements cannot have one";
                    let error = Diagnostic::error(element.span, message);
                    return Err(self.lacks(error, table, &set.name, "add 'flags timeout' here"));
                }
                let made = member(&typed, ranges)?;
                // DIVERGES: nft refuses a range or prefix of one key too; it says the same as the key.
                if made.first != made.last && !set.flags.contains(SetFlags::INTERVAL) {
                    let message = "You must add 'flags interval' to your set declaration if you want to add range elements";
                    let error = Diagnostic::error(element.key.span, message);
                    return Err(self.lacks(error, table, &set.name, "add 'flags interval' here"));
                }
                if made.first > made.last {
                    return Err(Diagnostic::error(element.key.span, "Range negative size"));
                }
                Ok(Member { span: element.span, ..made })
            });
            match made {
                Ok(member) => members.push(member),
                Err(error) => {
                    errors.push(*error);
                    // One of a million lines is enough to see what is wrong.
                    if errors.len() >= MAX_ERRORS {
                        break;
                    }
                }
            }
        }
        members
    }

    /// An error with the place of the set that lacks something.
    fn lacks(&self, error: Box<Diagnostic>, table: &TableId, name: &str, what: &str) -> Box<Diagnostic> {
        match self.cache.place(table, name) {
            Some(place) => error.and(place, what),
            None => error,
        }
    }

    /// `delete element`.
    pub(super) fn delete_elements(&mut self, decl: &ElementsDecl, missing_ok: bool) -> Parsed<()> {
        let (table, name) = (&decl.table.id, &decl.set.text);
        let (ruleset, now) = (self.ruleset, self.now);
        let Some(set) = self.cache.set(ruleset, table, name).cloned() else {
            return if missing_ok { Ok(()) } else { Err(self.no_set(decl)) };
        };
        let elements = self.keys(table, &set, &decl.elements.literal())?;
        let style = Style {
            interval: set.flags.contains(SetFlags::INTERVAL),
            concat: set.flags.contains(SetFlags::CONCAT),
            ..Style::default()
        };
        let merge = set.userdata.get_u32(userdata::SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0);
        let (mut gone, mut left) = (elements, Vec::new());
        if merge && style.interval && !style.concat {
            let committed = self.cache.committed_elements(ruleset, table, name);
            let Some(cached) = self.cache.set_mut(ruleset, table, name) else { return Ok(()) };
            let there = cached.members.take().unwrap_or_else(|| {
                let stored = committed.filter(|_| !cached.empty).into_iter().flat_map(|set| set.dump(now));
                interval::intervals(stored)
            });
            let (kept, changed) = without(there, gone, missing_ok)?;
            cached.members = Some(kept.iter().chain(&changed.left).cloned().collect());
            gone = changed.gone;
            left = changed.left;
        }
        let spans = gone.iter().map(|member| member.span).collect();
        let elements = Some(interval::elements(gone, style)?);
        let (set, table) = (name.clone(), table.clone());
        let change = Change::DelElements { table: table.clone(), set, elements, missing_ok };
        self.push_with(change, decl.span, if style.interval { Vec::new() } else { spans });
        if !left.is_empty() {
            let elements = interval::elements(left, style)?;
            let set = SetRef::new(name.clone());
            let change = Change::NewElements { table, set, elements, creation: Creation::Add };
            self.push(change, decl.span);
        }
        Ok(())
    }

    /// Keys alone, as `delete` and `get` name elements; data may be left out.
    pub(crate) fn keys(&self, table: &TableId, set: &Set, literal: &SetLiteral) -> Parsed<Vec<Member>> {
        let data = literal.elements.iter().find_map(|element| element.data.as_ref());
        if let (None, Some(data)) = (&set.data, data) {
            return Err(Diagnostic::error(data.span, "this is a set, its elements map to nothing"));
        }
        let keys = SetLiteral {
            elements: literal
                .elements
                .iter()
                .map(|element| crate::expr::set::Element::new(element.key.clone()))
                .collect(),
        };
        let plain = Set { data: None, ..set.clone() };
        let mut errors = Vec::new();
        let members = self.members(table, &plain, &keys, &mut errors);
        match errors.into_iter().next() {
            Some(error) => Err(Box::new(error)),
            None => Ok(members),
        }
    }

    /// Elements that `get element` and `reset element` ask for.
    pub(crate) fn asked(&self, decl: &ElementsDecl) -> Parsed<(Set, Vec<Member>)> {
        let Some(set) = self.cache.set(self.ruleset, &decl.table.id, &decl.set.text) else {
            return Err(self.no_set(decl));
        };
        Ok((set.clone(), self.keys(&decl.table.id, set, &decl.elements.literal())?))
    }
}

impl Compiler<'_> {
    /// Which two intervals overlap that commands, compiled before, add to a set one after another. The backend tells only
    /// that some do, and that the one `at` a place was refused.
    pub(crate) fn overlap(
        &self,
        table: &TableId,
        name: &str,
        commands: &[Command],
        at: Span,
    ) -> Option<Box<Diagnostic>> {
        let set = self.cache.set(self.ruleset, table, name)?;
        if !set.flags.contains(SetFlags::INTERVAL) {
            return None;
        }
        let mut members = self.written(table, set, commands);
        members.retain(|member| !member.element.flags.contains(ElementFlags::CATCHALL));
        if !set.flags.contains(SetFlags::CONCAT) {
            return interval::distinct(members, Merge::Never).err();
        }
        let later = members.iter().position(|member| member.span == at)?;
        let (before, rest) = members.split_at(later);
        let earlier = before.iter().find(|member| interval::meets(&set.fields, member, &rest[0]))?;
        Some(interval::overlap(at, earlier.span))
    }

    /// Where commands, compiled before, name the element that begins with this key, or ends before it.
    pub(crate) fn place_of(
        &self,
        table: &TableId,
        name: &str,
        element: &Element,
        commands: &[Command],
    ) -> Option<Span> {
        let set = self.cache.set(self.ruleset, table, name)?;
        let end = element.flags.contains(ElementFlags::INTERVAL_END);
        let is_it = |member: &Member| match end {
            true => interval::after(&member.last).is_some_and(|end| *end == *element.key),
            false => *member.first == *element.key,
        };
        let deleted = commands.iter().filter_map(|command| match &command.kind {
            CommandKind::Delete { what: Target::Elements(decl), .. } => Some(decl),
            _ => None,
        });
        let deleted = deleted
            .filter(|decl| decl.table.id == *table && decl.set.text == set.name)
            .filter_map(|decl| self.keys(table, set, &decl.elements.literal()).ok())
            .flatten();
        let place = self.written(table, set, commands).into_iter().chain(deleted).find(is_it)?.span;
        place.is_some().then_some(place)
    }

    /// There is no such set, but perhaps one of a name that is near.
    fn no_set(&self, decl: &ElementsDecl) -> Box<Diagnostic> {
        let id = &decl.table.id;
        let sets = TableSets { cache: &self.cache, ruleset: self.ruleset, table: id }.named();
        let near = nearest(&decl.set.text, sets.iter().map(|(name, _)| &**name)).map(str::to_owned);
        let mut tables = self.ruleset.tables();
        let elsewhere = tables.find(|table| {
            table.table.id.name == id.name && table.table.id != *id && table.set(&decl.set.text).is_some()
        });
        let error = Diagnostic::error(decl.set.span, "No such file or directory").code(Code::Missing);
        let error = error.note(format!("set or map {} does not exist in table {id}", short(&decl.set.text),));
        match (near, elsewhere) {
            (None, Some(table)) => error.help(format!("table {} has one of that name", table.table.id)),
            (near, _) => error.meant(near),
        }
    }

    /// The elements that commands add to a set, in order.
    fn written(&self, table: &TableId, set: &Set, commands: &[Command]) -> Vec<Member> {
        let is_it = |decl: &&SetDecl| decl.table.id == *table && decl.name.text == set.name;
        let mut literals: Vec<&Elements> = Vec::new();
        for command in commands {
            let CommandKind::Declare(_, declared) = &command.kind else { continue };
            let sets = match declared {
                Declaration::Table(table) => &table.sets[..],
                Declaration::Set(set) => std::slice::from_ref(set),
                Declaration::Elements(decl) if decl.table.id == *table && decl.set.text == set.name => {
                    literals.push(&decl.elements);
                    continue;
                }
                _ => continue,
            };
            let elements = sets.iter().filter(is_it).filter_map(|set| set.elements.as_ref());
            literals.extend(elements.map(|(literal, _)| literal));
        }
        let mut errors = Vec::new();
        let mut members: Vec<Member> = Vec::new();
        for literal in literals {
            members.extend(self.members(table, set, &literal.literal(), &mut errors));
        }
        members
    }
}

/// Errors of one set's elements after which reading on helps nobody.
const MAX_ERRORS: usize = 20;

/// What deleting from merged intervals does.
struct Changed {
    /// Intervals to remove whole.
    gone: Vec<Member>,
    /// What is left of them.
    left: Vec<Member>,
}

/// Cuts `cut` out of the intervals there.
fn without(there: Vec<Member>, cut: Vec<Member>, missing_ok: bool) -> Parsed<(Vec<Member>, Changed)> {
    let mut kept = there;
    let mut changed = Changed { gone: Vec::new(), left: Vec::new() };
    let mut fresh: Vec<Member> = Vec::new();
    for cut in cut {
        if cut.element.flags.contains(ElementFlags::CATCHALL) {
            changed.gone.push(cut);
            continue;
        }
        let holds = |member: &Member| member.first <= cut.first && cut.last <= member.last;
        let from = match kept.iter().position(holds) {
            Some(at) => {
                let whole = kept.remove(at);
                changed.gone.push(Member { span: cut.span, ..whole.clone() });
                whole
            }
            None => match fresh.iter().position(holds) {
                Some(at) => fresh.remove(at),
                None if missing_ok => continue,
                None => return Err(Diagnostic::error(cut.span, "element does not exist")),
            },
        };
        let part = |first: &[u8], last: &[u8]| Member {
            first: first.to_vec(),
            last: last.to_vec(),
            element: Element { more: None, ..from.element.clone() },
            span: cut.span,
        };
        if from.first < cut.first
            && let Some(last) = interval::before(&cut.first)
        {
            fresh.push(part(&from.first, &last));
        }
        if cut.last < from.last
            && let Some(first) = interval::after(&cut.last)
        {
            fresh.push(part(&first, &from.last));
        }
    }
    changed.left = fresh;
    Ok((kept, changed))
}
