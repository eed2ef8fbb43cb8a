//! A client and a server in network namespaces of their own, and a router between them that is the kernel's or ours:
//!
//! ```text
//! client 192.168.1.2 ── lan0 192.168.1.1 [router] 198.51.100.1 wan0 ── 198.51.100.2 server
//!        2001:db8:1::2       2001:db8:1::1        2001:db8:2::1        2001:db8:2::2
//! ```
#![allow(dead_code, unreachable_pub)] // each test program uses a part

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::made::{self, Directory};

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const CLIENT: usize = 0;
pub const ROUTER: usize = 1;
pub const SERVER: usize = 2;

/// Whether this machine lets a test make namespaces; says so where it does not.
pub fn possible() -> bool {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let has_ip = Command::new("ip").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !root || !has_ip {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs root and ip");
    }
    root && has_ip
}

/// Namespaces with their names, removed at the end.
pub struct World {
    pub names: [String; 3],
    pub directory: Directory,
    pub daemon: Option<Child>,
}

pub fn ip(words: &str) {
    let output = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

impl World {
    /// The namespaces, cables and addresses; nobody forwards yet.
    pub fn new(test: &str) -> World {
        let names = ["c", "r", "s"].map(|which| format!("iw-{test}-{which}-{}", std::process::id()));
        let world = World { names, directory: Directory::new(&format!("netns-{test}")), daemon: None };
        let [client, router, server] = &world.names;
        for name in &world.names {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        for (name, there, here, mac) in [(client, "c0", "lan0", "01"), (server, "s0", "wan0", "02")] {
            ip(&format!(
                "link add {there} netns {name} address 02:00:00:00:{mac}:02 type veth \
                 peer name {here} netns {router} address 02:00:00:00:{mac}:01"
            ));
        }
        for (name, link, v4, v6, host) in [
            (client, "c0", "192.168.1", "2001:db8:1:", 2),
            (server, "s0", "198.51.100", "2001:db8:2:", 2),
            (router, "lan0", "192.168.1", "2001:db8:1:", 1),
            (router, "wan0", "198.51.100", "2001:db8:2:", 1),
        ] {
            ip(&format!("-n {name} addr add {v4}.{host}/24 dev {link}"));
            ip(&format!("-n {name} addr add {v6}:{host}/64 dev {link} nodad"));
            ip(&format!("-n {name} link set {link} up"));
            if host == 2 {
                ip(&format!("-n {name} route add default via {v4}.1"));
                ip(&format!("-n {name} -6 route add default via {v6}:1"));
            }
        }
        world
    }

    /// The kernel forwards, with these rules.
    pub fn start_kernel(&self, rules: &str) {
        let path = self.directory.file("rules.nft", rules);
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let set = self.run(ROUTER, &["sh", "-c", &format!("echo 1 > /proc/sys/net/{setting}")]);
            assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
        }
        let loaded = self.run(ROUTER, &["nft", "-f", &path]);
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    }

    /// Ours forwards, with these rules and what the configuration says besides.
    pub fn start_weir(&mut self, rules: &str, more: &str) {
        self.directory.file("rules.nft", rules);
        let socket = self.socket();
        let config = self.directory.file(
            "weir.toml",
            format!(
                "socket = \"{socket}\"\nrules = \"rules.nft\"\ninterfaces = [\"lan0\", \"wan0\"]\n{more}"
            ),
        );
        let daemon = Command::new("ip")
            .args(["netns", "exec", &self.names[ROUTER], env!("CARGO_BIN_EXE_weir"), "run", &config])
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        wait("it listens", || Path::new(&socket).exists());
    }

    /// Kills ours.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    pub fn socket(&self) -> String {
        self.directory.path("s")
    }

    /// Runs a program in a namespace.
    pub fn run(&self, which: usize, words: &[&str]) -> Output {
        Command::new("ip").args(["netns", "exec", &self.names[which]]).args(words).output().unwrap()
    }

    /// Runs a program, and tells what it prints when it succeeds.
    pub fn must(&self, which: usize, words: &[&str]) -> String {
        let output = self.run(which, words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {text}{error}");
        text
    }

    /// Starts a program in a namespace, to be killed when the value goes.
    pub fn spawn(&self, which: usize, words: &[&str]) -> Running {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[which]]).args(words);
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn nft(&self, words: &[&str]) -> String {
        let socket = self.socket();
        let run = made::weir(["nft", "--engine", &socket].iter().chain(words).copied());
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.out
    }

    /// Whether one gets an answer from another.
    pub fn pings(&self, which: usize, to: &str) -> bool {
        self.run(which, &["ping", "-c1", "-W2", to]).status.success()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// A program that ends with the value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
pub fn wait(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
