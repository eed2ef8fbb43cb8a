//! The picture: hooks in the order packets meet them, beneath each its base chains by priority, and under those the
//! chains that their rules jump to, with a bar at each rule for its share of all packets.
//!
//! ```text
//!  ingress ─ prerouting ─┬─ forward ──────────────┬─ postrouting ─ egress
//!                        └─ input ─ host ─ output ─┘
//! ```

use std::collections::HashSet;
use std::fmt::Write;

use super::super::human::number;
use super::super::report::{Chain, Report, Rule};
use super::{Colour, escape, percent};

const COLUMN: i32 = 330;
const IDLE_COLUMN: i32 = 92;
const GUTTER: i32 = 40;
const PILL: i32 = 28;
const HEAD: i32 = 34;
const ROW: i32 = 18;
const GAP: i32 = 12;
const INDENT: i32 = 16;
/// Rules of one chain that are drawn; the table below the picture has all.
const MAX_ROWS: usize = 40;
/// Chains that are drawn in all.
const MAX_CHAINS: usize = 200;
const CHARACTER: i32 = 7;

/// One hook with what hangs beneath it.
struct Hook<'a> {
    name: &'static str,
    boxes: Vec<Placed<'a>>,
}

struct Placed<'a> {
    chain: &'a Chain,
    rules: &'a [Rule],
    depth: i32,
}

impl Placed<'_> {
    fn height(&self) -> i32 {
        let shown = self.rules.len().min(MAX_ROWS) + usize::from(self.rules.len() > MAX_ROWS);
        let policy = usize::from(self.chain.policy.is_some());
        HEAD + (shown + policy) as i32 * ROW + 4
    }
}

impl Hook<'_> {
    fn width(&self) -> i32 {
        if self.boxes.is_empty() { IDLE_COLUMN } else { COLUMN }
    }

    fn height(&self) -> i32 {
        self.boxes.iter().map(|placed| placed.height() + GAP).sum::<i32>() + PILL
    }
}

/// Every chain with its rules, which come in the order of their chains.
fn chains(report: &Report) -> Vec<(&Chain, &[Rule])> {
    let mut rest = report.rules.as_slice();
    let mut found = Vec::new();
    for chain in report.chains.iter() {
        let same = |rule: &&Rule| {
            rule.chain == chain.chain && rule.table == chain.table && rule.family == chain.family
        };
        let (own, others) = rest.split_at(rest.iter().take_while(same).count());
        rest = others;
        found.push((chain, own));
    }
    found
}

/// The chains a rule's text jumps or goes to.
fn targets(rule: &str) -> impl Iterator<Item = &str> {
    let mut words = rule.split([' ', ',', ';', '}']).filter(|word| !word.is_empty());
    std::iter::from_fn(move || {
        loop {
            if matches!(words.next()?, "jump" | "goto") {
                return words.next();
            }
        }
    })
}

fn hook<'a>(name: &'static str, all: &[(&'a Chain, &'a [Rule])], seen: &mut HashSet<usize>) -> Hook<'a> {
    let mut bases: Vec<usize> = (0..all.len()).filter(|at| all[*at].0.hook == Some(name)).collect();
    bases.sort_by_key(|at| all[*at].0.priority);
    let mut boxes = Vec::new();
    for base in bases {
        // A stack, so that a chain stands beneath the one that jumps to it; each chain is drawn once.
        let mut stack = vec![(base, 0)];
        while let Some((at, depth)) = stack.pop() {
            if boxes.len() == MAX_CHAINS || !seen.insert(at) {
                continue;
            }
            let (chain, rules) = all[at];
            boxes.push(Placed { chain, rules, depth });
            let called: Vec<&str> = rules.iter().flat_map(|rule| targets(&rule.rule)).collect();
            for name in called.into_iter().rev() {
                let target = all.iter().position(|(other, _)| {
                    other.chain == name && other.table == chain.table && other.family == chain.family
                });
                stack.extend(target.map(|target| (target, (depth + 1).min(3))));
            }
        }
    }
    Hook { name, boxes }
}

