//! `flow_offload`: hands the packet's connection to a flowtable (`nft_flow_offload.c`).

/// Adds the packet's connection to a flowtable of the rule's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOffload {
    /// The flowtable (`NFTA_FLOW_TABLE_NAME`).
    pub flowtable: Box<str>,
}
