//! Sessions as a user has them: a text, its output, its errors.

use ironweir_language::files::{Files, MemoryFiles};
use ironweir_language::session::{Backend, Memory, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Family, Ruleset, TableId};
use ironweir_wire::Instant;

/// Runs a text against an empty ruleset; output, and diagnostics as text.
fn run_with(text: &str, files: &dyn Files, session: &mut Session) -> (String, String, bool) {
    run_named("t.nft", text, files, session)
}

/// The same of a text with a name.
fn run_named(name: &str, text: &str, files: &dyn Files, session: &mut Session) -> (String, String, bool) {
    let mut sources = Sources::new();
    let mut backend = Memory::new(Instant::from_nanos(0));
    let source = sources.add(name, text, None).expect("short");
    let outcome = session.run(&mut sources, source, files, &mut backend);
    (outcome.output.clone(), outcome.render(&sources), outcome.ok())
}

fn run(text: &str) -> (String, String, bool) {
    run_with(text, &MemoryFiles::default(), &mut Session::default())
}

fn errors(text: &str) -> String {
    let (_, errors, ok) = run(text);
    assert!(!ok, "accepted: {text}");
    errors
}

fn output(text: &str) -> String {
    let (output, errors, ok) = run(text);
    assert!(ok, "{errors}");
    output
}

#[test]
fn a_wrong_field_is_pointed_at_and_the_right_ones_are_proposed() {
    let text = "table inet foo {\n\tchain c {\n\t\tudp port 5060 drop\n\t}\n}\n";
    assert_eq!(
        errors(text),
        "t.nft:3:7-10: Error: syntax error, unexpected 'port', expecting a field of 'udp'\n\
         \u{20} udp port 5060 drop\n\
         \u{20}     ^^^^\n\
         help: did you mean 'udp sport' or 'udp dport'?\n"
    );
}

#[test]
fn spaces_of_the_web_are_blanks_with_a_warning() {
    let (listed, warnings, ok) = run("table ip\u{a0}x {\n}\nlist ruleset\n");
    assert!(ok);
    assert_eq!(listed, "table ip x {\n}\n");
    assert_eq!(
        warnings,
        "t.nft:1:9-9: Warning: character U+00A0 is taken as a blank; nft refuses it\n\
         table ip\u{a0}x {\n\
         \u{20}       ^\n"
    );
}

#[test]
fn every_error_of_a_file_is_told() {
    let text = "table ip x {\n\tchain c {\n\t\ttcp dprt 22 accept\n\t\tcounter\n\t\tip sadr 1.2.3.4\n\t}\n\tset s {\n\t\ttype ipv4_adr\n\t}\n}\nlst ruleset\n";
    let found = errors(text);
    for place in ["t.nft:3:7-10", "t.nft:5:6-9", "t.nft:8:8-15", "t.nft:11:1-3"] {
        assert!(found.contains(place), "{place} is missing in\n{found}");
    }
    for near in ["'tcp dport'", "'ip saddr'", "'ipv4_addr'", "'list'"] {
        assert!(found.contains(near), "{near} is missing in\n{found}");
    }
}

#[test]
fn nothing_is_committed_when_a_later_command_is_wrong() {
    let mut sources = Sources::new();
    let mut backend = Memory::new(Instant::from_nanos(0));
    let source = sources.add("t", "add table ip x\nadd rule ip x nochain accept\n", None).expect("short");
    let outcome = Session::default().run(&mut sources, source, &MemoryFiles::default(), &mut backend);
    assert!(!outcome.ok());
    assert_eq!(backend.ruleset.tables().count(), 0);
    let text = outcome.render(&sources);
    assert!(text.contains("t:2:"), "{text}");
    assert!(text.contains("No such file or directory"), "{text}");
}

#[test]
fn a_loop_of_jumps_is_refused_at_a_rule() {
    let text = "table ip x {\n\tchain a {\n\t\tjump b\n\t}\n\tchain b {\n\t\tjump a\n\t}\n\tchain i {\n\t\ttype filter hook input priority 0\n\t\tjump a\n\t}\n}\n";
    let found = errors(text);
    assert!(found.contains("Too many levels of symbolic links"), "{found}");
    assert!(found.contains("t.nft:"), "{found}");
}