/// Draws the picture.
pub(super) fn draw(out: &mut String, report: &Report) {
    let all = chains(report);
    let mut seen = HashSet::new();
    let mut hook = |name| hook(name, &all, &mut seen);
    let [ingress, prerouting, forward] = ["ingress", "prerouting", "forward"].map(&mut hook);
    let [input, output] = ["input", "output"].map(&mut hook);
    let [postrouting, egress] = ["postrouting", "egress"].map(&mut hook);
    let flowtable = !report.flowtable.is_empty();
    let top = if flowtable { 76 } else { 40 };
    // Columns from left to right; forward and input share one, output has its own below the way on.
    let mut x = [0; 6];
    let widths = [
        ingress.width(),
        prerouting.width(),
        forward.width().max(input.width()),
        output.width(),
        postrouting.width(),
        egress.width(),
    ];
    x[0] = 62;
    for column in 1..6 {
        // Between input and output stands the host.
        let gap = if column == 3 { GUTTER + 72 } else { GUTTER };
        x[column] = x[column - 1] + widths[column - 1] + gap;
    }
    let width = x[5] + widths[5] + 62;
    let second = top + forward.height() + 44;
    let bottom = [
        top + ingress.height().max(prerouting.height()),
        top + postrouting.height().max(egress.height()),
        second + input.height().max(output.height()),
    ];
    let height = bottom.into_iter().max().unwrap_or(0) + 20;
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"hooks and chains\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path class=\"tip\" d=\"M0 0 8 4 0 8Z\"/></marker></defs>"
    );
    let middle = top + PILL / 2;
    let below = second + PILL / 2;
    let wire = |out: &mut String, path: String| {
        let _ = writeln!(out, "<path class=\"wire\" marker-end=\"url(#tip)\" d=\"{path}\"/>");
    };
    wire(out, format!("M8 {middle}H{}", x[0]));
    for (from, to) in [(0, 1), (1, 2), (4, 5)] {
        wire(out, format!("M{} {middle}H{}", x[from] + widths[from], x[to]));
    }
    wire(out, format!("M{} {middle}H{}", x[2] + forward.width(), x[4]));
    wire(out, format!("M{} {middle}H{}", x[5] + widths[5], width - 8));
    let turn = x[1] + widths[1] + GUTTER / 2;
    wire(out, format!("M{turn} {middle}V{below}H{}", x[2]));
    let host = x[3] - 58;
    wire(out, format!("M{} {below}H{}", x[2] + input.width(), host - 30));
    wire(out, format!("M{} {below}H{}", host + 30, x[3]));
    let up = x[4] - GUTTER / 2;
    let _ = writeln!(out, "<path class=\"wire\" d=\"M{} {below}H{up}V{middle}\"/>", x[3] + output.width());
    let _ = writeln!(
        out,
        "<circle class=\"box\" cx=\"{host}\" cy=\"{below}\" r=\"29\"/>\
         <text class=\"title middle\" x=\"{host}\" y=\"{}\">host</text>",
        below + 4
    );
    label(out, 10, middle - 8, "", &number(report.packets.read));
    let packets = &report.packets;
    if packets.local > 0 {
        label(out, turn + 6, below - 6, "", &number(packets.local));
    }
    if packets.sent > 0 {
        label(out, x[3] + output.width() + 2, below - 6, "", &number(packets.sent));
    }
    label(out, width - 10, middle - 8, "end", &number(packets.passed - packets.local));
    if flowtable {
        let (from, to, y) = (x[0] + 20, x[5] + widths[5] - 20, 34);
        let _ = writeln!(
            out,
            "<path class=\"fast\" d=\"M{from} {top}C{from} {y} {from} {y} {} {y}H{}C{to} {y} {to} {y} {to} {top}\"/>\
             <text class=\"title middle fast-name\" x=\"{}\" y=\"{}\">flowtable: {} packets, {}</text>",
            from + 40,
            to - 40,
            (from + to) / 2,
            y - 9,
            number(packets.offloaded),
            share(percent(packets.offloaded, packets.read))
        );
    }
    for (hook, column, y) in [
        (&ingress, 0, top),
        (&prerouting, 1, top),
        (&forward, 2, top),
        (&input, 2, second),
        (&output, 3, second),
        (&postrouting, 4, top),
        (&egress, 5, top),
    ] {
        draw_hook(out, report, hook, x[column], y);
    }
    out.push_str("</svg>\n");
}

fn label(out: &mut String, x: i32, y: i32, class: &str, text: &str) {
    let _ = writeln!(out, "<text class=\"faint {class}\" x=\"{x}\" y=\"{y}\">{text}</text>");
}

