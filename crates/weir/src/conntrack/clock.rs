//! The machine's clock and time zone, as listings need them.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// The clock.
#[derive(Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// Of this machine.
    pub fn system() -> Clock {
        Clock { zone: TimeZone::system() }
    }

    /// Nanoseconds since 1970.
    pub fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// A time in nanoseconds since 1970, here.
    pub fn here(&self, nanoseconds: u64) -> Zoned {
        let timestamp = Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default();
        timestamp.to_zoned(self.zone.clone())
    }

    /// Writes the time before an event: `[SECONDS.MICROSECONDS]` and a tab.
    ///
    /// DIVERGES: conntrack fills the microseconds up behind, so that 5 µs read as half a second.
    pub fn put_now(&self, out: &mut String) {
        let now = self.now();
        let (seconds, micros) = (now / 1_000_000_000, now / 1000 % 1_000_000);
        // A String takes all that is written to it.
        let _ = write!(out, "[{seconds:<8}.{micros:06}]\t");
    }

    /// Seconds between the beginning of a connection and its end, or now.
    pub fn age(&self, start: u64, stop: Option<u64>) -> u64 {
        let stop = stop.unwrap_or_else(|| self.now() / 1_000_000_000 * 1_000_000_000);
        stop.saturating_sub(start) / 1_000_000_000
    }
}

/// A time as `ctime(3)` writes it, without its line end.
pub fn put_ctime(out: &mut String, time: &Zoned) {
    // A String takes all that is written to it.
    let _ = write!(out, "{}", time.strftime("%a %b %e %H:%M:%S %Y"));
}
