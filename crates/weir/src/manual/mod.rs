//! `weir man` and `weir completions`: manual pages and shell completions, from what `--help` is made of.
//!
//! `apply` and `replay` are clap's own; nft's and conntrack's tables of options become a [`clap::Command`] here, which
//! describes them and never reads a command line.

mod sections;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory, Parser};
use clap_complete::Shell;
use clap_mangen::Man;

pub use sections::Sections;

use crate::cli::{complain, print};
use crate::{apply, conntrack, difftest, nft, replay, top};

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
        .subcommand(top::options::Options::command().name("top"))
        .subcommand(
            difftest::options::Options::command()
                .name("difftest")
                .subcommand_negates_reqs(true)
                .subcommand(difftest::generate::options::Options::command().name("generate")),
        )
        .subcommand(ManOptions::command().name("man"))
        .subcommand(CompletionOptions::command().name("completions"))
}

/// A manual page to be.
struct Page {
    name: &'static str,
    synopsis: &'static str,
    command: Command,
    sections: Option<Sections>,
}

/// Every page.
fn pages() -> [Page; 8] {
    let page = |name, synopsis, command, sections| Page { name, synopsis, command, sections };
    [
        page("weir", "weir COMMAND ...", weir(), None),
        page(
            "weir-nft",
            "weir nft [OPTIONS] { -f FILE | - | -i | COMMAND ... }",
            nft::command(),
            Some(nft::SECTIONS),
        ),
        page(
            "weir-conntrack",
            "weir conntrack COMMAND [table] [OPTIONS]",
            conntrack::command(),
            Some(conntrack::SECTIONS),
        ),
        page("weir-apply", "weir apply [OPTIONS] FILE", apply::Options::command(), None),
        page("weir-replay", "weir replay [OPTIONS] RULES CAPTURE...", replay::Options::command(), None),
        page("weir-top", "weir top [OPTIONS]", top::options::Options::command(), None),
        page(
            "weir-difftest",
            "weir difftest [OPTIONS] RULES HOST CAPTURE...",
            difftest::options::Options::command(),
            None,
        ),
        page(
            "weir-difftest-generate",
            "weir difftest generate [OPTIONS] [CAPTURE...]",
            difftest::generate::options::Options::command(),
            None,
        ),
    ]
}

fn write_pages(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for page in pages() {
        fs::write(directory.join(format!("{}.8", page.name)), page.text()?)?;
    }
    Ok(())
}

impl Page {
    /// In roff. The synopsis is short by intent: clap's names every option once more.
    fn text(self) -> io::Result<Vec<u8>> {
        let commands = self.command.has_subcommands();
        let version = env!("CARGO_PKG_VERSION");
        let command = self.command.name(self.name).version(version);
        let man = Man::new(command).section("8").source(format!("ironweir {version}"));
        let mut page = Vec::new();
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        writeln!(page, ".SH SYNOPSIS\n{}", self.synopsis.replace('-', "\\-"))?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if commands {
            man.render_subcommands_section(&mut page)?;
        }
        if let Some(sections) = self.sections {
            page.extend_from_slice(sections.roff().as_bytes());
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command as Process, Stdio};

    #[test]
    fn what_is_described_holds_together() {
        weir().debug_assert();
    }

    fn text(name: &str) -> String {
        let page = pages().into_iter().find(|page| page.name == name).unwrap();
        String::from_utf8(page.text().unwrap()).unwrap()
    }

    #[test]
    fn every_option_of_help_is_on_the_page() {
        for (name, options) in [
            ("weir-nft", ["\\-\\-reversedns", "\\-\\-includepath", "\\-\\-debug"]),
            ("weir-conntrack", ["\\-\\-reply\\-src", "\\-\\-dump", "\\-\\-sport"]),
        ] {
            let page = text(name);
            for option in options {
                assert!(page.contains(option), "{name}: no {option} in\n{page}");
            }
        }
    }

    #[test]
    fn pages_of_stock_tools_have_every_section() {
        for name in ["weir-nft", "weir-conntrack"] {
            let page = text(name);
            for title in ["EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "\"SEE ALSO\""] {
                assert!(page.contains(&format!(".SH {title}\n")), "{name}: no {title} in\n{page}");
            }
        }
    }

    #[test]
    fn examples_of_nft_are_command_lines_that_it_reads() {
        for (line, _) in nft::SECTIONS.examples {
            let words = line.split_whitespace().skip(2).map(|word| word.trim_matches('\'').into());
            assert!(matches!(nft::parse(words.collect()), Ok(nft::Parsed::Run(_))), "{line}");
        }
        let help = match nft::parse(vec!["--help".into()]) {
            Ok(nft::Parsed::Print(help)) => help,
            other => panic!("{other:?}"),
        };
        assert!(nft::SECTIONS.examples.iter().all(|(line, _)| help.contains(line)));
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
        for page in pages() {
            let name = page.name;
            let text = page.text().unwrap();
            if let Some(said) = said("man", &["--warnings", "-E", "UTF-8", "-l", "-"], &text) {
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
