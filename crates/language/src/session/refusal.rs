//! What a backend refused, as a diagnostic at the text that asked for it.

use ironweir_ruleset::Ruleset;
use ironweir_ruleset::store::{ChangeError, ErrorKind, Thing};

use crate::compile::Compiled;
use crate::diag::{Diagnostic, nearest};
use crate::source::Span;

/// nft's words for a change that the kernel refused, and beneath them why.
pub(super) fn diagnostic(refused: &ChangeError, compiled: &Compiled, ruleset: &Ruleset) -> Diagnostic {
    let origin = compiled.origins.get(refused.change);
    let element = match &refused.kind {
        ErrorKind::ElementExists { element, .. }
        | ErrorKind::Overlap { element, .. }
        | ErrorKind::NoElement { element, .. }
        | ErrorKind::BadElement { element, .. } => Some(*element),
        _ => None,
    };
    let span = origin.map_or(Span::NONE, |origin| {
        element.and_then(|at| origin.elements.get(at)).copied().unwrap_or(origin.span)
    });
    let text = refused.kind.errno().text();
    let mut help = refused.kind.to_string();
    if let Some(near) = alike(&refused.kind, ruleset) {
        help.push_str(&format!("; did you mean {near}?"));
    }
    *Diagnostic::error(span, format!("Could not process rule: {text}")).help(help)
}

/// The name nearest to one that is missing.
fn alike(kind: &ErrorKind, ruleset: &Ruleset) -> Option<String> {
    match kind {
        ErrorKind::NoTable(id) => {
            // The same name in another family is what is meant most often.
            let same = ruleset.tables().find(|table| table.table.id.name == id.name);
            if let Some(same) = same {
                return Some(format!("table {}", same.table.id));
            }
            let names = ruleset.tables().map(|table| &table.table.id);
            let near =
                nearest(&id.name, names.filter(|known| known.family == id.family).map(|known| &*known.name))?;
            Some(format!("table {} {near}", id.family))
        }
        ErrorKind::NoSuch { what, table, name } => {
            let state = ruleset.table(table)?;
            let names: Vec<&str> = match what {
                Thing::Chain => state.chains().map(|chain| &*chain.chain.name).collect(),
                Thing::Set => state.sets().map(|set| &*set.set.name).collect(),
                Thing::Flowtable => state.flowtables().map(|known| &*known.flowtable.name).collect(),
                Thing::Object(kind) => state
                    .objects()
                    .filter(|object| object.object.object_type() == *kind)
                    .map(|object| &*object.object.name)
                    .collect(),
                _ => return None,
            };
            Some(format!("{what} {}", nearest(name, names)?))
        }
        _ => None,
    }
}
