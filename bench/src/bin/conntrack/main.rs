//! What connection tracking costs: nanoseconds per packet and bytes per connection.
//!
//! ```text
//! cargo run --release -p ironweir-bench --bin conntrack [-- SECONDS]
//! ```
//!
//! Packets of 64 bytes are made in vectors of 256; what making them and finding their headers costs is measured apart
//! and taken off. One core. `kernel` is what Linux 6.18 adds for the same work on such a machine, packets in batches
//! (DESIGN.md, "Budgets"). SECONDS is how long each row is measured, default 2.

#![allow(unreachable_pub)] // a program has nothing to reach

mod distribution;
mod packets;
mod path;
mod rows;

use std::time::Duration;

use packets::{Transport, Way};
use rows::{Bench, Rounds, resident, rounds};

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some("memory"), Some(number)) = (arguments.next().as_deref(), arguments.next()) {
        return memory_of(number.parse().unwrap_or(0));
    }
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(f64::clamp(seconds, 0.01, 600.0));
    if cfg!(debug_assertions) {
        println!("a debug build: figures mean nothing");
    }
    println!(
        "{:44} {:>8} {:>8} {:>8} {:>8}",
        "nanoseconds per packet", "median", "fastest", "budget", "kernel"
    );
    existing(time);
    new_flows(time);
    println!();
    memory();
    println!();
    path::print(time);
    println!();
    distribution::print();
}

fn row(name: &str, measured: &Rounds, nothing: &Rounds, budget: &str, kernel: &str) {
    let nothing = nothing.best();
    let (median, best) = (measured.median() - nothing, measured.best() - nothing);
    println!("{name:44} {median:>8.0} {best:>8.0} {budget:>8} {kernel:>8}");
}

fn existing(time: Duration) {
    for (transport, nat, flows, budget, kernel) in [
        (Transport::Udp, false, 10_000, "40", "298"),
        (Transport::Udp, false, 1_000_000, "120", "960"),
        (Transport::Tcp, false, 10_000, "40", "298"),
        (Transport::Tcp, false, 1_000_000, "120", "960"),
        (Transport::Udp, true, 10_000, "60", "665"),
    ] {
        let mut bench = Bench::new(transport, flows, nat);
        bench.establish();
        let nothing = rounds(time / 4, || bench.pass_nothing(Way::There));
        let measured = rounds(time, || bench.pass(Way::There));
        let what = if nat { "existing, source NAT" } else { "existing" };
        let name = format!("{what}, {:?}, {} flows", bench.transport(), flows);
        row(&name, &measured, &nothing, budget, kernel);
        if !nat {
            let measured = rounds(time, || bench.pass_one_by_one(Way::There));
            row("    packets one by one", &measured, &nothing, "", "");
        }
    }
}

fn new_flows(time: Duration) {
    for (transport, flows) in
        [(Transport::Udp, 10_000), (Transport::Udp, 1_000_000), (Transport::Tcp, 10_000)]
    {
        let mut bench = Bench::new(transport, flows, false);
        let nothing = rounds(time / 4, || bench.pass_nothing(Way::There));
        let measured = rounds(time, || {
            bench.syn();
            let took = bench.pass(Way::There);
            bench.empty();
            took
        });
        row(&format!("new, {transport:?}, {flows} flows"), &measured, &nothing, "150", "2467");
    }
}

const MEMORY: [(&str, Transport, bool, u32, &str, &str); 3] = [
    ("UDP", Transport::Udp, false, 1_000_000, "128", "255"),
    ("TCP", Transport::Tcp, false, 1_000_000, "128", "255"),
    // As many as there are ports of one address.
    ("UDP, source NAT", Transport::Udp, true, 60_000, "160", "374"),
];

/// Each row in a process of its own, whose memory was nobody's before.
fn memory() {
    println!("{:44} {:>8} {:>8} {:>8}", "bytes per connection", "", "budget", "kernel");
    for number in 0..MEMORY.len() {
        let Ok(program) = std::env::current_exe() else { return };
        let _ = std::process::Command::new(program).args(["memory", &number.to_string()]).status();
    }
}

fn memory_of(number: usize) {
    let Some(&(name, transport, nat, flows, budget, kernel)) = MEMORY.get(number) else { return };
    let before = resident();
    let mut bench = Bench::of_exactly(transport, flows, nat);
    bench.establish();
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = after.saturating_sub(before) as f64 / f64::from(flows);
        println!("{:44} {each:>8.1} {budget:>8} {kernel:>8}", format!("{name}, {flows} of them"));
    }
    if flows == 1_000_000 {
        let [median, most, longest] = bench.vectors_while_all_expire();
        println!(
            "    vectors of 32 packets while all of them time out: {median:.0?}, {most:.0?} of 999 in a thousand, \
             longest {longest:.0?} (budget 1 ms)"
        );
    }
}
