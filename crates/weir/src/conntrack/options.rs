//! The options of conntrack(8): their names, what they take, what they are for, and which commands take them. The parser,
//! `--help` and the manual page read these tables.

use super::error::Usage;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `-L`.
    List,
    /// `-G`.
    Get,
    /// `-D`.
    Delete,
    /// `-I`.
    Create,
    /// `-A`: as `-I`, and what exists already is no failure.
    Add,
    /// `-U`.
    Update,
    /// `-E`.
    Event,
    /// `-F`.
    Flush,
    /// `-C`.
    Count,
    /// `-S`.
    Stats,
    /// `-R`.
    Load,
    /// `-V`.
    Version,
    /// `-h`, and no command at all.
    Help,
}

/// To which table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// Connections.
    #[default]
    Conntrack,
    /// Expectations.
    Expect,
    /// Connections that have ended and are still referred to.
    Dying,
    /// Connections whose first packet has not left yet.
    Unconfirmed,
}

impl Table {
    /// By the beginning of its name.
    pub fn of(word: &str) -> Result<Table, Usage> {
        let tables = [
            ("conntrack", Table::Conntrack),
            ("expect", Table::Expect),
            ("dying", Table::Dying),
            ("unconfirmed", Table::Unconfirmed),
        ];
        let found = tables.iter().find(|(name, _)| name.starts_with(word));
        found.map(|(_, table)| *table).ok_or_else(|| Usage::UnknownTable(word.to_owned()))
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value.
    Value(&'static str),
    /// A value, if the next word is one.
    Maybe(&'static str),
}

/// Options that are not a protocol's. Their order is that in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Opt {
    Source,
    Destination,
    ReplySource,
    ReplyDestination,
    Protocol,
    Timeout,
    Status,
    Zero,
    EventMask,
    TupleSource,
    TupleDestination,
    MaskSource,
    MaskDestination,
    Mark,
    Id,
    Family,
    SourceNat,
    DestinationNat,
    Output,
    Secmark,
    BufferSize,
    AnyNat,
    Zone,
    Label,
    LabelAdd,
    LabelDelete,
    OriginalZone,
    ReplyZone,
    NatRange,
}

/// A command or an option in a table.
#[derive(Clone, Copy, Debug)]
pub struct Entry<T: 'static> {
    /// Which.
    pub what: T,
    /// Its letter.
    pub short: Option<char>,
    /// Its names, the one that messages use first.
    pub long: &'static [&'static str],
    /// What it takes.
    pub takes: Takes,
    /// What it is for.
    pub text: &'static str,
}

const fn entry<T>(
    what: T,
    short: Option<char>,
    long: &'static [&'static str],
    takes: Takes,
    text: &'static str,
) -> Entry<T> {
    Entry { what, short, long, takes, text }
}

use Takes::{Maybe, Nothing, Value};

/// The commands.
pub const COMMANDS: &[Entry<Command>] = &[
    entry(Command::List, Some('L'), &["dump"], Maybe("table"), "list connections or expectations"),
    entry(Command::Get, Some('G'), &["get"], Maybe("table"), "show one connection or expectation"),
    entry(
        Command::Delete,
        Some('D'),
        &["delete"],
        Maybe("table"),
        "delete the connections that match, or one expectation",
    ),
    entry(Command::Create, Some('I'), &["create"], Maybe("table"), "make a connection or an expectation"),
    entry(Command::Add, Some('A'), &["add"], Maybe("table"), "make a connection unless it exists"),
    entry(Command::Update, Some('U'), &["update"], Maybe("table"), "change the connections that match"),
    entry(Command::Event, Some('E'), &["event"], Maybe("table"), "show events as they happen"),
    entry(Command::Flush, Some('F'), &["flush"], Maybe("table"), "empty a table"),
    entry(Command::Count, Some('C'), &["count", "counter"], Maybe("table"), "how many there are"),
    entry(Command::Stats, Some('S'), &["stats"], Maybe("table"), "what each CPU counted"),
    entry(
        Command::Load,
        Some('R'),
        &["load-file"],
        Value("file"),
        "commands from a file, a line each; - is standard input",
    ),
    entry(Command::Version, Some('V'), &["version"], Nothing, "the version"),
    entry(Command::Help, Some('h'), &["help"], Nothing, "this text, and with -p that protocol's options"),
];

