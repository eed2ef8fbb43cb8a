//! The kernel's side: a router in a network namespace of its own, and the world around it in another.
//!
//! ```text
//!  world                      router
//!  ------------------------   ----------------------------------
//!  w2  ═══════ veth ═══════   lan0   addresses, routes, neighbours
//!  w3  ═══════ veth ═══════   wan0   of the host file; the rules
//!  bell ══════ veth ═══════   bell   rings when all before it is done
//! ```
//!
//! Frames are sent into the world's ends and received there by packet sockets. The kernel works on a frame within the system
//! call that sends it, or defers it to a queue of this processor, in which all keep their order. A frame that is sent over
//! the bell pair is heard behind everything that was sent before it, so nothing here needs to sleep.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant as Clock};

use ironweir_client::conntrack::{Conntrack, ConntrackError, Listing};
use ironweir_client::kernel::Events;
use ironweir_engine::Host;
use ironweir_io::{NetworkNamespace, PacketSocket};
use ironweir_language::datatype::Names;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Backend, Session};
use ironweir_language::source::Sources;
use ironweir_netlink::ctnetlink::{Expectation, Flow};
use ironweir_ruleset::part::{What, Within};
use ironweir_ruleset::{Part, Ruleset};
use ironweir_wire::IfIndex;
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::backend::InKernel;

/// Why the kernel cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// A namespace, socket or switch.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// `ip` refused something.
    #[error("ip: {0}")]
    Ip(String),
    /// A ruleset is refused.
    #[error("the kernel refuses the ruleset:\n{0}")]
    Rules(String),
    /// The engine refuses what the kernel takes.
    #[error("the engine refuses a ruleset that the kernel takes:\n{0}")]
    Engine(String),
    /// The kernel's ruleset or connections cannot be read.
    #[error("cannot read from the kernel: {0}")]
    Read(String),
    /// Nothing came over the bell pair for ten seconds.
    #[error("the kernel does not finish its packets")]
    Stuck,
}

impl RigError {
    /// What was tried when the system refused.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> RigError {
        let what = what.into();
        move |error| RigError::System { what, error }
    }
}

impl From<ConntrackError> for RigError {
    fn from(error: ConntrackError) -> RigError {
        RigError::Read(error.to_string())
    }
}

/// A frame that left the router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaving {
    /// By this interface.
    pub oif: IfIndex,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// A router made of the kernel.
pub struct Rig {
    ports: Vec<(IfIndex, PacketSocket)>,
    bell_world: PacketSocket,
    bell_router: PacketSocket,
    kernel: InKernel,
    conntrack: Conntrack,
    /// Holds the table that keeps the kernel from answering, which goes with its socket.
    _silence: InKernel,
    buffer: Vec<u8>,
    host: Host,
    arp: bool,
    /// Whether fragments came, of which some may wait for others.
    fragments: bool,
    router: NetworkNamespace,
    _world: NetworkNamespace,
}

/// The name of the table that is not of the ruleset.
const SILENCE: &str = "weir_difftest";

/// The engine's local packets end where a program would receive them; the kernel must not answer them either. This chain
/// comes last of all at input: it is registered first, and of equals the younger comes first (`nf_hook_entries_grow`), so
/// connections are confirmed before. What the router sends of itself about groups and neighbours is ended before anybody sees
/// it: reports of groups would come back to its own prerouting.
const SILENCE_RULES: &str = "table inet weir_difftest { flags owner; \
    chain input { type filter hook input priority 2147483647; policy drop; }; \
    chain output { type filter hook output priority -2147483648; \
        icmpv6 type { 130-137, 143 } drop; ip protocol igmp drop; }; }\n";

/// Connections are tracked always, as the engine is told: the kernel begins and ends that with the rules that need it, some
/// time after they are gone. The chain comes later than the one above, so that connections are confirmed before that.
const TRACKING_RULES: &str = "add chain inet weir_difftest tracking { ct state new; }\n";

/// How long the kernel may take for one packet on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// `ETH_P_802_EX1`, for experiments (`linux/if_ether.h`): no protocol takes it.
const BELL: [u8; 15] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 0];

/// Interface index of the bell, above those of hosts.
const BELL_INDEX: u32 = 60_000;

