//! Lines of a terminal: editing, history, and completion of keywords and of what exists.

use std::cell::RefCell;
use std::io;

use ironweir_language::session::{Backend, Session};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};

use super::Line;
use super::history::History;

const PROMPT: &str = "nft> ";

/// What a line of a command that is not complete is answered with.
const MORE: &str = ".... ";

/// A terminal whose lines are edited.
pub(super) struct Editor<'b> {
    editor: rustyline::Editor<Known<'b>, MemHistory>,
    history: History,
}

impl<'b> Editor<'b> {
    /// Over standard input. Completion asks the backend what there is.
    pub(super) fn new(backend: &'b mut dyn Backend) -> io::Result<Editor<'b>> {
        let config = Config::builder()
            .max_history_size(History::MAX)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(plain)?
            .completion_type(CompletionType::List)
            .build();
        let lines = MemHistory::with_config(&config);
        let mut editor = rustyline::Editor::with_history(config, lines).map_err(plain)?;
        let history = History::load();
        for line in history.lines() {
            editor.add_history_entry(line).map_err(plain)?;
        }
        editor.set_helper(Some(Known { backend: RefCell::new(backend), before: String::new() }));
        Ok(Editor { editor, history })
    }

    /// The next line; `continued` says that it belongs to the command before it.
    pub(super) fn line(&mut self, continued: bool) -> io::Result<Line> {
        let read = self.editor.readline(if continued { MORE } else { PROMPT });
        let known = self.editor.helper_mut();
        match read {
            Ok(line) => {
                if let Some(known) = known {
                    known.before.push_str(&line);
                    known.before.push('\n');
                }
                Ok(Line::Text(line))
            }
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(ReadlineError::Interrupted) => {
                known.into_iter().for_each(|known| known.before.clear());
                Ok(Line::Abandoned)
            }
            Err(error) => Err(plain(error)),
        }
    }

    /// Takes a whole command into the history.
    pub(super) fn remember(&mut self, command: &str) {
        self.editor.helper_mut().into_iter().for_each(|known| known.before.clear());
        let line = command.replace('\n', " ");
        if !line.trim().is_empty() && self.editor.add_history_entry(&line).unwrap_or(false) {
            self.history.add(line);
        }
    }

    /// Writes the history for the next time.
    pub(super) fn save(&self) {
        self.history.save();
    }

    /// What commands are run against.
    pub(super) fn backend(&mut self) -> &mut dyn Backend {
        // It is set when the editor is made, and nothing takes it out.
        let known = self.editor.helper_mut().expect("an editor has what it completes from");
        *known.backend.get_mut()
    }
}

fn plain(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// What completion knows.
struct Known<'b> {
    /// What exists. Completion has no other right than to read.
    backend: RefCell<&'b mut dyn Backend>,
    /// The lines of the command before the one that is typed.
    before: String,
}

impl Completer for Known<'_> {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let text = format!("{}{}", self.before, line.get(..at).unwrap_or(line));
        let Ok(mut backend) = self.backend.try_borrow_mut() else { return Ok((at, Vec::new())) };
        let found = Session::complete(&text, &mut **backend);
        let start = found.start.saturating_sub(self.before.len()).min(at);
        // Whoever has found the only word goes on behind it.
        let words = match &found.words[..] {
            [only] => vec![format!("{only} ")],
            _ => found.words,
        };
        Ok((start, words))
    }
}

impl Hinter for Known<'_> {
    type Hint = String;
}

impl Highlighter for Known<'_> {}

impl Validator for Known<'_> {}

impl Helper for Known<'_> {}
