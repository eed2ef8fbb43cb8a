//! SCTP chunks.

use super::{Field, field};
use crate::datatype::Type::*;

/// A chunk.
#[derive(Clone, Copy, Debug)]
pub struct SctpChunk {
    /// The word for it.
    pub name: &'static str,
    /// Its type byte.
    pub number: u8,
    /// Its fields.
    pub fields: &'static [Field],
}

impl SctpChunk {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// From the word nft uses.
pub fn sctp_chunk_by_name(name: &str) -> Option<&'static SctpChunk> {
    CHUNKS.iter().find(|chunk| chunk.name == name)
}

/// From its type byte.
pub fn sctp_chunk_by_number(number: u8) -> Option<&'static SctpChunk> {
    CHUNKS.iter().find(|chunk| chunk.number == number)
}

const TYPE: Field = field("type", Integer, 0, 8);
const FLAGS: Field = field("flags", Integer, 8, 8);
const LENGTH: Field = field("length", Integer, 16, 16);
const COMMON: &[Field] = &[TYPE, FLAGS, LENGTH];
const CUM_TSN_ACK: Field = field("cum-tsn-ack", Integer, 32, 32);

const INIT: &[Field] = &[
    TYPE,
    FLAGS,
    LENGTH,
    field("init-tag", Integer, 32, 32),
    field("a-rwnd", Integer, 64, 32),
    field("num-outbound-streams", Integer, 96, 16),
    field("num-inbound-streams", Integer, 112, 16),
    field("initial-tsn", Integer, 128, 32),
];

const LOWEST_TSN: &[Field] = &[TYPE, FLAGS, LENGTH, field("lowest-tsn", Integer, 32, 32)];

const CHUNKS: &[SctpChunk] = &[
    SctpChunk {
        name: "data",
        number: 0,
        fields: &[
            TYPE,
            FLAGS,
            LENGTH,
            field("tsn", Integer, 32, 32),
            field("stream", Integer, 64, 16),
            field("ssn", Integer, 80, 16),
            field("ppid", Integer, 96, 32),
        ],
    },
    SctpChunk { name: "init", number: 1, fields: INIT },
    SctpChunk { name: "init-ack", number: 2, fields: INIT },
    SctpChunk {
        name: "sack",
        number: 3,
        fields: &[
            TYPE,
            FLAGS,
            LENGTH,
            CUM_TSN_ACK,
            field("a-rwnd", Integer, 64, 32),
            field("num-gap-ack-blocks", Integer, 96, 16),
            field("num-dup-tsns", Integer, 112, 16),
        ],
    },
    SctpChunk { name: "heartbeat", number: 4, fields: COMMON },
    SctpChunk { name: "heartbeat-ack", number: 5, fields: COMMON },
    SctpChunk { name: "abort", number: 6, fields: COMMON },
    SctpChunk { name: "shutdown", number: 7, fields: &[TYPE, FLAGS, LENGTH, CUM_TSN_ACK] },
    SctpChunk { name: "shutdown-ack", number: 8, fields: COMMON },
    SctpChunk { name: "error", number: 9, fields: COMMON },
    SctpChunk { name: "cookie-echo", number: 10, fields: COMMON },
    SctpChunk { name: "cookie-ack", number: 11, fields: COMMON },
    SctpChunk { name: "ecne", number: 12, fields: LOWEST_TSN },
    SctpChunk { name: "cwr", number: 13, fields: LOWEST_TSN },
    SctpChunk { name: "shutdown-complete", number: 14, fields: COMMON },
    SctpChunk {
        name: "asconf-ack",
        number: 0x80,
        fields: &[TYPE, FLAGS, LENGTH, field("seqno", Integer, 32, 32)],
    },
    SctpChunk {
        name: "forward-tsn",
        number: 0xc0,
        fields: &[TYPE, FLAGS, LENGTH, field("new-cum-tsn", Integer, 32, 32)],
    },
    SctpChunk {
        name: "asconf",
        number: 0xc1,
        fields: &[TYPE, FLAGS, LENGTH, field("seqno", Integer, 32, 32)],
    },
];
