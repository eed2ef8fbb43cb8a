//! Batches: what lies between a begin and an end is done whole or not at all.

use crate::{Attributes, DecodeError, EncodeError, Flags, GenMsg, Message, message, subsystem};

/// `NFNL_MSG_BATCH_BEGIN`.
pub const BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`.
pub const END: u16 = 0x11;
/// `NFNL_BATCH_GENID`: the generation that the batch was made for; another one is refused with `ERESTART`.
const GENID: u16 = 1;

/// Appends the begin of a batch for nf_tables (`NFNL_MSG_BATCH_BEGIN`), which without a generation is taken at any. With
/// [`Flags::ACK`] it is acknowledged too (Linux 6.10).
pub fn begin(
    buffer: &mut Vec<u8>,
    seq: u32,
    flags: Flags,
    generation: Option<u32>,
) -> Result<(), EncodeError> {
    message(buffer, BEGIN, Flags::REQUEST | flags, seq, genmsg(), |writer| {
        if let Some(generation) = generation {
            writer.put_u32_be(GENID, generation);
        }
    })
}

/// Appends the end of a batch (`NFNL_MSG_BATCH_END`). A batch without end is checked and thrown away by the kernel
/// (`net/netfilter/nfnetlink.c, nfnetlink_rcv_batch`).
pub fn end(buffer: &mut Vec<u8>, seq: u32, flags: Flags) -> Result<(), EncodeError> {
    message(buffer, END, Flags::REQUEST | flags, seq, genmsg(), |_| ())
}

/// The generation that a batch begin names, and the subsystem that it is for.
pub fn decode_begin(message: &Message<'_>) -> Result<(u16, Option<u32>), DecodeError> {
    let (genmsg, attributes): (GenMsg, Attributes<'_>) = message.nfgen()?;
    let generation = attributes.find(GENID)?.map(|attribute| attribute.u32_be()).transpose()?;
    Ok((genmsg.res_id, generation))
}

fn genmsg() -> GenMsg {
    GenMsg { family: 0, version: 0, res_id: u16::from(subsystem::NFTABLES) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Messages;

    /// `nft 1.0.6 add table t`, first message of its sendmsg: NFNL_MSG_BATCH_BEGIN with res_id 10 and, as nft sends it
    /// once it knows a generation, NFNL_BATCH_GENID.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_begin_is_as_nft_sends_it() {
        let mut buffer = Vec::new();
        begin(&mut buffer, 0, Flags::empty(), Some(1)).unwrap();
        assert_eq!(
            buffer,
            [28, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 8, 0, 1, 0, 0, 0, 0, 1]
        );
        let message = Messages::new(&buffer).next().unwrap().unwrap();
        assert_eq!(decode_begin(&message), Ok((10, Some(1))));
    }
}
