//! `metrics = "127.0.0.1:9469"`: what Prometheus reads at `/metrics`.
//!
//! A thread of its own answers, a connection in a thread each, few at once and none for long. What is told is put
//! together by the one who asks, in portions under the engine's lock, and holds for a second: however many ask, packets
//! wait no longer than for a client that lists.
//!
//! Names are those of exporters in use (nftables-exporter, `node_exporter`'s conntrack collector), and `weir_*`. No
//! series is made for each flow or element.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use ironweir_conntrack::Entry;
use ironweir_engine::FlowtableStats;
use ironweir_engine::queue::QueueCounters;
use ironweir_expr::Expr;
use ironweir_expr::counter::Counter;
use ironweir_router::saved::Health;
use ironweir_router::shared::Shared;
use ironweir_ruleset::ObjectKind;
use ironweir_ruleset::userdata::RULE_COMMENT;

/// Connections at once; who comes then is turned away.
const MOST: usize = 8;
/// Bytes of a request.
const REQUEST: usize = 8 << 10;
/// How long a client may take to ask, and to read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what was put together holds.
const HOLDS: Duration = Duration::from_secs(1);
/// Rules and places of the connection table in one portion.
const RULES: usize = 1024;
const PLACES: u32 = 4096;
/// Rules with a series of their own; those behind are in the sums alone.
const MOST_RULES: usize = 10_000;

/// Where metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsAddress {
    /// An address and port of TCP.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

impl MetricsAddress {
    /// `ADDRESS:PORT`, or a path with a slash.
    pub fn parse(text: &str) -> MetricsAddress {
        if text.contains('/') { MetricsAddress::Unix(text.into()) } else { MetricsAddress::Tcp(text.into()) }
    }
}

/// Who waits for clients.
#[derive(Debug)]
pub(super) enum Metrics {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What was put together, and when.
type Told = (Instant, Arc<String>);

/// A number of a port.
type Field = fn(&ironweir_io::port::PortStatistics) -> u64;

/// A client's connection.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Metrics {
    /// Listens.
    pub(super) fn listen(address: &MetricsAddress) -> io::Result<Metrics> {
        Ok(match address {
            MetricsAddress::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Metrics::Tcp(listener)
            }
            MetricsAddress::Unix(path) => {
                // A socket that a killed daemon left behind; another file is not touched.
                if std::fs::symlink_metadata(path)
                    .is_ok_and(|old| std::os::unix::fs::FileTypeExt::is_socket(&old.file_type()))
                {
                    std::fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Metrics::Unix(listener)
            }
        })
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Metrics::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Metrics::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        })
    }

    /// Answers until the daemon ends.
    pub(super) fn serve<'s>(
        self,
        scope: &'s Scope<'s, '_>,
        shared: &'s Shared,
        health: Option<Arc<Health>>,
    ) -> io::Result<()> {
        let told: Arc<Mutex<Option<Told>>> = Arc::default();
        let busy = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::Builder::new().name("metrics".into());
        thread.spawn_scoped(scope, move || {
            while !shared.is_stopped() {
                let Ok(mut stream) = self.accept() else {
                    std::thread::sleep(Duration::from_millis(50));
                    continue;
                };
                if busy.fetch_add(1, Ordering::AcqRel) >= MOST {
                    busy.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let (told, health, done) = (told.clone(), health.clone(), busy.clone());
                let answering = std::thread::Builder::new().name("metrics".into());
                let spawned = answering.spawn_scoped(scope, move || {
                    // Who goes away in the middle has what it wanted.
                    let _ = answer(&mut *stream, || {
                        let mut held = told.lock().unwrap_or_else(PoisonError::into_inner);
                        match &*held {
                            Some((at, text)) if at.elapsed() < HOLDS => text.clone(),
                            _ => {
                                let text = Arc::new(render(shared, health.as_deref()));
                                *held = Some((Instant::now(), text.clone()));
                                text
                            }
                        }
                    });
                    done.fetch_sub(1, Ordering::AcqRel);
                });
                if spawned.is_err() {
                    busy.fetch_sub(1, Ordering::AcqRel);
                }
            }
        })?;
        Ok(())
    }
}

