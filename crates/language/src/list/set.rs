//! Sets and maps in listings: everything but their elements.

use super::json::head;
use crate::json::one_or_array;
use serde_json::{Value, json};
use std::fmt::Write as _;

use ironweir_ruleset::set::{SetData, SetPolicy};
use ironweir_ruleset::store::{SetState, TableState};
use ironweir_ruleset::userdata::{SET_COMMENT, SET_DATA_INTERVAL, SET_MERGE_ELEMENTS};
use ironweir_ruleset::{Element, Set, SetFlags};

use super::Lister;
use crate::datatype::{Type, concat_types};

impl Lister<'_> {
    /// A set or map with its elements.
    pub(super) fn set_block(&self, table: &TableState, state: &SetState, out: &mut String) {
        self.set_block_with(table, state, None, out);
    }

    /// A set or map with some of its elements, or with all.
    pub(crate) fn set_block_with(
        &self,
        table: &TableState,
        state: &SetState,
        only: Option<Vec<Element>>,
        out: &mut String,
    ) {
        let set = &state.set;
        let word = if set.data.is_some() { "map" } else { "set" };
        let _ = write!(out, "\t{word} {} {{", set.name);
        self.handle(state.handle, out);
        out.push('\n');
        let _ = writeln!(out, "\t\t{}", self.key_and_data(table, set));
        if !set.flags.contains(SetFlags::CONSTANT) {
            if set.policy == SetPolicy::Memory {
                out.push_str("\t\tpolicy memory\n");
            }
            if let Some(size) = set.size.filter(|size| *size > 0) {
                let _ = write!(out, "\t\tsize {size}");
                self.count(state, out);
                out.push('\n');
            }
        }
        let shown = SetFlags::CONSTANT | SetFlags::EVAL | SetFlags::INTERVAL;
        // The flag that `timeout` says anyway is left out where it stands alone.
        if set.flags.intersects(shown) || set.timeout.is_none_or(|timeout| timeout == 0) {
            flags(set.flags, out);
        }
        if set.userdata.get_u32(SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0) {
            out.push_str("\t\tauto-merge\n");
        }
        self.set_stmts(table, set, out);
        if let Some(timeout) = set.timeout.filter(|timeout| *timeout > 0) {
            let _ = writeln!(out, "\t\ttimeout {}", self.options.time(timeout));
        }
        if let Some(interval) = set.gc_interval.filter(|interval| *interval > 0) {
            let _ = writeln!(out, "\t\tgc-interval {}", self.options.time(interval.into()));
        }
        super::comment(set.userdata.get_str(SET_COMMENT), out);
        match only {
            Some(elements) => self.asked_elements(table, state, &elements, out),
            None if !self.options.terse => self.elements(table, state, out),
            None => {}
        }
        out.push_str("\t}\n");
    }

    /// `type ipv4_addr . inet_service : verdict`, or `typeof ...`.
    fn key_and_data(&self, table: &TableState, set: &Set) -> String {
        let mut typeof_key = self.typeof_key(table, set);
        let mut typeof_data = self.typeof_data(table, set);
        if let (Some(_), None, Some(SetData::Value { kind, .. })) = (&typeof_key, &typeof_data, set.data) {
            typeof_data = example(kind);
            typeof_key = typeof_key.filter(|_| typeof_data.is_some());
        }
        let of = typeof_key.is_some();
        let mut text = format!("type{} ", if of { "of" } else { "" });
        text.push_str(&typeof_key.unwrap_or_else(|| type_names(set.key_type)));
        if let Some(data) = set.data {
            text.push_str(" : ");
            match data {
                SetData::Verdict => text.push_str("verdict"),
                SetData::Object(kind) => text.push_str(kind.name()),
                SetData::Value { kind, .. } => {
                    if set.userdata.get_u32(SET_DATA_INTERVAL).is_some_and(|interval| interval != 0) {
                        text.push_str("interval ");
                    }
                    text.push_str(&typeof_data.unwrap_or_else(|| type_names(kind)));
                }
            }
        }
        text
    }

    /// What a kernel that counts elements tells about a set of limited size. A listing without state leaves it out.
    fn count(&self, state: &SetState, out: &mut String) {
        let count = state.element_count();
        if !self.options.stateless && count > 0 {
            let _ = write!(out, "\t# count {count}");
        }
    }
}

/// Types of a key or datum by nft's number: `ipv4_addr . inet_service`.
fn type_names(number: u32) -> String {
    match concat_types(number) {
        Some(types) => types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" . "),
        None => Type::Integer.name().into(),
    }
}

