//! Transport protocols: their options, which commands take them, and the names of their states.

use super::error::Usage;
use super::options::{Command, Entry, Table, Takes};

/// What an option of a protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Field {
    SourcePort,
    DestinationPort,
    ReplySourcePort,
    ReplyDestinationPort,
    MaskSourcePort,
    MaskDestinationPort,
    TupleSourcePort,
    TupleDestinationPort,
    State,
    OriginalVtag,
    ReplyVtag,
    Role,
    IcmpType,
    IcmpCode,
    IcmpId,
}

/// A transport protocol that has options of its own.
#[derive(Debug)]
pub struct Protocol {
    /// Its name here.
    pub name: &'static str,
    /// Its number.
    pub number: u8,
    /// Its options, in the order in which they are checked.
    pub options: &'static [Entry<Field>],
    /// Which commands take them, as [`super::options::check`] reads a row: list and event, create, update, get, delete,
    /// create an expectation, get or delete one.
    rows: [&'static str; 7],
    /// Names of its states from 0 on.
    pub states: &'static [&'static str],
    /// How a message about an unknown state begins.
    title: &'static str,
}

const fn value(
    what: Field,
    long: &'static [&'static str],
    takes: &'static str,
    text: &'static str,
) -> Entry<Field> {
    Entry { what, short: None, long, takes: Takes::Value(takes), text }
}

macro_rules! with_ports {
    ($($more:expr),* $(; $($last:expr),*)?) => {
        &[
            value(Field::SourcePort, &["sport", "orig-port-src"], "port", "source port of the original direction"),
            value(Field::DestinationPort, &["dport", "orig-port-dst"], "port", "destination port of the original direction"),
            value(Field::ReplySourcePort, &["reply-port-src"], "port", "source port of the reply direction"),
            value(Field::ReplyDestinationPort, &["reply-port-dst"], "port", "destination port of the reply direction"),
            value(Field::MaskSourcePort, &["mask-port-src"], "mask", "bits of an expectation's source port that count"),
            value(Field::MaskDestinationPort, &["mask-port-dst"], "mask", "bits of an expectation's destination port that count"),
            $($more,)*
            value(Field::TupleSourcePort, &["tuple-port-src"], "port", "source port of what is expected"),
            value(Field::TupleDestinationPort, &["tuple-port-dst"], "port", "destination port of what is expected"),
            $($($last,)*)?
        ]
    };
}

const STATE: Entry<Field> = value(Field::State, &["state"], "state", "state of the connection");
const PORT_ROWS: [&str; 7] =
    ["....IIII", "....IIII", "....IIII", "....IIII", "....IIII", "RRIIRRRR", "RRRRIIII"];

