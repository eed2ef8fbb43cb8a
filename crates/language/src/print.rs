//! The printer: AST to nft's canonical text.

use std::fmt::{self, Write};

/// How to list, as nft's options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-s`: without the state of counters, quotas, elements.
    pub stateless: bool,
    /// `-a`: with handles.
    pub handles: bool,
    /// `-n`: everything as numbers; implies the four below.
    pub numeric: bool,
    /// `-y`: chain priorities as numbers.
    pub numeric_priority: bool,
    /// `-p`: protocols as numbers.
    pub numeric_protocol: bool,
    /// `-T`: times as numbers.
    pub numeric_time: bool,
    /// `-S`: ports as names.
    pub service: bool,
    /// `-N`: addresses as names.
    pub reverse_dns: bool,
    /// `-u`: users and groups as names.
    pub guid: bool,
    /// `-t`: sets without their elements.
    pub terse: bool,
    /// `-j`: listings as JSON.
    pub json: bool,
    /// Seconds that local time is ahead of UTC, for `meta hour` and `meta time`.
    pub utc_offset: i32,
}

impl Options {
    /// Whether protocols are printed as numbers.
    pub fn protocol_numbers(&self) -> bool {
        self.numeric || self.numeric_protocol
    }

    /// Whether priorities are printed as numbers.
    pub fn priority_numbers(&self) -> bool {
        self.numeric || self.numeric_priority
    }

    /// Whether times are printed as numbers.
    pub fn time_numbers(&self) -> bool {
        self.numeric || self.numeric_time
    }
}

/// Text in the making.
#[derive(Clone, Debug, Default)]
pub struct Printer {
    out: String,
    /// Options; nodes mostly need none, since raising has made the words already.
    pub options: Options,
    /// Tabs before what is printed now, for blocks inside rules (anonymous chains).
    pub indent: usize,
}

impl Printer {
    /// Empty.
    pub fn new(options: Options) -> Printer {
        Printer { out: String::new(), options, indent: 0 }
    }

    /// Appends text.
    pub fn text(&mut self, text: &str) -> &mut Printer {
        self.out.push_str(text);
        self
    }

    /// Appends text in quotes.
    pub fn quoted(&mut self, text: &str) -> &mut Printer {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
        self
    }

    /// Appends a number.
    pub fn number(&mut self, number: impl fmt::Display) -> &mut Printer {
        let _ = write!(self.out, "{number}");
        self
    }

    /// Appends what `write!` makes.
    pub fn fmt(&mut self, args: fmt::Arguments<'_>) -> &mut Printer {
        let _ = self.out.write_fmt(args);
        self
    }

    /// Begins a line.
    pub fn line(&mut self) -> &mut Printer {
        for _ in 0..self.indent {
            self.out.push('\t');
        }
        self
    }

    /// What was printed.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// What was printed.
    pub fn finish(self) -> String {
        self.out
    }
}

/// A time as nft prints it: `1d2h3m4s5ms`, and `0s` for none.
pub fn time(milliseconds: u64) -> String {
    let parts = [
        (milliseconds / 86_400_000, "d"),
        (milliseconds / 3_600_000 % 24, "h"),
        (milliseconds / 60_000 % 60, "m"),
        (milliseconds / 1000 % 60, "s"),
        (milliseconds % 1000, "ms"),
    ];
    let mut out = String::new();
    for (number, unit) in parts {
        if number > 0 {
            let _ = write!(out, "{number}{unit}");
        }
    }
    if out.is_empty() {
        out.push_str("0s");
    }
    out
}

impl Options {
    /// A time as nft prints it with these options: [`time`], or with `-n` and `-T` whole seconds.
    pub fn time(&self, milliseconds: u64) -> String {
        if self.time_numbers() { format!("{}s", milliseconds / 1000) } else { time(milliseconds) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_leave_out_what_is_zero() {
        assert_eq!(super::time(93_784_005), "1d2h3m4s5ms");
        assert_eq!(super::time(3_600_000), "1h");
        assert_eq!(super::time(0), "0s");
    }
}
