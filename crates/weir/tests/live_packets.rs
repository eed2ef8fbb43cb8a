//! What clients hear of packets while `weir run` forwards them - logs, queues, traces -, beside the kernel.
//!
//! Needs root and `ip`, and Debian's `tcpdump`, `nft` and `python3`; says so and skips elsewhere.

mod made;
mod netns;

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};

use netns::{CLIENT, ROUTER, Running, SERVER, World, possible, wait};

/// Sends UDP datagrams: from port 4000, to an address and port, with this payload.
const SEND: &str = "
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 4000))
s.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
";

/// Takes one datagram at a port, and prints it.
const TAKE: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', int(sys.argv[1])))
s.settimeout(60)
print(s.recv(9999).decode())
";

/// A listener of queue 3 over a plain netlink socket. What holds `drop` is dropped, `upper` gets other bytes.
const JUDGE: &str = "
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
def put(kind, attributes):
    body = struct.pack('=BBH', 0, 0, socket.htons(3)) + attributes
    s.sendto(struct.pack('=IHHII', 16 + len(body), kind, 5, 1, 0) + body, (0, 0))
def attribute(kind, value):
    return struct.pack('=HH', 4 + len(value), kind) + value + bytes(-len(value) % 4)
put(0x302, attribute(1, struct.pack('!BBH', 1, 0, 2)))
put(0x302, attribute(2, struct.pack('!IB', 0xffff, 2)))
while True:
    data = s.recv(70000)
    while len(data) >= 16:
        length, kind, flags, seq, port = struct.unpack('=IHHII', data[:16])
        message, data = data[16:length], data[(length + 3) & ~3:]
        if kind == 2:
            error, = struct.unpack('=i', message[:4])
            print('answer', error, flush=True)
            continue
        rest, found = message[4:], {}
        while len(rest) >= 4:
            size, which = struct.unpack('=HH', rest[:4])
            found[which & 0x3fff] = rest[4:size]
            rest = rest[(size + 3) & ~3:]
        number, protocol, hook = struct.unpack('!IHB', found[1])
        packet = found[10]
        print('packet', hook, hex(protocol), len(packet), sorted(found), flush=True)
        more = b''
        if b'upper' in packet:
            packet = bytearray(packet.replace(b'upper', b'UPPER, AND LONGER'))
            struct.pack_into('!H', packet, 2, len(packet))
            struct.pack_into('!HH', packet, 24, len(packet) - 20, 0)
            struct.pack_into('!H', packet, 10, 0)
            total = sum(struct.unpack('!10H', packet[:20]))
            total = (total & 0xffff) + (total >> 16)
            struct.pack_into('!H', packet, 10, ~(total + (total >> 16)) & 0xffff)
            more = attribute(10, bytes(packet))
        verdict = 0 if b'drop' in packet else 1
        put(0x301, attribute(2, struct.pack('!II', verdict, number)) + more)
";

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs {program}");
    }
    found.is_ok()
}

/// A program that is asked to end with the value, as a service manager asks: `weir exec` passes that on.
struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl World {
    fn send(&self, to: &str, port: &str, text: &str) {
        self.must(CLIENT, &["python3", "-c", SEND, to, port, text]);
    }

    /// Starts a program in the router's namespace that drives the kernel, or with `ours` the daemon. Its output goes to
    /// the file.
    fn listen(&self, ours: bool, words: &[&str], output: &str) -> Listener {
        let socket = self.socket();
        let exec = [env!("CARGO_BIN_EXE_weir"), "exec", "--engine", &socket, "--"];
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[ROUTER]]);
        if ours {
            command.args(exec);
        }
        let file = File::create(self.directory.path(output)).unwrap();
        Listener(command.args(words).stdout(file).stderr(Stdio::null()).spawn().unwrap())
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path(name)).unwrap_or_default()
    }
}

const LOGGED: &str = "
table inet f {
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport 53 meta mark set 7 log prefix \"asked: \" group 5 snaplen 60
	}
	chain post {
		type filter hook postrouting priority filter; policy accept;
		udp dport 53 log group 5
	}
}
";

/// A packet of a capture of link type NFLOG (239): its family, and its attributes with their bytes.
type Logged = (u8, Vec<(u16, Vec<u8>)>);

fn nflog(path: &str) -> Vec<Logged> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let Some(header) = bytes.get(..24) else { return Vec::new() };
    assert_eq!(header[20..24], 239_u32.to_le_bytes());
    let mut packets = Vec::new();
    let mut rest = &bytes[24..];
    while rest.len() >= 16 {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let Some(packet) = rest.get(16..16 + len) else { break };
        rest = &rest[16 + len..];
        let mut attributes = Vec::new();
        let mut at = 4;
        while at + 4 <= packet.len() {
            let size = usize::from(u16::from_le_bytes([packet[at], packet[at + 1]]));
            let kind = u16::from_le_bytes([packet[at + 2], packet[at + 3]]);
            attributes.push((kind, packet[at + 4..at + size].to_vec()));
            at += size.next_multiple_of(4);
        }
        packets.push((packet[0], attributes));
    }
    packets
}

