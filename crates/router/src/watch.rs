//! What clients want to hear of packets, and what there is to tell: traces and logs, between the two threads.
//!
//! The thread of packets asks [`Watch`] whether anybody listens before it makes anything, and never waits: what it saw is put
//! down here, as far as there is room, and the thread of clients takes it ([`Watch::take`]).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ironweir_netlink::ctnetlink::Flow;
use ironweir_netlink::nflog::HwAddress;
use ironweir_ruleset::netlink::Trace;
use ironweir_wire::Instant;
use parking_lot::Mutex;

/// Bytes of what was seen and not yet taken.
const MOST_BYTES: usize = 8 << 20;
/// What each thing takes beside its bytes.
const EACH: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub struct Watch {
    tracing: AtomicBool,
    logging: AtomicBool,
    news: AtomicBool,
    lines: AtomicBool,
    groups: Mutex<BTreeMap<u16, Wanted>>,
    seen: Mutex<Seen>,
    activity: Activity,
}

/// What clients did, counted.
#[derive(Debug, Default)]
pub struct Activity {
    /// Clients now.
    pub clients: AtomicU64,
    /// Clients that came.
    pub came: AtomicU64,
    /// Their requests.
    pub requests: AtomicU64,
    /// Batches that were committed, and those that were refused.
    pub transactions: [AtomicU64; 2],
    /// Logs and traces for which there was no room.
    pub lost: AtomicU64,
}

impl Activity {
    /// One more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a listener wants of a group's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many of their bytes.
    pub bytes: usize,
    /// Their connections.
    pub connection: bool,
}

/// What was seen of packets.
#[derive(Debug, Default)]
pub struct Seen {
    /// Steps of packets that are traced, in order.
    pub traces: Vec<Trace>,
    /// Packets of `log group`, in order.
    pub logs: Vec<Logged>,
    /// Lines of `log` without a group: level (0 to 7), and text.
    pub lines: Vec<(u8, String)>,
    /// Traces were lost.
    pub traces_lost: bool,
    /// Groups whose logs were lost.
    pub groups_lost: Vec<u16>,
    bytes: usize,
}

/// A packet that a `log group` told of.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// The group.
    pub group: u16,
    /// How many packets make one message, if the rule says so.
    pub threshold: Option<u16>,
    /// `NFPROTO_*` of the hook.
    pub family: u8,
    /// `NF_INET_*` number of the hook.
    pub hook: u8,
    /// EtherType, host order.
    pub protocol: u16,
    /// What the rule's line begins with.
    pub prefix: Option<Box<str>>,
    /// Interfaces, 0 for none.
    pub devices: [u32; 2],
    /// Its mark.
    pub mark: u32,
    /// Who sent it on the link.
    pub hw_address: Option<HwAddress>,
    /// Its link header, of Ethernet.
    pub link: Vec<u8>,
    /// When.
    pub at: Instant,
    /// Its connection, and what it is to it.
    pub connection: Option<(Box<Flow>, u32)>,
    /// As many of its bytes as are wanted.
    pub payload: Vec<u8>,
}

impl Watch {
    /// Says whether anybody listens to traces.
    pub fn set_tracing(&self, on: bool) {
        self.tracing.store(on, Ordering::Release);
    }

    /// Whether anybody listens to traces.
    pub fn traces(&self) -> bool {
        self.tracing.load(Ordering::Acquire)
    }

    /// Says whether lines of `log` without a group go anywhere.
    pub fn set_lines(&self, on: bool) {
        self.lines.store(on, Ordering::Release);
    }

    /// Whether they go anywhere.
    pub fn lines(&self) -> bool {
        self.lines.load(Ordering::Acquire)
    }

    /// What clients did.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Says what is wanted of a group's packets: `None` if nobody listens.
    pub fn set_group(&self, group: u16, wanted: Option<Wanted>) {
        let mut groups = self.groups.lock();
        match wanted {
            Some(wanted) => groups.insert(group, wanted),
            None => groups.remove(&group),
        };
        self.logging.store(!groups.is_empty(), Ordering::Release);
    }

    /// What is wanted of a group's packets, if anybody listens.
    pub fn group(&self, group: u16) -> Option<Wanted> {
        if !self.logging.load(Ordering::Acquire) {
            return None;
        }
        self.groups.lock().get(&group).copied()
    }

    /// Puts down what was seen; what finds no room is lost, and that is told.
    pub(crate) fn put(
        &self,
        traces: impl Iterator<Item = Trace>,
        logs: impl Iterator<Item = Logged>,
        lines: impl Iterator<Item = (u8, String)>,
    ) {
        let mut seen = self.seen.lock();
        let lost = || Activity::count(&self.activity.lost);
        for (level, line) in lines {
            let cost = EACH + line.len();
            if seen.bytes + cost > MOST_BYTES {
                lost();
                continue;
            }
            seen.bytes += cost;
            seen.lines.push((level, line));
        }
        for trace in traces {
            let cost = EACH + trace.link.len() + trace.network.len() + trace.transport.len();
            // Behind a lost one all are lost until what is there was taken.
            if seen.traces_lost || seen.bytes + cost > MOST_BYTES {
                seen.traces_lost = true;
                lost();
                continue;
            }
            seen.bytes += cost;
            seen.traces.push(trace);
        }
        for log in logs {
            let cost = EACH + log.payload.len();
            if seen.bytes + cost > MOST_BYTES {
                lost();
                if !seen.groups_lost.contains(&log.group) {
                    seen.groups_lost.push(log.group);
                }
                continue;
            }
            seen.bytes += cost;
            seen.logs.push(log);
        }
        self.news.store(true, Ordering::Release);
    }

    /// Whether there is anything to take.
    pub fn has_news(&self) -> bool {
        self.news.load(Ordering::Acquire)
    }

    /// Takes what was seen.
    pub fn take(&self) -> Seen {
        if !self.news.swap(false, Ordering::AcqRel) {
            return Seen::default();
        }
        std::mem::take(&mut *self.seen.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_ruleset::netlink::TraceType;
    use ironweir_ruleset::{Family, TableId};

    #[test]
    fn what_finds_no_room_is_lost_and_that_is_told() {
        let watch = Watch::default();
        assert!(!watch.has_news() && watch.take().traces.is_empty());
        let step = || Trace::new(TableId::new(Family::Ip, "t"), 1, TraceType::Rule);
        let many = MOST_BYTES / EACH + 10;
        watch.put((0..many).map(|_| step()), std::iter::empty(), std::iter::empty());
        let seen = watch.take();
        assert_eq!((seen.traces.len(), seen.traces_lost), (MOST_BYTES / EACH, true));
        assert_eq!(watch.activity().lost.load(Ordering::Relaxed), 10);
        watch.put(std::iter::once(step()), std::iter::empty(), std::iter::empty());
        assert!(!watch.take().traces_lost);
    }

    #[test]
    fn a_group_is_asked_for_only_while_somebody_listens() {
        let watch = Watch::default();
        assert_eq!(watch.group(0), None);
        let wanted = Wanted { bytes: 64, connection: false };
        watch.set_group(0, Some(wanted));
        assert_eq!((watch.group(0), watch.group(1)), (Some(wanted), None));
        watch.set_group(0, None);
        assert_eq!(watch.group(0), None);
    }
}
