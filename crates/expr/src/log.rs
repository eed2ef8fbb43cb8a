//! `log`: tells of the packet (`nft_log.c`).

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
