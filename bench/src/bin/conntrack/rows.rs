//! The rows of DESIGN.md's budgets that connection tracking answers for.

use std::hint::black_box;
use std::time::{Duration, Instant as Clock};

use ironweir_conntrack::{
    Config, Conntrack, CtInfo, Manip, NatRange, NatVerdict, PacketIn, Template, Tracking,
};
use ironweir_wire::{Address, Instant};

use crate::packets::{Packets, Transport, VECTOR, Way, flags, track};

const PUBLIC: [u8; 4] = [198, 51, 100, 1];

/// What is measured of a table with `flows` connections.
pub struct Bench {
    conntrack: Conntrack,
    packets: Packets,
    transport: Transport,
    flows: u32,
    now: Instant,
    nat: bool,
    /// Where connections come from is changed to one of these: as many as their ports suffice for.
    public: Address,
}

/// Nanoseconds per packet of several rounds.
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// The median.
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The fastest.
    pub fn best(&self) -> f64 {
        self.0[0]
    }
}

/// Calls `round` until `time` is over, and at least three times.
pub fn rounds(time: Duration, mut round: impl FnMut() -> (u64, Duration)) -> Rounds {
    let begin = Clock::now();
    let mut found = Vec::new();
    while found.len() < 3 || begin.elapsed() < time {
        let (packets, took) = round();
        found.push(took.as_nanos() as f64 / packets as f64);
    }
    found.sort_by(f64::total_cmp);
    Rounds(found)
}

impl Bench {
    /// A table with room for `flows` connections, and none in it.
    pub fn new(transport: Transport, flows: u32, nat: bool) -> Bench {
        Bench::with_max(transport, flows, nat, (flows as usize).max(Config::default().max))
    }

    /// A table that is full with `flows` connections, and none in it.
    pub fn of_exactly(transport: Transport, flows: u32, nat: bool) -> Bench {
        Bench::with_max(transport, flows, nat, flows as usize)
    }

    fn with_max(transport: Transport, flows: u32, nat: bool, max: usize) -> Bench {
        let config = Config { max, ..Config::default() };
        Bench {
            conntrack: Conntrack::new(config, 0x1234_5678),
            packets: Packets::new(transport),
            transport,
            flows,
            now: Instant::from_secs(1_700_000_000),
            nat,
            public: Address::v4(PUBLIC),
        }
    }

    /// The next packets of TCP begin connections.
    pub fn syn(&mut self) {
        self.packets.tcp(flags::SYN, 0, 0);
    }

    /// Makes every connection established, a handshake or a packet each way.
    pub fn establish(&mut self) {
        self.packets.tcp(flags::SYN, 0, 0);
        self.pass(Way::There);
        self.packets.tcp(flags::SYN_ACK, 0, 1);
        self.pass(Way::Back);
        self.packets.tcp(flags::ACK, 1, 1);
        self.pass(Way::There);
        let live = self
            .conntrack
            .iter()
            .filter(|(_, entry)| entry.status().contains(ironweir_conntrack::Status::SEEN_REPLY));
        assert_eq!(live.count(), self.flows as usize);
    }

    /// A packet of every flow through all hooks; nanoseconds it took with what makes the packets, and without.
    pub fn pass(&mut self, way: Way) -> (u64, Duration) {
        let begin = Clock::now();
        let mut tracked = Vec::with_capacity(VECTOR);
        let mut results = Vec::with_capacity(VECTOR);
        for from in (0..self.flows).step_by(VECTOR) {
            let count = VECTOR.min((self.flows - from) as usize);
            let public = (self.nat && way == Way::Back).then_some(PUBLIC);
            self.packets.fill(from, count, self.flows, way, public);
            let mut packets = self.packets.dissected(count);
            track(&mut self.conntrack, self.now, &packets, &mut tracked);
            if self.nat {
                for ((packet, info), tracking) in packets.iter_mut().zip(&tracked) {
                    let Tracking::Flow(ct, ctinfo) = *tracking else { continue };
                    for manip in [Manip::Destination, Manip::Source] {
                        if matches!(ctinfo, CtInfo::New) && self.conntrack.nat_pending(ct, ctinfo, manip) {
                            match manip {
                                Manip::Source => {
                                    let range = NatRange::default().to_address(self.public);
                                    self.conntrack.nat_setup(ct, &range, manip)
                                }
                                Manip::Destination => self.conntrack.nat_null_bind(ct, manip),
                            };
                        }
                        let verdict = self.conntrack.nat_packet(packet, info, ct, ctinfo, manip);
                        assert_eq!(verdict, NatVerdict::Accept);
                    }
                }
            }
            results.clear();
            self.conntrack.confirm_all(self.now, &tracked, &mut results);
            black_box(&results);
            self.now = self.now + Duration::from_micros(25);
        }
        (self.flows.into(), begin.elapsed())
    }

    /// As [`Bench::pass`], but packets come one by one.
    pub fn pass_one_by_one(&mut self, way: Way) -> (u64, Duration) {
        let begin = Clock::now();
        let template = Template::default();
        for from in (0..self.flows).step_by(VECTOR) {
            let count = VECTOR.min((self.flows - from) as usize);
            self.packets.fill(from, count, self.flows, way, None);
            for (packet, info) in &self.packets.dissected(count) {
                let PacketIn::Pass(tracking) = self.conntrack.packet_in(self.now, packet, info, &template)
                else {
                    panic!("dropped");
                };
                black_box(self.conntrack.confirm(self.now, tracking));
            }
            self.now = self.now + Duration::from_micros(25);
        }
        (self.flows.into(), begin.elapsed())
    }

    /// What packets cost without connection tracking: made, and their headers found.
    pub fn pass_nothing(&mut self, way: Way) -> (u64, Duration) {
        let begin = Clock::now();
        for from in (0..self.flows).step_by(VECTOR) {
            let count = VECTOR.min((self.flows - from) as usize);
            self.packets.fill(from, count, self.flows, way, None);
            black_box(self.packets.dissected(count));
        }
        (self.flows.into(), begin.elapsed())
    }

    /// Ends every connection, and lets their places be used again.
    pub fn empty(&mut self) {
        self.now = self.now + Duration::from_secs(1_000_000);
        self.conntrack.expire(self.now);
        assert!(self.conntrack.is_empty());
    }

    /// How long vectors of 32 packets of other flows take while every connection has timed out at once, until all are
    /// cleared away: the median, all but one of a thousand, and the longest, which counts what else the machine did.
    pub fn vectors_while_all_expire(&mut self) -> [Duration; 3] {
        self.now = self.now + Duration::from_secs(1_000_000);
        let mut took = Vec::new();
        let mut tracked = Vec::with_capacity(VECTOR);
        while !self.conntrack.is_empty() {
            self.packets.fill(0, 32, 32, Way::There, Some([172, 16, 0, 1]));
            let packets = self.packets.dissected(32);
            let begin = Clock::now();
            track(&mut self.conntrack, self.now, &packets, &mut tracked);
            took.push(begin.elapsed());
            for tracking in &tracked {
                if let Some((ct, _)) = tracking.flow() {
                    self.conntrack.release(ct);
                }
            }
        }
        took.sort_unstable();
        let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000];
        [at(500), at(999), at(1000)]
    }

    /// The protocol's name.
    pub fn transport(&self) -> Transport {
        self.transport
    }
}

/// Bytes of memory that the process occupies (`/proc/self/statm`); `None` where Linux does not tell.
pub fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
