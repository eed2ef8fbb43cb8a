//! Packets that wait for a program's verdict (`net/netfilter/nf_queue.c`, `net/netfilter/nfnetlink_queue.c`).
//!
//! ```text
//! rule: queue ─► park ─► Engine::take_queued ... Engine::judge ─► Engine::resume ─► the rest of its way
//! ```
//!
//! A queue is there while somebody listens to it ([`Queues::bind`]). A packet that a rule sends there leaves its way with
//! all that is known of it, and goes on from the same place when it was judged. Nothing waits meanwhile. How many packets
//! wait is bounded for each queue, and their bytes for all of them.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use ironweir_conntrack::{CtInfo, Entry};
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::fragment::Pieces;
use ironweir_wire::{IfIndex, Instant, LinkType, Meta};

use crate::Disposition;
use crate::flight::Flight;
use crate::generation::Stage;
use crate::seeded::Seeded;

/// How many packets of a queue may wait, if nothing is said (`NFQNL_QMAX_DEFAULT`).
pub const DEFAULT_MOST: u32 = 1024;
/// Bytes of all packets that wait.
const MOST_BYTES: usize = 64 << 20;
/// What a packet that waits takes beside its bytes.
const EACH: usize = 512;

/// How a queue treats packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How many may wait (`NFQA_CFG_QUEUE_MAXLEN`).
    pub most: u32,
    /// What finds no place passes instead of being dropped (`NFQA_CFG_F_FAIL_OPEN`).
    pub fail_open: bool,
}

/// What becomes of a packet that waited (`NF_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueVerdict {
    /// It ends (`NF_DROP`).
    Drop,
    /// It goes on behind the chain that queued it (`NF_ACCEPT`).
    Accept,
    /// It goes on behind all chains of its hook (`NF_STOP`).
    Stop,
    /// That chain sees it once more (`NF_REPEAT`).
    Repeat,
    /// It waits in another queue (`NF_QUEUE`).
    Queue {
        /// Its number.
        number: u16,
        /// Goes on if nobody listens there.
        bypass: bool,
    },
}

/// How many packets a queue has, and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Those that wait.
    pub waiting: usize,
    /// Those for which there was no room (`queue_dropped`).
    pub dropped: u64,
    /// Those of which the listener could not be told (`queue_user_dropped`).
    pub user_dropped: u64,
    /// The number of the last one.
    pub last: u32,
}

/// A packet that waits, to be told of.
#[derive(Clone, Copy, Debug)]
pub struct Queued<'e> {
    /// Its family at the hook.
    pub family: Family,
    /// Where it waits.
    pub hook: Hook,
    /// When it came there.
    pub since: Instant,
    /// All its bytes, from the link header on where there is one.
    pub bytes: &'e [u8],
    /// Where its network header begins.
    pub network: usize,
    /// What kind of link header it has.
    pub link: LinkType,
    /// What is kept beside its bytes.
    pub meta: Meta,
    /// Its connection, and what it is to it.
    pub connection: Option<(&'e Entry, CtInfo)>,
}

/// A packet that went on, at the end of its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// What became of it.
    pub disposition: Disposition,
    /// Its bytes as they are now, from the link header on.
    pub bytes: Vec<u8>,
    /// Where it had come in.
    pub iif: IfIndex,
    /// A program of this host sent it.
    pub own: bool,
}

/// A packet away from its way.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) network: usize,
    pub(crate) link: LinkType,
    pub(crate) meta: Meta,
    pub(crate) flight: Flight,
    /// The fragments it came in.
    pub(crate) pieces: Pieces,
    pub(crate) depth: u8,
    /// Its connection is another's to forget.
    pub(crate) given: bool,
    pub(crate) hook: Hook,
    pub(crate) family: Family,
    /// Who queued it.
    pub(crate) stage: Stage,
    pub(crate) since: Instant,
}

impl Parked {
    fn cost(&self) -> usize {
        self.bytes.len() + self.pieces.lens.len() * size_of::<usize>() + EACH
    }
}

