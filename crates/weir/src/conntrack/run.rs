//! Doing what a command line asks for.

use std::io;
use std::ops::ControlFlow;

use ironweir_client::conntrack::{Conntrack, ConntrackError, EventKind, Listing};
use ironweir_netlink::ctnetlink::{CpuStats, Flow, Status};

use super::address::Family;
use super::error::{Failure, NAME, Usage, errno};
use super::options::{Command, Opt, Table};
use super::output::Printer;
use super::parse::{Request, parse};
use super::{change, events, filter, help};
use crate::cli::complain;

/// Does it, and tells what was done. Returns whether there was anything to do it to.
pub fn run(mut request: Request) -> Result<bool, Failure> {
    let command = request.command.unwrap_or(Command::Help);
    if request.label_add.is_some() && request.label_delete.is_some() {
        return Err(Failure::LabelsBothWays);
    }
    if request.output.save_is_not_alone() {
        return Err(Failure::SaveAlone);
    }
    // Who asks for labels sees them.
    request.output.labels |= command != Command::Delete
        && [Opt::Label, Opt::LabelAdd, Opt::LabelDelete].iter().any(|option| request.given.has(*option));
    if (request.output.labels || request.output.json) && request.label_map.is_none() {
        // Without the file, no name is known and none is shown.
        request.label_map = Some(super::labels::LabelMap::load().unwrap_or_default());
    }
    match command {
        Command::Help => {
            write(&help::text(request.protocol))?;
            return Ok(true);
        }
        Command::Version => {
            write(&format!("{NAME}\n"))?;
            return Ok(true);
        }
        Command::Load => return load(&request),
        Command::Event => return events::run(request),
        _ => {}
    }
    if request.table == Table::Expect {
        return expectations(command, &request);
    }
    let (count, done) = match command {
        Command::Count => {
            write(&format!("{}\n", Conntrack::open_at(&request.endpoint)?.table_stats()?.entries))?;
            return Ok(true);
        }
        Command::Stats => {
            write(&stats(&Conntrack::open_at(&request.endpoint)?.cpu_stats()?, CpuStats::name))?;
            return Ok(true);
        }
        Command::Flush => {
            Conntrack::open_at(&request.endpoint)?.flush(family(&request))?;
            complain(&format!("{NAME}: connection tracking table has been emptied.\n"));
            return Ok(true);
        }
        Command::List => (list(&request)?, "shown"),
        Command::Get => (get(&request)?, "shown"),
        Command::Create | Command::Add => (
            create(&mut Conntrack::open_at(&request.endpoint)?, &request)?,
            if command == Command::Add { "added" } else { "created" },
        ),
        Command::Update => (update(&request, true)?, "updated"),
        _ => (delete(&request)?, "deleted"),
    };
    complain(&format!("{NAME}: {count} flow entries have been {done}.\n"));
    Ok(count > 0 || !matches!(command, Command::Update | Command::Delete))
}

/// Tells what a command line gives cause to.
pub fn warn(warning: &str) {
    complain(&format!("{warning}\n"));
}