/// An expression of each type. JSON may give the key by an expression and the data by types; text has one word for both,
/// and so needs expressions for both. `None` where some type has none here.
fn example(number: u32) -> Option<String> {
    let of_type = |datatype: &Type| {
        EXAMPLES.iter().find(|(known, _)| known == datatype).map(|(_, expression)| *expression)
    };
    Some(concat_types(number)?.iter().map(of_type).collect::<Option<Vec<_>>>()?.join(" . "))
}

const EXAMPLES: [(Type, &str); 9] = [
    (Type::Ipv4Addr, "ip daddr"),
    (Type::Ipv6Addr, "ip6 daddr"),
    (Type::EtherAddr, "ether daddr"),
    (Type::InetService, "tcp dport"),
    (Type::InetProto, "meta l4proto"),
    (Type::Mark, "meta mark"),
    (Type::Classid, "meta priority"),
    (Type::IfaceIndex, "meta oif"),
    (Type::Ifname, "meta oifname"),
];

fn flags(flags: SetFlags, out: &mut String) {
    let words: Vec<&str> = [
        (SetFlags::CONSTANT, "constant"),
        (SetFlags::EVAL, "dynamic"),
        (SetFlags::INTERVAL, "interval"),
        (SetFlags::TIMEOUT, "timeout"),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .map(|(_, word)| word)
    .collect();
    if !words.is_empty() {
        let _ = writeln!(out, "\t\tflags {}", words.join(","));
    }
}

impl Lister<'_> {
    /// A set or map with some of its elements, or with all.
    pub(crate) fn set_json(&self, table: &TableState, state: &SetState, only: Option<Vec<Element>>) -> Value {
        let set = &state.set;
        let mut out = head(table, &set.name);
        out["type"] = match self.typeof_key_syntax(table, set) {
            Some(key) => json!({ "typeof": key.to_json(&self.options) }),
            None => types_json(set.key_type),
        };
        out["handle"] = json!(state.handle.told());
        if let Some(comment) = set.userdata.get_str(SET_COMMENT) {
            out["comment"] = json!(comment);
        }
        if let Some(data) = set.data {
            out["map"] = match data {
                SetData::Verdict => json!("verdict"),
                SetData::Object(kind) => json!(kind.name()),
                SetData::Value { kind, .. } => types_json(kind),
            };
        }
        if !set.flags.contains(SetFlags::CONSTANT) {
            if set.policy == SetPolicy::Memory {
                out["policy"] = json!("memory");
            }
            if let Some(size) = set.size.filter(|size| *size > 0) {
                out["size"] = json!(size);
            }
        }
        let flags: Vec<&str> = [
            (SetFlags::CONSTANT, "constant"),
            (SetFlags::INTERVAL, "interval"),
            (SetFlags::TIMEOUT, "timeout"),
            (SetFlags::EVAL, "dynamic"),
        ]
        .into_iter()
        .filter(|(flag, _)| set.flags.contains(*flag))
        .map(|(_, word)| word)
        .collect();
        if !flags.is_empty() {
            out["flags"] = json!(flags);
        }
        if let Some(timeout) = set.timeout.filter(|timeout| *timeout > 0) {
            out["timeout"] = json!(timeout / 1000);
        }
        if let Some(interval) = set.gc_interval.filter(|interval| *interval > 0) {
            out["gc-interval"] = json!(interval / 1000);
        }
        if set.userdata.get_u32(SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0) {
            out["auto-merge"] = json!(true);
        }
        let stmts = self.set_stmts_json(table, set);
        if !stmts.is_empty() {
            out["stmt"] = json!(stmts);
        }
        let elements = match only {
            Some(elements) => self.asked_elements_json(table, set, &elements),
            None if self.options.terse => Vec::new(),
            None => {
                let elements: Vec<Element> = state.dump(self.now).collect();
                self.elements_json(table, set, &elements)
            }
        };
        if !elements.is_empty() {
            out["elem"] = Value::Array(elements);
        }
        crate::json::tagged(if set.data.is_some() { "map" } else { "set" }, out)
    }
}

/// Types of a key or datum: a name, or an array of them.
fn types_json(number: u32) -> Value {
    match concat_types(number) {
        Some(types) => one_or_array(types.iter().map(|t| json!(t.name())).collect()),
        None => json!(Type::Integer.name()),
    }
}