/// Answers one request of HTTP/1, and no second one over the same connection.
fn answer(stream: &mut dyn Stream, metrics: impl FnOnce() -> Arc<String>) -> io::Result<()> {
    let begun = Instant::now();
    let mut request = Vec::new();
    let mut some = [0; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let len = stream.read(&mut some)?;
        if len == 0 || request.len() + len > REQUEST || begun.elapsed() > PATIENCE {
            return Ok(());
        }
        request.extend_from_slice(some.get(..len).unwrap_or_default());
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics()),
        (b"GET" | b"HEAD", _) => ("404 Not Found", "text/plain", Arc::new("try /metrics\n".to_owned())),
        _ => ("405 Method Not Allowed", "text/plain", Arc::default()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if method != b"HEAD" {
        // A client that reads a byte at a time is left to the time that it has.
        for part in body.as_bytes().chunks(64 << 10) {
            if begun.elapsed() > 2 * PATIENCE {
                return Ok(());
            }
            stream.write_all(part)?;
        }
    }
    stream.flush()
}

/// A text of metrics in the making.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// The name, kind and meaning of what follows.
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{open}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.about(name, kind, help);
        self.value(name, &[], value);
    }
}

/// What is so now.
fn render(shared: &Shared, health: Option<&Health>) -> String {
    let mut page = Page::default();
    page.one("nftables_up", "gauge", "Whether the ruleset could be read.", 1);
    clients(&mut page, shared);
    connections(&mut page, shared);
    flowtables(&mut page, shared);
    queues(&mut page, shared);
    ruleset(&mut page, shared);
    ports(&mut page, shared);
    if let Some(health) = health {
        page.one("weir_state_bytes", "gauge", "Length of the state on disk.", health.bytes());
        page.one(
            "weir_state_failures_total",
            "counter",
            "Times that the state could not be written.",
            health.failures(),
        );
        let written = health.written().map_or(0, |at| at.secs());
        page.one(
            "weir_state_written_seconds",
            "gauge",
            "When the state on disk was so, since the epoch.",
            written,
        );
    }
    page.text
}

fn clients(page: &mut Page, shared: &Shared) {
    let activity = shared.watch().activity();
    let now = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    page.one("weir_clients", "gauge", "Clients of the daemon's socket.", now(&activity.clients));
    page.one("weir_clients_total", "counter", "Clients that came.", now(&activity.came));
    page.one("weir_requests_total", "counter", "Requests of clients.", now(&activity.requests));
    page.about("weir_transactions_total", "counter", "Batches of changes, by what became of them.");
    let [committed, refused] = &activity.transactions;
    for (result, counter) in [("committed", committed), ("refused", refused)] {
        page.value("weir_transactions_total", &[("result", result)], now(counter));
    }
    let help = "Logs and traces of packets that found no room.";
    page.one("weir_seen_lost_total", "counter", help, now(&activity.lost));
}

