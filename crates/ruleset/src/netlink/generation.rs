//! Generations: which version of the ruleset there is, and who made it.

use ironweir_netlink::{Attributes, DecodeError, Writer};

/// `NFTA_GEN_ID`.
const ID: u16 = 1;
/// `NFTA_GEN_PROC_PID`.
const PROC_PID: u16 = 2;
/// `NFTA_GEN_PROC_NAME`.
const PROC_NAME: u16 = 3;

/// What a message tells of a generation (`NFT_MSG_NEWGEN`): the answer to a question, and the event that ends those of a
/// commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub id: u32,
    /// Process that made it; in the answer, the one that asked.
    pub pid: Option<u32>,
    /// Name of that process.
    pub process: Option<Box<str>>,
}

impl Generation {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(ID, self.id);
        if let Some(pid) = self.pid {
            writer.put_u32_be(PROC_PID, pid);
        }
        if let Some(process) = &self.process {
            writer.put_str(PROC_NAME, process);
        }
    }

    pub(super) fn read(attributes: Attributes<'_>) -> Result<Generation, DecodeError> {
        let mut generation = Generation { id: attributes.require(ID)?.u32_be()?, ..Generation::default() };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                PROC_PID => generation.pid = Some(attribute.u32_be()?),
                PROC_NAME => generation.process = Some(attribute.str()?.into()),
                _ => {}
            }
        }
        Ok(generation)
    }
}
