//! `notrack`: leaves the packet to no connection (`nft_notrack` in `nft_ct.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::{Env, Outcome, Registers};

/// The packet becomes untracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notrack;

impl Expression for Notrack {
    const NAME: &'static str = "notrack";
    const HIGHEST: u16 = 0;

    fn eval<E: Env>(&self, _: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        env.notrack();
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("notrack")
    }

    fn encode(&self, _: &mut Writer<'_>) {}

    fn decode(_: &Given<'_>) -> Result<Notrack, Fault> {
        Ok(Notrack)
    }
}
