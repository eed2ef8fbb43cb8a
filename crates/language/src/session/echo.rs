//! Echo: what commits made, printed.

use super::{Backend, Outcome, Session};
use crate::event::{Events, Filter};

impl Session {
    /// Prints what the last commit made, or keeps it where a document is to be printed with its handles.
    pub(super) fn echo(&self, backend: &mut dyn Backend, outcome: &mut Outcome) {
        let echoes = backend.take_echoes();
        if echoes.lost {
            outcome.remarks.push("# some of what was made is not told: there was no room for it".to_owned());
        }
        if outcome.from_document {
            outcome.echoed.extend(echoes.events);
            return;
        }
        let now = backend.now();
        let ruleset = backend.ruleset().clone();
        let mut events = Events::new(ruleset, self.options, self.names.clone(), Filter::default());
        let mut text = String::new();
        for event in echoes.events {
            events.event(event, now, &mut text);
        }
        events.finish(now, &mut text);
        match self.options.json {
            false => outcome.output.push_str(&text),
            true if text.is_empty() => {}
            true => {
                let items: Vec<&str> = text.lines().collect();
                outcome.output.push_str(&format!("{{\"nftables\": [{}]}}\n", items.join(", ")));
            }
        }
    }
}
