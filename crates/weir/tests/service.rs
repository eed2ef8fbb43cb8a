//! `weir run` as a service: what it may do, what it does when it cannot begin as it should, and reloads.
//!
//! Needs root and `ip`; says so and skips elsewhere.

mod made;
mod netns;

use std::fs;
use std::process::{Child, ChildStdin, Command, Stdio};

use netns::{CLIENT, Running, SERVER, World, possible, wait};

const RULES: &str = "
table inet f {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related counter accept
		iifname \"lan0\" counter accept
	}
}
table ip n {
	chain post {
		type nat hook postrouting priority srcnat;
		oifname \"wan0\" masquerade
	}
}
";

/// Answers each line of each client with the line.
const ECHO: &str = "
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(('', 7), Echo).serve_forever()
";

/// One connection, over which each line of its input goes; what comes back is printed.
const TALK: &str = "
import socket, sys
s = socket.create_connection(('198.51.100.2', 7), timeout=60)
f = s.makefile('rw')
for line in sys.stdin:
    f.write(line)
    f.flush()
    print(f.readline(), end='', flush=True)
";

fn hang_up(daemon: &Child) {
    let sent = Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

impl World {
    fn daemon(&self) -> &Child {
        self.daemon.as_ref().unwrap()
    }

    /// What Prometheus would read from the unix socket `m`.
    fn metrics(&self) -> String {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(self.directory.path("m")).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// A line of a thread's status (`proc_pid_status(5)`), of each thread of the daemon.
    fn status(&self, key: &str) -> Vec<String> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.daemon().id())).unwrap();
        let of_thread = |path: std::path::PathBuf| {
            let text = fs::read_to_string(path.join("status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.map(|line| line.trim().to_owned())
        };
        threads.filter_map(|thread| of_thread(thread.unwrap().path())).collect()
    }
}

#[test]
fn the_daemon_keeps_no_privilege_that_it_does_not_need() {
    if !possible() {
        return;
    }
    let mut world = World::new("priv");
    let more = format!("state = \"state\"\nmetrics = \"{}\"\n", world.directory.path("m"));
    world.start_weir(RULES, &more);
    wait("it forwards without", || world.pings(CLIENT, "198.51.100.2"));
    world.nft(&["add", "table", "ip", "new"]);
    let metrics = world.metrics();
    let has = |line: &str| assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    has("weir_clients_total 1");
    has("weir_transactions_total{result=\"committed\"} 1");
    has("weir_transactions_total{result=\"refused\"} 0");
    has("weir_drops_total{reason=\"queue\"} 0");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let held = world.status(set);
        assert!(held.len() >= 3 && held.iter().all(|held| held == "0000000000000000"), "{set}: {held:?}");
    }
    assert!(world.status("NoNewPrivs").iter().all(|is| is == "1"));
    // With the flowtable in XDP, CAP_BPF (39) stays.
    world.kill();
    world.start_weir(RULES, "xdp_flowtable = true\n");
    wait("it gave up the rest", || world.status("CapEff").iter().all(|held| held == "0000008000000000"));
}

#[test]
fn refused_rules_let_nothing_pass_until_a_reload_if_so_configured() {
    if !possible() {
        return;
    }
    let mut world = World::new("fc");
    world.start_weir("table inet f { chain c { no such thing; }; }", "fail_closed = true\n");
    let listed = world.nft(&["list", "ruleset"]);
    assert!(listed.contains("table netdev weir-closed") && listed.contains("policy drop"), "{listed}");
    assert!(!world.pings(CLIENT, "198.51.100.2"));
    assert!(!world.pings(CLIENT, "192.168.1.1"), "nor is the router itself there");
    // Still refused, still closed.
    hang_up(world.daemon());
    assert!(!world.pings(CLIENT, "198.51.100.2"));
    world.directory.file("rules.nft", RULES);
    hang_up(world.daemon());
    wait("it is open", || world.pings(CLIENT, "198.51.100.2"));
    assert!(!world.nft(&["list", "ruleset"]).contains("weir-closed"));
}

#[test]
fn a_damaged_state_lets_nothing_pass_if_so_configured() {
    if !possible() {
        return;
    }
    let mut world = World::new("fs");
    world.directory.file("state", "this is no state");
    world.start_weir(RULES, "fail_closed = true\nstate = \"state\"\n");
    assert!(!world.pings(CLIENT, "198.51.100.2"));
    assert!(fs::exists(world.directory.path("state.corrupt")).unwrap());
    hang_up(world.daemon());
    wait("it is open", || world.pings(CLIENT, "198.51.100.2"));
}

#[test]
fn a_reload_keeps_connections_counters_elements_and_what_clients_added() {
    if !possible() {
        return;
    }
    let mut world = World::new("hup");
    let before = format!(
        "{RULES}\ntable inet s {{ set seen {{ type ipv4_addr; flags timeout; }}; chain c {{ counter; }}; }}\n"
    );
    world.start_weir(&before, "");
    let _server = world.spawn(SERVER, &["python3", "-c", ECHO]);
    wait("the server listens", || world.must(SERVER, &["ss", "-ltn"]).contains(":7 "));
    let heard = world.directory.path("heard");
    let mut client = Command::new("ip")
        .args(["netns", "exec", &world.names[CLIENT], "python3", "-c", TALK])
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&heard).unwrap())
        .spawn()
        .unwrap();
    let mut input: ChildStdin = client.stdin.take().unwrap();
    let _client = Running(client);
    let mut say = |line: &str| {
        use std::io::Write;
        input.write_all(line.as_bytes()).unwrap();
        wait("it is echoed", || fs::read_to_string(&heard).unwrap().ends_with(line));
    };
    say("before\n");
    world.nft(&["add", "element", "inet", "s", "seen", "{ 192.0.2.1 timeout 1h }"]);
    world.nft(&["add", "table", "ip", "others"]);
    let packets = |world: &World| -> u64 {
        let text = world.nft(&["list", "chain", "inet", "f", "forward"]);
        let line = text.lines().find(|line| line.contains("established")).unwrap().to_owned();
        let mut words = line.split(' ').skip_while(|word| *word != "packets");
        words.nth(1).unwrap().parse().unwrap()
    };
    let counted = packets(&world);
    assert!(counted > 3);
    // One rule more, one table less.
    let after = before
        .replace("iifname \"lan0\" counter accept", "udp dport 9 drop\n\t\tiifname \"lan0\" counter accept");
    let after = after.replace("chain c { counter; };", "");
    world.directory.file("rules.nft", &after);
    hang_up(world.daemon());
    wait("the rule is there", || world.nft(&["list", "ruleset"]).contains("udp dport 9 drop"));
    say("after\n");
    assert!(packets(&world) > counted);
    let listed = world.nft(&["list", "ruleset"]);
    assert!(listed.contains("192.0.2.1 timeout 1h") && listed.contains("table ip others"), "{listed}");
    assert!(!listed.contains("chain c {"), "{listed}");
    // Refused rules change nothing.
    world.directory.file("rules.nft", "nonsense");
    hang_up(world.daemon());
    say("refused\n");
    assert!(world.pings(CLIENT, "198.51.100.2"));
    assert!(world.nft(&["list", "ruleset"]).contains("udp dport 9 drop"));
}
