//! `ct helper` objects beside the kernel's: which helpers there are for which protocols, and how they are listed.
//!
//! Needs root, network namespaces, `unshare` and `nft`; says so and skips elsewhere, and fails if `CI=true`.

mod made;

use std::process::Command;

use ironweir::difftest::generate::world;
use ironweir::difftest::mirror::Mirror;
use ironweir::machine;
use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::ObjectKind;
use made::Directory;

const HELPERS: [&str; 14] = [
    "ftp",
    "tftp",
    "irc",
    "amanda",
    "sane",
    "pptp",
    "sip",
    "netbios-ns",
    "snmp",
    "RAS",
    "Q.931",
    "Q.93",
    "nobody",
    "FTP",
];

/// Rules of a table with an object each.
fn cases() -> Vec<String> {
    let mut cases = Vec::new();
    for helper in HELPERS {
        for protocol in ["tcp", "udp"] {
            for family in ["ip", "ip6", "inet"] {
                for layer in ["", " l3proto ip;", " l3proto ip6;", " l3proto inet;"] {
                    cases.push(format!(
                        "table {family} t {{ ct helper h {{ type \"{helper}\" protocol {protocol};{layer} }}; }}"
                    ));
                }
            }
        }
    }
    cases
}

/// What the kernel lists of each, in one namespace; `None` where it refuses.
fn by_kernel(directory: &Directory, cases: &[String]) -> Option<Vec<Option<String>>> {
    let mut script = String::from("nft list ruleset || exit 9\n");
    for case in cases {
        script += &format!(
            "if nft '{case}' 2>/dev/null; then nft list ruleset | grep l3proto; else echo refused; fi\nnft flush ruleset\n"
        );
    }
    let script = directory.file("cases.sh", script);
    let run = Command::new("unshare").args(["-n", "sh", &script]).output().ok()?;
    if !run.status.success() {
        return None;
    }
    let told = String::from_utf8(run.stdout).ok()?;
    Some(told.lines().map(|line| Some(line.trim().to_owned()).filter(|line| line != "refused")).collect())
}

#[test]
fn helpers_are_known_and_listed_as_the_kernel_does() {
    let directory = Directory::new("helper-objects");
    let cases = cases();
    let Some(kernel) = by_kernel(&directory, &cases) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: no namespaces, or no nft, to ask the kernel");
        return;
    };
    assert_eq!(kernel.len(), cases.len());
    let host = world::host().unwrap();
    let names = machine::names(&host);
    for (case, kernel) in cases.iter().zip(kernel) {
        let made = Mirror::new(&host, &names, case, machine::now());
        let listed = made.as_ref().ok().map(|made| {
            let table = made.engine().ruleset().tables().next().expect("the table");
            let object = table.object(ObjectType::CtHelper, "h").expect("the object");
            let ObjectKind::CtHelper(helper) = &object.object.kind else { panic!("{object:?}") };
            // Numbers of `linux/netfilter.h`.
            let word = match helper.l3proto {
                1 => "inet",
                2 => "ip",
                10 => "ip6",
                other => panic!("{other}"),
            };
            format!("l3proto {word}")
        });
        assert_eq!(listed, kernel, "{case}\n{:?}", made.err());
    }
}
