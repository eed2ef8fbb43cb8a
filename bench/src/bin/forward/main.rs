//! What a forwarded packet costs: the kernel's router, `weir run` with each kind of port, the flowtable in XDP.
//!
//! ```text
//! cargo build --release -p ironweir
//! cargo run --release -p ironweir-bench --bin forward [-- SECONDS ROUNDS]
//!
//!   source at a0 ──► a1 [router under test] b0 ──► b1 [drops]        each of these a veth pair, all in one namespace
//! ```
//!
//! The source is a program that the kernel runs on frames of its own (`BPF_PROG_TEST_RUN` with live frames): UDP of 60 bytes,
//! TCP of 1514, round robin over so many flows, or a burst of each. Figures are nanoseconds of processor time per packet of the
//! router's stage: what source, router, daemon and drain take together less what source and a drop at the first interface
//! take, both in every round; medians. The kernel's router and packet sockets get `sk_buff`s in batches; their drop is that of a
//! frame for another host. The daemon is offered a thousand packets at once.
//! Needs root, `ip`, `ethtool` and `nft`. It changes nothing outside namespaces of its own.

#![allow(unreachable_pub)] // a program has nothing to reach

mod alone;
mod daemon;
mod flows;
mod frames;
mod kernel;
mod rules;
mod veth;

use std::process::ExitCode;
use std::time::Duration;

use alone::{Bare, Carried};
use daemon::{Daemon, PortKind};
use frames::{SHORT, Shape, TCP, UDP};
use ironweir_io::namespace::{NetworkNamespace, stay_on_this_processor};
use kernel::Kernel;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.5);
    let rounds = words.next().and_then(|word| word.parse().ok()).unwrap_or(7);
    match run(Duration::from_secs_f64(f64::clamp(seconds, 0.01, 60.0)), rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forward: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(time: Duration, rounds: usize) -> Result<()> {
    stay_on_this_processor()?;
    println!("ns of processor time per packet; median (least) of {rounds} rounds; times the kernel's\n");
    routers(time, rounds)?;
    println!("\n{:44} ns", "programs alone, UDP of 60 bytes");
    let bare = Bare::new()?;
    println!("{:44} {}", "redirect, nothing looked at", measure(rounds, || bare.round(time))?);
    for (flows, burst, what) in [
        (10_000, 1, "flowtable, NAT, 10k flows"),
        (100_000, 1, "flowtable, NAT, 100k flows"),
        (1_000_000, 1, "flowtable, NAT, 1M flows round robin"),
        (1_000_000, 8, "flowtable, NAT, 1M in bursts of 8"),
    ] {
        let carried = Carried::new(flows, burst)?;
        println!("{what:44} {}", measure(rounds, || carried.round(time))?);
    }
    Ok(())
}

/// The same rules in the kernel's router and in the daemon.
fn routers(time: Duration, rounds: usize) -> Result<()> {
    let long = |protocol| Shape { protocol, len: 1514 };
    println!("{:32} {:>18} {:>25} {:>25}", "10k flows", "kernel", "weir run, xdp", "weir run, packet");
    for (size, shape) in [("UDP, 60 bytes", SHORT), ("TCP, 1514 bytes", long(TCP))] {
        for (what, rules) in rules::all() {
            let kernel = Kernel::new(&rules, shape)?;
            let kernel = measure(rounds, || kernel.round(time))?;
            print!("{:32} {kernel:>18}", format!("{size}, {what}"));
            for kind in [PortKind::Xdp, PortKind::Packet] {
                let daemon = Daemon::new(kind, &rules, shape, false)?;
                let ours = measure(rounds, || daemon.round(time))?;
                print!(" {ours:>18} {:5.2}x", ours.median / kernel.median);
            }
            println!();
        }
    }
    for (size, shape) in [("UDP, 60 bytes", SHORT), ("UDP, 1514 bytes", long(UDP))] {
        let kernel = Kernel::new(&rules::masquerade(), shape)?;
        let kernel = measure(rounds, || kernel.round(time))?;
        let daemon = Daemon::new(PortKind::Xdp, &rules::flowtable(), shape, true)?;
        let ours = measure(rounds, || daemon.round(time))?;
        let what = format!("{size}, flowtable, NAT");
        println!(
            "{what:32} {kernel:>18} {ours:>18} {:5.2}x   (kernel: masquerade)",
            ours.median / kernel.median
        );
    }
    Ok(())
}

/// What rounds have cost, in nanoseconds per packet.
struct Cost {
    median: f64,
    least: f64,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.1} ({:.1})", self.median, self.least))
    }
}

/// Rounds, after one that warms up.
fn measure(rounds: usize, mut round: impl FnMut() -> Result<f64>) -> Result<Cost> {
    round()?;
    let mut costs = (0..rounds.max(1)).map(|_| round()).collect::<Result<Vec<f64>>>()?;
    costs.sort_by(f64::total_cmp);
    Ok(Cost { median: costs[costs.len() / 2], least: costs[0] })
}

/// [`NetworkNamespace::inside`] with any error.
trait Inside {
    fn with<T>(&self, does: impl FnOnce() -> Result<T>) -> Result<T>;
}

impl Inside for NetworkNamespace {
    fn with<T>(&self, does: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut result = None;
        self.inside(|| {
            result = Some(does());
            Ok(())
        })?;
        result.ok_or("nothing was done")?
    }
}