/// States of a TCP connection (`enum tcp_conntrack`, `linux/netfilter/nf_conntrack_tcp.h`).
pub const TCP_STATES: &[&str] = &[
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

/// States of an SCTP association (`enum sctp_conntrack`, `linux/netfilter/nf_conntrack_sctp.h`).
pub const SCTP_STATES: &[&str] = &[
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];

/// States of a DCCP connection (`enum ct_dccp_states`).
pub const DCCP_STATES: &[&str] = &[
    "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID",
];

/// Protocols with options.
pub const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "tcp",
        number: 6,
        options: with_ports!(STATE),
        rows: ["....II.II", "....IIRII", "....II.II", "....II.II", "....II.II", "RRIIRRIRR", "RRRRIIIII"],
        states: TCP_STATES,
        title: "unknown TCP",
    },
    Protocol { name: "udp", number: 17, options: with_ports!(), rows: PORT_ROWS, states: &[], title: "UDP" },
    Protocol {
        name: "udplite",
        number: 136,
        options: with_ports!(),
        rows: PORT_ROWS,
        states: &[],
        title: "UDPlite",
    },
    Protocol {
        name: "sctp",
        number: 132,
        options: with_ports!(STATE;
            value(Field::OriginalVtag, &["orig-vtag"], "tag", "verification tag of the original direction"),
            value(Field::ReplyVtag, &["reply-vtag"], "tag", "verification tag of the reply direction")),
        rows: [
            "....II.IIII",
            "....IIRIIRR",
            "....II.II..",
            "....II.II..",
            "....II.IIII",
            "RRIIRRIRRRR",
            "RRRRIIIIIII",
        ],
        states: SCTP_STATES,
        title: "unknown SCTP",
    },
    Protocol {
        name: "dccp",
        number: 33,
        options: with_ports!(STATE;
            value(Field::Role, &["role"], "role", "whose is the original direction: client or server")),
        rows: [
            "....II.III",
            "....IIRIIR",
            "....II.III",
            "....II.III",
            "....II.III",
            "RRIIRRIRRR",
            "RRRRIIIIII",
        ],
        states: DCCP_STATES,
        title: "Unknown DCCP",
    },
    Protocol {
        name: "gre",
        number: 47,
        options: &[
            value(
                Field::SourcePort,
                &["srckey", "orig-key-src"],
                "key",
                "source key of the original direction",
            ),
            value(
                Field::DestinationPort,
                &["dstkey", "orig-key-dst"],
                "key",
                "destination key of the original direction",
            ),
            value(Field::ReplySourcePort, &["reply-key-src"], "key", "source key of the reply direction"),
            value(
                Field::ReplyDestinationPort,
                &["reply-key-dst"],
                "key",
                "destination key of the reply direction",
            ),
            value(
                Field::MaskSourcePort,
                &["mask-key-src"],
                "mask",
                "bits of an expectation's source key that count",
            ),
            value(
                Field::MaskDestinationPort,
                &["mask-key-dst"],
                "mask",
                "bits of an expectation's destination key that count",
            ),
            value(Field::TupleSourcePort, &["tuple-key-src"], "key", "source key of what is expected"),
            value(
                Field::TupleDestinationPort,
                &["tuple-key-dst"],
                "key",
                "destination key of what is expected",
            ),
        ],
        rows: ["....IIII", "....IIII", "....IIII", "....IIII", "....IIII", "RRRRRRRR", "RRRRIIII"],
        states: &[],
        title: "GRE",
    },
    Protocol {
        name: "icmp",
        number: 1,
        options: &[
            value(Field::IcmpType, &["icmp-type"], "type", "type, as a number"),
            value(Field::IcmpCode, &["icmp-code"], "code", "code, as a number"),
            value(Field::IcmpId, &["icmp-id"], "id", "identifier of a query"),
        ],
        rows: ["...", "RR.", "...", "RR.", "...", "III", "III"],
        states: &[],
        title: "ICMP",
    },
    Protocol {
        name: "icmpv6",
        number: 58,
        options: &[
            value(Field::IcmpType, &["icmpv6-type"], "type", "type, as a number"),
            value(Field::IcmpCode, &["icmpv6-code"], "code", "code, as a number"),
            value(Field::IcmpId, &["icmpv6-id"], "id", "identifier of a query"),
        ],
        rows: ["...", "RR.", "...", "RR.", "...", "III", "III"],
        states: &[],
        title: "ICMPv6",
    },
];

/// The name that listings give a protocol; `unknown` for those without options.
pub fn name(number: u8) -> &'static str {
    PROTOCOLS.iter().find(|p| p.number == number).map_or("unknown", |p| p.name)
}

/// Whether tuples of a protocol have ports: TCP, UDP, DCCP, SCTP and UDP-Lite.
pub fn has_ports(number: Option<u8>) -> bool {
    matches!(number, Some(6 | 17 | 33 | 132 | 136))
}

