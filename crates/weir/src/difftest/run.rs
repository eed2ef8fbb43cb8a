//! The command: captures, one after the other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ironweir_engine::Host;
use ironweir_engine::icmp_limit::IcmpSettings;
use ironweir_io::CaptureError;
use ironweir_language::datatype::Names;

use super::duel::{Difference, Duel};
use super::frames::{self, Arriving, LeftOut};
use super::options::Options;
use super::rig::{Rig, RigError, obstacle};
use super::trace;
use crate::host_file::{self, HostFileError};
use crate::{files, machine};

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum DifftestError {
    /// The host file.
    #[error(transparent)]
    Host(#[from] HostFileError),
    /// A capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The kernel.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// The ruleset's file.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why it cannot be read.
        error: String,
    },
    /// The kernel cannot be had.
    #[error("cannot make a router of the kernel: {0}")]
    Obstacle(String),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// For people.
    pub text: String,
    /// Whether the two parted anywhere.
    pub different: bool,
}

/// Compares.
///
/// # Errors
/// [`DifftestError`].
pub fn run(options: &Options) -> Result<Report, DifftestError> {
    if let Some(why) = obstacle() {
        return Err(DifftestError::Obstacle(why));
    }
    let mut host = host_file::read(&options.host)?;
    exact(&mut host);
    let names = machine::names(&host);
    let path = options.rules.display().to_string();
    let rules = files::read_text(&options.rules)
        .map_err(|error| DifftestError::File { path, error: error.to_string() })?;
    let mut rig = Rig::new(&host, needs_arp(&rules))?;
    let mut report = Report::default();
    for path in &options.captures {
        let frames = frames::read(&host, path, options.packets.unwrap_or(usize::MAX))?;
        let left_out: BTreeMap<LeftOut, usize> = frames.left_out.into_iter().collect();
        let frames = frames.arriving;
        let _ = write!(report.text, "{}: {} packets", path.display(), frames.len());
        for (why, count) in left_out {
            let _ = write!(report.text, ", {count} {}", why.words());
        }
        let mut duel = Duel::new(&mut rig, &host, &names, &rules)?;
        if options.all {
            let found = every(&mut duel, &frames)?;
            let _ = writeln!(report.text, ": {} differences", found.len());
            for difference in &found {
                report.different = true;
                tell(&mut report.text, &host, difference, frames.get(difference.at));
            }
            continue;
        }
        let Some(mut found) = duel.all(&frames, options.each)? else {
            report.text.push_str(": no difference\n");
            continue;
        };
        report.different = true;
        if found.disposition.is_none() && !options.each {
            // Where it began.
            let mut again = Duel::new(&mut rig, &host, &names, &rules)?;
            if let Some(first) = again.all(&frames, true)? {
                found = first;
            }
        }
        let _ = writeln!(report.text, ": they part");
        tell(&mut report.text, &host, &found, frames.get(found.at));
        let traces = traces(&mut rig, &host, &names, &rules, frames.get(..=found.at).unwrap_or(&frames))?;
        report.text.push_str(&traces);
    }
    Ok(report)
}

/// Every difference of what leaves, and at the end of state.
fn every(duel: &mut Duel<'_>, frames: &[Arriving]) -> Result<Vec<Difference>, RigError> {
    let mut found = Vec::new();
    for (at, frame) in frames.iter().enumerate() {
        found.extend(duel.packet(at, frame)?);
    }
    found.extend(duel.state(frames.len().saturating_sub(1))?);
    Ok(found)
}

/// How long fragments wait for others, on both sides.
pub const FRAGMENTS_WAIT: std::time::Duration = std::time::Duration::from_secs(3600);

/// Sets what the engine does otherwise than the kernel unless told, for the sake of captures.
pub fn exact(host: &mut Host) {
    host.conntrack.checksum = true;
    host.conntrack.always = true;
    // No datagram grows too old while a slow machine compares.
    host.fragments.ipv4 = FRAGMENTS_WAIT;
    host.fragments.ipv6 = FRAGMENTS_WAIT;
    // Errors are not limited: how many there may be depends on time.
    host.icmp = IcmpSettings {
        ratelimit: 0,
        ratemask: 0,
        ratelimit_v6: 0,
        msgs_per_sec: u32::MAX,
        msgs_burst: u32::MAX,
    };
}

/// Whether rules look at ARP, for which interfaces must do it.
pub fn needs_arp(rules: &str) -> bool {
    rules.contains("table arp")
}

/// Writes a difference.
pub fn tell(out: &mut String, host: &Host, difference: &Difference, frame: Option<&Arriving>) {
    if let Some(frame) = frame {
        let iif = host.interface(frame.iif).map_or("?", |interface| &*interface.name);
        let hex: String = frame.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(out, "  packet {} in by {iif} {hex}", frame.number);
    }
    if let Some(disposition) = difference.disposition {
        let _ = writeln!(out, "  the engine says: {disposition:?}");
    }
    for line in &difference.lines {
        let _ = writeln!(out, "  {line}");
    }
}

/// Both traces of the last of some packets.
///
/// # Errors
/// If the kernel cannot be asked.
pub fn traces(
    rig: &mut Rig,
    host: &Host,
    names: &Names,
    rules: &str,
    frames: &[Arriving],
) -> Result<String, RigError> {
    let Some((last, before)) = frames.split_last() else { return Ok(String::new()) };
    let mut duel = Duel::new(rig, host, names, rules)?;
    for (at, frame) in before.iter().enumerate() {
        duel.packet(at, frame)?;
    }
    let kernel = trace::of_kernel(duel.rig(), host, names, last)?;
    let engine = trace::of_engine(duel.mirror(), host, names, last).map_err(RigError::Engine)?;
    Ok(format!("  trace of the kernel\n{}  trace of the engine\n{}", indented(&kernel), indented(&engine)))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
