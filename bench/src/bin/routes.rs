//! What a look-up and a change of a route cost in a full table: a million IPv4 prefixes, most of them of 24 bits, in the processor
//! time of this thread, so that other programs do not count.
//!
//! ```text
//! cargo run --release -p ironweir-bench --bin routes
//! ```

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use ironweir_engine::route::{Lookup, Route, Routes};
use ironweir_wire::IfIndex;

const PREFIXES: usize = 1_000_000;
const LOOKUPS: usize = 2_000_000;

/// Nanoseconds that this thread has run (`Documentation/scheduler/sched-stats.rst`).
fn ran() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn measure(what: &str, times: usize, mut each: impl FnMut(usize)) {
    let before = ran();
    for index in 0..times {
        each(index);
    }
    println!("{what:<32} {:>6} ns", (ran() - before) / times.max(1) as u64);
}

fn main() {
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let mut routes = Routes::default();
    let mut prefixes: Vec<(u32, u8)> = Vec::with_capacity(PREFIXES);
    while prefixes.len() < PREFIXES {
        // Lengths as in the Internet's table, roughly.
        let len = match random() % 100 {
            0..60 => 24,
            60..72 => 22,
            72..80 => 23,
            80..90 => 20 + (random() % 2) as u8,
            _ => 16 + (random() % 4) as u8,
        };
        prefixes.push((random() & (u32::MAX << (32 - len)), len));
    }
    let ip = |address: u32| IpAddr::V4(Ipv4Addr::from(address));
    // A few dozen neighbours.
    let route =
        |index: usize| Route::by(IfIndex(1 + index as u32 % 4), Some(ip(0x0a00_0001 + index as u32 % 64)));
    measure("add a route", PREFIXES, |index| {
        let (prefix, len) = prefixes[index];
        // No prefix here is too long.
        let _ = routes.insert(ip(prefix), len, route(index), 0);
    });
    println!("{} prefixes", routes.len());
    let addresses: Vec<IpAddr> = (0..LOOKUPS)
        .map(|_| {
            let (prefix, len) = prefixes[random() as usize % PREFIXES];
            ip(prefix | (random() & !(u32::MAX << (32 - len))))
        })
        .collect();
    let find = |address: IpAddr| {
        black_box(routes.find(&Lookup::to(address), |_| None));
    };
    measure("look-up, all over the table", LOOKUPS, |index| find(addresses[index]));
    measure("look-up, 10,000 destinations", LOOKUPS, |index| find(addresses[index % 10_000]));
    measure("take a route away, add it again", PREFIXES / 10, |index| {
        let (prefix, len) = prefixes[index];
        routes.remove(ip(prefix), len);
        let _ = routes.insert(ip(prefix), len, route(index), 0);
    });
}
