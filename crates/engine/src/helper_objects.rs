//! `ct helper` objects: which connections' helper they name (`nft_ct_helper_obj_init`).

use std::borrow::Cow;

use ironweir_conntrack::Conntrack;
use ironweir_ruleset::object::CtHelper;
use ironweir_ruleset::store::{ChangeError, Errno, ErrorKind, MAX_REFUSALS};
use ironweir_ruleset::{Batch, Change, Family, ObjectKind, Ruleset};
use ironweir_wire::L3;

/// `NFPROTO_*` of `linux/netfilter.h`.
const INET: u16 = 1;
const IPV4: u16 = 2;
const BRIDGE: u16 = 7;
const IPV6: u16 = 10;
const NETDEV: u16 = 5;

/// The batch with each new `ct helper` told which network protocols there is a helper for: both (`inet`), or the one.
///
/// # Errors
/// Each object whose helper nobody knows (ENOENT), or whose protocol the table has not (EINVAL).
pub(crate) fn resolved<'b>(
    batch: &'b Batch,
    ruleset: &Ruleset,
    conntrack: &Conntrack,
) -> Result<Cow<'b, Batch>, Vec<ChangeError>> {
    let mut batch = Cow::Borrowed(batch);
    let mut errors = Vec::new();
    for at in 0..batch.changes.len() {
        let Some(Change::NewObject { table, object, .. }) = batch.changes.get(at) else { continue };
        let ObjectKind::CtHelper(helper) = &object.kind else { continue };
        let there = ruleset.table(table).and_then(|table| table.object(object.object_type(), &object.name));
        if there.is_some() {
            // It stays as it is, or is refused for that.
            continue;
        }
        match protocols(helper, table.family, conntrack) {
            Ok(l3proto) if l3proto == helper.l3proto => {}
            Ok(l3proto) => {
                if let Some(Change::NewObject { object, .. }) = batch.to_mut().changes.get_mut(at)
                    && let ObjectKind::CtHelper(helper) = &mut object.kind
                {
                    helper.l3proto = l3proto;
                }
            }
            Err(_) if errors.len() >= MAX_REFUSALS => break,
            Err(errno) => errors.push(ChangeError {
                change: at,
                kind: ErrorKind::Answer { errno, message: None, part: None },
            }),
        }
    }
    if errors.is_empty() { Ok(batch) } else { Err(errors) }
}

fn protocols(helper: &CtHelper, family: Family, conntrack: &Conntrack) -> Result<u16, Errno> {
    let of_table = match family {
        Family::Ip => IPV4,
        Family::Ip6 => IPV6,
        Family::Inet => INET,
        Family::Bridge => BRIDGE,
        Family::Netdev => NETDEV,
        Family::Arp => 0,
    };
    let has = |l3| conntrack.helpers().has(&helper.helper, l3, helper.l4proto);
    let (v4, v6) = match if helper.l3proto == 0 { of_table } else { helper.l3proto } {
        IPV4 if of_table == IPV6 => return Err(Errno::EINVAL),
        IPV4 => (has(L3::V4), false),
        IPV6 if of_table == IPV4 => return Err(Errno::EINVAL),
        IPV6 => (false, has(L3::V6)),
        INET | BRIDGE | NETDEV => (has(L3::V4), has(L3::V6)),
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    match (v4, v6) {
        (true, true) => Ok(INET),
        (true, false) => Ok(IPV4),
        (false, true) => Ok(IPV6),
        (false, false) => Err(Errno::ENOENT),
    }
}
