//! Hostile inputs of `weir nft`: each is refused with a message and exit code 1, in bounded memory and time. Every run
//! is held to a limit of address space; the limit of time is there to end a run that would go on, not to measure.

mod made;

use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::process::{Command, Stdio};

use made::{Directory, Run};

/// Address space in KiB for inputs that are refused early.
const LITTLE: u64 = 300_000;
/// Address space in KiB for inputs that are read whole before they are refused.
const MUCH: u64 = 1_500_000;
/// Levels of nesting, and how often things are repeated.
const MANY: usize = 100_000;

/// Runs `weir nft --engine new` under limits, with what `input` writes as standard input.
fn limited(kib: u64, arguments: &[&str], input: impl FnOnce(&mut dyn Write)) -> Run {
    let script = format!("ulimit -v {kib}; exec timeout 100 \"$0\" nft --engine new \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_weir")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    input(child.stdin.as_mut().unwrap());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Checks that a file is refused for a reason that its message names.
fn refused(kib: u64, text: impl AsRef<[u8]>, reason: &str) {
    refused_as(kib, &["-f"], text, reason);
}

fn refused_as(kib: u64, options: &[&str], text: impl AsRef<[u8]>, reason: &str) {
    let id = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
    let directory = Directory::new(&format!("hostile-{id}"));
    let file = directory.file("hostile", text);
    let arguments: Vec<&str> = options.iter().copied().chain([file.as_str()]).collect();
    told(&limited(kib, &arguments, |_| ()), reason);
}

fn told(run: &Run, reason: &str) {
    let head: String = run.err.chars().take(600).collect();
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{reason}: {head}");
    assert!(run.err.contains(reason), "{reason}: {head}");
    assert!(run.err.len() < 100_000, "{reason}: a message of {} bytes", run.err.len());
}

#[test]
fn nesting_without_end_is_refused() {
    for (part, reason) in
        [("table ip t {", "unexpected 'table'"), ("add rule ip t c jump { ", "syntax error")]
    {
        refused(LITTLE, part.repeat(MANY), reason);
    }
    for (begin, part, reason) in [
        ("add rule ip t c tcp dport ", "{", "unexpected '{'"),
        ("add rule ip t c tcp dport ", "{ 1, ", "unexpected '{'"),
        ("add rule ip t c ", "jump { ", "nesting is deeper than"),
        ("add rule ip t c meta mark set ", "(", "nesting is deeper than"),
        ("add rule ip t c meta mark set 1 ", "| 1 ", "operators in a row"),
        ("add rule ip t c meta mark ", ". meta mark ", "Concatenation too long"),
        ("add rule ip t c meta mark set ", "ip saddr map { 1 : ", "syntax error"),
        ("add rule ip t c ip saddr 1.1.1.1", "/1", "unexpected '/'"),
        ("add rule ip t c ip saddr 1", "-1", "unexpected '-'"),
        ("define a = ", "{ ", "unexpected '{'"),
    ] {
        refused(LITTLE, format!("{begin}{}", part.repeat(MANY)), reason);
    }
}

#[test]
fn nesting_without_end_in_json_is_refused() {
    for part in ["[", "{\"nftables\":", "{\"nftables\":[{\"add\":{\"rule\":{\"expr\":["] {
        refused_as(LITTLE, &["-j", "-f"], part.repeat(MANY), "recursion limit");
    }
    let match_ =
        r#"{"nftables":[{"add":{"rule":{"family":"ip","table":"t","chain":"c","expr":[{"match":{"left":"#;
    refused_as(LITTLE, &["-j", "-f"], format!("{match_}{}", r#"{"|":["#.repeat(MANY)), "recursion limit");
}

#[test]
fn names_and_texts_of_a_megabyte_are_refused() {
    let long = "a".repeat(1 << 20);
    refused(LITTLE, format!("add table ip {long}"), "name is too long");
    refused(LITTLE, format!("add rule ip t c {long} accept"), "syntax error");
    refused(LITTLE, format!("add rule ip t c log prefix \"{long}\""), "too long");
    refused(LITTLE, format!("add rule ip t c iifname \"{long}\" accept"), "exceeds maximum length");
    refused(LITTLE, format!("add rule ip t c tcp dport ${long}"), "unknown identifier");
    refused(LITTLE, format!("include \"/{long}\""), "Could not open file");
    refused(LITTLE, format!("add rule ip t c tcp dport {}", "9".repeat(1 << 20)), "Could not parse");
    refused(LITTLE, "\"".repeat(1 << 20), "syntax error");
}

#[test]
fn a_gibibyte_is_refused_before_it_is_read() {
    let directory = Directory::new("hostile-long");
    // Sparse, so that it costs nothing: what it holds is not looked at.
    let path = directory.path("long.nft");
    std::fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    told(&limited(LITTLE, &["-f", &path], |_| ()), "file too large");
    let include = directory.file("include.nft", format!("include \"{path}\"\n"));
    told(&limited(LITTLE, &["-f", &include], |_| ()), "file too large");
    told(&limited(MUCH, &["-f", "/dev/zero"], |_| ()), "file too large");
}

#[test]
fn a_gibibyte_of_digits_through_a_pipe_is_refused_in_bounded_memory() {
    let digits = vec![b'9'; 1 << 20];
    let run = limited(MUCH, &["-f", "-"], |pipe| {
        let _ = pipe.write_all(b"add rule ip t c tcp dport ");
        // It ends early where nobody reads on.
        let _ = (0..1 << 10).try_for_each(|_| pipe.write_all(&digits));
    });
    told(&run, "file too large");
}

#[test]
fn definitions_that_grow_without_bound_are_refused() {
    let bomb = |first: &str, next: &dyn Fn(usize) -> String, last: &str| {
        let steps: String = (1..60).map(|n| format!("define a{n} = {}\n", next(n - 1))).collect();
        format!("define a0 = {first}\n{steps}{last} $a59\n")
    };
    let ports = "add rule ip t c tcp dport";
    let sets = |n| format!("{{ {} }}", vec![format!("$a{n}"); 10].join(", "));
    refused(MUCH, bomb("{ 1, 2, 3 }", &sets, ports), "definitions grow too large");
    let sums = |n| format!("$a{n} | $a{n}");
    refused(MUCH, bomb("1", &sums, "add rule ip t c meta mark set"), "definitions grow too large");
    // Concatenations were not counted, and took all memory.
    let pairs = |n| format!("{{ $a{n} . $a{n}, $a{n} }}");
    refused(MUCH, bomb("eth0", &pairs, "add rule ip t c iifname"), "definitions grow too large");
    refused(LITTLE, "define a = $a\nadd rule ip t c tcp dport $a\n", "unknown identifier");
}

#[test]
fn include_loops_and_cascades_end() {
    let directory = Directory::new("hostile-include");
    let own = directory.path("own.nft");
    directory.file("own.nft", format!("include \"{own}\"\n"));
    told(&limited(LITTLE, &["-f", &own], |_| ()), "includes itself");
    let (a, b) = (directory.path("a.nft"), directory.path("b.nft"));
    directory.file("a.nft", format!("include \"{b}\"\n"));
    directory.file("b.nft", format!("include \"{a}\"\n"));
    told(&limited(LITTLE, &["-f", &a], |_| ()), "includes itself");
    let all = directory.file("all.nft", format!("include \"{}\"\n", directory.path("*.nft")));
    told(&limited(LITTLE, &["-f", &all], |_| ()), "includes itself");
    for level in 0..12_i32 {
        let below = format!("include \"{}\"\n", directory.path(&format!("cascade{}", level - 1))).repeat(10);
        directory.file(&format!("cascade{level}"), if level == 0 { String::new() } else { below });
    }
    told(
        &limited(LITTLE, &["-f", &directory.path("cascade11")], |_| ()),
        "more than 4096 files are included",
    );
}

#[test]
fn only_files_are_included() {
    let directory = Directory::new("hostile-kinds");
    let fifo = directory.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert!(std::fs::metadata(&fifo).unwrap().file_type().is_fifo());
    for name in ["/tmp", "/tmp/", "/"] {
        // As nft: what matches a folder is passed over.
        let file = directory.file("include.nft", format!("include \"{name}\"\n"));
        let run = limited(LITTLE, &["-f", &file], |_| ());
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""));
    }
    for name in ["/dev/zero", "/dev/null", "/dev/stdin", &fifo] {
        let file = directory.file("include.nft", format!("include \"{name}\"\n"));
        told(&limited(LITTLE, &["-f", &file], |_| ()), "Not a regular file");
    }
    for (name, reason) in [("", "No such file"), ("/proc/self/mem", "error"), ("/a\0b", "syntax error")] {
        let file = directory.file("include.nft", format!("include \"{name}\"\n"));
        told(&limited(LITTLE, &["-f", &file], |_| ()), reason);
    }
    told(&limited(LITTLE, &["-f", "/tmp"], |_| ()), "directory");
    told(&limited(LITTLE, &["-f", "/nonexistent/x.nft"], |_| ()), "No such file");
}

#[test]
fn a_million_errors_are_cut_short() {
    const MILLION: usize = 1_000_000;
    refused(LITTLE, "frob\n".repeat(MILLION), "syntax error");
    refused(LITTLE, "add rule ip t c foo bar\n".repeat(MILLION), "unexpected 'foo'");
    refused(LITTLE, format!("table ip t {{\n{}}}\n", "foo bar;\n".repeat(MILLION)), "unexpected 'foo'");
    let elements = "foo, ".repeat(MILLION / 10);
    let set = format!("table ip t {{ set s {{ type ipv4_addr; elements = {{ {elements} }} }} }}\n");
    refused(LITTLE, set, "Could not resolve hostname");
    refused(MUCH, "add rule ip missing c accept\n".repeat(MILLION / 10), "No such file or directory");
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    refused(LITTLE, b"add table ip t\xff\xfe\n", ":1:15-15: Error: syntax error, unexpected junk");
    refused(LITTLE, b"add table ip t\0\n", ":1:15-15: Error: syntax error, unexpected junk");
    refused(LITTLE, b"add table ip t\n\x80\x80\x80", ":2:1-1: Error: syntax error, unexpected junk");
    refused(LITTLE, [0_u8; 4096], ":1:1-1: Error: syntax error");
    refused_as(LITTLE, &["-j", "-f"], b"{\"nftables\": [\xff]}", "no JSON");
    refused_as(LITTLE, &["-j", "-f"], b"{\"nftables\": [\0]}", "no JSON");
}

#[test]
fn sets_by_ranges_cost_what_is_written_not_what_is_meant() {
    let directory = Directory::new("hostile-ranges");
    let table = "table ip t {
	set a { type ipv4_addr; flags interval; elements = { 0.0.0.1-255.255.255.254 } }
	set b { type ipv4_addr . ipv4_addr . inet_service; flags interval
		elements = { 0.0.0.1-255.255.255.254 . 0.0.0.1-255.255.255.254 . 1-65534 } }
	map c { type ipv4_addr : verdict; flags interval; elements = { 0.0.0.0/1 : accept, 128.0.0.0/1 : drop } }
	chain d { ip saddr . tcp dport { 0.0.0.1-255.255.255.254 . 1-65534 } accept; ip id != 1-65534 drop; }
}
table ip6 t { set a { type ipv6_addr; flags interval; elements = { ::1-ffff::fffe } } }
";
    let run = limited(LITTLE, &["-c", "-f", &directory.file("ranges.nft", table)], |_| ());
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""));
}

