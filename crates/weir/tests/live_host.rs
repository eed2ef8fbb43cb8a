//! `weir run` as a part of its machine: addresses and routes followed from the kernel, packets for programs of the machine and
//! theirs out.
//!
//! Needs root and `ip`; says so and skips elsewhere.

mod made;
mod netns;

use netns::{CLIENT, ROUTER, SERVER, World, ip, possible, wait};

const RULES: &str = r#"
table inet f {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related counter accept
		meta l4proto { icmp, ipv6-icmp } counter accept
		tcp dport 7001 counter accept
	}
	chain output {
		type filter hook output priority filter; policy accept;
		tcp dport 7009 counter reject with tcp reset
		tcp dport 7000 ct state new counter
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		counter
	}
}
"#;

const ECHO: &str = "
import socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
while True:
    c, who = s.accept()
    c.sendall(who[0].encode() + b' ' + c.recv(10))
    c.close()
";

const ASK: &str = "
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
s.sendall(b'hello')
print(s.recv(100).decode())
";

fn ask(world: &World, which: usize, to: &str, port: &str) -> Result<String, String> {
    let output = world.run(which, &["python3", "-c", ASK, to, port]);
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn programs_of_the_machine_send_and_receive_through_the_rules() {
    if !possible() {
        return;
    }
    let mut world = World::new("own");
    world.start_weir(RULES, "");
    let _servers: Vec<_> = [
        (SERVER, "198.51.100.2", "7000"),
        (SERVER, "2001:db8:2::2", "7000"),
        (ROUTER, "0.0.0.0", "7001"),
        (ROUTER, "0.0.0.0", "7002"),
        (ROUTER, "2001:db8:1::1", "7001"),
    ]
    .iter()
    .map(|(which, address, port)| world.spawn(*which, &["python3", "-c", ECHO, address, port]))
    .collect();
    // From the router to the server, with the address that the kernel chose.
    wait("the server listens", || ask(&world, ROUTER, "198.51.100.2", "7000").is_ok());
    assert_eq!(ask(&world, ROUTER, "198.51.100.2", "7000").unwrap(), "198.51.100.1 hello");
    wait("the server listens", || ask(&world, ROUTER, "2001:db8:2::2", "7000").is_ok());
    assert_eq!(ask(&world, ROUTER, "2001:db8:2::2", "7000").unwrap(), "2001:db8:2::1 hello");
    // To the router: what the input chain lets in, and nothing else.
    wait("the router listens", || ask(&world, CLIENT, "192.168.1.1", "7001").is_ok());
    assert_eq!(ask(&world, CLIENT, "198.51.100.1", "7001").unwrap(), "192.168.1.2 hello");
    assert_eq!(ask(&world, CLIENT, "2001:db8:1::1", "7001").unwrap(), "2001:db8:1::2 hello");
    assert!(ask(&world, CLIENT, "192.168.1.1", "7002").is_err(), "the policy is drop");
    // An answer of a rule in output comes back to the program.
    let refused = ask(&world, ROUTER, "198.51.100.2", "7009").unwrap_err();
    assert!(refused.contains("refused"), "{refused}");
    // The kernel answers pings, in both families and from both sides; and pings itself.
    for (which, to) in [
        (CLIENT, "192.168.1.1"),
        (CLIENT, "2001:db8:2::1"),
        (SERVER, "198.51.100.1"),
        (ROUTER, "192.168.1.2"),
        (ROUTER, "2001:db8:2::2"),
        (CLIENT, "198.51.100.2"),
    ] {
        assert!(world.pings(which, to), "{which} {to}");
    }
    // A datagram in fragments, for the machine and from it.
    for which in [CLIENT, ROUTER] {
        let to = if which == CLIENT { "192.168.1.1" } else { "192.168.1.2" };
        assert!(world.run(which, &["ping", "-c1", "-W2", "-s", "4000", to]).status.success());
    }
    let output = world.nft(&["list", "chain", "inet", "f", "output"]);
    assert!(!output.contains("tcp dport 7000 ct state new counter packets 0 "), "{output}");
    let socket = world.socket();
    let listed = made::weir(["conntrack", "--engine", &socket, "-L", "-p", "tcp", "--dport", "7001"]);
    assert!(listed.out.contains("src=192.168.1.2 dst=198.51.100.1"), "{}", listed.out);
    // However the daemon ends, the machine has its network back.
    world.kill();
    wait("the kernel has its interfaces", || world.pings(ROUTER, "198.51.100.2"));
    assert_eq!(ask(&world, CLIENT, "192.168.1.1", "7002").unwrap(), "192.168.1.2 hello");
}

#[test]
fn changes_of_routes_and_addresses_count_at_once() {
    if !possible() {
        return;
    }
    let mut world = World::new("follow");
    world.start_weir(RULES, "");
    let router = world.names[ROUTER].clone();
    // A network behind the server.
    ip(&format!("-n {} addr add 203.0.113.1/32 dev lo", world.names[SERVER]));
    assert!(!world.pings(CLIENT, "203.0.113.1"));
    ip(&format!("-n {router} route add 203.0.113.0/24 via 198.51.100.2"));
    wait("the route is followed", || world.pings(CLIENT, "203.0.113.1"));
    ip(&format!("-n {router} route replace blackhole 203.0.113.0/24"));
    wait("the replacement is followed", || !world.pings(CLIENT, "203.0.113.1"));
    ip(&format!("-n {router} route del blackhole 203.0.113.0/24"));
    // A rule and a table.
    ip(&format!("-n {router} route add 203.0.113.0/24 via 198.51.100.2 table 7"));
    assert!(!world.pings(CLIENT, "203.0.113.1"));
    ip(&format!("-n {router} rule add from 192.168.1.0/24 table 7"));
    wait("the rule is followed", || world.pings(CLIENT, "203.0.113.1"));
    ip(&format!("-n {router} rule del from 192.168.1.0/24 table 7"));
    wait("its end is followed", || !world.pings(CLIENT, "203.0.113.1"));
    // An address more, and one less.
    ip(&format!("-n {router} addr add 192.168.1.77/24 dev lan0"));
    wait("the address is followed", || world.pings(CLIENT, "192.168.1.77"));
    ip(&format!("-n {router} addr del 192.168.1.77/24 dev lan0"));
    wait("its end is followed", || !world.pings(CLIENT, "192.168.1.77"));
    // Down, and up again.
    ip(&format!("-n {router} link set wan0 down"));
    wait("down is followed", || !world.pings(CLIENT, "198.51.100.2"));
    ip(&format!("-n {router} link set wan0 up"));
    wait("up is followed", || world.pings(CLIENT, "198.51.100.2"));
    // A neighbour that is set, and wrong.
    ip(&format!("-n {router} neigh replace 198.51.100.2 lladdr 02:00:00:00:09:09 dev wan0 nud permanent"));
    wait("the neighbour is followed", || !world.pings(CLIENT, "198.51.100.2"));
    ip(&format!("-n {router} neigh del 198.51.100.2 dev wan0"));
    wait("it is asked for again", || world.pings(CLIENT, "198.51.100.2"));
}

#[test]
fn ten_thousand_routes_at_once_are_followed() {
    if !possible() {
        return;
    }
    let mut world = World::new("many");
    world.start_weir(RULES, "");
    ip(&format!("-n {} addr add 10.39.15.1/32 dev lo", world.names[SERVER]));
    let batch: String = (0..10_000)
        .map(|n| format!("route add 10.{}.{}.0/24 via 198.51.100.2\n", n / 256, n % 256))
        .collect();
    let path = world.directory.file("batch", batch);
    ip(&format!("-n {} -batch {path}", world.names[ROUTER]));
    wait("the last one is followed", || world.pings(CLIENT, "10.39.15.1"));
}
