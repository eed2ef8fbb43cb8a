//! A command line taken apart as `getopt_long(3)` does: letters may be joined, long names shortened while they are unique,
//! options and other words mixed; what follows `--` is none.

use super::error::Usage;
use super::options::{COMMANDS, Command, Entry, OPTIONS, Opt, Takes};
use super::protocol::{Field, Protocol};

/// An option that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A command.
    Command(Command),
    /// An option.
    Option(Opt),
    /// An option of the protocol that was named before.
    Field(Field),
}

/// Reads options one by one.
#[derive(Debug)]
pub struct Words<'a> {
    words: &'a [&'a str],
    at: usize,
    /// Letters of the word before that are still to be read.
    letters: &'a str,
    /// The options of this protocol count as well.
    pub protocol: Option<&'static Protocol>,
}

impl<'a> Words<'a> {
    /// Of a command line without the program's name.
    pub fn new(words: &'a [&'a str]) -> Words<'a> {
        Words { words, at: 0, letters: "", protocol: None }
    }

    /// The next option and its value.
    pub fn read(&mut self) -> Result<Option<(Which, Option<&'a str>)>, Usage> {
        let mut letters = self.letters.chars();
        if let Some(letter) = letters.next() {
            self.letters = letters.as_str();
            return self.letter(letter).map(Some);
        }
        while let Some(&word) = self.words.get(self.at) {
            self.at += 1;
            if word == "--" {
                self.at = self.words.len();
                return Ok(None);
            }
            if let Some(long) = word.strip_prefix("--") {
                return self.long(word, long).map(Some);
            }
            match word.strip_prefix('-') {
                None | Some("") => {}
                Some(letters) => {
                    self.letters = letters;
                    return self.read();
                }
            }
        }
        Ok(None)
    }

    /// The next word, if it is no option: the value of an option that may have one.
    pub fn value(&mut self) -> Option<&'a str> {
        if !self.letters.is_empty() {
            return None;
        }
        let word = *self.words.get(self.at)?;
        if word.starts_with(['-', '!']) {
            return None;
        }
        self.at += 1;
        Some(word)
    }

    /// Every option that is known now.
    fn known(&self) -> impl Iterator<Item = (Which, Option<char>, &'static [&'static str], Takes)> {
        fn of<T: Copy>(
            table: &'static [Entry<T>],
            which: impl Fn(T) -> Which,
        ) -> impl Iterator<Item = (Which, Option<char>, &'static [&'static str], Takes)> {
            table.iter().map(move |e| (which(e.what), e.short, e.long, e.takes))
        }
        of(COMMANDS, Which::Command)
            .chain(of(OPTIONS, Which::Option))
            .chain(of(self.protocol.map_or(&[], |p| p.options), Which::Field))
    }

    fn letter(&mut self, letter: char) -> Result<(Which, Option<&'a str>), Usage> {
        let found = self.known().find(|(_, short, ..)| *short == Some(letter));
        let Some((which, _, _, takes)) = found else {
            return Err(Usage::UnknownOption(format!("-{letter}")));
        };
        let rest = match takes {
            Takes::Nothing => return Ok((which, None)),
            Takes::Value(_) | Takes::Maybe(_) => std::mem::take(&mut self.letters),
        };
        let value = match (takes, rest) {
            (Takes::Value(_), "") => {
                let value = self.words.get(self.at).copied();
                self.at += 1;
                Some(value.ok_or_else(|| Usage::NeedsValue(format!("-{letter}")))?)
            }
            (_, "") => None,
            (_, rest) => Some(rest),
        };
        Ok((which, value))
    }

    fn long(&mut self, word: &'a str, long: &'a str) -> Result<(Which, Option<&'a str>), Usage> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let unknown = || Usage::UnknownOption(word.to_owned());
        let mut found: Option<(Which, Takes)> = None;
        for (which, _, names, takes) in self.known() {
            if names.contains(&name) {
                found = Some((which, takes));
                break;
            }
            if names.iter().any(|known| known.starts_with(name)) {
                match found {
                    Some((other, _)) if other != which => {
                        // Short for several, unless one of the following is it exactly.
                        let exact = self.known().find(|(_, _, names, _)| names.contains(&name));
                        let (which, _, _, takes) = exact.ok_or_else(unknown)?;
                        found = Some((which, takes));
                        break;
                    }
                    _ => found = Some((which, takes)),
                }
            }
        }
        let (which, takes) = found.ok_or_else(unknown)?;
        match (takes, value) {
            (Takes::Nothing, Some(_)) => Err(unknown()),
            (Takes::Value(_), None) => {
                let value = self.words.get(self.at).copied();
                self.at += 1;
                Ok((which, Some(value.ok_or_else(|| Usage::NeedsValue(word.to_owned()))?)))
            }
            _ => Ok((which, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(Which, Option<String>)>, Usage> {
        let line: Vec<&str> = line.split(' ').collect();
        let mut words = Words::new(&line);
        let mut read = Vec::new();
        while let Some((which, value)) = words.read()? {
            read.push((which, value.map(str::to_owned)));
        }
        Ok(read)
    }

    #[test]
    fn letters_join_and_long_names_shorten() {
        let list = (Which::Command(Command::List), None);
        let source = (Which::Option(Opt::Source), Some("1.1.1.1".to_owned()));
        for line in
            ["-L -s 1.1.1.1", "-L -s1.1.1.1", "--dump --src=1.1.1.1", "word --dum --orig-s 1.1.1.1 -- -k"]
        {
            assert_eq!(read(line).unwrap(), [list.clone(), source.clone()], "{line}");
        }
        assert_eq!(
            read("-zp tcp").unwrap(),
            [(Which::Option(Opt::Zero), None), (Which::Option(Opt::Protocol), Some("tcp".to_owned()))]
        );
        assert_eq!(read("--reply"), Err(Usage::UnknownOption("--reply".to_owned())));
        assert_eq!(read("-L -s"), Err(Usage::NeedsValue("-s".to_owned())));
        assert_eq!(read("-L --zero=1"), Err(Usage::UnknownOption("--zero=1".to_owned())));
        // `src` is a name of its own, and the beginning of another.
        assert_eq!(read("--src 1.1.1.1").unwrap(), [source]);
    }
}
