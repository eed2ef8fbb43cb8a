//! JSON from anywhere: whatever stands in a document, it is read or refused, and nothing panics.

mod corpus;

use corpus::place;
use ironweir_language::session::{Memory, Session};
use ironweir_wire::Instant;
use serde_json::{Value, json};

/// Loads a document; the errors as text.
fn load(document: &str) -> Result<(), String> {
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    let outcome = session.run_json("in", document, &mut Memory::new(Instant::from_nanos(0)));
    if outcome.ok() { Ok(()) } else { Err(outcome.render(&Default::default())) }
}

fn in_rule(expr: Value) -> String {
    let rule = json!({ "family": "inet", "table": "t", "chain": "c", "expr": expr });
    json!({ "nftables": [
        { "add": { "table": { "family": "inet", "name": "t" } } },
        { "add": { "chain": { "family": "inet", "table": "t", "name": "c" } } },
        { "add": { "rule": rule } },
    ]})
    .to_string()
}

#[test]
fn errors_name_the_path_of_what_is_wrong() {
    for (document, expected) in [
        ("{", "in: this is no JSON"),
        ("[]", "in: an object is expected here"),
        ("{}", "'nftables' is missing"),
        (r#"{"nftables":[{"ad":{}}]}"#, "nftables[0]: unknown command 'ad'\nhelp: did you mean 'add'?"),
        (
            r#"{"nftables":[{"metainfo":{"json_schema_version":2}}]}"#,
            "nftables[0].metainfo.json_schema_version",
        ),
        (r#"{"nftables":[{"add":{"table":{"family":"ipx","name":"t"}}}]}"#, "nftables[0].add.table.family"),
        (
            r#"{"nftables":[{"add":{"chain":{"family":"ip","table":"t","name":"c"}}}]}"#,
            "nftables[0].add.chain",
        ),
    ] {
        let error = load(document).expect_err(document);
        assert!(error.contains(expected), "{document}: {error}");
    }
    let error = load(&in_rule(
        json!([{ "match": { "op": "==", "left": { "meta": { "key": "marc" } }, "right": 1 } }]),
    ));
    let error = error.expect_err("no such key");
    assert!(error.contains("nftables[2].add.rule.expr[0].match.left.meta.key"), "{error}");
    // Meaning is judged at the place of what means something
    let left = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
    let error = load(&in_rule(json!([{ "match": { "op": "==", "left": left, "right": 70000 } }])));
    let error = error.expect_err("no such port");
    assert!(error.contains("nftables[2].add.rule.expr[0].match.right"), "{error}");
}

#[test]
fn nesting_and_size_are_bounded() {
    let deep =
        |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for depth in [20, 60, 100, 100_000] {
        for (open, close) in [
            ("[", "]"),
            (r#"{"concat":["#, "]}"),
            (r#"{"set":["#, "]}"),
            (r#"{"|":[1,"#, "]}"),
            (r#"{"elem":{"val":"#, "}}"),
            (r#"{"jhash":{"mod":2,"expr":"#, "}}"),
            (r#"{"map":{"key":"#, r#","data":"@m"}}"#),
            (r#"{"jump":{"rules":[[{"match":{"op":"==","left":"#, r#","right":1}}]]}}"#),
        ] {
            let value = deep(open, close, depth);
            let expr = format!(r#"[{{"match":{{"op":"==","left":{value},"right":{value}}}}}]"#);
            let rule = format!(r#"{{"family":"ip","table":"t","chain":"c","expr":{expr}}}"#);
            let refused = load(&format!(r#"{{"nftables":[{{"add":{{"rule":{rule}}}}}]}}"#));
            assert!(refused.is_err(), "{open} x {depth}");
        }
    }
    let wide = json!({ "&": vec![1; 100_000] });
    assert!(load(&in_rule(json!([{ "match": { "op": "==", "left": wide, "right": 1 } }]))).is_err());
    let digits =
        format!(r#"{{"nftables":[{{"metainfo":{{"json_schema_version":{}}}}}]}}"#, "9".repeat(1 << 20));
    assert!(load(&digits).is_err());
}

/// Every value of a document in turn.
fn places(value: &Value, at: &mut Vec<String>, into: &mut Vec<String>) {
    into.push(at.iter().map(|step| format!("/{step}")).collect());
    let mut inside = |step: String, value: &Value| {
        at.push(step);
        places(value, at, into);
        at.pop();
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| inside(n.to_string(), item)),
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(key, member)| inside(key.replace('~', "~0").replace('/', "~1"), member));
        }
        _ => {}
    }
}

#[test]
fn documents_with_one_value_exchanged_never_panic() {
    let Some(corpus) = place::corpus() else { return };
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1.5),
        json!(""),
        json!("*"),
        json!("@"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "set": [] }),
        json!({ "concat": ["a", "b"] }),
        json!({ "range": [5, 1] }),
        json!({ "prefix": { "addr": "::", "len": 129 } }),
        json!({ "elem": { "val": { "elem": { "val": 1 } } } }),
        json!({ "jump": { "target": "" } }),
    ];
    let (mut tried, mut seed) = (0, 0x9e37_79b9_u32);
    for name in place::files(&corpus.join("dumps"), ".json-nft") {
        let text = place::read(&corpus.join("dumps").join(&name));
        let Ok(document) = serde_json::from_str::<Value>(&text) else { continue };
        let mut found = Vec::new();
        places(&document, &mut Vec::new(), &mut found);
        // All places of small documents, some of large ones
        let every = (found.len() / 60).max(1);
        for pointer in found.iter().step_by(every) {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut changed = document.clone();
            let Some(value) = changed.pointer_mut(pointer) else { continue };
            *value = others[(seed >> 16) as usize % others.len()].clone();
            if text.len() < 50_000 {
                let _ = load(&changed.to_string());
                tried += 1;
            }
        }
    }
    println!("{tried} documents");
    assert!(tried > 1000);
}
