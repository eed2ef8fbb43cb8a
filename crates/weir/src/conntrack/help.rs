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

/// The options as clap describes them, for the manual page and completions. It does not read them.
pub fn command() -> clap::Command {
    let mut command = clap::Command::new("conntrack")
        .about("conntrack's command line: list and change the connections that the running kernel tracks")
        .disable_help_flag(true)
        .disable_version_flag(true);
    command = described(command, COMMANDS, "Commands");
    command = described(command, OPTIONS, "Options");
    for protocol in PROTOCOLS {
        command = described(command, protocol.options, "Options of protocols");
    }
    command
}

/// With these entries too. Names that are there already, as protocols share theirs, are not there twice.
fn described<T>(mut command: clap::Command, entries: &[Entry<T>], heading: &'static str) -> clap::Command {
    for entry in entries {
        let Some((&name, aliases)) = entry.long.split_first() else { continue };
        if command.get_arguments().any(|arg| arg.get_id().as_str() == name) {
            continue;
        }
        let mut arg = clap::Arg::new(name).long(name).help(entry.text).help_heading(heading);
        let taken = |short| command.get_arguments().any(|arg| arg.get_short() == Some(short));
        if let Some(short) = entry.short.filter(|&short| short.is_ascii_alphabetic() && !taken(short)) {
            arg = arg.short(short);
        }
        arg = arg.visible_aliases(aliases.iter().copied());
        arg = match entry.takes {
            Takes::Nothing => arg.action(clap::ArgAction::SetTrue),
            Takes::Value(value) => arg.value_name(value),
            Takes::Maybe(value) => arg.value_name(value).num_args(0..=1),
        };
        command = command.arg(arg);
    }
    command
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
