//! `queue`: hands the packet to a program (`nft_queue.c`).

use crate::Register;

/// Ends with a queue verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Which queue.
    pub to: Number,
    /// Passes when nobody listens (`NFT_QUEUE_FLAG_BYPASS`).
    pub bypass: bool,
    /// Chosen by CPU instead of by flow (`NFT_QUEUE_FLAG_CPU_FANOUT`).
    pub fanout: bool,
}

/// Which queue a packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// One of `total` queues from `first` on (`NFTA_QUEUE_NUM`, `NFTA_QUEUE_TOTAL`).
    Range {
        /// The first.
        first: u16,
        /// How many; at least 1.
        total: u16,
    },
    /// The number in a register (`NFTA_QUEUE_SREG_QNUM`).
    Register(Register),
}
