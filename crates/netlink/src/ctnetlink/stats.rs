//! Statistics: of each CPU, and of the whole table.

use crate::{Attributes, DecodeError, Writer};

/// What a CPU counted since the start: pairs of attribute type and count, in the order of the message. Which types there
/// are is a matter of the kernel's age, so all are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// The CPU: `res_id` of the message.
    pub cpu: u16,
    /// Counts by attribute type; [`CpuStats::name`] and [`CpuStats::expectation_name`] say what they are.
    pub counts: Vec<(u16, u32)>,
}

/// Names of `enum ctattr_stats_cpu`, from type 1 on, as tools print them.
const NAMES: [&str; 15] = [
    "searched",
    "found",
    "new",
    "invalid",
    "ignore",
    "delete",
    "delete_list",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "error",
    "search_restart",
    "clash_resolve",
    "chaintoolong",
];

/// Names of `enum ctattr_expect_stats`, from type 1 on.
const EXPECTATION_NAMES: [&str; 3] = ["expect_new", "expect_create", "expect_delete"];

impl CpuStats {
    /// Reads a message's attributes.
    pub fn decode(cpu: u16, attributes: Attributes<'_>) -> Result<CpuStats, DecodeError> {
        let counts = attributes
            .map(|attribute| attribute.and_then(|a| Ok((a.kind, a.u32_be()?))))
            .collect::<Result<_, _>>()?;
        Ok(CpuStats { cpu, counts })
    }

    /// Puts its attributes into a message, whose `res_id` must be the CPU.
    pub fn encode(&self, w: &mut Writer<'_>) {
        for (kind, count) in &self.counts {
            w.put_u32_be(*kind, *count);
        }
    }

    /// What a type counts (`CTA_STATS_FOUND` is `found`).
    pub fn name(kind: u16) -> Option<&'static str> {
        NAMES.get(usize::from(kind).checked_sub(1)?).copied()
    }

    /// What a type counts in the statistics of expectations.
    pub fn expectation_name(kind: u16) -> Option<&'static str> {
        EXPECTATION_NAMES.get(usize::from(kind).checked_sub(1)?).copied()
    }
}

/// Of the whole table (`enum ctattr_stats_global`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Connections (`CTA_STATS_GLOBAL_ENTRIES`).
    pub entries: u32,
    /// Connections at most (`CTA_STATS_GLOBAL_MAX_ENTRIES`); kernels before 4.18 do not tell.
    pub most: Option<u32>,
}

impl TableStats {
    /// Reads a message's attributes.
    pub fn decode(attributes: Attributes<'_>) -> Result<TableStats, DecodeError> {
        let mut stats = TableStats::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                1 => stats.entries = attribute.u32_be()?,
                2 => stats.most = Some(attribute.u32_be()?),
                _ => {}
            }
        }
        Ok(stats)
    }

    /// Puts its attributes into a message.
    pub fn encode(&self, w: &mut Writer<'_>) {
        w.put_u32_be(1, self.entries);
        if let Some(most) = self.most {
            w.put_u32_be(2, most);
        }
    }
}
