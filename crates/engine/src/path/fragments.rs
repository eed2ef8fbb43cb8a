//! Fragments: put together before connection tracking sees them, cut again when they leave.

use ironweir_conntrack::defrag::Fragment;
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::fragment::{split, split_again};
use ironweir_wire::ipv6::find_fragment;
use ironweir_wire::{IfIndex, L3, LinkType, Meta, Packet, dissect_network};

use super::routing::must_not_be_cut;
use super::{Step, Way, dropped};
use crate::generation::Stage;
use crate::{Disposition, DropReason, Observer, Output};

impl<O: Observer> Way<'_, O> {
    /// The first hook of the network protocol, and then `on`. A fragment goes no further than where fragments are put
    /// together; the last one of a datagram goes on as the whole datagram, and is cut again when it leaves
    /// (`nf_ct_defrag_user`, `ip_fragment`).
    pub(super) fn whole(
        &mut self,
        hook: Hook,
        packet: &mut Packet<'_>,
        on: impl FnOnce(&mut Self, &mut Packet<'_>) -> Step<Disposition>,
    ) -> Step<Disposition> {
        let generation = self.generation;
        let list = generation.hooks(self.flight.info.l3).map_or(&[][..], |hooks| hooks.list(hook));
        self.gather(list, hook, packet, on)
    }

    /// [`Way::whole`] with what is called at the hook, or the rest of it.
    pub(super) fn gather(
        &mut self,
        list: &[Stage],
        hook: Hook,
        packet: &mut Packet<'_>,
        on: impl FnOnce(&mut Self, &mut Packet<'_>) -> Step<Disposition>,
    ) -> Step<Disposition> {
        let family = if self.flight.info.l3 == L3::V6 { Family::Ip6 } else { Family::Ip };
        let at = list.iter().position(|stage| *stage == Stage::Defragment);
        // A packet that is all of its datagram's fragments loses its fragment header like others (`nf_ct_frag6_gather`).
        let info = self.flight.info;
        let fragment =
            info.is_fragment() || (info.l3 == L3::V6 && find_fragment(packet, packet.network()).is_some());
        let Some(at) = at.filter(|_| fragment) else {
            self.call(list, hook, family, packet)?;
            return on(self, packet);
        };
        let (before, after) = list.split_at(at);
        self.call(before, hook, family, packet)?;
        let zone = self.flight.template.zone.id;
        let mut whole = match self.world.defrag.push(self.world.now, packet, zone) {
            Fragment::NotOne => {
                self.call(after, hook, family, packet)?;
                return on(self, packet);
            }
            Fragment::Held => return Err(Disposition::Stolen),
            Fragment::Dropped(_) => return dropped(DropReason::Fragment),
            Fragment::Whole(whole) => whole,
        };
        self.pieces = std::mem::take(&mut whole.pieces);
        let mut datagram = whole.packet();
        datagram.meta = Meta { nftrace: datagram.meta.nftrace || packet.meta.nftrace, ..datagram.meta };
        let Ok(info) = dissect_network(&mut datagram) else { return dropped(DropReason::Fragment) };
        self.flight.info = info;
        self.flight.largest = self.pieces.largest;
        self.call(after, hook, family, &mut datagram)?;
        self.flight.recut = true;
        let end = on(self, &mut datagram);
        self.flight.recut = false;
        self.apart(end?, packet, &datagram)
    }

    /// The end of the way of a datagram that came in fragments: what leaves does so in fragments again.
    pub(super) fn apart(
        &mut self,
        end: Disposition,
        packet: &mut Packet<'_>,
        datagram: &Packet<'_>,
    ) -> Step<Disposition> {
        packet.meta = datagram.meta;
        match end {
            Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } => {
                self.fragment(packet, datagram, true, oif).map(|()| end)
            }
            Disposition::Local if self.world.host.live => {
                self.deliver(datagram);
                Ok(Disposition::Stolen)
            }
            _ => Ok(end),
        }
    }

    /// Hands a packet that is not in the caller's buffer to the host itself.
    pub(super) fn deliver(&mut self, packet: &Packet<'_>) {
        let (from, len) = (packet.network(), packet.network_len());
        let mut scratch = vec![0; len];
        if let Some(bytes) = packet.load(from, len, &mut scratch).map(<[u8]>::to_vec) {
            self.world.deliver(bytes);
        }
    }

    /// Cuts a packet that is longer than an interface takes (`ip_fragment`, `ip6_fragment`). One of IPv4 that must not be cut
    /// is refused, and so is one of IPv6 that another host has sent.
    pub(super) fn cut(&mut self, packet: &mut Packet<'_>, oif: IfIndex) -> Step {
        let v4 = self.flight.info.l3 == L3::V4;
        if if v4 { must_not_be_cut(packet) } else { packet.meta.iif.is_some() } {
            self.too_big(packet, oif);
            return dropped(DropReason::TooBig);
        }
        let mut scratch = vec![0; packet.len()];
        let Some(mut bytes) = packet.load(0, packet.len(), &mut scratch).map(<[u8]>::to_vec) else {
            return dropped(DropReason::TooBig);
        };
        let len = bytes.len();
        let mut whole = Packet::new(&mut bytes, 0, len, packet.link());
        whole.meta = packet.meta;
        // As the copy lies, for the first one may have begun elsewhere.
        self.parse(&mut whole).map_err(|_| Disposition::Dropped(DropReason::TooBig))?;
        self.fragment(packet, &whole, false, oif)
    }

    /// Cuts a datagram again into fragments: all leave by themselves but the last, which takes the place of the fragment
    /// that completed it. `again` if it had come in fragments.
    pub(super) fn fragment(
        &mut self,
        packet: &mut Packet<'_>,
        datagram: &Packet<'_>,
        again: bool,
        oif: IfIndex,
    ) -> Step {
        let id = self.world.random();
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let info = self.flight.info;
        let mtu = self.mtu(oif);
        let mut emit = |bytes: &[u8]| parts.push(bytes.to_vec());
        let count = if again {
            split_again(datagram, &info, &self.pieces, mtu, id, &mut emit)
        } else {
            split(datagram, &info, mtu, id, &mut emit)
        };
        if count == 0 {
            let mut scratch = vec![0; datagram.len()];
            let all = datagram.load(0, datagram.len(), &mut scratch);
            parts.extend(all.map(<[u8]>::to_vec));
        }
        let Some(last) = parts.pop() else { return Ok(()) };
        for bytes in parts {
            match self.send_fragment(bytes, datagram, oif) {
                // What was taken away on purpose does not end it (`nf_hook_egress`).
                Ok(()) | Err(Disposition::Stolen | Disposition::Queued { .. }) => {}
                end => return end,
            }
        }
        if packet.replace(&last) {
            self.parse(packet).map_err(|_| Disposition::Dropped(DropReason::Fragment))?;
            return self.egress(packet, oif);
        }
        // It does not fit there: it leaves by itself as well, and what is there does not.
        self.send_fragment(last, datagram, oif)?;
        Err(Disposition::Stolen)
    }

    /// Sends one fragment, if egress lets it pass; those behind one that does not are not sent.
    fn send_fragment(&mut self, mut bytes: Vec<u8>, datagram: &Packet<'_>, oif: IfIndex) -> Step {
        let len = bytes.len();
        let mut packet = Packet::new(&mut bytes, 0, len, datagram.link());
        packet.meta = datagram.meta;
        if self.parse(&mut packet).is_err() {
            return dropped(DropReason::Fragment);
        }
        self.egress(&mut packet, oif)?;
        let ethernet = datagram.link() == LinkType::Ethernet;
        let (next_hop, addressed) = (self.flight.nexthop, self.flight.addressed);
        self.world.send(Output { oif, bytes, ethernet, next_hop, addressed });
        Ok(())
    }
}
