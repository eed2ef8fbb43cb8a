//! What a router knows after packets have passed, as lines that two routers can be compared by.

use ironweir_engine::Engine;
use ironweir_language::datatype::Names;
use ironweir_language::list::Lister;
use ironweir_language::print::Options;
use ironweir_netlink::ctnetlink::{Expectation, Flow};
use ironweir_ruleset::Ruleset;
use ironweir_wire::Instant;

use super::rig::{Rig, RigError, is_loaded};
use crate::conntrack::clock::Clock;
use crate::conntrack::labels::LabelMap;
use crate::conntrack::output::Output;
use crate::conntrack::text;

/// How far apart, in seconds, two times may be that are left: a second is rounded, and others may pass while packets do.
const SLACK: u64 = 3;

/// Expectations that wait longer, in seconds, are not compared: helpers' wait minutes. Linux 6.18 may keep one of a rule
/// (`ct expectation`) when its connection is gone, and lists it in any namespace, as of whatever connection has its place by then.
const LONGEST_EXPECTED: u64 = 86_400;

/// Rules with their counters, sets, objects; connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Tables as nft lists them, times that are left taken out.
    pub ruleset: Vec<String>,
    /// A connection each, as `conntrack -L -o extended` shows it, with the seconds it has left taken out.
    pub connections: Vec<(String, u64)>,
    /// A connection that is expected each, as `conntrack -L expect` shows it, with the seconds it has left taken out.
    pub expectations: Vec<(String, u64)>,
}

impl State {
    /// Of the kernel.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_kernel(rig: &mut Rig, names: &Names) -> Result<State, RigError> {
        let flows = rig.connections()?;
        let now = rig.now();
        let ruleset = ruleset(rig.ruleset()?, names, now);
        let mut connections: Vec<_> = flows.iter().map(connection).collect();
        connections.sort();
        let mut expectations: Vec<_> = rig.expectations()?.iter().map(expectation).filter(is_brief).collect();
        expectations.sort();
        Ok(State { ruleset, connections, expectations })
    }

    /// Of the engine.
    pub fn of_engine(engine: &mut Engine, names: &Names, now: Instant) -> State {
        while !engine.collect(now) {}
        let shown = engine.conntrack().iter().map(|(_, entry)| entry);
        let shown = shown.filter(|entry| entry.status().contains(ironweir_conntrack::Status::CONFIRMED));
        let mut connections: Vec<_> = shown.map(|entry| line(&entry.display(now).to_string())).collect();
        connections.sort();
        let expected = engine.conntrack().expectations(now);
        let mut expectations: Vec<_> =
            expected.map(|one| first_taken(&one.display(now).to_string())).filter(is_brief).collect();
        expectations.sort();
        State { ruleset: ruleset(engine.ruleset(), names, now), connections, expectations }
    }

    /// What is there and not in the other, each line with `<` of this and `>` of the other. On a slow machine seconds may pass
    /// between a packet's way through the one and through the other: `passed` is how many have since the first packet.
    pub fn differences(&self, other: &State, passed: u64) -> Vec<String> {
        let mut found = Vec::new();
        let (a, b) = (&self.ruleset, &other.ruleset);
        if a.len() == b.len() {
            for (a, b) in a.iter().zip(b).filter(|(a, b)| a != b) {
                found.push(format!("< {a}"));
                found.push(format!("> {b}"));
            }
        } else {
            found.extend(a.iter().filter(|line| !b.contains(line)).map(|line| format!("< {line}")));
            found.extend(b.iter().filter(|line| !a.contains(line)).map(|line| format!("> {line}")));
        }
        let slack = SLACK + passed;
        part(&self.connections, &other.connections, slack, &mut found);
        part(&self.expectations, &other.expectations, slack, &mut found);
        found
    }
}