#[test]
fn definitions_hold_in_their_block_and_includes_read_in_order_of_names() {
    let mut files = MemoryFiles::default();
    for (name, text) in [("d/b.nft", "add chain ip x b"), ("d/a.nft", "add table ip x\ndefine port = 22\n")] {
        files.0.insert(name.into(), text.into());
    }
    let text = "include \"d/*.nft\"\ninclude \"none/*.nft\"\ndefine ports = { $port, 80 }\nadd rule ip x b tcp dport $ports accept\nlist ruleset\n";
    let (listed, errors, ok) = run_with(text, &files, &mut Session::default());
    assert!(ok, "{errors}");
    assert_eq!(listed, "table ip x {\n\tchain b {\n\t\ttcp dport { 22, 80 } accept\n\t}\n}\n");
    let (_, found, ok) = run_with("include \"missing.nft\"", &files, &mut Session::default());
    assert!(!ok && found.contains("File not found: missing.nft"), "{found}");
}

#[test]
fn includes_look_beside_the_first_file() {
    let mut files = MemoryFiles::default();
    for (name, text) in [("./a", "include \"d/b\""), ("./d/b", "include \"c\""), ("./c", "add table ip c")] {
        files.0.insert(name.into(), text.into());
    }
    let (listed, errors, ok) =
        run_named("./t.nft", "include \"a\"\nlist tables\n", &files, &mut Session::default());
    assert!(ok, "{errors}");
    assert_eq!(listed, "table ip c\n");
    // Standard input lies nowhere.
    let (_, errors, ok) = run_named("/dev/stdin", "include \"c\"\n", &files, &mut Session::default());
    assert!(!ok && errors.contains("File not found: c"), "{errors}");
    let (_, errors, ok) = run_named("/dev/stdin", "include \"./c\"\n", &files, &mut Session::default());
    assert!(ok, "{errors}");
}

#[test]
fn an_include_that_includes_itself_is_an_error() {
    let mut files = MemoryFiles::default();
    files.0.insert("./a".into(), "include \"./b\"".into());
    files.0.insert("./b".into(), "include \"./a\"".into());
    let (_, found, ok) = run_with("include \"./a\"", &files, &mut Session::default());
    assert!(!ok && found.contains("includes itself"), "{found}");
    assert!(found.contains("In file included from"), "{found}");
}

#[test]
fn definitions_of_definitions_do_not_grow_without_bound() {
    let mut text = String::from("define a0 = { 1, 2, 3, 4, 5, 6, 7, 8 }\n");
    for at in 1..40 {
        let before = at - 1;
        text.push_str(&format!("define a{at} = {{ $a{before}, $a{before}, $a{before}, $a{before} }}\n"));
    }
    assert!(errors(&text).contains("definitions grow too large"));
}

#[test]
fn auto_merge_joins_what_touches_and_delete_cuts_it() {
    let text = "table ip x {\n\tset s {\n\t\ttype inet_service\n\t\tflags interval\n\t\tauto-merge\n\t\telements = { 1-5, 6-9 }\n\t}\n}\nadd element ip x s { 10-20 }\ndelete element ip x s { 4 }\nlist set ip x s\n";
    assert_eq!(
        output(text),
        "table ip x {\n\tset s {\n\t\ttype inet_service\n\t\tflags interval\n\t\tauto-merge\n\t\telements = { 1-3, 5-20 }\n\t}\n}\n"
    );
}

#[test]
fn overlapping_intervals_are_refused_naming_both() {
    let text = "table ip x {\n\tset s {\n\t\ttype inet_service\n\t\tflags interval\n\t\telements = { 1-5, 3-9 }\n\t}\n}\n";
    let found = errors(text);
    assert!(found.contains("conflicting intervals specified"), "{found}");
    assert!(found.contains("t.nft:5:21-23") && found.contains("t.nft:5:16-18"), "{found}");
}

