//! `weir run` with `xdp_flowtable`: connections of a flowtable go on while the daemon is stopped, since the kernel forwards
//! them.
//!
//! ```text
//! client 192.168.1.2 ── lan0 [router namespace: weir run] wan0 ── 198.51.100.2 server
//! ```
//!
//! Needs root, `ip`, `ethtool`, python3 and BPF; says so and skips elsewhere. What is sent to a veth interface by XDP arrives
//! only if its other end receives as cards do (`gro on`), and who sends must do its checksums itself (`tx off`).

mod made;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use made::Directory;

const PATIENCE: Duration = Duration::from_secs(60);

const HOST: &str = r#"
[[interface]]
name = "lan0"
mac = "02:00:00:00:01:01"
addresses = ["192.168.1.1/24", "2001:db8:1::1/64"]

[[interface]]
name = "wan0"
mac = "02:00:00:00:02:01"
addresses = ["198.51.100.1/24", "2001:db8:2::1/64"]
"#;

const RULES: &str = r#"
table inet f {
	flowtable ft {
		hook ingress priority filter
		devices = { lan0, wan0 }
		counter
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established flow add @ft
		ct state established,related accept
		iifname "lan0" accept
	}
}

table ip n {
	chain post {
		type nat hook postrouting priority srcnat;
		oifname "wan0" masquerade
	}
}
"#;

