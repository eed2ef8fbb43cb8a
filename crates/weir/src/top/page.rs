//! A page as text: for a script, or for a terminal of some width and height.

use std::fmt::Write;

use super::options::{Options, Sort, View};
use super::rows::{Dropped, Row, Rows};

/// A page for a script: all lines that are wanted, whole.
pub fn plain(rows: &Rows, options: &Options) -> String {
    let mut out = head(rows, options);
    out.push('\n');
    for (view, title, lines) in parts(rows, options, options.lines) {
        let _ = writeln!(out, "\n{title}");
        if lines.is_empty() {
            let _ = writeln!(out, "{}", none(view));
        }
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
    out.push('\n');
    out
}

/// A page for a terminal: as many lines as there is room for, cut to its width, with colours.
pub fn coloured(
    rows: &Rows,
    options: &Options,
    (width, height): (usize, usize),
    held: bool,
    typed: Option<&str>,
) -> Vec<String> {
    let cut = |line: &str| line.chars().take(width).collect::<String>();
    let mut head = head(rows, options);
    if held {
        head += "  (held)";
    }
    let mut out = vec![format!("{BOLD}{}{PLAIN}", cut(&head))];
    let parts = parts(rows, options, height);
    // One line for the head and one for the keys; of each part a title.
    let mut room = height.saturating_sub(2 + parts.len());
    let count = parts.len();
    for (at, (view, title, lines)) in parts.into_iter().enumerate() {
        // Who needs less leaves it to those behind; drops come last and are few.
        let share = room / (count - at).max(1);
        out.push(format!("{REVERSED}{:<width$}{PLAIN}", cut(title)));
        if lines.is_empty() && share > 0 {
            out.push(cut(none(view)));
            room -= 1;
        }
        let shown = lines.len().min(share);
        room -= shown;
        out.extend(lines.iter().take(shown).map(|line| match line.starts_with(QUIET) {
            true => format!("{DIM}{}{PLAIN}", cut(line)),
            false => cut(line),
        }));
    }
    let keys = match typed {
        Some(text) => format!("filter: {text}_"),
        None => "q quit  s sort  / filter  f flows  r rules  d drops  +- interval  space hold".to_owned(),
    };
    out.truncate(height.saturating_sub(1));
    out.push(format!("{DIM}{}{PLAIN}", cut(&keys)));
    out
}

fn head(rows: &Rows, options: &Options) -> String {
    let most = rows.most.map(|most| format!("/{most}")).unwrap_or_default();
    let sort = match options.sort {
        Sort::Rate => "rate",
        Sort::Packets => "packets",
        Sort::Bytes => "bytes",
    };
    let (bits, packets) = rows.sum;
    let mut head = format!(
        "connections {}{most}  {}bit/s  {}packets/s  generation {}  every {:.1} s  by {sort}",
        rows.connections,
        scaled(bits),
        scaled(packets),
        rows.generation,
        rows.seconds,
    );
    if !options.filter.is_empty() {
        let _ = write!(head, "  with {}", options.filter);
    }
    head
}

/// What every line of flows and rules begins with where nothing passed in between.
const QUIET: &str = "       -";

fn parts(rows: &Rows, options: &Options, most: usize) -> Vec<(View, &'static str, Vec<String>)> {
    let line = |row: &Row| {
        let rate = if row.packets == 0.0 {
            format!("{QUIET} {:>8}", "-")
        } else {
            format!("{:>8} {:>8}", scaled(row.bytes * 8.0), scaled(row.packets))
        };
        format!(
            "{rate} {:>8} {:>8}  {}",
            scaled(row.total.bytes as f64),
            scaled(row.total.packets as f64),
            row.text
        )
    };
    let drop = |row: &Dropped| {
        let rate = if row.packets == 0.0 { QUIET.to_owned() } else { format!("{:>8}", scaled(row.packets)) };
        format!("{rate} {:>8}  {}", scaled(row.total as f64), row.text)
    };
    let all = [
        (
            View::Flows,
            "   bit/s  packet/s   bytes  packets  FLOWS",
            rows.flows.iter().take(most).map(line).collect::<Vec<_>>(),
        ),
        (
            View::Rules,
            "   bit/s  packet/s   bytes  packets  RULES",
            rows.rules.iter().take(most).map(line).collect(),
        ),
        (View::Drops, "packet/s  packets  DROPS", rows.drops.iter().take(most).map(drop).collect()),
    ];
    all.into_iter().filter(|(view, ..)| options.shows(*view)).collect()
}

fn none(view: View) -> &'static str {
    match view {
        View::Flows => "         no connection",
        View::Rules => "         no rule with a counter",
        View::Drops => "         none that are told",
    }
}

/// A number with three digits or so, and a letter for its thousands.
fn scaled(number: f64) -> String {
    let mut number = number;
    for letter in ["", "k", "M", "G", "T"] {
        if number < 999.5 || letter == "T" {
            return match (letter, number < 9.95) {
                ("", _) if number.fract() == 0.0 || number >= 9.95 => format!("{number:.0}"),
                (_, true) => format!("{number:.1}{letter}"),
                _ => format!("{number:.0}{letter}"),
            };
        }
        number /= 1000.0;
    }
    String::new()
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const REVERSED: &str = "\x1b[7m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::super::{options, sample::Count};
    use super::*;

    #[test]
    fn numbers_are_short() {
        let told = [0.0, 1.0, 0.25, 999.0, 999.9, 1500.0, 12_345.0, 2_000_000.0, 5e15].map(scaled);
        assert_eq!(told, ["0", "1", "0.2", "999", "1.0k", "1.5k", "12k", "2.0M", "5000T"]);
    }

    fn rows() -> Rows {
        let row = |n: u64| Row {
            text: format!("tcp 192.0.2.{n}:4000 > 198.51.100.2:80"),
            packets: n as f64,
            bytes: n as f64 * 1000.0,
            total: Count { packets: n, bytes: n * 1000 },
        };
        Rows {
            flows: (0..50).rev().map(row).collect(),
            drops: vec![Dropped { text: "no-route".into(), packets: 3.0, total: 7 }],
            ..Rows::default()
        }
    }

    #[test]
    fn a_page_for_scripts_has_no_escapes_and_its_lines_whole() {
        let options = options::parse(&["--lines=2".into()]).unwrap();
        let text = plain(&rows(), &options);
        assert!(!text.contains('\x1b'));
        assert!(
            text.contains("    392k       49      49k       49  tcp 192.0.2.49:4000 > 198.51.100.2:80\n"),
            "{text}"
        );
        assert_eq!(text.matches("tcp ").count(), 2);
        assert!(
            text.contains("no rule with a counter") && text.contains("       3        7  no-route\n"),
            "{text}"
        );
    }

    #[test]
    fn a_page_fits_every_terminal() {
        let options = options::parse(&[]).unwrap();
        for (width, height) in [(80, 24), (20, 5), (200, 60), (1, 1), (0, 0)] {
            let page = coloured(&rows(), &options, (width, height), true, None);
            assert!(page.len() <= height.max(1), "{width}x{height}: {page:?}");
            for line in page {
                let shown: String = line
                    .split('\x1b')
                    .map(|part| part.split_once('m').map_or(part, |(_, rest)| rest))
                    .collect();
                assert!(shown.chars().count() <= width.max(1), "{width}: {shown:?}");
            }
        }
    }
}
