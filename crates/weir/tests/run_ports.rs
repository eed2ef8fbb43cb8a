//! `weir run` between two virtual machines' sockets, guests played by the test: no privilege is needed.
//!
//! ```text
//! guest 10.0.1.2 ── vm0 (stream) [weir run] vm1 (datagrams) ── 10.0.2.2 guest
//! ```

mod made;

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use made::Directory;

const PATIENCE: Duration = Duration::from_secs(60);

const HOST: &str = r#"
[[interface]]
name = "vm0"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24"]

[[interface]]
name = "vm1"
mac = "02:00:00:00:02:01"
addresses = ["10.0.2.1/24"]
"#;

const RULES: &str = "
table ip f {
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname vm0 oifname vm1 udp dport 53 counter accept
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

[[port]]
name = "vm1"
type = "dgram"
listen = "vm1.sock"
"#;

struct Daemon {
    child: Child,
    directory: Directory,
}

impl Daemon {
    fn start(test: &str) -> Daemon {
        let directory = Directory::new(&format!("run-{test}"));
        directory.file("host.toml", HOST);
        directory.file("rules.nft", RULES);
        let socket = directory.path("s");
        let config = directory.file("weir.toml", CONFIG.replace("SOCKET", &socket));
        let child = Command::new(env!("CARGO_BIN_EXE_weir")).args(["run", &config]).spawn().unwrap();
        let begun = Instant::now();
        while !Path::new(&socket).exists() {
            assert!(begun.elapsed() < PATIENCE, "it listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        Daemon { child, directory }
    }

    fn stream(&self) -> UnixStream {
        let guest = UnixStream::connect(self.directory.path("vm0.sock")).unwrap();
        guest.set_read_timeout(Some(PATIENCE)).unwrap();
        guest
    }

    /// A guest that greets as vfkit does.
    fn datagram(&self) -> UnixDatagram {
        let guest = UnixDatagram::bind(self.directory.path("guest")).unwrap();
        guest.connect(self.directory.path("vm1.sock")).unwrap();
        guest.set_read_timeout(Some(PATIENCE)).unwrap();
        guest.send(b"VFKT").unwrap();
        guest
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(guest: &mut UnixStream, frame: &[u8]) {
    guest.write_all(&(frame.len() as u32).to_be_bytes()).unwrap();
    guest.write_all(frame).unwrap();
}

fn get(guest: &mut UnixStream) -> Vec<u8> {
    let mut len = [0; 4];
    guest.read_exact(&mut len).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(len) as usize];
    guest.read_exact(&mut frame).unwrap();
    frame
}

/// UDP from 10.0.1.2 to 10.0.2.2, without a checksum, which UDP may.
fn query(port: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0];
    let len = (28 + payload.len()) as u8;
    frame.extend([0x45, 0, 0, len, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2]);
    let sum: u32 = frame[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend([0x10, 0, 0, port, 0, len - 20, 0, 0]);
    frame.extend(payload);
    frame
}

/// What the far guest gets, its own address asked for being answered.
fn far(guest: &UnixDatagram) -> Vec<u8> {
    let mut buffer = vec![0; 2000];
    loop {
        let len = guest.recv(&mut buffer).unwrap();
        let frame = &buffer[..len];
        if frame[12..14] == [8, 6] && frame[38..42] == [10, 0, 2, 2] {
            let mut answer = vec![2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 2, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2];
            answer.extend([2, 0, 0, 0, 2, 2, 10, 0, 2, 2]);
            answer.extend(&frame[22..32]);
            guest.send(&answer).unwrap();
        } else {
            return frame.to_vec();
        }
    }
}

#[test]
fn guests_reach_each_other_as_the_rules_allow() {
    let daemon = Daemon::start("vm");
    let (mut near, guest) = (daemon.stream(), daemon.datagram());
    // The router answers for its own address.
    let mut question = vec![255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 1, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    question.extend([2, 0, 0, 0, 1, 2, 10, 0, 1, 2, 0, 0, 0, 0, 0, 0, 10, 0, 1, 1]);
    put(&mut near, &question);
    let answer = get(&mut near);
    assert_eq!(answer[..14], [2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 1, 8, 6]);
    assert_eq!(answer[20..32], [0, 2, 2, 0, 0, 0, 1, 1, 10, 0, 1, 1]);
    // One is not allowed, the other is.
    put(&mut near, &query(54, b"no"));
    put(&mut near, &query(53, b"yes"));
    let came = far(&guest);
    assert_eq!(came[..14], [2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1, 8, 0]);
    assert_eq!((came[22], &came[42..45]), (63, &b"yes"[..]));
}

#[test]
fn a_guest_that_speaks_nonsense_is_sent_away_and_the_next_is_served() {
    let daemon = Daemon::start("hostile");
    let guest = daemon.datagram();
    for round in 0..20_u8 {
        let mut hostile = daemon.stream();
        put(&mut hostile, &query(53, &[round]));
        // 4 GiB; a frame that never ends; one of two bytes; none at all.
        match round % 4 {
            0 => hostile.write_all(&[255; 8]).unwrap(),
            1 => hostile.write_all(&[0, 0, 5, 220, 1, 2, 3]).unwrap(),
            2 => put(&mut hostile, &[1, 2]),
            _ => hostile.write_all(&[0; 4000]).unwrap(),
        }
        let came = far(&guest);
        assert_eq!((came[22], came[42]), (63, round));
        if round % 4 == 0 {
            // Its end: what it wrote last was not read, so it may hear a reset.
            let mut rest = Vec::new();
            let _ = hostile.read_to_end(&mut rest);
        }
    }
}

#[test]
fn a_guest_that_does_not_read_holds_up_nobody() {
    let daemon = Daemon::start("deaf");
    let guest = daemon.datagram();
    // It asks, a hundred thousand times, and never reads an answer.
    let mut deaf = daemon.stream();
    let mut question = vec![255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 1, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    question.extend([2, 0, 0, 0, 1, 2, 10, 0, 1, 2, 0, 0, 0, 0, 0, 0, 10, 0, 1, 1]);
    question.resize(60, 0);
    let many: Vec<u8> = (0..1000).flat_map(|_| [&60_u32.to_be_bytes()[..], &question].concat()).collect();
    for _ in 0..100 {
        deaf.write_all(&many).unwrap();
    }
    put(&mut deaf, &query(53, b"still"));
    assert_eq!(far(&guest)[42..47], *b"still");
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200_000, "{peak} kB");
}
