//! Debian's nft.

use std::path::Path;
use std::process::Command;

use crate::process::Cost;

/// `nft -c -f FILE`, measured by GNU time.
pub fn check(file: &Path) -> Result<Cost, String> {
    let mut command = Command::new("unshare");
    command.args(["-n", "time", "-f", "cost %U %S %M", "nft", "-c", "-f"]).arg(file);
    let output = command.output().map_err(|error| format!("unshare: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(told.lines().next().unwrap_or("nft failed").to_owned());
    }
    let figures: Vec<f64> = told
        .lines()
        .find_map(|line| line.strip_prefix("cost "))
        .map(|line| line.split(' ').filter_map(|text| text.parse().ok()).collect())
        .unwrap_or_default();
    match figures.as_slice() {
        [user, system, kibibytes] => Ok(Cost { seconds: user + system, mebibytes: kibibytes / 1024.0 }),
        _ => Err("GNU time says nothing".to_owned()),
    }
}
