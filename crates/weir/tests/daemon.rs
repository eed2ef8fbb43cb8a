//! `weir run` as its users meet it: our own clients, and stock ones through `weir exec`.
//!
//! Stock clients are compared with the kernel in a network namespace that the test makes; that needs root and Debian's
//! `nft`, `iptables-nft` and `conntrack`. Elsewhere those tests say so and are skipped.

mod made;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use made::{Directory, Run};

/// Long enough for the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Daemon {
    directory: Directory,
    child: Child,
}

impl Daemon {
    fn start(test: &str, more: &str) -> Daemon {
        let directory = Directory::new(&format!("daemon-{test}"));
        let config = format!("socket = \"{}\"\n{more}", directory.path("s"));
        let config = directory.file("weir.toml", config);
        let child = Command::new(env!("CARGO_BIN_EXE_weir")).args(["run", &config]).spawn().unwrap();
        let daemon = Daemon { directory, child };
        daemon.until("the socket is there", || Path::new(&daemon.socket()).exists());
        daemon
    }

    fn socket(&self) -> String {
        self.directory.path("s")
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Our nft.
    fn nft(&self, words: &[&str]) -> Run {
        let socket = self.socket();
        made::weir(["nft", "--engine", &socket].iter().chain(words).copied())
    }

    /// A stock client.
    fn exec(&self, words: &[&str]) -> Run {
        let socket = self.socket();
        made::weir(["exec", "--engine", &socket, "--"].iter().chain(words).copied())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether stock clients and namespaces are there; a CI run must have them.
fn stock() -> bool {
    let has = |program: &str| {
        Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let there = is_root() && has("nft") && has("iptables-nft") && has("conntrack") && has("unshare");
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs root, unshare, and Debian's nft, iptables and conntrack");
    }
    there
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn good(run: &Run) -> &str {
    assert_eq!(run.code, Some(0), "{}", run.err);
    &run.out
}

#[test]
fn our_nft_drives_it_as_it_drives_the_kernel() {
    let daemon = Daemon::start("own", "");
    let rules = "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 10.0.0.0/8, 192.0.2.1 }\n\t}\n\n\
        \tchain c {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tip saddr @s counter packets 3 bytes 40 accept\n\t}\n}\n";
    let file = daemon.directory.file("rules.nft", rules);
    good(&daemon.nft(&["-f", &file]));
    assert_eq!(good(&daemon.nft(&["list", "ruleset"])), rules);
    assert!(good(&daemon.nft(&["reset", "rules"])).contains("packets 3 bytes 40"));
    assert!(good(&daemon.nft(&["list", "ruleset"])).contains("packets 0 bytes 0"));
    assert!(good(&daemon.nft(&["get", "element", "inet", "t", "s", "{ 10.9.9.9 }"])).contains("10.0.0.0/8"));
    // Nothing of a refused file is there.
    let bad = daemon.directory.file("bad.nft", "add table ip x\nadd rule ip x nowhere accept\n");
    let refused = daemon.nft(&["-f", &bad]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("No such file or directory"), "{}", refused.err);
    assert_eq!(good(&daemon.nft(&["list", "tables"])), "table inet t\n");
    let checked = daemon.nft(&["-c", "add", "table", "ip", "x"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(good(&daemon.nft(&["list", "tables"])), "table inet t\n");
}

#[test]
fn ten_thousand_rules_and_elements_go_in_and_come_out() {
    let daemon = Daemon::start("many", "");
    let mut text = String::from("table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { ");
    let elements: Vec<String> =
        (0..30_000).map(|n: u32| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)).collect();
    text.push_str(&elements.join(", "));
    text.push_str(" }\n\t}\n\n\tchain c {\n");
    for port in 1..10_000 {
        text.push_str(&format!("\t\ttcp dport {port} accept\n"));
    }
    text.push_str("\t}\n}\n");
    let file = daemon.directory.file("rules.nft", text);
    good(&daemon.nft(&["-f", &file]));
    let listed = daemon.nft(&["list", "ruleset"]);
    assert_eq!(good(&listed).matches(" accept\n").count(), 9_999);
    assert_eq!(listed.out.matches("10.0.").count(), 30_000);
    let echoed = daemon.nft(&["-e", "-f", &file]);
    assert_eq!(good(&echoed).matches(" accept\n").count(), 9_999);
}

#[test]
fn events_are_heard_by_those_who_listen() {
    let daemon = Daemon::start("monitor", "");
    let socket = daemon.socket();
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["nft", "--engine", &socket, "monitor"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    // It listens from some time on: a table is made until it is heard of.
    let (sender, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut count = 0;
    daemon.until("the first event", || {
        good(&daemon.nft(&["add", "table", "ip", &format!("t{count}")]));
        count += 1;
        heard.recv_timeout(Duration::from_millis(100)).is_ok()
    });
    good(&daemon.nft(&["add chain ip t0 c; add rule ip t0 c counter accept; delete table ip t0"]));
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line == "delete table ip t0") {
        seen.push(heard.recv_timeout(PATIENCE).expect("the table's end is heard"));
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    reader.join().unwrap();
}

#[test]
fn who_does_not_read_or_sends_halves_stops_nobody() {
    let daemon = Daemon::start("hostile", "");
    let connect = || -> OwnedFd {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
        let fd = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        connect(&fd, &SocketAddrUnix::new(daemon.socket()).unwrap()).unwrap();
        fd
    };
    let send = |fd: &OwnedFd, bytes: &[u8]| {
        rustix::net::send(fd, bytes, rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL)
    };
    let many: String = (0..5_000).map(|n| format!("add table ip t{n}\n")).collect();
    good(&daemon.nft(&["-f", &daemon.directory.file("many.nft", many)]));
    // Dumps asked for and never read: NFT_MSG_GETTABLE, NLM_F_REQUEST | NLM_F_DUMP.
    let mut dump = Vec::new();
    dump.extend(20u32.to_ne_bytes());
    dump.extend((10u16 << 8 | 1).to_ne_bytes());
    dump.extend(0x301u16.to_ne_bytes());
    dump.extend([0; 12]);
    let deaf: Vec<OwnedFd> = (0..8).map(|_| connect()).collect();
    for fd in &deaf {
        for _ in 0..1_000 {
            if send(fd, &dump).is_err() {
                break;
            }
        }
    }
    // Beginnings without ends, rubbish, and sockets closed in the middle.
    for round in 0..200u32 {
        let fd = connect();
        let _ = send(&fd, &dump[..(round % 20) as usize + 1]);
        let _ = send(&fd, &round.to_ne_bytes().repeat(1_000));
    }
    good(&daemon.nft(&["add", "table", "ip", "after"]));
    assert!(good(&daemon.nft(&["list", "tables"])).contains("table ip after\n"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 300 << 10, "{resident}");
}

#[test]
fn nobody_comes_in_without_permission() {
    if !is_root() {
        eprintln!("SKIPPED: needs root to be somebody else");
        return;
    }
    let daemon = Daemon::start("permission", "");
    let path = PathBuf::from(daemon.socket());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // As nobody (65534) in a world-readable directory: only the socket's own mode keeps out.
    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("python3")
        .args(["-c", "import os,socket,sys\nos.setuid(65534)\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\ns.connect(sys.argv[1])"])
        .arg(path)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("PermissionError"));
}

#[test]
fn stock_nft_lists_what_it_lists_over_the_kernel() {
    if !stock() {
        return;
    }
    let daemon = Daemon::start("stock", "");
    let rulesets = [
        "table ip t {\n\tchain c {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\ttcp dport 80 dnat to 10.0.0.1:8080\n\t}\n}\n",
        "table inet f {\n\tcounter n {\n\t\tpackets 1 bytes 2\n\t}\n\n\tmap m {\n\t\ttype ipv4_addr : verdict\n\t\telements = { 10.0.0.1 : drop, 10.0.0.2 : jump other }\n\t}\n\n\tchain other {\n\t\tcounter name \"n\"\n\t}\n\n\tchain c {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tip saddr vmap @m\n\t\tct state { established, related } accept\n\t\tlimit rate 10/second burst 5 packets log prefix \"x\" reject\n\t}\n}\n",
        "table bridge b {\n\tset s {\n\t\ttype ether_addr . inet_service\n\t\tflags interval,timeout\n\t\telements = { 00:01:02:03:04:05 . 22-80 timeout 1h }\n\t}\n\n\tchain c {\n\t\tether saddr . tcp dport @s accept\n\t}\n}\n",
    ];
    let corpus: Vec<String> = dumps().into_iter().step_by(8).collect();
    let texts = rulesets.iter().map(|text| (*text).to_owned()).chain(corpus);
    let mut compared = 0;
    for (index, text) in texts.enumerate() {
        let file = daemon.directory.file(&format!("{index}.nft"), text);
        let script = "timeout 20 nft -f \"$0\" 2>/dev/null && nft -s list ruleset";
        let kernel = Command::new("unshare").args(["-n", "sh", "-c", script, &file]).output().unwrap();
        if !kernel.status.success() {
            continue;
        }
        good(&daemon.exec(&["nft", "flush", "ruleset"]));
        good(&daemon.exec(&["nft", "-f", &file]));
        let ours = daemon.exec(&["nft", "-s", "list", "ruleset"]);
        // A name that ends in a star is no beginning of names to stock nft, to us it is.
        if ours.out.contains("table netdev") {
            continue;
        }
        assert_eq!(good(&ours), String::from_utf8_lossy(&kernel.stdout), "{file}");
        compared += 1;
    }
    assert!(compared >= 3);
    println!("{compared} rulesets are listed alike");
}

/// Rulesets of the corpus, where it is.
fn dumps() -> Vec<String> {
    let shared = std::env::var_os("IRONWEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let mut files: Vec<PathBuf> = std::fs::read_dir(shared.join("corpus/dumps"))
        .into_iter()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).into_iter().flatten())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nft"))
        .collect();
    files.sort();
    files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect()
}

#[test]
fn stock_clients_add_and_list() {
    if !stock() {
        return;
    }
    let daemon = Daemon::start("clients", "");
    good(&daemon.exec(&["iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP"]));
    assert!(good(&daemon.exec(&["iptables-nft", "-S", "INPUT"])).contains("--dport 80 -j DROP"));
    good(&daemon.exec(&["iptables-nft", "-D", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP"]));
    assert!(!good(&daemon.exec(&["iptables-nft", "-S", "INPUT"])).contains("--dport"));
    let listed = daemon.exec(&["conntrack", "-L"]);
    assert!(listed.err.contains("0 flow entries have been shown"), "{}", listed.err);
    assert_eq!(good(&daemon.exec(&["conntrack", "-C"])), "0\n");
    let own = made::weir(["conntrack", "--engine", &daemon.socket(), "-L"]);
    assert!(own.err.contains("0 flow entries have been shown"), "{}", own.err);
    // The machine's own tables are another matter.
    let gone = made::weir(["exec", "--engine", "/nowhere", "--", "nft", "list", "tables"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("/nowhere: No such file"), "{}", gone.err);
}

#[test]
fn a_ruleset_that_is_refused_stops_the_start() {
    let directory = Directory::new("daemon-refused");
    directory.file("rules.nft", "table ip t { chain c { nonsense; } }\n");
    let config =
        directory.file("weir.toml", format!("socket = \"{}\"\nrules = \"rules.nft\"\n", directory.path("s")));
    let run = made::weir(["run", &config]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("syntax error"), "{}", run.err);
    std::io::stdout().flush().unwrap();
}

/// What the engine evaluates of iptables' rules: those that iptables-nft writes without xtables matches.
#[test]
fn rules_of_iptables_are_told_as_the_kernel_tells_them() {
    if !stock() {
        return;
    }
    let daemon = Daemon::start("iptables", "");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules.py");
    let rules = [
        "-A INPUT -p tcp --dport 80 -j DROP",
        "-A INPUT ! -p udp -j ACCEPT",
        "-I FORWARD -i eth0 -o eth1 -s 192.0.2.0/24 -j RETURN",
        "-P FORWARD DROP",
        "-t nat -A POSTROUTING -p udp -m udp --sport 53:60 -j ACCEPT",
    ];
    for rule in rules {
        let words: Vec<&str> = std::iter::once("iptables-nft").chain(rule.split(' ')).collect();
        good(&daemon.exec(&words));
    }
    let commands: String = rules.iter().map(|rule| format!("iptables-nft {rule} && ")).collect();
    let kernel =
        Command::new("unshare").args(["-n", "sh", "-c", &format!("{commands} python3 {script}")]).output();
    let kernel = kernel.unwrap();
    assert!(kernel.status.success(), "{}", String::from_utf8_lossy(&kernel.stderr));
    let told = daemon.exec(&["python3", script]);
    assert_eq!(good(&told), String::from_utf8_lossy(&kernel.stdout));
    assert_eq!(told.out.lines().count(), 4);
}
