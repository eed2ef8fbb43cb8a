//! veth pairs of this thread's namespace.

use std::io::Write;
use std::process::{Command, Stdio};

use ironweir_io::links::index_of;

use crate::Result;

/// Two interfaces that are one cable; their numbers.
#[derive(Clone, Copy)]
pub struct Pair {
    pub here: u32,
    pub there: u32,
}

impl Pair {
    pub fn new(here: &str, there: &str) -> Result<Pair> {
        ip(&format!("link add {here} type veth peer name {there}"))?;
        for name in [here, there] {
            // No packets but ours.
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
            ip(&format!("link set {name} up"))?;
        }
        Ok(Pair { here: index_of(here)?, there: index_of(there)? })
    }
}

pub fn ip(words: &str) -> Result<()> {
    run("ip", words)
}

pub fn run(program: &str, words: &str) -> Result<()> {
    let output = Command::new(program).args(words.split_whitespace()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {words}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

pub fn nft(rules: &str) -> Result<()> {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
    nft.stdin.take().ok_or("nft")?.write_all(rules.as_bytes())?;
    if nft.wait()?.success() { Ok(()) } else { Err("nft refused the rules".into()) }
}

/// Packets that an interface has received.
pub fn received(name: &str) -> Result<u64> {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = table.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    let packets = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    Ok(packets.ok_or("no such interface")?)
}
