//! `weir top` over a daemon that forwards, and over the kernel.
//!
//! Needs root and `ip`; says so and skips elsewhere.

mod made;
mod netns;

use std::process::Command;

use netns::{CLIENT, ROUTER, World, possible, wait};

const RULES: &str = "
table inet f {
	chain forward {
		type filter hook forward priority filter; policy drop;
		udp dport 9 counter accept comment \"discard\"
		udp dport 10 counter
		ct state invalid counter
	}
}
";

/// Two streams of datagrams until it is killed: to port 9, with 1,000 bytes, and ten times fewer to port 10.
const SEND: &str = "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 4000))
n = 0
while True:
    s.sendto(bytes(972), ('198.51.100.2', 9))
    n += 1
    if n % 10 == 0:
        s.sendto(b'x', ('198.51.100.2', 10))
    time.sleep(0.002)
";

/// Runs the program on a terminal of 100 columns and 30 lines, hides the rules, and ends it.
const TERMINAL: &str = r"
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
def until(text):
    seen, end = b'', time.time() + 60
    while text not in seen:
        assert time.time() < end, seen
        if select.select([fd], [], [], 1)[0]:
            seen += os.read(fd, 65536)
    return seen
until(b'198.51.100.2:9')
os.write(fd, b'r')
page = until(b'DROPS')
while b'RULES' in page.split(b'\x1b[H')[-1]:
    page = until(b'DROPS')
os.write(fd, b'/udp\r')
until(b'with udp')
os.write(fd, b'q')
until(b'\x1b[?1049l')
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn what_passes_is_shown_by_its_rate() {
    if !possible() {
        return;
    }
    let mut world = World::new("top");
    world.start_weir(RULES, "");
    let socket = world.socket();
    let _sender = world.spawn(CLIENT, &["python3", "-c", SEND]);
    let mut out = String::new();
    wait("rates are shown", || {
        let run = made::weir(["top", "--engine", &socket, "--once", "--interval", "0.5"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        out = run.out;
        let line = |text: &str| out.lines().find(|line| line.contains(text)).unwrap_or("-").to_owned();
        let moves = |text: &str| !line(text).contains('-');
        moves("udp 192.168.1.2:4000 > 198.51.100.2:9 ")
            && moves("inet f forward: udp dport 9 counter accept")
            && moves("policy of inet f forward")
    });
    assert!(!out.contains('\x1b'), "{out}");
    let at = |text: &str| out.find(text).unwrap_or_else(|| panic!("{text}: {out}"));
    assert!(at("FLOWS") < at("RULES") && at("RULES") < at("DROPS"));
    // The rule that counts more stands first; what is dropped is no connection.
    assert!(at("udp dport 9 counter") < at("udp dport 10 counter"));
    assert!(!out.contains("198.51.100.2:10"));
    let few = made::weir([
        "top",
        "--engine",
        &socket,
        "--batch",
        "2",
        "--interval",
        "0.1",
        "--show",
        "rules",
        "--filter",
        "dport 10",
    ]);
    assert_eq!((few.out.matches("RULES").count(), few.out.contains("dport 9")), (2, false), "{}", few.out);
    let weir = env!("CARGO_BIN_EXE_weir");
    let interactive = Command::new("python3")
        .args(["-c", TERMINAL, weir, "top", "--engine", &socket, "--interval", "0.3"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&interactive.stdout);
    assert_eq!(told, "0\n", "{}", String::from_utf8_lossy(&interactive.stderr));
    // Without a terminal it says what does without.
    let refused = made::weir(["top", "--engine", &socket]);
    assert!(refused.code == Some(1) && refused.err.contains("--once"), "{}", refused.err);
}

#[test]
fn it_shows_the_kernels_rules_too() {
    if !possible() {
        return;
    }
    let world = World::new("topk");
    world.start_kernel(RULES);
    let _sender = world.spawn(CLIENT, &["python3", "-c", SEND]);
    wait("a rule counts", || {
        let out = world.must(ROUTER, &[env!("CARGO_BIN_EXE_weir"), "top", "--once", "--interval", "0.5"]);
        let line = out.lines().find(|line| line.contains("udp dport 9 counter")).unwrap_or("-");
        !line.contains('-') && out.contains("none that are told")
    });
}