/// Where a packet finds itself that a rule queued.
#[derive(Debug)]
pub(crate) enum Place {
    /// It waits.
    Waits,
    /// It passes, there being no room.
    Passes,
    /// There is no room.
    Full,
    /// Nobody listens.
    Nobody,
}

struct Queue {
    settings: QueueSettings,
    waiting: BTreeMap<u64, Parked>,
    /// Number of the last packet, from 1. The low half is what it is called.
    last: u64,
    counters: QueueCounters,
}

/// The queues that somebody listens to.
pub(crate) struct Queues {
    queues: HashMap<u16, Queue, Seeded>,
    /// Those of which nobody was told yet.
    fresh: VecDeque<(u16, u32)>,
    /// Those that go on.
    judged: VecDeque<(Parked, QueueVerdict)>,
    bytes: usize,
}

impl Queues {
    pub(crate) fn new(seed: u64) -> Queues {
        let queues = HashMap::with_hasher(Seeded(seed));
        Queues { queues, fresh: VecDeque::new(), judged: VecDeque::new(), bytes: 0 }
    }

    /// Makes a queue. False where it is there.
    pub(crate) fn bind(&mut self, number: u16) -> bool {
        let settings = QueueSettings { most: DEFAULT_MOST, fail_open: false };
        let queue = Queue { settings, waiting: BTreeMap::new(), last: 0, counters: QueueCounters::default() };
        self.queues.try_insert(number, queue).is_ok()
    }

    /// Ends a queue: what waits there is dropped. False where there is none.
    pub(crate) fn unbind(&mut self, number: u16) -> bool {
        let Some(queue) = self.queues.remove(&number) else { return false };
        self.judged.extend(queue.waiting.into_values().map(|parked| (parked, QueueVerdict::Drop)));
        true
    }

    pub(crate) fn settings(&mut self, number: u16) -> Option<&mut QueueSettings> {
        self.queues.get_mut(&number).map(|queue| &mut queue.settings)
    }

    pub(crate) fn counters(&self, number: u16) -> Option<QueueCounters> {
        let queue = self.queues.get(&number)?;
        Some(QueueCounters { waiting: queue.waiting.len(), last: queue.last as u32, ..queue.counters })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, QueueCounters)> {
        let mut numbers: Vec<u16> = self.queues.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| Some((number, self.counters(number)?)))
    }

    pub(crate) fn listens(&self, number: u16) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&number)
    }

    /// Puts a packet by, where there is room for it.
    pub(crate) fn park(&mut self, number: u16, parked: impl FnOnce() -> Option<Parked>) -> Place {
        let Some(queue) = self.queues.get_mut(&number) else { return Place::Nobody };
        let room = queue.waiting.len() < queue.settings.most as usize && self.bytes < MOST_BYTES;
        if let Some(parked) = room.then(parked).flatten() {
            queue.last += 1;
            self.bytes += parked.cost();
            queue.waiting.insert(queue.last, parked);
            self.fresh.push_back((number, queue.last as u32));
            return Place::Waits;
        }
        if queue.settings.fail_open {
            return Place::Passes;
        }
        queue.counters.dropped += 1;
        Place::Full
    }

    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    pub(crate) fn take_fresh(&mut self) -> Option<(u16, u32)> {
        self.fresh.pop_front()
    }

    pub(crate) fn get(&self, number: u16, id: u32) -> Option<&Parked> {
        let queue = self.queues.get(&number)?;
        queue.waiting.get(&queue.place(id))
    }

    /// Says what becomes of a packet, once `change` has done to it what the judge asks.
    pub(crate) fn judge(
        &mut self,
        number: u16,
        id: u32,
        verdict: QueueVerdict,
        change: impl FnOnce(&mut Parked),
    ) -> bool {
        let Some(queue) = self.queues.get_mut(&number) else { return false };
        let Some(mut parked) = queue.waiting.remove(&queue.place(id)) else { return false };
        self.bytes -= parked.cost();
        change(&mut parked);
        self.bytes += parked.cost();
        self.judged.push_back((parked, verdict));
        true
    }

    /// The numbers of all that wait up to one, the oldest first (`nfqnl_recv_verdict_batch`).
    pub(crate) fn up_to(&self, number: u16, id: u32) -> Vec<u32> {
        let Some(queue) = self.queues.get(&number) else { return Vec::new() };
        queue.waiting.range(..=queue.place(id)).map(|(place, _)| *place as u32).collect()
    }

    /// Nobody could be told of a packet.
    pub(crate) fn lose(&mut self, number: u16, id: u32) {
        let Some(queue) = self.queues.get_mut(&number) else { return };
        let verdict = if queue.settings.fail_open {
            QueueVerdict::Accept
        } else {
            queue.counters.user_dropped += 1;
            QueueVerdict::Drop
        };
        self.judge(number, id, verdict, |_| {});
    }

    pub(crate) fn has_judged(&self) -> bool {
        !self.judged.is_empty()
    }

    pub(crate) fn take_judged(&mut self) -> Option<(Parked, QueueVerdict)> {
        let next = self.judged.pop_front()?;
        self.bytes -= next.0.cost();
        Some(next)
    }
}

