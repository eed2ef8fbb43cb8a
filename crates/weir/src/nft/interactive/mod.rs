//! `nft -i`: commands line by line, over one connection.
//!
//! The tables that a line makes with `flags owner` belong to that connection, and go when it ends. What a line defines
//! holds for those that follow; what one does wrong does not keep the next from being read (nft's `src/cli.c`). On a
//! terminal there is a prompt, editing of the line, history and completion; from a pipe lines are read as they are.

mod editor;
mod history;

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use ironweir_language::diag::COMMAND_LINE;
use ironweir_language::session::{Backend, Session};
use ironweir_language::source::Sources;

use super::{Options, define, report};
use crate::cli::complain;
use crate::files::DiskFiles;
use editor::Editor;

/// The longest command that is read, as for files.
const MAX_COMMAND: usize = 256 << 20;

/// One line of input.
enum Line {
    /// Without its end.
    Text(String),
    /// What was typed is to be forgotten (Ctrl-C).
    Abandoned,
    /// There are no more.
    End,
}

/// Where lines come from.
enum Input<'b> {
    Terminal(Box<Editor<'b>>),
    Pipe(io::Lines<io::StdinLock<'static>>, &'b mut dyn Backend),
}

impl Input<'_> {
    fn line(&mut self, continued: bool) -> io::Result<Line> {
        match self {
            Input::Terminal(editor) => editor.line(continued),
            Input::Pipe(lines, _) => Ok(lines.next().transpose()?.map_or(Line::End, Line::Text)),
        }
    }

    fn backend(&mut self) -> &mut dyn Backend {
        match self {
            Input::Terminal(editor) => editor.backend(),
            Input::Pipe(_, backend) => *backend,
        }
    }

    /// Whether a command goes on in the next line. At a terminal also one with a brace that is not closed: from a pipe
    /// nft takes that as an error.
    fn goes_on(&self, command: &str) -> bool {
        matches!(self, Input::Terminal(_)) && open_braces(command) > 0
    }
}

/// Reads commands until there are no more, or `quit`.
pub(super) fn run(session: &mut Session, options: &Options, backend: &mut dyn Backend) -> ExitCode {
    let mut sources = Sources::new();
    if let Err(error) = define(session, options, &mut sources) {
        return error;
    }
    let mut input = match io::stdin().is_terminal() {
        true => match Editor::new(backend) {
            Ok(editor) => Input::Terminal(Box::new(editor)),
            Err(error) => return failed(&error),
        },
        false => Input::Pipe(io::stdin().lock().lines(), backend),
    };
    let code = commands(session, options, &mut sources, &mut input);
    if let Input::Terminal(editor) = &input {
        editor.save();
    }
    code
}

fn commands(
    session: &mut Session,
    options: &Options,
    sources: &mut Sources,
    input: &mut Input<'_>,
) -> ExitCode {
    let files = DiskFiles { include_paths: options.include_paths.clone() };
    let mut command = String::new();
    loop {
        match input.line(!command.is_empty()) {
            Ok(Line::Text(line)) => command.push_str(&line),
            Ok(Line::Abandoned) => {
                command.clear();
                continue;
            }
            Ok(Line::End) => return ExitCode::SUCCESS,
            Err(error) => return failed(&error),
        }
        if command.len() > MAX_COMMAND {
            complain("Error: the command is too long\n");
            return ExitCode::from(1);
        }
        if let Some(kept) = command.strip_suffix('\\') {
            command.truncate(kept.len());
            continue;
        }
        if input.goes_on(&command) {
            command.push('\n');
            continue;
        }
        let text = std::mem::take(&mut command);
        if let Input::Terminal(editor) = input {
            editor.remember(&text);
        }
        match text.trim() {
            "quit" | "exit" => return ExitCode::SUCCESS,
            "" => continue,
            _ => {}
        }
        let Some(source) = sources.add(COMMAND_LINE, text + "\n", None) else {
            complain("Error: more than 4 GiB of commands\n");
            return ExitCode::from(1);
        };
        let outcome = session.run(sources, source, &files, input.backend());
        report(&outcome, sources);
        if let Some(monitor) = outcome.monitor.as_ref().filter(|_| outcome.ok()) {
            return super::monitor::run(session, monitor, input.backend(), &options.place.endpoint());
        }
    }
}

fn failed(error: &io::Error) -> ExitCode {
    complain(&format!("Error: {error}\n"));
    ExitCode::from(1)
}

/// How many braces of a command are not closed yet, quoted ones and those of comments aside.
fn open_braces(command: &str) -> usize {
    let (mut open, mut quoted, mut comment) = (0usize, false, false);
    for letter in command.chars() {
        match letter {
            '\n' => (quoted, comment) = (false, false),
            _ if comment => {}
            '"' => quoted = !quoted,
            _ if quoted => {}
            '#' => comment = true,
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_open_where_they_are_no_text() {
        for (text, open) in [
            ("add table x", 0),
            ("table ip x {", 1),
            ("table ip x {\nchain y {\n}", 1),
            ("add rule x y comment \"{\"", 0),
            ("list ruleset # {", 0),
            ("}}{", 1),
        ] {
            assert_eq!(open_braces(text), open, "{text}");
        }
    }
}
