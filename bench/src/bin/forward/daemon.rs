//! `weir run`, a program of its own, as the router.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ironweir_io::bpf::{Link, Mode};
use ironweir_io::namespace::NetworkNamespace;

use crate::frames::{Shape, Source, dropping, process_time};
use crate::veth::{self, Pair, received};
use crate::{Inside, Result};

/// How frames come to the daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PortKind {
    Xdp,
    Packet,
}

impl PortKind {
    const fn word(self) -> &'static str {
        match self {
            PortKind::Xdp => "xdp",
            PortKind::Packet => "packet",
        }
    }
}

/// How many flows there are.
const FLOWS: u32 = 10_000;

/// Between a1 and b0.
pub struct Daemon {
    child: Child,
    directory: PathBuf,
    namespace: NetworkNamespace,
    base: Source,
    source: Source,
    _drop: Option<Link>,
}

impl Daemon {
    pub fn new(kind: PortKind, rules: &str, shape: Shape, xdp_flowtable: bool) -> Result<Daemon> {
        let directory = std::env::temp_dir().join(format!("weir-forward-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let socket = directory.join("socket");
        let _ = std::fs::remove_file(&socket);
        std::fs::write(directory.join("rules.nft"), rules)?;
        std::fs::write(directory.join("host.toml"), HOST)?;
        std::fs::write(directory.join("weir.toml"), configuration(&socket, kind, xdp_flowtable))?;
        let namespace = NetworkNamespace::new()?;
        let made = namespace.with(|| {
            let (a, _b, z) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?, Pair::new("z0", "z1")?);
            // What XDP sends to a veth device arrives only if its other end receives as cards do.
            veth::run("ethtool", "-K b1 gro on")?;
            let child = start(&directory.join("weir.toml"))?;
            let (router, other) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 0xee]);
            Ok(match kind {
                PortKind::Xdp => {
                    let drop = Link::attach(&dropping()?.0, z.there, Mode::Native)?;
                    let base = Source::redirecting(z.here, router, FLOWS, 1, shape)?;
                    (child, base, Source::redirecting(a.here, router, FLOWS, 1, shape)?, Some(drop))
                }
                PortKind::Packet => {
                    let base = Source::passing(z.there, other, FLOWS, 1, shape)?;
                    (child, base, Source::passing(a.there, router, FLOWS, 1, shape)?, None)
                }
            })
        })?;
        let (child, base, source, _drop) = made;
        let mut daemon = Daemon { child, directory, namespace, base, source, _drop };
        let begin = Instant::now();
        while !socket.exists() {
            if daemon.child.try_wait()?.is_some() || begin.elapsed() > Duration::from_secs(20) {
                return Err("weir run does not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // The socket is there before the ports have all they need.
        std::thread::sleep(Duration::from_millis(300));
        Ok(daemon)
    }

    pub fn round(&self, time: Duration) -> Result<f64> {
        self.namespace.with(|| {
            let base = self.base.send_steps(time)?;
            let (before, daemon) = (received("b1")?, process_time(self.child.id())?);
            let whole = self.source.send_in_step(time, FLOWS.into(), || received("b1"))?;
            let patience = Instant::now();
            while received("b1")? - before < whole.packets && patience.elapsed() < Duration::from_millis(500)
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            let arrived = received("b1")? - before;
            if arrived * 10 < whole.packets * 9 {
                return Err(format!("{arrived} of {} packets arrived", whole.packets).into());
            }
            let daemon = (process_time(self.child.id())? - daemon) as f64;
            Ok((whole.nanos - base.cost() * whole.packets as f64 + daemon) / arrived as f64)
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// On any processor; this thread stays on one.
fn start(configuration: &Path) -> Result<Child> {
    let weir = std::env::current_exe()?.with_file_name("weir");
    if !weir.exists() {
        return Err(format!("{} is not there: cargo build --release -p ironweir", weir.display()).into());
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0-1023"]).arg(weir).arg("run").arg(configuration);
    Ok(command.stdout(Stdio::null()).spawn()?)
}

fn configuration(socket: &Path, kind: PortKind, xdp_flowtable: bool) -> String {
    let mut text =
        format!("socket = {socket:?}\nrules = \"rules.nft\"\nhost = \"host.toml\"\ndevice = \"\"\n");
    if xdp_flowtable {
        text.push_str("xdp_flowtable = true\n");
    }
    for name in ["a1", "b0"] {
        let _ = writeln!(text, "[[port]]\nname = \"{name}\"\ntype = \"{}\"", kind.word());
    }
    text
}

const HOST: &str = r#"
[[interface]]
name = "a1"
mac = "02:00:00:00:00:01"
addresses = ["10.1.0.1/16"]
[[interface]]
name = "b0"
mac = "02:00:00:00:00:02"
addresses = ["10.2.0.1/16"]
[[route]]
dst = "10.100.0.0/14"
via = "10.1.0.2"
[[neighbour]]
address = "10.1.0.2"
mac = "02:00:00:00:00:09"
dev = "a1"
[[neighbour]]
address = "10.2.0.2"
mac = "02:00:00:00:00:ee"
dev = "b0"
"#;
