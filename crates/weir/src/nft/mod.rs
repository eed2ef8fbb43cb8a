//! `weir nft`: nft's command line.

mod help;
mod interactive;
mod monitor;
mod options;

use std::ffi::OsString;
use std::process::ExitCode;

use ironweir_engine::Engine;
use ironweir_language::datatype::Names;
use ironweir_language::diag::COMMAND_LINE;
use ironweir_language::json::Document;
use ironweir_language::print;
use ironweir_language::session::{Backend, Outcome, Session};
use ironweir_language::source::Sources;

pub use help::SECTIONS;
pub use options::{Input, Options, Parsed, Place, command, parse};

use crate::backend::{InKernel, InProcess};
use crate::cli::complain;
use crate::files::{self, DiskFiles};
use crate::{machine, resolver};

/// Runs nft's command line.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(Parsed::Run(options)) => run(&options),
        Ok(Parsed::Print(text)) => crate::cli::print(&text),
        Err(error) => {
            complain(&format!("{error}\n"));
            ExitCode::from(1)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let (name, text) = match &options.input {
        Input::Interactive => (String::new(), Ok(String::new())),
        // With the end of a line, as nft reads it and tells of it.
        Input::Words(text) => (COMMAND_LINE.to_owned(), Ok(format!("{text}\n"))),
        Input::Stdin => {
            ("/dev/stdin".to_owned(), files::text_of(std::io::stdin()).map_err(|e| e.to_string()))
        }
        Input::File(path) => {
            (path.display().to_string(), files::read_text(path).map_err(|error| error.to_string()))
        }
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("Error: Could not open file \"{name}\": {error}\n"));
            return ExitCode::from(1);
        }
    };
    let host = machine::host();
    let mut session = session(options, &host);
    match &options.place {
        Place::Answering(endpoint) => match InKernel::open_at(endpoint, options.echo) {
            Ok(mut kernel) => {
                if options.debug_messages {
                    kernel.show_requests(|text| {
                        crate::cli::print(text);
                    });
                }
                run_in(&mut session, options, &name, text, &mut kernel)
            }
            Err(error) => {
                complain(&format!("Error: {error}\n"));
                ExitCode::from(1)
            }
        },
        Place::New => {
            // The engine keeps its own time; sets with timeouts need one to begin with.
            let mut engine = Engine::new(host, 1);
            engine.advance(machine::now());
            run_in(&mut session, options, &name, text, &mut InProcess(&mut engine))
        }
    }
}

fn session(options: &Options, host: &ironweir_engine::Host) -> Session {
    let names = Names { hosts: resolver::resolver(), ..machine::names(host) };
    Session {
        options: print::Options {
            stateless: options.stateless,
            handles: options.handles,
            numeric: options.numeric,
            numeric_priority: options.numeric_priority,
            numeric_protocol: options.numeric_protocol,
            numeric_time: options.numeric_time,
            service: options.service,
            reverse_dns: options.reverse_dns,
            guid: options.guid,
            terse: options.terse,
            json: options.json,
            utc_offset: names.utc_offset,
        },
        names,
        check: options.check,
        debug_netlink: options.debug_netlink,
        echo: options.echo,
        // As nft: what is written at the command line is done as it is written.
        optimise: options.optimise && matches!(options.input, Input::File(_) | Input::Stdin),
        ..Session::default()
    }
}

fn run_in(
    session: &mut Session,
    options: &Options,
    name: &str,
    text: String,
    backend: &mut dyn Backend,
) -> ExitCode {
    if options.input == Input::Interactive {
        return interactive::run(session, options, backend);
    }
    let mut sources = Sources::new();
    if let Err(error) = define(session, options, &mut sources) {
        return error;
    }
    // As nft does, -j takes text too.
    if options.json && Document::looks_like(&text) {
        return report(&session.run_json(name, &text, backend), &sources);
    }
    let Some(source) = sources.add(name, text, None) else {
        complain(&format!("Error: {name} is longer than 4 GiB\n"));
        return ExitCode::from(1);
    };
    let files = DiskFiles { include_paths: options.include_paths.clone() };
    let outcome = session.run(&mut sources, source, &files, backend);
    let code = report(&outcome, &sources);
    match &outcome.monitor {
        Some(monitor) if outcome.ok() => monitor::run(session, monitor, backend, &options.place.endpoint()),
        _ => code,
    }
}

/// What `-D` defines. An error has been told.
fn define(session: &mut Session, options: &Options, sources: &mut Sources) -> Result<(), ExitCode> {
    for (name, value) in &options.defines {
        if let Err(error) = session.define(name, value, sources) {
            complain(&error.render(sources));
            return Err(ExitCode::from(1));
        }
    }
    Ok(())
}

fn report(outcome: &Outcome, sources: &Sources) -> ExitCode {
    outcome.remarks.iter().for_each(|remark| complain(&format!("{remark}\n")));
    // What was listed was so before the commit that went wrong.
    let printed = crate::cli::print(&outcome.output);
    complain(&outcome.render(sources));
    if outcome.ok() { printed } else { ExitCode::from(1) }
}
