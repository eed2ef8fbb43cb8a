//! The guardian's process: started by `weir apply --confirm` before the change, in a session of its own, so that the end
//! of the terminal is not its end. It hears the one who applies by its standard input, others by its socket.

use std::io::{self, BufRead, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::guardian::{Answer, Event, Guardian, Phase};
use super::options::Guard;
use super::rendezvous::{Rendezvous, Request, read_request};
use super::{ApplyError, Open};

/// How long it waits to try again where the old state could not be brought back.
const RETRY: Duration = Duration::from_secs(1);
/// How often it tries.
const TRIES: u32 = 30;

/// What reaches the process.
enum Message {
    /// A word of the one who applies, or its end.
    Told(Event),
    /// Somebody asks.
    Asked(Request, Sender<String>),
}

/// Runs the process.
pub(super) fn main(guard: &Guard, open: Open<'_>) -> ExitCode {
    // A leader of a group cannot begin a session; then somebody else has made one.
    let _ = rustix::process::setsid();
    match run(guard, open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&Answer::Failed(error.to_string()));
            ExitCode::from(1)
        }
    }
}

fn run(guard: &Guard, open: Open<'_>) -> Result<(), ApplyError> {
    let rendezvous = Rendezvous::open()?;
    // Whatever is mounted where we were started may be unmounted.
    let _ = std::env::set_current_dir("/");
    let Some(_lock) = rendezvous.lock_guardian()? else { return Err(ApplyError::Busy) };
    let listener = rendezvous.listen()?;
    let mut backend = open()?;
    let (to, messages) = mpsc::channel();
    hear_starter(to.clone());
    hear_others(listener, to);
    let guardian = Guardian::new(guard.tables.iter().cloned().collect());
    let mut watch = Watch { guard, guardian, deadline: None, tries: 0 };
    watch.run(&messages, &mut *backend);
    rendezvous.leave();
    Ok(())
}

/// A guardian and its clock.
struct Watch<'g> {
    guard: &'g Guard,
    guardian: Guardian,
    /// When the old state comes back.
    deadline: Option<Instant>,
    /// How often that has failed.
    tries: u32,
}

impl Watch<'_> {
    fn run(&mut self, messages: &Receiver<Message>, backend: &mut dyn ironweir_language::session::Backend) {
        while self.guardian.phase() != Phase::Ended {
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Without a deadline there is one who applies, whose end is heard.
            let message = match messages.recv_timeout(left.unwrap_or(Duration::from_secs(86_400))) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) if self.deadline.is_none() => continue,
                Err(_) => Message::Told(Event::TimeOver),
            };
            let (event, asker) = match message {
                Message::Told(event) => (event, None),
                Message::Asked(Request::Status, asker) => {
                    let _ = asker.send(self.status());
                    continue;
                }
                Message::Asked(Request::Confirm, asker) => (Event::Confirm, Some(asker)),
                Message::Asked(Request::Rollback, asker) => (Event::Rollback, Some(asker)),
            };
            let answer = self.guardian.on(event, backend);
            if self.guardian.phase() == Phase::Pending {
                self.wait(event, &answer);
            }
            let Some(answer) = answer else { continue };
            if let Some(asker) = asker {
                let _ = asker.send(answer.line());
                // Its line is written by a thread that ends with this process.
                thread::sleep(Duration::from_millis(20));
                if self.guardian.phase() != Phase::Ended {
                    continue;
                }
            }
            say(&answer);
        }
    }

    /// Sets the clock while a confirmation is waited for.
    fn wait(&mut self, event: Event, answer: &Option<Answer>) {
        let from_now = |time| Some(Instant::now() + time);
        match (event, answer) {
            (Event::TimeOver | Event::Rollback, Some(Answer::Failed(_))) => {
                self.tries += 1;
                // Nothing more can be done; who asks is still told.
                let time = if self.tries < TRIES { RETRY } else { Duration::from_secs(3600) };
                self.deadline = from_now(time);
            }
            _ if self.deadline.is_none() => {
                self.deadline = from_now(Duration::from_millis(self.guard.milliseconds));
            }
            _ => {}
        }
    }

    fn status(&self) -> String {
        let name = self.guard.name.replace('\n', " ");
        match self.deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now()).as_secs();
                format!("{name} is applied and waits for its confirmation; {left} s are left")
            }
            None => format!("{name} is being applied"),
        }
    }
}

/// Writes a line to the one who applies; it may be gone.
fn say(answer: &Answer) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", answer.line()).and_then(|()| out.flush());
}

fn hear_starter(to: Sender<Message>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            let Some(event) = Event::from_word(&line) else { continue };
            if to.send(Message::Told(event)).is_err() {
                return;
            }
        }
        let _ = to.send(Message::Told(Event::Alone));
    });
}

fn hear_others(listener: UnixListener, to: Sender<Message>) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who says nothing in time, or nothing that can be understood, is not answered.
            let _ = answer(&stream, &to);
        }
    });
}

fn answer(mut stream: &UnixStream, to: &Sender<Message>) -> io::Result<()> {
    let request = read_request(stream)?;
    let (asker, answer) = mpsc::channel();
    if to.send(Message::Asked(request, asker)).is_err() {
        return Ok(());
    }
    match answer.recv() {
        Ok(line) => writeln!(stream, "{line}"),
        Err(_) => Ok(()),
    }
}
