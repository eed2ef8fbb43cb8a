//! Every counter of a ruleset equals what tshark counts with the equivalent display filter.
//!
//! `tshark.table` says what is counted; `tshark.differs` lists the counts that rightly differ, and why. A
//! listed count which begins to agree fails the test until it leaves the list.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outside;

struct Counted {
    name: &'static str,
    nft: &'static str,
    filter: String,
}

/// One count that rightly differs.
struct Different {
    why: &'static str,
    weir: Option<u64>,
    tshark: Option<u64>,
}

const TABLE: &str = include_str!("tshark.table");
const DIFFERS: &str = include_str!("tshark.differs");

/// Protocols before a network header which the network layer gets: no tunnel, one VLAN tag.
const LINK: &str = "^((eth|sll):ethertype:((vlan|ieee8021ad):ethertype:)?|(raw|null|nflog|ppp|fr):)?";
/// What a host sends itself meets no ingress: packets that a cooked capture calls outgoing (`PACKET_OUTGOING`), and
/// those from loopback addresses.
const ARRIVED: &str = "!(sll.pkttype == 4 || ip.src#1 == 127.0.0.0/8 || ipv6.src#1 == ::1)";
const EXTENSIONS: &str = r"(:ipv6\\.[a-z]+|:ah|:mipv6)*";

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(" ; ").map(str::trim).collect())
}

fn table() -> Vec<Counted> {
    rows(TABLE)
        .map(|row| match row[..] {
            [name, nft, filter] => Counted { name, nft, filter: expanded(filter) },
            _ => panic!("tshark.table: three columns, not {row:?}"),
        })
        .collect()
}

/// Replaces `<ip><ext>:tcp` and the like by a pattern over `frame.protocols`.
fn expanded(filter: &str) -> String {
    let filter = filter.replace("<arrived>", ARRIVED);
    let mut out = String::new();
    let mut rest = filter.as_str();
    while let Some(start) = ["<ip", "<any"].iter().filter_map(|mark| rest.find(mark)).min() {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end =
            tail.find(|c: char| !(c.is_ascii_alphanumeric() || "<>:.".contains(c))).unwrap_or(tail.len());
        let pattern = tail[..end]
            .replace('.', r"\\.")
            .replace("<ip6>", &format!("{LINK}ipv6"))
            .replace("<ip>", &format!("{LINK}ip"))
            .replace("<any>", &format!("{LINK}(ip|ipv6{EXTENSIONS})"))
            .replace("<ext>", EXTENSIONS);
        let _ = write!(out, "(frame.protocols matches \"{pattern}(:|$)\" && {ARRIVED})");
        rest = &tail[end..];
    }
    out + rest
}

fn differs() -> BTreeMap<(String, &'static str), Different> {
    let mut all = BTreeMap::new();
    for row in rows(DIFFERS) {
        let [capture, counter, weir, tshark, why] = row[..] else {
            panic!("tshark.differs: five columns, not {row:?}")
        };
        let different = Different { why, weir: weir.parse().ok(), tshark: tshark.parse().ok() };
        assert!(
            !why.is_empty() && all.insert((capture.to_owned(), counter), different).is_none(),
            "{capture} {counter}"
        );
    }
    all
}

/// The ruleset: one base chain at ingress, before anything is done to a packet, with one rule a row.
fn ruleset(table: &[Counted]) -> String {
    let mut text = String::from(
        "table netdev counts {\n\tchain outermost {\n\t\ttype filter hook ingress device \"in0\" priority 0; policy accept;\n",
    );
    for row in table {
        let _ = writeln!(text, "\t\t{} counter comment \"{}\"", row.nft, row.name);
    }
    text + "\t}\n}\n"
}

/// What weir counts, in the order of the table.
fn counted_by_weir(rules: &Path, capture: &Path) -> Result<Vec<u64>, String> {
    let arguments: [&OsStr; 6] = [
        rules.as_os_str(),
        capture.as_os_str(),
        "--iif".as_ref(),
        "in0".as_ref(),
        "--oif".as_ref(),
        "out0".as_ref(),
    ];
    let report = outside::report(&arguments)?;
    let rules = report["rules"].as_array().ok_or("no rules in the report")?;
    Ok(rules.iter().map(|rule| rule["packets"].as_u64().unwrap_or(u64::MAX)).collect())
}

