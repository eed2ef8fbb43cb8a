//! Clients of `weir run` who mean no good, on its socket as bytes: others are served on, memory stays bounded, and nothing
//! half of what they sent is done.

mod made;

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use made::Directory;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};

const PATIENCE: Duration = Duration::from_secs(60);

const HOST: &str = "
[[interface]]
name = \"vm0\"
mac = \"02:00:00:00:01:01\"

[[interface]]
name = \"vm1\"
mac = \"02:00:00:00:02:01\"
";

struct Daemon {
    directory: Directory,
    child: Child,
}

impl Daemon {
    fn start(test: &str, more: &str) -> Daemon {
        let directory = Directory::new(&format!("hostile-{test}"));
        let text =
            format!("socket = \"{}\"\n{}", directory.path("s"), more.replace("DIR", &directory.path("")));
        directory.file("host.toml", HOST);
        let config = directory.file("weir.toml", text);
        let child = Command::new(env!("CARGO_BIN_EXE_weir")).args(["run", &config]).spawn().unwrap();
        let begun = Instant::now();
        while !Path::new(&directory.path("s")).exists() {
            assert!(begun.elapsed() < PATIENCE, "it listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        Daemon { directory, child }
    }

    fn nft(&self, words: &[&str]) -> String {
        let socket = self.directory.path("s");
        let run = made::weir(["nft", "--engine", &socket].iter().chain(words).copied());
        assert_eq!(run.code, Some(0), "{words:?}: {}", run.err);
        run.out
    }

    /// The most memory it ever had, in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Both connections of a client, as `ironweir_io::seqpacket` has them.
    fn connect(&self) -> Client {
        let socket = || {
            let flags = SocketFlags::CLOEXEC;
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
        };
        let data =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        rustix::net::connect(&data, &SocketAddrUnix::new(self.directory.path("s")).unwrap()).unwrap();
        let (control, theirs) = socket();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(&data, &[IoSlice::new(b"weir")], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
        Client { data, control }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    data: OwnedFd,
    control: OwnedFd,
}

impl Client {
    /// Waits for room. False: the daemon has closed.
    fn send(&self, bytes: &[u8]) -> bool {
        rustix::net::send(&self.data, bytes, SendFlags::NOSIGNAL).is_ok()
    }

    /// 1: a request of so many bytes follows; 3: joins a group.
    fn command(&self, what: u32, argument: u32) -> bool {
        let bytes = [what.to_ne_bytes(), argument.to_ne_bytes()].concat();
        rustix::net::send(&self.control, &bytes, SendFlags::NOSIGNAL).is_ok()
    }

    /// What a command or request came to.
    fn reply(&self) -> Option<i32> {
        let mut bytes = [0; 8];
        let (len, _) =
            rustix::net::recv(&self.control, &mut bytes[..], rustix::net::RecvFlags::empty()).ok()?;
        (len == 8).then(|| i32::from_ne_bytes(bytes[..4].try_into().unwrap()))
    }
}

/// A message of nfnetlink: `struct nlmsghdr`, `struct nfgenmsg`, attributes.
fn message(kind: u16, flags: u16, [family, res_id]: [u8; 2], attributes: &[u8]) -> Vec<u8> {
    let len = 20 + attributes.len() as u32;
    let head =
        [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[1, 0, 0, 0], &[0; 4]].concat();
    [&head[..], &[family, 0, 0, res_id], attributes].concat()
}

/// `NFNL_MSG_BATCH_BEGIN`, tables `h0` to `h999` (`NFT_MSG_NEWTABLE`, `NLM_F_REQUEST | NLM_F_CREATE`) of family ip, and
/// `NFNL_MSG_BATCH_END`, apart.
fn batch() -> (Vec<u8>, Vec<u8>) {
    let mut bytes = message(16, 1, [0, 10], &[]);
    for number in 0..1000 {
        // NFTA_TABLE_NAME.
        let name = format!("h{number}\0");
        let mut attribute =
            [&(4 + name.len() as u16).to_ne_bytes()[..], &1u16.to_ne_bytes(), name.as_bytes()].concat();
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        bytes.extend(message(10 << 8, 0x401, [2, 0], &attribute));
    }
    (bytes, message(17, 1, [0, 10], &[]))
}

#[test]
fn a_million_half_messages_cost_nothing_and_hold_up_nobody() {
    let daemon = Daemon::start("halves", "");
    daemon.nft(&["add", "table", "ip", "before"]);
    let before = daemon.peak();
    // Its header says 200 bytes, of which 24 come.
    let mut half = message(10 << 8, 0x401, [2, 0], &[0; 4]);
    half[..4].copy_from_slice(&200u32.to_ne_bytes());
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let client = daemon.connect();
                    (0..50_000).filter(|_| client.send(&half)).count()
                })
            })
            .collect();
        for number in 0..5 {
            daemon.nft(&["add", "table", "ip", &format!("meanwhile{number}")]);
        }
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert_eq!(sent, 1_000_000);
    });
    assert_eq!(daemon.nft(&["list", "tables"]).lines().count(), 6);
    let more = daemon.peak() - before;
    assert!(more < 32 << 10, "{more} KiB more");
}

