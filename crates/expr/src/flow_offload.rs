//! `flow_offload`: hands the packet's connection to a flowtable (`nft_flow_offload.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, IP, ValidateCtx};
use crate::{Env, Hook, Outcome, Registers};

/// Adds the packet's connection to a flowtable of the rule's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOffload {
    /// The flowtable (`NFTA_FLOW_TABLE_NAME`).
    pub flowtable: Box<str>,
}

impl Expression for FlowOffload {
    const NAME: &'static str = "flow_offload";
    const HIGHEST: u16 = TABLE_NAME;

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        env.flow_offload(&self.flowtable, packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "flow_offload flowtable {}", self.flowtable)
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("flow add", IP)?;
        ctx.hooks("flow add", &[Hook::Forward])
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_str(TABLE_NAME, &self.flowtable);
    }

    fn decode(given: &Given<'_>) -> Result<FlowOffload, Fault> {
        Ok(FlowOffload { flowtable: given.string(TABLE_NAME)? })
    }
}

/// `NFTA_FLOW_TABLE_NAME`.
const TABLE_NAME: u16 = 1;
