//! The rule tests of the nftables test-suite (`tests/py`), when they lie beside the repository: which rules are
//! accepted, how they are listed, which bytecode they become. Figures per file must equal those in `levels/py.txt`.
//!
//! `CORPUS_ONLY=ip/tcp` tries only files whose name contains that; `CORPUS_FAILS=FILE` writes every failure there.

mod corpus;

use std::fmt::Write;

use corpus::compare::{code_lines, difference, rule_text, same_rule};
use corpus::levels::Levels;
use corpus::units::{ItemKind, RuleCase, TableSpec, TestFile};
use corpus::world::{Refusal, World};
use corpus::{place, units};
use serde_json::{Value, json};

/// One file's run.
struct Run<'a> {
    name: &'a str,
    file: &'a TestFile,
    worlds: Vec<(TableSpec, Result<World, String>)>,
    levels: &'a mut Levels,
    fails: &'a mut String,
    line: usize,
}

impl Run<'_> {
    fn note(&mut self, measure: &str, passed: bool, place: &str, text: &str, why: &str) {
        self.levels.count(self.name, measure, passed);
        if !passed {
            let why = why.replace(['\n', '\t'], " ");
            let _ = writeln!(self.fails, "{measure}\t{}:{} {place}\t{text}\t{why}", self.name, self.line);
        }
    }

    fn table(&mut self, spec: &TableSpec) {
        let mut world = World::default();
        let made = world.run(&spec.setup()).map(|_| world).map_err(|refusal| refusal.first_line());
        self.worlds.push((spec.clone(), made));
    }

    fn declare(&mut self, line: &str) {
        for index in 0..self.worlds.len() {
            let (spec, Ok(world)) = &self.worlds[index] else { continue };
            let (command, ok) = spec.declaration(line);
            let (id, mut changed) = (spec.id(), world.clone());
            let result = changed.run(&format!("{command}\n"));
            let why = result.as_ref().map_or_else(Refusal::first_line, |_| "accepted".to_string());
            self.note("decl", as_wanted(ok, &result), &id, &command, &why);
            if result.is_ok() {
                self.worlds[index].1 = Ok(changed);
            }
        }
    }

    fn rule(&mut self, case: &RuleCase) {
        for index in 0..self.worlds.len() {
            let spec = self.worlds[index].0.clone();
            for (chain, _) in &spec.chains {
                let place = format!("{} {chain}", spec.id());
                match &self.worlds[index].1 {
                    Err(why) => {
                        let why = format!("no table or chain: {why}");
                        self.note("accept", false, &place, &case.text, &why);
                    }
                    Ok(world) => self.unit(&world.clone(), &spec, chain, &place, case),
                }
            }
        }
    }

    fn unit(&mut self, world: &World, spec: &TableSpec, chain: &str, place: &str, case: &RuleCase) {
        let mut filled = world.clone();
        let result = filled.run(&format!("add rule {place} {}\n", case.text));
        let why = result.as_ref().map_or_else(Refusal::first_line, |_| "accepted".to_string());
        self.note("accept", as_wanted(case.ok, &result), place, &case.text, &why);
        let Ok(output) = result else { return };
        if !case.ok {
            return;
        }
        let code = code_lines(&output.bytecode);
        if let Some(text) = self.file.payload(&case.text, &spec.family) {
            let differs = difference(&code_lines(text), &code);
            self.note(
                "bytecode",
                differs.is_none(),
                place,
                &case.text,
                differs.as_deref().unwrap_or_default(),
            );
        }
        let listing = match filled.run(&format!("list table {}\n", spec.id())) {
            Ok(output) => output.listing,
            Err(refusal) => refusal.first_line(),
        };
        let got = rule_text(&listing, chain);
        let same = same_rule(&case.listed, &got);
        self.note("listing", same, place, &case.text, &format!("want: {} got: {got}", case.listed));
        if got != case.text && same {
            let again = world.clone().run(&format!("add rule {place} {got}\n"));
            let why = match &again {
                Ok(output) => difference(&code, &code_lines(&output.bytecode)),
                Err(refusal) => Some(refusal.first_line()),
            };
            self.note("relist", why.is_none(), place, &case.text, why.as_deref().unwrap_or_default());
        }
        if let Some((given, listed)) = self.file.json(&case.text) {
            let json = self.json_listing(&filled, spec, chain, place, case, &listed);
            self.json_round(world, spec, chain, place, case, &json, &got);
            self.json_input(world, spec, chain, place, case, &given);
        }
    }

    fn json_listing(
        &mut self,
        world: &World,
        spec: &TableSpec,
        chain: &str,
        place: &str,
        case: &RuleCase,
        want: &Value,
    ) -> Value {
        let document = world.list_json(&spec.id());
        let items = document["nftables"].as_array().map_or(&[][..], Vec::as_slice);
        let rule = items.iter().map(|item| &item["rule"]).find(|rule| rule["chain"] == chain);
        let got = rule.map_or(&Value::Null, |rule| &rule["expr"]);
        self.note("json-listing", got == want, place, &case.text, &format!("want: {want} got: {got}"));
        got.clone()
    }

    /// What is listed as JSON, loaded again and listed as text, is what text listed.
    #[allow(clippy::too_many_arguments)]
    fn json_round(
        &mut self,
        world: &World,
        spec: &TableSpec,
        chain: &str,
        place: &str,
        case: &RuleCase,
        json: &Value,
        want: &str,
    ) {
        let mut world = world.clone();
        let rule = json!({ "family": spec.family, "table": spec.name, "chain": chain, "expr": json });
        let loaded = world.run_json(&json!({ "nftables": [{ "rule": rule }] }));
        let listed = loaded.and_then(|_| world.run(&format!("list table {}\n", spec.id())));
        let (same, why) = match listed {
            Ok(output) => {
                let got = rule_text(&output.listing, chain);
                (got == want, format!("want: {want} got: {got}"))
            }
            Err(refusal) => (false, refusal.first_line()),
        };
        self.note("json-round", same, place, &case.text, &why);
    }

    fn json_input(
        &mut self,
        world: &World,
        spec: &TableSpec,
        chain: &str,
        place: &str,
        case: &RuleCase,
        given: &Value,
    ) {
        let (family, table) = (&spec.family, &spec.name);
        let rule = json!({ "family": family, "table": table, "chain": chain, "expr": given });
        let result = world.clone().run_json(&json!({ "nftables": [{ "add": { "rule": rule } }] }));
        let why = result.as_ref().map_or_else(Refusal::first_line, |_| String::new());
        self.note("json-in", result.is_ok(), place, &case.text, &why);
        let (Ok(output), Some(text)) = (result, self.file.payload(&case.text, family)) else { return };
        let differs = difference(&code_lines(text), &code_lines(&output.bytecode));
        let why = differs.as_deref().unwrap_or_default();
        self.note("json-bytecode", differs.is_none(), place, &case.text, why);
    }
}

