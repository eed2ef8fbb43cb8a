//! Reading a ruleset while another changes it all the time and signals arrive: what is read is one generation, and no
//! reading fails. The kernel tells of a change in the midst of a dump by `NLM_F_DUMP_INTR`; a signal ends waiting by
//! `EINTR`.
//!
//! Signals of a process reach its first thread, so this test has no harness. It runs itself again in a network namespace
//! of its own; that needs root and `unshare`. Elsewhere it says so and skips.

mod made;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ironweir_client::kernel::Kernel;
use ironweir_expr::immediate::Immediate;
use ironweir_io::Endpoint;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Backend, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Expr, Family, Part, Ruleset, TableId, What, Within};
use rustix::process::{Pid, Signal, getpid, kill_process};

/// Readings while others commit.
const READINGS: usize = 200;
/// Rules and elements of a version: several datagrams of a dump each.
const RULES: usize = 250;

const INSIDE: &str = "IRONWEIR_IN_NAMESPACE";
const TARGET: &str = "IRONWEIR_SIGNALLED";

fn main() {
    if let Some(target) = std::env::var_os(TARGET) {
        return shoot(&target);
    }
    if std::env::var_os(INSIDE).is_none() {
        return outside();
    }
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&flag)).expect("a handler");
    // Another process, for a signal of one's own reaches the thread that sends it.
    let here = std::env::current_exe().expect("the test's own path");
    let own = getpid().as_raw_nonzero().to_string();
    let mut shooter = Command::new(here).env(TARGET, own).spawn().expect("it can run again");
    let again = readings_are_of_one_generation();
    a_signal_while_a_daemon_is_waited_for_is_no_failure();
    shooter.kill().expect("it lives");
    shooter.wait().expect("it lived");
    println!("{READINGS} readings, of which {again} were begun again");
    assert!(again > 0, "nothing was read while it changed");
    assert!(flag.load(Ordering::Relaxed), "no signal came");
}

/// Sends signals to a process as long as it lives.
fn shoot(target: &OsStr) {
    let target = target.to_str().and_then(|pid| Pid::from_raw(pid.parse().ok()?)).expect("a process");
    while kill_process(target, Signal::USR1).is_ok() {
        thread::sleep(Duration::from_micros(300));
    }
}

