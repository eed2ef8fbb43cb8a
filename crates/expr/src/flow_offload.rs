//! `flow_offload`: hands the packet's connection to a flowtable (`nft_flow_offload.c`).

use std::fmt;

/// Adds the packet's connection to a flowtable of the rule's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOffload {
    /// The flowtable (`NFTA_FLOW_TABLE_NAME`).
    pub flowtable: Box<str>,
}

impl fmt::Display for FlowOffload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow_offload flowtable {}", self.flowtable)
    }
}
