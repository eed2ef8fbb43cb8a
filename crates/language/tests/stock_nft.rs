//! Held against Debian's nft over this machine's kernel, in a network namespace: what this crate lists, stock nft
//! loads and lists the same; what stock nft lists, this crate does. Texts that stock nft itself refuses (newer than
//! it, or than its kernel) are counted. Needs root, `unshare` and `nft`; says so and skips elsewhere.
//!
//! `STOCK_FAILS=FILE` writes every difference there.

mod corpus;
mod stock;

use std::fmt::Write;
use std::path::Path;

use corpus::place::{self, files, read};
use stock::versions::{STOCK_IS_WRONG, normal};

/// One text, and where it is from.
struct Case {
    name: String,
    text: String,
}

/// How many texts came to which end.
#[derive(Debug, Default)]
struct Tally {
    /// Both directions agree.
    same: usize,
    /// Stock nft refuses the text itself.
    unknown: usize,
    /// Stock nft is wrong, and we know how.
    stock_is_wrong: usize,
    /// Something differs.
    differs: usize,
}

fn first_difference(want: &str, got: &str) -> Option<String> {
    if want == got {
        return None;
    }
    let (mut want, mut got) = (want.lines(), got.lines());
    loop {
        match (want.next(), got.next()) {
            (a, b) if a == b && a.is_some() => {}
            (a, b) => {
                let line = |line: Option<&str>| line.unwrap_or("(its end)").trim().to_string();
                return Some(format!("\n  stock {}\n  ours  {}", line(a), line(b)));
            }
        }
    }
}

/// Compares both programs over all texts.
fn compare(cases: &[Case]) -> (Tally, String) {
    let texts: Vec<String> = cases.iter().map(|case| case.text.clone()).collect();
    let ours: Vec<stock::Answer> = texts.iter().map(|text| stock::ours::load_and_list(text)).collect();
    let theirs = stock::load_and_list(&texts);
    let reloaded: Vec<String> = ours.iter().map(|answer| answer.clone().unwrap_or_default()).collect();
    let reloaded = stock::load_and_list(&reloaded);
    let (mut tally, mut report) = (Tally::default(), String::new());
    for (at, case) in cases.iter().enumerate() {
        let mut wrong = String::new();
        match (&theirs[at], &ours[at], &reloaded[at]) {
            (Err(why), ..) => {
                tally.unknown += 1;
                let _ = writeln!(report, "unknown {}: {}", case.name, why.lines().next().unwrap_or_default());
                continue;
            }
            (_, Err(why), _) => wrong.push_str(why),
            (Ok(_), Ok(_), Err(why)) => {
                let _ = write!(wrong, "our listing is refused: {why}");
            }
            (Ok(theirs), Ok(ours), Ok(reloaded)) => {
                if let Some(line) = first_difference(&normal(reloaded), &normal(ours)) {
                    let _ = write!(wrong, "our listing is listed otherwise{line}");
                }
                match stock::ours::load_and_list(theirs) {
                    Err(why) => {
                        let _ = write!(wrong, "their listing is refused: {why}");
                    }
                    Ok(ours) => {
                        if let Some(line) = first_difference(&normal(theirs), &normal(&ours)) {
                            let _ = write!(wrong, "we list their listing otherwise{line}");
                        }
                    }
                }
            }
        }
        if let Some((_, why)) = STOCK_IS_WRONG.iter().find(|(name, _)| *name == case.name) {
            tally.stock_is_wrong += 1;
            if wrong.is_empty() {
                tally.differs += 1;
                let _ = writeln!(report, "differs {}: is listed as wrong, but agrees: {why}", case.name);
            }
        } else if wrong.is_empty() {
            tally.same += 1;
        } else {
            tally.differs += 1;
            let _ = writeln!(report, "differs {}: {}", case.name, wrong.trim_end());
        }
    }
    (tally, report)
}

fn judge(name: &str, cases: &[Case]) {
    let (tally, report) = compare(cases);
    if let Some(path) = std::env::var_os("STOCK_FAILS") {
        let path = Path::new(&path).with_extension(name);
        std::fs::write(path, &report).expect("the differences can be written");
    }
    println!("{name}: {tally:?} of {}", cases.len());
    assert_eq!(tally.differs, 0, "{name}:\n{report}");
}

#[test]
fn dumps_of_the_test_suite_mean_the_same_to_stock_nft() {
    let Some(corpus) = place::corpus() else { return };
    if stock::obstacle().is_some() {
        return;
    }
    let folder = corpus.join("dumps");
    let case = |name: String| Case { text: read(&folder.join(&name)), name };
    let cases: Vec<Case> = files(&folder, ".nft").into_iter().map(case).collect();
    judge("dumps", &cases);
}

#[test]
fn examples_mean_the_same_to_stock_nft() {
    if stock::obstacle().is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let case = |name: String| Case { text: read(&folder.join(&name)), name };
    let cases: Vec<Case> = files(&folder, ".nft").into_iter().map(case).collect();
    judge("examples", &cases);
}
