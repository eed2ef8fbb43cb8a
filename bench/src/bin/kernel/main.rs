//! What large rulesets cost with the running kernel: `weir nft` beside Debian's `nft`.
//!
//! ```text
//! cargo run --release -p ironweir-bench --bin kernel [-- ROUNDS]
//! ```
//!
//! Each round gives either program a network namespace of its own, in which it loads the ruleset, adds one rule or
//! element, and lists everything, each in a fresh process. Seconds are those of the clock, and beside them how many of
//! them the processor spent in our program and how many in the kernel for it; memory is that of the process at its
//! largest. Printed is the best of ROUNDS (default 3), both programs in
//! turn, and how many times more stock nft takes. It needs root, nft and GNU time.

#![allow(unreachable_pub)] // a program has nothing to reach

#[path = "../../rulesets.rs"]
mod rulesets;
mod steps;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use rulesets::Case;
use steps::{Cost, Nft, Step};

/// First argument of the processes that are measured as ours: what follows is nft's command line.
const AS_NFT: &str = "--as-nft";

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == AS_NFT) {
        words.remove(0);
        return ironweir::nft::main(words);
    }
    let rounds = match words.as_slice() {
        [] => Some(3),
        [rounds] => rounds.to_str().and_then(|rounds| rounds.parse().ok()),
        _ => None,
    };
    let done = match rounds {
        Some(rounds) => table(rounds),
        None => Err("one argument is expected: the number of rounds".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn table(rounds: usize) -> Result<(), String> {
    let directory = std::env::temp_dir().join(format!("ironweir-kernel-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    println!(
        "{:10} {:5} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>6} {:>6} {:>7}",
        "", "", "ours s", "budget", "user", "system", "MiB", "budget", "nft s", "MiB", "time", "memory"
    );
    let rows = Case::ALL.into_iter().try_for_each(|case| {
        let file = directory.join(format!("{}.nft", case.name()));
        std::fs::write(&file, case.text()).map_err(|error| error.to_string())?;
        rows(case, &file, rounds)
    });
    let _ = std::fs::remove_dir_all(&directory);
    rows
}

/// The rows of one ruleset.
fn rows(case: Case, file: &Path, rounds: usize) -> Result<(), String> {
    let steps = [Step::Load(file), Step::Add(one_more(case)), Step::List];
    let (ours, stock) = (Nft::Ours(std::env::current_exe().map_err(|error| error.to_string())?), Nft::Stock);
    let (mut best_ours, mut best_stock) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        Cost::keep_best(&mut best_ours, ours.run(&steps)?);
        Cost::keep_best(&mut best_stock, stock.run(&steps)?);
    }
    for ((step, ours), stock) in steps.iter().zip(best_ours).zip(best_stock) {
        let or_none = |budget: Option<f64>| budget.map_or("-".to_owned(), |bound| bound.to_string());
        let (seconds, mebibytes) = budget(case, step);
        println!(
            "{:10} {:5} {:>8.2} {:>6} {:>6.2} {:>6.2} {:>6.0} {:>6} {:>8.2} {:>6.0} {:>5.1}x {:>6.1}x",
            case.name(),
            step.name(),
            ours.seconds,
            or_none(seconds),
            ours.user,
            ours.system,
            ours.mebibytes,
            or_none(mebibytes),
            stock.seconds,
            stock.mebibytes,
            stock.seconds / ours.seconds.max(0.01),
            stock.mebibytes / ours.mebibytes
        );
    }
    Ok(())
}

/// Adds one thing to what a ruleset has most of.
const fn one_more(case: Case) -> &'static str {
    match case {
        Case::Rules | Case::Chains => "add rule ip t f ip saddr 9.9.9.9 drop",
        Case::Addresses => "add element ip t s { 9.9.9.9 }",
        Case::Prefixes => "add element ip t s { 9.9.9.0/24 }",
        Case::Services => "add element ip kp service-ips { 9.9.9.9 . tcp . 80 : drop }",
    }
}

/// Seconds and MiB that a step may take; what is the kernel's alone has no bound.
const fn budget(case: Case, step: &Step<'_>) -> (Option<f64>, Option<f64>) {
    match (case, step) {
        (Case::Rules, Step::Load(_)) => (Some(1.6), Some(150.0)),
        (Case::Addresses, Step::Load(_)) => (Some(2.4), Some(120.0)),
        (Case::Prefixes, Step::Load(_)) => (Some(2.5), Some(120.0)),
        (Case::Prefixes, Step::Add(_)) => (Some(0.01), None),
        (Case::Services, Step::Load(_)) => (Some(4.2), None),
        (Case::Chains, Step::Load(_)) => (Some(0.15), None),
        _ => (None, None),
    }
}
