//! `-E`: events as they happen, until a signal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ironweir_client::conntrack::{ConntrackError, Event, Events, Groups, Subject};
use ironweir_io::{NetlinkError, signal};

use super::error::{Failure, NAME};
use super::filter;
use super::options::{Opt, Table};
use super::output::{Happened, Printer};
use super::parse::Request;
use crate::cli::complain;

/// Shows events until the program is told to end.
pub fn run(request: Request) -> Result<bool, Failure> {
    let all = !request.given.has(Opt::EventMask);
    let groups = Groups {
        new: all || request.events.new,
        update: all || request.events.update,
        destroy: all || request.events.destroy,
        expectations: request.table == Table::Expect,
    };
    // Before the first event can be lost.
    let end = signal::on_end()?;
    let mut socket = Events::open_at(&request.endpoint, groups, request.room)?;
    if request.room.is_some() {
        let room = socket.room().unwrap_or_default();
        complain(&format!("NOTICE: Netlink socket buffer size has been set to {room} bytes.\n"));
    }
    let labels = request.label_map.clone().unwrap_or_default();
    let mut printer = Printer::new(request.output, request.table, labels, None);
    let mut count: u64 = 0;
    let mut losses: u64 = 0;
    let mut written = Ok(());
    while !end.load(Ordering::Relaxed) && written.is_ok() {
        let heard = socket.next(Some(Duration::from_secs(1)), |event| {
            if written.is_ok() {
                written = show(&request, &mut printer, &event, &mut count);
            }
        });
        written = written.and_then(|()| printer.flush());
        match heard {
            Ok(_) => {}
            Err(ConntrackError::Socket(NetlinkError::Lost)) => {
                losses += 1;
                complain(&lost(socket.room(), losses));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let closed = written.is_err();
    // Nobody reads on: that is an end as good as a signal.
    match written.and_then(|()| printer.finish()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let what = if request.table == Table::Expect { "expectation" } else { "flow" };
    if !closed {
        complain(&format!("{NAME}: {count} {what} events have been shown.\n"));
    }
    Ok(true)
}

/// What is told when events are lost, each time.
fn lost(room: Option<usize>, losses: u64) -> String {
    let room = room.map_or(String::new(), |room| format!(", which is {room} bytes"));
    format!(
        "WARNING: We have hit ENOBUFS! We are losing events.\n\
         The kernel had more to tell than fits the socket's buffer{room}; this is loss number {losses}.\n\
         A larger --buffer-size, or a narrower --event-mask, helps.\n"
    )
}

fn show(request: &Request, printer: &mut Printer, event: &Event, count: &mut u64) -> std::io::Result<()> {
    let happened = Some(Happened { kind: event.kind, port: event.port });
    match &event.subject {
        Subject::Flow(flow) => {
            if !filter::matches(request, event.family, flow) {
                return Ok(());
            }
            *count += 1;
            printer.flow(event.family, flow, happened)
        }
        Subject::Expectation(expectation) => {
            *count += 1;
            printer.expectation(event.family, expectation, happened)
        }
    }
}