/// What is told of several things of a kind: name, kind, meaning, value.
type Series<T> = (&'static str, &'static str, &'static str, fn(&T) -> u64);

fn flowtables(page: &mut Page, shared: &Shared) {
    let engine = shared.lock();
    let all: Vec<(String, String, String, FlowtableStats)> = engine
        .ruleset()
        .tables()
        .flat_map(|table| {
            let id = &table.table.id;
            table.flowtables().map(|flowtable| {
                let stats = engine.flowtable_stats(table.id, flowtable.id);
                let name = flowtable.flowtable.name.to_string();
                (id.family.to_string(), id.name.to_string(), name, stats)
            })
        })
        .collect();
    drop(engine);
    let kinds: [Series<FlowtableStats>; 6] = [
        ("weir_flowtable_entries", "gauge", "Connections of a flowtable.", |stats| stats.entries),
        ("weir_flowtable_offloaded_total", "counter", "Connections it was given.", |stats| stats.offloaded),
        ("weir_flowtable_packets_total", "counter", "Packets it carried.", |stats| stats.packets),
        ("weir_flowtable_bytes_total", "counter", "Their bytes.", |stats| stats.bytes),
        ("weir_flowtable_torn_down_total", "counter", "Entries ended by a packet or a change.", |stats| {
            stats.torn_down
        }),
        ("weir_flowtable_expired_total", "counter", "Entries that timed out.", |stats| stats.expired),
    ];
    for (name, kind, help, value) in kinds {
        page.about(name, kind, help);
        for (family, table, flowtable, stats) in &all {
            let labels = [("family", &**family), ("table", table), ("flowtable", flowtable)];
            page.value(name, &labels, value(stats));
        }
    }
}

fn queues(page: &mut Page, shared: &Shared) {
    let all: Vec<_> = shared.lock().queues().collect();
    let kinds: [Series<QueueCounters>; 3] = [
        ("weir_queue_waiting", "gauge", "Packets that wait for a verdict.", |queue| queue.waiting as u64),
        ("weir_queue_dropped_total", "counter", "Packets that found no place.", |queue| queue.dropped),
        ("weir_queue_user_dropped_total", "counter", "Packets whose listener had no room.", |queue| {
            queue.user_dropped
        }),
    ];
    for (name, kind, help, value) in kinds {
        page.about(name, kind, help);
        for (number, counters) in &all {
            page.value(name, &[("queue", &number.to_string())], value(counters));
        }
    }
}

fn connections(page: &mut Page, shared: &Shared) {
    let (stats, len, max, places, drops, generation);
    {
        let engine = shared.lock();
        let conntrack = engine.conntrack();
        (stats, len, max) = (conntrack.stats().clone(), conntrack.len(), conntrack.config().max);
        places = conntrack.places();
        drops = engine.drops().collect::<Vec<_>>();
        generation = engine.ruleset().generation();
    }
    page.one(
        "weir_generation",
        "gauge",
        "Generation of the ruleset; each transaction makes another.",
        generation,
    );
    page.about("weir_drops_total", "counter", "Packets dropped, by reason.");
    for (reason, count) in drops {
        page.value("weir_drops_total", &[("reason", reason)], count);
    }
    page.one("node_nf_conntrack_entries", "gauge", "Connections.", len as u64);
    page.one("node_nf_conntrack_entries_limit", "gauge", "The most connections.", max as u64);
    let counts = [
        ("found", stats.found),
        ("invalid", stats.invalid),
        ("ignore", stats.untracked),
        ("insert", stats.created_total()),
        ("insert_failed", stats.insert_failed),
        ("drop", stats.drop),
        ("early_drop", stats.early_drop),
        ("search_restart", 0),
    ];
    for (name, count) in counts {
        let name = format!("node_nf_conntrack_stat_{name}");
        page.one(&name, "counter", "As conntrack -S tells it.", count);
    }
    let own = [
        ("expired", "Connections whose time was up.", stats.expired),
        ("clash_resolved", "Connections that joined another.", stats.clash_resolved),
        ("events_lost", "Events that nobody took.", stats.events_lost),
    ];
    for (name, help, count) in own {
        page.one(&format!("weir_conntrack_{name}_total"), "counter", help, count);
    }
    let mut states: std::collections::BTreeMap<(&str, &str), u64> = Default::default();
    for from in (0..places).step_by(PLACES as usize) {
        let engine = shared.lock();
        for (_, entry) in engine.conntrack().iter_places(from..from.saturating_add(PLACES).min(places)) {
            *states.entry(state_of(entry)).or_default() += 1;
        }
    }
    page.about("weir_conntrack_state_entries", "gauge", "Connections by protocol and state.");
    for ((protocol, state), count) in states {
        page.value("weir_conntrack_state_entries", &[("protocol", protocol), ("state", state)], count);
    }
}

fn state_of(entry: &Entry) -> (&'static str, &'static str) {
    use ironweir_conntrack::{Direction, Status};
    let answered = || if entry.status().contains(Status::SEEN_REPLY) { "replied" } else { "unreplied" };
    if let Some(state) = entry.tcp_status() {
        return ("tcp", state.name());
    }
    if let Some(state) = entry.sctp_status() {
        return ("sctp", state.name());
    }
    match entry.tuple(Direction::Original).l4 {
        17 => ("udp", answered()),
        136 => ("udplite", answered()),
        1 => ("icmp", answered()),
        58 => ("icmpv6", answered()),
        47 => ("gre", answered()),
        _ => ("other", answered()),
    }
}

fn counter_of(exprs: &[Expr]) -> Option<&Counter> {
    exprs.iter().find_map(|expr| if let Expr::Counter(counter) = expr.known() { Some(counter) } else { None })
}

#[derive(Default)]
struct Lines {
    chains: String,
    rules: String,
    policies: String,
    sets: String,
    elements: String,
    packets: String,
    bytes: String,
    objects: String,
}

fn ruleset(page: &mut Page, shared: &Shared) {
    // Each kind of line stands together, as the format wants it.
    let mut lines = Page::default();
    let mut kinds = Lines::default();
    let mut rules_told = 0;
    let put = |lines: &mut Page, kind: &mut String, name: &str, labels: &[(&str, &str)], value| {
        lines.value(name, labels, value);
        kind.push_str(&std::mem::take(&mut lines.text));
    };
    let slots: Vec<u32> = shared.lock().ruleset().table_slots().map(|(slot, _)| slot).collect();
    for slot in slots {
        let mut chains = Vec::new();
        {
            let engine = shared.lock();
            let Some(table) = engine.ruleset().table_at(slot) else { continue };
            let family = table.table.id.family.to_string();
            let of = [("family", family.as_str()), ("table", &*table.table.id.name)];
            put(&mut lines, &mut kinds.chains, "nftables_table_chains", &of, table.chain_count() as u64);
            put(&mut lines, &mut kinds.sets, "nftables_table_sets", &of, table.sets().count() as u64);
            for set in table.sets().filter(|set| !set.is_anonymous()) {
                let labels = [of[0], of[1], ("set", &*set.set.name)];
                put(
                    &mut lines,
                    &mut kinds.elements,
                    "nftables_set_elements",
                    &labels,
                    set.element_count() as u64,
                );
            }
            for object in table.objects() {
                let (kind, packets, bytes) = match &object.object.kind {
                    ObjectKind::Counter(counter) => {
                        let (packets, bytes) = counter.totals();
                        ("counter", Some(packets), bytes)
                    }
                    ObjectKind::Quota(quota) => ("quota", None, quota.consumed()),
                    _ => continue,
                };
                let labels = [of[0], of[1], ("type", kind), ("name", &*object.object.name)];
                if let Some(packets) = packets {
                    put(&mut lines, &mut kinds.objects, "weir_object_packets_total", &labels, packets);
                }
                put(&mut lines, &mut kinds.objects, "weir_object_bytes_total", &labels, bytes);
            }
            for chain in table.chains() {
                let labels = [of[0], of[1], ("chain", &*chain.chain.name)];
                put(&mut lines, &mut kinds.rules, "nftables_chain_rules", &labels, chain.rule_count() as u64);
                if chain.chain.base.is_some() {
                    let (packets, _) = chain.policy_hits.totals();
                    put(&mut lines, &mut kinds.policies, "weir_policy_packets_total", &labels, packets);
                }
                chains.push(chain.id);
            }
        }
        for chain in chains {
            let mut done = 0;
            loop {
                let engine = shared.lock();
                let Some(table) = engine.ruleset().table_at(slot) else { break };
                let Some(state) = table.chain_at(chain) else { break };
                let family = table.table.id.family.to_string();
                for rule in state.rules().skip(done).take(RULES) {
                    let Some(counter) = counter_of(&rule.rule.exprs) else { continue };
                    if rules_told >= MOST_RULES {
                        break;
                    }
                    rules_told += 1;
                    let handle = rule.handle.0.to_string();
                    let comment = rule.rule.userdata.get_str(RULE_COMMENT).unwrap_or_default();
                    let action = action_of(&rule.rule.exprs);
                    let labels = [
                        ("family", family.as_str()),
                        ("table", &*table.table.id.name),
                        ("chain", &*state.chain.name),
                        ("handle", &handle),
                        ("comment", comment),
                        ("action", action),
                    ];
                    let (packets, bytes) = counter.totals();
                    put(&mut lines, &mut kinds.packets, "nftables_rule_packets", &labels, packets);
                    put(&mut lines, &mut kinds.bytes, "nftables_rule_bytes", &labels, bytes);
                }
                done += RULES;
                if done >= state.rule_count() || rules_told >= MOST_RULES {
                    break;
                }
            }
        }
    }
    let Lines { chains, rules, policies, sets, elements, packets, bytes, objects } = kinds;
    for (name, kind, help, text) in [
        ("nftables_table_chains", "gauge", "Chains of a table.", chains),
        ("nftables_chain_rules", "gauge", "Rules of a chain.", rules),
        ("weir_policy_packets_total", "counter", "Packets that came to a chain's policy.", policies),
        ("nftables_table_sets", "gauge", "Sets of a table.", sets),
        ("nftables_set_elements", "gauge", "Elements of a set.", elements),
        ("nftables_rule_packets", "counter", "Packets that a rule's counter counted.", packets),
        ("nftables_rule_bytes", "counter", "Bytes that a rule's counter counted.", bytes),
    ] {
        page.about(name, kind, help);
        page.text.push_str(&text);
    }
    // Packets and bytes stand beside each other in the one text.
    for name in ["weir_object_packets_total", "weir_object_bytes_total"] {
        page.about(name, "counter", "What a named counter or quota counted.");
        for line in objects.lines().filter(|line| line.starts_with(name)) {
            page.text.push_str(line);
            page.text.push('\n');
        }
    }
}

/// What a rule does with a packet, in a word.
fn action_of(exprs: &[Expr]) -> &'static str {
    use ironweir_expr::immediate::Immediate;
    use ironweir_ruleset::Verdict;
    match exprs.last().map(Expr::known) {
        Some(Expr::Immediate(Immediate::Verdict(Verdict::Accept))) => "accept",
        Some(Expr::Immediate(Immediate::Verdict(Verdict::Drop))) => "drop",
        Some(Expr::Immediate(Immediate::Verdict(Verdict::Jump(_)))) => "jump",
        Some(Expr::Immediate(Immediate::Verdict(Verdict::Goto(_)))) => "goto",
        Some(Expr::Immediate(Immediate::Verdict(_))) => "verdict",
        _ => "none",
    }
}