/// Sends back what comes: datagrams, and what comes over connections.
const SERVER: &str = "
import socket, threading
def udp(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((address, 7000))
    while True:
        data, who = s.recvfrom(65536)
        s.sendto(data, who)
def serve(c):
    while True:
        data = c.recv(65536)
        if not data: break
        c.sendall(data)
    c.close()
def tcp(family, address):
    s = socket.create_server((address, 7000), family=family)
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()
for family, address in [(socket.AF_INET, '198.51.100.2'), (socket.AF_INET6, '2001:db8:2::2')]:
    for work in [udp, tcp]:
        threading.Thread(target=work, args=(family, address), daemon=True).start()
import time, sys
def up():
    for address in ['198.51.100.2', '2001:db8:2::2']:
        try: socket.create_connection((address, 7000), 1).close()
        except OSError: return False
    return True
while not up(): time.sleep(0.02)
print('ready', flush=True)
sys.stdin.read()
";

/// Does what its input says, a line each: how many messages of which length, or `close`; tells how many came back as they
/// were. What was given up and comes late is passed over.
const CLIENT: &str = "
import os, socket, sys
kind, address, port = sys.argv[1:4]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
s.bind(('', int(port)))
s.settimeout(60)
s.connect((address, 7000))
for line in sys.stdin:
    words = line.split()
    if words[0] == 'close':
        s.close()
        print('closed', flush=True)
        continue
    count, length, patience = int(words[0]), int(words[1]), float(words[2])
    s.settimeout(patience)
    same = 0
    try:
        for _ in range(count):
            data = os.urandom(length)
            s.send(data) if kind == 'udp' else s.sendall(data)
            back = s.recv(65536)
            while not back.endswith(data) or len(back) > length and kind == 'udp':
                back = s.recv(65536) if kind == 'udp' else back + s.recv(65536)
            same += 1
    except TimeoutError: pass
    print(same, flush=True)
";

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

fn skip(why: &str) -> Option<World> {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
    eprintln!("SKIPPED: {why}");
    None
}

/// Namespaces with their names, removed at the end.
struct World {
    names: [String; 3],
    directory: Directory,
    daemon: Option<Child>,
    server: Option<Child>,
}

struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// Sends so many messages of this length and waits for each to come back; how many did unchanged.
    fn exchange(&mut self, count: u32, len: u32, patience: f32) -> u32 {
        self.say(&format!("{count} {len} {patience}")).parse().unwrap()
    }

    fn say(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    fn new(test: &str, checksums: &str) -> Option<World> {
        let root =
            std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let there = |program: &str, word: &str| {
            Command::new(program).arg(word).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        if !root || !there("ip", "-V") || !there("ethtool", "--version") || !there("python3", "-V") {
            return skip("needs root, ip, ethtool and python3");
        }
        let kind = ironweir_io::bpf::MapKind::DevMap;
        if let Err(error) = ironweir_io::bpf::Map::new(kind, "probe", 4, 4, 1, 0) {
            return skip(&format!("no BPF: {error}"));
        }
        let names = ["c", "r", "s"].map(|which| format!("iw-{test}-{which}-{}", std::process::id()));
        let directory = Directory::new(&format!("xdp-{test}"));
        let world = World { names, directory, daemon: None, server: None };
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
            ip(&format!("-n {router} link set {here} up"));
        }
        for (name, link, v4, v6, mac) in [
            (client, "c0", "192.168.1", "2001:db8:1:", "01"),
            (server, "s0", "198.51.100", "2001:db8:2:", "02"),
        ] {
            ip(&format!("-n {name} addr add {v4}.2/24 dev {link}"));
            ip(&format!("-n {name} addr add {v6}:2/64 dev {link} nodad"));
            ip(&format!("-n {name} link set {link} up"));
            ip(&format!("-n {name} route add default via {v4}.1"));
            ip(&format!("-n {name} -6 route add default via {v6}:1"));
            // Nobody is there to answer while the daemon is stopped.
            for gateway in [format!("{v4}.1"), format!("{v6}:1")] {
                let words = "nud permanent";
                ip(&format!(
                    "-n {name} neigh replace {gateway} lladdr 02:00:00:00:{mac}:01 dev {link} {words}"
                ));
            }
            let set = ["netns", "exec", name, "ethtool", "-K", link, "gro", "on", "tx", checksums];
            assert!(Command::new("ip").args(set).output().unwrap().status.success(), "ethtool");
        }
        Some(world)
    }

    fn start(&mut self) {
        self.directory.file("host.toml", HOST);
        self.directory.file("rules.nft", RULES);
        let socket = self.directory.path("s");
        let config = self.directory.file(
            "weir.toml",
            format!(
                "socket = \"{socket}\"\nhost = \"host.toml\"\nrules = \"rules.nft\"\n\
                 interfaces = [\"lan0\", \"wan0\"]\nxdp_flowtable = true\nxdp_flows = 1000\n"
            ),
        );
        let daemon = Command::new("ip")
            .args(["netns", "exec", &self.names[1], env!("CARGO_BIN_EXE_weir"), "run", &config])
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        until("it listens", || Path::new(&socket).exists());
        let mut server = Command::new("ip")
            .args(["netns", "exec", &self.names[2], "python3", "-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 5];
        std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut ready).unwrap();
        self.server = Some(server);
    }

    fn client(&self, kind: &str, address: &str, port: u16) -> Client {
        let mut child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.names[0],
                "python3",
                "-c",
                CLIENT,
                kind,
                address,
                &port.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Client { child, input, output }
    }

    fn signal(&self, signal: &str) {
        let pid = self.daemon.as_ref().unwrap().id();
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
        if signal == "-STOP" {
            // `ip netns exec` has become the daemon; it is stopped when all its threads are.
            let tasks = format!("/proc/{pid}/task");
            until("it is stopped", || {
                std::fs::read_dir(&tasks).unwrap().all(|task| {
                    let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
                    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
                })
            });
        }
    }

    fn conntrack(&self, words: &[&str]) -> String {
        let socket = self.directory.path("s");
        made::weir(["conntrack", "--engine", &socket].iter().chain(words).copied()).out
    }

    /// The line of the connection from this port of the client.
    fn listed(&self, port: u16) -> String {
        let all = self.conntrack(&["-L"]) + &self.conntrack(&["-L", "-f", "ipv6"]);
        let port = format!(" sport={port} ");
        all.lines().find(|line| line.contains(&port)).unwrap_or_default().to_owned()
    }

    /// Whoever asks may have the answer a moment before the program at the interfaces has been told; but it is told before
    /// the next question but one is answered.
    fn settle(&self) {
        for _ in 0..3 {
            self.conntrack(&["-C"]);
        }
    }

    fn programs(&self) -> usize {
        let output = Command::new("ip").args(["-n", &self.names[1], "link"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).matches("prog/xdp").count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.server].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Numbers behind `name=`, in their order.
fn numbers(line: &str, name: &str) -> Vec<u64> {
    line.split(' ').filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok()).collect()
}

const SERVERS: [&str; 2] = ["198.51.100.2", "2001:db8:2::2"];

/// Exchanges messages until they come back though the daemon is stopped, which is so then. Tells how many were exchanged. That a
/// connection is `[OFFLOAD]` says that it is in the flowtable; the program may have it later, when it knows who transmits.
fn offload(world: &World, client: &mut Client, port: u16) -> u64 {
    let mut exchanged = 0;
    until("the connection is carried", || {
        assert_eq!(client.exchange(2, 100, 30.0), 2);
        exchanged += 2;
        world.listed(port).contains("[OFFLOAD]") && {
            world.settle();
            world.signal("-STOP");
            let came = client.exchange(1, 100, 3.0);
            if came == 0 {
                world.signal("-CONT");
            }
            // What waited at the port is answered late.
            exchanged += 1;
            came == 1
        }
    });
    exchanged
}

#[test]
fn datagrams_are_forwarded_and_counted_while_the_daemon_is_stopped() {
    let Some(mut world) = World::new("xudp", "off") else { return };
    world.start();
    for (address, port) in SERVERS.into_iter().zip([5001, 5002]) {
        let mut client = world.client("udp", address, port);
        let mut exchanged = offload(&world, &mut client, port);
        for len in [0, 1, 2, 99, 1000, 1400] {
            assert_eq!(client.exchange(20, len, 30.0), 20, "{address} {len}");
            exchanged += 20;
        }
        world.signal("-CONT");
        let mut listed = String::new();
        until("what was forwarded is counted", || {
            listed = world.listed(port);
            numbers(&listed, "packets") == [exchanged; 2]
        });
        assert!(listed.contains("[OFFLOAD]"), "{listed}");
        let [there, back] = numbers(&listed, "bytes")[..] else { panic!("{listed}") };
        assert_eq!(there, back);
        // A connection that is deleted is forwarded no more.
        world.conntrack(&["-D", "-p", "udp", "--orig-port-src", &port.to_string()]);
        if address.contains(':') {
            world.conntrack(&["-D", "-f", "ipv6", "-p", "udp", "--orig-port-src", &port.to_string()]);
        }
        world.settle();
        world.signal("-STOP");
        assert_eq!(client.exchange(3, 100, 1.0), 0, "{address}");
        world.signal("-CONT");
    }
}

#[test]
fn connections_are_carried_though_no_client_ever_came() {
    let Some(mut world) = World::new("xlone", "off") else { return };
    world.start();
    let mut client = world.client("udp", SERVERS[0], 5005);
    until("the connection is carried", || {
        assert_eq!(client.exchange(2, 100, 30.0), 2);
        std::thread::sleep(Duration::from_millis(200));
        world.signal("-STOP");
        let came = client.exchange(1, 100, 1.0);
        world.signal("-CONT");
        came == 1
    });
}

#[test]
fn tcp_is_forwarded_while_the_daemon_is_stopped_and_closes_with_it() {
    let Some(mut world) = World::new("xtcp", "off") else { return };
    world.start();
    for (address, port) in SERVERS.into_iter().zip([5003, 5004]) {
        let mut client = world.client("tcp", address, port);
        offload(&world, &mut client, port);
        assert_eq!(client.exchange(10, 200_000, 60.0), 10, "{address}");
        world.signal("-CONT");
        until("the bytes are counted", || {
            numbers(&world.listed(port), "bytes").iter().all(|bytes| *bytes > 2_000_000)
        });
        assert!(world.listed(port).contains("[OFFLOAD]"));
        assert_eq!(client.say("close"), "closed");
        until("the tracker sees the end", || {
            let listed = world.listed(port);
            !listed.contains("[OFFLOAD]") && !listed.contains("ESTABLISHED")
        });
    }
}

#[test]
fn checksums_that_are_left_to_a_card_come_out_right() {
    let Some(mut world) = World::new("xpart", "on") else { return };
    world.start();
    for (address, port) in SERVERS.into_iter().zip([5005, 5006]) {
        for kind in ["udp", "tcp"] {
            let mut client = world.client(kind, address, port);
            assert_eq!(client.exchange(20, 1000, 60.0), 20, "{kind} {address}");
        }
    }
}

#[test]
fn nothing_stays_at_the_interfaces_however_the_daemon_ends() {
    let Some(mut world) = World::new("xend", "off") else { return };
    world.start();
    assert_eq!(world.programs(), 2);
    let daemon = world.daemon.as_mut().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until("the programs are gone", || world.programs() == 0);
}
