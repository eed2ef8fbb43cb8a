//! Large texts are committed without keeping what was read of them.
//!
//! A rule as it is read takes about as much memory as the one it becomes. Both are there together only to tell what is
//! wrong, which can be found out anew from the text.

use super::*;
use crate::cmd::Declaration;

/// Rules from which on it is worth it: so many take 4 MiB as they are read.
const MANY: usize = 8192;

impl Session {
    /// Whether commands may be committed at once: there are many rules, and nothing is to be told of them.
    pub(super) fn is_large(&self, commands: &[Command]) -> bool {
        let rules = commands.iter().map(|command| match &command.kind {
            CommandKind::Declare(_, Declaration::Table(table)) => {
                table.chains.iter().map(|chain| chain.rules.len()).sum()
            }
            CommandKind::Declare(_, Declaration::Chain(chain)) => chain.rules.len(),
            CommandKind::Rule(_) => 1,
            _ => 0,
        });
        !self.debug_netlink && rules.sum::<usize>() >= MANY && !commands.iter().any(Command::reads)
    }

    /// Commits commands, if nothing is wrong with any. Else nothing is committed and nothing is told.
    pub(super) fn commit_at_once(
        &self,
        commands: Vec<Command>,
        backend: &mut dyn Backend,
        outcome: &mut Outcome,
    ) -> bool {
        if backend.fetch(&needs::of_changes(&commands)).is_err() {
            return false;
        }
        let mut errors = Vec::new();
        let mut compiler = Compiler::new(backend.ruleset(), &self.names, backend.now());
        commands.into_iter().for_each(|command| compiler.consume(command, &mut errors));
        let mut compiled = compiler.finish();
        if !errors.is_empty() || !whole::needed(&compiled.batch, backend.ruleset()).is_empty() {
            return false;
        }
        whole::demand_new(&mut compiled.batch, backend.ruleset());
        let result = self.send(&compiled.batch, backend);
        match result {
            Ok(applied) => self.committed(&compiled, &applied, backend, outcome),
            Err(_) => return false,
        }
        true
    }
}