/// As the stock tool wrote what it heard of two packets, without what is another each time.
fn heard(world: &World, ours: bool) -> Vec<Logged> {
    let path = world.directory.path("heard.pcap");
    let words = ["tcpdump", "-Z", "root", "-i", "nflog:5", "-U", "-w", &path];
    let _tcpdump = world.listen(ours, &words, "tcpdump");
    // It says on its error output when it listens; asking until it hears does without.
    wait("it hears", || {
        world.send("198.51.100.2", "53", "hello");
        world.send("2001:db8:2::2", "53", "hello of IPv6");
        [2, 10].iter().all(|of| nflog(&path).iter().filter(|(family, _)| family == of).count() >= 4)
    });
    // It may have begun between the two chains.
    let all = nflog(&path);
    let mut packets = Vec::new();
    for family in [2, 10] {
        let mut of_family = all.iter().filter(|(its, _)| *its == family).skip_while(|(_, attributes)| {
            !attributes.iter().any(|(kind, value)| *kind == 10 && value.starts_with(b"asked"))
        });
        packets.extend(of_family.by_ref().take(2).cloned());
    }
    for (family, attributes) in &mut packets {
        attributes.sort();
        for (kind, value) in attributes {
            match (*kind, *family) {
                // NFULA_TIMESTAMP.
                (3, _) => value.fill(0),
                // NFULA_PAYLOAD: IPv4's identification, the label of IPv6's flow, and sums: UDP's is the sender's card's.
                (9, 2) => {
                    value[4..6].fill(0);
                    value[10..12].fill(0);
                    value[26..28].fill(0);
                }
                (9, _) => {
                    value[1..4].fill(0);
                    value[46..48].fill(0);
                }
                _ => {}
            }
        }
    }
    packets
}

#[test]
fn tcpdump_hears_of_logged_packets_what_the_kernel_tells() {
    if !possible() || !has("tcpdump") {
        return;
    }
    let kernel = World::new("lk");
    kernel.start_kernel(LOGGED);
    let theirs = heard(&kernel, false);
    drop(kernel);
    let mut world = World::new("lw");
    world.start_weir(LOGGED, "");
    let ours = heard(&world, true);
    assert_eq!(theirs.len(), 4);
    assert_eq!(ours, theirs);
}

#[test]
fn a_program_judges_packets_of_its_queue() {
    if !possible() {
        return;
    }
    let rules = "
table inet f {
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport 53 counter queue num 3
		udp dport 54 counter queue flags bypass to 9
		ct state established counter accept
	}
}
";
    let mut world = World::new("q");
    world.start_weir(rules, "");
    let take = |world: &World, port: &str, name: &str| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &world.names[SERVER], "python3", "-c", TAKE, port]);
        let file = File::create(world.directory.path(name)).unwrap();
        let server = Running(command.stdout(file).stderr(Stdio::null()).spawn().unwrap());
        let bound = format!(":{port}");
        wait("the server listens", || world.must(SERVER, &["ss", "-lun"]).contains(&bound));
        server
    };
    // Nobody listens: what may pass does, the other does not.
    let first = take(&world, "54", "bypassed");
    wait("it passes by", || {
        world.send("198.51.100.2", "54", "by");
        world.read("bypassed") == "by\n"
    });
    drop(first);
    let server = take(&world, "53", "judged");
    world.send("198.51.100.2", "53", "early");
    let judge = world.listen(true, &["python3", "-c", JUDGE], "judge");
    wait("both requests are answered", || world.read("judge").matches("answer 0").count() == 2);
    world.send("198.51.100.2", "53", "drop this");
    wait("one is judged", || world.read("judge").contains("packet 2 0x800 37"));
    world.send("198.51.100.2", "53", "an upper one");
    wait("the other arrives", || !world.read("judged").is_empty());
    assert_eq!(world.read("judged"), "an UPPER, AND LONGER one\n");
    drop(server);
    // Attributes of a packet: header, interfaces, address, time, checksums' state, payload.
    let told = world.read("judge");
    assert!(told.contains("packet 2 0x800 40 [1, 4, 5, 6, 9, 10, 14]"), "{told}");
    // One that ends gives its queue back: packets are dropped again, until another listens.
    drop(judge);
    let server = take(&world, "53", "again");
    world.send("198.51.100.2", "53", "nobody");
    let _judge = world.listen(true, &["python3", "-c", JUDGE], "judge2");
    wait("it can be bound again", || world.read("judge2").matches("answer 0").count() == 2);
    wait("packets come through", || {
        world.send("198.51.100.2", "53", "somebody");
        !world.read("again").is_empty()
    });
    assert_eq!(world.read("again"), "somebody\n");
    drop(server);
}

