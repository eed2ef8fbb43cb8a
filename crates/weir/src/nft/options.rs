//! nft's options, as `getopt_long` reads them: short ones may be joined, long ones shortened while unique.

use std::ffi::OsString;
use std::path::PathBuf;

use ironweir_io::Endpoint;

/// Where the ruleset is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The running kernel, in this process's network namespace; or a daemon (`--engine SOCKET`).
    Answering(Endpoint),
    /// A fresh engine in this process, which lives as long as the command (`--engine new`).
    New,
}

impl Place {
    /// Who tells events: an engine of this process tells none.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Place::Answering(endpoint) => endpoint.clone(),
            Place::New => Endpoint::Kernel,
        }
    }
}

/// Where commands come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file (`-f FILE`).
    File(PathBuf),
    /// Standard input (`-f -`).
    Stdin,
    /// The command line itself.
    Words(String),
    /// Standard input line by line (`-i`).
    Interactive,
}

/// What the command line asks for. The letters are nft's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the ruleset is (`--engine`).
    pub place: Place,
    /// What to run.
    pub input: Input,
    /// `-c`: nothing is changed.
    pub check: bool,
    /// `-o`: rules are merged.
    pub optimise: bool,
    /// `-I`.
    pub include_paths: Vec<PathBuf>,
    /// `-D name=value`.
    pub defines: Vec<(String, String)>,
    /// `-a`.
    pub handles: bool,
    /// `-s`.
    pub stateless: bool,
    /// `-t`.
    pub terse: bool,
    /// `-S`.
    pub service: bool,
    /// `-N`.
    pub reverse_dns: bool,
    /// `-u`.
    pub guid: bool,
    /// How often `-n` was given; once or more is everything in numbers.
    pub numeric: bool,
    /// `-y`.
    pub numeric_priority: bool,
    /// `-p`.
    pub numeric_protocol: bool,
    /// `-T`.
    pub numeric_time: bool,
    /// `-e`.
    pub echo: bool,
    /// `-j`.
    pub json: bool,
    /// `-d netlink`.
    pub debug_netlink: bool,
    /// `-d mnl`.
    pub debug_messages: bool,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// To run.
    Run(Box<Options>),
    /// To print this and be done (`--help`, `--version`).
    Print(String),
}

/// Why a command line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("nft: unrecognized option '{0}'")]
    Unknown(String),
    /// No such letter.
    #[error("nft: invalid option -- '{0}'")]
    UnknownLetter(char),
    /// Short for several long options.
    #[error("nft: option '{0}' is ambiguous; possibilities: {1}")]
    Ambiguous(String, String),
    /// An argument is missing.
    #[error("nft: option '{0}' requires an argument")]
    NeedsArgument(String),
    /// An argument of a letter is missing.
    #[error("nft: option requires an argument -- '{0}'")]
    LetterNeedsArgument(char),
    /// An argument that the option does not take.
    #[error("nft: option '{0}' doesn't allow an argument")]
    NoArgument(String),
    /// An argument the option does not understand.
    #[error("nft: option '{option}': {value:?} is not {expected}")]
    BadArgument {
        /// The option.
        option: &'static str,
        /// What it was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// Nothing to do.
    #[error("nft: no command specified")]
    NoCommand,
    /// `-D` without a name or a value.
    #[error("Failed to define variable '{0}'")]
    Define(String),
    /// `-D` twice for one name.
    #[error("Error: redefinition of symbol '{0}'")]
    DefinedTwice(String),
    /// `-D` without a file.
    #[error("Error: -D/--define can only be used with -f/--filename")]
    DefineWithoutFile,
    /// No such level of `-d`.
    #[error("invalid debug parameter `{0}'")]
    DebugLevel(String),
    /// An option behind the beginning of a command: the line, and what points at the option.
    #[error("Error: syntax error, options must be specified before commands\n{0} \n   ^{1}")]
    Misplaced(String, String),
    /// A file and commands. DIVERGES: nft runs the commands, and says nothing of the file.
    #[error("nft: -f takes its commands from the file; {0:?} is left over")]
    FileAndCommands(String),
}

#[derive(Clone, Copy)]
enum Opt {
    Help,
    Version,
    LongVersion,
    File,
    Define,
    Interactive,
    Include,
    Check,
    Optimize,
    Handle,
    Stateless,
    Terse,
    Service,
    ReverseDns,
    Guid,
    Numeric,
    NumericPriority,
    NumericProtocol,
    NumericTime,
    Echo,
    Json,
    Debug,
    Engine,
}

impl Opt {
    /// What an option prints instead of anything else being done; what stands behind it is not looked at.
    fn told(self) -> Option<String> {
        match self {
            Opt::Help => Some(help()),
            Opt::Version => Some(version()),
            Opt::LongVersion => Some(version() + BUILT_IN),
            _ => None,
        }
    }
}

