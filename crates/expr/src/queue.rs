//! `queue`: hands the packet to a program (`nft_queue.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::numgen::scale;
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, TRACKED, ValidateCtx, register, when};
use crate::{Decision, Env, Hook, Outcome, Register, Registers};

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

impl Expression for Queue {
    const NAME: &'static str = "queue";
    const HIGHEST: u16 = SREG_QNUM;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let number = match self.to {
            Number::Register(register) => {
                registers.get(register, 4).try_into().map_or(0, u32::from_ne_bytes) as u16
            }
            Number::Range { first, total } if total > 1 => {
                let total = u32::from(total);
                // DIVERGES: the kernel hashes the addresses with a seed of its own; which flow goes to which queue differs.
                let place =
                    if self.fanout { env.cpu() % total } else { scale(env.symmetric_hash(packet), total) };
                first.wrapping_add(place as u16)
            }
            Number::Range { first, .. } => first,
        };
        Outcome::Verdict(Decision::Queue { number, bypass: self.bypass })
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("queue")?;
        match self.to {
            Number::Range { first, total } => {
                write!(f, " num {first}")?;
                if total > 1 {
                    write!(f, "-{}", u32::from(first) + u32::from(total) - 1)?;
                }
            }
            Number::Register(register) => write!(f, " sreg_qnum {register}")?,
        }
        f.write_str(if self.bypass { " bypass" } else { "" })?;
        f.write_str(if self.fanout { " fanout" } else { "" })
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("queue", TRACKED)?;
        ctx.hooks("queue", &[Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting])?;
        match self.to {
            Number::Register(number) => register(number, 4),
            Number::Range { first, total } => {
                when(total == 0, "no queue at all")?;
                when(first.checked_add(total - 1).is_none(), "queues beyond 65535")
            }
        }
    }

    fn uses(&self, register: Register) -> Option<Order> {
        (self.to == Number::Register(register)).then_some(Order::Host)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        match self.to {
            Number::Range { first, total } => {
                writer.put_u16_be(NUM, first);
                writer.put_u16_be(TOTAL, total);
            }
            Number::Register(register) => put_register(writer, SREG_QNUM, register),
        }
        let bypass = if self.bypass { BYPASS } else { 0 };
        let flags = bypass | if self.fanout { CPU_FANOUT } else { 0 };
        if flags != 0 {
            writer.put_u16_be(FLAGS, flags);
        }
    }

    fn decode(given: &Given<'_>) -> Result<Queue, Fault> {
        let to = match given.register_option(SREG_QNUM)? {
            Some(register) => Number::Register(register),
            None => Number::Range {
                first: given.need(NUM)?.u16_be()?,
                total: given.option(TOTAL, Attribute::u16_be)?.unwrap_or(1),
            },
        };
        let flags = given.option(FLAGS, Attribute::u16_be)?.unwrap_or(0);
        if flags & !(BYPASS | CPU_FANOUT) != 0 {
            return Err(Fault::Newer);
        }
        Ok(Queue { to, bypass: flags & BYPASS != 0, fanout: flags & CPU_FANOUT != 0 })
    }
}

/// `NFTA_QUEUE_NUM`.
const NUM: u16 = 1;
/// `NFTA_QUEUE_TOTAL`.
const TOTAL: u16 = 2;
/// `NFTA_QUEUE_FLAGS`.
const FLAGS: u16 = 3;
/// `NFTA_QUEUE_SREG_QNUM`.
const SREG_QNUM: u16 = 4;
/// `NFT_QUEUE_FLAG_BYPASS`.
const BYPASS: u16 = 1;
/// `NFT_QUEUE_FLAG_CPU_FANOUT`.
const CPU_FANOUT: u16 = 2;
