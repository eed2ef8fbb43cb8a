//! All captures, many of them malformed on purpose, through every example and through a ruleset with every
//! supported statement: no panic, and less than 256 MiB.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::outside;

/// Kilobytes of private writable memory a run may have (`RLIMIT_DATA`); beyond it allocations fail, and the
/// process aborts.
const MEMORY_KIB: u32 = 256 * 1024;

#[test]
fn every_capture_passes_every_ruleset_without_panic_in_bounded_memory() {
    let Some(captures) = outside::captures() else { return };
    let repository = outside::repository();
    let mut rulesets: Vec<PathBuf> = ["http-offload-router", "accounting", "home-gateway", "server"]
        .iter()
        .map(|example| repository.join("examples").join(example).join("rules.nft"))
        .collect();
    rulesets.push(repository.join("crates/weir/tests/suite/every-statement.nft"));

    // Unoptimised, each capture goes through one of the rulesets; optimised, through all of them.
    let sampled = cfg!(debug_assertions);
    let mut runs = Vec::new();
    for (at, capture) in captures.iter().enumerate() {
        for (which, rules) in rulesets.iter().enumerate() {
            if !sampled || at % rulesets.len() == which {
                runs.push((rules.clone(), capture.clone()));
            }
        }
    }
    let started = Instant::now();
    let failures: Vec<String> = outside::for_all(&runs, |(rules, capture)| {
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -d {MEMORY_KIB} && exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_weir"))
            .arg("replay")
            .arg("--no-progress")
            .arg(rules)
            .arg(capture)
            .output()
            .expect("sh runs");
        let complaint = outside::complaint(&output);
        (!output.status.success()).then(|| {
            format!("{} < {}: {} {complaint}", rules.display(), outside::short(capture), output.status)
        })
    })
    .into_iter()
    .flatten()
    .collect();
    println!("{} runs in {:.1} s", runs.len(), started.elapsed().as_secs_f32());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), runs.len(), failures.join("\n"));
}
