//! A running `nft monitor`, and what it has printed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::namespace::Namespace;

/// A running monitor; it ends with this value.
pub(crate) struct Watcher {
    child: Child,
    lines: Receiver<String>,
    marks: usize,
}

/// How long an event may take. It is told within the call that causes it; the rest is the scheduler's.
const PATIENCE: Duration = Duration::from_secs(120);

impl Watcher {
    /// Starts one and waits until it hears.
    pub(crate) fn start(namespace: &Namespace, arguments: &[&str]) -> Watcher {
        let mut command = namespace.command(&[&["nft"], arguments].concat());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip runs");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut watcher = Watcher { child, lines, marks: 0 };
        let begin = Instant::now();
        while !watcher.mark(namespace, Duration::from_millis(200)).1 {
            assert!(begin.elapsed() < PATIENCE, "the monitor tells nothing");
        }
        watcher
    }

    /// What was told since the last time.
    pub(crate) fn until_now(&mut self, namespace: &Namespace) -> Vec<String> {
        let (mut begin, mut told) = (Instant::now(), Vec::new());
        loop {
            // The mark itself may be lost where there is no room for events.
            let (lines, found) = self.mark(namespace, Duration::from_secs(2));
            // As long as something is told it goes on, however slowly.
            if !lines.is_empty() {
                begin = Instant::now();
            }
            told.extend(lines);
            if found {
                return told;
            }
            assert!(begin.elapsed() < PATIENCE, "the monitor tells nothing more behind {:?}", told.last());
        }
    }

    /// Stops it, so that events wait, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal} {id}");
    }

    /// Ends it; what it said on standard error.
    pub(crate) fn end(mut self) -> String {
        let _ = self.child.kill();
        let mut told = String::new();
        let mut from = self.child.stderr.take().expect("it is piped");
        from.read_to_string(&mut told).expect("it is text");
        told
    }

    /// Makes a table and deletes it; what was told before, and whether its end was told in time.
    fn mark(&mut self, namespace: &Namespace, patience: Duration) -> (Vec<String>, bool) {
        self.marks += 1;
        let name = format!("mark{}_", self.marks);
        let (ok, _, told) =
            namespace.nft(&["-f", "-"], &format!("add table arp {name}\ndelete table arp {name}"));
        assert!(ok, "{told}");
        let mut found = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(patience) {
            match (line.contains("mark"), line.contains(&name) && line.contains("delete")) {
                (_, true) => return (found, true),
                (true, false) => {}
                (false, false) => found.push(line),
            }
        }
        (found, false)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
