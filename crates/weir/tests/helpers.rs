//! Helpers beside the kernel's: conversations by chance, with and without NAT, each packet and what both expect behind it.
//!
//! ```text
//!   10.0.1.10 lan0 [router] wan0 198.18.0.7        snat: 10.0.1.10 is seen as 203.0.113.77
//!                                                   dnat: 203.0.113.77 leads to 10.0.1.10
//! ```
//!
//! What a side hears is what left the router, so it answers as a real one would. Needs root, network namespaces, veth, `ip`, and
//! the kernel's helpers; says so and skips elsewhere, and fails if `CI=true`. `IRONWEIR_SEED` and `IRONWEIR_SEQUENCES` ask for
//! others and more.

mod talk;

use ironweir::difftest::duel::Duel;
use ironweir::difftest::generate::chance::Chance;
use ironweir::difftest::generate::world;
use ironweir::difftest::rig::{Rig, obstacle};
use ironweir::machine;
use talk::{Nat, Talk, words};

fn number(name: &str, or: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or)
}

/// Conversations of one helper through kernel and engine, one in three without NAT.
fn compare(subject: &str, protocol: &str, port: u16, six: bool, speak: fn(&mut Talk<'_, '_>)) {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: kernel and engine cannot be compared: {why}");
        return;
    }
    let host = world::host().unwrap();
    let names = machine::names(&host);
    let (seed, sequences) = (number("IRONWEIR_SEED", 1), number("IRONWEIR_SEQUENCES", 30));
    let mut rig = Rig::new(&host, false).unwrap();
    for nat in [Nat::None, Nat::Source, Nat::Destination] {
        let rules = words::rules(subject, protocol, port, six, nat);
        let mut duel = Duel::new(&mut rig, &host, &names, &rules).unwrap();
        for sequence in 0..sequences / 3 {
            duel.flush().unwrap();
            let chance = Chance::new((seed * 1_000_003 + sequence) as u64);
            let mut talk = Talk::new(&mut duel, chance, nat, six, port);
            speak(&mut talk);
            if let Some(told) = talk.difference() {
                panic!("{subject} {nat:?} seed {seed} sequence {sequence}\n{told}");
            }
            if duel.is_drawn() {
                duel = Duel::new(&mut rig, &host, &names, &rules).unwrap();
            }
        }
    }
}

#[test]
fn ftp_goes_the_same_way() {
    compare("ftp", "tcp", 21, false, words::ftp);
}

#[test]
fn ftp_over_ipv6_goes_the_same_way() {
    compare("ftp", "tcp", 21, true, words::ftp);
}

#[test]
fn irc_goes_the_same_way() {
    compare("irc", "tcp", 6667, false, words::irc);
}

#[test]
fn tftp_goes_the_same_way() {
    compare("tftp", "udp", 69, false, words::tftp);
}

#[test]
fn amanda_goes_the_same_way() {
    compare("amanda", "udp", 10_080, false, words::amanda);
}

#[test]
fn sane_goes_the_same_way() {
    compare("sane", "tcp", 6566, false, words::sane);
}

#[test]
fn pptp_goes_the_same_way() {
    compare("pptp", "tcp", 1723, false, words::pptp);
}

#[test]
fn sip_over_udp_goes_the_same_way() {
    compare("sip", "udp", 5060, false, words::sip_over_udp);
}

#[test]
fn sip_over_tcp_goes_the_same_way() {
    compare("sip", "tcp", 5060, false, words::sip_over_tcp);
}

#[test]
fn sip_over_ipv6_goes_the_same_way() {
    compare("sip", "udp", 5060, true, words::sip_over_udp);
}

#[test]
fn h323_calls_go_the_same_way() {
    compare("Q.931", "tcp", 1720, false, words::calls);
}

#[test]
fn h323_calls_over_ipv6_go_the_same_way() {
    compare("Q.931", "tcp", 1720, true, words::calls);
}

#[test]
fn h323_registrations_go_the_same_way() {
    compare("RAS", "udp", 1719, false, words::registrations);
}
