//! Stateful objects and expressions: made, changed, listed and reset over the kernel and over the daemon, by our nft and by
//! stock's. What is printed must be the same everywhere, line by line. What nft 1.0.6 does not know (`reset rules`,
//! `reset set`, `reset element`) is asked of ours alone.
//!
//! Needs root, `unshare` and Debian's `nft`; says so and skips elsewhere.

mod made;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use made::Directory;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn obstacle() -> Option<String> {
    match Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(run) if !run.status.success() => Some(String::from_utf8_lossy(&run.stderr).trim().to_owned()),
        Ok(_) => None,
    }
}

/// What a script's commands print, each with its exit code, where `nft` is called so.
fn printed(directory: &Directory, script: &str, nft: &[&str]) -> String {
    let mut shell = String::new();
    for command in script.split(";;").map(str::trim).filter(|command| !command.is_empty()) {
        shell.push_str(&format!("echo '> {}'\n", command.replace('\n', " ")));
        shell.push_str(&format!("{} '{command}'\necho \"exit $?\"\n", nft.join(" ")));
    }
    let file = directory.file("script.sh", shell);
    let run = Command::new("unshare").args(["-n", "bash", &file]).output().expect("unshare was found");
    comparable(&String::from_utf8_lossy(&run.stdout))
}

/// Without what versions of nft differ in: in how many lines elements are, and who tells the JSON.
fn comparable(printed: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in printed.lines() {
        match lines.last_mut().filter(|last| last.ends_with(',')) {
            Some(last) => last.extend([" ", line.trim()]),
            None => lines.push(line.to_owned()),
        }
    }
    for line in &mut lines {
        if let Some((_, rest)) =
            line.split_once("{\"metainfo\": ").and_then(|(_, rest)| rest.split_once("}, "))
        {
            *line = rest.to_owned();
        }
    }
    lines.join("\n")
}

