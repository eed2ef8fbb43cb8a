//! A command line as a [`Request`].

use std::net::IpAddr;

use ironweir_io::Endpoint;
use ironweir_netlink::ctnetlink::{Labels, Status, Tuple};

use super::address::{Family, NatAddress, address, address_with_mask, mask};
use super::error::Usage;
use super::labels::LabelMap;
use super::options::{self, COMMANDS, Command, Given, OPTIONS, Opt, Table};
use super::output::Output;
use super::protocol::{self, Field, Protocol};
use super::save::vtag_as_written;
use super::words::{Which, Words};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What to do; none is help.
    pub command: Option<Command>,
    /// To which table.
    pub table: Table,
    /// Which options were given.
    pub given: Given,
    /// Of which family; none: of all, or of what the addresses are.
    pub family: Option<Family>,
    /// The protocol that was named, if it has options.
    pub protocol: Option<&'static Protocol>,
    /// Original direction; for expectations the master.
    pub original: Tuple,
    /// Reply direction.
    pub reply: Tuple,
    /// What is expected.
    pub expected: Tuple,
    /// Which bits of addresses count.
    pub mask: Masks,
    /// Which ports' bits count, in an expectation.
    pub mask_ports: [Option<u16>; 2],
    /// `-n`, `-g`, `-j` with an address.
    pub nat: [Option<NatAddress>; 3],
    /// `-u`.
    pub status: Status,
    /// `-m`: value, mask.
    pub mark: (u32, u32),
    /// `-c`.
    pub secmark: u32,
    /// `-i`.
    pub id: u32,
    /// `-t`, seconds.
    pub timeout: u32,
    /// `-w`.
    pub zone: u16,
    /// `-l`.
    pub labels: Option<Labels>,
    /// `--label-add`.
    pub label_add: Option<Labels>,
    /// `--label-del`; without names, all.
    pub label_delete: Option<Option<Labels>>,
    /// `--state`.
    pub state: Option<u8>,
    /// `--orig-vtag`, `--reply-vtag`.
    pub vtags: [Option<u32>; 2],
    /// `--role`.
    pub role: Option<u8>,
    /// `-o`.
    pub output: Output,
    /// `-e`.
    pub events: Events,
    /// `-b`, bytes.
    pub room: Option<usize>,
    /// `--engine`: the kernel or a daemon.
    pub endpoint: Endpoint,
    /// `-R`.
    pub file: String,
    /// Names of labels, read when first needed.
    pub label_map: Option<LabelMap>,
    warnings: Vec<String>,
}

/// `--mask-src`, `--mask-dst`, or the prefix behind `-s`, `-d` and the tuple's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// Of the source.
    pub source: Option<IpAddr>,
    /// Of the destination.
    pub destination: Option<IpAddr>,
}

/// `-e`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Events {
    pub new: bool,
    pub update: bool,
    pub destroy: bool,
}

/// Reads a command line without the program's name. `warn` is told what to tell, in the order of the line.
pub fn parse(line: &[&str], warn: impl FnMut(&str)) -> Result<Request, Usage> {
    let mut request = Request::default();
    let read = read(&mut request, line);
    request.warnings.drain(..).as_slice().iter().map(String::as_str).for_each(warn);
    read.map(|()| request)
}

fn read(request: &mut Request, line: &[&str]) -> Result<(), Usage> {
    let mut words = Words::new(line);
    let mut fields = Vec::new();
    while let Some((which, value)) = words.read()? {
        match which {
            Which::Command(command) => request.set_command(command, value, &mut words)?,
            Which::Option(option) => {
                let value = match option {
                    // DIVERGES: conntrack passes over an address that is joined to the option (`--src-nat=ADDRESS`).
                    Opt::SourceNat | Opt::DestinationNat | Opt::AnyNat | Opt::LabelDelete => {
                        value.filter(|value| !value.is_empty()).or_else(|| words.value())
                    }
                    _ => value,
                };
                request.set(option, value.unwrap_or_default())?;
                words.protocol = request.protocol;
            }
            Which::Field(field) => {
                request.set_field(field, value.unwrap_or_default())?;
                fields.push(field);
            }
        }
    }
    // Without a command there is help, to which nothing can be said.
    options::check(request.command.unwrap_or(Command::Version), request.table, request.given)?;
    let command = *request.command.get_or_insert(Command::Help);
    request.check_addresses(command)?;
    if let Some(protocol) = request.protocol {
        protocol.check(command, request.table, |field| fields.contains(&field))?;
    }
    if request.given.has(Opt::Zero) && request.filters() {
        return Err(Usage::ZeroWithFilter);
    }
    Ok(())
}