struct Known {
    opt: Opt,
    short: Option<char>,
    long: &'static str,
    argument: Option<&'static str>,
    help: &'static str,
}

const fn known(
    opt: Opt,
    short: char,
    long: &'static str,
    argument: Option<&'static str>,
    help: &'static str,
) -> Known {
    Known { opt, short: Some(short), long, argument, help }
}

const OPTIONS: &[Known] = &[
    known(Opt::Help, 'h', "help", None, "show this help"),
    known(Opt::Version, 'v', "version", None, "show the version"),
    known(Opt::LongVersion, 'V', "", None, "show the version and what is built in"),
    Known {
        opt: Opt::Engine,
        short: None,
        long: "engine",
        argument: Some("new"),
        help: "not the kernel: a fresh engine that lives as long as the command (new), or a daemon (the path of its socket)",
    },
    known(Opt::File, 'f', "file", Some("FILE"), "read commands from FILE; - is standard input"),
    known(Opt::Define, 'D', "define", Some("NAME=VALUE"), "define a variable"),
    known(Opt::Interactive, 'i', "interactive", None, "read commands line by line, until quit"),
    known(Opt::Include, 'I', "includepath", Some("DIR"), "look for included files in DIR; default /etc"),
    known(Opt::Check, 'c', "check", None, "check the commands without applying them"),
    known(
        Opt::Optimize,
        'o',
        "optimize",
        None,
        "merge rules of a file that differ in constants alone, where that changes nothing",
    ),
    known(Opt::Handle, 'a', "handle", None, "print handles"),
    known(Opt::Stateless, 's', "stateless", None, "print no state (counters, used quota ...)"),
    known(Opt::Terse, 't', "terse", None, "print no set elements"),
    known(Opt::Service, 'S', "service", None, "print ports as service names"),
    known(
        Opt::ReverseDns,
        'N',
        "reversedns",
        None,
        "addresses by the names of their hosts, where the resolver has any",
    ),
    known(Opt::Guid, 'u', "guid", None, "print user and group names"),
    known(Opt::Numeric, 'n', "numeric", None, "print everything in numbers"),
    known(Opt::NumericPriority, 'y', "numeric-priority", None, "print chain priorities in numbers"),
    known(Opt::NumericProtocol, 'p', "numeric-protocol", None, "print layer 4 protocols in numbers"),
    known(Opt::NumericTime, 'T', "numeric-time", None, "print time values in numbers"),
    known(Opt::Echo, 'e', "echo", None, "print what was added, as the kernel tells it"),
    known(Opt::Json, 'j', "json", None, "read and print JSON"),
    known(
        Opt::Debug,
        'd',
        "debug",
        Some("LEVEL"),
        "print the bytecode of rules (netlink), the messages sent to the kernel (mnl)",
    ),
];

/// Reads a command line without the program's name.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(arguments: Vec<OsString>) -> Result<Parsed, OptionError> {
    let all: Vec<String> = arguments.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut words = all.iter().cloned().peekable();
    let mut given: Vec<(Opt, String)> = Vec::new();
    // Options end at the first word that is none: what follows is the command, and may have words with `-`.
    while let Some(word) = words.next_if(|word| word.starts_with('-') && word != "-") {
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let option = find_long(name, &word)?;
            if let Some(told) = option.opt.told() {
                return Ok(Parsed::Print(told));
            }
            let value = match (option.argument, value) {
                (Some(_), Some(value)) => value,
                (Some(_), None) => words.next().ok_or_else(|| OptionError::NeedsArgument(word.clone()))?,
                (None, Some(_)) => return Err(OptionError::NoArgument(format!("--{name}"))),
                (None, None) => String::new(),
            };
            given.push((option.opt, value));
            continue;
        }
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            let option = OPTIONS
                .iter()
                .find(|known| known.short == Some(letter))
                .ok_or(OptionError::UnknownLetter(letter))?;
            if let Some(told) = option.opt.told() {
                return Ok(Parsed::Print(told));
            }
            if option.argument.is_none() {
                given.push((option.opt, String::new()));
                continue;
            }
            let joined = letters.as_str();
            let value = match joined.is_empty() {
                false => joined.to_owned(),
                true => words.next().ok_or(OptionError::LetterNeedsArgument(letter))?,
            };
            given.push((option.opt, value));
            break;
        }
    }
    let commands: Vec<String> = words.collect();
    in_front(&all, all.len() - commands.len())?;
    interpret(given, commands)
}

