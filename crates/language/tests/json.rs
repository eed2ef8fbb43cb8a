//! Text and JSON of the same things, as libnftables-json(5) describes them, in both directions.

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;
use serde_json::{Value, json};

/// A ruleset in memory, and how nft would be called.
struct World {
    session: Session,
    backend: Memory,
}

impl World {
    fn new() -> World {
        let mut session = Session::default();
        session.names.interfaces.insert("lo", 1);
        World { session, backend: Memory::new(Instant::from_nanos(0)) }
    }

    fn text(&mut self, text: &str) -> String {
        let mut sources = Sources::new();
        let source = sources.add("text", text, None).expect("short");
        let outcome = self.session.run(&mut sources, source, &NoFiles, &mut self.backend);
        assert!(outcome.ok(), "{text}: {}", outcome.render(&sources));
        outcome.output
    }

    fn json(&mut self, items: Value) -> String {
        let document = json!({ "nftables": items }).to_string();
        let outcome = self.session.run_json("document", &document, &mut self.backend);
        assert!(outcome.ok(), "{document}: {}", outcome.render(&Sources::new()));
        outcome.output
    }

    /// Items of `list ruleset`, without what says who lists.
    fn items(&mut self) -> Vec<Value> {
        self.session.options.json = true;
        let mut document: Value = serde_json::from_str(&self.text("list ruleset\n")).expect("JSON is listed");
        self.session.options.json = false;
        let mut items = std::mem::take(document["nftables"].as_array_mut().expect("an array"));
        assert_eq!(items.remove(0)["metainfo"]["json_schema_version"], 1);
        items
    }
}

/// Rules, each with its `expr` array.
fn rules() -> Vec<(&'static str, Value)> {
    let field = |protocol: &str, field: &str| json!({ "payload": { "protocol": protocol, "field": field } });
    let is =
        |op: &str, left: Value, right: Value| json!({ "match": { "op": op, "left": left, "right": right } });
    vec![
        ("tcp dport 22 accept", json!([is("==", field("tcp", "dport"), json!(22)), { "accept": null }])),
        (
            "ip saddr 10.0.0.0/8 drop",
            json!([
                is("==", field("ip", "saddr"), json!({ "prefix": { "addr": "10.0.0.0", "len": 8 } })),
                { "drop": null },
            ]),
        ),
        (
            "udp dport != 1024-65535",
            json!([is("!=", field("udp", "dport"), json!({ "range": [1024, 65535] }))]),
        ),
        (
            "iifname { \"eth*\", \"lo\" }",
            json!([is("==", json!({ "meta": { "key": "iifname" } }), json!({ "set": ["eth*", "lo"] }))]),
        ),
        (
            "ip saddr . tcp dport { 10.0.0.1 . 22 }",
            json!([is(
                "==",
                json!({ "concat": [field("ip", "saddr"), field("tcp", "dport")] }),
                json!({ "set": [{ "concat": ["10.0.0.1", 22] }] })
            )]),
        ),
        (
            "meta mark & 0x000000ff == 0x00000001",
            json!([is("==", json!({ "&": [{ "meta": { "key": "mark" } }, 255] }), json!(1))]),
        ),
        (
            "ct original ip saddr 192.168.0.1",
            json!([is(
                "==",
                json!({ "ct": { "key": "ip saddr", "dir": "original" } }),
                json!("192.168.0.1")
            )]),
        ),
        ("exthdr hbh exists", json!([is("==", json!({ "exthdr": { "name": "hbh" } }), json!(true))])),
        (
            "tcp option maxseg size > 1400",
            json!([is(">", json!({ "tcp option": { "name": "maxseg", "field": "size" } }), json!(1400))]),
        ),
        (
            "ip saddr vmap { 10.0.0.1 : accept, 10.0.0.2 : jump other }",
            json!([{ "vmap": { "key": field("ip", "saddr"), "data": { "set": [
                ["10.0.0.1", { "accept": null }],
                ["10.0.0.2", { "jump": { "target": "other" } }],
            ] } } }]),
        ),
        (
            "meta mark set tcp dport map { 22 : 0x00000001 }",
            json!([{ "mangle": { "key": { "meta": { "key": "mark" } }, "value": { "map": {
                "key": field("tcp", "dport"),
                "data": { "set": [[22, 1]] },
            } } } }]),
        ),
        (
            "meta mark set numgen inc mod 4 offset 1",
            json!([{ "mangle": {
                "key": { "meta": { "key": "mark" } },
                "value": { "numgen": { "mode": "inc", "mod": 4, "offset": 1 } },
            } }]),
        ),
        ("ip saddr @known", json!([is("==", field("ip", "saddr"), json!("@known"))])),
        (
            "jump {\n\tcounter packets 1 bytes 2\n\tdrop comment \"why\"\n}",
            json!([{ "jump": { "rules": [
                { "expr": [{ "counter": { "packets": 1, "bytes": 2 } }] },
                { "comment": "why", "expr": [{ "drop": null }] },
            ] } }]),
        ),
        ("goto other", json!([{ "goto": { "target": "other" } }])),
        (
            "@ih,32,32 0x16",
            json!([is("==", json!({ "payload": { "base": "ih", "offset": 32, "len": 32 } }), json!(22))]),
        ),
    ]
}

