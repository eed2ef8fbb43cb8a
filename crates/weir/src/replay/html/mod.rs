//! The report as one self-contained page: no scripts, nothing loaded from elsewhere.

mod picture;

use std::fmt::Write;

use super::human::{bytes, number};
use super::report::{Drop, Report, Rule};

const STYLE: &str = include_str!("page.css");

/// What happens to packets that a rule matches, by its text: which colour it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Pass,
    Drop,
    Other,
}

impl Colour {
    fn of_rule(rule: &str) -> Colour {
        let has = |word: &str| rule.split([' ', ';', '}']).any(|part| part == word);
        match () {
            () if has("drop") || has("reject") => Colour::Drop,
            () if has("accept") => Colour::Pass,
            () => Colour::Other,
        }
    }

    fn of_policy(policy: &str) -> Colour {
        if policy == "drop" { Colour::Drop } else { Colour::Pass }
    }

    const fn class(self) -> &'static str {
        match self {
            Colour::Pass => "pass",
            Colour::Drop => "drop",
            Colour::Other => "other",
        }
    }
}

/// Text without characters that mean something in HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// `part` of `all` in percent; 0 of nothing.
fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
}

/// The page.
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    let files: Vec<&str> = report.captures.iter().map(|capture| capture.file.as_str()).collect();
    let captures = match files[..] {
        [] => String::new(),
        [only] => only.to_owned(),
        [first, ..] => format!("{first} and {} more captures", files.len() - 1),
    };
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>replay of {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>What became of the packets</h1>\n<p class=\"sub\">{}</p>\n",
        escape(&captures),
        escape(&captures)
    );
    tiles(&mut out, report);
    out.push_str("<h2>Hooks and chains</h2>\n<div class=\"card picture\">\n");
    picture::draw(&mut out, report);
    out.push_str("</div>\n");
    drops(&mut out, report);
    rules(&mut out, report);
    state(&mut out, report);
    let _ = write!(
        out,
        "<footer>{} packets in {:.3} s, {} per second. Shares are of all packets read; a rule's packets are \
         those for which every match of it held.</footer>\n</main>\n</body>\n</html>\n",
        number(report.packets.read),
        report.elapsed_s,
        number(report.packets_per_s as u64)
    );
    out
}

fn tiles(out: &mut String, report: &Report) {
    let packets = &report.packets;
    out.push_str("<div class=\"tiles\">\n");
    let mut tile = |class: &str, count: u64, name: &str, always: bool| {
        if count > 0 || always {
            let _ = writeln!(
                out,
                "<div class=\"tile {class}\"><b>{}</b><span>{name}</span></div>",
                number(count)
            );
        }
    };
    tile("", packets.read, "packets read", true);
    tile("pass", packets.passed, "passed", true);
    tile("drop", packets.dropped, "dropped", true);
    tile("", packets.malformed, "malformed", false);
    tile("", packets.queued, "queued", false);
    tile("", packets.stolen, "stolen", false);
    tile("", packets.offloaded, "by flowtable", false);
    tile("", packets.local, "to the host itself", false);
    tile("", report.conntrack.created, "connections", false);
    out.push_str("</div>\n<div class=\"share\">");
    for (colour, count) in [
        ("pass", packets.passed),
        ("drop", packets.dropped),
        ("faint", packets.malformed),
        ("other", packets.queued + packets.stolen),
    ] {
        let share = percent(count, packets.read);
        let _ = write!(out, "<i style=\"width:{share:.2}%;background:var(--{colour})\"></i>");
    }
    out.push_str("</div>\n");
}