fn share(percent: f64) -> String {
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.1 => "&lt;0.1 %".to_owned(),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// Text cut to what fits into so many pixels.
fn fit(text: &str, pixels: i32) -> String {
    let most = (pixels / CHARACTER).max(1) as usize;
    if text.chars().count() <= most {
        return escape(text);
    }
    let short: String = text.chars().take(most - 1).collect();
    format!("{}…", escape(&short))
}

fn draw_hook(out: &mut String, report: &Report, hook: &Hook<'_>, x: i32, top: i32) {
    let width = hook.width();
    let idle = if hook.boxes.is_empty() { " class=\"idle\"" } else { "" };
    let _ = writeln!(
        out,
        "<g{idle}><rect class=\"hook\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{PILL}\" rx=\"14\"/>\
         <text class=\"hook-name middle\" x=\"{}\" y=\"{}\">{}</text></g>",
        x + width / 2,
        top + 18,
        hook.name
    );
    let mut y = top + PILL + GAP;
    let mut last_base = y;
    for placed in &hook.boxes {
        let left = x + placed.depth * INDENT;
        if placed.depth == 0 {
            last_base = y;
        } else {
            let from = left - INDENT / 2;
            let _ = writeln!(
                out,
                "<path class=\"jump\" d=\"M{from} {}V{}H{left}\"/>",
                last_base + HEAD,
                y + HEAD / 2
            );
        }
        draw_chain(out, report, placed, left, y, width - placed.depth * INDENT);
        y += placed.height() + GAP;
    }
}

fn draw_chain(out: &mut String, report: &Report, placed: &Placed<'_>, x: i32, y: i32, width: i32) {
    let chain = placed.chain;
    let height = placed.height();
    let family = format!("{} {}", chain.family, chain.table);
    let called = match (chain.kind, chain.priority_text()) {
        (Some(kind), Some(priority)) => format!("{family} · {kind}, {priority}"),
        _ => family,
    };
    let _ = writeln!(
        out,
        "<g><rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"7\"/>\
         <text class=\"title\" x=\"{}\" y=\"{}\">{}</text><text class=\"faint small\" x=\"{}\" y=\"{}\">{}</text>",
        x + 9,
        y + 14,
        fit(&chain.chain, width - 18),
        x + 9,
        y + 27,
        fit(&called, width - 18)
    );
    let mut at = y + HEAD;
    for rule in placed.rules.iter().take(MAX_ROWS) {
        let place = match (&rule.file, rule.line) {
            (Some(file), Some(line)) => format!("\n{file}:{line}"),
            _ => String::new(),
        };
        let title = format!("{}{place}", rule.rule);
        line(out, report, [x, at, width], rule.packets, Colour::of_rule(&rule.rule), &rule.rule, &title);
        at += ROW;
    }
    if placed.rules.len() > MAX_ROWS {
        let more = format!("and {} more rules", placed.rules.len() - MAX_ROWS);
        let _ = writeln!(out, "<text class=\"faint\" x=\"{}\" y=\"{}\">{more}</text>", x + 9, at + 13);
        at += ROW;
    }
    if let (Some(policy), Some(packets)) = (chain.policy, chain.policy_packets) {
        let text = format!("policy {policy}");
        line(out, report, [x, at, width], packets, Colour::of_policy(policy), &text, &text);
    }
    out.push_str("</g>\n");
}

/// A rule: its bar as wide as its share of all packets, its text, its number.
fn line(
    out: &mut String,
    report: &Report,
    [x, y, width]: [i32; 3],
    packets: u64,
    colour: Colour,
    text: &str,
    title: &str,
) {
    let part = percent(packets, report.packets.read).min(100.0);
    let inner = width - 8;
    let bar = f64::from(inner) * part / 100.0;
    let bar = if packets > 0 { bar.max(2.0) } else { 0.0 };
    let count = format!("{} · {}", number(packets), share(part));
    let count_width =
        if packets == 0 { 12 } else { count.replace("&lt;", "<").chars().count() as i32 * CHARACTER };
    let count = if packets == 0 { "0".to_owned() } else { count };
    let faint = if packets == 0 { " class=\"faint\"" } else { "" };
    let _ = writeln!(
        out,
        "<g><title>{}</title><rect class=\"rule-{}\" x=\"{}\" y=\"{}\" width=\"{bar:.1}\" height=\"{}\" rx=\"3\"/>\
         <text{faint} x=\"{}\" y=\"{}\">{}</text><text class=\"faint end\" x=\"{}\" y=\"{}\">{count}</text></g>",
        escape_title(title),
        colour.class(),
        x + 4,
        y + 1,
        ROW - 2,
        x + 9,
        y + 13,
        fit(text, inner - 16 - count_width),
        x + width - 9,
        y + 13
    );
}

/// As [`escape`], but lines stay lines.
fn escape_title(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_found_in_verdict_maps_too() {
        let found = |rule| targets(rule).collect::<Vec<_>>();
        assert_eq!(found("tcp dport 22 jump ssh"), ["ssh"]);
        assert_eq!(found("iifname vmap { \"a\" : jump x, \"b\" : goto y }"), ["x", "y"]);
        assert!(found("counter accept").is_empty());
    }
}