/// The options that are not a protocol's, in the order of [`Opt`].
pub const OPTIONS: &[Entry<Opt>] = &[
    entry(
        Opt::Source,
        Some('s'),
        &["src", "orig-src"],
        Value("address[/mask]"),
        "source of the original direction",
    ),
    entry(
        Opt::Destination,
        Some('d'),
        &["dst", "orig-dst"],
        Value("address[/mask]"),
        "destination of the original direction",
    ),
    entry(Opt::ReplySource, Some('r'), &["reply-src"], Value("address"), "source of the reply direction"),
    entry(
        Opt::ReplyDestination,
        Some('q'),
        &["reply-dst"],
        Value("address"),
        "destination of the reply direction",
    ),
    entry(
        Opt::Protocol,
        Some('p'),
        &["protonum"],
        Value("protocol"),
        "transport protocol, by name or number",
    ),
    entry(Opt::Timeout, Some('t'), &["timeout"], Value("seconds"), "timeout to set"),
    entry(
        Opt::Status,
        Some('u'),
        &["status"],
        Value("status[,...]"),
        "status: ASSURED, SEEN_REPLY, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, UNSET",
    ),
    entry(Opt::Zero, Some('z'), &["zero"], Nothing, "set counters to zero while listing"),
    entry(
        Opt::EventMask,
        Some('e'),
        &["event-mask"],
        Value("event[,...]"),
        "events to show: NEW, UPDATES, DESTROY, ALL",
    ),
    entry(Opt::TupleSource, Some('['), &["tuple-src"], Value("address[/mask]"), "source of what is expected"),
    entry(
        Opt::TupleDestination,
        Some(']'),
        &["tuple-dst"],
        Value("address[/mask]"),
        "destination of what is expected",
    ),
    entry(Opt::MaskSource, Some('{'), &["mask-src"], Value("mask"), "bits of the source that count"),
    entry(
        Opt::MaskDestination,
        Some('}'),
        &["mask-dst"],
        Value("mask"),
        "bits of the destination that count",
    ),
    entry(Opt::Mark, Some('m'), &["mark"], Value("mark[/mask]"), "mark to compare or to set"),
    entry(Opt::Id, Some('i'), &["id"], Value("id"), "identifier to compare"),
    entry(Opt::Family, Some('f'), &["family"], Value("family"), "ipv4 or ipv6"),
    entry(
        Opt::SourceNat,
        Some('n'),
        &["src-nat"],
        Maybe("address[:port]"),
        "connections with source NAT; for new ones, to which address",
    ),
    entry(
        Opt::DestinationNat,
        Some('g'),
        &["dst-nat"],
        Maybe("address[:port]"),
        "connections with destination NAT; for new ones, to which address",
    ),
    entry(
        Opt::Output,
        Some('o'),
        &["output"],
        Value("form[,...]"),
        "form of the output: extended, id, timestamp, ktimestamp, labels, userspace, save, xml, json",
    ),
    entry(Opt::Secmark, Some('c'), &["secmark"], Value("mark"), "security mark to compare"),
    entry(Opt::BufferSize, Some('b'), &["buffer-size"], Value("bytes"), "room for events that wait"),
    entry(
        Opt::AnyNat,
        Some('j'),
        &["any-nat"],
        Maybe("address[:port]"),
        "connections with NAT of either kind",
    ),
    entry(Opt::Zone, Some('w'), &["zone"], Value("zone"), "zone of both directions"),
    entry(Opt::Label, Some('l'), &["label"], Value("label[,...]"), "labels that must be set"),
    entry(Opt::LabelAdd, Some('<'), &["label-add"], Value("label[,...]"), "labels to set"),
    entry(
        Opt::LabelDelete,
        Some('>'),
        &["label-del"],
        Maybe("label[,...]"),
        "labels to clear; without a value, all",
    ),
    entry(Opt::OriginalZone, Some('('), &["orig-zone"], Value("zone"), "zone of the original direction"),
    entry(Opt::ReplyZone, Some(')'), &["reply-zone"], Value("zone"), "zone of the reply direction"),
    entry(Opt::NatRange, Some('a'), &["nat-range"], Value("range"), "accepted and not used"),
];

/// A set of options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given(u32);

impl Given {
    /// Adds one.
    pub fn add(&mut self, option: Opt) {
        self.0 |= 1 << option as u32;
    }

    /// Whether it is there.
    pub fn has(self, option: Opt) -> bool {
        self.0 & 1 << option as u32 != 0
    }
}

/// Which options a command takes, in the order of [`Opt`]: `.` yes, `R` must be given, `I` no.
fn row(command: Command, table: Table) -> &'static str {
    //                 sdrqptuze[]{}mifngocbjwl<>()
    match (command, table) {
        (Command::List, Table::Expect) => "IIIIIIIIIIIIIII.II.IIIIIIIII",
        (Command::List, _) => ".....I..III...I.....I...II..",
        (Command::Create, Table::Expect) => "RR..RR.IIRRRRIIIIIIIIIIIIIII",
        (Command::Create | Command::Add, _) => "....RR.IIIIII.II..IIII.I.I..",
        (Command::Update, _) => ".......IIII........IIII...II",
        (Command::Get | Command::Delete, Table::Expect) => "RR..RIIIIIIIIIIIIIIIIIIIIIII",
        (Command::Delete, _) => ".......IIII........III..II..",
        (Command::Get, _) => "....RIIIIIIIII.III.IIII.IIII",
        (Command::Flush, Table::Conntrack) => "IIIIIIIIIIIIIII.IIIIIIIIIIII",
        (Command::Event, Table::Expect) => "IIIIIIIIIIIIIIIIII.IIIIIIIII",
        (Command::Event, _) => ".....III.II...I.........II..",
        (Command::Help, _) => "IIII.IIIIIIIIIIIIIIIIIIIIIII",
        (Command::Load, _) => "............................",
        _ => "IIIIIIIIIIIIIIIIIIIIIIIIIIII",
    }
}

/// Whether a command has the options it must have and none that it does not take.
pub fn check(command: Command, table: Table, given: Given) -> Result<(), Usage> {
    for (entry, rule) in OPTIONS.iter().zip(row(command, table).chars()) {
        let [name, ..] = entry.long else { continue };
        match (rule, given.has(entry.what)) {
            ('R', false) => return Err(Usage::Missing(name)),
            ('I', true) => return Err(Usage::Illegal(name)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_the_order_of_the_options() {
        for (at, entry) in OPTIONS.iter().enumerate() {
            assert_eq!(entry.what as usize, at, "{:?}", entry.long);
        }
        for command in COMMANDS {
            for table in [Table::Conntrack, Table::Expect, Table::Dying, Table::Unconfirmed] {
                // All but the option that no command minds.
                assert_eq!(row(command.what, table).len(), OPTIONS.len() - 1, "{:?} {table:?}", command.what);
            }
        }
    }
}