const AROUND: &str = "table inet t {
\tset known {
\t\ttype ipv4_addr
\t}

\tchain other {
\t}

\tchain c {
\t}
}
";

#[test]
fn rules_are_listed_as_json_and_read_from_it() {
    for (text, want) in rules() {
        let mut first = World::new();
        first.text(AROUND);
        first.text(&format!("add rule inet t c {text}\n"));
        let items = first.items();
        assert_eq!(items.last().expect("a rule")["rule"]["expr"], want, "{text}");
        let mut second = World::new();
        second.json(Value::Array(items));
        assert_eq!(first.text("list ruleset\n"), second.text("list ruleset\n"), "{text}");
    }
}

#[test]
fn declarations_are_listed_as_json_and_read_from_it() {
    let text = "table ip t {
\tcomment \"all of it\"
\tflags dormant
\tcounter hits { packets 3 bytes 200; }
\tquota much { over 25 mbytes; }
\tlimit slow { rate 400/hour; }
\tct helper sip { type \"sip\" protocol udp; l3proto ip; }
\tct timeout short { protocol tcp; l3proto ip; policy = { established : 2m3s } }
\tct expectation more { protocol tcp; dport 9876; timeout 1m; size 12; l3proto ip; }
\tsynproxy proxy { mss 1460; wscale 7; timestamp sack-perm; }
\tset s { type ipv4_addr . inet_service; flags interval, timeout; timeout 1h; elements = { 10.0.0.0/8 . 22-25 timeout 5s comment \"few\" } }
\tset of { typeof ip saddr . meta mark; size 10; counter; }
\tmap m { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto c, * : drop } }
\tmap objects { type ipv4_addr : counter; elements = { 10.0.0.1 : \"hits\" } }
\tflowtable f { hook ingress priority 10; devices = { lo }; }
\tchain c { comment \"plain\"; }
\tchain base { type nat hook postrouting priority srcnat + 1; policy drop; }
}
";
    let mut first = World::new();
    first.text(text);
    let items = first.items();
    let find = |kind: &str, name: &str| -> Value {
        let found = items.iter().map(|item| &item[kind]).find(|thing| thing["name"] == name);
        let mut thing = found.unwrap_or_else(|| panic!("no {kind} {name}")).clone();
        for all_have in ["family", "table", "name", "handle"] {
            thing.as_object_mut().expect("an object").shift_remove(all_have);
        }
        thing
    };
    for (kind, name, want) in [
        ("table", "t", json!({ "flags": ["dormant"], "comment": "all of it" })),
        ("counter", "hits", json!({ "packets": 3, "bytes": 200 })),
        ("quota", "much", json!({ "bytes": 26_214_400, "used": 0, "inv": true })),
        ("limit", "slow", json!({ "rate": 400, "per": "hour", "burst": 5 })),
        ("ct helper", "sip", json!({ "type": "sip", "protocol": "udp", "l3proto": "ip" })),
        (
            "ct timeout",
            "short",
            json!({ "protocol": "tcp", "l3proto": "ip", "policy": { "established": 123 } }),
        ),
        (
            "ct expectation",
            "more",
            json!({ "protocol": "tcp", "dport": 9876, "timeout": 60_000, "size": 12, "l3proto": "ip" }),
        ),
        ("synproxy", "proxy", json!({ "mss": 1460, "wscale": 7, "flags": ["timestamp", "sack-perm"] })),
        (
            "set",
            "s",
            json!({
                "type": ["ipv4_addr", "inet_service"],
                "flags": ["interval", "timeout"],
                "timeout": 3600,
                "elem": [{ "elem": {
                    "val": { "concat": [{ "prefix": { "addr": "10.0.0.0", "len": 8 } }, { "range": [22, 25] }] },
                    "timeout": 5,
                    "expires": 5,
                    "comment": "few",
                } }],
            }),
        ),
        (
            "set",
            "of",
            json!({
                "type": { "typeof": { "concat": [
                    { "payload": { "protocol": "ip", "field": "saddr" } },
                    { "meta": { "key": "mark" } },
                ] } },
                "size": 10,
                "stmt": [{ "counter": null }],
            }),
        ),
        (
            "map",
            "m",
            json!({
                "type": "ipv4_addr",
                "map": "verdict",
                "elem": [["10.0.0.1", { "goto": { "target": "c" } }], ["*", { "drop": null }]],
            }),
        ),
        ("map", "objects", json!({ "type": "ipv4_addr", "map": "counter", "elem": [["10.0.0.1", "hits"]] })),
        ("flowtable", "f", json!({ "hook": "ingress", "prio": 10, "dev": "lo" })),
        ("chain", "c", json!({ "comment": "plain" })),
        ("chain", "base", json!({ "type": "nat", "hook": "postrouting", "prio": 101, "policy": "drop" })),
    ] {
        assert_eq!(find(kind, name), want, "{kind} {name}");
    }
    let mut second = World::new();
    second.json(Value::Array(items));
    assert_eq!(first.text("list ruleset\n"), second.text("list ruleset\n"));
}

#[test]
fn commands_do_what_their_words_do() {
    let mut world = World::new();
    let chain =
        |verb: &str, name: &str| json!({ verb: { "chain": { "family": "ip", "table": "t", "name": name } } });
    let drop = json!([{ "drop": null }]);
    let rule = |comment: &str| json!({ "family": "ip", "table": "t", "chain": "c", "comment": comment, "expr": drop });
    world.json(json!([
        { "add": { "table": { "family": "ip", "name": "t" } } },
        chain("create", "c"),
        chain("add", "gone"),
        { "add": { "set": { "family": "ip", "table": "t", "name": "s", "type": "inet_service" } } },
        { "add": { "element": { "family": "ip", "table": "t", "name": "s", "elem": [22, "ssh", 80, 81] } } },
        { "delete": { "element": { "family": "ip", "table": "t", "name": "s", "elem": 81 } } },
        { "add": { "rule": rule("second") } },
        { "insert": { "rule": rule("first") } },
        chain("delete", "gone"),
        chain("destroy", "never"),
        { "rename": { "chain": { "family": "ip", "table": "t", "name": "c", "newname": "d" } } },
    ]));
    assert_eq!(
        world.text("list ruleset\n"),
        "table ip t {
\tset s {
\t\ttype inet_service
\t\telements = { 22, 80 }
\t}

\tchain d {
\t\tdrop comment \"first\"
\t\tdrop comment \"second\"
\t}
}
"
    );
    let listed = world.json(json!([{ "list": { "set": { "family": "ip", "table": "t", "name": "s" } } }]));
    assert!(listed.contains("inet_service"), "{listed}");
    world.json(json!([{ "flush": { "chain": { "family": "ip", "table": "t", "name": "d" } } }]));
    assert!(!world.text("list ruleset\n").contains("drop"));
    world.json(json!([{ "flush": { "ruleset": null } }]));
    assert_eq!(world.text("list ruleset\n"), "");
}

#[test]
fn a_rule_finds_its_place_by_handle_or_index() {
    let mut world = World::new();
    world.text("table ip t {\n\tchain c {\n\t\taccept\n\t\tdrop\n\t}\n}\n");
    let items = world.items();
    let handles: Vec<&Value> =
        items.iter().filter_map(|item| item.get("rule")).map(|rule| &rule["handle"]).collect();
    let rule = |stmt: &str| json!({ "family": "ip", "table": "t", "chain": "c", "expr": [{ stmt: null }] });
    let (mut replaced, mut added) = (rule("counter"), rule("return"));
    replaced["handle"] = handles[1].clone();
    added["index"] = json!(0);
    world.json(json!([{ "replace": { "rule": replaced } }, { "add": { "rule": added } }]));
    let listed = world.text("list ruleset\n");
    assert!(listed.contains("\t\taccept\n\t\treturn\n\t\tcounter packets 0 bytes 0\n"), "{listed}");
}

#[test]
fn types_joined_in_one_string_as_an_older_nft_lists_them_are_read() {
    let mut world = World::new();
    world.json(json!([
        { "add": { "table": { "family": "ip", "name": "t" } } },
        { "add": { "map": { "family": "ip", "table": "t", "name": "m", "type": ["ipv4_addr", "inet_service"],
                            "map": "ipv4_addr . inet_service" } } },
    ]));
    let listed = world.text("list ruleset\n");
    assert!(listed.contains("type ipv4_addr . inet_service : ipv4_addr . inet_service"), "{listed}");
}

#[test]
fn maps_of_intervals_come_back_though_json_does_not_say_that_they_are() {
    let text = "table ip nat {
	map m {
		type ipv4_addr : interval ipv4_addr . inet_service
		flags interval
		elements = { 192.0.2.1 : 127.0.0.0/8 . 42-43, 192.0.2.2-192.0.2.9 : 127.0.0.1 . 42 }
	}

	map single {
		type ipv4_addr : ipv4_addr
		flags interval
		elements = { 192.0.2.0/24 : 127.0.0.1 }
	}
}
";
    let (mut one, mut other) = (World::new(), World::new());
    one.text(text);
    let items = one.items();
    other.json(Value::Array(items));
    assert_eq!(other.text("list ruleset\n"), one.text("list ruleset\n"));
    assert!(one.text("list ruleset\n").contains("type ipv4_addr : ipv4_addr\n"));
}