/// Options behind the first word of a command are refused, as nft refuses them: up to a word that opens a block,
/// in which there may be negative numbers.
fn in_front(words: &[String], commands: usize) -> Result<(), OptionError> {
    let behind = words.iter().enumerate().skip(commands + 1).take_while(|(_, word)| !word.starts_with('{'));
    let Some((at, option)) = behind.into_iter().find(|(_, word)| word.starts_with('-')) else {
        return Ok(());
    };
    let column: usize = words.iter().take(at).map(|word| word.chars().count() + 1).sum();
    let marks = "~".repeat(option.chars().count());
    Err(OptionError::Misplaced(format!("nft {}", words.join(" ")), " ".repeat(column) + &marks))
}

/// The option that a name is short for; `word` is the name as it was given.
fn find_long(name: &str, word: &str) -> Result<&'static Known, OptionError> {
    let long = || OPTIONS.iter().filter(|known| !known.long.is_empty());
    if let Some(exact) = long().find(|known| known.long == name) {
        return Ok(exact);
    }
    let candidates: Vec<&Known> = long().filter(|known| known.long.starts_with(name)).collect();
    match candidates[..] {
        [only] if !name.is_empty() => Ok(only),
        [] => Err(OptionError::Unknown(word.to_owned())),
        _ => {
            let names: Vec<String> = candidates.iter().map(|known| format!("'--{}'", known.long)).collect();
            Err(OptionError::Ambiguous(format!("--{name}"), names.join(" ")))
        }
    }
}

fn interpret(given: Vec<(Opt, String)>, words: Vec<String>) -> Result<Parsed, OptionError> {
    let mut input = None;
    let mut interactive = false;
    let mut options = Options {
        place: Place::Answering(Endpoint::Kernel),
        input: Input::Stdin,
        check: false,
        optimise: false,
        include_paths: Vec::new(),
        defines: Vec::new(),
        handles: false,
        stateless: false,
        terse: false,
        service: false,
        reverse_dns: false,
        guid: false,
        numeric: false,
        numeric_priority: false,
        numeric_protocol: false,
        numeric_time: false,
        echo: false,
        json: false,
        debug_netlink: false,
        debug_messages: false,
    };
    for (opt, value) in given {
        match opt {
            // They have been answered where they stood.
            Opt::Help | Opt::Version | Opt::LongVersion => {}
            Opt::Engine => match value.as_str() {
                "new" => options.place = Place::New,
                "kernel" => options.place = Place::Answering(Endpoint::Kernel),
                path if path.contains('/') => options.place = Place::Answering(Endpoint::Daemon(path.into())),
                _ => {
                    let expected = "new, kernel, or the path of a socket";
                    return Err(OptionError::BadArgument { option: "--engine", value, expected });
                }
            },
            Opt::File => input = Some(if value == "-" { Input::Stdin } else { Input::File(value.into()) }),
            Opt::Define => match value.split_once('=') {
                Some((name, _)) if options.defines.iter().any(|(defined, _)| defined == name) => {
                    return Err(OptionError::DefinedTwice(name.to_owned()));
                }
                Some((name, text)) if !name.is_empty() => options.defines.push((name.into(), text.into())),
                _ => return Err(OptionError::Define(value)),
            },
            Opt::Interactive => interactive = true,
            Opt::Include => options.include_paths.push(value.into()),
            Opt::Check => options.check = true,
            Opt::Optimize => options.optimise = true,
            Opt::Handle => options.handles = true,
            Opt::Stateless => options.stateless = true,
            Opt::Terse => options.terse = true,
            Opt::Service => options.service = true,
            Opt::ReverseDns => options.reverse_dns = true,
            Opt::Guid => options.guid = true,
            Opt::Numeric => options.numeric = true,
            Opt::NumericPriority => options.numeric_priority = true,
            Opt::NumericProtocol => options.numeric_protocol = true,
            Opt::NumericTime => options.numeric_time = true,
            Opt::Echo => options.echo = true,
            Opt::Json => options.json = true,
            Opt::Debug => {
                for level in value.split(',') {
                    match level {
                        "netlink" => options.debug_netlink = true,
                        "mnl" => options.debug_messages = true,
                        "all" => (options.debug_netlink, options.debug_messages) = (true, true),
                        // These show how nft works inside; there is nothing of ours that they could show.
                        "scanner" | "parser" | "eval" | "proto-ctx" | "segtree" => {}
                        _ => return Err(OptionError::DebugLevel(level.to_owned())),
                    }
                }
            }
        }
    }
    if input.is_none() && !options.defines.is_empty() {
        return Err(OptionError::DefineWithoutFile);
    }
    options.input = match (input, words) {
        (None, words) if interactive && words.is_empty() => Input::Interactive,
        (Some(input), words) if words.is_empty() => input,
        (Some(_), words) => return Err(OptionError::FileAndCommands(words.join(" "))),
        (None, words) if words.is_empty() => return Err(OptionError::NoCommand),
        (None, words) if words == ["-"] => Input::Stdin,
        (None, words) => Input::Words(words.join(" ")),
    };
    Ok(Parsed::Run(Box::new(options)))
}

