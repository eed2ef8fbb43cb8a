//! `--help`, from the tables of options.

use std::fmt::Write;

use super::options::{COMMANDS, Entry, OPTIONS, Takes};
use super::protocol::{PROTOCOLS, Protocol};

/// The text; with a protocol, its options too. All that is written to a `String` arrives.
pub fn text(protocol: Option<&Protocol>) -> String {
    let mut text = format!(
        "Command line interface for the connection tracking system. Version 1.4.7, as ironweir {} has it\n\
         Usage: conntrack [commands] [options]\n\nCommands:\n",
        env!("CARGO_PKG_VERSION")
    );
    section(&mut text, COMMANDS);
    text.push_str("\nTables: conntrack, expect, dying, unconfirmed\n\nOptions:\n");
    section(&mut text, OPTIONS);
    match protocol {
        None => {
            let names: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
            let _ = writeln!(text, "\nMore options with -p PROTOCOL -h: {}", names.join(", "));
        }
        Some(protocol) => {
            let _ = writeln!(text, "\nProto `{}' help:", protocol.name);
            section(&mut text, protocol.options);
            if !protocol.states.is_empty() {
                let _ = writeln!(text, "\nStates: {}", protocol.states.join(", "));
            }
        }
    }
    text
}

fn section<T>(text: &mut String, entries: &[Entry<T>]) {
    for entry in entries {
        let short = entry.short.filter(char::is_ascii_alphabetic).map(|letter| format!("-{letter}, "));
        let names: Vec<_> = entry.long.iter().map(|name| format!("--{name}")).collect();
        let value = match entry.takes {
            Takes::Nothing => String::new(),
            Takes::Value(value) => format!(" {value}"),
            Takes::Maybe(value) => format!(" [{value}]"),
        };
        let left = format!("{}{}{value}", short.unwrap_or_default(), names.join(", "));
        let _ = writeln!(text, "  {left:<44} {}", entry.text);
    }
}
