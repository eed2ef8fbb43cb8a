//! Which events are shown: `monitor new rules`, `monitor destroy`, `monitor trace`.

use ironweir_ruleset::netlink::{Gone, Told, Verb};

use crate::cmd::Monitor;

/// Which events are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    verbs: Verbs,
    things: Things,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verbs {
    #[default]
    All,
    New,
    Destroy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Things {
    /// Traces too.
    #[default]
    Everything,
    Ruleset,
    Tables,
    Chains,
    Rules,
    Sets,
    Elements,
    Objects,
    Flowtables,
    Trace,
}

impl Filter {
    /// What a `monitor` command asks for.
    pub fn of(monitor: &Monitor) -> Filter {
        let verbs = match monitor.event.as_deref() {
            Some("new") => Verbs::New,
            Some("destroy") => Verbs::Destroy,
            _ => Verbs::All,
        };
        let things = match monitor.what.as_deref() {
            Some("ruleset") => Things::Ruleset,
            Some("tables") => Things::Tables,
            Some("chains") => Things::Chains,
            Some("rules") => Things::Rules,
            Some("sets") => Things::Sets,
            Some("elements") => Things::Elements,
            Some("objects") => Things::Objects,
            Some("flowtables") => Things::Flowtables,
            Some("trace") => Things::Trace,
            _ => Things::Everything,
        };
        Filter { verbs, things }
    }

    /// Whether traces are shown: rules must be known then.
    pub fn shows_trace(self) -> bool {
        matches!(self.things, Things::Everything | Things::Trace) && self.verbs != Verbs::Destroy
    }

    /// Whether traces alone are shown.
    pub fn only_trace(self) -> bool {
        self.things == Things::Trace
    }

    pub(super) fn shows_elements(self, verb: Verb) -> bool {
        self.verb(verb)
            && matches!(self.things, Things::Everything | Things::Ruleset | Things::Sets | Things::Elements)
    }

    /// Whether an event that is neither a trace nor about elements is shown.
    pub(super) fn shows(self, told: &Told, verb: Verb) -> bool {
        let thing = match told {
            Told::Table(_) | Told::Gone(Gone::Table { .. }) => Things::Tables,
            Told::Chain(_) | Told::Gone(Gone::Chain { .. }) => Things::Chains,
            Told::Rule(_) | Told::Gone(Gone::Rule(_)) => Things::Rules,
            Told::Set(_) | Told::Gone(Gone::Set { .. }) => Things::Sets,
            Told::Object(_) | Told::Gone(Gone::Object { .. }) => Things::Objects,
            Told::Flowtable(_) | Told::Gone(Gone::Flowtable { .. }) => Things::Flowtables,
            // Which generation it is is told where everything is.
            Told::Generation(_) => return self == Filter::default(),
            _ => return false,
        };
        self.verb(verb)
            && (matches!(self.things, Things::Everything | Things::Ruleset) || self.things == thing)
    }

    fn verb(self, verb: Verb) -> bool {
        match self.verbs {
            Verbs::All => true,
            Verbs::New => verb != Verb::Delete,
            Verbs::Destroy => verb == Verb::Delete,
        }
    }
}