/// A number up to `most`, decimal, or with `0x` or `0` as C writes it.
fn number(option: &'static str, word: &str, most: u64) -> Result<u64, Usage> {
    let lower = word.to_ascii_lowercase();
    let parsed = match lower.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16),
        _ if lower.starts_with('+') => "".parse::<u64>(),
        _ => match lower.strip_prefix('0') {
            Some(digits) if !digits.is_empty() && option == "mark" => u64::from_str_radix(digits, 8),
            _ => lower.parse(),
        },
    };
    // DIVERGES: conntrack takes what is no number for 0, and of a number that is too large some bits.
    parsed
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| Usage::BadNumber(option, word.to_owned(), most))
}

fn number16(option: &'static str, word: &str) -> Result<u16, Usage> {
    number(option, word, u16::MAX.into()).map(|number| number as u16)
}

fn number32(option: &'static str, word: &str) -> Result<u32, Usage> {
    number(option, word, u32::MAX.into()).map(|number| number as u32)
}

/// The first of some names that begins with a word, in any case.
pub fn by_beginning<T: Copy>(names: &[(&str, T)], word: &str) -> Result<T, Usage> {
    let begins = |name: &str| {
        !word.is_empty() && name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let found = names.iter().find(|(name, _)| begins(name));
    found.map(|(_, value)| *value).ok_or_else(|| Usage::BadWord(word.to_owned()))
}

/// Reads the words of a list; the message about one that is unknown has what follows it, too.
fn each_of(list: &str, mut read: impl FnMut(&str) -> Result<(), Usage>) -> Result<(), Usage> {
    let mut rest = list;
    loop {
        let (word, more) = rest.split_once(',').map_or((rest, None), |(word, more)| (word, Some(more)));
        read(word).map_err(|_| Usage::BadWord(rest.to_owned()))?;
        match more {
            Some(more) => rest = more,
            None => return Ok(()),
        }
    }
}

const STATUS: [(&str, Status); 9] = [
    ("ASSURED", Status::ASSURED),
    ("SEEN_REPLY", Status::SEEN_REPLY),
    ("UNSET", Status(0)),
    ("FIXED_TIMEOUT", Status::FIXED_TIMEOUT),
    ("EXPECTED", Status::EXPECTED),
    ("OFFLOAD", Status::OFFLOAD),
    ("HW_OFFLOAD", Status::HW_OFFLOAD),
    ("SRC_NAT", Status::SRC_NAT),
    ("DST_NAT", Status::DST_NAT),
];

const EVENTS: [(&str, [bool; 3]); 4] = [
    ("ALL", [true; 3]),
    ("NEW", [true, false, false]),
    ("UPDATES", [false, true, false]),
    ("DESTROY", [false, false, true]),
];

impl Request {
    fn set_command(
        &mut self,
        command: Command,
        value: Option<&str>,
        words: &mut Words<'_>,
    ) -> Result<(), Usage> {
        let second = self.command.replace(command).is_some();
        if second && matches!(command, Command::Version | Command::Help | Command::Load) {
            return Err(Usage::SecondCommand);
        }
        match command {
            Command::Version | Command::Help => return Ok(()),
            Command::Load => {
                self.file = value.unwrap_or_default().to_owned();
                return Ok(());
            }
            _ => {}
        }
        // A value behind `=` or glued to the letter names no table.
        if value.is_none()
            && let Some(word) = words.value()
        {
            self.table = Table::of(word)?;
        }
        if second {
            return Err(Usage::SecondCommand);
        }
        match (self.table, command) {
            (Table::Dying | Table::Unconfirmed, Command::List) | (Table::Conntrack, _) => Ok(()),
            (Table::Dying | Table::Unconfirmed, _) => Err(Usage::NotOnThatTable),
            (Table::Expect, Command::Update | Command::Add) => {
                let name = COMMANDS.iter().find(|entry| entry.what == command).and_then(|e| e.long.first());
                Err(Usage::NotOnExpectations(name.copied().unwrap_or_default()))
            }
            (Table::Expect, _) => Ok(()),
        }
    }

    fn set(&mut self, option: Opt, value: &str) -> Result<(), Usage> {
        let name =
            OPTIONS.get(option as usize).and_then(|entry| entry.long.first()).copied().unwrap_or_default();
        self.given.add(option);
        match option {
            Opt::Source => {
                let (address, mask) = self.address_with_mask(value)?;
                self.original.source = Some(address);
                self.set_mask(Opt::MaskSource, mask);
            }
            Opt::Destination => {
                let (address, mask) = self.address_with_mask(value)?;
                self.original.destination = Some(address);
                self.set_mask(Opt::MaskDestination, mask);
            }
            Opt::TupleSource => {
                let (address, mask) = self.address_with_mask(value)?;
                self.expected.source = Some(address);
                self.set_mask(Opt::MaskSource, mask);
            }
            Opt::TupleDestination => {
                let (address, mask) = self.address_with_mask(value)?;
                self.expected.destination = Some(address);
                self.set_mask(Opt::MaskDestination, mask);
            }
            Opt::ReplySource => self.reply.source = Some(self.address(name, value)?),
            Opt::ReplyDestination => self.reply.destination = Some(self.address(name, value)?),
            Opt::MaskSource => self.mask.source = Some(self.own_mask(name, value)?),
            Opt::MaskDestination => self.mask.destination = Some(self.own_mask(name, value)?),
            Opt::Protocol => {
                let (number, protocol) = protocol::of(value)?;
                self.original.protocol = Some(number);
                self.protocol = protocol;
            }
            Opt::Family => self.set_family(Family::of(value)?)?,
            Opt::Timeout => self.timeout = number32(name, value)?,
            Opt::Secmark => self.secmark = number32(name, value)?,
            Opt::Id => self.id = number32(name, value)?,
            Opt::Mark => {
                let (value, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
                self.mark = (number32(name, value)?, number32(name, mask)?);
            }
            Opt::Zone => self.zone = number16(name, value)?,
            Opt::OriginalZone => self.original.zone = Some(number16(name, value)?),
            Opt::ReplyZone => self.reply.zone = Some(number16(name, value)?),
            Opt::BufferSize => self.room = Some(number32(name, value)? as usize),
            Opt::Status => self.set_status(value)?,
            Opt::EventMask => {
                each_of(value, |word| {
                    let [new, update, destroy] = by_beginning(&EVENTS, word)?;
                    self.events.new |= new;
                    self.events.update |= update;
                    self.events.destroy |= destroy;
                    Ok(())
                })?;
            }
            Opt::Output => {
                each_of(value, |word| self.output.add(word))?;
            }
            Opt::SourceNat => self.set_nat(0, value)?,
            Opt::DestinationNat => self.set_nat(1, value)?,
            Opt::AnyNat => self.set_nat(2, value)?,
            Opt::Label => self.labels = Some(merge(self.labels, self.label_map().bits(value)?)),
            Opt::LabelAdd => self.label_add = Some(merge(self.label_add, self.label_map().bits(value)?)),
            Opt::LabelDelete if value.is_empty() => self.label_delete = Some(None),
            Opt::LabelDelete => {
                let before = self.label_delete.flatten();
                self.label_delete = Some(Some(merge(before, self.label_map().bits(value)?)));
            }
            Opt::NatRange => self.warnings.push("WARNING: ignoring -a, deprecated option.".to_owned()),
            Opt::Zero => {}
        }
        Ok(())
    }

    fn set_field(&mut self, field: Field, value: &str) -> Result<(), Usage> {
        let Some(protocol) = self.protocol else { return Ok(()) };
        let entry = protocol.options.iter().find(|entry| entry.what == field);
        let name = entry.and_then(|entry| entry.long.first()).copied().unwrap_or_default();
        let port = || number16(name, value).map(Some);
        let byte = || number(name, value, u8::MAX.into()).map(|number| Some(number as u8));
        match field {
            Field::SourcePort => self.original.source_port = port()?,
            Field::DestinationPort => self.original.destination_port = port()?,
            Field::ReplySourcePort => self.reply.source_port = port()?,
            Field::ReplyDestinationPort => self.reply.destination_port = port()?,
            Field::MaskSourcePort => self.mask_ports[0] = port()?,
            Field::MaskDestinationPort => self.mask_ports[1] = port()?,
            Field::TupleSourcePort => self.expected.source_port = port()?,
            Field::TupleDestinationPort => self.expected.destination_port = port()?,
            Field::State => self.state = Some(protocol.state(value)?),
            Field::OriginalVtag => self.vtags[0] = Some(vtag_as_written(number32(name, value)?)),
            Field::ReplyVtag => self.vtags[1] = Some(vtag_as_written(number32(name, value)?)),
            Field::Role => {
                let roles = [("client", 0), ("server", 1)];
                let role = roles.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
                self.role = Some(role.ok_or_else(|| Usage::UnknownRole(value.to_owned()))?.1);
            }
            Field::IcmpType => self.original.icmp_type = byte()?,
            Field::IcmpCode => self.original.icmp_code = byte()?,
            Field::IcmpId => self.original.icmp_id = port()?,
        }
        Ok(())
    }

    fn set_family(&mut self, family: Family) -> Result<(), Usage> {
        match self.family.replace(family) {
            Some(before) if before != family => Err(Usage::MixedFamilies),
            _ => Ok(()),
        }
    }

    fn address(&mut self, name: &'static str, word: &str) -> Result<IpAddr, Usage> {
        if word.contains('/') {
            return Err(Usage::NoPrefix(name));
        }
        let address = address(word)?;
        self.set_family(Family::of_address(address))?;
        Ok(address)
    }

    fn address_with_mask(&mut self, word: &str) -> Result<(IpAddr, Option<IpAddr>), Usage> {
        let (address, mask) = address_with_mask(word)?;
        self.set_family(Family::of_address(address))?;
        Ok((address, mask))
    }

    fn own_mask(&mut self, name: &'static str, word: &str) -> Result<IpAddr, Usage> {
        let mask = mask(name, word)?;
        self.set_family(Family::of_address(mask))?;
        Ok(mask)
    }

    fn set_mask(&mut self, option: Opt, mask: Option<IpAddr>) {
        let Some(mask) = mask else { return };
        self.given.add(option);
        match option {
            Opt::MaskSource => self.mask.source = Some(mask),
            _ => self.mask.destination = Some(mask),
        }
    }

    fn set_nat(&mut self, kind: usize, word: &str) -> Result<(), Usage> {
        let either = self.given.has(Opt::SourceNat) || self.given.has(Opt::DestinationNat);
        if either && self.given.has(Opt::AnyNat) {
            return Err(Usage::NatBothWays);
        }
        if word.is_empty() {
            return Ok(());
        }
        let nat = NatAddress::of(word)?;
        self.set_family(Family::of_address(nat.address))?;
        if let Some(place) = self.nat.get_mut(kind) {
            *place = Some(nat);
        }
        Ok(())
    }

    fn set_status(&mut self, list: &str) -> Result<(), Usage> {
        each_of(list, |word| {
            let status = by_beginning(&STATUS, word)?;
            let nat = [(Status::SRC_NAT, "SRC_NAT", "--src-nat"), (Status::DST_NAT, "DST_NAT", "--dst-nat")];
            match nat.iter().find(|(known, ..)| *known == status) {
                Some((_, name, option)) => {
                    self.warnings.push(format!("WARNING: ignoring {name}, use {option} instead"));
                }
                None => self.status = self.status | status,
            }
            Ok(())
        })
    }

    /// Names of labels; a file that is not there is told, and then no name is known.
    pub fn label_map(&mut self) -> &LabelMap {
        if self.label_map.is_none() {
            let map = LabelMap::load().unwrap_or_else(|error| {
                let error = error.kind();
                self.warnings.push(format!("connlabel.conf: {error}"));
                LabelMap::default()
            });
            self.label_map = Some(map);
        }
        self.label_map.get_or_insert_default()
    }

    fn check_addresses(&self, command: Command) -> Result<(), Usage> {
        if self.table != Table::Conntrack {
            return Ok(());
        }
        let has = |option| self.given.has(option);
        for (mask, of, names) in [
            (Opt::MaskSource, Opt::Source, ("mask-src", "src")),
            (Opt::MaskDestination, Opt::Destination, ("mask-dst", "dst")),
        ] {
            if has(mask) && !has(of) {
                return Err(Usage::Without(names.0, names.1));
            }
        }
        if !matches!(command, Command::Create | Command::Add | Command::Get) {
            return Ok(());
        }
        protocol::pairs(
            [[has(Opt::Source), has(Opt::Destination)], [has(Opt::ReplySource), has(Opt::ReplyDestination)]],
            ("src", "dst"),
            ("reply-src", "reply-dst"),
        )
    }

    /// Whether it asks for some connections only, by more than family and NAT.
    fn filters(&self) -> bool {
        use Opt::*;
        [
            Source,
            Destination,
            ReplySource,
            ReplyDestination,
            Protocol,
            Status,
            Mark,
            Secmark,
            Id,
            Zone,
            Label,
            OriginalZone,
            ReplyZone,
        ]
        .into_iter()
        .any(|option| self.given.has(option))
    }
}

/// The labels of both.
fn merge(before: Option<Labels>, mut labels: Labels) -> Labels {
    for bit in before.iter().flat_map(Labels::bits) {
        labels.insert(bit);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Request, Usage> {
        parse(&line.split_ascii_whitespace().collect::<Vec<_>>(), |_| {})
    }

    #[test]
    fn a_command_line_is_read() {
        let request =
            of("-D -s 1.1.0.0/16 -p tcp --dport 80 -m 0x10/0xff --state ESTABLISHED -n 5.5.5.5:99").unwrap();
        assert_eq!(request.command, Some(Command::Delete));
        assert_eq!(request.family, Some(Family::Ipv4));
        assert_eq!(request.mask.source, "255.255.0.0".parse().ok());
        assert_eq!(request.original.destination_port, Some(80));
        assert_eq!((request.mark, request.state), ((16, 255), Some(3)));
        assert_eq!(request.nat[0].map(|nat| nat.port), Some(Some(99)));
        assert_eq!(of("").unwrap().command, Some(Command::Help));
    }

    /// The messages are those of conntrack 1.4.7.
    #[test]
    fn what_cannot_be_meant_is_refused_in_the_stock_tools_words() {
        let cases = [
            ("-L -D", "Invalid commands combination"),
            ("-L foo", "unknown type `foo'"),
            ("-L dying -D", "Invalid commands combination"),
            ("-D dying", "Can't do that command with tables `dying' and `unconfirmed'"),
            ("-U expect", "Can't do --update on expectations"),
            ("-L -t 5", "Illegal option `--timeout' with this command"),
            ("-I", "You need to supply the `--protonum' option for this command"),
            ("-I -p tcp -t 5", "you have to specify `--src' and `--dst'"),
            ("-I -p tcp -t 5 -r 1.1.1.1", "you have to specify `--reply-src' and `--reply-dst'"),
            (
                "-I -t 5 -s 1.1.1.1 -d 1.1.1.2 -p tcp",
                "You need to supply the `--state' option for this command",
            ),
            ("-I -t 5 -s 1.1.1.1 -d 1.1.1.2 -p gre", "you have to specify `--srckey' and `--dstkey'"),
            ("-L -s 1.1.1.1 -d fe80::1", "mismatched address family"),
            ("-L --mask-src 255.0.0.0", "Can't use --mask-src without --src"),
            ("-L -z -p udp", "Can't use -z with filtering parameters"),
            ("-L -p tcp --state foo", "unknown TCP state `foo'"),
            ("-L --sport 1", "unknown option `--sport'"),
            ("-L -o foo", "Bad parameter `foo'"),
        ];
        for (line, message) in cases {
            assert_eq!(of(line).unwrap_err().to_string(), message, "{line}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        for line in [
            "-L -m x",
            "-L -m 5/",
            "-L -w 70000",
            "-L -p udp --dport 70000",
            "-L -p udp --dport +1",
            "-L -w -1",
        ] {
            assert!(matches!(of(line), Err(Usage::BadNumber(..))), "{line}");
        }
        assert_eq!(of("-L -m 0x4D").unwrap().mark, (77, u32::MAX));
        assert_eq!(of("-L -p udp --dport 02").unwrap().original.destination_port, Some(2));
    }
}