/// A protocol by name or number: its number, and its options if it has any. Other names are looked up in
/// `/etc/protocols`.
pub fn of(word: &str) -> Result<(u8, Option<&'static Protocol>), Usage> {
    let by_number = |number: u8| (number, PROTOCOLS.iter().find(|p| p.number == number));
    if let Some(protocol) = PROTOCOLS.iter().find(|p| p.name.eq_ignore_ascii_case(word)) {
        return Ok((protocol.number, Some(protocol)));
    }
    if let Ok(number) = word.parse() {
        return Ok(by_number(number));
    }
    let file = std::fs::read_to_string("/etc/protocols").unwrap_or_default();
    let number = file.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let (name, number) = (words.next()?, words.next()?);
        (name == word || words.any(|alias| alias == word)).then(|| number.parse().ok())?
    });
    number.map(by_number).ok_or_else(|| Usage::UnknownProtocol(word.to_owned()))
}

impl Protocol {
    /// A state by name.
    pub fn state(&self, word: &str) -> Result<u8, Usage> {
        let found = self.states.iter().position(|name| name.eq_ignore_ascii_case(word)).or(
            match (self.number, word) {
                // Its former name.
                (6, "LISTEN") => Some(9),
                _ => None,
            },
        );
        found
            .and_then(|at| u8::try_from(at).ok())
            .ok_or_else(|| Usage::UnknownState(self.title, word.to_owned()))
    }

    /// Whether a command has the options it must have and none that it does not take.
    pub fn check(&self, command: Command, table: Table, given: impl Fn(Field) -> bool) -> Result<(), Usage> {
        let [list, create, update, get, delete, create_expectation, one_expectation] = self.rows;
        let row = match (command, table) {
            (Command::Create, Table::Expect) => create_expectation,
            (Command::Get | Command::Delete, Table::Expect) => one_expectation,
            (Command::List | Command::Event, _) => list,
            (Command::Create | Command::Add, _) => create,
            (Command::Update, _) => update,
            (Command::Get, _) => get,
            (Command::Delete, _) => delete,
            _ => return Ok(()),
        };
        for (entry, rule) in self.options.iter().zip(row.chars()) {
            let [name, ..] = entry.long else { continue };
            match (rule, given(entry.what)) {
                ('R', false) => return Err(Usage::Missing(name)),
                ('I', true) => return Err(Usage::Illegal(name)),
                _ => {}
            }
        }
        let one =
            matches!(command, Command::Create | Command::Add | Command::Get) && table == Table::Conntrack;
        if !one || !self.options.iter().any(|entry| entry.what == Field::SourcePort) {
            return Ok(());
        }
        let [original, reply] = match self.number {
            47 => [("srckey", "dstkey"), ("reply-src-key", "reply-dst-key")],
            _ => [("sport", "dport"), ("reply-src-port", "reply-dst-port")],
        };
        let has = [
            [Field::SourcePort, Field::DestinationPort],
            [Field::ReplySourcePort, Field::ReplyDestinationPort],
        ];
        pairs(has.map(|pair| pair.map(&given)), original, reply)
    }
}

/// Of two pairs, original and reply, one must be there whole; the message is about the one that was begun.
pub fn pairs(
    [original, reply]: [[bool; 2]; 2],
    original_names: (&'static str, &'static str),
    reply_names: (&'static str, &'static str),
) -> Result<(), Usage> {
    if original == [true; 2] || reply == [true; 2] {
        return Ok(());
    }
    let (one, other) = match (original, reply) {
        ([false, false], [false, true] | [true, false]) => reply_names,
        _ => original_names,
    };
    Err(Usage::MissingPair(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_rule_for_every_option() {
        for protocol in PROTOCOLS {
            for row in protocol.rows {
                assert_eq!(row.len(), protocol.options.len(), "{}", protocol.name);
            }
        }
    }

    #[test]
    fn protocols_are_known_by_name_number_and_in_any_case() {
        assert_eq!(of("TCP").unwrap().0, 6);
        assert_eq!(of("47").unwrap().1.unwrap().name, "gre");
        assert_eq!(of("50").unwrap().0, 50);
        assert_eq!(of("nonsense").unwrap_err(), Usage::UnknownProtocol("nonsense".to_owned()));
    }
}
