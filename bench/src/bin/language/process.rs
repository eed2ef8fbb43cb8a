//! What processes cost.

use std::path::Path;
use std::process::Command;

/// Processor time and memory.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Processor time, of user and system.
    pub seconds: f64,
    /// Memory at its largest.
    pub mebibytes: f64,
}

impl Cost {
    /// Tells it to the process that measures.
    pub fn tell(self) {
        println!("{} {}", self.seconds, self.mebibytes);
    }
}

/// What this process has cost.
pub fn so_far() -> Result<Cost, String> {
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let spent = read("/proc/self/schedstat")?;
    let nanoseconds = spent.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    let status = read("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    match (nanoseconds, kibibytes) {
        (Some(nanoseconds), Some(kibibytes)) => {
            Ok(Cost { seconds: nanoseconds / 1e9, mebibytes: kibibytes / 1024.0 })
        }
        _ => Err("/proc does not tell what the process costs".to_owned()),
    }
}

/// Memory at its largest is that of now (`proc(5)`, `/proc/pid/clear_refs`).
pub fn start_again() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// This program, measuring itself.
pub fn ours(what: &str, file: &Path) -> Result<Cost, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--measure", what]).arg(file);
    let output = command.output().map_err(|error| error.to_string())?;
    let (told, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut figures = told.split_whitespace().map(str::parse);
    match (figures.next(), figures.next()) {
        (Some(Ok(seconds)), Some(Ok(mebibytes))) => Ok(Cost { seconds, mebibytes }),
        _ => Err(complaint.into_owned()),
    }
}

/// The best of several processes: what else runs on the machine can only make them worse.
pub fn best(rounds: usize, mut run: impl FnMut() -> Result<Cost, String>) -> Result<Cost, String> {
    let mut best = run()?;
    for _ in 1..rounds {
        let cost = run()?;
        best.seconds = best.seconds.min(cost.seconds);
        best.mebibytes = best.mebibytes.min(cost.mebibytes);
    }
    Ok(best)
}
