//! A network namespace with loopback and `eth1`, and `weir nft` in it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A namespace; it goes with this value.
pub(crate) struct Namespace {
    name: String,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Namespace {
    /// A new one; `None`, having said why, where there can be none.
    pub(crate) fn new() -> Option<Namespace> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("iwmonitor{}-{number}", std::process::id());
        let ip = |arguments: &[&str]| {
            let output = Command::new("ip").args(arguments).output();
            output.is_ok_and(|output| output.status.success())
        };
        if !ip(&["netns", "add", &name]) {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: no namespaces");
            eprintln!("SKIPPED: the kernel cannot be asked: not root, or no `ip netns`");
            return None;
        }
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        ip(&["-n", &name, "link", "add", "eth1", "type", "veth", "peer", "name", "eth2"]);
        Some(Namespace { name })
    }

    /// `weir` in it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, env!("CARGO_BIN_EXE_weir")]).args(arguments);
        command
    }

    /// Sends `hi` and a line end to port 7 of loopback.
    pub(crate) fn packet(&self) {
        let script = "echo hi > /dev/udp/127.0.0.1/7";
        let sent = Command::new("ip").args(["netns", "exec", &self.name, "bash", "-c", script]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no packet was sent");
    }

    /// Runs `weir nft` with some input: whether it succeeded, what it printed, what it told.
    pub(crate) fn nft(&self, arguments: &[&str], input: &str) -> (bool, String, String) {
        let mut command = self.command(&[&["nft"], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ip runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(format!("{input}\n").as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}
