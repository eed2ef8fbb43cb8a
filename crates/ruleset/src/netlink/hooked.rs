//! What hangs at the kernel's hooks: functions of modules, and base chains (`linux/netfilter/nfnetlink_hook.h`,
//! `net/netfilter/nfnetlink_hook.c`). A kernel without `CONFIG_NETFILTER_NETLINK_HOOK` does not tell.

use ironweir_netlink::{
    Attribute, Attributes, DecodeError, EncodeError, Flags, GenMsg, Message, message, subsystem,
};

use super::{family, name, required};
use crate::{Family, Hook, TableId};

/// `NFNL_MSG_HOOK_GET`.
const GET: u16 = (subsystem::HOOK as u16) << 8;
/// `NFNLA_HOOK_HOOKNUM`.
const NUMBER: u16 = 1;
/// `NFNLA_HOOK_PRIORITY`.
const PRIORITY: u16 = 2;
/// `NFNLA_HOOK_DEV`.
const DEVICE: u16 = 3;
/// `NFNLA_HOOK_FUNCTION_NAME`.
const FUNCTION: u16 = 4;
/// `NFNLA_HOOK_MODULE_NAME`.
const MODULE: u16 = 5;
/// `NFNLA_HOOK_CHAIN_INFO`.
const INFO: u16 = 6;
/// `NFNLA_HOOK_INFO_DESC`.
const INFO_DESCRIPTION: u16 = 1;
/// `NFNLA_HOOK_INFO_TYPE`.
const INFO_TYPE: u16 = 2;
/// `NFNL_HOOK_TYPE_NFTABLES`.
const TYPE_NFTABLES: u32 = 1;
/// `NFNLA_CHAIN_TABLE`.
const CHAIN_TABLE: u16 = 1;
/// `NFNLA_CHAIN_FAMILY`.
const CHAIN_FAMILY: u16 = 2;
/// `NFNLA_CHAIN_NAME`.
const CHAIN_NAME: u16 = 3;

/// Something that hangs at a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooked {
    /// When it is called: low ones first.
    pub priority: i32,
    /// Name of the kernel's function.
    pub function: Option<Box<str>>,
    /// The module that it is of.
    pub module: Option<Box<str>>,
    /// The base chain that it is: its table and name.
    pub chain: Option<(TableId, Box<str>)>,
}

/// Appends the question what hangs at a hook; the answer is a dump.
///
/// # Errors
/// The hook is none of the family's, or the device's name is too long.
pub fn ask_hooked(
    buffer: &mut Vec<u8>,
    seq: u32,
    of: Family,
    hook: Hook,
    device: Option<&str>,
) -> Result<(), EncodeError> {
    let number = hook.number(of).ok_or(EncodeError::Value { kind: NUMBER })?;
    let flags = Flags::REQUEST | Flags::DUMP;
    message(buffer, GET, flags, seq, GenMsg::of(of as u8), |writer| {
        if let Some(device) = device {
            writer.put_str(DEVICE, device);
        }
        writer.put_u32_be(NUMBER, number);
    })
}

impl Hooked {
    /// Reads an answer.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn decode(message: &Message<'_>) -> Result<Hooked, DecodeError> {
        let (_, attributes) = message.nfgen()?;
        let (mut priority, mut hooked) = (None, Hooked::default());
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                PRIORITY => priority = Some(attribute.u32_be()? as i32),
                FUNCTION => hooked.function = Some(name(&attribute)?),
                MODULE => hooked.module = Some(name(&attribute)?),
                INFO => hooked.chain = chain(&attribute)?,
                _ => {}
            }
        }
        hooked.priority = required(priority, PRIORITY)?;
        Ok(hooked)
    }
}

/// The chain of an information nest; `None` for flowtables and BPF programs.
fn chain(info: &Attribute<'_>) -> Result<Option<(TableId, Box<str>)>, DecodeError> {
    let info = info.nested();
    let kind = info.find(INFO_TYPE)?.map(|kind| kind.u32_be()).transpose()?;
    let Some(description) = info.find(INFO_DESCRIPTION)?.filter(|_| kind == Some(TYPE_NFTABLES)) else {
        return Ok(None);
    };
    let inside: Attributes<'_> = description.nested();
    let of = GenMsg { family: inside.require(CHAIN_FAMILY)?.u8()?, version: 0, res_id: 0 };
    let table = TableId { family: family(of)?, name: name(&inside.require(CHAIN_TABLE)?)? };
    Ok(Some((table, name(&inside.require(CHAIN_NAME)?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_netlink::Messages;

    #[test]
    fn a_question_is_what_stock_nft_asks() {
        let mut asked = Vec::new();
        ask_hooked(&mut asked, 1, Family::Netdev, Hook::Ingress, Some("eth1")).unwrap();
        // nft 1.0.6, `list hooks netdev device eth1`, by strace.
        let nft: [u8; 40] = [
            40, 0, 0, 0, 0, 12, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, //
            9, 0, 3, 0, b'e', b't', b'h', b'1', 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0,
        ];
        assert_eq!(asked, nft);
    }

    #[test]
    fn a_base_chain_is_named_and_a_function_has_its_module() {
        let mut bytes = Vec::new();
        message(&mut bytes, GET, Flags::MULTI, 1, GenMsg::of(2), |writer| {
            writer.put_u32_be(PRIORITY, -300_i32 as u32);
            writer.put_str(FUNCTION, "nft_do_chain_inet");
            writer.put_str(MODULE, "nf_tables");
            writer.nest(INFO, |writer| {
                writer.nest(INFO_DESCRIPTION, |writer| {
                    writer.put_str(CHAIN_TABLE, "t");
                    writer.put_u8(CHAIN_FAMILY, 1);
                    writer.put_str(CHAIN_NAME, "c");
                });
                writer.put_u32_be(INFO_TYPE, TYPE_NFTABLES);
            });
        })
        .unwrap();
        let told = Hooked::decode(&Messages::new(&bytes).next().unwrap().unwrap()).unwrap();
        assert_eq!(told.priority, -300);
        assert_eq!(told.module.as_deref(), Some("nf_tables"));
        assert_eq!(told.chain, Some((TableId::new(Family::Inet, "t"), "c".into())));
    }
}
