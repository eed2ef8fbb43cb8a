//! Why packets ended, for who asks a daemon ([`ironweir_netlink::daemon`]).

use ironweir_engine::Engine;
use ironweir_netlink::daemon::{SUBSYSTEM, Statistic, message};
use ironweir_netlink::{GenMsg, Message};
use ironweir_ruleset::Policy;
use ironweir_ruleset::store::Errno;

use super::Refused;
use super::query::{Answer, Ended};

/// Answers a request.
pub(super) fn statistics(
    engine: &Engine,
    request: &Message<'_>,
    answer: &mut Answer<'_>,
) -> Result<Ended, Refused> {
    if request.header.message() != message::STATISTICS {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let mut tell = |statistic: Statistic| {
        let kind = u16::from(SUBSYSTEM) << 8 | u16::from(message::STATISTICS);
        answer.put(kind, GenMsg::default(), |writer| statistic.encode(writer))
    };
    for (reason, packets) in engine.drops() {
        tell(Statistic::Drops { reason: reason.into(), packets })?;
    }
    for table in engine.ruleset().tables() {
        for chain in table.chains() {
            let Some(base) = &chain.chain.base else { continue };
            let (packets, bytes) = chain.policy_hits.totals();
            tell(Statistic::Policy {
                family: table.table.id.family as u8,
                table: table.table.id.name.clone(),
                chain: chain.chain.name.clone(),
                drops: base.policy == Some(Policy::Drop),
                packets,
                bytes,
            })?;
        }
    }
    let conntrack = engine.conntrack();
    tell(Statistic::Connections { now: conntrack.len() as u64, most: conntrack.config().max as u64 })?;
    Ok(Ended::Answered)
}
