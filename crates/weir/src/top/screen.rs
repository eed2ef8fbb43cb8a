//! A terminal as a page and keys: raw input, the other screen, both given back at the end (`termios(3)`,
//! `console_codes(4)`).

use std::collections::VecDeque;
use std::io::{self, Read, Write, stdin, stdout};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The terminal while it is ours.
pub(super) struct Screen {
    before: Termios,
    /// Keys that came together with the one before.
    keys: VecDeque<Key>,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Enter,
    Escape,
    Back,
    Char(char),
}

impl Screen {
    /// Takes it.
    ///
    /// # Errors
    /// There is none, for input or for output.
    pub(super) fn open() -> io::Result<Screen> {
        let failed = |_| io::Error::other("this is no terminal; --once and --batch do without");
        tcgetattr(stdout()).map_err(failed)?;
        let before = tcgetattr(stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        let screen = Screen { before, keys: VecDeque::new() };
        // The other screen, without a cursor.
        stdout().write_all(b"\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(screen)
    }

    /// Its columns and lines.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    /// Shows a page, from its first line on; what is below goes.
    pub(super) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = String::from("\x1b[H");
        out.push_str(&lines.join("\x1b[K\r\n"));
        out.push_str("\x1b[K\x1b[J");
        let mut stdout = stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }

    /// A key, waited for so long. None too where a signal came.
    pub(super) fn key(&mut self, wait: Duration) -> io::Result<Option<Key>> {
        if let Some(key) = self.keys.pop_front() {
            return Ok(Some(key));
        }
        let stdin = stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let wait = Timespec::try_from(wait).ok();
        match poll(&mut fds, wait.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 64];
        let len = stdin.lock().read(&mut bytes)?;
        if len == 0 {
            // Nobody types any more.
            self.keys.push_back(Key::Char('q'));
        }
        self.keys.extend(keys(bytes.get(..len).unwrap_or_default()));
        Ok(self.keys.pop_front())
    }
}

/// The keys that bytes of a terminal mean. Arrows and their like mean nothing; Ctrl-C and Ctrl-D mean the end.
fn keys(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut keys = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        keys.push(match char {
            '\r' | '\n' => Key::Enter,
            '\x08' | '\x7f' => Key::Back,
            '\x03' | '\x04' => Key::Char('q'),
            '\x1b' => match chars.next_if(|next| matches!(next, '[' | 'O')) {
                None => Key::Escape,
                Some(_) => {
                    // Up to its final byte (ECMA-48, 5.4).
                    while chars.next().is_some_and(|next| !matches!(next, '@'..='~')) {}
                    continue;
                }
            },
            char if char.is_control() => continue,
            char => Key::Char(char),
        });
    }
    keys
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = stdout().write_all(b"\x1b[?25h\x1b[?1049l");
        let _ = stdout().flush();
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_one_by_one_and_arrows_are_none() {
        let told = keys(b"/u\r\x1b[A\x1b[1;5Cq\x7f\x1bOP\x1b");
        let chars = [Key::Char('/'), Key::Char('u'), Key::Enter, Key::Char('q'), Key::Back, Key::Escape];
        assert_eq!(told, chars);
        assert_eq!(keys(b"\x03\xff"), [Key::Char('q'), Key::Char('\u{fffd}')]);
    }
}
