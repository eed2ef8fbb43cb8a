//! Kernel and engine beside each other: `weir difftest`. Needs root, network namespaces, veth, `ip`; says so and skips
//! elsewhere, and fails if `CI=true`.

use std::process::Command;

use ironweir::difftest::rig::obstacle;

/// Whether to go on; tells if not.
fn kernel_is_here() -> bool {
    let Some(why) = obstacle() else { return true };
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
    eprintln!("SKIPPED: kernel and engine cannot be compared: {why}");
    false
}

/// Flowtables are left out: few kernels have them.
#[test]
fn the_examples_go_the_same_way_through_kernel_and_engine() {
    if !kernel_is_here() {
        return;
    }
    for example in ["accounting", "home-gateway", "server"] {
        let file = |name: &str| format!("{}/../../examples/{example}/{name}", env!("CARGO_MANIFEST_DIR"));
        let run = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["difftest", &file("rules.nft"), &file("host.toml"), &file("trace.pcapng")])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        let failed = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(0), "{example}: {told}{failed}");
        assert!(told.trim_end().ends_with(": no difference"), "{example}: {told}");
    }
}

/// Generated rulesets and packets. `IRONWEIR_SEQUENCES` and `IRONWEIR_SEED` ask for more, or others.
#[test]
fn generated_sequences_go_the_same_way_through_kernel_and_engine() {
    if !kernel_is_here() {
        return;
    }
    let number = |name: &str, or: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let host = ironweir::difftest::generate::world::host().unwrap();
    let (seed, sequences) = (number("IRONWEIR_SEED", 1) as u64, number("IRONWEIR_SEQUENCES", 300));
    let most = number("IRONWEIR_DIFFERENCES", 1);
    let outcome = ironweir::difftest::generate::campaign::run(&host, seed, sequences, most).unwrap();
    println!(
        "{} sequences ({} ended by chance), {} packets, {} rulesets ({} refused)",
        outcome.sequences, outcome.drawn, outcome.packets, outcome.rulesets, outcome.refused
    );
    println!("the first refusal: {}", outcome.refusal.unwrap_or_default());
    assert!(outcome.found.is_empty(), "{}", outcome.found.join("\n\n"));
    assert!(outcome.refused < outcome.rulesets, "most rulesets are refused");
}

/// A station that uses the router's own IPv6 address: the error about its packet has that address as its source, too.
#[test]
fn errors_to_the_routers_own_ipv6_address_come_from_that_address() {
    if !kernel_is_here() {
        return;
    }
    let host = ironweir::difftest::generate::world::host().unwrap();
    for seed in [10_112_402, 10_114_415, 20_114_405, 20_116_400] {
        let outcome = ironweir::difftest::generate::campaign::run(&host, seed, 20, 1).unwrap();
        assert!(outcome.found.is_empty(), "{}", outcome.found.join("\n\n"));
    }
}