#[test]
fn odd_definitions_of_the_command_line_are_told() {
    for (define, reason) in [
        ("", "Failed to define variable"),
        ("=", "Failed to define variable"),
        ("=1", "Failed to define variable"),
        ("a", "Failed to define variable"),
        ("a=", "Error"),
        ("a={", "Error"),
        ("a=1;add table ip x", "Error"),
        ("a=1\nadd table ip x", "Error"),
        ("a=$b", "unknown identifier"),
        ("a=include \"/etc/passwd\"", "Error"),
    ] {
        told(&limited(LITTLE, &["-D", define, "-f", "/dev/null"], |_| ()), reason);
    }
    let digits = format!("a={}", "9".repeat(100_000));
    let directory = Directory::new("hostile-define");
    let rule = directory.file("rule.nft", "add rule ip t c tcp dport $a");
    told(&limited(LITTLE, &["-D", &digits, "-f", &rule], |_| ()), "Could not parse");
}

/// What is enough to run, and what is not.
#[test]
fn too_little_memory_is_no_panic() {
    let directory = Directory::new("hostile-memory");
    let elements: String =
        (0..300_000_u32).map(|n| format!("{},", std::net::Ipv4Addr::from(n * 7))).collect();
    let text = format!("table ip t {{ set s {{ type ipv4_addr; elements = {{ {elements} }} }} }}\n");
    let file = directory.file("set.nft", text);
    for kib in [30_000, 40_000, 50_000, 60_000, 80_000] {
        let run = limited(kib, &["-c", "-f", &file], |_| ());
        assert_ne!(run.code, Some(101), "{}", run.err);
        assert!(!run.err.contains("panicked"), "{}", run.err);
        assert!(run.code == Some(0) || !run.err.is_empty(), "ended without a word: {:?}", run.code);
    }
}

