//! The guardian as the one who applies sees it: a child process that is told what happens and tells how it goes.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use ironweir_ruleset::TableId;

use super::ApplyError;
use super::guardian::{Answer, Event};

/// A guardian's process.
#[derive(Debug)]
pub(super) struct Starter {
    child: Child,
    words: ChildStdin,
    answers: Receiver<Answer>,
}

impl Starter {
    /// Starts a guardian that brings `tables` back after `time`.
    pub(super) fn start(
        name: &str,
        tables: &BTreeSet<TableId>,
        time: Duration,
    ) -> Result<Starter, ApplyError> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("weir").args(["apply", "guard"]);
        command.arg(format!("--name={name}")).arg(format!("--milliseconds={}", time.as_millis()));
        command.args(tables.iter().map(|table| format!("--table={table}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(words), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ApplyError::GuardianGone);
        };
        let (to, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if to.send(Answer::from_line(&line)).is_err() {
                    return;
                }
            }
        });
        Ok(Starter { child, words, answers })
    }

    /// Tells it something.
    pub(super) fn tell(&mut self, event: Event) -> io::Result<()> {
        writeln!(self.words, "{}", event.word())?;
        self.words.flush()
    }

    /// Has it keep the state that is now; tells which generation that is.
    pub(super) fn snapshot(&mut self) -> Result<u64, ApplyError> {
        self.tell(Event::Snapshot).map_err(|_| ApplyError::GuardianGone)?;
        match self.answers.recv() {
            Ok(Answer::Ready(generation)) => Ok(generation),
            Ok(Answer::Failed(why)) => Err(ApplyError::Guardian(why)),
            Ok(_) | Err(_) => Err(ApplyError::GuardianGone),
        }
    }

    /// What it says at last; `None` where it ended without a word.
    pub(super) fn outcome(&mut self) -> Option<Answer> {
        self.answers.recv().ok()
    }

    /// It is not needed any more.
    pub(super) fn abandon(mut self) {
        let _ = self.tell(Event::Abandon);
        let _ = self.child.wait();
    }
}
