//! What fuzzing and random rules have found, each with what was wrong.

mod corpus;

use std::time::{Duration, Instant as Clock};

use corpus::world::World;
use ironweir_expr::bitwise::{Bitwise, Op, Operand};
use ironweir_expr::{Expr, Register, meta};
use ironweir_language::datatype::{Names, PrintOptions};
use ironweir_language::print::{Options, Printer};
use ironweir_language::raise::{NoChains, raise_rule};
use ironweir_language::scope::{NoSets, Scope};
use ironweir_ruleset::{Family, Rule, Userdata};
use ironweir_wire::Instant;

/// Lists a rule of a family, and checks that the listing is loaded and listed the same, as text and as JSON.
fn comes_back(family: &str, rule: &str) -> String {
    let list = format!("list table {family} t\n");
    let mut world = World::default();
    let setup = format!("add table {family} t\nadd chain {family} t c\n");
    let made = world.run(&format!("{setup}add rule {family} t c {rule}\n"));
    made.unwrap_or_else(|refusal| panic!("{rule}: {}", refusal.first_line()));
    let listing = world.run(&list).expect("it can be listed").listing;
    let (mut text, mut json) = (World::default(), World::default());
    text.run(&listing).unwrap_or_else(|refusal| panic!("{listing}{}", refusal.first_line()));
    let document = world.list_json(&format!("{family} t"));
    json.run_json(&document).unwrap_or_else(|refusal| panic!("{document}: {}", refusal.first_line()));
    for mut world in [text, json] {
        assert_eq!(world.run(&list).expect("it can be listed").listing, listing);
    }
    corpus::compare::rule_text(&listing, "c")
}

fn refused(family: &str, rule: &str) -> String {
    let text = format!("add table {family} t\nadd chain {family} t c\nadd rule {family} t c {rule}\n");
    match World::default().run(&text) {
        Ok(_) => panic!("{rule} is accepted"),
        Err(refusal) => refusal.first_line(),
    }
}

#[test]
fn registers_joined_again_and_again_are_listed_in_bounded_time() {
    // The content of a register doubled with every expression, so that 32 of them took hours.
    let register = Register::from_number(1).expect("register 1 exists");
    let join = Expr::Bitwise(Bitwise {
        source: register,
        destination: register,
        len: 4,
        op: Op::Or(Operand::Register(register)),
    });
    let load = Expr::MetaGet(meta::Get { key: meta::Key::Mark, destination: register });
    let set = Expr::MetaSet(meta::Set { key: meta::Key::Mark, source: register });
    let mut exprs = vec![load];
    exprs.extend(std::iter::repeat_n(join, 100_000));
    exprs.push(set);
    let (names, begun) = (Names::default(), Clock::now());
    let scope = Scope { family: Family::Ip, names: &names, sets: &NoSets };
    let rule = Rule { exprs, userdata: Userdata::default(), ..Rule::default() };
    let raised = raise_rule(scope, PrintOptions::default(), &NoChains, Instant::from_nanos(0), &rule);
    let mut printer = Printer::new(Options::default());
    raised.print(&mut printer);
    assert!(printer.finish().len() < 10_000 && begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn matches_of_protocols_that_a_family_does_not_have_are_listed() {
    // They were left out, and `tcp dport 22` was refused when it came back.
    assert_eq!(comes_back("arp", "meta l4proto tcp tcp dport 22"), "meta l4proto 6 tcp dport 22");
    assert_eq!(comes_back("arp", "ether type ip ip saddr 192.0.2.1"), "ether type ip ip saddr 192.0.2.1");
}

#[test]
fn a_tag_behind_the_match_of_a_higher_layer_keeps_the_match_of_its_type() {
    let rule = "icmpv6 max-delay != 1 ether type 8021q vlan id 1";
    assert_eq!(comes_back("inet", rule), rule);
    assert_eq!(comes_back("inet", "ether type 8021q vlan id 1"), "vlan id 1");
}

#[test]
fn tunnels_inside_tunnels_are_refused() {
    // `gretap gretap udp sport 8888` was taken for `gretap udp sport 8888`.
    for rule in ["gretap gretap udp sport 8888", "gre gretap ip saddr 192.0.2.1", "gretap gre version 0"] {
        assert!(refused("ip", rule).contains("no tunnel's"), "{rule}");
    }
}

#[test]
fn any_of_several_events_comes_back_from_json() {
    assert_eq!(comes_back("ip", "ct event new | destroy"), "ct event new,destroy");
}

#[test]
fn texts_with_a_nul_are_refused() {
    // `iifname "\\0eth0"` was listed as `iifname ""`, which is refused.
    assert!(refused("inet", "iifname { \"\0eth0\", \"lo\" }").contains("syntax error"));
    let rule = r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"\u0000eth0"}}"#;
    let document = format!(
        r#"{{"nftables":[{{"add":{{"table":{{"family":"ip","name":"t"}}}}}},
            {{"add":{{"chain":{{"family":"ip","table":"t","name":"c"}}}}}},
            {{"add":{{"rule":{{"family":"ip","table":"t","chain":"c","expr":[{rule}]}}}}}}]}}"#
    );
    let document = serde_json::from_str(&document).expect("it is JSON");
    let refusal = World::default().run_json(&document).expect_err("it is refused");
    assert!(refusal.first_line().contains("u0000 is not allowed"), "{}", refusal.first_line());
}

