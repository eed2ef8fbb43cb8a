//! `weir run` with interfaces: a client and a server in namespaces, the router between them ours.
//!
//! ```text
//! client 192.168.1.2 ── lan0 [router namespace: weir run] wan0 ── 198.51.100.2 server
//! ```
//!
//! Needs root and `ip`; says so and skips elsewhere.

mod made;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
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
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related counter accept
		iifname "lan0" counter accept
	}
}

table ip n {
	chain post {
		type nat hook postrouting priority srcnat;
		oifname "wan0" masquerade
	}
}
"#;

/// Namespaces with their names, removed at the end.
struct World {
    names: [String; 3],
    directory: Directory,
    daemon: Option<Child>,
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

impl World {
    fn new(test: &str) -> Option<World> {
        let root =
            std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let has_ip = Command::new("ip").arg("-V").stdout(Stdio::null()).status().is_ok();
        if !root || !has_ip {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
            eprintln!("SKIPPED: needs root and ip");
            return None;
        }
        let names = ["c", "r", "s"].map(|which| format!("iw-{test}-{which}-{}", std::process::id()));
        let world = World { names, directory: Directory::new(&format!("live-{test}")), daemon: None };
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
        for (name, link, v4, v6) in
            [(client, "c0", "192.168.1", "2001:db8:1:"), (server, "s0", "198.51.100", "2001:db8:2:")]
        {
            ip(&format!("-n {name} addr add {v4}.2/24 dev {link}"));
            ip(&format!("-n {name} addr add {v6}:2/64 dev {link} nodad"));
            ip(&format!("-n {name} link set {link} up"));
            ip(&format!("-n {name} route add default via {v4}.1"));
            ip(&format!("-n {name} -6 route add default via {v6}:1"));
        }
        Some(world)
    }

    fn start(&mut self) {
        self.start_with("interfaces = [\"lan0\", \"wan0\"]");
    }

