//! `weir man` and `weir completions`: manual pages and shell completions, from what `--help` is made of.
//!
//! `apply` and `replay` are clap's own; nft's and conntrack's tables of options become a [`clap::Command`] here, which
//! describes them and never reads a command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory, Parser};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{complain, print};
use crate::{apply, conntrack, difftest, nft, replay};

/// Write the manual pages of weir and its commands.
#[derive(Debug, Parser)]
#[command(name = "weir man")]
struct ManOptions {
    /// Where weir.8, weir-nft.8 and the others go
    directory: PathBuf,
}

/// Print completions for a shell.
#[derive(Debug, Parser)]
#[command(name = "weir completions")]
struct CompletionOptions {
    /// The shell
    shell: Shell,
    /// The name that is completed: weir, or a link of that name to it
    #[arg(default_value = "weir", value_parser = ["weir", "nft", "conntrack"])]
    name: String,
}

/// `weir man DIRECTORY`.
pub fn man(arguments: &[std::ffi::OsString]) -> ExitCode {
    let program = std::ffi::OsString::from("weir man");
    let options = match ManOptions::try_parse_from([program].iter().chain(arguments)) {
        Ok(options) => options,
        Err(error) => return told(&error),
    };
    match write_pages(&options.directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("weir man: {}: {error}\n", options.directory.display()));
            ExitCode::from(1)
        }
    }
}

/// `weir completions SHELL [NAME]`.
pub fn completions(arguments: &[std::ffi::OsString]) -> ExitCode {
    let program = std::ffi::OsString::from("weir completions");
    let options = match CompletionOptions::try_parse_from([program].iter().chain(arguments)) {
        Ok(options) => options,
        Err(error) => return told(&error),
    };
    let mut command = match options.name.as_str() {
        "nft" => nft::command(),
        "conntrack" => conntrack::command(),
        _ => weir(),
    };
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, &options.name, &mut script);
    print(&String::from_utf8_lossy(&script))
}

fn told(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 1 } else { 0 })
}

/// Everything that `weir` can be told.
fn weir() -> Command {
    Command::new("weir")
        .about("netfilter, off the kernel")
        .subcommand(nft::command())
        .subcommand(conntrack::command())
        .subcommand(apply::Options::command().name("apply"))
        .subcommand(replay::Options::command().name("replay"))
        .subcommand(difftest::options::Options::command().name("difftest"))
        .subcommand(ManOptions::command().name("man"))
        .subcommand(CompletionOptions::command().name("completions"))
}

fn write_pages(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let pages = [
        ("weir", "weir COMMAND ...", weir()),
        ("weir-nft", "weir nft [OPTIONS] { -f FILE | - | COMMAND ... }", nft::command()),
        ("weir-conntrack", "weir conntrack COMMAND [table] [OPTIONS]", conntrack::command()),
        ("weir-apply", "weir apply [OPTIONS] FILE", apply::Options::command()),
        ("weir-replay", "weir replay [OPTIONS] RULES CAPTURE...", replay::Options::command()),
        (
            "weir-difftest",
            "weir difftest [OPTIONS] RULES HOST CAPTURE...",
            difftest::options::Options::command(),
        ),
    ];
    for (name, synopsis, command) in pages {
        fs::write(directory.join(format!("{name}.8")), page(name, synopsis, command)?)?;
    }
    Ok(())
}

/// One page. The synopsis is short by intent: clap's names every option once more.
fn page(name: &'static str, synopsis: &str, command: Command) -> io::Result<Vec<u8>> {
    let commands = command.has_subcommands();
    let version = env!("CARGO_PKG_VERSION");
    let man =
        Man::new(command.name(name).version(version)).section("8").source(format!("ironweir {version}"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n{}", synopsis.replace('-', "\\-"))?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if commands {
        man.render_subcommands_section(&mut page)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command as Process, Stdio};

    #[test]
    fn what_is_described_holds_together() {
        weir().debug_assert();
    }

    #[test]
    fn every_option_of_help_is_on_the_page() {
        for (name, command, options) in [
            ("weir-nft", nft::command(), ["\\-\\-reversedns", "\\-\\-includepath", "\\-\\-debug"]),
            ("weir-conntrack", conntrack::command(), ["\\-\\-reply\\-src", "\\-\\-dump", "\\-\\-sport"]),
        ] {
            let page = String::from_utf8(page(name, "x", command).unwrap()).unwrap();
            for option in options {
                assert!(page.contains(option), "{name}: no {option} in\n{page}");
            }
        }
    }

    /// What the program says of a text on its standard input; nothing if there is no such program.
    fn said(program: &str, arguments: &[&str], text: &[u8]) -> Option<String> {
        let child = Process::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
            eprintln!("skipped: {program} is not installed");
            return None;
        };
        child.stdin.take().unwrap().write_all(text).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program}: {said}");
        Some(said)
    }

    #[test]
    fn man_has_no_warning_about_the_pages() {
        for (name, command) in [
            ("weir", weir()),
            ("weir-nft", nft::command()),
            ("weir-conntrack", conntrack::command()),
            ("weir-apply", apply::Options::command()),
            ("weir-replay", replay::Options::command()),
        ] {
            let page = page(name, "weir x", command).unwrap();
            if let Some(said) = said("man", &["--warnings", "-E", "UTF-8", "-l", "-"], &page) {
                assert_eq!(said, "", "{name}");
            }
        }
    }

    #[test]
    fn shells_read_the_completions() {
        for (shell, program) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
            for (name, mut command) in
                [("weir", weir()), ("nft", nft::command()), ("conntrack", conntrack::command())]
            {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, name, &mut script);
                assert!(!script.is_empty());
                said(program, &["-n"], &script);
            }
        }
    }
}
