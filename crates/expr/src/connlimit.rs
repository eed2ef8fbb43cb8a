//! `connlimit`: how many connections there are (`nft_connlimit.c`).

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, TRACKED, ValidateCtx};
use crate::{Decision, Env, Outcome, Registers};

/// Ends the rule once more than `count` connections are known (`ct count`).
#[derive(Debug)]
pub struct Connlimit {
    /// `NFTA_CONNLIMIT_COUNT`.
    pub count: u32,
    /// `over`: matches beyond the limit instead of up to it (`NFT_CONNLIMIT_F_INV`).
    pub over: bool,
    list: AtomicU32,
}

impl Connlimit {
    /// A limit that knows of no connections yet.
    pub fn new(count: u32, over: bool) -> Connlimit {
        Connlimit { count, over, list: AtomicU32::new(0) }
    }

    /// The number of this expression's own list of connections. `assign` gives a number above 0 when it has none yet;
    /// a clone gets another.
    pub fn list(&self, assign: impl FnOnce() -> u32) -> u32 {
        match self.list.load(Ordering::Relaxed) {
            0 => {
                let number = assign();
                self.list.store(number, Ordering::Relaxed);
                number
            }
            number => number,
        }
    }

    /// Counts the packet's connection and compares.
    pub fn eval<E: Env>(&self, packet: &Packet<'_>, env: &mut E) -> Outcome {
        match env.connections(self, packet) {
            Some(connections) => Outcome::next_if((connections > self.count) == self.over),
            None => Outcome::Verdict(Decision::Drop),
        }
    }
}

impl Clone for Connlimit {
    /// The same limit with a list of its own.
    fn clone(&self) -> Connlimit {
        Connlimit::new(self.count, self.over)
    }
}

impl PartialEq for Connlimit {
    /// Equal definitions; lists are not compared.
    fn eq(&self, other: &Connlimit) -> bool {
        (self.count, self.over) == (other.count, other.over)
    }
}

impl Eq for Connlimit {}

impl Connlimit {
    /// Appends the number of its list: see [`crate::Expr::live`].
    pub fn live(&self, numbers: &mut Vec<u64>) {
        numbers.push(self.list.load(Ordering::Relaxed).into());
    }

    /// Takes over what [`Connlimit::live`] appended; `None` where there is less.
    pub fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.list.store(u32::try_from(numbers.next()?).unwrap_or(0), Ordering::Relaxed);
        Some(())
    }
}

impl Expression for Connlimit {
    const NAME: &'static str = "connlimit";
    const HIGHEST: u16 = FLAGS;

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        self.eval(packet, env)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "connlimit count {} flags {:x}", self.count, u32::from(self.over))
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("ct count", TRACKED)
    }

    fn live(&self, numbers: &mut Vec<u64>) {
        self.live(numbers);
    }

    fn revive(&self, numbers: &mut dyn Iterator<Item = u64>) -> Option<()> {
        self.revive(numbers)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(COUNT, self.count);
        writer.put_u32_be(FLAGS, if self.over { INVERT } else { 0 });
    }

    fn decode(given: &Given<'_>) -> Result<Connlimit, Fault> {
        Ok(Connlimit::new(given.u32(COUNT)?, given.flags(FLAGS, INVERT)? == INVERT))
    }
}

/// `NFTA_CONNLIMIT_COUNT`.
const COUNT: u16 = 1;
/// `NFTA_CONNLIMIT_FLAGS`.
const FLAGS: u16 = 2;
/// `NFT_CONNLIMIT_F_INV`.
const INVERT: u32 = 1;
