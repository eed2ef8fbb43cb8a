//! What set look-ups and changes cost: nanoseconds per key, bytes per element, and the longest wait of a change.
//!
//! `cargo run --release -p ironweir-bench --bin sets`. Keys are in memory and come in vectors of 256, in random order, half
//! of them in the set. The kernel's figures are what a rule with such a set adds to a packet (see DESIGN.md's
//! budgets); ours are the look-up alone, the packet's way to the set being the evaluator's. The fastest round counts: others
//! use the machine as well.

mod changes;
mod keys;
mod lookups;

use crate::keys::Shape;

/// Name, shape, elements, budget and kernel in nanoseconds.
const ROWS: [(&str, Shape, u32, &str, &str); 9] = [
    ("ports, 1,000", Shape::Port, 1000, "", ""),
    ("IPv4 addresses, 1,000", Shape::Address, 1000, "", ""),
    ("IPv4 addresses, 100,000", Shape::Address, 100_000, "15", ""),
    ("IPv4 address . port, 100,000", Shape::Pair, 100_000, "15", "148"),
    ("IPv4 addresses, 1,000,000", Shape::Address, 1_000_000, "", ""),
    ("IPv6 addresses, 100,000", Shape::Long, 100_000, "", ""),
    ("prefixes, 5,000", Shape::Prefix, 5000, "30", "423"),
    ("prefixes, 500,000", Shape::Prefix, 500_000, "", ""),
    ("prefix . ports, 5,000", Shape::Ranges, 5000, "40", "207"),
];

fn main() {
    if std::env::args().nth(1).as_deref() == Some("memory") {
        let row = std::env::args().nth(2).and_then(|number| ROWS.get(number.parse::<usize>().ok()?));
        if let Some((_, shape, count, ..)) = row {
            changes::memory(*shape, *count);
        }
        return;
    }
    println!("a keyed hash of eight bytes: {:.1} ns", lookups::yardstick());
    println!("{:32} {:>9} {:>9} {:>7} {:>7}", "ns per key", "vectors", "single", "budget", "kernel");
    for (name, shape, count, budget, kernel) in ROWS {
        let [vectors, single] = lookups::measure(shape, count);
        println!("{name:32} {vectors:>9.1} {single:>9.1} {budget:>7} {kernel:>7}");
    }
    println!("\n{:32} {:>9} {:>9} {:>9}", "changes", "ns each", "longest", "bytes each");
    for (number, (name, shape, count, ..)) in ROWS.into_iter().enumerate() {
        print!("{name:32} ");
        let [each, longest] = changes::fill(shape, count);
        print!("{each:>9.0?} {longest:>9.0?} ");
        changes::memory_of(number);
    }
    changes::one_more();
    changes::timeouts();
}
