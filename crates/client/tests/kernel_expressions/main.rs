//! What rules become, held against this machine's kernel: every rule of the rule tests is lowered, sent as netlink
//! messages, and read back; what the kernel tells must be what it was told. The kernel is that of a network namespace
//! which the test makes. Needs root, `unshare` and the corpus; says so and skips elsewhere, and fails if `CI=true`.
//!
//! `CORPUS_ONLY=ip/tcp` tries only files whose name contains that.

mod compare;
#[path = "../../../language/tests/corpus/mod.rs"]
mod corpus;
mod kernel;
mod stock;
mod tally;
mod units;

use std::process::Command;

use compare::{decoded, essence, lines, same_bytes};
use ironweir_expr::{ChainRef, Expr};
use ironweir_ruleset::{Batch, Change, Family, Place, TableId};
use kernel::{Kernel, in_namespace};
use tally::{End, Tally};
use units::{Unit, each_file};

#[test]
fn what_the_kernel_tells_is_what_it_was_told() {
    in_namespace("what_the_kernel_tells_is_what_it_was_told", || {
        let (mut tally, mut kernel) = (Tally::default(), Kernel::open());
        each_file(&mut kernel, &mut tally, &|kernel, tally, units| {
            for unit in units {
                told(kernel, tally, &unit);
            }
        });
        tally.judge();
    });
}

/// Tells the kernel a rule, and asks for it.
fn told(kernel: &mut Kernel, tally: &mut Tally, unit: &Unit) {
    let Unit { table, chain, batch, place, .. } = unit;
    let rule = unit.rule();
    if let Err(errno) = kernel.commit(batch) {
        return tally.refused(errno, place, &lines(&rule.exprs));
    }
    let told = kernel.rules(table, chain);
    let flush = Change::FlushRules { table: table.clone(), chain: Some((**chain).into()) };
    kernel.commit(&Batch { changes: vec![flush] }).expect("a rule can go");
    let [(message, bytes)] = &told[..] else {
        return tally.count(End::Wrong(format!("{} rules", told.len())), place);
    };
    let (sent, got) = (essence(rule.exprs.clone()), essence(message.rule.exprs.clone()));
    let end = if sent == got {
        same_bytes(&message.rule.exprs, bytes, &["nat", "masq", "redir"])
    } else {
        End::Wrong(format!("{} GOT {}", lines(&sent), lines(&got)))
    };
    tally.count(end, place);
}

/// Our messages are those of stock nft, attribute by attribute, where both make the same expressions of a rule.
#[test]
fn messages_are_those_of_stock_nft() {
    in_namespace("messages_are_those_of_stock_nft", || {
        let (mut tally, mut kernel) = (Tally::default(), Kernel::open());
        each_file(&mut kernel, &mut tally, &|_, tally, units| {
            let commands: Vec<&str> = units.iter().map(|unit| &*unit.command).collect();
            for (unit, stock) in units.iter().zip(stock::expressions(&commands)) {
                let end = stock.map_or(End::OtherStock, |stock| compare(&unit.rule().exprs, &stock));
                tally.count(end, &unit.place);
            }
        });
        tally.judge();
    });
}

/// How our rule compares to that of stock nft: by its expressions, then attribute by attribute.
fn compare(exprs: &[Expr], stock: &[u8]) -> End {
    match essence(exprs.to_vec()) == essence(decoded(stock)) {
        true => same_bytes(exprs, stock, &[]),
        false => End::OtherStock,
    }
}

/// Rules of iptables-nft, with what nft knows nothing of: tables, chains and arguments.
const XTABLES: [&str; 4] = [
    "filter INPUT -p tcp -m statistic --mode nth --every 3 --packet 0 -m comment --comment hello -j LOG --log-prefix x",
    "filter INPUT -m conntrack --ctstate NEW -m connmark --mark 7/15 -j MARK --set-mark 9",
    "filter FORWARD -m hashlimit --hashlimit-name a --hashlimit-above 1/s -j DROP",
    "nat PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080-8090",
];

/// Matches and targets of xtables are kept byte for byte, and the kernel takes them back.
#[test]
fn rules_of_iptables_come_back_as_they_were() {
    in_namespace("rules_of_iptables_come_back_as_they_were", || {
        let (mut tally, mut kernel) = (Tally::default(), Kernel::open());
        let mut extensions = 0;
        for rule in XTABLES {
            let words: Vec<&str> = rule.split(' ').collect();
            let [name, chain, arguments @ ..] = &words[..] else { panic!("table and chain: {rule}") };
            let run = Command::new("iptables-nft").args(["-t", name, "-A", chain]).args(arguments).output();
            let Ok(output) = run else { return println!("SKIPPED: there is no iptables-nft") };
            assert!(output.status.success(), "{rule}: {}", String::from_utf8_lossy(&output.stderr));
            let table = TableId::new(Family::Ip, *name);
            let (message, bytes) = kernel.rules(&table, chain).pop().expect("just added");
            tally.count(same_bytes(&message.rule.exprs, &bytes, &["nat"]), rule);
            let foreign = |expr: &&Expr| matches!(expr, Expr::XtMatch(_) | Expr::XtTarget(_));
            extensions += message.rule.exprs.iter().filter(foreign).count();

            let again = Change::NewRule {
                table: table.clone(),
                chain: ChainRef::new(*chain),
                rule: message.rule.clone(),
                place: Place::Last,
            };
            kernel.commit(&Batch { changes: vec![again] }).expect("what was told can be told");
            let (second, _) = kernel.rules(&table, chain).pop().expect("just added");
            assert_eq!(second.rule.exprs, message.rule.exprs, "{rule}");
        }
        assert!(extensions >= 6, "{extensions} matches and targets");
        tally.judge();
    });
}
