//! Every shared capture through tracking and NAT of every connection: nothing panics, what had right checksums has them
//! still, and what was wrong does not become right.

use std::path::PathBuf;

use ironweir_conntrack::defrag::{Defrag, Fragment, Limits};
use ironweir_conntrack::{Config, Confirm, Conntrack, Manip, NatRange, NatVerdict, PacketIn, Template};
use ironweir_io::capture::{Capture, Frame};
use ironweir_wire::checksum::Sum;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{
    Address, Headers, Instant, L3, Packet, PacketInfo, dissect, dissect_network, ipv4, receive, rewrite,
    take_vlan_tag,
};

/// Where the shared captures lie: `IRONWEIR_SHARED`, or beside the repository.
fn captures() -> Option<Vec<PathBuf>> {
    let shared = std::env::var_os("IRONWEIR_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let root = shared.join("pcap");
    if !root.is_dir() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no captures at {}", root.display());
        eprintln!("skipped: no captures at {} (set IRONWEIR_SHARED)", root.display());
        return None;
    }
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Some(found)
}

#[derive(Default, Debug)]
struct Totals {
    packets: u64,
    malformed: u64,
    fragments: u64,
    reassembled: u64,
    tracked: u64,
    related: u64,
    invalid: u64,
    untracked: u64,
    changed: u64,
    whole: u64,
    broken: u64,
    refused: u64,
}

struct Router {
    ct: Conntrack,
    defrag: Defrag,
    totals: Totals,
    translate: bool,
}

#[test]
fn nat_keeps_right_checksums_right_and_wrong_ones_wrong() {
    let Some(captures) = captures() else { return };
    let totals = run(&captures, true);
    assert!(totals.changed > 10_000 && totals.reassembled > 10, "{totals:?}");
}

#[test]
fn without_rules_packets_leave_as_they_came_and_few_are_invalid() {
    let Some(captures) = captures() else { return };
    // In this one a segment is missing whose acknowledgement is there: from then on, every segment acknowledges what
    // was never seen, and is invalid to the kernel too.
    let complete: Vec<PathBuf> =
        captures.into_iter().filter(|path| !path.ends_with("zeek-ftp-cwd-navigation.pcap")).collect();
    let totals = run(&complete, false);
    assert!(totals.tracked > 20_000 && totals.related > 5, "{totals:?}");
    assert!(totals.invalid * 30 < totals.tracked, "{totals:?}");
    assert_eq!((totals.changed, totals.refused), (0, 0), "{totals:?}");
}

fn run(captures: &[PathBuf], translate: bool) -> Totals {
    let (mut read, mut totals) = (0, Totals::default());
    for path in captures {
        let Ok(mut capture) = Capture::open(path) else { continue };
        read += 1;
        let mut router = Router {
            ct: Conntrack::new(Config { max: 10_000, ..Config::default() }, 7),
            defrag: Defrag::new(Limits::default(), 7),
            totals,
            translate,
        };
        let mut frame = Frame::default();
        while let Ok(true) = capture.read(&mut frame) {
            let now = frame.time;
            router.frame(now, &mut frame.packet(), &path.display().to_string());
        }
        totals = router.totals;
    }
    println!("{read} of {} captures: {totals:?}", captures.len());
    totals
}

impl Router {
    fn frame(&mut self, now: Instant, packet: &mut Packet<'_>, name: &str) {
        self.totals.packets += 1;
        take_vlan_tag(packet);
        let info = match dissect(packet) {
            Ok(info) if !matches!(info.l3, L3::V4 | L3::V6) => return,
            Ok(info) if receive(packet, &info).is_ok() => info,
            _ => {
                self.totals.malformed += 1;
                return;
            }
        };
        match self.defrag.push(now, packet, 0) {
            Fragment::NotOne => self.route(now, packet, &info, name),
            Fragment::Held | Fragment::Dropped(_) => self.totals.fragments += 1,
            Fragment::Whole(mut whole) => {
                self.totals.reassembled += 1;
                let mut packet = whole.packet();
                match dissect_network(&mut packet) {
                    Ok(info) => self.route(now, &mut packet, &info, name),
                    Err(_) => self.totals.malformed += 1,
                }
            }
        }
    }

    fn route(&mut self, now: Instant, packet: &mut Packet<'_>, info: &PacketInfo, name: &str) {
        let tracking = match self.ct.packet_in(now, packet, info, &Template::default()) {
            PacketIn::Pass(tracking) => tracking,
            PacketIn::Drop(_) => {
                self.totals.refused += 1;
                return;
            }
        };
        let Some((flow, state)) = tracking.flow() else {
            match tracking.state_bit() {
                1 => self.totals.invalid += 1,
                _ => self.totals.untracked += 1,
            }
            return;
        };
        self.totals.tracked += 1;
        self.totals.related += u64::from(state.is_related());
        let before = is_whole(packet, info);
        let old = Conntrack::tuple_of(packet, info);
        for manip in [Manip::Destination, Manip::Source] {
            if self.ct.nat_pending(flow, state, manip) {
                let address = match (info.l3, manip) {
                    (L3::V4, Manip::Source) => Address::v4([203, 0, 113, 77]),
                    (L3::V4, Manip::Destination) => Address::v4([198, 51, 100, 5]),
                    _ => Address([0x20, 1, 0xd, 0xb8, manip as u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
                };
                match self.translate {
                    true => self.ct.nat_setup(flow, &NatRange::default().to_address(address), manip),
                    false => self.ct.nat_null_bind(flow, manip),
                };
            }
            if self.ct.nat_packet(packet, info, flow, state, manip) == NatVerdict::Drop {
                self.totals.refused += 1;
                self.ct.release(flow);
                return;
            }
        }
        self.totals.changed += u64::from(old != Conntrack::tuple_of(packet, info));
        let after = is_whole(packet, info);
        assert_eq!(before, after, "{name}, packet {}", self.totals.packets);
        match after {
            Some(true) => self.totals.whole += 1,
            Some(false) => self.totals.broken += 1,
            None => {}
        }
        if let Confirm::Drop(_) = self.ct.confirm(now, tracking) {
            self.totals.refused += 1;
        }
    }
}

/// Whether network and transport checksum are right, summed from nothing; `None` where there is none to sum.
fn is_whole(packet: &Packet<'_>, info: &PacketInfo) -> Option<bool> {
    let headers = Headers::of(info)?;
    let tuple = headers.tuple(packet)?;
    let length = info.transport_len();
    let network = info.l3 != L3::V4 || ipv4::checksum_is_valid(packet, info.network);
    let pseudo = Sum::ZERO.pseudo(info.l3, &tuple.src, &tuple.dst, length, headers.l4);
    let sum = match (info.l3, headers.l4) {
        (L3::V4, ipproto::ICMP) => Sum::ZERO,
        (_, ipproto::UDP) if packet.be16(info.transport + 6) == Some(0) => return Some(network),
        (_, ipproto::SCTP) => {
            let sum = rewrite::sctp_checksum(packet, &headers)?;
            return Some(network && packet.array(info.transport + 8) == Some(sum));
        }
        (_, ipproto::TCP | ipproto::UDP | ipproto::ICMPV6) => pseudo,
        _ => return Some(network),
    };
    Some(network && !info.is_fragment() && sum.packet(packet, info.transport, length)?.is_valid())
}
