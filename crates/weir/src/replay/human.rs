//! The report for people.

use std::fmt::Write;

use super::report::{Drop, Flowtable, Object, Report, Rule};

/// Longest text of a rule that is shown whole.
const RULE_WIDTH: usize = 84;

/// Lines of cells; numbers stand at the right of their column.
struct Table {
    rows: Vec<Vec<String>>,
    right: &'static [bool],
}

impl Table {
    fn new(right: &'static [bool]) -> Table {
        Table { rows: Vec::new(), right }
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn print(&self, out: &mut String) {
        let width = |column: usize| {
            let widths = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::from("  ");
            for ((cell, width), right) in row.iter().zip(&widths).zip(self.right) {
                let _ = match right {
                    true => write!(line, "{cell:>width$}  "),
                    false => write!(line, "{cell:width$}  "),
                };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

/// The whole report as text.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    packets(&mut out, report);
    drops(&mut out, "dropped", &report.drops);
    drops(&mut out, "malformed", &report.malformed);
    rules(&mut out, report);
    flows(&mut out, report);
    objects(&mut out, report);
    let files = match report.captures.len() {
        1 => "1 capture".to_owned(),
        count => format!("{count} captures"),
    };
    let _ = writeln!(
        out,
        "\n{} packets of {files} in {}: {} packets per second",
        number(report.packets.read),
        seconds(report.elapsed_s),
        number(report.packets_per_s as u64),
    );
    out
}

fn packets(out: &mut String, report: &Report) {
    let packets = &report.packets;
    let share = |count: u64| match packets.read {
        0 => String::new(),
        all => format!("{:.1} %", count as f64 * 100.0 / all as f64),
    };
    let mut table = Table::new(&[false, true, true, false]);
    let mut row = |name: &str, count: u64, note: String| {
        table.row([name.to_owned(), number(count), share(count), note]);
    };
    let cut = match packets.cut {
        0 => String::new(),
        cut => format!("{} cut short in the capture", number(cut)),
    };
    row("read", packets.read, cut);
    let mut notes = Vec::new();
    if packets.offloaded > 0 {
        notes.push(format!("{} by flowtable", number(packets.offloaded)));
    }
    if packets.local > 0 {
        notes.push(format!("{} to the host itself", number(packets.local)));
    }
    row("passed", packets.passed, notes.join(", "));
    row("dropped", packets.dropped, String::new());
    for (name, count) in
        [("queued", packets.queued), ("stolen", packets.stolen), ("malformed", packets.malformed)]
    {
        if count > 0 {
            row(name, count, String::new());
        }
    }
    out.push_str("packets\n");
    table.print(out);
    if packets.made > 0 {
        let _ = writeln!(out, "  besides, {} made by rules (answers, copies)", number(packets.made));
    }
}

fn drops(out: &mut String, title: &str, drops: &[Drop]) {
    if drops.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}, by reason");
    let mut table = Table::new(&[true, true, false]);
    for drop in drops {
        table.row([number(drop.packets), bytes(drop.bytes), drop.words.clone()]);
    }
    table.print(out);
}

fn rules(out: &mut String, report: &Report) {
    if report.chains.is_empty() {
        return;
    }
    out.push_str("\nrules: packets for which every match held\n");
    for chain in &report.chains {
        let _ = write!(out, " {} {} {}", chain.family, chain.table, chain.chain);
        match &*chain.called() {
            "" => {}
            called => {
                let _ = write!(out, " ({called})");
            }
        }
        out.push('\n');
        let mut table = Table::new(&[true, true, false, false]);
        let of_chain = |rule: &&Rule| {
            rule.chain == chain.chain && rule.table == chain.table && rule.family == chain.family
        };
        for rule in report.rules.iter().filter(of_chain) {
            let place = match (&rule.file, rule.line) {
                (Some(file), Some(line)) => format!("{file}:{line}"),
                _ => String::new(),
            };
            table.row([number(rule.packets), bytes(rule.bytes), shortened(&rule.rule), place]);
        }
        if let (Some(policy), Some(packets)) = (chain.policy, chain.policy_packets) {
            let bytes = bytes(chain.policy_bytes.unwrap_or(0));
            table.row([number(packets), bytes, format!("policy {policy}"), String::new()]);
        }
        table.print(out);
    }
}

fn flows(out: &mut String, report: &Report) {
    if report.conntrack.created > 0 {
        let conntrack = &report.conntrack;
        let by: Vec<String> =
            conntrack.by_protocol.iter().map(|(name, count)| format!("{name} {}", number(*count))).collect();
        let _ = writeln!(
            out,
            "\nconnections\n  {} made ({}), {} at the end",
            number(conntrack.created),
            by.join(", "),
            number(conntrack.now)
        );
    }
    if report.flowtable.is_empty() {
        return;
    }
    out.push_str("\nflowtables\n");
    let mut table = Table::new(&[false, false]);
    for flowtable in &report.flowtable {
        table.row([
            format!("{} {} {}", flowtable.family, flowtable.table, flowtable.name),
            flowtable_state(flowtable),
        ]);
    }
    table.print(out);
}

fn objects(out: &mut String, report: &Report) {
    let mut table = Table::new(&[false, false, false]);
    for object in report.objects.iter().filter(|object| object.changed) {
        let name = format!("{} {} {}", object.family, object.table, object.name);
        table.row([object.kind.to_owned(), name, object_state(object)]);
    }
    for set in report.sets.iter().filter(|set| set.added > 0) {
        let state = format!(
            "{} elements added by packets, {} there now",
            number(set.added),
            number(set.elements as u64)
        );
        table.row([set.kind.to_owned(), format!("{} {} {}", set.family, set.table, set.name), state]);
    }
    if !table.rows.is_empty() {
        out.push_str("\nobjects and sets that changed\n");
        table.print(out);
    }
}

/// What an object counts, in words.
pub(super) fn object_state(object: &Object) -> String {
    match (object.packets, object.bytes, object.used) {
        (Some(packets), Some(count), _) => format!("{} packets, {}", number(packets), bytes(count)),
        (_, Some(amount), Some(used)) => format!("{} of {} used", bytes(used), bytes(amount)),
        _ => String::new(),
    }
}

/// What a flowtable did, in words.
pub(super) fn flowtable_state(flowtable: &Flowtable) -> String {
    format!(
        "{} connections offloaded, {} at the end, {} torn down; {} packets, {}",
        number(flowtable.offloaded),
        number(flowtable.now),
        number(flowtable.torn_down),
        number(flowtable.packets),
        bytes(flowtable.bytes)
    )
}

/// A rule on one line, cut where it is too long for one.
fn shortened(rule: &str) -> String {
    let line = rule.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= RULE_WIDTH {
        return line;
    }
    let mut short: String = line.chars().take(RULE_WIDTH - 1).collect();
    short.push('…');
    short
}

/// Digits in groups of three.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An amount of bytes with three digits that count.
pub(super) fn bytes(value: u64) -> String {
    if value < 1000 {
        return format!("{value} B");
    }
    let mut value = value as f64;
    for unit in ["B", "kB", "MB", "GB", "TB", "PB"] {
        if value < 999.5 {
            return match value {
                v if v < 9.995 => format!("{v:.2} {unit}"),
                v if v < 99.95 => format!("{v:.1} {unit}"),
                v => format!("{v:.0} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.0} EB")
}

fn seconds(value: f64) -> String {
    match value {
        v if v < 0.001 => format!("{:.0} µs", v * 1e6),
        v if v < 1.0 => format!("{:.1} ms", v * 1e3),
        v if v < 120.0 => format!("{v:.2} s"),
        v => format!("{:.0} min {:.0} s", (v / 60.0).floor(), v % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!((number(0), number(999)), ("0".into(), "999".into()));
        assert_eq!((number(1000), number(1_234_567)), ("1,000".into(), "1,234,567".into()));
        for (value, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_600, "1.00 MB"), (12_345_678, "12.3 MB")]
        {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn rules_are_linked_to_their_line() {
        let report = Report {
            chains: vec![super::super::report::Chain {
                family: "inet",
                table: "f".into(),
                chain: "in".into(),
                kind: Some("filter"),
                hook: Some("input"),
                priority: Some(0),
                policy: Some("drop"),
                policy_packets: Some(3),
                ..Default::default()
            }],
            rules: vec![Rule {
                family: "inet",
                table: "f".into(),
                chain: "in".into(),
                rule: "tcp dport 22 accept".into(),
                file: Some("r.nft".into()),
                line: Some(12),
                packets: 1234,
                bytes: 5000,
                ..Rule::default()
            }],
            ..Report::default()
        };
        let text = render(&report);
        assert!(text.contains(" inet f in (filter hook input priority filter)\n"), "{text}");
        assert!(text.contains("  1,234  5.00 kB  tcp dport 22 accept  r.nft:12\n"), "{text}");
        assert!(text.contains("      3      0 B  policy drop\n"), "{text}");
    }
}