/// Tells what of two sorted lists is not in both, and where times differ.
fn part(a: &[(String, u64)], b: &[(String, u64)], slack: u64, found: &mut Vec<String>) {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some((x, left)), Some((y, other))) if x == y => {
                if left.abs_diff(*other) > slack {
                    found.push(format!("< {x} (has {left} s left)"));
                    found.push(format!("> {y} (has {other} s left)"));
                }
                a.next();
                b.next();
            }
            (Some(x), y) if y.is_none_or(|y| x.0 < y.0) => {
                found.push(format!("< {} ({} s left)", x.0, x.1));
                a.next();
            }
            (_, Some(y)) => {
                found.push(format!("> {} ({} s left)", y.0, y.1));
                b.next();
            }
            (Some(_), None) => break,
        }
    }
}

fn ruleset(ruleset: &Ruleset, names: &Names, now: Instant) -> Vec<String> {
    let lister = Lister { ruleset, options: Options::default(), names, now };
    let tables = ruleset.tables().map(|table| &table.table.id).filter(|id| is_loaded(&id.name));
    let text: String = tables.filter_map(|id| lister.table(id)).collect();
    text.lines().map(timeless).collect()
}

/// A line of a listing without the times that are left or have passed: the two were not read in the same moment.
fn timeless(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut hidden = false;
    for word in line.split(' ') {
        let time = word.trim_end_matches(',');
        let is_time =
            time.starts_with(|first: char| first.is_ascii_digit()) && time.ends_with(['s', 'm', 'h', 'd']);
        if hidden && is_time {
            out.push('*');
            out.push_str(&word[time.len()..]);
        } else {
            out.push_str(word);
        }
        hidden = matches!(word, "expires" | "used");
        out.push(' ');
    }
    out.pop();
    out
}

fn connection(flow: &Flow) -> (String, u64) {
    let mut text = String::new();
    let v6 = flow.original.as_ref().and_then(|tuple| tuple.source).is_some_and(|from| from.is_ipv6());
    let output = Output { extended: true, ..Output::default() };
    let (labels, clock) = (LabelMap::default(), Clock::system());
    text::flow(&mut text, output, if v6 { 10 } else { 2 }, flow, None, &labels, &clock);
    line(&text)
}

fn expectation(of: &Expectation) -> (String, u64) {
    let mut text = String::new();
    crate::conntrack::expectation::text(&mut text, of, None);
    first_taken(&text)
}

fn is_brief((_, left): &(String, u64)) -> bool {
    *left <= LONGEST_EXPECTED
}

/// Takes the time that is left out of a line, which is its first word.
fn first_taken(text: &str) -> (String, u64) {
    let (left, rest) = text.trim_start().split_once(' ').unwrap_or_default();
    (rest.split_whitespace().collect::<Vec<_>>().join(" "), left.parse().unwrap_or(0))
}

/// Takes the time that is left out of a line, which is its fifth word, and the number of references, of which a program's
/// look is one.
fn line(text: &str) -> (String, u64) {
    let mut words: Vec<&str> = text.split_whitespace().filter(|word| !word.starts_with("use=")).collect();
    let left = words.get(4).and_then(|word| word.parse().ok());
    if left.is_some() {
        words.remove(4);
    }
    (words.join(" "), left.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_left_are_taken_out() {
        assert_eq!(
            timeless("elements = { 1.1.1.1 timeout 10s expires 9s872ms, 2.2.2.2 }"),
            "elements = { 1.1.1.1 timeout 10s expires *, 2.2.2.2 }"
        );
        assert_eq!(timeless("quota 25 mbytes used 10 bytes"), "quota 25 mbytes used 10 bytes");
        assert_eq!(timeless("1.1.1.1 expires 1m,"), "1.1.1.1 expires *,");
        assert_eq!(timeless("last used 3s12ms"), "last used *");
    }

    #[test]
    fn a_connection_is_a_line_and_what_it_has_left() {
        let (text, left) = line("ipv4     2 udp      17 29 src=1.1.1.1 dst=1.1.1.2 sport=1 dport=2 use=2");
        assert_eq!((&*text, left), ("ipv4 2 udp 17 src=1.1.1.1 dst=1.1.1.2 sport=1 dport=2", 29));
    }
}
