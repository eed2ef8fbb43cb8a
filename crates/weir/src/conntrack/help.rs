//! `--help`, from the tables of options.

use std::fmt::Write;

use crate::manual::Sections;

use super::options::{COMMANDS, Entry, OPTIONS, Takes};
use super::protocol::{PROTOCOLS, Protocol};

/// The sections of weir-conntrack(8).
pub const SECTIONS: Sections = Sections {
    examples: &[
        (
            "weir conntrack -L -p tcp --state ESTABLISHED -o extended",
            "Established TCP connections, with their family",
        ),
        ("weir conntrack -L -o json", "All connections, one JSON object on each line"),
        ("weir conntrack -G -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 53", "One connection"),
        (
            "weir conntrack -I -t 100 -s 192.0.2.1 -d 192.0.2.2 -p udp --sport 1000 --dport 53 -m 5",
            "A connection is made, with a mark",
        ),
        ("weir conntrack -U -s 192.0.2.0/24 -m 7", "The mark of each connection from a network is set"),
        ("weir conntrack -D -s 192.0.2.0/24", "Connections from a network are forgotten"),
        ("weir conntrack -E -e NEW,DESTROY -o timestamp", "Connections as they come and go"),
        ("weir conntrack -L expect", "Connections that helpers wait for"),
        ("weir conntrack -L -o save > flows && weir conntrack -R flows", "The table saved, and brought back"),
        ("weir conntrack -S", "What each processor counted"),
    ],
    exit_status: &[
        ("0", "It was done."),
        ("1", "The kernel refused it, or there was nothing to delete or update."),
        ("2", "The command line cannot be meant."),
    ],
    environment: &[("TZ", "The time zone of -o timestamp and ktimestamp.")],
    files: &[
        (
            "/etc/connlabel.conf, /etc/xtables/connlabel.conf",
            "Names of labels, for -l, --label-add and -o labels.",
        ),
        ("/etc/protocols", "Names of protocols."),
    ],
    see_also: &[("weir", "8"), ("weir-nft", "8"), ("conntrack", "8")],
};

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