/// Runs this again in a namespace.
fn outside() {
    let probe = Command::new("unshare").args(["-n", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|probe| probe.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: no namespaces");
        eprintln!("SKIPPED: no network namespace can be made here: not root?");
        return;
    }
    let here = std::env::current_exe().expect("the test's own path");
    let run =
        Command::new("unshare").arg("-n").arg(here).env(INSIDE, "1").status().expect("unshare was found");
    assert!(run.success(), "{run}");
}

/// What a text compiles to.
struct Compiled {
    ruleset: Ruleset,
    batch: Batch,
}

impl Backend for Compiled {
    fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    fn now(&self) -> ironweir_wire::Instant {
        ironweir_wire::Instant::from_nanos(0)
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.batch = batch.clone();
        Ok(Applied { handles: vec![None; batch.changes.len()], generation: 0 })
    }
}

/// The table in one of its versions: as many rules and elements, all of which tell the version.
fn version(number: usize) -> Batch {
    let elements: Vec<String> = (0..RULES).map(|n| (number * RULES + n + 1).to_string()).collect();
    let rules = format!("meta mark set {number}\n").repeat(RULES);
    let text = format!(
        "add table ip t\ndelete table ip t\n\
         table ip t {{\nset s {{\ntype inet_service\nelements = {{ {} }}\n}}\nchain c {{\n{rules}}}\n}}\n",
        elements.join(", ")
    );
    let mut backend = Compiled { ruleset: Ruleset::new(0), batch: Batch::default() };
    let mut sources = Sources::new();
    let source = sources.add("t", text, None).expect("short");
    let outcome = Session::default().run(&mut sources, source, &NoFiles, &mut backend);
    assert!(outcome.ok(), "{}", outcome.render(&sources));
    backend.batch
}

fn parts() -> Vec<Part> {
    [What::Tables, What::Chains, What::Sets, What::Elements, What::Rules]
        .map(|what| Part::new(what, Within::All))
        .into()
}

/// Which version a ruleset is; `None` for a mixture.
fn version_of(ruleset: &Ruleset) -> Option<usize> {
    let table = ruleset.table(&TableId::new(Family::Ip, "t"))?;
    let marks: Vec<u32> = table
        .chain("c")?
        .rules()
        .filter_map(|rule| match rule.rule.exprs.first()? {
            Expr::Immediate(Immediate::Value { value, .. }) => {
                Some(u32::from_ne_bytes(value[..].try_into().ok()?))
            }
            _ => None,
        })
        .collect();
    let number = *marks.first()? as usize;
    let set = table.set("s")?;
    let elements: Vec<usize> = set
        .elements()
        .filter_map(|entry| Some(usize::from(u16::from_be_bytes(entry.key[..].try_into().ok()?))))
        .collect();
    let of = |element: &usize| (element - 1) / RULES == number;
    let whole = marks.len() == RULES && elements.len() == RULES;
    (whole && marks.iter().all(|mark| *mark as usize == number) && elements.iter().all(of)).then_some(number)
}

static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// How many readings had to be begun again.
fn readings_are_of_one_generation() -> usize {
    let end = Arc::new(AtomicBool::new(false));
    let versions = [version(1), version(2)];
    let mut writer = Kernel::open().expect("a socket");
    writer.commit(&versions[0]).expect("it is right");
    let changer = {
        let end = Arc::clone(&end);
        thread::spawn(move || {
            let mut commits = 0;
            while !end.load(Ordering::Relaxed) {
                for version in &versions {
                    writer.commit(version).expect("it is right");
                    commits += 1;
                }
            }
            commits
        })
    };
    let mut kernel = Kernel::open().expect("a socket");
    kernel.show_requests(|_| {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
    });
    let (mut again, mut seen) = (0, [0; 3]);
    let mut least = usize::MAX;
    for reading in 0..READINGS {
        let before = REQUESTS.load(Ordering::Relaxed);
        kernel.fetch(&parts(), ironweir_wire::Instant::from_nanos(0)).expect("no reading fails");
        let asked = REQUESTS.load(Ordering::Relaxed) - before;
        least = least.min(asked);
        again += usize::from(asked > least);
        let version = version_of(kernel.ruleset());
        seen[version.unwrap_or_else(|| panic!("reading {reading} is a mixture"))] += 1;
    }
    end.store(true, Ordering::Relaxed);
    println!("{} commits meanwhile, versions seen {seen:?}", changer.join().expect("every commit succeeds"));
    again
}

fn a_signal_while_a_daemon_is_waited_for_is_no_failure() {
    let directory = made::Directory::new("interrupted");
    let socket = directory.path("s");
    let config = directory.file("weir.toml", format!("socket = \"{socket}\"\n"));
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_weir")).args(["run", &config]).spawn().expect("weir runs");
    let begun = Instant::now();
    while !Path::new(&socket).exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the socket is there in time");
        thread::sleep(Duration::from_millis(20));
    }
    let mut kernel = Kernel::open_at(&Endpoint::Daemon((&socket).into())).expect("it listens");
    let daemon = Pid::from_child(&child);
    kill_process(daemon, Signal::STOP).expect("it lives");
    let waker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        kill_process(daemon, Signal::CONT).expect("it lives");
    });
    let fetched = kernel.fetch(&parts(), ironweir_wire::Instant::from_nanos(0));
    waker.join().expect("it ends");
    child.kill().expect("it lives");
    child.wait().expect("it lived");
    fetched.expect("signals are no failure");
}
