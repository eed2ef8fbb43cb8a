//! `nft -o`: what is merged and what is not.
//!
//! The merged rules are those that nft itself lists after loading such rules with `-o`, where that is exact
//! (`corpus/dumps/optimizations`); what must stay apart are cases in which nft's own merge means something else.

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;

/// Rules of a chain as they are listed after `-o`, and what was told of merges.
fn optimised(family: &str, rules: &[&str]) -> (Vec<String>, Vec<String>) {
    let text = format!(
        "table {family} t {{\n\tchain a {{\n\t}}\n\tchain b {{\n\t}}\n\tchain c {{\n\t\t{}\n\t}}\n}}\nlist chain {family} t c\n",
        rules.join("\n\t\t")
    );
    let mut sources = Sources::new();
    let source = sources.add("t.nft", text, None).expect("short");
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut session = Session { optimise: true, ..Session::default() };
    let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
    assert!(outcome.ok(), "{rules:?}: {}", outcome.render(&sources));
    let listed = outcome.output.lines().filter_map(|line| line.strip_prefix("\t\t")).map(str::to_owned);
    (listed.collect(), outcome.remarks)
}

fn becomes(family: &str, rules: &[&str], expected: &[&str]) {
    assert_eq!(optimised(family, rules).0, expected, "{rules:?}");
}