#[test]
fn requests_that_are_announced_and_not_finished_leave_nothing_behind() {
    let daemon = Daemon::start("announced", "");
    daemon.nft(&["add", "table", "ip", "before"]);
    let before = daemon.peak();
    // A thousand times a mebibyte of 16 that were announced.
    let part = vec![0; 64 << 10];
    for _ in 0..1000 {
        let client = daemon.connect();
        assert!(client.command(1, 16 << 20));
        for _ in 0..16 {
            assert!(client.send(&part));
        }
    }
    assert_eq!(daemon.nft(&["list", "tables"]), "table ip before\n");
    let more = daemon.peak() - before;
    assert!(more < 256 << 10, "{more} KiB more");
}

#[test]
fn a_batch_whose_sender_goes_in_the_middle_is_not_done() {
    let daemon = Daemon::start("batch", "");
    let (begun, end) = batch();
    let whole = (begun.len() + end.len()) as u32;
    let halves = begun.split_at(begun.len() / 2);
    // Told longer than what comes, and gone.
    let client = daemon.connect();
    assert!(client.command(1, whole) && client.send(halves.0));
    drop(client);
    // Told as long as what comes, which is without its end.
    let client = daemon.connect();
    assert!(client.command(1, begun.len() as u32) && client.send(halves.0) && client.send(halves.1));
    assert_eq!(client.reply(), Some(0), "it was worked on");
    assert_eq!(daemon.nft(&["list", "tables"]), "");
    drop(client);
    // Without a word before, the same.
    let client = daemon.connect();
    assert!(client.send(&begun[..begun.len() - 3]));
    drop(client);
    assert_eq!(daemon.nft(&["list", "tables"]), "");
    // And whole, its sender gone before he hears.
    let client = daemon.connect();
    assert!(client.command(1, whole) && client.send(&[begun, end].concat()));
    assert_eq!(client.reply(), Some(0));
    drop(client);
    assert_eq!(daemon.nft(&["list", "tables"]).lines().count(), 1000);
}

#[test]
fn who_listens_to_events_and_does_not_read_loses_them_alone() {
    let daemon = Daemon::start("deaf", "");
    daemon.nft(&["add table ip t; add set ip t s { type ipv4_addr; }"]);
    let elements: Vec<String> = (0..20_000_u32).map(|n| format!("10.0.{}.{}", n >> 8, n & 255)).collect();
    let text = format!("flush set ip t s\nadd element ip t s {{ {} }}\n", elements.join(", "));
    let file = daemon.directory.file("elements.nft", text);
    daemon.nft(&["-f", &file]);
    let before = daemon.peak();
    // NFNLGRP_NFTABLES.
    let deaf: Vec<Client> = (0..4).map(|_| daemon.connect()).collect();
    for client in &deaf {
        assert!(client.command(3, 7));
        assert_eq!(client.reply(), Some(0));
    }
    for _ in 0..20 {
        daemon.nft(&["-f", &file]);
    }
    assert_eq!(
        daemon.nft(&["get", "element", "ip", "t", "s", "{ 10.0.77.7 }"]).matches("10.0.77.7").count(),
        1
    );
    // 4 MiB wait for each, and as much may be in the kernel; a transaction's own memory besides.
    let more = daemon.peak() - before;
    assert!(more < 96 << 10, "{more} KiB more");
    drop(deaf);
}

#[test]
fn what_the_daemon_makes_is_its_users_alone() {
    let daemon = Daemon::start(
        "modes",
        "host = \"host.toml\"\nstate = \"state\"\nmetrics = \"DIR/metrics\"\n\
         [[port]]\nname = \"vm0\"\ntype = \"stream\"\nlisten = \"vm0.sock\"\n\
         [[port]]\nname = \"vm1\"\ntype = \"dgram\"\nlisten = \"vm1.sock\"\n\
         [port.record]\nfile = \"vm1.pcapng\"\n",
    );
    let begun = Instant::now();
    let made = ["s", "metrics", "vm0.sock", "vm1.sock", "vm1.pcapng", "state"];
    for name in made {
        let path = daemon.directory.path(name);
        while !Path::new(&path).exists() {
            assert!(begun.elapsed() < PATIENCE, "{name} is made");
            std::thread::sleep(Duration::from_millis(20));
        }
        let found = std::fs::metadata(&path).unwrap();
        let mode = found.permissions().mode();
        // To connect to a socket is to write to it (unix(7)); files hold what others said.
        let kept = if found.file_type().is_socket() { 0o022 } else { 0o066 };
        assert_eq!(mode & kept, 0, "{name}: {mode:o}");
    }
    let others: Vec<String> = daemon.directory.names();
    let known = |name: &String| made.contains(&name.as_str()) || name.ends_with(".toml");
    assert!(others.iter().all(known), "{others:?}");
}