fn write(text: &str) -> io::Result<()> {
    use io::Write;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The family in a request's header; 0: all.
fn family(request: &Request) -> u8 {
    request.family.map_or(0, Family::number)
}

fn printer(request: &Request) -> Printer {
    let done = (request.command == Some(Command::Delete)).then_some(EventKind::Destroy);
    Printer::new(request.output, request.table, request.label_map.clone().unwrap_or_default(), done)
}

/// Hands over every connection that a request is about.
fn each(request: &Request, mut with: impl FnMut(u8, Flow) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut failed = Ok(());
    let mut socket = Conntrack::open_at(&request.endpoint)?;
    let plain = filter::for_kernel(request);
    let listing = match request.table {
        Table::Dying => Listing::Dying,
        Table::Unconfirmed => Listing::Unconfirmed,
        _ if request.given.has(Opt::Zero) => Listing::TableZeroing,
        _ => Listing::Table,
    };
    let exact = (listing == Listing::Table).then(|| filter::with_tuples(request, plain.clone())).flatten();
    let mut begun = false;
    let mut list = |filter: &Flow| {
        socket.list(listing, family(request), filter, |family, flow| {
            begun = true;
            if !filter::matches(request, family, &flow) {
                return ControlFlow::Continue(());
            }
            match with(family, flow) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            }
        })
    };
    let listed = match &exact {
        Some(filter) => list(filter),
        None => list(&plain),
    };
    match listed {
        // A kernel that knows the attribute and not all of its flags.
        Err(error) if exact.is_some() && !begun && refused(&error, &[errno::EINVAL, 95]) => {
            let mut with = with;
            socket.list(listing, family(request), &plain, |family, flow| {
                if filter::matches(request, family, &flow)
                    && let Err(error) = with(family, flow)
                {
                    failed = Err(error);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
        }
        listed => listed?,
    }
    failed
}

fn refused(error: &ConntrackError, with: &[i32]) -> bool {
    matches!(error, ConntrackError::Refused { errno, .. } if with.contains(errno))
}

fn list(request: &Request) -> Result<u64, Failure> {
    let mut printer = printer(request);
    let mut count = 0;
    each(request, |family, flow| {
        count += 1;
        Ok(printer.flow(family, &flow, None)?)
    })?;
    printer.finish()?;
    Ok(count)
}

fn get(request: &Request) -> Result<u64, Failure> {
    let found = Conntrack::open_at(&request.endpoint)?.get(family(request), &change::key(request));
    let (family, flow) = found.map_err(missing)?;
    let mut printer = printer(request);
    printer.flow(family, &flow, None)?;
    printer.finish()?;
    Ok(1)
}

fn missing(error: ConntrackError) -> Failure {
    match refused(&error, &[errno::ENOENT]) {
        true => Failure::NoSuchFlow,
        false => Failure::Kernel(error),
    }
}

fn create(socket: &mut Conntrack, request: &Request) -> Result<u64, Failure> {
    match socket.create(family(request), &change::new_flow(request)) {
        Ok(()) => Ok(1),
        Err(error) if refused(&error, &[errno::EEXIST]) => match request.command {
            Some(Command::Add) => Ok(0),
            _ => Err(Failure::Exists),
        },
        Err(error) => Err(error.into()),
    }
}

/// DIVERGES: conntrack cannot update without `-f` or an address, since it sends the tuple without its family.
fn update(request: &Request, show: bool) -> Result<u64, Failure> {
    let mut socket = Conntrack::open_at(&request.endpoint)?;
    let mut printer = printer(request);
    let mut count = 0;
    each(request, |family, flow| {
        let Some(change) = change::update(request, &flow) else { return Ok(()) };
        match socket.update(family, &change) {
            Ok(()) => {}
            // It has ended meanwhile.
            Err(error) if refused(&error, &[errno::ENOENT]) => return Ok(()),
            Err(error @ ConntrackError::Refused { .. }) => {
                // net/netfilter/nf_conntrack_netlink.c, ctnetlink_change_timeout
                let fixed = flow.status.is_some_and(|status| status.contains(Status::FIXED_TIMEOUT));
                let failure = match fixed && change.timeout.is_some() && refused(&error, &[errno::EPERM]) {
                    true => Failure::FixedTimeout,
                    false => Failure::Kernel(error),
                };
                complain(&format!("{failure}\n"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        count += 1;
        let key = Flow { original: flow.original, zone: flow.zone, ..Flow::default() };
        match socket.get(family, &key) {
            Ok((family, flow)) if show => Ok(printer.flow(family, &flow, None)?),
            Ok(_) => Ok(()),
            Err(error) if refused(&error, &[errno::ENOENT]) => Ok(()),
            Err(error) => Err(error.into()),
        }
    })?;
    printer.finish()?;
    Ok(count)
}

fn delete(request: &Request) -> Result<u64, Failure> {
    let mut socket = Conntrack::open_at(&request.endpoint)?;
    let mut printer = printer(request);
    let mut count = 0;
    each(request, |family, flow| {
        match socket.delete(family, &change::delete(&flow)) {
            Ok(()) => {}
            // It has ended meanwhile.
            Err(error) if refused(&error, &[errno::ENOENT]) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        count += 1;
        Ok(printer.flow(family, &flow, None)?)
    })?;
    printer.finish()?;
    Ok(count)
}

/// Of expectations. Where no family is said it is IPv4, as the manual has it.
fn expectations(command: Command, request: &Request) -> Result<bool, Failure> {
    let family = request.family.unwrap_or(Family::Ipv4).number();
    let mut socket = Conntrack::open_at(&request.endpoint)?;
    let (count, done) = match command {
        Command::Create => {
            socket.create_expectation(family, &change::new_expectation(request)).map_err(|error| {
                match refused(&error, &[errno::ENOENT]) {
                    true => Failure::NoMaster,
                    false => Failure::Kernel(error),
                }
            })?;
            return Ok(true);
        }
        Command::Flush => {
            socket.flush_expectations(family)?;
            complain(&format!("{NAME}: expectation table has been emptied.\n"));
            return Ok(true);
        }
        Command::Stats => {
            write(&stats(&socket.expectation_stats()?, CpuStats::expectation_name))?;
            return Ok(true);
        }
        Command::Count => {
            let mut count = 0;
            socket.list_expectations(family, |_, _| {
                count += 1;
                ControlFlow::Continue(())
            })?;
            write(&format!("{count}\n"))?;
            return Ok(true);
        }
        Command::Delete => {
            socket.delete_expectation(family, &change::expectation_key(request))?;
            (1, "deleted")
        }
        Command::Get => {
            let (family, found) = socket.get_expectation(family, &change::expectation_key(request))?;
            let mut printer = printer(request);
            printer.expectation(family, &found, None)?;
            printer.finish()?;
            return Ok(true);
        }
        _ => {
            let mut printer = printer(request);
            let mut count = 0;
            let mut failed = Ok(());
            socket.list_expectations(family, |family, found| {
                count += 1;
                match printer.expectation(family, &found, None) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Err(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            failed?;
            printer.finish()?;
            (count, "shown")
        }
    };
    complain(&format!("{NAME}: {count} expectations have been {done}.\n"));
    Ok(true)
}

fn stats(stats: &[CpuStats], name: fn(u16) -> Option<&'static str>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for CpuStats { cpu, counts } in stats {
        // A String takes all that is written to it.
        let _ = write!(text, "cpu={cpu:<4}\t");
        for (kind, count) in counts {
            match name(*kind) {
                Some(name) => drop(write!(text, "{name}={count} ")),
                None => drop(write!(text, "counter{kind}={count} ")),
            }
        }
        text.push('\n');
    }
    text
}

/// `-R`: reads the whole file, then does each line; the first that fails ends it. Lines are read twice, for a million of
/// them take a fifth of the memory as text.
fn load(request: &Request) -> Result<bool, Failure> {
    let text = match request.file.as_str() {
        "-" => io::read_to_string(io::stdin())?,
        file => std::fs::read_to_string(file).map_err(|_| Usage::Unreadable(file.to_owned()))?,
    };
    for line in text.lines() {
        line_request(line, warn)?;
    }
    let mut socket = Conntrack::open_at(&request.endpoint)?;
    for line in text.lines() {
        let Some(mut line) = line_request(line, |_| {})? else { continue };
        line.endpoint = request.endpoint.clone();
        let request = line;
        match request.command {
            Some(Command::Create | Command::Add) => drop(create(&mut socket, &request)?),
            Some(Command::Update) => drop(update(&request, false)?),
            Some(Command::Delete) => drop(delete(&request)?),
            _ => {
                socket.flush(family(&request))?;
                complain(&format!("{NAME}: connection tracking table has been emptied.\n"));
            }
        }
    }
    Ok(true)
}

/// A line of a file, with or without the program's name; an empty one and a comment are none.
fn line_request(line: &str, warn: impl FnMut(&str)) -> Result<Option<Request>, Usage> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let words = match words.split_first() {
        None => return Ok(None),
        Some((word, _)) if word.starts_with('#') => return Ok(None),
        Some((&"conntrack", rest)) => rest,
        Some(_) => &words,
    };
    let request = parse(words, warn)?;
    match (request.command, request.table) {
        (
            Some(Command::Create | Command::Add | Command::Update | Command::Delete | Command::Flush),
            Table::Conntrack,
        ) => Ok(Some(request)),
        _ => Err(Usage::NotInFile(words.first().copied().unwrap_or_default().to_owned())),
    }
}