#[test]
fn values_outside_of_their_mask_are_no_prefix() {
    // As a prefix, as nft lists it, it would match: the bits outside are cleared when it comes back.
    let rule = "ip saddr & 255.255.255.254 == 192.0.2.1";
    assert_eq!(comes_back("ip", rule), rule);
    assert_eq!(comes_back("ip", "ip saddr & 255.255.255.254 == 192.0.2.2"), "ip saddr 192.0.2.2/31");
}

#[test]
fn bits_that_lie_in_more_bytes_than_numbers_have_are_refused() {
    // They were listed with the bits before them: `@ll,0,136 & ...`, which is too long.
    assert!(refused("ip6", "@ll,2,128 0x1234").contains("within 16 bytes"));
    assert!(refused("ip6", "tcp option @66,3,126 0x1234").contains("within 16 bytes"));
    assert_eq!(comes_back("ip6", "@ll,8,128 0x1234"), "@ll,8,128 0x1234");
    assert_eq!(
        comes_back("ip6", "@ll,2,126 0x1234"),
        "@ll,0,128 & 0x3fffffffffffffffffffffffffffffff == 0x1234"
    );
}

/// Read, it was printed as a rule that begins with a brace and cannot be read.
#[test]
fn a_variable_with_a_set_selects_nothing() {
    let text = "define PORTS = { 23, 445 }\ntable inet t {\n chain c {\n  $PORTS counter drop\n }\n}\n";
    match World::default().run(text) {
        Ok(_) => panic!("a set alone is accepted"),
        Err(refusal) => {
            assert!(refusal.first_line().contains("a selector must come first"), "{}", refusal.first_line())
        }
    }
}

#[test]
fn a_range_of_addresses_before_a_port_is_no_prefix() {
    // It was listed as `192.168.3.2/31:8080`, which does not load.
    let rule = "meta l4proto 6 dnat to 192.168.3.2-192.168.3.3:8080";
    assert_eq!(comes_back("ip", rule), rule);
    let rule = "meta l4proto 6 dnat to [2001:db8::2]-[2001:db8::3]:8080";
    assert_eq!(comes_back("ip6", rule), rule);
    assert_eq!(comes_back("ip", "dnat to 192.168.3.2-192.168.3.3"), "dnat to 192.168.3.2/31");
}

#[test]
fn the_beginning_of_a_name_is_shorter_than_names_can_be() {
    // It was listed without its star, as a name that is too long.
    assert!(refused("ip", "iifname \"abcdefghijklmnop*\"").contains("String exceeds maximum length of 16"));
    assert_eq!(comes_back("ip", "iifname \"abcdefghijklmno*\""), "iifname \"abcdefghijklmno*\"");
}

#[test]
fn numbers_are_no_masks_of_flags() {
    // A variable stood for the range; it was printed as a prefix with a range behind it.
    let text = "define range = 42-80\nadd table t\nadd chain t c\nadd rule t c tcp flags syn / $range\n";
    let Err(refusal) = World::default().run(text) else { panic!("a range is taken for flags") };
    assert!(refusal.first_line().contains("the flags to look at"), "{}", refusal.first_line());
    assert!(refused("ip", "ip saddr 1.1.1.1/8 / 1").contains("unexpected '/'"));
}
