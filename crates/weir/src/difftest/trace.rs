//! The way of one packet on either side, as `nft monitor trace` tells it.

use ironweir_engine::{Host, Observer, TraceEvent};
use ironweir_language::cmd::Monitor;
use ironweir_language::datatype::Names;
use ironweir_language::event::{Events, Filter};
use ironweir_language::print::Options;
use ironweir_wire::Packet;

use super::frames::Arriving;
use super::mirror::Mirror;
use super::rig::{Rig, RigError, is_loaded};
use crate::machine;
use crate::replay::rules::TRACE_TABLE;
use ironweir_firewall::trace::Tracer;

/// Tables that ask for the trace of every packet, as early as that can be asked.
fn tables(host: &Host) -> String {
    let devices: Vec<String> = host
        .interfaces()
        .iter()
        .filter(|interface| &*interface.name != "lo")
        .map(|interface| format!("\"{}\"", interface.name))
        .collect();
    format!(
        "table netdev {TRACE_TABLE} {{ chain c {{ \
            type filter hook ingress devices = {{ {} }} priority -2147483647; meta nftrace set 1; }}; }}\n\
         table inet {TRACE_TABLE} {{ chain c {{ type filter hook output priority -2147483647; meta nftrace set 1; }}; }}\n",
        devices.join(", ")
    )
}

/// Lets a packet pass the kernel.
///
/// # Errors
/// If the kernel cannot be asked.
pub fn of_kernel(rig: &mut Rig, host: &Host, names: &Names, frame: &Arriving) -> Result<String, RigError> {
    rig.load(&tables(host), names)?;
    let ruleset = rig.ruleset()?.clone();
    let filter = Filter::of(&Monitor { what: Some("trace".into()), ..Monitor::default() });
    let mut events = Events::new(ruleset, Options::default(), names.clone(), filter);
    let mut socket = rig.listen()?;
    let mut left = Vec::new();
    rig.inject(frame.iif, &frame.bytes, &mut left)?;
    let mut text = String::new();
    let failed = |error: &dyn std::fmt::Display| RigError::Read(error.to_string());
    // All is told before the packet leaves.
    while socket
        .next(Some(std::time::Duration::ZERO), |event| events.event(event, machine::now(), &mut text))
        .map_err(|error| failed(&error))?
    {}
    let hidden =
        |line: &&str| line.split(' ').nth(4).is_none_or(|table| table != TRACE_TABLE && is_loaded(table));
    Ok(text.lines().filter(hidden).map(|line| format!("{line}\n")).collect())
}

/// Lets a packet pass the engine.
///
/// # Errors
/// If the engine cannot be told to trace.
pub fn of_engine(
    mirror: &mut Mirror,
    host: &Host,
    names: &Names,
    frame: &Arriving,
) -> Result<String, String> {
    mirror.load(&tables(host), names)?;
    let mut tracing = Tracing(Tracer::default());
    let disposition = mirror.inject(machine::now(), frame.iif, &frame.bytes, &mut tracing, &mut Vec::new());
    let ours = mirror.engine().ruleset().tables().filter(|table| &*table.table.id.name == TRACE_TABLE);
    let ours: Vec<u32> = ours.map(|table| table.id).collect();
    let text = tracing.0.take(mirror.engine(), names, |chain| ours.contains(&chain.table));
    Ok(format!("{text}{disposition:?}\n"))
}

struct Tracing(Tracer);

impl Observer for Tracing {
    fn trace(&mut self, event: &TraceEvent, packet: &Packet<'_>) {
        self.0.event(event, packet);
    }
}
