//! What a packet costs that the flowtable in XDP forwards, beside the kernel's router.
//!
//! ```text
//! cargo run --release -p ironweir-bench --bin xdp [-- SECONDS ROUNDS]
//!
//!   source at a0 ──► a1 [program under test] b0 ──► b1 [drops]        each of these a veth pair, all in one namespace
//! ```
//!
//! The source is a program that the kernel runs on frames of its own (`BPF_PROG_TEST_RUN` with live frames): 60 bytes, UDP,
//! round robin over so many flows, or a burst of each. Figures are nanoseconds of processor time per packet of the router's
//! stage: what source, router and drain take together less what source and a drop at a1 take, both in every round; medians.
//! The kernel's router gets packets in the same way, as `sk_buff`s in batches; its drop is that of a frame for another host.
//! Needs root, `ip` and `nft`. It changes nothing outside namespaces of its own.

#![allow(unreachable_pub)] // a program has nothing to reach

mod flows;
mod frames;
mod veth;

use std::process::ExitCode;
use std::time::Duration;

use flows::Flowtable;
use frames::{Source, dropping, redirecting};
use ironweir_io::bpf::{Link, Mode};
use ironweir_io::namespace::{NetworkNamespace, stay_on_this_processor};
use veth::{Pair, received};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.5);
    let rounds = words.next().and_then(|word| word.parse().ok()).unwrap_or(7);
    match run(Duration::from_secs_f64(f64::clamp(seconds, 0.01, 60.0)), rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xdp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(time: Duration, rounds: usize) -> Result<()> {
    stay_on_this_processor()?;
    println!("ns of processor time per packet, 60 bytes, IPv4 UDP; median (least) of {rounds} rounds\n");
    let bare = Bare::new()?;
    println!("{:44} {}", "redirect alone, nothing looked at", measure(rounds, || bare.round(time))?);
    for (flows, burst, what) in [
        (10_000, 1, "flowtable in XDP, NAT, 10k flows"),
        (100_000, 1, "flowtable in XDP, NAT, 100k flows"),
        (1_000_000, 1, "flowtable in XDP, NAT, 1M flows round robin"),
        (1_000_000, 8, "flowtable in XDP, NAT, 1M in bursts of 8"),
    ] {
        let ours = Ours::new(flows, burst)?;
        println!("{what:44} {}", measure(rounds, || ours.round(time))?);
    }
    for (rules, what) in
        [("", "kernel router, no rules, 10k flows"), (MASQUERADE, "kernel router, masquerade, 10k flows")]
    {
        let kernel = Kernel::new(rules, 10_000)?;
        println!("{what:44} {}", measure(rounds, || kernel.round(time))?);
    }
    Ok(())
}

const MASQUERADE: &str =
    "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"b0\" masquerade; }\n}";

/// The median and the least of so many rounds, after one that warms up.
fn measure(rounds: usize, mut round: impl FnMut() -> Result<f64>) -> Result<String> {
    round()?;
    let mut costs = (0..rounds.max(1)).map(|_| round()).collect::<Result<Vec<f64>>>()?;
    costs.sort_by(f64::total_cmp);
    Ok(format!("{:7.1} ({:.1})", costs[costs.len() / 2], costs[0]))
}

/// Source, drop at a1.
struct Base {
    source: Source,
    _pair: Pair,
    _drop: Link,
}

impl Base {
    fn new(flows: u32, burst: u32) -> Result<Base> {
        let pair = Pair::new("z0", "z1")?;
        let (drop, _) = dropping()?;
        let drop = Link::attach(&drop, pair.there, Mode::Native)?;
        Ok(Base {
            source: Source::redirecting(pair.here, [2, 0, 0, 0, 0, 1], flows, burst)?,
            _pair: pair,
            _drop: drop,
        })
    }
}

/// A redirect without a look at the packet.
struct Bare {
    namespace: NetworkNamespace,
    base: Base,
    source: Source,
    _links: [Link; 2],
}

impl Bare {
    fn new() -> Result<Bare> {
        let namespace = NetworkNamespace::new()?;
        namespace
            .with(|| {
                let (a, b) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?);
                let (drain, _) = dropping()?;
                let drain = Link::attach(&drain, b.there, Mode::Native)?;
                let router = Link::attach(&redirecting(b.here)?, a.there, Mode::Native)?;
                let source = Source::redirecting(a.here, [2, 0, 0, 0, 0, 1], 10_000, 1)?;
                Ok((Base::new(10_000, 1)?, source, [drain, router]))
            })
            .map(|(base, source, _links)| Bare { namespace, base, source, _links })
    }

    fn round(&self, time: Duration) -> Result<f64> {
        self.namespace.with(|| {
            let base = self.base.source.send(time)?;
            let whole = self.source.send(time)?;
            Ok(whole.cost() - base.cost())
        })
    }
}