fn drops(out: &mut String, report: &Report) {
    let all: Vec<&Drop> = report.drops.iter().chain(&report.malformed).collect();
    if all.is_empty() {
        return;
    }
    out.push_str("<h2>Why packets did not pass</h2>\n<div class=\"card\"><table>\n");
    let most = all.iter().map(|drop| drop.packets).max().unwrap_or(0);
    for drop in all {
        let _ = writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"bar\"><i class=\"drop\" \
             style=\"width:{:.1}%\"></i></td><td><code>{}</code></td></tr>",
            number(drop.packets),
            bytes(drop.bytes),
            percent(drop.packets, most),
            escape(&drop.words)
        );
    }
    out.push_str("</table></div>\n");
}

fn rules(out: &mut String, report: &Report) {
    if report.chains.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Rules</h2>\n<div class=\"card\"><table>\n<tr><th class=\"n\">packets</th><th class=\"n\">bytes</th>\
         <th>share</th><th>rule</th><th>where</th></tr>\n",
    );
    let mut rest = report.rules.as_slice();
    for chain in &report.chains {
        let of_chain = |rule: &&Rule| {
            rule.chain == chain.chain && rule.table == chain.table && rule.family == chain.family
        };
        // Rules come in the order of their chains.
        let (own, others) = rest.split_at(rest.iter().take_while(of_chain).count());
        rest = others;
        let called = chain.called();
        let _ = writeln!(
            out,
            "<tr class=\"chain\"><td colspan=\"5\">{} {} {} <small>{called}</small></td></tr>",
            chain.family,
            escape(&chain.table),
            escape(&chain.chain)
        );
        for rule in own {
            let place = match (&rule.file, rule.line) {
                (Some(file), Some(line)) => format!("{file}:{line}"),
                _ => String::new(),
            };
            row(out, report, rule.packets, rule.bytes, Colour::of_rule(&rule.rule), &rule.rule, &place);
        }
        if let (Some(policy), Some(packets)) = (chain.policy, chain.policy_packets) {
            let (count, text) = (chain.policy_bytes.unwrap_or(0), format!("policy {policy}"));
            row(out, report, packets, count, Colour::of_policy(policy), &text, "");
        }
    }
    out.push_str("</table></div>\n");
}

fn row(out: &mut String, report: &Report, packets: u64, count: u64, colour: Colour, text: &str, place: &str) {
    let never = if packets == 0 { " class=\"never\"" } else { "" };
    let _ = writeln!(
        out,
        "<tr{never}><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"bar\"><i class=\"{}\" \
         style=\"width:{:.1}%\"></i></td><td><code>{}</code></td><td class=\"where\">{}</td></tr>",
        number(packets),
        bytes(count),
        colour.class(),
        percent(packets, report.packets.read),
        escape(text),
        escape(place)
    );
}

fn state(out: &mut String, report: &Report) {
    let mut rows = String::new();
    let mut row = |kind: &str, name: String, state: String| {
        let _ = writeln!(
            rows,
            "<tr><td>{kind}</td><td><code>{}</code></td><td>{}</td></tr>",
            escape(&name),
            escape(&state)
        );
    };
    for object in report.objects.iter().filter(|object| object.changed) {
        let name = format!("{} {} {}", object.family, object.table, object.name);
        row(object.kind, name, super::human::object_state(object));
    }
    for set in report.sets.iter().filter(|set| set.added > 0) {
        let name = format!("{} {} {}", set.family, set.table, set.name);
        let state = format!("{} elements added by packets, {} there now", set.added, set.elements);
        row(set.kind, name, state);
    }
    for flowtable in &report.flowtable {
        let name = format!("{} {} {}", flowtable.family, flowtable.table, flowtable.name);
        row("flowtable", name, super::human::flowtable_state(flowtable));
    }
    if report.conntrack.created > 0 {
        let by = report.conntrack.by_protocol.iter();
        let by: Vec<String> = by.map(|(name, count)| format!("{name} {}", number(*count))).collect();
        row("connections", by.join(", "), format!("{} at the end", number(report.conntrack.now)));
    }
    if !rows.is_empty() {
        let _ =
            write!(out, "<h2>State that changed</h2>\n<div class=\"card\"><table>\n{rows}</table></div>\n");
    }
}