fn ports(page: &mut Page, shared: &Shared) {
    let ports = shared.ports();
    let names: Vec<String> = {
        let engine = shared.lock();
        let name = |index| engine.host().interface(index).map(|port| port.name.to_string());
        ports.iter().map(|(index, _)| name(*index).unwrap_or_else(|| index.0.to_string())).collect()
    };
    let fields: [(&str, Field); 6] = [
        ("weir_port_receive_packets_total", |port| port.received),
        ("weir_port_receive_bytes_total", |port| port.received_bytes),
        ("weir_port_receive_drops_total", |port| port.receive_dropped),
        ("weir_port_transmit_packets_total", |port| port.sent),
        ("weir_port_transmit_bytes_total", |port| port.sent_bytes),
        ("weir_port_transmit_drops_total", |port| port.send_dropped),
    ];
    for (name, field) in fields {
        page.about(name, "counter", "Frames of a port.");
        for ((_, port), device) in ports.iter().zip(&names) {
            page.value(name, &[("device", device)], field(port));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client sends, and what it is sent.
    struct Line {
        asks: io::Cursor<Vec<u8>>,
        told: Vec<u8>,
    }

    impl Read for Line {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            // In pieces, as over a slow line.
            let len = bytes.len().min(7);
            self.asks.read(&mut bytes[..len])
        }
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.told.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(request: &[u8]) -> String {
        let mut line = Line { asks: io::Cursor::new(request.to_vec()), told: Vec::new() };
        answer(&mut line, || Arc::new("x 1\n".into())).unwrap();
        String::from_utf8(line.told).unwrap()
    }

    #[test]
    fn metrics_are_there_and_nothing_else() {
        let told = ask(b"GET /metrics?x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("\r\n\r\nx 1\n"), "{told}");
        assert!(told.contains("Content-Length: 4\r\n"));
        assert!(ask(b"HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        assert!(ask(b"GET /../etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn who_does_not_speak_http_is_left() {
        assert_eq!(ask(b"GET /metrics"), "");
        assert_eq!(ask(&[0xff; 100_000]), "");
        assert!(ask(b"\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.value("m", &[("a", "x\"y\\z\n"), ("b", "")], 3);
        assert_eq!(page.text, "m{a=\"x\\\"y\\\\z\\n\",b=\"\"} 3\n");
    }
}