/// The flowtable.
struct Ours {
    namespace: NetworkNamespace,
    base: Base,
    source: Source,
    flowtable: Flowtable,
    drained: ironweir_io::bpf::Mapped,
    _drain: Link,
}

impl Ours {
    fn new(flows: u32, burst: u32) -> Result<Ours> {
        let namespace = NetworkNamespace::new()?;
        let made = namespace.with(|| {
            let (a, b) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?);
            let (drain, drained) = dropping()?;
            let drain = Link::attach(&drain, b.there, Mode::Native)?;
            let flowtable = Flowtable::new(a.there, b.here, flows)?;
            let source = Source::redirecting(a.here, flows::ROUTER, flows, burst)?;
            Ok((Base::new(flows, burst)?, source, flowtable, drained, drain))
        })?;
        let (base, source, flowtable, drained, _drain) = made;
        Ok(Ours { namespace, base, source, flowtable, drained, _drain })
    }

    fn round(&self, time: Duration) -> Result<f64> {
        let base = self.namespace.with(|| self.base.source.send(time))?;
        let before = frames::count(&self.drained);
        let whole = self.namespace.with(|| self.source.send(time))?;
        let arrived = frames::count(&self.drained) - before;
        if arrived * 1000 < whole.packets * 950u64.saturating_sub(self.flowtable.missing_permille()) {
            return Err(format!("{arrived} of {} packets arrived", whole.packets).into());
        }
        Ok(whole.cost() - base.cost())
    }
}

/// The kernel's router.
struct Kernel {
    namespace: NetworkNamespace,
    base: Source,
    source: Source,
}

impl Kernel {
    fn new(rules: &str, flows: u32) -> Result<Kernel> {
        let namespace = NetworkNamespace::new()?;
        let sources = namespace.with(|| {
            let (a, b) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?);
            veth::ip("link set a1 address 02:00:00:00:00:01")?;
            veth::ip("addr add 10.1.0.1/16 dev a1")?;
            veth::ip("addr add 10.2.0.1/16 dev b0")?;
            veth::ip("route add 10.100.0.0/14 dev a1")?;
            // Who gets the packets is somebody else: they are dropped where they arrive.
            veth::ip("neigh replace 10.2.0.2 lladdr 02:00:00:00:00:ee dev b0 nud permanent")?;
            for (name, value) in
                [("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/a1/rp_filter", "0")]
            {
                std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)?;
            }
            veth::nft(rules)?;
            let _ = b;
            let base = Source::passing(a.there, [2, 0, 0, 0, 0, 0xee], flows, 1)?;
            Ok((base, Source::passing(a.there, [2, 0, 0, 0, 0, 1], flows, 1)?))
        })?;
        let (base, source) = sources;
        Ok(Kernel { namespace, base, source })
    }

    fn round(&self, time: Duration) -> Result<f64> {
        let (base, whole, arrived) = self.namespace.with(|| {
            let base = self.base.send(time)?;
            let before = received("b1")?;
            let whole = self.source.send(time)?;
            Ok((base, whole, received("b1")? - before))
        })?;
        Ok((whole.nanos - base.cost() * whole.packets as f64) / arrived.max(1) as f64)
    }
}

/// [`NetworkNamespace::inside`] with any error.
trait Inside {
    fn with<T>(&self, does: impl FnOnce() -> Result<T>) -> Result<T>;
}

impl Inside for NetworkNamespace {
    fn with<T>(&self, does: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut result = None;
        self.inside(|| {
            result = Some(does());
            Ok(())
        })?;
        result.ok_or("nothing was done")?
    }
}
