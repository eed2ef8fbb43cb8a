//! What a daemon tells beside all that the kernel would: why packets ended. One subsystem of its own, of a number that the
//! kernel's nfnetlink does not have and answers with `EINVAL`.
//!
//! A request ([`message::STATISTICS`], with `NLM_F_ACK`) is answered by messages of the same type, each with what one
//! [`Statistic`] says, and an acknowledgement.

use crate::{Attributes, DecodeError, Writer};

/// Of messages that only a daemon knows.
pub const SUBSYSTEM: u8 = 0x80;

/// Messages of [`SUBSYSTEM`].
pub mod message {
    /// Asks for statistics; tells them.
    pub const STATISTICS: u8 = 0;
}

/// One thing that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Packets that ended for a reason.
    Drops {
        /// One word for it: `rule`, `policy`, `no-route` ...
        reason: Box<str>,
        /// How many.
        packets: u64,
    },
    /// What a base chain's policy decided.
    Policy {
        /// `NFPROTO_*` of its table.
        family: u8,
        /// Its table.
        table: Box<str>,
        /// Its name.
        chain: Box<str>,
        /// It drops.
        drops: bool,
        /// How many packets.
        packets: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// How many connections there are, and the most.
    Connections {
        /// Now.
        now: u64,
        /// The most.
        most: u64,
    },
}

impl Statistic {
    /// Puts its attributes.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Statistic::Drops { reason, packets } => writer.nest(DROPS, |writer| {
                writer.put_str(NAME, reason);
                writer.put_u64_be(COUNT, *packets);
            }),
            Statistic::Policy { family, table, chain, drops, packets, bytes } => {
                writer.nest(POLICY, |writer| {
                    writer.put_u8(FAMILY, *family);
                    writer.put_str(TABLE, table);
                    writer.put_str(NAME, chain);
                    writer.put_u8(IS_DROP, u8::from(*drops));
                    writer.put_u64_be(COUNT, *packets);
                    writer.put_u64_be(BYTES, *bytes);
                });
            }
            Statistic::Connections { now, most } => writer.nest(CONNECTIONS, |writer| {
                writer.put_u64_be(COUNT, *now);
                writer.put_u64_be(MOST, *most);
            }),
        }
    }

    /// Reads what a message says; `None` of a newer daemon's.
    ///
    /// # Errors
    /// An attribute is cut off, is missing, or is not what it should be.
    pub fn decode(attributes: Attributes<'_>) -> Result<Option<Statistic>, DecodeError> {
        for attribute in attributes {
            let attribute = attribute?;
            let inner = attribute.nested();
            let count = |kind| inner.require(kind)?.u64_be();
            let name = |kind| Ok::<Box<str>, DecodeError>(inner.require(kind)?.str()?.into());
            return Ok(Some(match attribute.kind {
                DROPS => Statistic::Drops { reason: name(NAME)?, packets: count(COUNT)? },
                POLICY => Statistic::Policy {
                    family: inner.require(FAMILY)?.u8()?,
                    table: name(TABLE)?,
                    chain: name(NAME)?,
                    drops: inner.require(IS_DROP)?.u8()? != 0,
                    packets: count(COUNT)?,
                    bytes: count(BYTES)?,
                },
                CONNECTIONS => Statistic::Connections { now: count(COUNT)?, most: count(MOST)? },
                _ => continue,
            }));
        }
        Ok(None)
    }
}

/// A nest: packets that ended for a reason.
const DROPS: u16 = 1;
/// A nest: what a policy decided.
const POLICY: u16 = 2;
/// A nest: connections.
const CONNECTIONS: u16 = 3;

/// A string: a reason, or a chain.
const NAME: u16 = 1;
/// 8 bytes in network order: packets, or connections.
const COUNT: u16 = 2;
/// 8 bytes in network order.
const BYTES: u16 = 3;
/// A byte.
const FAMILY: u16 = 4;
/// A string.
const TABLE: u16 = 5;
/// A byte, not 0 for a policy that drops.
const IS_DROP: u16 = 6;
/// 8 bytes in network order.
const MOST: u16 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_written_and_read_alike() {
        let all = [
            Statistic::Drops { reason: "no-route".into(), packets: 7 },
            Statistic::Policy {
                family: 1,
                table: "t".into(),
                chain: "c".into(),
                drops: true,
                packets: 1 << 40,
                bytes: 2,
            },
            Statistic::Connections { now: 3, most: 262_144 },
        ];
        for statistic in all {
            let mut bytes = Vec::new();
            statistic.encode(&mut Writer::new(&mut bytes));
            assert_eq!(Statistic::decode(Attributes::new(&bytes)), Ok(Some(statistic)));
            for end in 0..bytes.len() {
                let _ = Statistic::decode(Attributes::new(&bytes[..end]));
            }
        }
    }
}