fn as_wanted<T>(ok: bool, result: &Result<T, Refusal>) -> bool {
    match result {
        Ok(_) => ok,
        Err(Refusal::Error(text)) => !ok && !text.trim().is_empty(),
        Err(Refusal::Crash(_)) => false,
    }
}

#[test]
fn rules_of_the_test_suite_are_accepted_listed_and_compiled_as_recorded() {
    let Some(corpus) = place::corpus() else { return };
    let only = std::env::var("CORPUS_ONLY").unwrap_or_default();
    let (mut levels, mut fails) = (Levels::default(), String::new());
    for name in place::files(&corpus.join("py"), ".t").iter().filter(|name| name.contains(&only)) {
        let file = units::TestFile::open(&corpus.join("py").join(name));
        let mut run =
            Run { name, file: &file, worlds: Vec::new(), levels: &mut levels, fails: &mut fails, line: 0 };
        for item in &file.items {
            run.line = item.line;
            match &item.kind {
                ItemKind::Table(spec) => run.table(spec),
                ItemKind::Declaration(line) => run.declare(line),
                ItemKind::Rule(case) => run.rule(case),
            }
        }
    }
    println!("{}", levels.report());
    if let Some(path) = std::env::var_os("CORPUS_FAILS") {
        std::fs::write(path, fails).expect("the failures can be written");
    }
    if only.is_empty() {
        levels.check("py.txt");
    }
}