/// Runs a script with each client over kernel and daemon, with stock ones where they know all of it.
fn compare(test: &str, script: &str, stock: bool) {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: needs root, network namespaces and nft: {why}");
        return;
    }
    let directory = Directory::new(&format!("objects-{test}"));
    let weir = env!("CARGO_BIN_EXE_weir");
    let start = |name: &str| {
        let socket = directory.path(name);
        let config = directory.file(&format!("{name}.toml"), format!("socket = \"{socket}\"\n"));
        let child = Command::new(weir).args(["run", &config]).stderr(Stdio::inherit()).spawn();
        let daemon = Daemon(child.expect("our program runs"));
        let begun = Instant::now();
        while !Path::new(&socket).exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the daemon starts");
            std::thread::sleep(Duration::from_millis(20));
        }
        (daemon, socket)
    };
    let (_first, engine) = start("first");
    let expected =
        printed(&directory, script, &[if stock { "nft" } else { weir }, if stock { "" } else { "nft" }]);
    let mut ways = vec![("our nft over the daemon", vec![weir, "nft", "--engine", &engine])];
    let second;
    if stock {
        ways.push(("our nft over the kernel", vec![weir, "nft"]));
        second = start("second");
        ways.push(("stock nft over the daemon", vec![weir, "exec", "--engine", &second.1, "--", "nft"]));
    }
    let mut wrong = String::new();
    for (way, nft) in ways {
        let found = printed(&directory, script, &nft);
        let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
        if found != expected {
            let same = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
            let from = expected[..same.min(expected.len())].iter().rposition(|line| line.starts_with('>'));
            let part = |lines: &[&str]| {
                lines
                    .iter()
                    .skip(from.unwrap_or(0))
                    .take(50)
                    .fold(String::new(), |all, line| all + line + "\n")
            };
            wrong.push_str(&format!("expected:\n{}\n{way}:\n{}\n", part(&expected), part(&found)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const OBJECTS: &str = "
    table inet t {
        counter a { packets 5 bytes 500; }
        counter b { packets 7 bytes 700; }
        quota q { over 1000 bytes used 300 bytes; }
        quota u { 25 mbytes; }
        limit l { rate 10/second burst 7 packets; }
        limit k { rate over 1 mbytes/minute; }
        map m { type inet_service : counter; elements = { 80 : \"a\", 443 : \"b\" }; }
        map w { type inet_service : quota; flags interval; elements = { 1000-2000 : \"q\" }; }
        chain c {
            tcp dport 22 counter name a
            quota name q drop
            limit name l accept
            counter name tcp dport map @m
            counter name ip saddr map { 192.0.2.1 : \"a\", 192.0.2.2 : \"b\" }
            quota name tcp dport map @w drop
        }
    }
    table ip o { counter a { packets 9 bytes 900; }; quota q { until 10 bytes used 4 bytes; }; limit l { rate 1/hour; }; }";

#[test]
fn objects_are_made_listed_and_reset_as_in_the_kernel() {
    let script = format!(
        "{OBJECTS};; list ruleset;; list counters;; list counters table inet t;; list counter inet t a;; list quotas;;
         list quota inet t q;; list limits;; list limit inet t l;; list map inet t m;; list map inet t w;;
         reset counter inet t a;; list counter inet t a;; reset quota inet t q;; list quota inet t q;;
         list counters;; reset counters table inet t;; list counters;; reset quotas;; list quotas;;
         reset counters;; list counters;; list ruleset;; reset counter inet t x;; reset counter inet x a;;
         reset quota inet t a;; list counter inet t q;; list ruleset"
    );
    compare("reset", &script, true);
}

#[test]
fn what_is_added_again_is_changed_where_nft_changes_it_and_else_keeps_its_state() {
    let script = format!(
        "{OBJECTS};;
         add counter inet t a {{ packets 1 bytes 2; }};; list counter inet t a;;
         add counter inet t a;; list counter inet t a;;
         create counter inet t a;;
         add quota inet t q {{ over 5000 bytes used 10 bytes; }};; list quota inet t q;;
         add quota inet t q {{ until 6000 bytes; }};; list quota inet t q;;
         add quota inet t q;; list quota inet t q;;
         add limit inet t l {{ rate 20/minute; }};; list limit inet t l;;
         add limit inet t l {{ rate over 20/minute burst 3 packets; }};; list limit inet t l;;
         add quota inet t a {{ 10 bytes; }};; list quotas;; add counter inet t q;; list counters;;
         delete counter inet t a;; delete quota inet t q;; delete limit inet t k;; list limits;;
         delete element inet t m {{ 443 }};; flush chain inet t c;; delete counter inet t b;; delete counter inet t a;;
         list ruleset;; delete map inet t m;; delete counter inet t a;; list counters;;
         add element inet t w {{ 80 : \"u\" }};; add element inet t w {{ 81 : \"x\" }};; list map inet t w;;
         list ruleset"
    );
    compare("again", &script, true);
}

#[test]
fn a_transaction_keeps_the_state_of_what_it_does_not_touch() {
    let script = format!(
        "{OBJECTS}
         table ip r {{ chain c {{
            counter packets 3 bytes 30 accept
            quota over 100 bytes used 40 bytes drop
            limit rate 5/second burst 2 packets accept
            ct count over 5 drop
            ip saddr {{ 192.0.2.7 }} counter packets 1 bytes 10
         }}
         set s {{ type ipv4_addr; counter; elements = {{ 192.0.2.1 counter packets 4 bytes 40, 192.0.2.2 }}; }}; }};;
         add rule ip r c tcp dport 80 counter packets 8 bytes 80;; list table ip r;;
         add element ip r s {{ 192.0.2.3 counter packets 6 bytes 60 }};; list set ip r s;;
         add element ip r s {{ 192.0.2.1 }};; list set ip r s;;
         add element ip r s {{ 192.0.2.1 counter packets 9 bytes 90 }};; list set ip r s;;
         add table ip r {{ chain d {{ counter packets 2 bytes 20; }}; set s {{ type ipv4_addr; counter; }}; }};; list ruleset;;
         add rule ip r nowhere accept;; list ruleset;;
         delete element ip r s {{ 192.0.2.1 }};; add element ip r s {{ 192.0.2.1 }};; list set ip r s;;
         replace rule ip r c handle 2 counter accept;; list table ip r;;
         flush set ip r s;; list set ip r s;; flush chain ip r c;; list ruleset;;
         flush table inet t;; list ruleset;; flush ruleset;; list ruleset"
    );
    compare("kept", &script, true);
}

#[test]
fn json_tells_of_objects_what_the_kernel_has() {
    let script = format!(
        "{OBJECTS};; -j list counters;; -j list quotas;; -j reset counters table inet t;; -j list counter inet t a;;
         -j list limit inet t l"
    );
    compare("json", &script.replace("-j list", "-j' 'list").replace("-j reset", "-j' 'reset"), true);
}

/// Rules, sets and elements are reset with all they count, of one, of a chain, of a table, and everywhere.
#[test]
fn anonymous_state_is_reset_over_the_daemon_as_over_the_kernel() {
    let script = format!(
        "{OBJECTS}
         table ip r {{
            chain c {{ counter packets 3 bytes 30 accept; quota over 100 bytes used 40 bytes drop; }}
            chain d {{ counter packets 2 bytes 20; counter name \"x\"; counter packets 6 bytes 60; }}
            counter x {{ packets 4 bytes 4; }}
            set s {{ type ipv4_addr; counter; elements = {{ 192.0.2.1 counter packets 4 bytes 40, 192.0.2.2 }}; }}
            map m {{ type ipv4_addr : mark; counter; elements = {{ 192.0.2.1 counter packets 7 bytes 70 : 5 }}; }}
            set i {{ type ipv4_addr; flags interval; quota 100 bytes; elements = {{ 192.0.2.0/25 quota 10 bytes used 4 bytes, 192.0.2.128/25 }}; }}
         }}
         table ip6 r {{ chain c {{ counter packets 3 bytes 30 accept; }}; }};;
         list ruleset;; reset rule ip r c handle 9;; reset rules chain ip r c;; list table ip r;; reset rules table ip r;; list ruleset;;
         reset rules ip6;; reset rules;; list ruleset;; reset element ip r s {{ 192.0.2.1 }};; list set ip r s;;
         reset map ip r m;; list map ip r m;; reset set ip r i;; list set ip r i;; list ruleset"
    );
    compare("anonymous", &script, false);
}

/// What lies in which interval, of whole ones and of those at the ends of the space of keys. Not asked is
/// for what they miss themselves: stock nft a range that reaches to the last key, the kernel the end of an interval that
/// another follows at once.
#[test]
fn elements_asked_for_are_found_as_in_the_kernel() {
    let mut script = String::from(
        "add table t;; add set t s { type inet_service; flags interval; };;
         add element t s { 0-5, 10, 20-30, 33-39, 41, 50-60, 65000-65535 };;
         add set t h { type ipv4_addr; };; add element t h { 10.0.0.1, 10.0.0.2 };;
         get element t h { 10.0.0.2 };; get element t h { 10.0.0.3 }",
    );
    for asked in [
        "0", "5", "6", "10", "20", "25", "22-24", "20-30", "30", "31", "39", "40", "41", "49", "50-60",
        "65535", "19-30", "20-31", "5-12", "10, 25",
    ] {
        script.push_str(&format!(";; get element t s {{ {asked} }}"));
    }
    compare("get", &script, true);
}

/// Objects by name and through maps, and sets of every kind that packets ask and change. Rates are per day: the comparison
/// lets packets come faster than they were recorded.
const PACKETS: &str = r#"
table inet o {
    counter web { }
    counter names { }
    counter rest { }
    counter lan { }
    counter wan { }
    quota small { over 2000 bytes; }
    quota large { until 60000 bytes; }
    limit slow { rate 5/day burst 3 packets; }
    limit bytes { rate over 2000 bytes/day burst 1000 bytes; }
    map by_port { type inet_service : counter; elements = { 80 : "web", 443 : "web", 8080 : "web", 53 : "names", 123 : "names", 5353 : "names", 22 : "rest", 21 : "rest", 23 : "rest", 25 : "rest" }; }
    map by_net { type ipv4_addr : counter; flags interval; elements = { 10.0.0.0/8 : "lan", 172.16.0.0/12 : "lan", 192.168.0.0/16 : "lan", 198.51.100.0/24 : "wan", 203.0.113.0/24 : "wan" }; }
    map by_pair { type ipv4_addr . inet_service : quota; flags interval; elements = { 192.168.0.0/16 . 1-1023 : "small", 192.168.0.0/16 . 1024-65535 : "large", 10.0.0.0/8 . 53 : "large" }; }
    map limited { type inet_proto : limit; elements = { tcp : "slow", udp : "bytes" }; }
    map marks { type inet_service : mark; elements = { 80 : 1, 443 : 2, 53 : 3, * : 9 }; }
    set talkers { type ipv4_addr; size 100; flags dynamic; counter; }
    set pairs { type ipv4_addr . inet_service; size 1000; flags dynamic; counter; }
    set metered { type ipv4_addr; size 100; flags dynamic; }
    set few { type ipv4_addr . inet_service; size 3; flags dynamic; }
    set once { type ipv4_addr; size 100; flags dynamic; quota over 500 bytes; }
    set ports { type inet_service; elements = { 1, 2, 3, 4, 5, 6, 7, 22, 53, 80, 443, 5353, 8080 }; }
    set nets { type ipv4_addr; flags interval; counter; elements = { 10.0.0.0/8, 192.168.0.0/24, 192.168.1.0-192.168.1.99, 192.168.1.100-192.168.255.255, 203.0.113.0/24 }; }
    set boxes { type ipv4_addr . ipv4_addr . inet_service; flags interval; counter; elements = { 192.168.0.0/16 . 0.0.0.0/0 . 1-100, 192.168.0.0/16 . 203.0.113.0/24 . 101-65535, 0.0.0.0/1 . 128.0.0.0/1 . 443 }; }
    set six { type ipv6_addr; size 100; flags dynamic; counter; }
    chain pre {
        type filter hook prerouting priority raw; policy accept;
        counter name th dport map @by_port
        counter name ip saddr map @by_net
        quota name ip saddr . th dport map @by_pair counter
        limit name meta l4proto map @limited counter
        meta mark set th dport map @marks
        meta mark 9 counter
        add @talkers { ip saddr }
        update @pairs { ip saddr . th dport }
        update @metered { ip saddr limit rate 3/day burst 2 packets } counter
        add @few { ip saddr . th dport } counter
        update @once { ip saddr } counter
        add @six { ip6 saddr }
        th dport @ports counter
        ip saddr @nets counter
        ip daddr @nets counter
        ip saddr . ip daddr . th dport @boxes counter
        tcp dport 443 delete @pairs { ip saddr . tcp dport }
        quota name "large" counter
        limit name "slow" counter
    }
}
"#;

#[test]
fn packets_count_in_objects_and_sets_as_in_the_kernel() {
    if let Some(why) = ironweir::difftest::rig::obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: kernel and engine cannot be compared: {why}");
        return;
    }
    let directory = Directory::new("objects-packets");
    let rules = directory.file("rules.nft", PACKETS);
    for example in ["accounting", "home-gateway", "server"] {
        let file = |name: &str| format!("{}/../../examples/{example}/{name}", env!("CARGO_MANIFEST_DIR"));
        let run = made::weir(["difftest", &rules, &file("host.toml"), &file("trace.pcapng")]);
        assert_eq!(run.code, Some(0), "{example}: {}{}", run.out, run.err);
        assert!(run.out.trim_end().ends_with(": no difference"), "{example}: {}", run.out);
    }
}
