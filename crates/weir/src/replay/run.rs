//! The replay itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant as Clock;

use ironweir_engine::{ChainId, Disposition, Engine};
use ironweir_firewall::listing;
use ironweir_firewall::trace::Tracer;
use ironweir_io::capture::Frame;
use ironweir_io::{Capture, CaptureError, PendingFile};
use ironweir_language::datatype::Names;
use ironweir_wire::{Instant, LinkType};

use super::interfaces::{InterfaceError, Interfaces, named_in};
use super::output::{Arrival, Outputs};
use super::progress::Progress;
use super::rules::{self, TraceTables};
use super::tally::Tally;
use super::{Options, collect, html, human, report};
use crate::host_file::{self, HostFileError};
use crate::machine;

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
    #[error("{what} is refused\n{}", diagnostics.trim_end())]
    Rules {
        /// What was refused.
        what: String,
        /// Lines of text.
        diagnostics: String,
    },
    /// A file that is read besides captures and the host file.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: String,
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
    let Prepared { mut engine, names, interfaces, places } = prepare(options)?;
    let trace_tables = match &options.trace {
        Some(matches) => TraceTables::add(&mut engine, &names, matches)?,
        None => TraceTables::default(),
    };
    let outputs = Outputs::create(options.out.as_deref(), options.dropped.as_deref())
        .map_err(|(path, source)| ReplayError::Output { path, source })?;
    let mut tally = Tally::default();
    tally.tracer = options.trace.as_ref().map(|_| Tracer::default());
    let frame = Frame::default();
    let mut replay = Replay { engine, names, trace_tables, interfaces, outputs, tally, frame, options };
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
    replay.trace_tables.remove(&mut replay.engine);
    let (engine, names) = (&replay.engine, &replay.names);
    let mut report = collect::collect(engine, names, &replay.tally, &places);
    if options.list {
        report.ruleset = Some(listing::ruleset(engine, names));
    }
    report.captures = captures;
    report.elapsed_s = elapsed;
    report.packets_per_s = if elapsed > 0.0 { report.packets.read as f64 / elapsed } else { 0.0 };
    let page = match &options.html {
        Some(path) => {
            let mut file = PendingFile::create(path).map_err(output(&options.html))?;
            file.write_all(html::page(&report).as_bytes()).map_err(output(&options.html))?;
            Some(file)
        }
        None => None,
    };
    replay
        .outputs
        .commit()
        .map_err(output(options.out.as_ref().map_or(&options.dropped, |_| &options.out)))?;
    if let Some(file) = page {
        file.commit().map_err(output(&options.html))?;
    }
    if options.json {
        let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
        text.push('\n');
        return Ok(text);
    }
    let listing = report.ruleset.take().unwrap_or_default();
    Ok(listing + &human::render(&report))
}

/// An engine with its ruleset, before the first packet.
pub struct Prepared {
    /// The engine.
    pub engine: Engine,
    /// Names of its interfaces and of this machine's services.
    pub names: Names,
    /// By which interface packets come.
    pub interfaces: Interfaces,
    /// Where rules stand in the source.
    pub places: collect::Places,
}

/// Makes the host and loads the ruleset.
///
/// # Errors
/// What is wrong with either, or with the beginning of a capture.
pub fn prepare(options: &Options) -> Result<Prepared, ReplayError> {
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
    let names = machine::names(&host);
    let mut engine = Engine::new(host, options.seed);
    if let Some(time) = first_time(&options.captures)? {
        // Time begins with the first capture: what the ruleset's own elements have left of theirs counts from there.
        engine.advance(time);
    }
    let places = rules::load(&mut engine, &names, options)?;
    Ok(Prepared { engine, names, interfaces, places })
}

/// The error of writing a file that was asked for.
fn output(path: &Option<PathBuf>) -> impl FnOnce(io::Error) -> ReplayError {
    let path = path.as_ref().map_or_else(String::new, |path| path.display().to_string());
    move |source| ReplayError::Output { path, source }
}

/// When the first packet was captured.
fn first_time(captures: &[PathBuf]) -> Result<Option<Instant>, CaptureError> {
    let mut frame = Frame::default();
    for path in captures.iter().filter(|path| path.is_file()) {
        if Capture::open(path)?.read(&mut frame)? {
            return Ok(Some(frame.time));
        }
    }
    Ok(None)
}

struct Replay<'o> {
    engine: Engine,
    names: Names,
    trace_tables: TraceTables,
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
        let iif = self.interfaces.arrival(&mut self.engine, path, capture, frame)?;
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
        match disposition {
            Disposition::Forwarded { .. } | Disposition::Local | Disposition::Sent { .. } => {
                let written = self.outputs.passed(&at, &packet, disposition, &self.engine);
                written.map_err(output(&self.options.out))?;
            }
            _ if self.outputs.wants_dropped() => {
                let reason = reason(disposition, &self.engine);
                let written = self.outputs.dropped(&at, &self.engine, &reason);
                written.map_err(output(&self.options.dropped))?;
            }
            _ => {}
        }
        while self.engine.poll_output().is_some() {
            self.tally.made += 1;
        }
        if let Some(tracer) = &mut self.tally.tracer {
            let hidden = |chain: ChainId| self.trace_tables.contains(chain.table);
            let text = tracer.take(&self.engine, &self.names, hidden);
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
