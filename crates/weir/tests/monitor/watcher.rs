//! A running `nft monitor`, and what it has printed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
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
const PATIENCE: Duration = Duration::from_secs(20);

impl Watcher {
    /// Starts one and waits until it hears.
    pub(crate) fn start(namespace: &Namespace, arguments: &[&str]) -> Watcher {
        let mut command = namespace.command(&[&["nft"], arguments].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ip runs");
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
        let (lines, found) = self.mark(namespace, PATIENCE);
        assert!(found, "the monitor tells nothing more behind {lines:?}");
        lines
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
