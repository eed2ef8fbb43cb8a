//! What became of a packet, with all that is to be sent for it.

use ironweir_engine::{Disposition, DropReason, Engine, Output};
use ironweir_language::datatype::Names;
use ironweir_wire::{LinkType, Packet};

use crate::listing;

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its fate.
    pub disposition: Disposition,
    /// What leaves, in order: what was made on the way (answers of `reject`, ICMP errors, copies, the fragments before it),
    /// then the packet itself, if it does. A frame whose [`Output::next_hop`] is there and not [`Output::addressed`] wants
    /// that neighbour's Ethernet address in its first six bytes; it bears none yet.
    pub sent: Vec<Output>,
    /// What is for the host itself, from the network header on.
    pub local: Vec<Vec<u8>>,
}

impl Passage {
    /// Takes what an engine has, a packet having passed.
    pub(crate) fn gather(engine: &mut Engine, disposition: Disposition, packet: &Packet<'_>) -> Passage {
        let (next_hop, addressed) = engine.next_hop();
        let mut sent: Vec<Output> = std::iter::from_fn(|| engine.poll_output()).collect();
        let mut local = Vec::new();
        match disposition {
            Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => {
                let ethernet = packet.link() == LinkType::Ethernet;
                sent.push(Output { oif, bytes: packet.head().to_vec(), ethernet, next_hop, addressed });
            }
            Disposition::Local => local.extend(packet.head().get(packet.network()..).map(<[u8]>::to_vec)),
            Disposition::Dropped(_) | Disposition::Queued { .. } | Disposition::Stolen => {}
        }
        local.extend(std::iter::from_fn(|| engine.poll_local()));
        Passage { disposition, sent, local }
    }
}

pub(crate) fn describe(engine: &Engine, names: &Names, disposition: Disposition) -> String {
    let name = |oif| match engine.host().interface(oif) {
        Some(interface) => format!(" by {}", interface.name),
        None => String::new(),
    };
    match disposition {
        Disposition::Forwarded { oif, offloaded: false } => format!("forwarded{}", name(oif)),
        Disposition::Forwarded { oif, offloaded: true } => format!("forwarded{}, by a flowtable", name(oif)),
        Disposition::Sent { oif } => format!("sent{}", name(oif)),
        Disposition::Local => "for this host".to_owned(),
        Disposition::Queued { number } => format!("queued to {number}"),
        Disposition::Stolen => "taken by a rule".to_owned(),
        Disposition::Dropped(reason) => {
            let mut text = format!("dropped: {}", reason.describe(engine.ruleset()));
            if let DropReason::Rule(id) = reason
                && let Some((table, chain)) = id.chain.resolve(engine.ruleset())
                && let Some(rule) = chain.rule(id.handle)
            {
                text += &format!(": {}", listing::rule(engine, names, table, rule, false));
            }
            text
        }
    }
}
