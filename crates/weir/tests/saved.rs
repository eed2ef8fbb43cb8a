//! State on disk: what is restored lists as it did, goes on, and is refused whole where it was damaged.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ironweir::backend::InProcess;
use ironweir::files::DiskFiles;
use ironweir_engine::{Engine, Host, Interface};
use ironweir_language::session::Session;
use ironweir_language::source::Sources;
use ironweir_router::daemon::Attendant;
use ironweir_router::saved::{self, Saver};
use ironweir_router::shared::Shared;
use ironweir_wire::{IfIndex, Instant, LinkType, Packet};

const SEED: u64 = 7;

const RULES: &str = r#"
table inet t {
	counter c { }
	quota q { over 10 mbytes used 0 bytes }
	limit l { rate 1/hour burst 2 packets }
	map m { type inet_service : verdict; elements = { 1 : jump sub, 2 : drop } }
	set intervals { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 192.168.3.4-192.168.3.9 } }
	set both { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 . 1-9 } }
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 65535; counter; }
	set plain { type ipv4_addr; elements = { 1.2.3.4 comment "why", 1.2.3.5 } }
	ct helper ftp { type "ftp" protocol tcp; l3proto ip; }
	chain sub { counter comment "a comment"; }
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport vmap @m
		udp dport { 7, 9 } counter
		add @seen { ip saddr limit rate 5/minute }
		update @seen { ip saddr }
		counter name c quota name q
		limit name l counter
		limit rate 3/hour burst 3 packets counter
		ct count 20 counter
		meta mark set numgen inc mod 5 counter
		last
	}
}
table ip n {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" masquerade
	}
}
"#;

fn host() -> Host {
    let text = r#"
[[interface]]
name = "lan"
mac = "02:00:00:00:00:01"
addresses = ["10.0.0.1/24"]

[[interface]]
name = "wan"
mac = "02:00:00:00:00:02"
addresses = ["198.51.100.1/24"]
"#;
    let path = scratch("host").with_extension("toml");
    std::fs::write(&path, text).unwrap();
    let host = ironweir::host_file::read(&path).unwrap();
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    host
}

fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("weir-state-{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("state")
}

fn engine() -> Engine {
    let mut engine = Engine::new(host(), SEED);
    engine.advance(Instant::from_secs(1_000_000));
    engine
}

fn nft(engine: &mut Engine, text: &str) -> String {
    let mut session = Session::default();
    let mut sources = Sources::new();
    let source = sources.add("rules", text, None).unwrap();
    let outcome = session.run(&mut sources, source, &DiskFiles::default(), &mut InProcess(engine));
    assert!(outcome.ok(), "{}", outcome.render(&sources));
    outcome.output.to_string()
}

/// A datagram from the inside to the outside.
fn send(engine: &mut Engine, from: u8, port: u16) {
    let mut frame = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]].concat();
    frame.extend([8, 0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 198, 51, 100, 9]);
    frame.extend([4, 0]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 12, 0, 0, 1, 2, 3, 4]);
    let sum =
        frame[14..34].chunks(2).fold(0u32, |sum, two| sum + u32::from(u16::from_be_bytes([two[0], two[1]])));
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let len = frame.len();
    let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
    packet.meta.iif =
        IfIndex(engine.host().interface_by_name("lan").map_or(0, |lan: &Interface| lan.index.0));
    let now = engine.now();
    let _ = engine.process(now, &mut packet, &mut ());
}

fn busy() -> Engine {
    let mut engine = engine();
    nft(&mut engine, RULES);
    // A hole in the handles.
    nft(
        &mut engine,
        "add rule inet t sub counter; delete table ip n; add table ip gone; delete table ip gone",
    );
    nft(&mut engine, &RULES[RULES.find("table ip n").unwrap()..]);
    for (from, port) in [(2, 1), (3, 7), (4, 7), (4, 7), (5, 53), (6, 80)] {
        send(&mut engine, from, port);
    }
    engine
}

/// Writes what changed, or all before the end.
fn save(shared: &Shared, saver: &mut Saver) {
    let now = shared.lock().now();
    saver.end(shared, now);
}

fn saver(path: &Path) -> Saver {
    Saver::new(path, |trouble| panic!("{trouble}")).unwrap()
}

fn restored(path: &Path, after: u64) -> (Engine, usize) {
    let mut engine = Engine::new(host(), SEED);
    engine.advance(Instant::from_secs(1_000_000 + after));
    let contents = saved::read(path).unwrap().unwrap();
    let count = saved::restore(&mut engine, &contents, SEED).unwrap();
    (engine, count)
}

fn connections(engine: &Engine) -> Vec<String> {
    let mut lines: Vec<String> = engine
        .conntrack()
        .iter()
        .map(|(_, entry)| format!("{} {}", entry.id(), entry.display(engine.now())))
        .collect();
    lines.sort();
    lines
}

const LISTING: &str = "list ruleset";