#[test]
fn log_without_a_group_writes_the_kernels_line() {
    if !possible() {
        return;
    }
    let mut world = World::new("line");
    let rules = "table inet f {
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport 53 meta mark set 7 log prefix \"asked: \" level info
	}
}
";
    world.directory.file("rules.nft", rules);
    let socket = world.socket();
    let ports = "interfaces = [\"lan0\", \"wan0\"]";
    let config = format!("socket = \"{socket}\"\nrules = \"rules.nft\"\n{ports}\n");
    let config = world.directory.file("weir.toml", config);
    let told = File::create(world.directory.path("told")).unwrap();
    let daemon = Command::new("ip")
        .args(["netns", "exec", &world.names[ROUTER], env!("CARGO_BIN_EXE_weir"), "run", &config])
        .env_remove("JOURNAL_STREAM")
        .stderr(told)
        .spawn();
    world.daemon = Some(daemon.unwrap());
    let mut line = String::new();
    wait("a line is written", || {
        world.send("198.51.100.2", "53", "hello");
        let told = world.read("told");
        line = told.lines().find(|line| line.starts_with("asked")).unwrap_or_default().to_owned();
        !line.is_empty()
    });
    let (before, after) = line.split_once(" ID=").unwrap();
    assert_eq!(
        before,
        "asked: IN=lan0 OUT=wan0 MAC=02:00:00:00:01:01:02:00:00:00:01:02:08:00 SRC=192.168.1.2 DST=198.51.100.2 \
         LEN=33 TOS=0x00 PREC=0x00 TTL=63"
    );
    assert!(after.ends_with(" DF PROTO=UDP SPT=4000 DPT=53 LEN=13 MARK=0x7"), "{after}");
}

const TRACED: &str = "
table inet f {
	chain pre {
		type filter hook prerouting priority raw; policy accept;
		udp dport 53 meta nftrace set 1
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname \"lan0\" jump wanted
		counter drop
	}
	chain wanted {
		ip daddr 203.0.113.1 return
		meta mark set 0x2a
		udp dport { 53, 54 } counter accept
	}
	chain post {
		type filter hook postrouting priority filter; policy accept;
		oifname \"wan0\" goto last
	}
	chain last {
		udp sport 4000 return
	}
}
table ip n {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname \"wan0\" masquerade
	}
}
";

/// The steps of one datagram of each family, as `nft monitor trace` prints them, without what is another each time.
fn steps(world: &World, ours: bool, words: &[&str]) -> Vec<String> {
    let _monitor = world.listen(ours, words, "trace");
    let mut all = Vec::new();
    for (to, family) in [("198.51.100.2", "ip saddr"), ("2001:db8:2::2", "ip6 saddr")] {
        // The datagrams of one family by their numbers; one is whole when another has begun.
        let mut whole = String::new();
        wait("it is traced", || {
            world.send(to, "53", "hello");
            let mut traces: BTreeMap<usize, (String, String)> = BTreeMap::new();
            let text = world.read("trace");
            let complete = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
            for line in complete.lines() {
                let Some(id) = line.strip_prefix("trace id ").and_then(|rest| rest.split(' ').next()) else {
                    continue;
                };
                let place = traces.len();
                let known = traces.iter().find(|(_, (known, _))| known == id).map(|(place, _)| *place);
                let entry = traces.entry(known.unwrap_or(place)).or_insert((id.to_owned(), String::new()));
                let line = line.replacen(id, "ID", 1);
                let words: Vec<&str> = line.split(' ').collect();
                let mut masked: Vec<&str> = Vec::new();
                for word in words {
                    let before = (masked.len().checked_sub(2).map(|at| masked[at]), masked.last().copied());
                    let hidden = matches!(
                        before,
                        (Some("ip"), Some("id"))
                            | (Some("ip6"), Some("flowlabel"))
                            | (_, Some("packets" | "bytes"))
                    );
                    masked.push(if hidden { "X" } else { word });
                }
                entry.1 += &format!("{}\n", masked.join(" "));
            }
            let mut of_family = traces.into_values().filter(|(_, text)| text.contains(family)).peekable();
            // The first may have begun before the listener did.
            let first = of_family.find(|(_, text)| text.contains(" f pre packet: "));
            whole = first.map_or(String::new(), |(_, text)| text);
            of_family.next().is_some()
        });
        all.extend(whole.lines().map(str::to_owned));
    }
    all
}

#[test]
fn monitor_trace_prints_what_it_prints_over_the_kernel() {
    if !possible() || !has("nft") {
        return;
    }
    let kernel = World::new("tk");
    kernel.start_kernel(TRACED);
    let theirs = steps(&kernel, false, &["nft", "monitor", "trace"]);
    drop(kernel);
    let mut world = World::new("tw");
    world.start_weir(TRACED, "");
    let stock = steps(&world, true, &["nft", "monitor", "trace"]);
    assert!(theirs.len() > 20, "{theirs:#?}");
    assert_eq!(stock, theirs);
    // Ours tells the same rules and verdicts, of connections that are new again.
    let socket = world.socket();
    made::weir(["conntrack", "--engine", &socket, "-F"]);
    let ours =
        steps(&world, false, &[env!("CARGO_BIN_EXE_weir"), "nft", "--engine", &socket, "monitor", "trace"]);
    let brief = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split(" packet: ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(brief(&ours), brief(&stock));
}
