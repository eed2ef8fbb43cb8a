//! Random transactions, committed by stock nft in one network namespace and by ours in another: both are taken or both
//! refused, and leave the same ruleset behind, which both list alike.
//!
//! `IRONWEIR_TRANSACTIONS=SEED,COUNT` runs others than CI does. Needs root, `ip netns` and `nft` (1.0.6); says so and skips
//! elsewhere.

mod generate;

use std::io::Write;
use std::process::{Command, Stdio};

use generate::{BASE, Chance};

/// Sequences of transactions in CI.
const SEQUENCES: u64 = 40;

/// Two namespaces; they go with this value.
struct Namespaces {
    stock: String,
    ours: String,
}

/// How a program ended.
#[derive(Debug)]
struct Ended {
    /// `None`: by a signal.
    code: Option<i32>,
    out: String,
    err: String,
}

/// What became of a sequence.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    /// nft 1.0.6 crashes at some transactions: nothing to compare with.
    StockCrashed,
    /// In a set with `auto-merge`, nft 1.0.6 cannot delete a part of an interval that the same file has added, nor one
    /// that reaches over the end of another; newer ones can. Where the file flushes the set later, it does not look what
    /// is in it before.
    StockCannotMerge,
    Differs(String),
}

impl Namespaces {
    fn new() -> Option<Namespaces> {
        let names = ["s", "o"].map(|which| format!("iwtx{}{which}", std::process::id()));
        let ok = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let made = names.iter().all(|name| ok(Command::new("ip").args(["netns", "add", name])));
        let [stock, ours] = names;
        let namespaces = Namespaces { stock, ours };
        let there =
            made && namespaces.run("nft", &namespaces.stock, &["list", "ruleset"], "").code == Some(0);
        if !there {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
            eprintln!("SKIPPED: needs root, network namespaces and nft");
        }
        there.then_some(namespaces)
    }

    fn run(&self, program: &str, namespace: &str, arguments: &[&str], text: &str) -> Ended {
        // `ip netns exec` mounts as well, which takes longer than all else here.
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{namespace}"))
            .args(["timeout", "60", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter runs");
        let mut stdin = child.stdin.take().expect("it is a pipe");
        // Who has crashed reads nothing.
        let _ = stdin.write_all(text.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        // timeout tells of a signal by a code above 128.
        let code = output.status.code().filter(|code| *code < 128);
        Ended { code, out: text(output.stdout), err: text(output.stderr) }
    }

    fn stock(&self, namespace: &str, arguments: &[&str], text: &str) -> Ended {
        self.run("nft", namespace, arguments, text)
    }

    fn ours(&self, arguments: &[&str], text: &str) -> Ended {
        let weir = env!("CARGO_BIN_EXE_weir");
        self.run(weir, &self.ours, &[&["nft"], arguments].concat(), text)
    }

    /// Commits the same transactions on both sides.
    fn compare(&self, base: &str, steps: &[String]) -> Outcome {
        for namespace in [&self.stock, &self.ours] {
            let text = format!("flush ruleset\n{base}");
            let ended = self.stock(namespace, &["-f", "-"], &text);
            assert_eq!(ended.code, Some(0), "{}", ended.err);
        }
        for (at, step) in steps.iter().enumerate() {
            let stock = self.stock(&self.stock, &["-f", "-"], step);
            let ours = self.ours(&["-f", "-"], step);
            if stock.code.is_none() {
                return Outcome::StockCrashed;
            }
            let merges = stock.err.contains("element does not exist")
                || (stock.err.contains("File exists") && step.contains("flush set ip t a"));
            if stock.code == Some(1) && ours.code == Some(0) && base.contains("auto-merge") && merges {
                return Outcome::StockCannotMerge;
            }
            let list = ["list", "ruleset"];
            let wanted = plain(&self.stock(&self.stock, &list, "").out);
            let found = plain(&self.stock(&self.ours, &list, "").out);
            let listed = plain(&self.ours(&list, "").out);
            if stock.code != ours.code || wanted != found || listed != found {
                return Outcome::Differs(format!(
                    "of these transactions the last:\n{}\nstock: {stock:?}\nours: {ours:?}\n\
                     stock leaves:\n{wanted}\nours leaves:\n{found}\nours lists:\n{listed}",
                    steps[..=at].join("--\n")
                ));
            }
        }
        Outcome::Same
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.stock, &self.ours] {
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

/// A listing without what newer versions print in another way: where lines are broken, and the size of sets that rules
/// fill.
fn plain(listing: &str) -> String {
    let mut text = String::new();
    for line in listing.lines() {
        if line.trim().starts_with("size 65535") {
            continue;
        }
        match line.ends_with(',') {
            true => text.push_str(&format!("{} ", line.trim())),
            false => text.push_str(&format!("{}\n", line.trim())),
        }
    }
    text
}

#[test]
fn transactions_end_as_those_of_stock() {
    let Some(namespaces) = Namespaces::new() else { return };
    let asked = std::env::var("IRONWEIR_TRANSACTIONS").unwrap_or_default();
    let (first, count) = asked.split_once(',').unwrap_or(("0", ""));
    let first: u64 = first.parse().unwrap_or(0);
    let count: u64 = count.parse().unwrap_or(SEQUENCES);
    let (mut same, mut crashed, mut cannot) = (0, 0, 0);
    let mut wrong = String::new();
    for seed in first..first + count {
        let mut chance = Chance::new(seed);
        let (base, steps) = match seed % 4 {
            3 => generate::intervals(&mut chance),
            _ => (BASE.to_owned(), generate::transactions(&mut chance)),
        };
        match namespaces.compare(&base, &steps) {
            Outcome::Same => same += 1,
            Outcome::StockCrashed => crashed += 1,
            Outcome::StockCannotMerge => cannot += 1,
            Outcome::Differs(how) => wrong.push_str(&format!("seed {seed}: {how}\n")),
        }
    }
    println!(
        "{same} sequences the same, at {crashed} stock crashed, at {cannot} it cannot merge what newer ones can"
    );
    assert!(wrong.is_empty(), "{wrong}");
    assert!(same * 2 > count, "too little was compared");
}