#[test]
fn outputs_that_nobody_takes_are_no_panic() {
    let directory = Directory::new("hostile-output");
    let chains: String = (0..20_000).map(|n| format!("\tchain c{n} {{ tcp dport 22 accept; }}\n")).collect();
    let file = directory.file("long.nft", format!("table ip t {{\n{chains}}}\nlist ruleset\n"));
    let wrong = directory.file("wrong.nft", "frob\n".repeat(50));
    let sh = |script: &str, file: &str| {
        let output =
            Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_weir"), file]).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    };
    for script in [
        "\"$0\" nft --engine new -f \"$1\" >&-",
        "\"$0\" nft --engine new -f \"$1\" | head -n 1 >/dev/null",
        "(trap '' PIPE; \"$0\" nft --engine new -f \"$1\") | head -n 1 >/dev/null",
        "\"$0\" nft --engine new -f \"$1\" >/dev/full",
        "\"$0\" nft --engine new -f \"$1\" 2>&- >&-",
        "\"$0\" nft --engine new -f \"$1\" <&- 2>&- >/dev/null",
    ] {
        let run = sh(script, &file);
        assert!(!run.err.contains("panicked") && run.code != Some(101), "{script}: {}", run.err);
        let run = sh(script, &wrong);
        assert!(!run.err.contains("panicked") && run.code != Some(101), "{script}: {}", run.err);
    }
    let full = sh("\"$0\" nft --engine new -f \"$1\" >/dev/full", &file);
    assert_eq!(full.code, Some(1));
    assert!(full.err.contains("No space left"), "{}", full.err);
    let none = sh("\"$0\" nft --engine new -f \"$1\" 2>/dev/full", &wrong);
    assert_eq!(none.code, Some(1));
    let none = sh("\"$0\" nft --engine new -f - <&-", &file);
    assert!(!none.err.contains("panicked"), "{}", none.err);
}
