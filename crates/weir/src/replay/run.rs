//! The replay itself.

use std::io;
use std::path::Path;
use std::time::Instant as Clock;

use ironweir_engine::{Disposition, Engine};
use ironweir_io::capture::Frame;
use ironweir_io::{Capture, CaptureError};
use ironweir_wire::LinkType;

use super::interfaces::{InterfaceError, Interfaces, named_in};
use super::output::{Arrival, Outputs};
use super::progress::Progress;
use super::tally::Tally;
use super::trace::Tracer;
use super::{Options, collect, human, report};
use crate::host_file::{self, HostFileError};

/// Why a replay ended before its captures did.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The host file.
    #[error(transparent)]
    Host(#[from] HostFileError),
    /// A capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// An interface.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The ruleset, or the match of `--trace`: diagnostics, each with its place.
    #[error("{what}\n{diagnostics}")]
    Rules {
        /// What was refused.
        what: String,
        /// Lines of text.
        diagnostics: String,
    },
    /// A file that is written.
    #[error("{path}: {source}")]
    Output {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Packets between two looks at the progress bar.
const PROGRESS_STEP: u64 = 512;

/// Replays, writes the files that were asked for, and gives what is to be printed.
///
/// # Errors
/// Whatever keeps the whole of it from being done; no file is written then.
pub fn run(options: &Options) -> Result<String, ReplayError> {
    // Told at once, before a long replay of those before.
    for path in &options.captures {
        std::fs::metadata(path).map_err(|source| CaptureError::Open { path: path.clone(), source })?;
    }
    let (host, interfaces) = match &options.host {
        Some(path) => {
            let host = host_file::read(path)?;
            let interfaces = Interfaces::of_host(&host, options.iif.as_deref())?;
            (host, interfaces)
        }
        None => {
            let named = named_in(&options.captures)?;
            Interfaces::forwarding(options.iif.as_deref(), options.oif.as_deref(), &named)?
        }
    };
    let engine = Engine::new(host, options.seed);
    let outputs = Outputs::create(options.out.as_deref(), options.dropped.as_deref())
        .map_err(|(path, source)| ReplayError::Output { path, source })?;
    let mut tally = Tally::default();
    tally.tracer = options.trace.as_ref().map(|_| Tracer::default());
    let mut replay = Replay { engine, interfaces, outputs, tally, frame: Frame::default(), options };
    let places = collect::Places::new();
    let mut captures = Vec::new();
    let sizes = options.captures.iter().map(|path| std::fs::metadata(path).map_or(0, |found| found.len()));
    let mut progress = Progress::new(!options.no_progress, Some(sizes.sum()));
    let begin = Clock::now();
    for path in &options.captures {
        let before = replay.tally.fates.read;
        let bytes = replay.capture(path, &progress)?;
        progress.next_capture(bytes);
        let packets = replay.tally.fates.read - before;
        captures.push(report::Capture { file: path.display().to_string(), packets });
    }
    let elapsed = begin.elapsed().as_secs_f64();
    drop(progress);
    let mut report = collect::collect(&replay.engine, &replay.tally, &places);
    report.captures = captures;
    report.elapsed_s = elapsed;
    report.packets_per_s = if elapsed > 0.0 { report.packets.read as f64 / elapsed } else { 0.0 };
    replay.outputs.commit().map_err(|source| ReplayError::Output { path: "output".into(), source })?;
    if options.json {
        let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
        text.push('\n');
        return Ok(text);
    }
    Ok(human::render(&report))
}

struct Replay<'o> {
    engine: Engine,
    interfaces: Interfaces,
    outputs: Outputs,
    tally: Tally,
    frame: Frame,
    options: &'o Options,
}

impl Replay<'_> {
    /// Replays one capture; gives its size on disk.
    fn capture(&mut self, path: &Path, progress: &Progress) -> Result<u64, ReplayError> {
        let mut capture = Capture::open(path)?;
        self.interfaces.next_capture();
        while capture.read(&mut self.frame)? {
            self.packet(path, &capture, progress)?;
            if self.tally.fates.read.is_multiple_of(PROGRESS_STEP) {
                progress.update(capture.position(), self.tally.fates.read);
            }
        }
        Ok(capture.size().unwrap_or_else(|| capture.position()))
    }

    fn packet(&mut self, path: &Path, capture: &Capture, progress: &Progress) -> Result<(), ReplayError> {
        let frame = &mut self.frame;
        let iif = self.interfaces.arrival(self.engine.host(), path, capture, frame)?;
        let at = Arrival {
            time: frame.time,
            iif,
            link: frame.link(),
            output_link: frame.output_link(),
            missing: frame.missing(),
        };
        self.outputs.before(frame);
        self.tally.begin();
        self.tally.cut += u64::from(at.missing > 0);
        let mut packet = frame.packet();
        packet.meta.iif = iif;
        let link_header = if packet.link() == LinkType::Ethernet { 14 } else { 0 };
        let len = packet.len().saturating_sub(link_header);
        let disposition = self.engine.process(at.time, &mut packet, &mut self.tally);
        self.tally.end(disposition, len);
        let written = match disposition {
            Disposition::Forwarded { .. } | Disposition::Local | Disposition::Sent { .. } => {
                self.outputs.passed(&at, &packet, disposition, &self.engine)
            }
            _ if self.outputs.wants_dropped() => {
                let reason = reason(disposition, &self.engine);
                self.outputs.dropped(&at, &self.engine, &reason)
            }
            _ => Ok(()),
        };
        written.map_err(|source| ReplayError::Output { path: "output".into(), source })?;
        while self.engine.poll_output().is_some() {
            self.tally.made += 1;
        }
        if let Some(tracer) = &mut self.tally.tracer {
            let text = tracer.take(&self.engine, |_| false);
            if !text.is_empty() {
                // The JSON document stands alone on standard output.
                let json = self.options.json;
                progress.suspend(|| {
                    if json {
                        crate::cli::complain(&text)
                    } else {
                        let _ = crate::cli::print(&text);
                    }
                });
            }
        }
        Ok(())
    }
}

/// Why a packet did not pass, for people.
fn reason(disposition: Disposition, engine: &Engine) -> String {
    match disposition {
        Disposition::Dropped(reason) => reason.describe(engine.ruleset()).to_string(),
        Disposition::Queued { number } => format!("queued to {number}"),
        Disposition::Stolen => "taken by a rule".to_owned(),
        Disposition::Forwarded { .. } | Disposition::Local | Disposition::Sent { .. } => String::new(),
    }
}
