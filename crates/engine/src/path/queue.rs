//! Packets that wait for a program's verdict: off their way, and on again (`nf_queue`, `nf_reinject`).

use ironweir_ruleset::{Family, Hook};
use ironweir_wire::{L3, Packet};

use super::{Step, Way, dropped, made};
use crate::flight::{Course, World};
use crate::generation::{Generation, Stage};
use crate::queue::{Parked, Place, QueueVerdict, Resumed};
use crate::{Disposition, DropReason, Observer};

/// Room before a packet that goes on: for a VLAN tag.
const HEADROOM: usize = 16;

/// Takes a packet that was judged the rest of its way.
pub(crate) fn resume<O: Observer>(
    generation: &Generation,
    world: &mut World,
    observer: &mut O,
    parked: Parked,
    verdict: QueueVerdict,
) -> Resumed {
    let Parked { bytes, link, meta, flight, pieces, depth, given, hook, family, stage, .. } = parked;
    let own = matches!(flight.course, Course::Out(..) | Course::Leaving(_) | Course::Back);
    let iif = meta.iif;
    let mut buffer = vec![0; HEADROOM];
    buffer.extend(bytes);
    let end = buffer.len();
    let mut packet = Packet::new(&mut buffer, HEADROOM, end, link);
    packet.meta = meta;
    let mut way = Way::new(generation, world, observer, flight, depth);
    way.given = given;
    way.pieces = pieces;
    let judged = Judged { hook, family, stage, verdict };
    let disposition = match way.reinject(judged, &mut packet) {
        Ok(end) | Err(end) => end,
    };
    if way.flight.partial {
        made::complete(&mut packet, &way.flight.info);
    }
    way.end(&mut packet);
    // Of those that were made here, what is for the host itself is nobody's but its own.
    let disposition = if depth > 0 && disposition == Disposition::Local {
        way.deliver(&packet);
        Disposition::Stolen
    } else {
        disposition
    };
    Resumed { disposition, bytes: packet.head().to_vec(), iif, own }
}

/// Where a packet waited, and what was said of it.
struct Judged {
    hook: Hook,
    family: Family,
    stage: Stage,
    verdict: QueueVerdict,
}

impl<O: Observer> Way<'_, O> {
    /// Puts a packet by that `stage` sends to a queue. It passes where there is no room and its queue fails open.
    ///
    /// DIVERGES: frames of bridges wait for nobody; they end as where nobody listens.
    pub(super) fn park(
        &mut self,
        number: u16,
        stage: Stage,
        hook: Hook,
        family: Family,
        packet: &Packet<'_>,
    ) -> Step {
        let (since, flight, depth, given) = (self.world.now, self.flight, self.depth, self.given);
        let place = match family {
            Family::Ip | Family::Ip6 => self.world.queues.park(number, || {
                let mut scratch = vec![0; packet.len()];
                let bytes = packet.load(0, packet.len(), &mut scratch)?.to_vec();
                let (network, link, meta) = (packet.network(), packet.link(), packet.meta);
                let pieces = self.pieces.clone();
                Some(Parked {
                    pieces,
                    bytes,
                    network,
                    link,
                    meta,
                    flight,
                    depth,
                    given,
                    hook,
                    family,
                    stage,
                    since,
                })
            }),
            _ => Place::Nobody,
        };
        match place {
            Place::Waits => {
                self.parked = true;
                Err(Disposition::Queued { number })
            }
            Place::Passes => Ok(()),
            Place::Nobody if !self.world.host.live => Err(Disposition::Queued { number }),
            Place::Full | Place::Nobody => dropped(DropReason::Queue),
        }
    }

    /// What a verdict makes of a packet (`nf_reinject`): the rest of its hook, and of its way behind it. Where the chain
    /// that queued it is no more, it ends.
    fn reinject(&mut self, judged: Judged, packet: &mut Packet<'_>) -> Step<Disposition> {
        let Judged { hook, family, stage, verdict } = judged;
        if self.parse(packet).is_err() {
            // A verdict brought other bytes, which are no packet.
            return dropped(DropReason::Queue);
        }
        let l3 = if family == Family::Ip6 { L3::V6 } else { L3::V4 };
        let generation = self.generation;
        let list = generation.hooks(l3).map_or(&[][..], |hooks| hooks.list(hook));
        let at = list.iter().position(|one| *one == stage);
        let Some(at) = at.filter(|_| self.flight.info.l3 == l3) else { return dropped(DropReason::Queue) };
        let (to_here, rest) = list.split_at(at + 1);
        match verdict {
            QueueVerdict::Drop => return dropped(DropReason::Queue),
            QueueVerdict::Repeat => {
                let again = to_here.get(at..).unwrap_or_default();
                self.call(again, hook, family, packet)?;
            }
            QueueVerdict::Queue { number, bypass } => {
                if !bypass || self.world.queues.listens(number) {
                    self.park(number, stage, hook, family, packet)?;
                }
            }
            QueueVerdict::Accept | QueueVerdict::Stop => {}
        }
        let rest = if verdict == QueueVerdict::Stop { &[] } else { rest };
        if self.flight.largest == 0 {
            return self.gather(rest, hook, packet, |way, packet| way.behind(hook, packet));
        }
        self.call(rest, hook, family, packet)?;
        // It had come in fragments, and leaves in such: one of them takes its place.
        self.flight.recut = true;
        let end = self.behind(hook, packet);
        self.flight.recut = false;
        let end = end?;
        let mut copy = packet.head().to_vec();
        let len = copy.len();
        let mut datagram = Packet::new(&mut copy, 0, len, packet.link());
        datagram.meta = packet.meta;
        let _ = self.parse(&mut datagram);
        self.apart(end, packet, &datagram)
    }

    /// What comes behind a hook on the packet's way.
    fn behind(&mut self, hook: Hook, packet: &mut Packet<'_>) -> Step<Disposition> {
        match (hook, self.flight.course) {
            (Hook::Prerouting, Course::In) => self.routed(packet),
            (Hook::Prerouting, Course::Back) => self.back(packet),
            (Hook::Input, _) => Ok(Disposition::Local),
            (Hook::Forward, _) => self.forwarded(packet),
            (Hook::Output, Course::Out(to, _)) => self.leave(packet, to),
            (Hook::Postrouting, Course::On(_)) => self.departed(packet),
            (Hook::Postrouting, Course::Leaving(_)) => self.left(packet),
            _ => dropped(DropReason::Queue),
        }
    }
}
