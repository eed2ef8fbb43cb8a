//! The kernel and `weir run` as routers between the same client and server, with the example rulesets: the same programs are
//! run, and what both ends saw must be the same.
//!
//! Needs root, `ip`, `nft`, `tcpdump`, `curl` and Python; says so and skips elsewhere.

mod made;
mod netns;
mod wire_log;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use netns::{CLIENT, ROUTER, Running, SERVER, World, ip, possible, wait};

/// UDP that comes back.
const UDP_ECHO: &str = "
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(('::', 7))
while True:
    data, who = s.recvfrom(65536)
    s.sendto(data, who)
";

/// What a client does, a line each; `S4`, `S6` are the server, `R4` and `R6` the router's near side, `F4` its far side.
const ERRANDS: &[&str] = &[
    "ping -c2 -i0.2 -W2 S4",
    "ping -c2 -i0.2 -W1 S6",
    "ping -c1 -W2 -s 3000 S4",
    "ping -c1 -W1 -s 3000 S6",
    "ping -c1 -W2 R4",
    "ping -c1 -W1 F4",
    "ping -c1 -W1 R6",
    // Traceroute's two ways, hop by hop.
    "ping -c1 -W1 -t1 S4",
    "ping -c1 -W1 -t1 S6",
    "python3 -c UDP S4 33434 1",
    "python3 -c UDP S4 33435 2",
    "python3 -c UDP S6 33434 1",
    "python3 -c UDP S6 33435 2",
    "python3 -c UDP S4 7 64",
    "python3 -c UDP S6 7 64",
    "python3 -c UDP R4 9999 64",
    // The far link carries less than the near one.
    "ping -c1 -W1 -M do -s 1450 S4",
    "ping -c1 -W1 -M do -s 1372 S4",
    "ping -c1 -W1 -M do -s 1420 S6",
    "ping -c1 -W2 -s 1450 -M dont S4",
    "curl -s -m 10 -o /dev/null http://S4/file",
    "curl -s -m 3 -g -o /dev/null http://[S6]/file",
    "curl -s -m 10 -o /dev/null -T FILE http://S4/file",
    "curl -s -m 2 -o /dev/null http://S4:25/",
    "curl -s -m 1 -o /dev/null http://S4:81/",
    "curl -s -m 5 -o /dev/null http://R4/file",
    "curl -s -m 1 -o /dev/null http://R4:81/",
    "curl -s -m 10 -o /dev/null ftp://S4/file",
    "iperf3 -c S4 -n 1M",
    "iperf3 -c S4 -p 5202 -u -n 40K -b 10M",
    // Nobody there, and no way there.
    "ping -c1 -W4 198.51.100.99",
    "ping -c1 -W4 2001:db8:2::99",
    "ping -c1 -W1 203.0.113.9",
    "ping -c1 -W1 2001:db8:9::9",
];

const UDP: &str = "
import socket, sys
to, port, ttl = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
v6 = ':' in to
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if v6 else (socket.IPPROTO_IP, socket.IP_TTL)), ttl)
s.connect((to, port))
s.send(b'x' * 60)
try: s.recv(100)
except OSError: pass
";