    /// Starts the daemon with these lines of configuration for its ports.
    fn start_with(&mut self, ports: &str) {
        self.directory.file("host.toml", HOST);
        self.directory.file("rules.nft", RULES);
        let socket = self.directory.path("s");
        let config = self.directory.file(
            "weir.toml",
            format!(
                "socket = \"{socket}\"
host = \"host.toml\"
rules = \"rules.nft\"
state = \"state\"
metrics = \"{}\"
{ports}
",
                self.directory.path("m")
            ),
        );
        let daemon = Command::new("ip")
            .args(["netns", "exec", &self.names[1], env!("CARGO_BIN_EXE_weir"), "run", &config])
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        let begun = Instant::now();
        // A socket may be there of a daemon that was killed.
        while made::weir(["nft", "--engine", &socket, "list", "tables"]).code != Some(0) {
            assert!(begun.elapsed() < PATIENCE, "it listens");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn run(&self, which: usize, words: &[&str]) -> Output {
        Command::new("ip").args(["netns", "exec", &self.names[which]]).args(words).output().unwrap()
    }

    fn python(&self, which: usize, script: &str, arguments: &[&str]) -> Output {
        let words: Vec<&str> = ["python3", "-c", script].iter().chain(arguments).copied().collect();
        self.run(which, &words)
    }

    fn nft(&self, words: &[&str]) -> String {
        let socket = self.directory.path("s");
        let run = made::weir(["nft", "--engine", &socket].iter().chain(words).copied());
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.out
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// Accepts one connection, tells the peer's address and sends back as many bytes as it read.
const SERVER: &str = "
import socket, sys
s = socket.create_server((sys.argv[1], 7000), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('ready', flush=True)
c, who = s.accept()
got = 0
while True:
    data = c.recv(65536)
    if not data: break
    got += len(data)
c.sendall(b'%s %d' % (who[0].encode(), got))
c.close()
";

const CLIENT: &str = "
import socket, sys
s = socket.create_connection((sys.argv[1], 7000), 30)
s.settimeout(60)
s.sendall(b'x' * 3000000)
s.shutdown(socket.SHUT_WR)
print(s.recv(100).decode())
";

fn transfer(world: &World, address: &str) -> String {
    let mut server = Command::new("ip")
        .args(["netns", "exec", &world.names[2], "python3", "-c", SERVER, address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 5];
    std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let output = world.python(0, CLIENT, &[address]);
    let _ = server.kill();
    let _ = server.wait();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What Prometheus would read.
fn metrics(world: &World) -> String {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(world.directory.path("m")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
    told
}

#[test]
fn packets_are_forwarded_filtered_and_translated() {
    let Some(mut world) = World::new("fwd") else { return };
    world.start();
    // Three megabytes, cut into segments by us, since the client leaves that to its card.
    assert_eq!(transfer(&world, "198.51.100.2"), "198.51.100.1 3000000\n");
    assert_eq!(transfer(&world, "2001:db8:2::2"), "2001:db8:1::2 3000000\n");
    // Nobody comes in from outside.
    let refused = world.python(2, "import socket\nsocket.create_connection(('192.168.1.2', 7000), 1)", &[]);
    assert!(!refused.status.success());
    let socket = world.directory.path("s");
    let listed = made::weir(["conntrack", "--engine", &socket, "-L", "-p", "tcp"]);
    assert_eq!(listed.out.lines().count(), 2, "{}", listed.out);
    assert!(listed.out.contains("src=198.51.100.2 dst=198.51.100.1"), "{}", listed.out);
    let counted = world.nft(&["list", "chain", "inet", "f", "forward"]);
    assert!(counted.contains("iifname \"lan0\" counter packets 2 "), "{counted}");
    let metrics = metrics(&world);
    for line in [
        "nftables_up 1",
        "node_nf_conntrack_entries_limit 262144",
        "nftables_chain_rules{family=\"inet\",table=\"f\",chain=\"forward\"} 2",
        "weir_state_failures_total 0",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}\n{metrics}");
    }
    let told = |begin: &str| metrics.lines().any(|line| line.starts_with(begin));
    assert!(told("weir_port_receive_packets_total{device=\"lan0\"} "), "{metrics}");
    assert!(told("weir_drops_total{reason=\"policy\"} "), "{metrics}");
    // Who closes first, and whether a side resets what came too late, is a matter of time.
    let tcp = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("weir_conntrack_state_entries{protocol=\"tcp\",state=\""));
    let ended = tcp
        .filter_map(|line| line.split_once("\"} "))
        .filter(|(state, _)| ["FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"].contains(state));
    assert_eq!(ended.map(|(_, count)| count.parse::<u32>().unwrap()).sum::<u32>(), 2, "{metrics}");
    let rule = "nftables_rule_packets{family=\"inet\",table=\"f\",chain=\"forward\",handle=\"3\",comment=\"\",action=\"accept\"} 2";
    assert!(metrics.lines().any(|line| line == rule), "{metrics}");
}

#[test]
fn ports_of_xdp_forward_what_veth_peers_left_undone() {
    let Some(mut world) = World::new("xdp") else { return };
    // In generic mode veth's senders leave the cutting of segments to us too, which no chunk has room for.
    let port = |name: &str| format!("[[port]]\nname = \"{name}\"\ntype = \"xdp\"\nxdp_mode = \"native\"\n");
    world.start_with(&[port("lan0"), port("wan0")].concat());
    assert_eq!(transfer(&world, "198.51.100.2"), "198.51.100.1 3000000\n");
    assert_eq!(transfer(&world, "2001:db8:2::2"), "2001:db8:1::2 3000000\n");
}

#[test]
fn neighbours_hear_of_a_router_that_takes_anothers_place() {
    let Some(mut world) = World::new("announce") else { return };
    let [client, ..] = world.names.clone();
    // Whom the client takes for its router, for good as far as it knows.
    for address in ["192.168.1.1", "2001:db8:1::1"] {
        ip(&format!("-n {client} neigh replace {address} lladdr 02:00:00:00:00:77 dev c0 nud stale"));
    }
    world.start();
    let begun = Instant::now();
    for address in ["192.168.1.1", "2001:db8:1::1"] {
        loop {
            let known = world.run(0, &["ip", "neigh", "show", address]);
            let known = String::from_utf8_lossy(&known.stdout).into_owned();
            if known.contains("02:00:00:00:01:01") {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{address} is announced: {known}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn devices_of_our_own_are_moved_to_who_uses_them() {
    let Some(mut world) = World::new("tun") else { return };
    let [client, router, server] = world.names.clone();
    // Their ends of the wires are devices that the daemon makes.
    ip(&format!("-n {client} link del c0"));
    ip(&format!("-n {server} link del s0"));
    world.start_with(
        "[[port]]\nname = \"lan0\"\ntype = \"tap\"\n[[port]]\nname = \"wan0\"\ntype = \"tun\"\ndevice = \"tun7\"\n\
         [port.faults]\nseed = 1\ndrop = 0.01\nreorder = 0.01\nduplicate = 0.01\n\
         [port.record]\nfile = \"wan0.pcapng\"\n",
    );
    for (namespace, link, v4, v6) in
        [(&client, "lan0", "192.168.1", "2001:db8:1:"), (&server, "tun7", "198.51.100", "2001:db8:2:")]
    {
        ip(&format!("-n {router} link set {link} netns {namespace}"));
        ip(&format!("-n {namespace} addr add {v4}.2/24 dev {link}"));
        ip(&format!("-n {namespace} addr add {v6}:2/64 dev {link} nodad"));
        ip(&format!("-n {namespace} link set {link} up"));
        ip(&format!("-n {namespace} route add default via {v4}.1"));
        ip(&format!("-n {namespace} -6 route add default via {v6}:1"));
    }
    assert_eq!(transfer(&world, "198.51.100.2"), "198.51.100.1 3000000\n");
    assert_eq!(transfer(&world, "2001:db8:2::2"), "2001:db8:1::2 3000000\n");
    let recorded = std::fs::metadata(world.directory.path("wan0.pcapng")).unwrap().len();
    assert!(recorded > 6_000_000, "{recorded}");
}

#[test]
fn transactions_break_no_connection() {
    let Some(mut world) = World::new("commit") else { return };
    world.start();
    std::thread::scope(|scope| {
        let world = &world;
        let transfers =
            scope.spawn(move || (0..3).map(|_| transfer(world, "198.51.100.2")).collect::<Vec<_>>());
        let mut rounds = 0;
        while !transfers.is_finished() {
            world.nft(&["add table ip x; add chain ip x c { type filter hook forward priority 1; }; add rule ip x c counter"]);
            world.nft(&["delete table ip x"]);
            rounds += 1;
        }
        assert!(rounds > 0);
        assert_eq!(transfers.join().unwrap(), ["198.51.100.1 3000000\n"; 3]);
    });
}

#[test]
fn the_kernel_has_its_interfaces_back_however_the_daemon_ends() {
    let Some(mut world) = World::new("end") else { return };
    world.start();
    let tables = |world: &World| {
        let output = Command::new("ip")
            .args(["netns", "exec", &world.names[1], env!("CARGO_BIN_EXE_weir"), "nft", "list", "tables"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(tables(&world).contains("table netdev weir-"));
    let daemon = world.daemon.as_mut().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    // The socket's end is worked on by the kernel after the process'.
    let begun = Instant::now();
    while !tables(&world).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{}", tables(&world));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Answers lines with the same lines.
const ECHO: &str = "
import socket
s = socket.create_server(('198.51.100.2', 7000))
print('ready', flush=True)
c, who = s.accept()
while True:
    data = c.recv(65536)
    if not data: break
    c.sendall(data)
";

/// Sends lines of its input and prints what comes back.
const LINES: &str = "
import socket, sys
s = socket.create_connection(('198.51.100.2', 7000), 30)
s.settimeout(120)
f = s.makefile('rb')
for line in sys.stdin:
    s.sendall(line.encode())
    print(f.readline().decode(), end='', flush=True)
";

#[test]
fn connections_go_on_after_the_daemon_was_killed() {
    use std::io::{BufRead, BufReader, Read, Write};
    let Some(mut world) = World::new("kill") else { return };
    world.start();
    let program = |which: usize, script: &str| {
        Command::new("ip")
            .args(["netns", "exec", &world.names[which], "python3", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut server = program(2, ECHO);
    server.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let mut client = program(0, LINES);
    let (mut to, mut from) = (client.stdin.take().unwrap(), BufReader::new(client.stdout.take().unwrap()));
    let mut say = |line: &str| {
        writeln!(to, "{line}").unwrap();
        let mut answer = String::new();
        from.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), line);
    };
    say("before");
    let listed = |world: &World| {
        let socket = world.directory.path("s");
        let listed = made::weir(["conntrack", "--engine", &socket, "-L", "-p", "tcp", "-o", "id"]).out;
        listed
            .lines()
            .map(|line| (line.contains("ESTABLISHED"), line.split("id=").nth(1).map(str::to_owned)))
            .collect::<Vec<_>>()
    };
    let known = listed(&world);
    assert_eq!(known.len(), 1);
    world.nft(&["add rule inet f forward counter"]);
    let saved = |world: &World, connections| {
        let contents = ironweir_router::saved::read(Path::new(&world.directory.path("state"))).unwrap();
        let contents = contents.as_ref();
        // Connections are kind 1, rules 10.
        contents.is_some_and(|all| (all.keys(1).len(), all.keys(10).len()) == (connections, 4))
    };
    let begun = Instant::now();
    while !saved(&world, 1) {
        assert!(begun.elapsed() < PATIENCE, "it is saved");
        std::thread::sleep(Duration::from_millis(20));
    }
    let daemon = world.daemon.as_mut().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    world.start();
    say("after a kill");
    assert_eq!(listed(&world), known);
    // The rule that a client added stays, for the file is the same.
    assert!(world.nft(&["list", "chain", "inet", "f", "forward"]).contains("\t\tcounter packets"));

    // A file that is damaged is set aside, and the daemon runs.
    let mut daemon = world.daemon.take().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let state = world.directory.path("state");
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&state, &bytes).unwrap();
    world.start();
    assert!(Path::new(&format!("{state}.corrupt")).exists());
    assert_eq!(listed(&world), []);
    // Picked up in the middle, and without its translation.
    assert!(!world.nft(&["list", "chain", "inet", "f", "forward"]).contains("\t\tcounter packets"));
    let _ = client.kill();
    let _ = server.kill();
    let _ = (client.wait(), server.wait());
}