#[test]
fn a_restored_engine_lists_and_goes_on_as_the_old_one() {
    let path = scratch("same");
    let old = busy();
    let shared = Shared::new(old).unwrap();
    save(&shared, &mut saver(&path));
    let (mut new, count) = restored(&path, 0);
    let old = &mut *shared.lock();
    assert_eq!(count, 5);
    assert_eq!(connections(&new), connections(old));
    assert_eq!(nft(&mut new, LISTING), nft(old, LISTING));
    assert_eq!(new.ruleset().generation(), old.ruleset().generation());
    // Limits, quotas, numbers and lists go on; handles are given as they would have been.
    for engine in [&mut new, old] {
        for port in 0..20 {
            send(engine, 2, port);
        }
        nft(engine, "add table ip6 later; add rule inet t forward udp dport { 3, 4 } accept");
    }
    assert_eq!(nft(&mut new, LISTING), nft(old, LISTING));
    let handles = |engine: &Engine| {
        let of = |table: &ironweir_ruleset::store::TableState| {
            let rules = table.chains().flat_map(|chain| chain.rules().map(|rule| rule.handle.0));
            (table.handle.0, table.next_handle(), rules.collect::<Vec<_>>())
        };
        engine.ruleset().tables().map(of).collect::<Vec<_>>()
    };
    assert_eq!(handles(&new), handles(old));
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn times_go_on_while_nobody_runs() {
    let path = scratch("times");
    let shared = Shared::new(busy()).unwrap();
    save(&shared, &mut saver(&path));
    let (mut engine, count) = restored(&path, 29);
    assert_eq!(count, 5);
    assert!(nft(&mut engine, "list set inet t seen").contains("expires 31s"));
    let (mut engine, count) = restored(&path, 61);
    assert_eq!(count, 0);
    assert!(!nft(&mut engine, "list set inet t seen").contains("10.0.0.2"));
    // A clock that was set back: as if it had stood still.
    let mut engine = Engine::new(host(), SEED);
    engine.advance(Instant::from_secs(500_000));
    let contents = saved::read(&path).unwrap().unwrap();
    assert_eq!(saved::restore(&mut engine, &contents, SEED).unwrap(), 5);
    assert!(engine.conntrack().iter().all(|(_, entry)| entry.remaining(engine.now()).as_secs() <= 30));
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn rounds_write_what_changed_alone() {
    let path = scratch("rounds");
    let shared = Shared::new(busy()).unwrap();
    let mut saver = saver(&path);
    let health = saver.health();
    let mut now = shared.lock().now();
    let mut round = || {
        now = now + std::time::Duration::from_secs(1);
        shared.lock().advance(now);
        while health.written() != Some(now) {
            saver.turn(&shared, now).unwrap();
            std::thread::yield_now();
        }
        health.bytes()
    };
    let first = round();
    assert_eq!(round(), first);
    send(&mut shared.lock(), 9, 99);
    let second = round();
    assert!(second > first && second < first + 2000, "{first} {second}");
    nft(
        &mut shared.lock(),
        "delete table ip n; flush set inet t intervals; add element inet t plain { 9.9.9.9 }",
    );
    shared.lock().forget_connections();
    round();
    let (mut new, count) = restored(&path, 10);
    assert_eq!(count, 0);
    let old = &mut *shared.lock();
    old.advance(new.now());
    assert_eq!(nft(&mut new, LISTING), nft(old, LISTING));
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

/// Behind a right checksum may stand anything that an older or a faulty program wrote.
#[test]
fn what_is_no_state_is_refused_whole_and_never_panics() {
    use saved::file::{Key, Records, Writer};
    let path = scratch("odd");
    let shared = Shared::new(busy()).unwrap();
    save(&shared, &mut saver(&path));
    let contents = saved::read(&path).unwrap().unwrap();
    let keys: Vec<Key> = (0..=30).flat_map(|kind| contents.keys(kind)).collect();
    let mut chance = 88172645463325252u64;
    let mut next = move |below: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        (chance % below.max(1) as u64) as usize
    };
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..200 {
        let (victim, way) = (next(keys.len()), next(4));
        let mut records = Records::default();
        for (at, key) in keys.iter().enumerate() {
            let mut value = contents.get(*key).unwrap().to_vec();
            if at == victim {
                match way {
                    0 => continue,
                    1 => value.truncate(next(value.len())),
                    2 => value.extend([next(256) as u8; 3]),
                    _ => {
                        let place = next(value.len());
                        if let Some(byte) = value.get_mut(place) {
                            *byte ^= 1 << next(8);
                        }
                    }
                }
            }
            records.put(*key, |out| out.extend(value));
        }
        let changed = scratch("changed");
        let mut writer = Writer::begin(&changed).unwrap();
        writer.frame(&records.take()).unwrap();
        writer.commit(contents.written).unwrap();
        let read = saved::read(&changed).unwrap().unwrap();
        let mut engine = engine();
        match saved::restore(&mut engine, &read, SEED) {
            Ok(_) => {
                taken += 1;
                nft(&mut engine, LISTING);
                send(&mut engine, 2, 7);
            }
            Err(_) => {
                refused += 1;
                assert_eq!(engine.conntrack().len() + engine.ruleset().tables().count(), 0);
            }
        }
        std::fs::remove_dir_all(changed.parent().unwrap()).unwrap();
    }
    assert!(refused > 20 && taken > 20, "{refused} {taken}");
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}