#[test]
fn rules_go_where_index_and_handle_say() {
    let text = "add table ip x\nadd chain ip x c\nadd rule ip x c accept\nadd rule ip x c drop\n\
                insert rule ip x c index 1 counter\nadd rule ip x c index 0 return\nlist chain ip x c\n";
    assert_eq!(
        output(text),
        "table ip x {\n\tchain c {\n\t\taccept\n\t\treturn\n\t\tcounter packets 0 bytes 0\n\t\tdrop\n\t}\n}\n"
    );
}

#[test]
fn objects_are_reset_after_they_are_shown() {
    let text = "reset counter ip t k\nlist counter ip t k\n";
    let (output, ..) = run_counted(text, &mut Session::default());
    let shown = |packets, bytes| {
        format!("table ip t {{\n\tcounter k {{\n\t\tpackets {packets} bytes {bytes}\n\t}}\n}}\n")
    };
    assert_eq!(output, shown(3, 30) + &shown(0, 0));
}

#[test]
fn priorities_have_names_and_arithmetic() {
    let text = "table ip x {\n\tchain c {\n\t\ttype nat hook prerouting priority dstnat + 5;\n\t}\n}\nlist ruleset\n";
    assert!(output(text).contains("type nat hook prerouting priority dstnat + 5; policy accept;"));
    let found = errors("add chain ip x c { type filter hook input priority srcnat2; }");
    assert!(found.contains("'srcnat2' is invalid priority in this context."), "{found}");
    assert!(found.contains("did you mean 'srcnat'?"), "{found}");
}

#[test]
fn an_object_needs_no_braces() {
    let text = "add table filter\nadd quota filter q 25 mbytes\nadd counter filter c\nadd limit filter l rate 5/second\nlist quotas\n";
    assert_eq!(output(text), "table ip filter {\n\tquota q {\n\t\t25 mbytes\n\t}\n}\n");
}

#[test]
fn errors_of_meaning_are_told_beside_those_of_grammar() {
    let text = "table ip x {\n\tchain c {\n\t\ttcp dprt 22 accept\n\t\ttcp dport 70000 accept\n\t}\n}\n";
    let found = errors(text);
    assert!(found.contains("t.nft:3:7-10") && found.contains("t.nft:4:13-17"), "{found}");
}

#[test]
fn typeof_keeps_the_words_of_its_expression() {
    let text = "table ip x {\n\tset s {\n\t\ttypeof tcp option mptcp subtype\n\t\telements = { mp-join, dss }\n\t}\n}\nlist ruleset\n";
    assert_eq!(output(text), &text[..text.len() - "list ruleset\n".len()]);
}

#[test]
fn definitions_stand_for_themselves_in_a_log_prefix() {
    let text = "define zone = \"dmz\"\ndefine n = 5\ntable ip t {\n\tchain c {\n\t\tlog prefix \"$zone-$n: \" \
                comment \"$zone\"\n\t}\n}\nlist ruleset\n";
    let listed = output(text);
    assert!(listed.contains("log prefix \"dmz-5: \" comment \"$zone\""), "{listed}");
}

/// Large texts are committed without keeping what was read of them: a text of 10,000 rules and one more.
fn large(last: &str) -> (Memory, String) {
    use std::fmt::Write as _;
    let mut text = "define port = 22\ntable ip x {\n\tchain c {\n".to_owned();
    for n in 0..10_000 {
        let _ = writeln!(text, "\t\tip saddr 10.0.{}.{} tcp dport $port accept", n / 250, n % 250);
    }
    let _ = writeln!(text, "\t\t{last}\n\t}}\n\tchain d {{\n\t\tcounter\n\t}}\n}}");
    let mut sources = Sources::new();
    let mut backend = Memory::new(Instant::from_nanos(0));
    let source = sources.add("t", text, None).expect("short");
    let outcome = Session::default().run(&mut sources, source, &MemoryFiles::default(), &mut backend);
    (backend, outcome.render(&sources))
}

