//! Repeating work until a time is over, and the figure that is shown of it.

use std::time::{Duration, Instant};

/// Nanoseconds per item of each round.
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Calls `round` until `time` is over, and at least three times. It gives how many items it did and how long that
    /// took, so that what it prepares is not counted.
    pub fn run(time: Duration, mut round: impl FnMut() -> (u64, Duration)) -> Rounds {
        let begin = Instant::now();
        let mut found = Vec::new();
        while found.len() < 3 || begin.elapsed() < time {
            let (items, took) = round();
            if items > 0 {
                found.push(took.as_nanos() as f64 / items as f64);
            }
        }
        found.sort_by(f64::total_cmp);
        Rounds(found)
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(0.0)
    }

    /// The fastest round: the figure that other work on the machine disturbs least.
    pub fn best(&self) -> f64 {
        self.0.first().copied().unwrap_or(0.0)
    }
}
