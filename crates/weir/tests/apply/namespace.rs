//! A network namespace with nothing in it but loopback, and the programs that run there.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A namespace; it goes with this value.
pub(crate) struct Namespace {
    name: String,
    /// Where files of the test are, and where the processes of an apply meet.
    pub(crate) directory: PathBuf,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Why there can be none here.
fn obstacle() -> Option<String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    if !root {
        return Some("not root".into());
    }
    for tool in ["ip", "nft"] {
        if Command::new(tool).arg("--help").output().is_err() {
            return Some(format!("no {tool}"));
        }
    }
    None
}

impl Namespace {
    /// A new one; `None`, having said why, where there can be none.
    pub(crate) fn new() -> Option<Namespace> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("iwapply{}-{number}", std::process::id());
        let why = obstacle().or_else(|| {
            let made = Command::new("ip").args(["netns", "add", &name]).output();
            let made = made.is_ok_and(|made| made.status.success());
            (!made).then(|| "no network namespaces".to_owned())
        });
        if let Some(why) = why {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
            eprintln!("SKIPPED: the kernel cannot be asked: {why}");
            return None;
        }
        let directory = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&directory).expect("a directory of the test's own");
        let made = Namespace { name, directory };
        made.run("ip", &["link", "set", "lo", "up"]);
        Some(made)
    }

    /// A program in it.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).args(arguments);
        command.env("WEIR_RUNTIME_DIR", self.directory.join("run")).current_dir(&self.directory);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program that succeeds; what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().expect("ip runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `weir apply`.
    pub(crate) fn apply(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_weir"), &[&["apply"], arguments].concat())
    }

    /// Runs `weir apply`: its exit code, what it printed, what it told.
    pub(crate) fn applied(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.apply(arguments).output().expect("weir runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// Loads a ruleset with stock nft.
    pub(crate) fn load(&self, text: &str) {
        let path = self.file("loaded.nft", text);
        self.run("nft", &["-f", &path]);
    }

    /// The whole ruleset as stock nft lists it.
    pub(crate) fn list(&self) -> String {
        self.run("nft", &["list", "ruleset"])
    }

    /// The same without what was counted.
    pub(crate) fn list_stateless(&self) -> String {
        self.run("nft", &["-s", "list", "ruleset"])
    }

    /// A file of the test.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        let mut file = std::fs::File::create(&path).expect("a file of the test's own");
        file.write_all(text.as_bytes()).expect("there is room");
        path.display().to_string()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
