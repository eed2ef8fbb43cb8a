//! `weir run CONFIG`: the daemon.

mod closed;
mod config;
mod host_link;
mod log;
mod metrics;
mod notify;
mod open_port;
mod port_config;
mod port_wrappers;
mod privileges;
mod reload;
mod rules;
mod save;
mod take;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ironweir_engine::Engine;
use ironweir_io::seqpacket::Listener;
use ironweir_io::signal;
use ironweir_router::daemon::Daemon;
use ironweir_router::packets;
use ironweir_router::router::Router;
use ironweir_router::routes::Follower;
use ironweir_router::saved::{Note, Saver};
use ironweir_router::shared::Shared;
use ironweir_router::xdp::{XdpError, XdpFlowtable};

use self::save::Restored;
use crate::backend::InProcess;
use crate::cli::{complain, print};
use crate::{host_file, machine};

pub use config::{Config, ConfigError};
pub use metrics::MetricsAddress;
pub use port_config::{End, PortConfig, PortConfigError, PortKind};
pub use port_wrappers::Wrappers;

const HELP: &str = "\
Runs an engine that nft and conntrack drive over a socket: weir nft --engine SOCKET, weir conntrack --engine SOCKET.

Usage: weir run CONFIG

CONFIG is a TOML file:

  socket = \"/run/weir/weir.sock\"   # where clients come in
  mode = \"0600\"                    # who may: the file's permissions
  rules = \"rules.nft\"              # loaded at the start; relative to CONFIG
  interfaces = [\"lan0\", \"wan0\"]   # taken from the kernel, which sees none of their packets any more
  host = \"host.toml\"               # addresses, routes ... instead of the kernel's; relative to CONFIG
  device = \"weir0\"                # by which this machine's own packets come and go
  xdp_flowtable = true             # connections of flowtables are forwarded by a program at the interfaces
  state = \"/var/lib/weir/state\"    # where connections, rules and sets are kept across a restart
  fail_closed = true               # nothing passes where rules are refused, instead of no daemon
  metrics = \"127.0.0.1:9469\"     # what Prometheus reads at /metrics; a path is that of a unix socket

Virtual machines' sockets and other ways for frames to come: [[port]], in docs/weir-run.md.
";

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Host(#[from] host_file::HostFileError),
    #[error(transparent)]
    Rules(rules::RulesError),
    #[error("cannot tell metrics at {address:?}: {error}")]
    Metrics { address: metrics::MetricsAddress, error: std::io::Error },
    #[error("cannot listen at {path}: {error}", path = path.display())]
    Listen { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Take(#[from] take::TakeError),
    #[error("the kernel's routes cannot be followed: {0}")]
    Follow(#[from] ironweir_io::NetlinkError),
    #[error(transparent)]
    Xdp(#[from] XdpError),
    #[error("the engine does not take the tables that let nothing pass")]
    Closed,
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// What a service manager shows.
const OPEN: &str = "Rules are in force.";
const CLOSED: &str =
    "Nothing passes: the rules were refused, or the state was damaged. A reload tries again.";

/// The longest wait for something to do: whatever a clock does, it is looked at again.
const IDLE: Duration = Duration::from_secs(60);

/// Runs the command line.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let [config] = arguments else {
        complain(
            "weir run: the path of a configuration file is wanted, and nothing else; --help says more\n",
        );
        return ExitCode::from(1);
    };
    if config == "--help" || config == "-h" {
        return print(HELP);
    }
    match run(Path::new(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("weir run: {error}\n"));
            ExitCode::from(1)
        }
    }
}

fn run(path: &Path) -> Result<(), RunError> {
    let config = Config::read(path)?;
    let host = match &config.host {
        Some(path) => host_file::read(path)?,
        None => machine::host(),
    };
    let own_seed = seed()?;
    let mut engine = Engine::new(host, own_seed);
    engine.advance(machine::now());
    engine.change_host(|host| host.live = true);
    // Ports that a host file describes are told by it; else the kernel knows.
    let mut follower = None;
    if config.host.is_none() && !config.ports.is_empty() {
        let mut kernel = Follower::open()?;
        kernel.settle(&mut engine)?;
        follower = Some(kernel);
    }
    let names = machine::names(engine.host());
    let restored = match config.state.as_deref() {
        Some(path) => save::restore(&mut engine, path, own_seed),
        None => Restored::Nothing,
    };
    let mut closed = matches!(restored, Restored::Refused) && config.fail_closed;
    let restored = if let Restored::All(in_force) = restored { Some(in_force) } else { None };
    let mut in_force = restored.clone().unwrap_or_default();
    if let Some(path) = &config.rules {
        let brought = rules::read(path, names.clone(), engine.now()).and_then(|mut rules| {
            // Rules that are in force already may have been changed by clients since: these changes stay.
            if restored.as_ref() != Some(rules.in_force()) {
                rules.bring(&in_force, &mut InProcess(&mut engine))?;
            }
            Ok(rules.in_force().clone())
        });
        match brought {
            Ok(brought) => in_force = brought,
            Err(error) if config.fail_closed => {
                complain(&format!("weir run: {error}\n"));
                closed = true;
            }
            // A daemon whose rules are refused does not begin.
            Err(error) => return Err(RunError::Rules(error)),
        }
    }
    if closed {
        closed::close(&mut engine).map_err(|_| RunError::Closed)?;
        in_force = in_force.until_reload(closed::tables());
        complain("weir run: nothing passes until a reload brings rules into force (fail_closed)\n");
    }
    let taken = take::take(engine.host(), &config.ports, config.device.as_deref())?;
    let failed = |error| RunError::Listen { path: config.socket.clone(), error };
    let listener = Listener::bind(&config.socket, config.mode).map_err(failed)?;
    let mut daemon = Daemon::new(listener);
    if let Some(flows) = config.xdp_flows {
        let flowtable = XdpFlowtable::new(engine.host(), taken.xdp, flows, seed()?)?;
        daemon.attend(Box::new(flowtable));
    }
    let mut router = Router::new(taken.ports);
    if let Some(own) = taken.own {
        let mac = own.mac();
        router = router.with_host(Box::new(own), mac);
    }
    if config.host.is_some() {
        // Addresses that the kernel had were its before, at the same Ethernet addresses: nobody needs to hear of them.
        let links = config.ports.iter().filter(|port| port.kind.has_link());
        let interfaces = links.filter_map(|port| engine.host().interface_by_name(&port.name));
        router.announce(interfaces.map(|interface| interface.index).collect());
    }
    if let Some(follower) = follower {
        daemon.attend(Box::new(follower));
    }
    let shared = Shared::new(engine)?;
    let end = signal::on_end()?;
    let reload = signal::on_reload()?;
    let metrics = match &config.metrics {
        Some(address) => {
            let failed = |error| RunError::Metrics { address: address.clone(), error };
            Some(metrics::Metrics::listen(address).map_err(failed)?)
        }
        None => None,
    };
    // Before any thread is there: each has capabilities of its own.
    privileges::give_up(&config)?;
    log::start()?;
    daemon.log_to(log::line);
    let mut health = None;
    let note = Arc::new(Note::default());
    if let Some(path) = &config.state {
        let mut saver = Saver::new(path, complain)?;
        note.set(in_force.note());
        saver.keep_note(note.clone());
        health = Some(saver.health());
        daemon.attend(Box::new(saver));
    }
    let mut reloads = reload::Reloads::new(reload, path.into(), config.clone(), names, in_force);
    std::thread::scope(|scope| {
        let packets = std::thread::Builder::new().name("packets".into());
        let packets = packets.spawn_scoped(scope, || packets::run(&mut router, &shared, &machine::now))?;
        if let Some(metrics) = metrics {
            metrics.serve(scope, &shared, health)?;
        }
        notify::ready();
        notify::status(if closed { CLOSED } else { OPEN });
        let mut served = Ok(());
        let watchdog = notify::watchdog().unwrap_or(IDLE).min(IDLE);
        while !end.load(Ordering::Relaxed) && !shared.is_stopped() && served.is_ok() {
            let idle = if reloads.is_running() { Duration::from_millis(20) } else { watchdog };
            served = daemon.turn(&shared, &machine::now, idle);
            if let Some(in_force) = reloads.look() {
                note.set(in_force.note());
                notify::status(OPEN);
            }
            notify::alive();
        }
        notify::stopping();
        shared.stop();
        let routed = packets.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        daemon.end(&shared, machine::now());
        Ok(served.and(routed)?)
    })
}

/// What keys hashes and is the source of random choices: nobody outside knows it.
fn seed() -> std::io::Result<u64> {
    use std::io::Read;
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}
