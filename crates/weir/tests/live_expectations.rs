//! Expectations of a running daemon as Debian's `conntrack` shows, deletes and follows them through `weir exec`.
//!
//! ```text
//! guest 10.0.1.2 ── vm0 (stream) [weir run]       asks 10.0.1.1 for files by TFTP
//! ```
//!
//! The lines are those of conntrack 1.4.7 over Linux 6.18 for the same requests. Needs Debian's `conntrack`; says so and skips
//! elsewhere, and fails if `CI=true`.

mod made;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use made::{Directory, Run};

const PATIENCE: Duration = Duration::from_secs(60);

const HOST: &str = r#"
[[interface]]
name = "vm0"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24"]
"#;

const RULES: &str = "
table ip f {
	ct helper t { type \"tftp\" protocol udp; }
	chain pre {
		type filter hook prerouting priority filter;
		udp dport 69 ct helper set \"t\"
	}
}
";

const CONFIG: &str = r#"
socket = "SOCKET"
host = "host.toml"
rules = "rules.nft"

[[port]]
name = "vm0"
type = "stream"
listen = "vm0.sock"
"#;

struct Daemon {
    child: Child,
    directory: Directory,
    guest: UnixStream,
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Daemon {
    fn start(test: &str) -> Daemon {
        let directory = Directory::new(&format!("live-{test}"));
        directory.file("host.toml", HOST);
        directory.file("rules.nft", RULES);
        let socket = directory.path("s");
        let config = directory.file("weir.toml", CONFIG.replace("SOCKET", &socket));
        let child = Command::new(env!("CARGO_BIN_EXE_weir")).args(["run", &config]).spawn().unwrap();
        until("it listens", || Path::new(&socket).exists());
        let guest = UnixStream::connect(directory.path("vm0.sock")).unwrap();
        Daemon { child, directory, guest }
    }

    fn socket(&self) -> String {
        self.directory.path("s")
    }

    fn conntrack(&self, words: &str) -> Run {
        let socket = self.socket();
        let exec = ["exec", "--engine", &socket, "--", "conntrack"];
        made::weir(exec.into_iter().chain(words.split(' ')))
    }

    fn own_conntrack(&self, words: &str) -> Run {
        let socket = self.socket();
        made::weir(["conntrack", "--engine", &socket].into_iter().chain(words.split(' ')))
    }

    /// A request of TFTP from a port.
    fn ask(&mut self, port: u16) {
        let packet = made::udp(([10, 0, 1, 2], port), ([10, 0, 1, 1], 69), b"\0\x01file\0octet\0");
        let mut frame = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0];
        frame.extend(packet);
        self.guest.write_all(&(frame.len() as u32).to_be_bytes()).unwrap();
        self.guest.write_all(&frame).unwrap();
        let expected = format!("dport={port} ");
        until("it is expected", || self.conntrack("-L expect").out.contains(&expected));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stock() -> bool {
    let version = Command::new("conntrack").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_err() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs Debian's conntrack");
        return false;
    }
    true
}

/// Behind the seconds that are left.
fn line(port: u16) -> String {
    format!(
        "proto=17 src=10.0.1.1 dst=10.0.1.2 sport=0 dport={port} mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 \
         dport=65535 master-src=10.0.1.2 master-dst=10.0.1.1 sport={port} dport=69 class=0 helper=tftp"
    )
}

/// The lines of a listing without the seconds, in some order.
fn listed(run: &Run) -> Vec<String> {
    assert_eq!(run.code, Some(0), "{}", run.err);
    let mut lines: Vec<String> =
        run.out.lines().map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned()).collect();
    lines.sort();
    lines
}

#[test]
fn stock_conntrack_lists_counts_and_deletes_expectations() {
    if !stock() {
        return;
    }
    let mut daemon = Daemon::start("expectations");
    assert_eq!(listed(&daemon.conntrack("-L expect")), [""; 0]);
    for port in [4096, 4097, 4098] {
        daemon.ask(port);
    }
    assert_eq!(listed(&daemon.conntrack("-L expect")), [line(4096), line(4097), line(4098)]);
    assert_eq!(daemon.conntrack("-C expect").out, "3\n");
    let xml = daemon.conntrack("-L expect -o xml").out;
    assert_eq!(xml.matches("<helper-name>tftp</helper-name>").count(), 3, "{xml}");
    // Stock's -D and -G ask for the protocol that lay in memory, so ours are asked.
    let one = "-p udp -s 10.0.1.1 -d 10.0.1.2 --sport 0 --dport 4097 --reply-port-src 1 --reply-port-dst 2";
    assert_eq!(listed(&daemon.own_conntrack(&format!("-G expect {one}"))), [line(4097)]);
    let deleted = daemon.own_conntrack(&format!("-D expect {one}"));
    assert_eq!(deleted.code, Some(0), "{}", deleted.err);
    assert_eq!(listed(&daemon.conntrack("-L expect")), [line(4096), line(4098)]);
    // Who announced it is gone, and so is it.
    assert_eq!(daemon.conntrack("-D -p udp --sport 4096").code, Some(0));
    assert_eq!(listed(&daemon.conntrack("-L expect")), [line(4098)]);
    let flushed = daemon.conntrack("-F expect");
    assert!(flushed.err.contains("expectation table has been emptied"), "{}", flushed.err);
    assert_eq!(listed(&daemon.conntrack("-L expect")), [""; 0]);
    // Connections are another table.
    assert_eq!(daemon.conntrack("-L").out.lines().count(), 2);
    assert_eq!(daemon.conntrack("-F").code, Some(0));
    assert_eq!(daemon.conntrack("-L").out, "");
}

#[test]
fn stock_conntrack_follows_what_happens_to_expectations() {
    if !stock() {
        return;
    }
    let mut daemon = Daemon::start("expectation-events");
    let mut follower = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["exec", "--engine", &daemon.socket(), "--", "stdbuf", "-oL", "conntrack", "-E", "expect"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (heard, lines) = mpsc::channel();
    let out = BufReader::new(follower.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if heard.send(line).is_err() {
                break;
            }
        }
    });
    // It listens once it has heard of one.
    let mut port = 5000;
    let begun = Instant::now();
    let first = loop {
        daemon.ask(port);
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => break line,
            Err(_) => assert!(begun.elapsed() < PATIENCE, "it hears of one"),
        }
        port += 1;
    };
    assert_eq!(first, format!("    [NEW] 300 {}", line(port)));
    let next = || lines.recv_timeout(PATIENCE).unwrap();
    daemon.ask(port + 1);
    assert_eq!(next(), format!("    [NEW] 300 {}", line(port + 1)));
    daemon.conntrack(&format!("-D -p udp --sport {port}"));
    let gone = next();
    assert!(gone.starts_with("[DESTROY] ") && gone.ends_with(&line(port)), "{gone}");
    daemon.conntrack("-F expect");
    // All that are left go, in some order.
    loop {
        let gone = next();
        assert!(gone.starts_with("[DESTROY] "), "{gone}");
        if gone.ends_with(&line(port + 1)) {
            break;
        }
    }
    let _ = follower.kill();
    let _ = follower.wait();
    drop(daemon);
    drop(lines);
    let _ = reader.join();
}
