//! `examples/microvm`: a machine whose only network is a socket of the daemon does what the list allows, and nothing else.
//!
//! A namespace plays the machine wherever namespaces can be made. QEMU plays it where it is installed, with a Debian kernel beside;
//! to have both in CI would take longer than all other tests. `QEMU` and `KERNEL` say where they are, as for the example.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the machine tries, and what comes of it by the rules of `rules.nft`.
const EXPECTED: [&str; 11] = [
    "guest: ping of the gateway: yes",
    "guest: name from the resolver: yes",
    "guest: name from another resolver: no",
    "guest: page that is allowed: yes",
    "guest: page that is forbidden: no",
    "guest: another port: no",
    "guest: ping of the world: no",
    "guest: page of a stranger: no",
    "guest: may I?",
    "guest: page of a stranger, asked for: yes",
    "guest: done",
];

fn there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
    found.is_ok_and(|found| found.success())
}

fn run(arguments: &[&str]) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/microvm/run.sh");
    let output = Command::new(example)
        .args(arguments)
        .env("WEIR", env!("CARGO_BIN_EXE_weir"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let guest: Vec<&str> = out.lines().filter(|line| line.starts_with("guest:")).collect();
    assert_eq!(guest, EXPECTED, "{out}{err}");
    // Who was spoken to, as those tell who were: never from the machine's own address.
    let mut asked: Vec<&str> = out.lines().filter(|line| line.contains("was asked by")).collect();
    asked.dedup();
    let wanted = ["53:53", "80:80", "81:80"];
    let wanted = wanted.map(|place| format!("world: 198.51.100.{place} was asked by 198.51.100.1"));
    assert_eq!(asked, wanted, "{out}{err}");
    let logged =
        |line: &str| line.starts_with("refused: IN=vm0 OUT=up0 ") && line.contains(" DST=198.51.100.66 ");
    assert!(err.lines().any(logged), "{err}");
    for refused in ["66 . udp . 53", "66 . tcp . 80", "80 . tcp . 8080", "81 . tcp . 80", "80 . icmp"] {
        assert!(out.contains(&format!("198.51.100.{refused} ")), "{refused} is not listed: {out}{err}");
    }
}

fn privileged() -> bool {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let tools = ["unshare", "ip", "python3", "busybox"].into_iter().all(there);
    let tun = Path::new("/dev/net/tun").exists();
    if !(root && tools && tun) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs root, /dev/net/tun, unshare, ip, python3 and busybox");
    }
    root && tools && tun
}

#[test]
fn what_a_namespace_reaches_through_passt_is_what_the_list_allows() {
    if !privileged() {
    } else if !there("passt") {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: needs passt");
    } else {
        run(&["--namespace", "--passt"]);
    }
}

#[test]
fn what_a_namespace_may_reach_is_what_the_list_allows() {
    if privileged() {
        run(&["--namespace"]);
    }
}

#[test]
fn what_a_virtual_machine_may_reach_is_what_the_list_allows() {
    let qemu = std::env::var_os("QEMU").is_some() || there("qemu-system-x86_64");
    let below = PathBuf::from(std::env::var_os("KERNEL").unwrap_or("/".into())).join("boot");
    let kernel = std::fs::read_dir(below).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().as_encoded_bytes().starts_with(b"vmlinuz-"))
        })
    });
    if !(qemu && kernel) {
        eprintln!(
            "SKIPPED, in CI too, for the time that it would take to fetch them: no qemu-system-x86_64, or no Debian kernel in /boot"
        );
    } else if privileged() {
        run(&[]);
        run(&["--dgram"]);
    }
}
