//! A connection as text, in the form of `conntrack -L -o extended`.

use std::fmt;

use ironweir_wire::protocol::{ipproto, tracked_name};
use ironweir_wire::{Instant, L3};

use crate::entry::{Direction, Entry};
use crate::status::Status;

impl Entry {
    /// The line `conntrack -L -o extended` prints for it at time `now`.
    pub fn display(&self, now: Instant) -> impl fmt::Display {
        Line { entry: self, now }
    }
}

struct Line<'a> {
    entry: &'a Entry,
    now: Instant,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        let original = entry.tuple(Direction::Original);
        let family = if original.l3 == L3::V6 { 10 } else { 2 };
        write!(f, "{:<8} {family} ", original.l3.name())?;
        write!(f, "{:<8} {} ", tracked_name(original.l4).unwrap_or("unknown"), original.l4)?;
        // Of what a flowtable carries the kernel tells neither (`ctnetlink_fill_info`).
        if !entry.status.contains(Status::OFFLOAD) {
            write!(f, "{} ", entry.remaining(self.now).as_secs())?;
            if let Some(status) = entry.tcp_status() {
                write!(f, "{} ", status.name())?;
            }
            if let Some(status) = entry.sctp_status() {
                write!(f, "{} ", status.name())?;
            }
        }
        tuple(f, entry, Direction::Original)?;
        if !entry.status.contains(Status::SEEN_REPLY) {
            f.write_str("[UNREPLIED] ")?;
        }
        tuple(f, entry, Direction::Reply)?;
        if entry.status.contains(Status::OFFLOAD) {
            f.write_str("[OFFLOAD] ")?;
        } else if entry.status.contains(Status::ASSURED) {
            f.write_str("[ASSURED] ")?;
        }
        write!(f, "mark={} ", entry.mark)?;
        if entry.secmark() != 0 {
            write!(f, "secmark={} ", entry.secmark())?;
        }
        if entry.zone().id != 0 {
            write!(f, "zone={} ", entry.zone().id)?;
        }
        if let Some(helper) = entry.helper() {
            write!(f, "helper={helper} ")?;
        }
        f.write_str("use=1")
    }
}

fn tuple(f: &mut fmt::Formatter<'_>, entry: &Entry, direction: Direction) -> fmt::Result {
    let (tuple, counter) = (entry.tuple(direction), entry.counter(direction));
    write!(f, "src={} dst={} ", tuple.src.display(tuple.l3), tuple.dst.display(tuple.l3))?;
    match tuple.l4 {
        ipproto::TCP | ipproto::UDP | ipproto::UDPLITE | ipproto::SCTP | ipproto::DCCP => {
            write!(f, "sport={} dport={} ", tuple.src_id, tuple.dst_id)?;
        }
        ipproto::ICMP | ipproto::ICMPV6 => {
            write!(f, "type={} code={} id={} ", tuple.icmp_type(), tuple.icmp_code(), tuple.src_id)?;
        }
        ipproto::GRE => write!(f, "srckey=0x{:x} dstkey=0x{:x} ", tuple.src_id, tuple.dst_id)?,
        _ => {}
    }
    if entry.counts() {
        write!(f, "packets={} bytes={} ", counter.packets, counter.bytes)?;
    }
    Ok(())
}