impl Queue {
    /// The place of the latest packet that is called so.
    fn place(&self, id: u32) -> u64 {
        let place = self.last & !u64::from(u32::MAX) | u64::from(id);
        if place > self.last { place.wrapping_sub(1 << 32) } else { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(len: usize) -> Parked {
        Parked {
            bytes: vec![0; len],
            network: 0,
            link: LinkType::None,
            meta: Meta::default(),
            flight: Flight::default(),
            pieces: Pieces::default(),
            depth: 0,
            given: false,
            hook: Hook::Forward,
            family: Family::Ip,
            stage: Stage::Confirm,
            since: Instant::ZERO,
        }
    }

    #[test]
    fn a_queue_holds_no_more_than_it_may() {
        let mut queues = Queues::new(1);
        assert!(matches!(queues.park(7, || Some(parked(1))), Place::Nobody));
        assert!(queues.bind(7) && !queues.bind(7));
        queues.settings(7).unwrap().most = 2;
        for _ in 0..2 {
            assert!(matches!(queues.park(7, || Some(parked(1))), Place::Waits));
        }
        assert!(matches!(queues.park(7, || Some(parked(1))), Place::Full));
        queues.settings(7).unwrap().fail_open = true;
        assert!(matches!(queues.park(7, || Some(parked(1))), Place::Passes));
        let counters = queues.counters(7).unwrap();
        assert_eq!((counters.waiting, counters.dropped, counters.last), (2, 1, 2));
        assert!(queues.judge(7, 1, QueueVerdict::Accept, |parked| parked.bytes = vec![0; 9]));
        assert!(!queues.judge(7, 1, QueueVerdict::Accept, |_| {}));
        assert!(matches!(queues.park(7, || Some(parked(1))), Place::Waits));
        assert!(queues.unbind(7));
        let verdicts: Vec<_> =
            std::iter::from_fn(|| queues.take_judged()).map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [QueueVerdict::Accept, QueueVerdict::Drop, QueueVerdict::Drop]);
        assert_eq!(queues.bytes, 0);
    }

    #[test]
    fn bytes_that_wait_are_bounded_whatever_a_listener_asks_for() {
        let mut queues = Queues::new(1);
        queues.bind(0);
        queues.settings(0).unwrap().most = u32::MAX;
        let mut held = 0;
        while matches!(queues.park(0, || Some(parked(60_000))), Place::Waits) {
            held += 1;
        }
        assert_eq!(held, MOST_BYTES.div_ceil(60_000 + EACH));
    }

    #[test]
    fn a_batch_is_all_up_to_a_number_though_numbers_begin_anew() {
        let mut queues = Queues::new(1);
        queues.bind(1);
        if let Some(queue) = queues.queues.get_mut(&1) {
            queue.last = u64::from(u32::MAX) - 1;
        }
        for _ in 0..4 {
            queues.park(1, || Some(parked(1)));
        }
        assert_eq!(queues.up_to(1, 0), [u32::MAX, 0]);
        assert_eq!(queues.up_to(1, 2), [u32::MAX, 0, 1, 2]);
        assert!(queues.get(1, 3).is_none());
        queues.lose(1, u32::MAX);
        assert_eq!(queues.counters(1).unwrap().user_dropped, 1);
    }
}
