//! What this machine knows: names of services, users, interfaces; its clock.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use ironweir_engine::{Host, Interface};
use ironweir_language::datatype::{NameTable, Names};
use ironweir_wire::{IfIndex, Instant};

use crate::host_file;

/// The time now.
pub fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// How far local time is ahead of UTC now, in seconds: by `TZ`, or by the machine's own time zone.
///
/// DIVERGES: nft takes the offset that held at the date that is written, with summer time.
pub fn utc_offset() -> i32 {
    jiff::Zoned::now().offset().seconds()
}

/// Names from this machine's files, and of a host's interfaces. A file that is not there adds nothing.
pub fn names(host: &Host) -> Names {
    let mut names = Names { utc_offset: host.utc_offset, ..Names::default() };
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    names.add_services(&text("/etc/services"));
    names.add_protocols(&text("/etc/protocols"));
    for (table, file) in
        [(&mut names.marks, "rt_marks"), (&mut names.realms, "rt_realms"), (&mut names.devgroups, "group")]
    {
        Names::add_iproute2(table, &text(&format!("/etc/iproute2/{file}")));
    }
    for path in ["/etc/connlabel.conf", "/etc/xtables/connlabel.conf"] {
        Names::add_iproute2(&mut names.labels, &text(path));
    }
    for (table, path) in [(&mut names.users, "/etc/passwd"), (&mut names.groups, "/etc/group")] {
        // name:password:number:...
        for line in text(path).lines() {
            let mut fields = line.split(':');
            let (name, number) = (fields.next(), fields.nth(1).and_then(|number| number.parse().ok()));
            if let (Some(name), Some(number)) = (name, number) {
                table.insert(name, number);
            }
        }
    }
    for interface in host.interfaces() {
        names.interfaces.insert(&interface.name, interface.index.0.into());
    }
    names
}

/// The names of the interfaces of this network namespace, as they are now.
pub fn interfaces() -> NameTable {
    let mut names = NameTable::default();
    for (index, name) in ironweir_io::links::links().unwrap_or_default() {
        names.insert(&name, index.into());
    }
    names
}

/// A host with the interfaces of this network namespace, by name and index, and its time zone.
pub fn host() -> Host {
    let mut host = Host::default();
    host.utc_offset = utc_offset();
    let Ok(links) = ironweir_io::links::links() else {
        let _ = host.add_interface(host_file::loopback());
        return host;
    };
    for (index, name) in links {
        let interface = match name.as_str() {
            "lo" => Interface { index: IfIndex(index), ..host_file::loopback() },
            _ => Interface::new(IfIndex(index), name),
        };
        // The kernel's names and indexes are unique.
        let _ = host.add_interface(interface);
    }
    host
}
