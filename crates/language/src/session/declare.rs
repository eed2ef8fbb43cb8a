//! A text that says what shall be, by itself: what it declares is the whole content of its tables.

use std::collections::BTreeSet;

use ironweir_ruleset::{Ruleset, TableId};
use ironweir_wire::Instant;

use super::{Memory, Outcome, Session};
use crate::cmd::{self, Command, CommandKind, Position, Target, Which};
use crate::diag::{Code, Diagnostic, Parsed};
use crate::files::Files;
use crate::json::Document;
use crate::source::{SourceId, Sources, Span};

/// What a text says shall be.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The tables it declares, with all they shall hold.
    pub ruleset: Ruleset,
    /// Tables it deletes and does not declare: they shall not be there.
    pub absent: BTreeSet<TableId>,
    /// Errors and warnings. With an error the rest is of no use.
    pub outcome: Outcome,
}

impl Declared {
    /// Every table it says something of.
    pub fn tables(&self) -> BTreeSet<TableId> {
        let declared = self.ruleset.tables().map(|table| table.table.id.clone());
        declared.chain(self.absent.iter().cloned()).collect()
    }
}

impl Session {
    /// What a text says shall be. It is run on an empty ruleset; `delete table` is no error there. Commands that need what
    /// is loaded (by handle) or only show it (`list`) are refused.
    pub fn declare(
        &mut self,
        sources: &mut Sources,
        source: SourceId,
        files: &dyn Files,
        now: Instant,
    ) -> Declared {
        let mut backend = Memory::new(now);
        let mut outcome = Outcome::default();
        let mut text = cmd::parse(sources, source, files, &mut self.scopes);
        outcome.diagnostics = text.found;
        let mut absent = BTreeSet::new();
        match outcome.ok() {
            true => absent = self.declared(&mut text.commands, &mut backend, sources, &mut outcome),
            false => self.examine(&text.commands, &text.lost, &mut backend, sources, &mut outcome),
        }
        finish(backend, absent, outcome)
    }

    /// The same of a JSON document, which errors call `name`.
    pub fn declare_json(&mut self, name: &str, text: &str, now: Instant) -> Declared {
        let mut backend = Memory::new(now);
        let mut outcome = Outcome::default();
        let document = match Document::read(text) {
            Ok(document) => document,
            Err(mut error) => {
                error.message = format!("{name}: {}", error.message);
                outcome.diagnostics.push(*error);
                return finish(backend, BTreeSet::new(), outcome);
            }
        };
        let (mut commands, found) = document.commands();
        outcome.diagnostics = found;
        let (sources, mut absent) = (Sources::new(), BTreeSet::new());
        match outcome.ok() {
            true => absent = self.declared(&mut commands, &mut backend, &sources, &mut outcome),
            false => self.examine(&commands, &[], &mut backend, &sources, &mut outcome),
        }
        let found = std::mem::take(&mut outcome.diagnostics);
        outcome.diagnostics = found.into_iter().map(|error| document.with_paths(name, error)).collect();
        finish(backend, absent, outcome)
    }

    /// Runs commands on an empty ruleset; tells which tables they delete.
    fn declared(
        &self,
        commands: &mut [Command],
        backend: &mut Memory,
        sources: &Sources,
        outcome: &mut Outcome,
    ) -> BTreeSet<TableId> {
        let mut absent = BTreeSet::new();
        for command in &mut *commands {
            if let Err(error) = by_itself(command, &mut absent) {
                outcome.diagnostics.push(*error);
            }
        }
        if !outcome.ok() {
            return absent;
        }
        self.execute(commands, backend, sources, outcome);
        for error in &mut outcome.diagnostics {
            if error.code == Some(Code::Missing) && error.help.is_none() {
                error.help = Some("the file must declare what it names: it is read by itself".to_owned());
            }
        }
        absent
    }
}

fn finish(backend: Memory, mut absent: BTreeSet<TableId>, outcome: Outcome) -> Declared {
    absent.retain(|id| backend.ruleset.table(id).is_none());
    Declared { ruleset: backend.ruleset, absent, outcome }
}

/// Refuses what makes no sense in a text that is read by itself; notes tables it deletes.
fn by_itself(command: &mut Command, absent: &mut BTreeSet<TableId>) -> Parsed<()> {
    let handle = |span: Span| {
        let message = "a handle is known only where a ruleset is loaded";
        let help = "this file is read by itself: say what shall be, by name";
        Err(Diagnostic::error(span, message).code(Code::Refused).help(help))
    };
    let reads = command.reads();
    match &mut command.kind {
        CommandKind::Delete { what, missing_ok } => match what {
            Target::Table(family, Which::Name(name)) => {
                absent.insert(TableId::new(*family, name.text.clone()));
                *missing_ok = true;
                Ok(())
            }
            Target::Rule { handle: (_, span), .. }
            | Target::Table(_, Which::Handle(_, span))
            | Target::Chain(_, Which::Handle(_, span), _)
            | Target::Set(_, Which::Handle(_, span))
            | Target::Flowtable(_, Which::Handle(_, span), _)
            | Target::Object(_, _, Which::Handle(_, span)) => handle(*span),
            _ => Ok(()),
        },
        CommandKind::Rule(rule) => match &rule.position {
            Some((Position::Handle(_), span)) => handle(*span),
            _ => Ok(()),
        },
        _ if reads => {
            let message = "this command shows what is loaded and says nothing of what shall be";
            Err(Diagnostic::error(command.span, message).code(Code::Refused))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::NoFiles;
    use ironweir_ruleset::Family;

    fn declare(text: &str) -> (Declared, String) {
        let mut sources = Sources::new();
        let source = sources.add("f", text, None).expect("short");
        let declared = Session::default().declare(&mut sources, source, &NoFiles, Instant::from_nanos(0));
        let told = declared.outcome.render(&sources);
        (declared, told)
    }

    #[test]
    fn deleted_tables_are_absent_unless_declared_again() {
        let (declared, told) = declare(
            "flush ruleset
             delete table ip gone
             destroy table ip6 gone
             add table inet f; delete table inet f
             table inet f { chain c { accept } }",
        );
        assert_eq!(told, "");
        assert_eq!(
            declared.absent,
            BTreeSet::from([Family::Ip, Family::Ip6].map(|family| TableId::new(family, "gone")))
        );
        assert_eq!(declared.tables().len(), 3);
        assert_eq!(declared.ruleset.tables().count(), 1);
    }

    #[test]
    fn what_needs_a_loaded_ruleset_is_refused() {
        for text in [
            "list ruleset",
            "table ip t { chain c { } }\ndelete rule ip t c handle 4",
            "table ip t { chain c { } }\nadd rule ip t c handle 4 accept",
            "delete table ip handle 3",
            "add rule ip t c accept",
        ] {
            let (declared, told) = declare(text);
            assert!(!declared.outcome.ok(), "{text}");
            assert!(told.contains("Error"), "{told}");
        }
        let (_, told) = declare("add rule ip t c accept");
        assert!(told.contains("the file must declare what it names") || told.contains("help:"), "{told}");
    }
}
