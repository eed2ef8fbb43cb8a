//! `nft -i`: commands line by line, over one connection.
//!
//! The tables that a line makes with `flags owner` belong to that connection, and go when it ends. What a line defines
//! holds for those that follow; what one does wrong does not keep the next from being read (nft's `src/cli.c`). The
//! prompt is shown to terminals alone.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use ironweir_language::session::{Backend, Session};
use ironweir_language::source::Sources;

use super::{Options, define, report};
use crate::cli::complain;
use crate::files::DiskFiles;

const PROMPT: &str = "nft> ";

/// What a line of a command that is not complete is answered with.
const MORE: &str = ".... ";

/// The longest command that is read, as for files.
const MAX_COMMAND: usize = 256 << 20;

/// Reads commands until there are no more, or `quit`.
pub(super) fn run(session: &mut Session, options: &Options, backend: &mut dyn Backend) -> ExitCode {
    let mut sources = Sources::new();
    if let Err(error) = define(session, options, &mut sources) {
        return error;
    }
    let files = DiskFiles { include_paths: options.include_paths.clone() };
    let shows_prompt = io::stdin().is_terminal();
    let mut lines = io::stdin().lock().lines();
    let mut command = String::new();
    loop {
        if shows_prompt {
            print!("{}", if command.is_empty() { PROMPT } else { MORE });
            let _ = io::stdout().flush();
        }
        let line = match lines.next() {
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                complain(&format!("Error: {error}\n"));
                return ExitCode::from(1);
            }
            None => return ExitCode::SUCCESS,
        };
        command.push_str(&line);
        if command.len() > MAX_COMMAND {
            complain("Error: the command is too long\n");
            return ExitCode::from(1);
        }
        if let Some(kept) = command.strip_suffix('\\') {
            command.truncate(kept.len());
            continue;
        }
        let text = std::mem::take(&mut command);
        match text.trim() {
            "quit" | "exit" => return ExitCode::SUCCESS,
            "" => continue,
            _ => {}
        }
        let Some(source) = sources.add("<cli>", text, None) else {
            complain("Error: more than 4 GiB of commands\n");
            return ExitCode::from(1);
        };
        let outcome = session.run(&mut sources, source, &files, backend);
        report(&outcome, &sources);
        if let Some(monitor) = outcome.monitor.as_ref().filter(|_| outcome.ok()) {
            return super::monitor::run(session, monitor, backend);
        }
    }
}