const HTTP: &str = "
import http.server, sys
class H(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.0'
    def log_message(self, *a): pass
    def do_PUT(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(201); self.end_headers()
class S(http.server.ThreadingHTTPServer):
    address_family = 10
S(('::', 80), H).serve_forever()
";

#[derive(Clone, Copy, PartialEq)]
enum Router {
    Kernel,
    Weir,
}

/// A capture that goes on until it is taken.
struct Recording {
    tcpdump: Child,
    path: String,
    own: [u8; 6],
}

impl Recording {
    fn new(world: &World, which: usize, device: &str) -> Recording {
        let own = [2, 0, 0, 0, if which == CLIENT { 1 } else { 2 }, 2];
        let path = world.directory.path(&format!("{device}.pcap"));
        let mut tcpdump = Command::new("ip")
            .args([
                "netns",
                "exec",
                &world.names[which],
                "tcpdump",
                "-U",
                "--immediate-mode",
                "-n",
                "-i",
                device,
                "-w",
                &path,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(tcpdump.stderr.take().unwrap());
        while !said.contains("listening") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        }
        // Nobody reads on: what it says at its end fits the pipe.
        std::mem::forget(lines);
        Recording { tcpdump, path, own }
    }

    fn take(mut self) -> Vec<String> {
        let pid = self.tcpdump.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.tcpdump.wait();
        wire_log::read(Path::new(&self.path), self.own)
    }
}

/// Runs everything with one router; tells what the client and the server saw.
fn run(name: &str, router: Router, rules: &str) -> [Vec<String>; 2] {
    let short = if router == Router::Kernel { "k" } else { "w" };
    let mut world = World::new(&format!("{name}{short}"));
    let [client, middle, server] = world.names.clone();
    // Of those that the accounting example knows.
    ip(&format!("-n {client} addr del 192.168.1.2/24 dev c0"));
    ip(&format!("-n {client} addr add 192.168.1.10/24 dev c0"));
    ip(&format!("-n {client} addr add 192.168.1.20/24 dev c0"));
    ip(&format!("-n {client} route replace default via 192.168.1.1"));
    ip(&format!("-n {middle} link set wan0 mtu 1400"));
    ip(&format!("-n {server} link set s0 mtu 1400"));
    for (which, device) in [(&client, "c0"), (&server, "s0"), (&middle, "lan0"), (&middle, "wan0")] {
        let off = ["-K", device, "tso", "off", "gso", "off", "gro", "off"];
        let _ = Command::new("ip").args(["netns", "exec", which, "ethtool"]).args(off).output();
    }
    match router {
        Router::Kernel => world.start_kernel(&without_flowtables(rules)),
        Router::Weir => world.start_weir(rules, ""),
    }
    let file = world.directory.file("file", vec![b'x'; 200_000]);
    let directory = Path::new(&file).parent().unwrap().to_str().unwrap().to_owned();
    let in_directory = format!("cd {directory} && exec python3 -c '{}'", HTTP.replace('\'', "\""));
    let mut running: Vec<Running> = [CLIENT, ROUTER, SERVER]
        .iter()
        .map(|which| world.spawn(*which, &["sh", "-c", &in_directory]))
        .collect();
    running.push(world.spawn(SERVER, &["python3", "-c", UDP_ECHO]));
    // Each is busy for a while after a test.
    running.push(world.spawn(SERVER, &["iperf3", "-s"]));
    running.push(world.spawn(SERVER, &["iperf3", "-s", "-p", "5202"]));
    let ftp = world.directory.file(
        "vsftpd.conf",
        format!(
            "listen=YES\nbackground=NO\nanonymous_enable=YES\nanon_root={directory}\nseccomp_sandbox=NO\n\
             pasv_min_port=50000\npasv_max_port=50000\nrun_as_launching_user=YES\nallow_writeable_chroot=YES\n"
        ),
    );
    running.push(world.spawn(SERVER, &["vsftpd", &ftp]));
    let listens = |which: usize, port: &str| {
        let script = format!("import socket; socket.create_connection(('127.0.0.1', {port}), 1)");
        world.run(which, &["python3", "-c", &script]).status.success()
    };
    for which in [CLIENT, ROUTER, SERVER] {
        wait("the web servers listen", || listens(which, "80"));
    }
    for (program, port) in [("iperf3", "5201"), ("iperf3", "5202"), ("vsftpd", "21")] {
        let there = Command::new("which").arg(program).output().is_ok_and(|found| found.status.success());
        if there {
            wait("the servers listen", || listens(SERVER, port));
        }
    }
    let recordings = [Recording::new(&world, CLIENT, "c0"), Recording::new(&world, SERVER, "s0")];
    for errand in ERRANDS {
        let words: Vec<String> = errand.split(' ').map(|word| named(word, &file)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        world.run(CLIENT, &words);
    }
    // From outside, to what the home gateway lets in, and to what it does not.
    world.run(SERVER, &["curl", "-s", "-m", "5", "-o", "/dev/null", "http://198.51.100.1:8080/file"]);
    world.run(SERVER, &["curl", "-s", "-m", "1", "-o", "/dev/null", "http://192.168.1.10/file"]);
    world.run(SERVER, &["ping", "-c1", "-W1", "198.51.100.1"]);
    // What is on its way arrives.
    std::thread::sleep(Duration::from_millis(300));
    recordings.map(Recording::take)
}

fn named(word: &str, file: &str) -> String {
    if word == "UDP" {
        return UDP.to_owned();
    }
    let mut word = word.replace("FILE", file);
    for (name, address) in [
        ("S4", "198.51.100.2"),
        ("S6", "2001:db8:2::2"),
        ("R4", "192.168.1.1"),
        ("R6", "2001:db8:1::1"),
        ("F4", "198.51.100.1"),
    ] {
        word = word.replace(name, address);
    }
    word
}

/// Not every kernel has flowtables: packets look the same without.
fn without_flowtables(rules: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in rules.lines() {
        inside |= line.trim_start().starts_with("flowtable ");
        if !inside && !line.contains("flow add") {
            text += line;
            text.push('\n');
        }
        inside &= line.trim() != "}";
    }
    text
}

fn compare(name: &str, example: &str) {
    let tools = ["tcpdump", "nft", "curl", "python3", "ping"];
    let missing = tools
        .iter()
        .find(|tool| !Command::new("which").arg(tool).output().is_ok_and(|found| found.status.success()));
    if let Some(missing) = missing {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs {missing}");
        return;
    }
    if !possible() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/{example}/rules.nft"));
    let rules = std::fs::read_to_string(path).unwrap();
    // The names and addresses of this world.
    let rules = rules.replace("eth0", "lan0").replace("eth1", "wan0").replace("198.51.100.2", "198.51.100.1");
    // What is a difference is one every time; a machine that is busy makes others: a limit's second, a client's patience.
    let mut differences = String::new();
    for _ in 0..3 {
        differences = attempt(name, &rules);
        if differences.is_empty() {
            return;
        }
        eprintln!("{differences}");
    }
    panic!("- kernel, + weir\n{differences}");
}

fn attempt(name: &str, rules: &str) -> String {
    let (kernel, weir) = std::thread::scope(|scope| {
        let kernel = scope.spawn(|| run(name, Router::Kernel, rules));
        let weir = scope.spawn(|| run(name, Router::Weir, rules));
        (kernel.join().unwrap(), weir.join().unwrap())
    });
    let mut differences = String::new();
    for (end, (kernel, weir)) in ["client", "server"].iter().zip(kernel.iter().zip(&weir)) {
        assert!(kernel.len() > 20, "{end}: {kernel:#?}");
        for line in difference(kernel, weir) {
            differences += &format!("{end}: {line}\n");
        }
    }
    differences
}

/// The lines of both that the other has not, in order (longest common subsequence).
fn difference(a: &[String], b: &[String]) -> Vec<String> {
    let mut longest = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = if a[i] == b[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(format!("- {}", a[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
    lines
}

#[test]
fn the_home_gateway_is_the_kernels() {
    compare("home", "home-gateway");
}

#[test]
fn accounting_is_the_kernels() {
    compare("acct", "accounting");
}

#[test]
fn the_offloading_router_is_the_kernels() {
    compare("http", "http-offload-router");
}

#[test]
fn the_server_is_the_kernels() {
    compare("srv", "server");
}
