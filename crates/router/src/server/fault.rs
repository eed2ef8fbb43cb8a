//! Which attribute of a request an error is about (`NL_SET_BAD_ATTR` of `nf_tables_api.c`).

use ironweir_netlink::Message;
use ironweir_ruleset::netlink::kind;
use ironweir_ruleset::store::{ErrorKind, Thing};

/// `NFTA_TABLE_NAME`, and the table in every other message (`NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE` ...).
const TABLE: u16 = 1;
/// `NFTA_TABLE_HANDLE`.
const TABLE_HANDLE: u16 = 4;
/// `NFTA_CHAIN_HANDLE`.
const CHAIN_HANDLE: u16 = 2;
/// `NFTA_CHAIN_NAME`.
const CHAIN_NAME: u16 = 3;
/// `NFTA_RULE_CHAIN`.
const RULE_CHAIN: u16 = 2;
/// `NFTA_RULE_HANDLE`.
const RULE_HANDLE: u16 = 3;
/// `NFTA_RULE_POSITION`.
const RULE_POSITION: u16 = 6;
/// `NFTA_SET_NAME`, `NFTA_SET_ELEM_LIST_SET`, `NFTA_OBJ_NAME`, `NFTA_FLOWTABLE_NAME`.
const NAME: u16 = 2;
/// `NFTA_SET_HANDLE`.
const SET_HANDLE: u16 = 16;
/// `NFTA_OBJ_HANDLE`.
const OBJECT_HANDLE: u16 = 6;
/// `NFTA_FLOWTABLE_HANDLE`.
const FLOWTABLE_HANDLE: u16 = 5;
/// `NFTA_SET_ELEM_LIST_ELEMENTS`.
const ELEMENTS: u16 = 3;

/// Where the attribute at fault begins in the message, if one is to blame.
pub(super) fn offset(message: &Message<'_>, error: &ErrorKind) -> Option<u32> {
    use ErrorKind::*;
    let about = message.header.message();
    let is_table = matches!(about, kind::NEWTABLE | kind::DELTABLE | kind::DESTROYTABLE);
    let is_chain = matches!(about, kind::NEWCHAIN | kind::DELCHAIN | kind::DESTROYCHAIN);
    let is_rule = matches!(about, kind::NEWRULE | kind::DELRULE | kind::DESTROYRULE);
    let kinds: &[u16] = match error {
        NoTable(_) | TableExists(_) => &[TABLE],
        NoTableHandle { .. } if is_table => &[TABLE_HANDLE],
        NoSuch { what: Thing::Chain, .. } if is_rule => &[RULE_CHAIN],
        NoHandle { .. } if is_rule => &[RULE_HANDLE, RULE_POSITION],
        NoSuch { .. } | Exists { .. } | Differs { .. } | InUse { .. } | NoHandle { .. } if is_chain => {
            &[CHAIN_NAME, CHAIN_HANDLE]
        }
        NoSuch { .. } | Exists { .. } | Differs { .. } | InUse { .. } | NoHandle { .. }
            if !is_rule && !is_table =>
        {
            match about {
                kind::NEWSET | kind::DELSET | kind::DESTROYSET => &[NAME, SET_HANDLE],
                kind::NEWOBJ | kind::DELOBJ | kind::DESTROYOBJ => &[NAME, OBJECT_HANDLE],
                kind::NEWFLOWTABLE | kind::DELFLOWTABLE | kind::DESTROYFLOWTABLE => &[NAME, FLOWTABLE_HANDLE],
                _ => &[NAME],
            }
        }
        ElementExists { element, .. }
        | Overlap { element, .. }
        | NoElement { element, .. }
        | BadElement { element, .. } => return element_offset(message, *element),
        _ => &[],
    };
    let (_, attributes) = message.nfgen().ok()?;
    let found = kinds.iter().find_map(|kind| attributes.find(*kind).ok().flatten())?;
    u32::try_from(found.offset).ok()
}

fn element_offset(message: &Message<'_>, element: usize) -> Option<u32> {
    let (_, attributes) = message.nfgen().ok()?;
    let list = attributes.find(ELEMENTS).ok()??;
    let element = list.nested().nth(element)?.ok()?;
    u32::try_from(element.offset).ok()
}
