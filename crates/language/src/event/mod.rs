//! What `nft monitor` and `nft -e` print: events, each on a line, as commands that would have caused them.
//!
//! [`Events`] follows the ruleset that the events are about, since they do not say all: the type of a set stands in the
//! event that made it, elements of an anonymous set come before the rule that looks it up, and an interval is two events.

mod filter;
mod half;
mod headers;
mod interface;
mod json;
mod text;
mod trace;

use std::collections::BTreeMap;

use ironweir_ruleset::netlink::{ElementsMessage, Event, Gone, RuleMessage, Told, Trace, Verb};
use ironweir_ruleset::store::Mirror;
use ironweir_ruleset::{Element, Ruleset, TableId};
use ironweir_wire::Instant;

use crate::datatype::Names;
use crate::list::Lister;
use crate::print::Options;

pub use filter::Filter;

use half::{Half, Joined};

/// Prints events one after another.
#[derive(Debug)]
pub struct Events {
    mirror: Mirror,
    options: Options,
    names: Names,
    filter: Filter,
    /// The beginning or end of an interval whose other half is still to come.
    half: Option<Half>,
    /// Elements of anonymous sets whose rule is still to come.
    anonymous: BTreeMap<(TableId, Box<str>), Vec<Element>>,
}

impl Events {
    /// `ruleset` is what was there before the first event: sets and, if traces are shown, rules.
    pub fn new(ruleset: Ruleset, options: Options, names: Names, filter: Filter) -> Events {
        let (mirror, anonymous) = (Mirror::of(ruleset), BTreeMap::new());
        Events { mirror, options, names, filter, half: None, anonymous }
    }

    /// Begins again with a ruleset that was read after events were lost.
    pub fn restart(&mut self, ruleset: Ruleset) {
        self.mirror = Mirror::of(ruleset);
        self.half = None;
        self.anonymous.clear();
    }

    /// Appends what an event is printed as: nothing, a line, or several where it ends what was held back.
    pub fn event(&mut self, event: Event, now: Instant, out: &mut String) {
        if let Some(table) = table_of(&event.told) {
            self.mirror.expect_table(table);
        }
        match event.told {
            Told::Elements(told) | Told::Gone(Gone::Elements(told)) => {
                self.elements(told, event.verb, now, out);
            }
            told => {
                self.finish(now, out);
                self.other(told, event.verb, now, out);
            }
        }
    }

    /// Prints what is held back: no event follows.
    pub fn finish(&mut self, now: Instant, out: &mut String) {
        if let Some((half, joined)) = self.half.take().and_then(Half::alone) {
            self.element(&half.table, &half.set, half.verb, &joined, now, out);
        }
    }

    fn other(&mut self, told: Told, verb: Verb, now: Instant, out: &mut String) {
        match &told {
            Told::Trace(trace) => {
                if self.filter.shows_trace() {
                    self.trace(trace, now, out);
                }
                return;
            }
            Told::Rule(rule) | Told::Gone(Gone::Rule(rule)) => {
                self.fill_anonymous(now);
                if self.filter.shows(&told, verb) {
                    self.rule(rule, verb, now, out);
                }
                // Only traces name rules that were told before.
                if self.filter.shows_trace() {
                    self.mirror.follow(&told);
                }
                return;
            }
            _ => {}
        }
        let shown = self.filter.shows(&told, verb);
        // What goes is described by what is known of it.
        if let (Told::Gone(gone), true) = (&told, shown) {
            self.gone(gone, now, out);
        }
        self.mirror.follow(&told);
        if shown && !matches!(told, Told::Gone(_)) {
            match self.options.json {
                true => self.made_json(&told, verb, now, out),
                false => self.made(&told, verb, now, out),
            }
        }
    }

    fn rule(&self, rule: &RuleMessage, verb: Verb, now: Instant, out: &mut String) {
        match self.options.json {
            true => self.rule_json(rule, verb, now, out),
            false => self.rule_text(rule, verb, now, out),
        }
    }

    fn gone(&self, gone: &Gone, now: Instant, out: &mut String) {
        match self.options.json {
            true => self.gone_json(gone, out),
            false => self.gone_text(gone, now, out),
        }
    }

    fn elements(&mut self, told: ElementsMessage, verb: Verb, now: Instant, out: &mut String) {
        let state = self.mirror.ruleset().table(&told.table).and_then(|table| table.set(&told.set));
        let Some(state) = state else { return };
        if state.is_anonymous() {
            if verb != Verb::Delete {
                self.anonymous.entry((told.table, told.set)).or_default().extend(told.elements);
            }
            return;
        }
        if !self.filter.shows_elements(verb) {
            return;
        }
        let intervals = half::has_ends(&state.set);
        for element in told.elements {
            if !intervals {
                self.finish(now, out);
                self.element(&told.table, &told.set, verb, &[element], now, out);
                continue;
            }
            let half = Half { table: told.table.clone(), set: told.set.clone(), verb, element };
            match Half::join(self.half.take(), half) {
                Joined::Whole(half, pair) => self.element(&half.table, &half.set, verb, &pair, now, out),
                Joined::Apart(before, after) => {
                    self.half = before;
                    self.finish(now, out);
                    self.half = after;
                }
            }
        }
    }

    /// Prints an element: of an interval both ends, or its beginning alone where it has no end.
    fn element(
        &self,
        table: &TableId,
        set: &str,
        verb: Verb,
        element: &[Element],
        now: Instant,
        out: &mut String,
    ) {
        match self.options.json {
            true => self.element_json(table, set, verb, element, now, out),
            false => self.element_text(table, set, verb, element, now, out),
        }
    }

    /// Gives anonymous sets the elements that were told of them: the rule that follows shows them.
    fn fill_anonymous(&mut self, now: Instant) {
        for ((table, set), elements) in std::mem::take(&mut self.anonymous) {
            self.mirror.elements(&table, &set, elements, now);
        }
    }

    fn trace(&self, trace: &Trace, now: Instant, out: &mut String) {
        trace::line(&self.lister(now), trace, out);
    }

    fn lister(&self, now: Instant) -> Lister<'_> {
        Lister { ruleset: self.mirror.ruleset(), options: self.options, names: &self.names, now }
    }
}

/// The table that something was made in.
fn table_of(told: &Told) -> Option<&TableId> {
    Some(match told {
        Told::Chain(told) => &told.table,
        Told::Set(told) => &told.table,
        Told::Object(told) => &told.table,
        Told::Flowtable(told) => &told.table,
        Told::Rule(told) | Told::Gone(Gone::Rule(told)) => &told.table,
        _ => return None,
    })
}
