//! Which command line is meant: by subcommand, or by the name the program was called under.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
weir - netfilter, off the kernel

Usage: weir COMMAND ...

  weir replay RULES CAPTURE...   packets of captures through a ruleset, with a report
  weir nft ...                   nft's command line; also when called as nft
  weir run CONFIG                a daemon: an engine that nft and conntrack drive over a socket
  weir exec -- COMMAND           a stock netlink client (nft, conntrack, iptables-nft) against the daemon
  weir apply FILE                the loaded ruleset becomes what a file says, and comes back unless confirmed
  weir top                       connections and rules by rate, and why packets end
  weir conntrack ...             conntrack's command line; also when called as conntrack
  weir difftest RULES HOST CAPTURE...  the same packets through the kernel and the engine, compared
  weir difftest generate         rules and packets by chance through both
  weir man DIRECTORY             writes the manual pages there
  weir completions SHELL [NAME]  completions of weir, nft or conntrack for bash, zsh, fish ...

`--help` behind each says more.
";

/// Runs the program; `arguments` begin with its name.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_stem().unwrap_or_default().to_owned();
    let rest: Vec<OsString> = arguments.collect();
    if name == "nft" {
        return crate::nft::main(rest);
    }
    if name == "conntrack" {
        return crate::conntrack::main(rest);
    }
    let Some(command) = rest.first() else {
        complain(USAGE);
        return ExitCode::from(1);
    };
    match command.to_str() {
        Some("nft") => crate::nft::main(rest[1..].to_vec()),
        Some("apply") => crate::apply::main(&rest[1..]),
        Some("difftest") => crate::difftest::main(&rest[1..]),
        Some("conntrack") => crate::conntrack::main(rest[1..].to_vec()),
        Some("exec") => crate::exec::main(&rest[1..]),
        Some("top") => crate::top::main(&rest[1..]),
        Some("run") => crate::run::main(&rest[1..]),
        Some("man") => crate::manual::man(&rest[1..]),
        Some("completions") => crate::manual::completions(&rest[1..]),
        Some("replay") => crate::replay::main(&rest[1..]),
        Some("-h" | "--help" | "help") => print(USAGE),
        Some("-V" | "-v" | "--version" | "version") => {
            print(&format!("weir {}\n", env!("CARGO_PKG_VERSION")))
        }
        _ => {
            let known = "replay, run, exec, top, nft, conntrack, apply, difftest, man, completions";
            complain(&format!("weir: no command {}; known are {known}\n", command.display()));
            ExitCode::from(1)
        }
    }
}

/// Writes to standard output. That nobody reads on is no failure of ours.
pub fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("weir: standard output: {error}\n"));
            ExitCode::from(1)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Writes to standard output, of which more is to come. Tells whether somebody reads it.
///
/// # Errors
/// It cannot be written.
pub fn print_on(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}

/// Writes to standard error.
pub fn complain(text: &str) {
    // Nobody is left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