#[test]
fn all_rules_of_a_large_text_are_committed_in_order() {
    let (backend, told) = large("tcp dport $port jump d");
    assert_eq!(told, "");
    let table = backend.ruleset.table(&TableId::new(Family::Ip, "x")).expect("the table");
    let rules: Vec<usize> =
        ["c", "d"].map(|name| table.chain(name).expect("the chain").rules().count()).into();
    assert_eq!(rules, [10_001, 1]);
    let last = table.chain("c").and_then(|chain| chain.rules().last()).expect("a rule");
    assert!(last.rule.exprs.iter().any(|expr| expr.name() == "immediate"));
    assert_eq!(last.rule.exprs.len(), 5, "protocol and port, two each, and a verdict");
}

#[test]
fn what_is_wrong_with_a_large_text_is_told_at_its_place_once() {
    for (last, place, what) in [
        ("jump nowhere", "t:10004:8-14: Error: ", "nowhere"),
        ("tcp dport 65536 accept", "t:10004:13-17: Error: ", "65535"),
    ] {
        let (backend, told) = large(last);
        assert!(told.starts_with(place) && told.contains(what), "{told}");
        assert_eq!(told.matches("Error:").count(), 1, "{told}");
        assert_eq!(backend.ruleset.tables().count(), 0);
    }
}

/// A ruleset that counts how often it is committed to.
struct Counted(Memory, usize);

impl Backend for Counted {
    fn ruleset(&self) -> &Ruleset {
        self.0.ruleset()
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.1 += 1;
        self.0.commit(batch)
    }
}

/// Runs a text against a ruleset with a set and a rule; output, diagnostics, commits, and what is there afterwards.
fn run_counted(text: &str, session: &mut Session) -> (String, String, usize, String) {
    let mut backend = Counted(Memory::new(Instant::from_nanos(0)), 0);
    let mut run = |text: &str, session: &mut Session| {
        let mut sources = Sources::new();
        let source = sources.add("t", text, None).expect("short");
        let outcome = session.run(&mut sources, source, &MemoryFiles::default(), &mut backend);
        (outcome.output.clone(), outcome.render(&sources))
    };
    let before = "table ip t {\nset s { type inet_service; flags interval; elements = { 1-5 }\n}\n\
                  counter k { packets 3 bytes 30\n}\nchain c { accept\n}\n}\n";
    run(before, &mut Session::default());
    let (output, told) = run(text, session);
    let (after, _) = run("list ruleset", &mut Session::default());
    (output, told, backend.1 - 1, after)
}

#[test]
fn a_listing_shows_what_the_commands_before_it_make_and_all_is_one_commit() {
    let text = "add rule ip t c drop\nlist chain ip t c\nadd element ip t s { 10-20 }\nlist set ip t s\n\
                delete rule ip t c handle 4\nget element ip t s { 12 }\n";
    let (output, told, commits, after) = run_counted(text, &mut Session::default());
    assert_eq!(told, "");
    assert_eq!(
        output,
        "table ip t {\n\tchain c {\n\t\taccept\n\t\tdrop\n\t}\n}\n\
         table ip t {\n\tset s {\n\t\ttype inet_service\n\t\tflags interval\n\t\telements = { 1-5, 10-20 }\n\t}\n}\n\
         table ip t {\n\tset s {\n\t\ttype inet_service\n\t\tflags interval\n\t\telements = { 10-20 }\n\t}\n}\n"
    );
    assert_eq!(commits, 1);
    assert!(
        after.contains("1-5, 10-20") && after.contains("\t\tdrop\n") && !after.contains("accept"),
        "{after}"
    );
}