/// What tshark counts, all filters in one pass.
fn counted_by_tshark(table: &[Counted], capture: &Path, scratch: &Path) -> Result<Vec<u64>, String> {
    let mut statistics = String::from("io,stat,0");
    for row in table {
        assert!(!row.filter.contains(','), "{}: tshark takes the comma for the next filter", row.name);
        let _ = write!(statistics, ",{}", row.filter);
    }
    // A capture of no duration has no interval and so no row: give each one more packet, which nothing counts.
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(outside::answer(&output)),
        Ok(output) => Err(outside::complaint(&output)),
        Err(error) => Err(error.to_string()),
    };
    let times = run(Command::new("capinfos").args(["-T", "-r", "-m", "-N", "-a", "-e", "-S"]).arg(capture))?;
    let latest = times.trim().rsplit(',').next().and_then(|time| time.split('.').next()?.parse::<u32>().ok());
    let name = outside::short(capture).replace('/', "-");
    let (more, longer) = (scratch.join(format!("{name}.more")), scratch.join(format!("{name}.longer")));
    let later = latest.unwrap_or(0).saturating_add(2);
    std::fs::write(&more, one_frame(later)).map_err(|error| error.to_string())?;
    // It warns of captures that end in the middle of a packet, by its exit code too.
    let _ = run(Command::new("mergecap").args(["-a", "-w"]).args([&longer, capture, &more]));
    let text = run(Command::new("tshark")
        .args(["-n", "-q", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-r"])
        .arg(&longer)
        .args(["-z", &statistics]))?;
    let _ = (std::fs::remove_file(&longer), std::fs::remove_file(&more));
    let row = text.lines().rfind(|line| line.contains("<>")).unwrap_or_default();
    let cells = row.split('|').skip(2).step_by(2).filter_map(|cell| cell.trim().parse().ok());
    let counts: Vec<u64> = cells.collect();
    if counts.len() == table.len() {
        Ok(counts)
    } else {
        Err(format!("tshark's table is not understood: {text}"))
    }
}

/// A capture of one frame of the experimental type 0x88b5.
fn one_frame(seconds: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1, seconds, 0, 20, 20] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 0, 0, 0, 0, 0, 0]);
    file
}

#[test]
fn every_counter_equals_what_tshark_counts() {
    let Some(captures) = outside::captures() else { return };
    if outside::program("tshark").is_none() {
        return;
    }
    let table = table();
    let scratch = outside::scratch("tshark");
    let rules = scratch.join("counts.nft");
    std::fs::write(&rules, ruleset(&table)).expect("scratch can be written");
    let results = outside::for_all(&captures, |capture: &PathBuf| {
        (counted_by_weir(&rules, capture), counted_by_tshark(&table, capture, &scratch))
    });

    let mut listed = differs();
    let mut wrong = String::new();
    let mut equal = 0_usize;
    for (capture, (weir, tshark)) in captures.iter().zip(results) {
        let name = outside::short(capture);
        if let Some(whole) = listed.remove(&(name.clone(), "*")) {
            // Listed as a capture that is refused: the complaint says what the list says.
            match weir {
                Ok(_) => {
                    let _ = writeln!(wrong, "{name}: is read now, take it off the list");
                }
                Err(complaint) if !complaint.contains(whole.why) => {
                    let _ = writeln!(wrong, "{name}: {complaint}, listed as: {}", whole.why);
                }
                Err(_) => {}
            }
            continue;
        }
        let (weir, tshark) = match (weir, tshark) {
            (Ok(weir), Ok(tshark)) => (weir, tshark),
            (weir, tshark) => {
                let _ = writeln!(wrong, "{name}: weir: {:?} tshark: {:?}", weir.err(), tshark.err());
                continue;
            }
        };
        for (row, (ours, theirs)) in table.iter().zip(weir.into_iter().zip(tshark)) {
            match listed.remove(&(name.clone(), row.name)) {
                None if ours == theirs => equal += 1,
                None => {
                    let _ = writeln!(wrong, "{name} ; {} ; {ours} ; {theirs} ; ?", row.name);
                }
                Some(entry) if (entry.weir, entry.tshark) == (Some(ours), Some(theirs)) && ours != theirs => {
                }
                Some(entry) => {
                    let _ = writeln!(
                        wrong,
                        "{name} ; {}: weir {ours}, tshark {theirs}, listed otherwise ({})",
                        row.name, entry.why
                    );
                }
            }
        }
    }
    for ((capture, counter), _) in listed {
        let _ = writeln!(wrong, "{capture} ; {counter}: listed, but there is no such count");
    }
    println!("{equal} counts equal over {} captures", captures.len());
    assert!(wrong.is_empty(), "capture ; counter ; weir ; tshark ; why\n{wrong}");
}
