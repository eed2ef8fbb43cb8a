//! What is called at a hook: base chains, connection tracking, NAT, confirmation, flowtables.

use std::net::IpAddr;

use ironweir_conntrack::track::{Confirm, PacketIn};
use ironweir_conntrack::{
    self as conntrack, Conntrack, CtInfo, InvalidReason, Manip, NatVerdict, Status, Tracking,
};
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{L3, Packet};

use super::around::Around;
use super::{Step, Way, dropped};
use crate::context::{Context, header_sum};
use crate::evaluate::{Judgement, evaluate};
use crate::flight::{Course, World};
use crate::generation::Stage;
use crate::{ChainId, Disposition, DropReason, Malformed, Observer, flowtable};

/// How often a chain may ask for the packet to be evaluated once more.
///
/// DIVERGES: the kernel obeys for ever.
const MOST_REPEATS: usize = 8;

impl<O: Observer> Way<'_, O> {
    /// Calls everything at a hook of the packet's network protocol.
    pub(super) fn hook(&mut self, hook: Hook, packet: &mut Packet<'_>) -> Step {
        let generation = self.generation;
        let l3 = self.flight.info.l3;
        let Some(hooks) = generation.hooks(l3) else { return Ok(()) };
        let family = if l3 == L3::V6 { Family::Ip6 } else { Family::Ip };
        self.call(hooks.list(hook), hook, family, packet)
    }

    pub(super) fn call(
        &mut self,
        stages: &[Stage],
        hook: Hook,
        family: Family,
        packet: &mut Packet<'_>,
    ) -> Step {
        for stage in stages {
            match *stage {
                Stage::Chain(id) => {
                    let before = (hook == Hook::Output && self.routes(id)).then(|| self.routed_by(packet));
                    match self.chain(id, hook, family, packet) {
                        Err(Disposition::Queued { number }) => {
                            self.park(number, *stage, hook, family, packet)?
                        }
                        judged => judged?,
                    }
                    if before.is_some_and(|before| before != self.routed_by(packet)) {
                        self.reroute(packet);
                    }
                }
                // Done where the way is whole again: see `whole`.
                Stage::Defragment => {}
                Stage::Conntrack => self.track(hook, packet)?,
                Stage::Nat(manip) => {
                    let before = (hook == Hook::Output).then(|| self.destination(packet));
                    match self.nat(hook, manip, family, packet) {
                        Err(Disposition::Queued { number }) => {
                            self.park(number, *stage, hook, family, packet)?
                        }
                        judged => judged?,
                    }
                    if before.is_some_and(|before| before != self.destination(packet)) {
                        self.reroute(packet);
                    }
                }
                Stage::Confirm if self.is_settled() => {}
                Stage::Confirm => {
                    self.synproxy(packet)?;
                    self.help(packet)?;
                    self.seq_adjust(packet)?;
                    self.confirm()?;
                }
                Stage::Flowtable(table, flowtable) => {
                    let id = (table, flowtable);
                    if let Some(oif) = flowtable::carry(self.world, &mut self.flight, id, packet) {
                        self.egress(packet, oif)?;
                        return Err(Disposition::Forwarded { oif, offloaded: true });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a chain is of type `route`.
    fn routes(&self, id: ChainId) -> bool {
        let base = self.generation.program(id).and_then(|program| program.base.as_ref());
        base.is_some_and(|base| base.routes)
    }

    /// What the route of a packet depends on: its mark, its addresses, and the first word of its header, with its type of
    /// service (`nf_route_table_hook4`, `nf_route_table_hook6`; those compare the hop limit, too, which no route asks for).
    fn routed_by(&self, packet: &Packet<'_>) -> (u32, Option<(IpAddr, IpAddr)>, Option<u32>) {
        let first = packet.array(packet.network()).map(u32::from_be_bytes);
        (packet.meta.mark, self.addresses(packet), first.map(|first| first >> 16))
    }

    /// Routes one of the host's own packets anew, where it goes now (`ip_route_me_harder`).
    fn reroute(&mut self, packet: &mut Packet<'_>) {
        if let (Course::Out(_, captured_on), Some(to)) = (self.flight.course, self.destination(packet)) {
            self.route_out(packet, to, captured_on);
            self.flight.course = Course::Out(to, captured_on);
        }
    }

    /// One base chain.
    fn chain(&mut self, id: ChainId, hook: Hook, family: Family, packet: &mut Packet<'_>) -> Step {
        let Some(its_family) = self.generation.family(id.table) else { return Ok(()) };
        // An inet chain at ingress sees IP only, and as such.
        let protocol_family = match (its_family, hook, self.flight.info.l3) {
            (Family::Inet, Hook::Ingress, L3::V4) => Family::Ip,
            (Family::Inet, Hook::Ingress, L3::V6) => Family::Ip6,
            (Family::Inet, Hook::Ingress, _) => {
                // `nft_set_pktinfo_ipv4_ingress`: what is no sound IP is dropped there.
                return match packet.meta.protocol {
                    ethertype::IPV4 => dropped(DropReason::Malformed(Malformed::Ipv4)),
                    ethertype::IPV6 => dropped(DropReason::Malformed(Malformed::Ipv6)),
                    _ => Ok(()),
                };
            }
            _ => family,
        };
        for _ in 0..MOST_REPEATS {
            let mut context = Context {
                world: &mut *self.world,
                observer: &mut *self.observer,
                flight: &mut self.flight,
                generation: self.generation,
                depth: self.depth,
                base: id,
                family: its_family,
                protocol_family,
                hook,
                packet_traced: false,
                failure: None,
            };
            return match evaluate(self.generation, &mut context, packet) {
                Judgement::Accept => Ok(()),
                Judgement::Drop(reason) => dropped(reason),
                Judgement::Stolen => Err(Disposition::Stolen),
                // Where nobody listens, a packet that may pass then does (`NF_VERDICT_FLAG_QUEUE_BYPASS`).
                Judgement::Queue { number, bypass: true } if !self.world.queues.listens(number) => Ok(()),
                Judgement::Queue { number, .. } => Err(Disposition::Queued { number }),
                Judgement::Repeat => continue,
            };
        }
        Ok(())
    }

    /// `nf_conntrack_in`.
    fn track(&mut self, hook: Hook, packet: &mut Packet<'_>) -> Step {
        if !matches!(self.flight.tracking, Tracking::Invalid(_)) {
            return Ok(());
        }
        self.flight.template.local = hook == Hook::Output;
        let World { conntrack, now, .. } = &mut *self.world;
        match conntrack.packet_in(*now, packet, &self.flight.info, &self.flight.template) {
            PacketIn::Pass(tracking) => {
                self.flight.tracking = tracking;
                self.flight.sum_valid = self.world.host.conntrack.checksum
                    && hook == Hook::Prerouting
                    && !matches!(tracking, Tracking::Invalid(reason) if is_before_sum(reason))
                    && self.flight.info.l4proto.is_some_and(is_summed);
                if self.flight.sum_valid {
                    self.flight.sum_header = header_sum(packet, &self.flight.info);
                }
                Ok(())
            }
            PacketIn::Drop(reason) => dropped(reason_of(reason)),
        }
    }

    /// `nf_nat_inet_fn`: the nat chains decide for the first packet of a connection, all packets are translated.
    fn nat(&mut self, hook: Hook, manip: Manip, family: Family, packet: &mut Packet<'_>) -> Step {
        let Some((ct, info)) = self.flight.tracking.flow() else { return Ok(()) };
        let icmp = matches!(self.flight.info.l4proto, Some(ipproto::ICMP | ipproto::ICMPV6));
        if !(info.is_related() && icmp) {
            if self.world.conntrack.nat_pending(ct, info, manip) {
                let generation = self.generation;
                let chains = generation.hooks(self.flight.info.l3).map_or(&[][..], |hooks| hooks.nat(hook));
                for chain in chains {
                    self.chain(*chain, hook, family, packet)?;
                    if !self.world.conntrack.nat_pending(ct, info, manip) {
                        break;
                    }
                }
                if self.world.conntrack.nat_pending(ct, info, manip)
                    && self.world.conntrack.nat_null_bind(ct, manip) == NatVerdict::Drop
                {
                    return dropped(DropReason::NatFull);
                }
            } else if hook == Hook::Postrouting
                && self.world.conntrack.masquerade_oif_changed(ct, info, packet.meta.oif.0)
            {
                self.world.conntrack.destroy(self.world.now, ct);
                return dropped(DropReason::Rerouted);
            }
        }
        match self.world.conntrack.nat_packet(packet, &self.flight.info, ct, info, manip) {
            NatVerdict::Accept => Ok(()),
            NatVerdict::Drop => dropped(DropReason::NatFull),
        }
    }

    /// Whether the packet is of a connection to which nothing is done any more when its packets leave: it is confirmed, and has
    /// neither synproxy nor helper nor numbers to be moved.
    fn is_settled(&self) -> bool {
        self.flight.tracking.flow().is_some_and(|(ct, _)| self.world.conntrack.is_settled(ct))
    }

    /// The connection's helper reads the packet (`nf_confirm`).
    fn help(&mut self, packet: &mut Packet<'_>) -> Step {
        let Some((ct, ctinfo)) = self.flight.tracking.flow() else { return Ok(()) };
        let local = self.flight.template.local;
        let World { conntrack, now, host, .. } = &mut *self.world;
        if conntrack.entry(ct).is_none_or(|entry| entry.helper().is_none()) {
            return Ok(());
        }
        let around = Around::new(host, &self.flight.info, packet, local);
        match conntrack.help(*now, packet, &mut self.flight.info, ct, ctinfo, &around) {
            conntrack::Judgement::Accept => Ok(()),
            conntrack::Judgement::Drop => dropped(DropReason::Helper),
        }
    }

    /// Sequence numbers of connections whose payload changed its length (`nf_confirm`); what came over the loopback
    /// interface was adjusted when it left.
    fn seq_adjust(&mut self, packet: &mut Packet<'_>) -> Step {
        let Some((ct, info)) = self.flight.tracking.flow() else { return Ok(()) };
        if self.came_by_loopback(packet)
            || self.world.conntrack.seq_adjust(packet, &self.flight.info, ct, info)
        {
            return Ok(());
        }
        dropped(DropReason::Malformed(Malformed::Tcp))
    }

    /// Whether the packet came in by the loopback interface (`nf_is_loopback_packet`).
    pub(super) fn came_by_loopback(&self, packet: &Packet<'_>) -> bool {
        let interface = self.world.host.interface(packet.meta.iif);
        interface.is_some_and(|interface| interface.kind == crate::context::LOOPBACK)
    }

    /// `nf_conntrack_confirm`.
    fn confirm(&mut self) -> Step {
        // Nothing but a first packet has a connection to be confirmed.
        let Some((ct, CtInfo::New | CtInfo::Related)) = self.flight.tracking.flow() else { return Ok(()) };
        let conntrack = &mut self.world.conntrack;
        let confirmed = |conntrack: &Conntrack| {
            conntrack.entry(ct).is_some_and(|entry| entry.status().contains(Status::CONFIRMED))
        };
        if confirmed(conntrack) {
            return Ok(());
        }
        match conntrack.confirm(self.world.now, self.flight.tracking) {
            Confirm::Pass(tracking) => {
                if tracking == self.flight.tracking
                    && confirmed(conntrack)
                    && let Some(entry) = conntrack.entry(ct)
                {
                    self.observer.connection_new(entry.tuple(conntrack::Direction::Original).l4);
                }
                self.flight.tracking = tracking;
                Ok(())
            }
            Confirm::Drop(reason) => dropped(reason_of(reason)),
        }
    }
}

/// Whether a packet is refused before its checksum was looked at, or for it.
fn is_before_sum(reason: InvalidReason) -> bool {
    use InvalidReason::{Checksum, Header, NoTuple, Unseen};
    matches!(reason, Unseen | NoTuple | Header | Checksum)
}

/// Protocols whose checksum connection tracking looks at by the sum that is kept with the packet (`nf_checksum`).
fn is_summed(protocol: u8) -> bool {
    matches!(protocol, ipproto::TCP | ipproto::UDP | ipproto::ICMP | ipproto::ICMPV6)
}

fn reason_of(reason: conntrack::DropReason) -> DropReason {
    match reason {
        conntrack::DropReason::TableFull => DropReason::TableFull,
        conntrack::DropReason::Clash => DropReason::Clash,
    }
}