fn stays(family: &str, rules: &[&str]) {
    let (listed, told) = optimised(family, rules);
    assert_eq!(listed.len(), rules.len(), "{rules:?} became {listed:?}");
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn rules_of_one_verdict_get_a_set() {
    becomes(
        "ip",
        &["ip saddr 10.141.11.0/24 masquerade", "ip saddr 10.141.13.0/24 masquerade"],
        &["ip saddr { 10.141.11.0/24, 10.141.13.0/24 } masquerade"],
    );
    becomes(
        "ip",
        &["tcp dport 80 counter accept", "tcp dport 123 counter accept"],
        &["tcp dport { 80, 123 } counter packets 0 bytes 0 accept"],
    );
    becomes("inet", &["iifname \"x\" jump a", "iifname \"y\" jump a"], &["iifname { \"x\", \"y\" } jump a"]);
}

#[test]
fn rules_of_several_verdicts_get_a_verdict_map() {
    becomes(
        "ip",
        &["ct state invalid drop", "ct state established,related accept"],
        &["ct state vmap { invalid : drop, established : accept, related : accept }"],
    );
    becomes(
        "ip",
        &["tcp dport 1 accept", "tcp dport 2-3 drop", "tcp dport 4 accept"],
        &["tcp dport vmap { 1 : accept, 2-3 : drop, 4 : accept }"],
    );
    becomes(
        "ip",
        &["ct state invalid counter drop", "ct state established,related counter accept"],
        &[
            "ct state vmap { invalid counter packets 0 bytes 0 : drop, established counter packets 0 bytes 0 : accept, related counter packets 0 bytes 0 : accept }",
        ],
    );
    becomes(
        "ip",
        &["meta l4proto tcp goto a", "meta l4proto udp goto b", "log"],
        &["meta l4proto vmap { tcp : goto a, udp : goto b }", "log"],
    );
}

#[test]
fn verdict_maps_of_one_key_become_one() {
    becomes(
        "ip",
        &[
            "tcp dport vmap { 80 : accept, 81 : accept, 443 : accept }",
            "tcp dport vmap { 8000-8100 : accept, 24000-25000 : accept }",
        ],
        &[
            "tcp dport vmap { 80 : accept, 81 : accept, 443 : accept, 8000-8100 : accept, 24000-25000 : accept }",
        ],
    );
    becomes(
        "ip",
        &["ip saddr vmap { 1.1.1.1 counter : accept }", "ip saddr vmap { 1.1.1.2 counter : drop }"],
        &[
            "ip saddr vmap { 1.1.1.1 counter packets 0 bytes 0 : accept, 1.1.1.2 counter packets 0 bytes 0 : drop }",
        ],
    );
}

#[test]
fn several_selectors_become_a_concatenation_in_any_order() {
    becomes(
        "ip",
        &["udp dport 51820 iifname \"foo\" accept", "iifname \"bar\" udp dport { 67, 514 } accept"],
        &["udp dport . iifname { 67 . \"bar\", 514 . \"bar\", 51820 . \"foo\" } accept"],
    );
    becomes(
        "ip",
        &[
            "iifname \"eth1\" ip saddr 1.1.1.2 ip daddr 2.2.3.0/24 accept",
            "iifname \"eth1\" ip saddr 1.1.1.2 ip daddr 2.2.4.0-2.2.4.10 accept",
        ],
        &[
            "iifname . ip saddr . ip daddr { \"eth1\" . 1.1.1.2 . 2.2.3.0/24, \"eth1\" . 1.1.1.2 . 2.2.4.0-2.2.4.10 } accept",
        ],
    );
    becomes(
        "ip",
        &[
            "meta pkttype broadcast udp dport { 67, 547 } accept",
            "meta pkttype multicast udp dport 1900 drop",
        ],
        &[
            "meta pkttype . udp dport vmap { broadcast . 67 : accept, broadcast . 547 : accept, multicast . 1900 : drop }",
        ],
    );
    becomes(
        "ip",
        &["udp dport 137 ct state new,untracked accept", "udp dport 138 ct state new,untracked accept"],
        &["udp dport . ct state { 137 . new, 137 . untracked, 138 . new, 138 . untracked } accept"],
    );
}

#[test]
fn nat_to_several_targets_takes_them_from_a_map() {
    becomes(
        "ip",
        &["ip saddr 4.4.4.4 dnat to 1.1.1.1", "ip saddr 5.5.5.5 dnat to 2.2.2.2"],
        &["dnat to ip saddr map { 4.4.4.4 : 1.1.1.1, 5.5.5.5 : 2.2.2.2 }"],
    );
    becomes(
        "ip",
        &["ip saddr 4.4.4.4 dnat to 1.1.1.1", "ip saddr 5.5.5.5 dnat to 1.1.1.1"],
        &["dnat to ip saddr map { 4.4.4.4 : 1.1.1.1, 5.5.5.5 : 1.1.1.1 }"],
    );
    becomes(
        "ip",
        &[
            "ip daddr 1.1.1.1 tcp dport 80 dnat to 4.4.4.4:8000",
            "ip daddr 2.2.2.2 tcp dport 81 dnat to 3.3.3.3:9000",
        ],
        &[
            "dnat ip to ip daddr . tcp dport map { 1.1.1.1 . 80 : 4.4.4.4 . 8000, 2.2.2.2 . 81 : 3.3.3.3 . 9000 }",
        ],
    );
    becomes(
        "ip",
        &["tcp dport 83 redirect to :8083", "tcp dport 84 redirect to :8084", "tcp dport 85 redirect"],
        &["redirect to :tcp dport map { 83 : 8083, 84 : 8084 }", "tcp dport 85 redirect"],
    );
    becomes(
        "inet",
        &["ip daddr 72.2.3.66 snat to 10.2.2.2", "ip daddr 72.2.3.67 snat to 10.2.3.3"],
        &["snat ip to ip daddr map { 72.2.3.66 : 10.2.2.2, 72.2.3.67 : 10.2.3.3 }"],
    );
}

#[test]
fn flags_under_a_mask_are_values() {
    becomes(
        "inet",
        &["tcp flags fin,ack / fin,syn,ack drop", "tcp flags & (fin | syn | ack) == syn drop"],
        &["tcp flags & (fin | syn | ack) == { fin | ack, syn } drop"],
    );
}

/// nft merges these into sets of values: a segment with SYN and ACK would match neither.
#[test]
fn flags_are_not_merged() {
    stays("inet", &["tcp flags syn accept", "tcp flags ack accept"]);
    stays("inet", &["ct status snat accept", "ct status dnat drop"]);
    stays("inet", &["tcp flags & syn == syn accept", "tcp flags & ack == ack accept"]);
    stays("inet", &["tcp flags & syn != 0 accept", "tcp flags & syn != 1 accept"]);
    stays("inet", &["ct label 1 accept", "ct label 2 accept"]);
    stays("ip6", &["ct state == new accept", "ct state == established accept"]);
}

/// With nft the ruleset then fails to load, or the first of two rules no longer decides.
#[test]
fn what_overlaps_is_not_merged() {
    stays("ip", &["ip saddr 10.0.0.0/8 accept", "ip saddr 10.1.0.0/16 drop"]);
    stays("ip", &["ip saddr 127.0.0.0/8 accept", "ip saddr 127.0.0.1-192.168.7.3 accept"]);
    stays("ip", &["tcp dport 22 accept", "tcp dport ssh drop"]);
    stays("ip", &["tcp dport 22 accept", "tcp dport 22 accept"]);
    stays("ip", &["ip saddr 1.1.1.1 tcp dport 1-9 accept", "ip saddr 1.1.1.0/24 tcp dport 9 drop"]);
    becomes(
        "ip",
        &["tcp dport 22 accept", "tcp dport 23 drop", "tcp dport 22-24 drop", "tcp dport 25 accept"],
        &["tcp dport vmap { 22 : accept, 23 : drop }", "tcp dport vmap { 22-24 : drop, 25 : accept }"],
    );
}

#[test]
fn other_comparisons_are_not_merged() {
    stays(
        "inet",
        &[
            "iifname \"eth0\" oifname != \"eth0\" counter accept",
            "iifname \"eth0\" oifname \"eth0\" counter accept",
        ],
    );
    stays("ip", &["ip saddr != 1.1.1.1 drop", "ip saddr != 2.2.2.2 drop"]);
    stays("ip", &["@th,160,32 0x2736c00 drop", "@th,160,112 0x870697a7a6173656f03636f6d00 drop"]);
    stays("ip", &["iifname \"eth*\" accept", "iifname \"wg*\" accept"]);
    stays("ip", &["meta mark & 0xff 1 accept", "meta mark & 0xf 2 accept"]);
    stays("ip", &["meta hour \"01:00\"-\"02:00\" accept", "meta hour \"03:00\"-\"04:00\" accept"]);
    stays("ip", &["meta random 1 drop", "meta random 2 drop"]);
    stays("ip", &["ip saddr 1.1.1.1 accept", "ip daddr 2.2.2.2 accept"]);
}

#[test]
fn what_has_state_or_a_comment_is_not_merged() {
    stays("ip", &["tcp dport 1 limit rate 1/second accept", "tcp dport 2 limit rate 1/second accept"]);
    stays("ip", &["tcp dport 1 counter packets 5 bytes 9 accept", "tcp dport 2 counter accept"]);
    stays("ip", &["tcp dport 1 accept comment \"one\"", "tcp dport 2 accept comment \"two\""]);
    stays("ip", &["tcp dport 1 log accept", "tcp dport 2 log drop"]);
    // Nor are these by nft.
    stays("ip", &["tcp dport 1 meta mark set 5 accept", "tcp dport 2 meta mark set 5 accept"]);
    stays("ip", &["tcp dport 1 queue", "tcp dport 2 queue"]);
}

/// What is in chain `a` and in the ruleset already, loaded before with the same tables.
fn optimised_behind(chain: &str, before: &str, rules: &[&str]) -> Vec<String> {
    let text = format!(
        "table ip t {{\n chain b {{ }}\n chain a {{ {chain} }}\n chain c {{\n\t\t{}\n\t}}\n}}\nlist chain ip t c\n",
        rules.join("\n\t\t")
    );
    let mut sources = Sources::new();
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut session = Session { optimise: true, ..Session::default() };
    let mut output = String::new();
    for text in [before.to_owned(), text] {
        let source = sources.add("t.nft", text, None).expect("short");
        let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
        assert!(outcome.ok(), "{}", outcome.render(&sources));
        output = outcome.output;
    }
    output.lines().filter_map(|line| line.strip_prefix("\t\t")).map(str::to_owned).collect()
}

#[test]
fn jumps_are_merged_where_chains_leave_alone_what_was_compared() {
    becomes(
        "ip",
        &["ip version 4 jump a", "ip version 6 jump b"],
        &["ip version vmap { 4 : jump a, 6 : jump b }"],
    );
    let marks = ["meta mark 1 jump a", "meta mark 2 jump b"];
    let merged = ["meta mark vmap { 0x00000001 : jump a, 0x00000002 : jump b }"];
    assert_eq!(optimised_behind("", "", &marks), merged);
    assert_eq!(optimised_behind("tcp dport 22 counter accept; jump b", "", &marks), merged);
    assert_eq!(optimised_behind("ct mark set 2", "", &marks), merged);
    // A ruleset of another table, and one that the text flushes, do not matter.
    assert_eq!(optimised_behind("", "table ip u { chain a { meta mark set 2; } }", &marks), merged);
}

/// The rule behind the jump would match then.
#[test]
fn jumps_are_not_merged_where_a_chain_may_change_what_was_compared() {
    let marks = ["meta mark 1 jump a", "meta mark 2 jump b"];
    let maps = ["meta mark vmap { 1 : jump a }", "meta mark vmap { 2 : jump b }"];
    let reads = ["meta pkttype vmap { 1 : jump a }"];
    assert_eq!(optimised_behind("", "", &reads).len(), 1);
    for rules in [marks, maps] {
        for (chain, before) in [
            ("meta mark set 2", ""),
            ("meta l4proto tcp jump { meta mark set 2; }", ""),
            ("goto b; }; chain b { jump d; }; chain d { meta mark set 2; ", ""),
            (
                "meta l4proto vmap @m; }; map m { type inet_proto : verdict; }; chain d { meta mark set 2; ",
                "",
            ),
            ("", "table ip t { chain a { meta mark set 2; } }"),
            ("", "table ip t { chain a { jump d; }; chain d { ip ttl set 2; } }"),
        ] {
            let listed = optimised_behind(chain, before, &rules);
            assert_eq!(listed.len(), 2, "{chain:?} after {before:?}: {listed:?}");
        }
    }
    stays("ip", &["meta mark 1 meta mark set 2", "meta mark 2 meta mark set 2"]);
    stays("ip", &["ct state new notrack", "ct state untracked notrack"]);
}

/// `ct state 6` asks for any of two states; a set would ask for both at once.
#[test]
fn numbers_of_several_states_are_not_merged() {
    stays("ip", &["ct state 6 accept", "ct state 8 drop"]);
    stays("ip", &["ct state established | related accept", "ct state new drop"]);
    stays("ip", &["ct state 0 accept", "ct state new drop"]);
    becomes(
        "ip",
        &["ct state 2 accept", "ct state new drop"],
        &["ct state vmap { established : accept, new : drop }"],
    );
}

/// Each reading is another number, and two rules read twice.
#[test]
fn numbers_drawn_by_rules_are_drawn_as_often() {
    stays("ip", &["numgen inc mod 2 0 tcp dport 1 accept", "numgen inc mod 2 0 tcp dport 2 accept"]);
    stays("ip", &["meta random < 5 tcp dport 1 accept", "meta random < 5 tcp dport 2 accept"]);
    stays("ip", &["jhash ip saddr mod 2 0 tcp dport 1 accept", "jhash ip saddr mod 2 0 tcp dport 2 accept"]);
    stays(
        "ip",
        &["meta mark { 1 counter, 3 } tcp dport 1 accept", "meta mark { 1 counter, 3 } tcp dport 2 accept"],
    );
}

/// What it answers with follows from what was compared.
#[test]
fn reject_alone_is_merged_where_it_answers_the_same() {
    becomes("inet", &["tcp dport 1 reject", "tcp dport 2 reject"], &["tcp dport { 1, 2 } reject"]);
    becomes(
        "ip6",
        &["ip6 daddr ::2 tcp dport 2 reject", "ip6 daddr ::3 tcp dport 3 reject"],
        &["ip6 daddr . tcp dport { ::2 . 2, ::3 . 3 } reject"],
    );
    stays("inet", &["meta nfproto ipv4 reject", "meta nfproto ipv6 reject"]);
}

/// As nft 1.0.6 has it: by what the chain compares first.
#[test]
fn selectors_stand_in_the_order_of_the_chain() {
    becomes(
        "ip",
        &[
            "ip saddr 1.1.1.1 accept",
            "tcp dport 1",
            "iifname \"x\" ip saddr 1.1.1.2 accept",
            "iifname \"y\" ip saddr 1.1.1.2 accept",
        ],
        &[
            "ip saddr 1.1.1.1 accept",
            "tcp dport 1",
            "ip saddr . iifname { 1.1.1.2 . \"x\", 1.1.1.2 . \"y\" } accept",
        ],
    );
}

#[test]
fn raw_payload_of_one_place_is_merged() {
    becomes(
        "inet",
        &["udp length 47-63 @th,160,16 0x0e37 goto a", "udp length 62-78 @th,160,16 0x0e31 goto b", "drop"],
        &["udp length . @th,160,16 vmap { 47-63 . 0xe37 : goto a, 62-78 . 0xe31 : goto b }", "drop"],
    );
}

/// As nft tells it, by its manual's section on `--optimize`.
#[test]
fn merges_are_told_with_places() {
    let (_, told) =
        optimised("ip", &["ip daddr 192.168.0.1 counter accept", "ip daddr 192.168.0.2 counter accept"]);
    assert_eq!(
        told,
        ["Merging:\n\
          t.nft:7:3-37: \t\tip daddr 192.168.0.1 counter accept\n\
          t.nft:8:3-37: \t\tip daddr 192.168.0.2 counter accept\n\
          into:\n\
          \tip daddr { 192.168.0.1, 192.168.0.2 } counter accept"]
    );
}

/// Of many rules in one line each is shown alone: the whole line each time would be more than anyone reads.
#[test]
fn merges_of_a_long_line_show_the_rules_alone() {
    let rules: Vec<String> = (1..100).map(|port| format!("tcp dport {port} accept")).collect();
    let text = format!("table ip t {{\n chain e {{ }}; chain c {{ {}; }}\n}}\n", rules.join("; "));
    let mut sources = Sources::new();
    let source = sources.add("t.nft", text, None).expect("short");
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut session = Session { optimise: true, ..Session::default() };
    let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
    assert!(outcome.ok(), "{}", outcome.render(&sources));
    let [told] = &outcome.remarks[..] else { panic!("{:?}", outcome.remarks) };
    let mut lines = told.lines().skip(1);
    assert_eq!(lines.next(), Some("t.nft:2:25-42: tcp dport 1 accept"));
    assert_eq!(lines.next(), Some("t.nft:2:45-62: tcp dport 2 accept"));
    assert_eq!(told.lines().count(), 1 + rules.len() + 2);
}
