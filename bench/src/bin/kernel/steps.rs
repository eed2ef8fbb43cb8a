//! A program does one thing after another in a network namespace, each measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One call of nft.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// Loads a file.
    Load(&'a Path),
    /// Adds one thing.
    Add(&'a str),
    /// Lists everything.
    List,
}

impl Step<'_> {
    pub const fn name(&self) -> &'static str {
        match self {
            Step::Load(_) => "load",
            Step::Add(_) => "add",
            Step::List => "list",
        }
    }
}

/// Time and memory of a process.
#[derive(Clone, Copy)]
pub struct Cost {
    /// By the clock.
    pub seconds: f64,
    /// Processor time in the program itself.
    pub user: f64,
    /// Processor time in the kernel, for the program.
    pub system: f64,
    /// At its largest.
    pub mebibytes: f64,
}

impl Cost {
    /// What else runs on the machine can only make figures worse.
    pub fn keep_best(best: &mut Vec<Cost>, round: Vec<Cost>) {
        if best.is_empty() {
            *best = round;
            return;
        }
        for (best, cost) in best.iter_mut().zip(round) {
            best.seconds = best.seconds.min(cost.seconds);
            best.user = best.user.min(cost.user);
            best.system = best.system.min(cost.system);
            best.mebibytes = best.mebibytes.min(cost.mebibytes);
        }
    }
}

/// A program with nft's command line.
pub enum Nft {
    /// This one, called with [`crate::AS_NFT`].
    Ours(PathBuf),
    /// Debian's.
    Stock,
}

impl Nft {
    /// Takes all steps in one new namespace, measured by GNU time. The namespace ends with the last.
    pub fn run(&self, steps: &[Step<'_>]) -> Result<Vec<Cost>, String> {
        const MEASURED: &str = "time -f 'cost %e %U %S %M'";
        let mut script = String::from("set -e\n");
        let mut words: Vec<String> = Vec::new();
        for step in steps {
            let program = if matches!(self, Nft::Ours(_)) { "\"$0\" --as-nft" } else { "nft" };
            match step {
                Step::Load(file) => {
                    words.push(file.display().to_string());
                    script += &format!("{MEASURED} {program} -f \"${{{}}}\"\n", words.len());
                }
                Step::Add(command) => {
                    words.push((*command).to_owned());
                    script += &format!("{MEASURED} {program} \"${{{}}}\"\n", words.len());
                }
                Step::List => script += &format!("{MEASURED} {program} list ruleset > /dev/null\n"),
            }
        }
        let zeroth = match self {
            Nft::Ours(path) => path.clone(),
            Nft::Stock => PathBuf::from("nft"),
        };
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", &script]).arg(zeroth).args(&words).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("unshare: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        let costs: Vec<Cost> = told.lines().filter_map(cost).collect();
        if !output.status.success() || costs.len() != steps.len() {
            let complaint = told.lines().find(|line| !line.starts_with("cost "));
            return Err(complaint.unwrap_or("nft and GNU time are needed, and root").to_owned());
        }
        Ok(costs)
    }
}

/// A line of GNU time: seconds by the clock, in the program and in the kernel, and KiB.
fn cost(line: &str) -> Option<Cost> {
    let figures: Option<Vec<f64>> =
        line.strip_prefix("cost ")?.split(' ').map(|figure| figure.parse().ok()).collect();
    match figures?[..] {
        [seconds, user, system, kibibytes] => {
            Some(Cost { seconds, user, system, mebibytes: kibibytes / 1024.0 })
        }
        _ => None,
    }
}
