//! `monitor`: events as they come, until a signal ends the program.

use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

use ironweir_client::connection::AskError;
use ironweir_client::kernel;
use ironweir_io::{Endpoint, NetlinkError};
use ironweir_language::cmd::Monitor;
use ironweir_language::event::{Events, Filter};
use ironweir_language::print::Options;
use ironweir_language::session::{Backend, BackendError, Session};
use ironweir_ruleset::netlink::Event;
use ironweir_ruleset::{Part, What, Within};

use ironweir_wire::Instant;

use crate::cli::complain;
use crate::machine;

/// Text that is written at once while events come faster than it can be.
const CHUNK: usize = 64 << 10;

/// How long the names of interfaces are not read again: one may be gone for ever.
const PATIENCE: Duration = Duration::from_millis(100);

/// Prints events. Returns when something fails or nobody reads on.
pub(super) fn run(
    session: &Session,
    monitor: &Monitor,
    backend: &mut dyn Backend,
    endpoint: &Endpoint,
) -> ExitCode {
    let fail = |error: &dyn std::fmt::Display| {
        complain(&format!("Error: {error}\n"));
        ExitCode::from(1)
    };
    let filter = Filter::of(monitor);
    // Before the ruleset is read: what happens in between is told.
    let mut socket = match kernel::Events::open_at(endpoint, filter.shows_trace()) {
        Ok(socket) => socket,
        Err(NetlinkError::Join { error, .. }) if error.kind() == ErrorKind::PermissionDenied => {
            return fail(&BackendError::NotPermitted);
        }
        Err(error) => return fail(&error),
    };
    let parts = parts(filter);
    if let Err(error) = backend.fetch(&parts) {
        return fail(&error);
    }
    let json = session.options.json || monitor.format.as_deref() == Some("json");
    let options = Options { json, ..session.options };
    let mut events = Events::new(backend.ruleset().clone(), options, session.names.clone(), filter);
    let mut text = String::new();
    let mut looked_up = Instant::default();
    loop {
        let timeout = if text.is_empty() { None } else { Some(Duration::ZERO) };
        let now = machine::now();
        let each = |event: Event| {
            if events.lacks_interface(&event) && now > looked_up + PATIENCE {
                looked_up = now;
                events.set_interfaces(machine::interfaces());
            }
            events.event(event, now, &mut text);
        };
        match socket.next(timeout, each) {
            Ok(true) if text.len() < CHUNK => continue,
            Ok(_) => {}
            Err(AskError::Socket(NetlinkError::Lost)) => {
                events.finish(now, &mut text);
                complain(LOST);
                // What was missed may have changed the types of sets.
                if let Err(error) = backend.fetch(&parts) {
                    return fail(&error);
                }
                events.restart(backend.ruleset().clone());
            }
            // One message that cannot be read is no reason to stop.
            Err(AskError::Decode(error)) => complain(&format!("# ERROR: cannot read an event: {error}\n")),
            Err(error) => return fail(&error),
        }
        match crate::cli::print_on(&text) {
            Ok(true) => text.clear(),
            Ok(false) => return ExitCode::SUCCESS,
            Err(error) => return fail(&error),
        }
    }
}

/// What is told where nft has `# ERROR: We lost some netlink events!`.
const LOST: &str = "# ERROR: We lost some netlink events! There was no room for them; monitoring goes on.\n";

/// What must be known before the first event: types of sets, what anonymous ones hold, and rules that traces name.
fn parts(filter: Filter) -> Vec<Part> {
    let mut what = vec![What::Tables, What::Chains, What::Sets, What::AnonymousElements, What::Flowtables];
    if filter.shows_trace() {
        what.push(What::Rules);
    }
    what.into_iter().map(|what| Part::new(what, Within::All)).collect()
}
