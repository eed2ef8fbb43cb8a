//! The messages that stock nft sends, as `nft --debug=mnl` prints them.

use std::io::Write;
use std::process::{Command, Stdio};

use ironweir_netlink::Attributes;

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE`, as a row of a message's header begins with it.
const NEWRULE: &str = "| 02566 |";
/// `NFTA_RULE_EXPRESSIONS`.
const EXPRESSIONS: u16 = 4;

/// `NFTA_RULE_EXPRESSIONS` of the rule that each command adds; `None` where stock nft or its kernel refuses it.
pub(crate) fn expressions(commands: &[&str]) -> Vec<Option<Vec<u8>>> {
    let mut found = vec![None; commands.len()];
    let mut known: Vec<usize> = (0..commands.len()).collect();
    while !known.is_empty() {
        let (output, errors) =
            run(&known.iter().map(|at| format!("{}\n", commands[*at])).collect::<String>());
        let rules = rules(&plain(&output));
        if rules.len() == known.len() {
            known.iter().zip(rules).for_each(|(at, rule)| found[*at] = Some(rule));
            break;
        }
        let refused: Vec<usize> = errors.lines().filter_map(refused_line).collect();
        match known.len() {
            1 => break,
            // It tells ten errors at a time.
            _ if !refused.is_empty() => {
                let mut line = 0;
                known.retain(|_| {
                    line += 1;
                    !refused.contains(&line)
                });
            }
            // It came to grief over one of them and tells not which (an assertion of 1.0.6 that does not hold).
            len => {
                let texts: Vec<&str> = known.iter().map(|at| commands[*at]).collect();
                let (first, second) = texts.split_at(len / 2);
                let halves = expressions(first).into_iter().chain(expressions(second));
                known.iter().zip(halves).for_each(|(at, rule)| found[*at] = rule);
                break;
            }
        }
    }
    found
}

fn run(text: &str) -> (String, String) {
    let mut command = Command::new("nft");
    command.args(["-c", "--debug=mnl", "-f", "-"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nft runs");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
    let output = child.wait_with_output().expect("nft ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The line of `/dev/stdin:12:8-11: Error: ...`.
fn refused_line(error: &str) -> Option<usize> {
    let (place, _) = error.split_once(": Error: ")?;
    place.split(':').nth(1)?.parse().ok()
}

/// `NFTA_RULE_EXPRESSIONS` of every rule.
fn rules(text: &str) -> Vec<Vec<u8>> {
    let mut rules = Vec::new();
    for message in text.split(NEWRULE).skip(1) {
        let rows = message.lines().skip_while(|row| !row.contains("|len |flags|"));
        let bytes: Vec<u8> = rows.take_while(|row| !row.starts_with("---")).flat_map(row_bytes).collect();
        let exprs = Attributes::new(&bytes).find(EXPRESSIONS).expect("whole");
        rules.push(exprs.map_or_else(Vec::new, |exprs| exprs.value.to_vec()));
    }
    rules
}

/// Without the escape sequences of colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_string();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

/// The four bytes of a row: `|00012|N-|00003|` is the header of an attribute, `| 06 00 00 00  |` data.
fn row_bytes(row: &str) -> Vec<u8> {
    let cells: Vec<&str> = row.trim_start_matches('|').split('|').collect();
    if row.contains("|len |flags|") {
        let number = |cell: &str| cell.parse::<u16>().expect("a number");
        let nested = if cells[1].contains('N') { 1 << 15 } else { 0 };
        return [number(cells[0]).to_ne_bytes(), (number(cells[2]) | nested).to_ne_bytes()].concat();
    }
    let byte = |cell: &str| u8::from_str_radix(cell, 16).expect("a byte");
    cells[0].split_whitespace().map(byte).collect()
}
