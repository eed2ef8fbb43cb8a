//! What the nft language costs: large rulesets from text to a checked batch, and from a ruleset back to text, beside
//! Debian's `nft -c`.
//!
//! ```text
//! cargo run --release -p ironweir-bench --bin language [-- ROUNDS]
//! ```
//!
//! Each figure is the best of ROUNDS (default 3) fresh processes: processor time of user and system together, and the
//! memory of the process at its largest. Loading goes to a backend that does nothing, so what is counted is reading the
//! file, parsing, resolving and lowering, with every check the language makes. Listing is counted apart from the
//! loading before it; its memory is what it adds. `nft -c` runs in a network namespace of its own and does more: it
//! asks the kernel what is there and has it check the batch. Without the right to make a namespace, or without nft or
//! GNU time, its columns are empty.

#![allow(unreachable_pub)] // a program has nothing to reach

mod measure;
mod nft;
mod process;
#[path = "../../rulesets.rs"]
mod rulesets;

use std::path::Path;
use std::process::ExitCode;

use process::Cost;
use rulesets::Case;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--measure", "load", file] => measure::load(Path::new(file)),
        ["--measure", "list", file] => measure::list(Path::new(file)),
        ["--write", directory] => write(Path::new(directory)),
        [] => table(3),
        [rounds] => match rounds.parse() {
            Ok(rounds) => table(rounds),
            Err(_) => Err("the number of rounds is expected".to_owned()),
        },
        _ => Err("one argument is expected: the number of rounds".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the inputs, for other programs to be measured with.
fn write(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    for case in Case::ALL {
        let path = directory.join(format!("{}.nft", case.name()));
        std::fs::write(path, case.text()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Seconds and MiB that loading may take, where a bound is set.
const fn budget(case: Case) -> (f64, Option<f64>) {
    match case {
        Case::Rules => (0.35, Some(150.0)),
        Case::Addresses => (0.5, Some(120.0)),
        Case::Prefixes => (0.6, Some(120.0)),
        Case::Services => (0.25, None),
        Case::Chains => (0.05, Some(30.0)),
    }
}

fn table(rounds: usize) -> Result<(), String> {
    let directory = std::env::temp_dir().join(format!("ironweir-language-{}", std::process::id()));
    write(&directory)?;
    println!(
        "{:10} {:>7} {:>7} {:>6} {:>6} {:>7} {:>6} {:>8} {:>6} {:>6} {:>6}",
        "", "load s", "budget", "MiB", "budget", "list s", "MiB", "nft -c s", "MiB", "time", "memory"
    );
    for case in Case::ALL {
        let file = directory.join(format!("{}.nft", case.name()));
        let load = process::best(rounds, || process::ours("load", &file))?;
        let list = process::best(rounds, || process::ours("list", &file))?;
        let (seconds, mebibytes) = budget(case);
        let mebibytes = mebibytes.map_or("-".to_owned(), |mebibytes| format!("{mebibytes:.0}"));
        let Cost { seconds: took, mebibytes: used } = load;
        print!(
            "{:10} {took:>7.3} {seconds:>7.2} {used:>6.0} {mebibytes:>6} {:>7.3} {:>6.0}",
            case.name(),
            list.seconds,
            list.mebibytes
        );
        match process::best(rounds, || nft::check(&file)) {
            Ok(nft) => println!(
                " {:>8.2} {:>6.0} {:>5.1}x {:>5.1}x",
                nft.seconds,
                nft.mebibytes,
                nft.seconds / took,
                nft.mebibytes / used
            ),
            Err(reason) => println!(" {reason}"),
        }
    }
    let _ = std::fs::remove_dir_all(&directory);
    Ok(())
}
