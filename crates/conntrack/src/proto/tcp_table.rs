//! The TCP state table: which state a segment leads to, by direction, kind of segment and old state.
//!
//! As in the kernel's `tcp_conntracks` (`nf_conntrack_proto_tcp.c`), whose design is in G. van Rooij, "Real
//! Stateful TCP Packet Filtering in IP Filter". Two entries are no states: *ignore* lets a segment pass that may
//! belong to a connection the firewall is out of step with, *invalid* does not.

use super::tcp::TcpStatus;
use super::tcp::TcpStatus::*;
use crate::entry::Direction;

/// The kind of a segment by its flags; RST outranks SYN, SYN outranks FIN, FIN outranks ACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Segment {
    Syn = 0,
    SynAck = 1,
    Fin = 2,
    Ack = 3,
    Rst = 4,
    #[default]
    None = 5,
}

/// Where a segment leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    To(TcpStatus),
    Ignore,
    Invalid,
}

pub(crate) fn step(direction: Direction, segment: Segment, old: TcpStatus) -> Step {
    STEPS[direction as usize][segment as usize][old as usize]
}

const SS: Step = Step::To(SynSent);
const SR: Step = Step::To(SynRecv);
const ES: Step = Step::To(Established);
const FW: Step = Step::To(FinWait);
const CW: Step = Step::To(CloseWait);
const LA: Step = Step::To(LastAck);
const TW: Step = Step::To(TimeWait);
const CL: Step = Step::To(Close);
const S2: Step = Step::To(SynSent2);
const IG: Step = Step::Ignore;
const IV: Step = Step::Invalid;

/// Columns: NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2.
#[rustfmt::skip]
const STEPS: [[[Step; 10]; 6]; 2] = [
    [ // original
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2], // SYN
        [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR], // SYN and ACK
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV], // FIN
        [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV], // ACK
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL], // RST
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV], // none of them
    ],
    [ // reply
        [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
        [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ],
];