#[test]
fn with_c_a_listing_shows_what_would_be_made() {
    let mut session = Session { check: true, ..Session::default() };
    let text = "table ip n {\nchain c {\n}\n}\nadd rule ip t c drop\nlist table ip n\nlist chain ip t c\n";
    let (output, told, commits, after) = run_counted(text, &mut session);
    assert_eq!((told.as_str(), commits), ("", 0));
    assert!(output.starts_with("table ip n {\n\tchain c {\n\t}\n}\n"), "{output}");
    assert!(output.contains("\t\tdrop\n"), "{output}");
    assert!(!after.contains("table ip n") && !after.contains("drop"), "{after}");
}

#[test]
fn what_was_listed_stays_told_where_the_commit_is_refused() {
    let text = "list set ip t s\ncreate chain ip t c\nadd rule ip t c drop\n";
    let (output, told, _, after) = run_counted(text, &mut Session::default());
    assert!(output.contains("elements = { 1-5 }"), "{output}");
    assert!(told.contains("File exists"), "{told}");
    assert!(!after.contains("drop"), "{after}");
}

#[test]
fn a_listing_of_what_is_missing_commits_nothing_and_shows_nothing() {
    // As nft 1.0.6, which looks names up before it does anything.
    let text = "add table ip n\nlist table ip n\nlist table ip gone\n";
    let (output, told, commits, _) = run_counted(text, &mut Session::default());
    assert_eq!((output.as_str(), commits), ("", 0));
    assert!(told.contains("t:3:15-18: Error: No such file or directory"), "{told}");
}

#[test]
fn a_reset_between_changes_tells_what_was_counted_and_counts_anew() {
    let text = "add rule ip t c drop\nreset counter ip t k\nadd rule ip t c drop\n";
    let (output, told, commits, after) = run_counted(text, &mut Session::default());
    assert_eq!((told.as_str(), commits), ("", 1));
    assert!(output.contains("packets 3 bytes 30"), "{output}");
    assert!(after.contains("packets 0 bytes 0"), "{after}");
}

#[test]
fn a_flushed_set_with_auto_merge_merges_with_nothing() {
    let text = "table ip m {\nset s {\ntype inet_service\nflags interval\nauto-merge\nelements = { 100-200 }\n}\n}\n";
    let mut backend = Memory::new(Instant::from_nanos(0));
    for text in [text, "flush set ip m s\nadd element ip m s { 150-250 }\n"] {
        let mut sources = Sources::new();
        let source = sources.add("t", text, None).expect("short");
        let outcome = Session::default().run(&mut sources, source, &MemoryFiles::default(), &mut backend);
        assert_eq!(outcome.render(&sources), "");
    }
    let mut sources = Sources::new();
    let source = sources.add("t", "list set ip m s", None).expect("short");
    let outcome = Session::default().run(&mut sources, source, &MemoryFiles::default(), &mut backend);
    assert!(outcome.output.contains("elements = { 150-250 }"), "{}", outcome.output);
}

/// Between `a*` and `b` there is nothing, and what both make together has no name.
#[test]
fn names_that_follow_each_other_do_not_grow_together() {
    let set = "iifname { \"a*\", \"b\" } accept\n";
    let text = format!("table ip t {{\n\tchain c {{\n\t\t{set}\t}}\n}}\n");
    assert_eq!(output(&format!("{text}list ruleset\n")), text);
    let overlapping =
        output("table ip t {\nchain c {\niifname { \"a*\", \"ab\", \"b\" }\n}\n}\nlist ruleset\n");
    assert!(overlapping.contains("iifname { \"a*\", \"b\" }"), "{overlapping}");
    let named = "table ip t {\nset s {\ntype ifname\nflags interval\nauto-merge\nelements = { \"a*\", \"b\" }\n}\n}\nlist ruleset\n";
    assert!(output(named).contains("\"a*\",\n\t\t\t     \"b\" }"), "{}", output(named));
}

#[test]
fn to_undefine_what_is_not_defined_is_warned_of_alone() {
    let (listed, told, ok) = run("undefine zz\nadd table ip t\nlist tables\n");
    assert!(ok && listed == "table ip t\n", "{told}");
    assert!(told.starts_with("t.nft:1:10-11: Warning: undefined symbol 'zz'"), "{told}");
}
