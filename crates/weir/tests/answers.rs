//! What is sent in answer to packets - `reject` in all its forms, `dup`, `fwd`, the host's own ICMP errors - and what NAT makes
//! of packets, errors and their quotes, as far as nothing is drawn at random, by this machine's kernel and by the engine, byte by byte. And what rules count that
//! ask for routes, addresses, limits, quotas and connections. See `answers/rig.py` for how the kernel is asked.
//!
//! Random by nature and masked: the identification of an ICMP error's IPv4 header (and its checksum), the flow label of an
//! ICMPv6 error.
//!
//! Needs root, network namespaces, python3, ip and nft; says so and skips elsewhere, and fails if `CI=true`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ironweir::replay::options::parse;
use ironweir::replay::prepare;
use ironweir_engine::{Disposition, Engine};
use ironweir_expr::Expr;
use ironweir_wire::checksum::Sum;
use ironweir_wire::{Address, Instant, L3, LinkType, Packet};

/// Why they cannot be compared here.
fn obstacle() -> Option<String> {
    let output = |program: &str, word: &str| Command::new(program).arg(word).output().ok();
    if !output("id", "-u").is_some_and(|id| id.stdout.starts_with(b"0\n")) {
        return Some("not root".into());
    }
    for tool in ["python3", "ip", "nft"] {
        if output(tool, "--help").is_none() {
            return Some(format!("no {tool}"));
        }
    }
    let chain = "add table netdev t; add chain netdev t c { type filter hook ingress device lo priority 0; }";
    let made = Command::new("unshare").args(["-n", "nft", chain]).output();
    match made {
        Ok(made) if made.status.success() => None,
        _ => Some("no network namespace with nf_tables and ingress".into()),
    }
}

fn engine(folder: &Path, rules: &str) -> Engine {
    let answers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answers/");
    // A capture of no packets: the header of a pcap file, Ethernet.
    let capture = folder.join("none.pcap");
    let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    std::fs::write(&capture, header).unwrap();
    let file = |name: &str| format!("{answers}{name}").into();
    let words = [file(rules), capture.into(), "--host".into(), file("host.toml")];
    prepare(&parse(&words).unwrap()).unwrap().engine
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A frame without what is random by nature.
fn masked(mut frame: Vec<u8>) -> String {
    let icmp_error = |kind: u8, v6: bool| if v6 { kind < 128 } else { matches!(kind, 3 | 11) };
    match frame[12..14] {
        [8, 0] if frame[23] == 1 && icmp_error(frame[34], false) && frame[20..22] == [0, 0] => {
            frame[18..20].fill(0);
            frame[24..26].fill(0);
        }
        [0x86, 0xdd] if frame[20] == 58 && icmp_error(frame[54], true) => {
            frame[15] &= 0xf0;
            frame[16..18].fill(0);
        }
        _ => {}
    }
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A TCP checksum that the kernel left to the (virtual) card is the sum of the pseudo header: filled in.
fn completed(mut frame: Vec<u8>) -> Vec<u8> {
    let v6 = frame[12..14] == [0x86, 0xdd];
    let (protocol, l3, addresses, at) =
        if v6 { (frame[20], L3::V6, 22..54, 54) } else { (frame[23], L3::V4, 26..34, 34) };
    if protocol != 6 {
        return frame;
    }
    let (src, dst) = frame[addresses].split_at(if v6 { 16 } else { 4 });
    let (src, dst) = (Address::from_slice(src).unwrap(), Address::from_slice(dst).unwrap());
    let pseudo = Sum::ZERO.pseudo(l3, &src, &dst, frame.len() - at, 6);
    if frame[at + 16..at + 18] == pseudo.folded().to_be_bytes() {
        frame[at + 16..at + 18].fill(0);
        let sum = pseudo.bytes(&frame[at..]).finish();
        frame[at + 16..at + 18].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// What leaves when a frame comes in, as lines of device and bytes, sorted.
fn pass(engine: &mut Engine, at: u64, device: &str, frame: &[u8]) -> Vec<String> {
    let mut buffer = frame.to_vec();
    let len = buffer.len();
    let mut packet = Packet::new(&mut buffer, 0, len, LinkType::Ethernet);
    packet.meta.iif = engine.host().interface_by_name(device).unwrap().index;
    let end = engine.process(Instant::from_millis(1_700_000_000_000 + at), &mut packet, &mut ());
    let mut left = Vec::new();
    if let Disposition::Forwarded { oif, .. } = end {
        left.push((oif, packet.head().to_vec()));
    }
    while let Some(made) = engine.poll_output() {
        left.push((made.oif, made.bytes));
    }
    let name = |oif| engine.host().interface(oif).map_or("none".into(), |interface| interface.name.clone());
    let mut left: Vec<String> =
        left.into_iter().map(|(oif, frame)| format!("{} {}", name(oif), masked(frame))).collect();
    left.sort();
    left
}

/// Packets of each counter in a chain of the inet table.
fn counters(engine: &Engine, chain: &str) -> Vec<String> {
    let table = engine.ruleset().tables().find(|table| &*table.table.id.name == "f").unwrap();
    let rules = table.chain(chain).unwrap().rules();
    let counted = rules.filter_map(|rule| {
        rule.rule.exprs.iter().find_map(|expr| match expr {
            Expr::Counter(counter) => Some(counter.totals().0.to_string()),
            _ => None,
        })
    });
    counted.collect()
}

/// Sends what the script sends through the kernel and through the engine, with the same rules.
fn compare(script: &str, rules: &str) {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: the kernel cannot be compared: {why}");
        return;
    }
    let folder = std::env::temp_dir().join(format!("ironweir-{script}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut engine = engine(&folder, rules);
    std::fs::remove_dir_all(&folder).unwrap();
    let answers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answers/");
    let run = Command::new("unshare")
        .args(["-n", "python3", "-B", &format!("{answers}{script}"), &format!("{answers}{rules}")])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).unwrap();

    let (packets, counted) = text.split_once("counters\n").unwrap();
    let mut differences = Vec::new();
    let mut compared = 0;
    for (at, case) in packets.split("# ").skip(1).enumerate() {
        let mut lines = case.lines();
        let name = lines.next().unwrap();
        let (device, sent) = lines.next().unwrap()[2..].split_once(' ').unwrap();
        let mut kernel: Vec<String> = lines
            .filter_map(|line| line.strip_prefix("< ")?.split_once(' '))
            .map(|(device, frame)| format!("{device} {}", masked(completed(bytes(frame)))))
            .collect();
        kernel.sort();
        let ours = pass(&mut engine, at as u64, device, &bytes(sent));
        compared += 1;
        if ours != kernel {
            differences.push(format!("{name}\n  kernel {kernel:#?}\n  ours   {ours:#?}"));
        }
    }
    assert!(compared > 40);
    let kernel: BTreeMap<&str, Vec<String>> = counted
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(chain, counts)| (chain, counts.split(' ').map(String::from).collect()))
        .collect();
    for (chain, kernel) in kernel {
        let ours = counters(&engine, chain);
        if ours != kernel {
            differences.push(format!("counters of {chain}: kernel {kernel:?}, ours {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn answers_are_those_of_the_kernel() {
    compare("answers.py", "rules.nft");
}

#[test]
fn rules_count_what_the_kernel_counts() {
    compare("matches.py", "matches.nft");
}
