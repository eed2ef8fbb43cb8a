//! `fail_closed = true`: a daemon whose rules are refused, or whose state is damaged, takes its interfaces all the same,
//! and lets nothing through.
//!
//! Two tables do that: one of family netdev drops whatever comes in, before all else, one of family inet whatever this
//! machine's programs send. They go with the next reload that brings the rules into force, or when somebody deletes them.

use ironweir_engine::Engine;
use ironweir_ruleset::{
    BaseChain, Batch, Chain, ChainType, Change, ChangeError, Creation, Family, Hook, Policy, Priority, Table,
    TableFlags, TableId, Userdata,
};

/// The tables' name.
const NAME: &str = "weir-closed";

/// The tables.
pub(super) fn tables() -> [TableId; 2] {
    [Family::Netdev, Family::Inet].map(|family| TableId::new(family, NAME))
}

/// Lets nothing through from now on.
///
/// # Errors
/// The engine refuses the tables, which is a fault.
pub(super) fn close(engine: &mut Engine) -> Result<(), Vec<ChangeError>> {
    let [netdev, inet] = tables();
    // Any interface.
    let devices = vec!["*".into()];
    let mut changes = Vec::new();
    for (id, hook, devices) in [(netdev, Hook::Ingress, devices), (inet, Hook::Output, Vec::new())] {
        let table = Table {
            id: id.clone(),
            flags: TableFlags::empty(),
            userdata: Userdata::default(),
            unknown: Default::default(),
        };
        let base = BaseChain {
            kind: ChainType::Filter,
            hook,
            priority: Priority(i32::MIN + 1),
            devices,
            policy: Some(Policy::Drop),
            hw_offload: false,
        };
        let chain = Chain {
            name: hook.name().into(),
            base: Some(base),
            binding: None,
            userdata: Userdata::default(),
            unknown: Default::default(),
        };
        changes.push(Change::NewTable { table, creation: Creation::Add });
        changes.push(Change::NewChain { table: id, chain, creation: Creation::Add });
    }
    engine.commit(&Batch { changes }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_engine::{Disposition, DropReason, Host, Interface};
    use ironweir_wire::{IfIndex, Instant, LinkType, Packet};

    #[test]
    fn nothing_passes_by_any_interface() {
        let mut host = Host::default();
        host.live = true;
        for index in 1..=2 {
            let mut interface = Interface::new(IfIndex(index), format!("p{index}"));
            interface.addresses = vec![([10, 0, index as u8, 1].into(), 24)];
            host.add_interface(interface).unwrap();
        }
        let mut engine = Engine::new(host, 1);
        close(&mut engine).unwrap();
        close(&mut engine).unwrap();
        for index in 1..=2 {
            for outgoing in [false, true] {
                // An ICMP echo request to the other interface's network, its sum left out.
                let mut frame = [0; 12].to_vec();
                frame.extend([8, 0, 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0]);
                frame.extend([10, 0, index as u8, 9, 10, 0, 3 - index as u8, 9, 8, 0, 0, 0, 0, 1, 0, 1]);
                let len = frame.len();
                let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
                packet.meta.iif = IfIndex(index);
                if outgoing {
                    packet.meta.packet_type = ironweir_wire::PacketType::Outgoing;
                }
                let end = engine.process(Instant::from_secs(1), &mut packet, &mut ());
                assert!(matches!(end, Disposition::Dropped(DropReason::Policy(_))), "{index}: {end:?}");
            }
        }
    }
}
