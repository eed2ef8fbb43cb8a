//! `log`: tells of the packet (`nft_log.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_flags};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, when};
use crate::{Env, Outcome, Registers};

/// Writes a line to the kernel's log, or sends the packet's head to an nflog group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// What the line begins with, at most 127 bytes (`NFTA_LOG_PREFIX`).
    pub prefix: Option<Box<str>>,
    /// Where it goes.
    pub to: Destination,
}

/// Where a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The kernel's log.
    Syslog {
        /// 0 to 7, or 8 for audit; `None` is warn, 4 (`NFTA_LOG_LEVEL`).
        level: Option<u32>,
        /// `NF_LOG_TCPSEQ` 1, `NF_LOG_TCPOPT` 2, `NF_LOG_IPOPT` 4, `NF_LOG_UID` 8, `NF_LOG_MACDECODE` 32.
        flags: u32,
    },
    /// Listeners of nfnetlink_log.
    Group {
        /// `NFTA_LOG_GROUP`.
        group: u16,
        /// How many bytes of the packet (`NFTA_LOG_SNAPLEN`).
        snaplen: Option<u32>,
        /// How many packets make one message (`NFTA_LOG_QTHRESHOLD`).
        queue_threshold: Option<u16>,
    },
}

impl Default for Destination {
    fn default() -> Self {
        Destination::Syslog { level: None, flags: 0 }
    }
}

impl Expression for Log {
    const NAME: &'static str = "log";
    const HIGHEST: u16 = FLAGS;

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        env.log(self, packet);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("log")?;
        self.prefix.iter().try_for_each(|prefix| write!(f, " prefix {prefix}"))?;
        match self.to {
            Destination::Syslog { level, flags } => {
                level.iter().try_for_each(|level| write!(f, " level {level}"))?;
                [(1, "tcpseq"), (2, "tcpopt"), (4, "ipopt"), (8, "uid"), (32, "macdecode")]
                    .iter()
                    .filter(|(flag, _)| flags & flag != 0)
                    .try_for_each(|(_, word)| write!(f, " {word}"))
            }
            Destination::Group { group, snaplen, queue_threshold } => {
                let (snaplen, threshold) = (snaplen.unwrap_or(0), queue_threshold.unwrap_or(0));
                write!(f, " group {group} snaplen {snaplen} qthreshold {threshold}")
            }
        }
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        let long = self.prefix.as_ref().is_some_and(|prefix| prefix.len() > 127);
        when(long, "a log prefix of more than 127 bytes")?;
        let audit = matches!(self.to, Destination::Syslog { level: Some(9..), .. });
        when(audit, "a log level above 8")
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.prefix.iter().for_each(|prefix| writer.put_str(PREFIX, prefix));
        match self.to {
            Destination::Syslog { level, flags } => {
                level.iter().for_each(|level| writer.put_u32_be(LEVEL, *level));
                put_flags(writer, FLAGS, flags);
            }
            Destination::Group { group, snaplen, queue_threshold } => {
                writer.put_u16_be(GROUP, group);
                snaplen.iter().for_each(|snaplen| writer.put_u32_be(SNAPLEN, *snaplen));
                queue_threshold.iter().for_each(|count| writer.put_u16_be(QTHRESHOLD, *count));
            }
        }
    }

    fn decode(given: &Given<'_>) -> Result<Log, Fault> {
        let to = match given.option(GROUP, Attribute::u16_be)? {
            Some(group) => {
                // `nft_log_init`: a group has no level, and flags stand beside a level alone.
                given.refuse(LEVEL)?;
                given.refuse(FLAGS)?;
                Destination::Group {
                    group,
                    snaplen: given.option(SNAPLEN, Attribute::u32_be)?,
                    queue_threshold: given.option(QTHRESHOLD, Attribute::u16_be)?,
                }
            }
            None => Destination::Syslog {
                level: given.option(LEVEL, Attribute::u32_be)?,
                flags: given.u32_or_0(FLAGS)?,
            },
        };
        Ok(Log { prefix: given.has(PREFIX).then(|| given.string(PREFIX)).transpose()?, to })
    }
}

/// `NFTA_LOG_GROUP`.
const GROUP: u16 = 1;
/// `NFTA_LOG_PREFIX`.
const PREFIX: u16 = 2;
/// `NFTA_LOG_SNAPLEN`.
const SNAPLEN: u16 = 3;
/// `NFTA_LOG_QTHRESHOLD`.
const QTHRESHOLD: u16 = 4;
/// `NFTA_LOG_LEVEL`.
const LEVEL: u16 = 5;
/// `NFTA_LOG_FLAGS`.
const FLAGS: u16 = 6;