/// In the shape of nft's line, which scripts take apart: first the release whose language is spoken.
fn version() -> String {
    format!("nftables v1.1.6 (Ironweir {})\n", env!("CARGO_PKG_VERSION"))
}

/// What `-V` says more, in nft's words.
const BUILT_IN: &str = "  cli:\t\trustyline\n  json:\t\tyes\n  minigmp:\tno\n  libxtables:\tno\n";

/// The options as clap describes them, for the manual page and completions. It does not read them.
pub fn command() -> clap::Command {
    let options = OPTIONS.iter().map(|known| {
        let mut arg = clap::Arg::new(match known.long {
            "" => "long-version",
            long => long,
        });
        if let Some(short) = known.short {
            arg = arg.short(short);
        }
        if !known.long.is_empty() {
            arg = arg.long(known.long);
        }
        if known.long == "file" {
            arg = arg.value_hint(clap::ValueHint::FilePath);
        }
        if known.long == "includepath" {
            arg = arg.value_hint(clap::ValueHint::DirPath);
        }
        match known.argument {
            Some(argument) => arg.value_name(argument),
            None => arg.action(clap::ArgAction::SetTrue),
        }
        .help(known.help)
    });
    clap::Command::new("nft")
        .about("nft's command line: list and change the ruleset of the running kernel")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(options)
        .arg(clap::Arg::new("COMMAND").num_args(0..).help("commands in nft's language"))
}

fn help() -> String {
    let mut text = "Usage: weir nft [OPTIONS] { -f FILE | - | -i | COMMAND ... }\n\n".to_owned();
    for known in OPTIONS {
        let short = known.short.map_or("   ".into(), |short| {
            format!("-{short}{}", if known.long.is_empty() { ' ' } else { ',' })
        });
        let mut long = if known.long.is_empty() { String::new() } else { format!("--{}", known.long) };
        if let Some(argument) = known.argument {
            long.push(' ');
            long.push_str(argument);
        }
        text.push_str(&format!("  {short} {long:24} {}\n", known.help));
    }
    text + &super::SECTIONS.help()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Options, OptionError> {
        match parse(line.split_whitespace().map(OsString::from).collect())? {
            Parsed::Run(options) => Ok(*options),
            Parsed::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let options = run("--engine new -anf rules.nft").unwrap();
        assert!(options.handles && options.numeric && !options.stateless);
        assert_eq!(options.input, Input::File("rules.nft".into()));
        let options = run("--engine=new --hand -Ddev=eth0 --define a=b --debug=netlink -f -").unwrap();
        assert!(options.handles && options.debug_netlink);
        assert_eq!(options.defines, [("dev".into(), "eth0".into()), ("a".into(), "b".into())]);
        assert_eq!(options.input, Input::Stdin);
        let options = run("--engine new -s add chain x y { type filter hook input priority -5; }").unwrap();
        assert_eq!(
            options.input,
            Input::Words("add chain x y { type filter hook input priority -5; }".into())
        );
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (line, expected) in [
            ("--engine old list ruleset", "not new"),
            ("-a", "no command"),
            ("--engine new", "no command"),
            ("--engine new -f", "requires an argument"),
            ("--engine new --numeric-p list ruleset", "ambiguous"),
            ("--engine new --check=yes list ruleset", "doesn't allow"),
            ("--engine new -k list ruleset", "nft: invalid option -- 'k'"),
            ("--nope", "nft: unrecognized option '--nope'"),
            ("--nope=1", "nft: unrecognized option '--nope=1'"),
            ("--numeric-p", "possibilities: '--numeric-priority' '--numeric-protocol'"),
            ("-D x=1 -D x=2 -f y", "Error: redefinition of symbol 'x'"),
            ("-kv", "invalid option -- 'k'"),
            ("-I", "nft: option requires an argument -- 'I'"),
            ("--engine new -d net list ruleset", "invalid debug parameter `net'"),
            ("--engine new -D x list ruleset", "Failed to define variable 'x'"),
            ("-D x=1 list ruleset", "-D/--define can only be used with -f/--filename"),
            // As nft 1.0.6 draws it.
            ("list ruleset -a", "commands\nnft list ruleset -a \n   ^             ~~"),
            ("list -a ruleset", "commands\nnft list -a ruleset \n   ^     ~~"),
            ("--engine new -f x list ruleset", "left over"),
        ] {
            let error = run(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn what_stands_behind_version_and_help_is_not_looked_at() {
        for line in ["-vk", "-avk", "-V --nope", "--version list ruleset", "--hel -f"] {
            let parsed = parse(line.split_whitespace().map(OsString::from).collect());
            assert!(matches!(parsed, Ok(Parsed::Print(_))), "{line}: {parsed:?}");
        }
    }
}