/// Switches of the router, before its interfaces are made.
const SWITCHES: [(&str, &str); 20] = [
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    // Nobody is answered by ARP: neighbours are those of the host file.
    ("ipv4/conf/all/arp_ignore", "8"),
    ("ipv4/conf/all/drop_gratuitous_arp", "1"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    // Memberships are reported at once and then no more.
    ("ipv6/conf/default/mldv2_unsolicited_report_interval", "1"),
    ("ipv6/conf/default/mldv1_unsolicited_report_interval", "1"),
    // Answers have no flow label drawn by chance.
    ("ipv6/auto_flowlabels", "0"),
    // Errors are not limited: the engine's are not.
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/ratemask", "\n"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/icmp_ignore_bogus_error_responses", "1"),
];

fn switch(name: &str, value: &str) -> Result<(), RigError> {
    let path = format!("/proc/sys/net/{name}");
    std::fs::write(&path, value).map_err(RigError::system(path))
}

fn run_ip(commands: &str) -> Result<(), RigError> {
    let spawned = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut ip = spawned.map_err(RigError::system("ip"))?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin.write_all(commands.as_bytes()).map_err(RigError::system("ip"))?;
    }
    let output = ip.wait_with_output().map_err(RigError::system("ip"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(RigError::Ip(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()))
}

fn mac(mac: [u8; 6]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

impl Rig {
    /// Makes the router that a host describes. Without `arp`, interfaces have neighbours without being told of them; what
    /// sees ARP then is netdev and bridge chains only. The thread is kept on its processor from here on.
    ///
    /// # Errors
    /// Without the privilege, without `ip`, or if the kernel refuses something of the host.
    pub fn new(host: &Host, arp: bool) -> Result<Rig, RigError> {
        ironweir_io::namespace::stay_on_this_processor().map_err(RigError::system("sched_setaffinity"))?;
        let namespace = || NetworkNamespace::new().map_err(RigError::system("a network namespace"));
        let (router, world, home) = (namespace()?, namespace()?, NetworkNamespace::current());
        let home = home.map_err(RigError::system("this namespace"))?;
        let made = Rig::make(host, arp, router, world);
        home.enter().map_err(RigError::system("this namespace"))?;
        made
    }

    fn make(
        host: &Host,
        arp: bool,
        router: NetworkNamespace,
        world: NetworkNamespace,
    ) -> Result<Rig, RigError> {
        let enter = |space: &NetworkNamespace| space.enter().map_err(RigError::system("a network namespace"));
        let others = || host.interfaces().iter().filter(|interface| &*interface.name != "lo");
        enter(&world)?;
        switch("ipv6/conf/default/disable_ipv6", "1")?;
        enter(&router)?;
        for (name, value) in SWITCHES {
            switch(name, value)?;
        }
        switch("ipv4/ip_forward", if host.forwarding_v4 { "1" } else { "0" })?;
        switch("ipv6/conf/all/forwarding", if host.forwarding_v6 { "1" } else { "0" })?;
        let mut setup = String::from("link set lo up\n");
        let outside = world.path();
        let bell = ("bell", BELL_INDEX, [2, 0, 0, 0, 0, 2]);
        let interfaces = others().map(|i| (&*i.name, i.index.0, i.mac)).chain([bell]);
        for (name, index, address) in interfaces {
            // Offloads off: frames have their checksums and nobody puts them together.
            let _ = writeln!(
                setup,
                "link add {name} index {index} mtu 1500 address {} gso_max_segs 1 type veth \
                 peer name w{index} mtu 65000 netns {outside}",
                mac(address)
            );
        }
        run_ip(&setup)?;
        setup.clear();
        for interface in others() {
            let name = &interface.name;
            let _ = writeln!(
                setup,
                "link set {name} addrgenmode none mtu {} arp {} up",
                interface.mtu,
                if arp { "on" } else { "off" }
            );
        }
        setup.push_str("link set bell up\n");
        run_ip(&setup)?;
        for name in others().map(|interface| &*interface.name).chain(["bell"]) {
            // Nobody is asked, either.
            for family in ["ipv4", "ipv6"] {
                switch(&format!("{family}/neigh/{name}/mcast_solicit"), "0")?;
                switch(&format!("{family}/neigh/{name}/ucast_solicit"), "0")?;
            }
        }
        enter(&world)?;
        let ups: String = others()
            .map(|i| format!("link set w{} up\n", i.index))
            .chain([format!("link set w{BELL_INDEX} up\n")])
            .collect();
        run_ip(&ups)?;
        let open = |name: &str| PacketSocket::open(name).map_err(RigError::system("a packet socket"));
        let mut ports = Vec::new();
        for interface in others() {
            ports.push((interface.index, open(&format!("w{}", interface.index))?));
        }
        let bell_world = open(&format!("w{BELL_INDEX}"))?;
        enter(&router)?;
        let bell_router = open("bell")?;
        for interface in others() {
            ironweir_io::links::checksum_offload_off(&interface.name).map_err(RigError::system("ethtool"))?;
        }
        run_ip(&addresses(host))?;
        run_ip(&routes(host))?;
        wait_for_addresses(host)?;
        let failed = |error: &dyn std::fmt::Display| RigError::Read(error.to_string());
        let mut silence = InKernel::open(false).map_err(|error| failed(&error))?;
        run(&mut silence, SILENCE_RULES, &Names::default())?;
        run(&mut silence, TRACKING_RULES, &Names::default())?;
        // Only now there is conntrack's part of /proc.
        switch("ipv4/ipfrag_time", &host.fragments.ipv4.as_secs().to_string())?;
        switch("netfilter/nf_conntrack_frag6_timeout", &host.fragments.ipv6.as_secs().to_string())?;
        let kernel = InKernel::open(false).map_err(|error| failed(&error))?;
        let conntrack = Conntrack::open()?;
        let settings = host.conntrack;
        for (name, on) in [
            ("acct", settings.accounting),
            ("checksum", settings.checksum),
            ("timestamp", settings.timestamp),
            ("tcp_loose", settings.tcp_loose),
            ("tcp_be_liberal", settings.tcp_be_liberal),
        ] {
            switch(&format!("netfilter/nf_conntrack_{name}"), if on { "1" } else { "0" })?;
        }
        let mut rig = Rig {
            ports,
            bell_world,
            bell_router,
            kernel,
            conntrack,
            _silence: silence,
            buffer: vec![0; 1 << 17],
            host: host.clone(),
            arp,
            fragments: false,
            router,
            _world: world,
        };
        rig.settle()?;
        Ok(rig)
    }

    /// Takes rules and connections away. Fragments that wait are nothing the kernel can be told to forget: for their sake the
    /// router is made anew.
    ///
    /// # Errors
    /// [`RigError::Rules`].
    pub fn clear(&mut self) -> Result<(), RigError> {
        if self.fragments {
            *self = Rig::new(&self.host, self.arp)?;
            return Ok(());
        }
        self.empty()
    }

    /// Takes rules and connections away, and leaves fragments: others may come that do not belong to them.
    ///
    /// # Errors
    /// [`RigError::Rules`].
    pub fn empty(&mut self) -> Result<(), RigError> {
        self.unload()?;
        self.flush()
    }

    /// Waits until the interfaces have said what they say when they come up, and forgets it.
    fn settle(&mut self) -> Result<(), RigError> {
        let mut quiet = Clock::now();
        while quiet.elapsed() < Duration::from_millis(30) {
            let mut heard = Vec::new();
            self.wait_for_bell()?;
            self.collect(&mut heard)?;
            if !heard.is_empty() {
                quiet = Clock::now();
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Loads rules besides those there are.
    ///
    /// # Errors
    /// [`RigError::Rules`].
    pub fn load(&mut self, text: &str, names: &Names) -> Result<(), RigError> {
        run(&mut self.kernel, text, names)
    }

    /// Takes the tables of a ruleset away.
    ///
    /// # Errors
    /// [`RigError::Rules`].
    pub fn unload(&mut self) -> Result<(), RigError> {
        let tables: String = self
            .ruleset()?
            .tables()
            .filter(|table| &*table.table.id.name != SILENCE)
            .map(|table| format!("delete table {}\n", table.table.id))
            .collect();
        run(&mut self.kernel, &tables, &Names::default())
    }

    /// Lets a frame arrive and collects all that leaves. Gives whether it arrived: one longer than the interface takes does
    /// not.
    ///
    /// # Errors
    /// [`RigError::Stuck`], and what the sockets say.
    pub fn inject(&mut self, iif: IfIndex, frame: &[u8], left: &mut Vec<Leaving>) -> Result<bool, RigError> {
        let Some((_, port)) = self.ports.iter().find(|(index, _)| *index == iif) else { return Ok(false) };
        self.fragments |= may_be_fragment(frame);
        if port.send(frame).is_err() {
            return Ok(false);
        }
        self.wait_for_bell()?;
        self.collect(left)?;
        Ok(true)
    }

    fn collect(&mut self, left: &mut Vec<Leaving>) -> Result<(), RigError> {
        for (oif, port) in &self.ports {
            while let Some(bytes) =
                port.receive(&mut self.buffer).map_err(RigError::system("a packet socket"))?
            {
                left.push(Leaving { oif: *oif, bytes: bytes.to_vec() });
            }
        }
        Ok(())
    }

    /// What is sent behind packets comes out behind them; what they made the router send lies behind the first bell, and
    /// before the second.
    fn wait_for_bell(&mut self) -> Result<(), RigError> {
        for _ in 0..2 {
            self.bell_world.send(&BELL).map_err(RigError::system("the bell"))?;
            let since = Clock::now();
            while self
                .bell_router
                .receive(&mut self.buffer)
                .map_err(RigError::system("the bell"))?
                .is_none_or(|heard| heard.get(12..14) != BELL.get(12..14))
            {
                if since.elapsed() > PATIENCE {
                    return Err(RigError::Stuck);
                }
                let mut fds = [PollFd::new(&self.bell_router, PollFlags::IN)];
                let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
                let _ = rustix::event::poll(&mut fds, Some(&wait));
            }
        }
        Ok(())
    }

    /// The ruleset with its state, as the kernel tells it now.
    ///
    /// # Errors
    /// [`RigError::Read`].
    pub fn ruleset(&mut self) -> Result<&Ruleset, RigError> {
        let all = [
            What::Tables,
            What::Chains,
            What::Sets,
            What::Objects(None),
            What::Flowtables,
            What::Elements,
            What::Rules,
        ];
        let parts = all.map(|what| Part::new(what, Within::All));
        self.kernel.fetch(&parts).map_err(|error| RigError::Read(format!("{error:?}")))?;
        Ok(self.kernel.ruleset())
    }

    /// Listens to the kernel's traces.
    ///
    /// # Errors
    /// [`RigError::Read`].
    pub fn listen(&self) -> Result<Events, RigError> {
        let home = NetworkNamespace::current().map_err(RigError::system("this namespace"))?;
        self.router.enter().map_err(RigError::system("a network namespace"))?;
        let opened = Events::open(true);
        home.enter().map_err(RigError::system("this namespace"))?;
        opened.map_err(|error| RigError::Read(error.to_string()))
    }

    /// When [`Rig::ruleset`] was read.
    pub fn now(&self) -> ironweir_wire::Instant {
        self.kernel.now()
    }

    /// Every connection.
    ///
    /// # Errors
    /// [`RigError::Read`].
    pub fn connections(&mut self) -> Result<Vec<Flow>, RigError> {
        let mut flows = Vec::new();
        self.conntrack.list(Listing::Table, 0, &Flow::default(), |_, flow| {
            flows.push(flow);
            ControlFlow::Continue(())
        })?;
        Ok(flows)
    }

    /// Every connection that is expected.
    ///
    /// # Errors
    /// [`RigError::Read`].
    pub fn expectations(&mut self) -> Result<Vec<Expectation>, RigError> {
        let mut found = Vec::new();
        self.conntrack.list_expectations(0, |_, expectation| {
            found.push(expectation);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Forgets every connection.
    ///
    /// # Errors
    /// [`RigError::Read`].
    pub fn flush(&mut self) -> Result<(), RigError> {
        Ok(self.conntrack.flush(0)?)
    }
}

/// Whether a frame may hold a fragment: IPv4 with an offset or more to come, IPv6 with any extension header.
fn may_be_fragment(frame: &[u8]) -> bool {
    match (frame.get(12..14), frame.get(20..22)) {
        (Some([8, 0]), Some(flags)) => {
            flags.first().is_some_and(|first| first & 0x3f != 0) || flags.get(1) != Some(&0)
        }
        (Some([0x86, 0xdd]), Some(next)) => matches!(next.first(), Some(0 | 43 | 44 | 60 | 135)),
        _ => true,
    }
}

/// Whether a table belongs to the ruleset that was loaded.
pub fn is_loaded(name: &str) -> bool {
    name != SILENCE
}

fn run(kernel: &mut InKernel, text: &str, names: &Names) -> Result<(), RigError> {
    let mut sources = Sources::new();
    let Some(source) = sources.add("rules", text.to_owned(), None) else { return Ok(()) };
    let mut session = Session { names: names.clone(), ..Session::default() };
    let outcome = session.run(&mut sources, source, &NoFiles, kernel);
    if outcome.ok() { Ok(()) } else { Err(RigError::Rules(outcome.render(&sources))) }
}

fn addresses(host: &Host) -> String {
    let mut text = String::new();
    for interface in host.interfaces().iter().filter(|interface| &*interface.name != "lo") {
        for (address, len) in &interface.addresses {
            let nodad = if address.is_ipv6() { " nodad" } else { " brd +" };
            let _ = writeln!(text, "address add {address}/{len}{nodad} dev {}", interface.name);
        }
    }
    text
}

/// Waits until packets to the router's IPv6 addresses are its own: the kernel makes the routes to them in its own time
/// (`addrconf_dad_work`). The router's namespace is this thread's.
fn wait_for_addresses(host: &Host) -> Result<(), RigError> {
    let others = host.interfaces().iter().filter(|interface| &*interface.name != "lo");
    let six = others.flat_map(|interface| &interface.addresses).filter_map(|(address, _)| match address {
        std::net::IpAddr::V6(six) => Some(format!("{:032x} 80 ", u128::from(*six))),
        std::net::IpAddr::V4(_) => None,
    });
    let wanted: Vec<String> = six.collect();
    let path = "/proc/thread-self/net/ipv6_route";
    let begun = Clock::now();
    loop {
        let routes = std::fs::read_to_string(path).map_err(RigError::system(path))?;
        if wanted.iter().all(|wanted| routes.lines().any(|line| line.starts_with(&**wanted))) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(RigError::Stuck);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn routes(host: &Host) -> String {
    let name = |index: IfIndex| host.interface(index).map_or("", |interface| &*interface.name);
    let mut text = String::new();
    // Those to the networks of addresses come with the addresses.
    let mut own: HashMap<(std::net::IpAddr, u8), ()> = HashMap::new();
    for (address, len) in host.interfaces().iter().flat_map(|interface| &interface.addresses) {
        own.insert((network(*address, *len), *len), ());
    }
    // On-link ones first: gateways are reached by them.
    let mut all: Vec<_> = host.routes().filter(|(to, len, _)| !own.contains_key(&(*to, *len))).collect();
    all.sort_by_key(|(to, len, route)| (route.gateway.is_some(), *to, *len));
    for (to, len, route) in all {
        let via = route.gateway.map_or_else(String::new, |via| {
            // `onlink` asks nothing of the gateway's address; IPv6 knows it, too.
            format!(" via {}{via}", if via.is_ipv6() && to.is_ipv4() { "inet6 " } else { "" })
        });
        let source = route.source.map_or_else(String::new, |source| format!(" src {source}"));
        let _ = writeln!(text, "route add {to}/{len}{via} dev {}{source}", name(route.interface));
    }
    for neighbour in host.neighbours() {
        let dev = name(neighbour.interface);
        let _ = writeln!(
            text,
            "neighbour replace {} lladdr {} dev {dev} nud permanent",
            neighbour.address,
            mac(neighbour.mac)
        );
    }
    text
}

fn network(address: std::net::IpAddr, len: u8) -> std::net::IpAddr {
    match address {
        std::net::IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            std::net::IpAddr::V4((u32::from(address) & mask).into())
        }
        std::net::IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            std::net::IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// Why the kernel cannot be asked here, if so.
pub fn obstacle() -> Option<String> {
    if let Err(error) = NetworkNamespace::new() {
        return Some(format!("no network namespaces: {error}"));
    }
    match Command::new("ip").arg("-V").output() {
        Ok(_) => None,
        Err(error) => Some(format!("no ip: {error}")),
    }
}
