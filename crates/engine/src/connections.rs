//! Lists of connections for `ct count` (`nf_conncount.c`).

use hashbrown::{HashMap, HashSet};
use ironweir_conntrack::{Conntrack, CtRef, TcpStatus};
use ironweir_wire::Instant;

use crate::seeded::Seeded;

/// How many lists there may be: each element of a dynamic set may have one.
const MOST_LISTS: usize = 1 << 20;

/// One list for each `ct count` expression.
pub(crate) struct Connections {
    lists: HashMap<u32, List, Seeded>,
    next: u32,
    seed: u64,
}

struct List {
    members: HashSet<CtRef, Seeded>,
    looked_over: Instant,
}

impl Connections {
    pub(crate) fn new(seed: u64) -> Connections {
        Connections { lists: HashMap::with_hasher(Seeded(seed)), next: 1, seed }
    }

    /// A number no list had before.
    pub(crate) fn new_list(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Each list with its members, those that ended since included.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (u32, Vec<CtRef>)> {
        self.lists.iter().map(|(list, held)| (*list, held.members.iter().copied().collect()))
    }

    /// Puts a list back.
    pub(crate) fn restore(&mut self, list: u32, members: impl Iterator<Item = CtRef>, now: Instant) {
        if self.lists.len() >= MOST_LISTS {
            return;
        }
        let mut held = HashSet::with_hasher(Seeded(self.seed));
        held.extend(members);
        self.lists.insert(list, List { members: held, looked_over: now });
        self.next = self.next.max(list.saturating_add(1));
    }

    /// How many live connections a list holds.
    pub(crate) fn count(&mut self, list: u32, conntrack: &Conntrack, now: Instant) -> u32 {
        let Some(list) = self.lists.get_mut(&list) else { return 0 };
        list.members.retain(|member| lives(conntrack, *member));
        list.looked_over = now;
        u32::try_from(list.members.len()).unwrap_or(u32::MAX)
    }

    /// Puts a connection into a list and tells how many live ones it holds.
    ///
    /// DIVERGES: the kernel looks at the list once a jiffy and clears nine ended connections at most (`__nf_conncount_add`), so
    /// its number may be too high for a while.
    pub(crate) fn add(
        &mut self,
        list: u32,
        ct: CtRef,
        limit: u32,
        conntrack: &Conntrack,
        now: Instant,
    ) -> Option<u32> {
        if self.lists.len() >= MOST_LISTS {
            self.lists.retain(|_, list| {
                list.members.retain(|ct| lives(conntrack, *ct));
                !list.members.is_empty()
            });
            if self.lists.len() >= MOST_LISTS {
                return None;
            }
        }
        let seed = self.seed;
        let list = self
            .lists
            .entry(list)
            .or_insert_with(|| List { members: HashSet::with_hasher(Seeded(seed)), looked_over: now });
        list.members.insert(ct);
        // Those that ended are counted out once a second, and whenever the answer would depend on them.
        if list.looked_over.secs() != now.secs() || list.members.len() > limit as usize {
            list.members.retain(|member| *member == ct || lives(conntrack, *member));
            list.looked_over = now;
        }
        u32::try_from(list.members.len()).ok()
    }
}

/// Whether a connection still counts: TCP ones that are closing do not (`already_closed`).
fn lives(conntrack: &Conntrack, ct: CtRef) -> bool {
    conntrack.entry(ct).is_some_and(|entry| {
        !entry.status().contains(ironweir_conntrack::Status::DYING)
            && !matches!(entry.tcp_status(), Some(TcpStatus::TimeWait | TcpStatus::Close))
    })
}
