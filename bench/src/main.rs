//! What replay costs: packets per second of every example, and nanoseconds per packet by stage.
//!
//! ```text
//! cargo run --release -p ironweir-bench [-- SECONDS]
//! ```
//!
//! Packets lie in memory; each is copied into the buffer that it is processed in, as replay does. One core, the
//! reference evaluator. SECONDS is how long each row is measured, default 1.

#![allow(unreachable_pub)] // a program has nothing to reach

mod examples;
mod rounds;
mod stages;

use std::time::Duration;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let time = Duration::from_secs_f64(f64::clamp(seconds, 0.01, 600.0));
    println!("{}\n", machine());
    examples::print(time);
    println!();
    stages::print(time);
}

/// The processor, where Linux tells it.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let profile = if cfg!(debug_assertions) { "debug build: figures mean nothing" } else { "release build" };
    format!("{model}, one core, {profile}")
}
