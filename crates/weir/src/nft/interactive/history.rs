//! The lines of earlier sessions: `~/.nft.history`, where nft has them too (`src/cli.c`).
//!
//! nft writes the file by the library it is built with: libedit has a first line `_HiStOrY_V2_` and blanks, backslashes
//! and what is no ASCII as `\` and three octal digits (`vis(3)`, `VIS_WHITE`); readline has the lines as they are. What is
//! there is read and written as it is; a new file has libedit's form, which Debian's nft reads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// The first line of libedit's files.
const COOKIE: &str = "_HiStOrY_V2_";

/// The longest file that is read.
const MAX_FILE: u64 = 16 << 20;

/// The lines of earlier sessions and of this one, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    file: Option<PathBuf>,
    lines: Vec<String>,
    /// Whether the file has its lines as they are.
    is_plain: bool,
}

impl History {
    /// Lines that are kept. nft keeps as many as its library does; libedit's default is 100.
    pub(super) const MAX: usize = 1000;

    /// Reads the file of this user. One that is not there, or cannot be read, has no lines.
    pub(super) fn load() -> History {
        let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()) else {
            return History::default();
        };
        let file = PathBuf::from(home).join(".nft.history");
        let short = fs::metadata(&file).is_ok_and(|found| found.is_file() && found.len() <= MAX_FILE);
        let text = if short { fs::read_to_string(&file).unwrap_or_default() } else { String::new() };
        History { file: Some(file), ..History::of(&text) }
    }

    fn of(text: &str) -> History {
        let mut lines = text.lines().peekable();
        let encoded = lines.next_if_eq(&COOKIE).is_some();
        let is_plain = !encoded && !text.is_empty();
        let mut lines: Vec<String> =
            lines.map(|line| if encoded { decoded(line) } else { line.to_owned() }).collect();
        lines.drain(..lines.len().saturating_sub(History::MAX));
        History { file: None, lines, is_plain }
    }

    /// All lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Adds one.
    pub(super) fn add(&mut self, line: String) {
        self.lines.push(line);
    }

    fn text(&self) -> String {
        let kept = &self.lines[self.lines.len().saturating_sub(History::MAX)..];
        if self.is_plain {
            return kept.iter().map(|line| format!("{line}\n")).collect();
        }
        let lines = kept.iter().map(|line| encoded(line));
        std::iter::once(COOKIE.to_owned()).chain(lines).map(|line| line + "\n").collect()
    }

    /// Writes the file. That it cannot be written is nobody's concern who typed commands.
    pub(super) fn save(&self) {
        let Some(file) = &self.file else { return };
        // Rulesets tell about a machine: only its user reads them.
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
        let _ = opened.and_then(|mut file| file.write_all(self.text().as_bytes()));
    }
}

fn encoded(line: &str) -> String {
    let letters = line.bytes().map(|byte| match byte {
        b'!'..=b'~' if byte != b'\\' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    });
    letters.collect()
}

fn decoded(line: &str) -> String {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'7')));
        let number = octal.and_then(|digits| {
            let digits = digits.iter().map(|digit| u32::from(digit - b'0'));
            u8::try_from(digits.fold(0, |number, digit| number * 8 + digit)).ok()
        });
        match (first, number) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            (b'\\', None) if behind.first() == Some(&b'\\') => {
                bytes.push(b'\\');
                rest = &behind[1..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by libedit 3.1 of Debian 12 (`nft -i`, 1.0.6).
    const LIBEDIT: &str =
        "_HiStOrY_V2_\nlist\\040ruleset\nadd\\040rule\\040x\\040y\\040comment\\040\"a\\134b\"\n";

    #[test]
    fn files_of_libedit_are_read_and_written() {
        let history = History::of(LIBEDIT);
        assert_eq!(history.lines, ["list ruleset", "add rule x y comment \"a\\b\""]);
        assert_eq!(history.text(), LIBEDIT);
    }

    #[test]
    fn files_of_readline_stay_plain() {
        let mut history = History::of("list ruleset\n");
        history.add("list tables".to_owned());
        assert_eq!(history.text(), "list ruleset\nlist tables\n");
    }

    #[test]
    fn a_new_file_is_one_that_debians_nft_reads() {
        let mut history = History::of("");
        history.add("list tables ü".to_owned());
        assert_eq!(history.text(), "_HiStOrY_V2_\nlist\\040tables\\040\\303\\274\n");
    }

    #[test]
    fn the_oldest_lines_go() {
        let text: String = (0..History::MAX + 5).map(|number| format!("line{number}\n")).collect();
        let history = History::of(&text);
        assert_eq!(history.lines.len(), History::MAX);
        assert_eq!(history.lines().next(), Some("line5"));
    }
}
