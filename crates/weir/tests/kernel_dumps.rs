//! `weir nft` in the place of stock nft, over this machine's kernel, in a network namespace that the test makes. Every
//! dump of the corpus that the kernel holds is loaded by ours and listed by both, then loaded by stock nft and listed by
//! both:
//!
//! ```text
//!            loaded by ours     loaded by stock
//! by ours    = the dump         = by stock
//! by stock   = stock's own      -
//! ```
//!
//! So are the dumps that are there as JSON: listed from what the text made, and loaded to be listed as text.
//!
//! Needs root, `unshare` and `nft` (Debian's 1.0.6, whose other words `versions` levels out); says so and skips
//! elsewhere. `KERNEL_FAILS=FILE` writes every difference there.

#[path = "../../language/tests/stock/versions.rs"]
#[allow(dead_code)] // its list of texts is of another test
mod versions;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use versions::normal;

/// For every `N.nft` of folder `$1`, with `$2` ours: what loads and lists it. A file is there where the program succeeded.
const DRIVER: &str = r#"
cd "$1" || exit 1
mkdir -p bin && ln -sf "$2" bin/nft
ours=./bin/nft
ip link set lo up
for file in *.nft; do
	n=${file%.nft}
	$ours flush ruleset
	if timeout 20 $ours -f "$file" >/dev/null 2>"$n.ours-err"; then
		timeout 20 $ours list ruleset >"$n.ours-ours" 2>>"$n.ours-err" || rm "$n.ours-ours"
		timeout 20 nft list ruleset >"$n.ours-stock" 2>>"$n.ours-err"
		timeout 20 $ours -j list ruleset >"$n.ours-json" 2>>"$n.ours-err"
	fi
	$ours flush ruleset
	if [ -f "$n.json" ] && timeout 20 $ours -j -f "$n.json" >/dev/null 2>"$n.json-err"; then
		timeout 20 $ours list ruleset >"$n.json-ours" 2>>"$n.json-err"
	fi
	nft flush ruleset
	if timeout 20 nft -f "$file" >/dev/null 2>"$n.stock-err"; then
		timeout 20 $ours list ruleset >"$n.stock-ours" 2>>"$n.stock-err" || rm "$n.stock-ours"
		timeout 20 nft list ruleset >"$n.stock-stock" 2>>"$n.stock-err"
	fi
	nft flush ruleset
done
exit 0
"#;

/// What this kernel does not have: words of a dump, and why it is not loaded.
const MISSING: &[(&str, &str)] =
    &[("flowtable ", "no flowtables in this kernel"), ("queue ", "no nft_queue in this kernel")];

/// Dumps that are not held, and why. What begins to pass leaves the list.
const EXCUSED: &[(&str, &str)] = &[
    (
        "chains/netdev_chain_name_based_hook_0",
        "stock cannot read the prefix of device names (`NFTA_DEVICE_PREFIX`) and lists no chain",
    ),
    (
        "maps/typeof_maps_add_delete",
        "stock lists a key's timeout beside a map's data as a number of `[invalid type]`",
    ),
    (
        "optimizations/single_anon_set_expr",
        "stock lists a set of one element with a counter without the counter",
    ),
];

fn obstacle() -> Option<String> {
    let asked = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
    let why = match asked {
        Err(error) => format!("unshare: {error}"),
        Ok(run) if !run.status.success() => String::from_utf8_lossy(&run.stderr).trim().to_string(),
        Ok(_) => return None,
    };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the kernel cannot be asked: {why}");
    eprintln!("SKIPPED: needs root, network namespaces and nft: {why}");
    Some(why)
}

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("IRONWEIR_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let dumps = shared.join("corpus/dumps");
    if dumps.is_dir() {
        return Some(dumps);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no corpus at {}", dumps.display());
    eprintln!("SKIPPED: no corpus at {}", dumps.display());
    None
}

/// Dumps by name (`sets/0001named_interval_0`), those of zero bytes left out.
fn dumps(corpus: &Path) -> Vec<(String, String, Option<String>)> {
    let mut found = Vec::new();
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
    for category in entries(corpus).filter(|path| path.is_dir()) {
        for file in entries(&category).filter(|file| file.extension().is_some_and(|e| e == "nft")) {
            let text = fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(corpus).unwrap().with_extension("").display().to_string();
            // What is there beside listings is an input.
            if !text.is_empty() && !name.starts_with("nft-f/") {
                found.push((name, text, fs::read_to_string(file.with_extension("json-nft")).ok()));
            }
        }
    }
    found.sort();
    found
}

/// A document without what is another each time: handles, versions, what is left of times; sets in some fixed order.
fn normal_json(text: &str) -> Option<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for key in ["handle", "metainfo", "expires"] {
                    map.remove(key);
                }
                map.values_mut().for_each(strip);
                for key in ["elem", "set"] {
                    if let Some(Value::Array(members)) = map.get_mut(key) {
                        members.sort_by_key(Value::to_string);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(text).ok()?;
    strip(&mut value);
    let items = value.get_mut("nftables")?.as_array_mut()?;
    items.retain(|item| item.as_object().is_some_and(|item| !item.is_empty()));
    // The kernel tells chains before sets or after them as a listing pleases.
    items.sort_by_key(Value::to_string);
    Some(value)
}

/// The first item that differs between two documents.
fn difference_json(want: &str, got: &str) -> Option<String> {
    let (Some(want), Some(got)) = (normal_json(want), normal_json(got)) else {
        return Some("\n  no document".into());
    };
    let items = |value: &Value| value["nftables"].as_array().cloned().unwrap_or_default();
    let (want, got) = (items(&want), items(&got));
    let missing = want.iter().find(|item| !got.contains(item))?;
    let more = got.iter().find(|item| !want.contains(item)).cloned().unwrap_or_default();
    Some(format!("\n  wanted {missing}\n  got    {more}"))
}

/// The first line that differs.
fn difference(want: &str, got: &str) -> Option<String> {
    let (want, got) = (normal(want), normal(got));
    let mut lines = want.lines().zip(got.lines()).filter(|(a, b)| a != b);
    let line = lines.next().map(|(a, b)| format!("\n  wanted {}\n  got    {}", a.trim(), b.trim()));
    line.or_else(|| (want.lines().count() != got.lines().count()).then(|| "\n  one is longer".to_owned()))
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn dumps_are_loaded_and_listed_as_stock_nft_does() {
    let (Some(corpus), None) = (corpus(), obstacle()) else { return };
    let folder = Folder(std::env::temp_dir().join(format!("ironweir-kernel-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let dumps = dumps(&corpus);
    for (at, (_, text, json)) in dumps.iter().enumerate() {
        fs::write(folder.0.join(format!("{at}.nft")), text).unwrap();
        json.iter().for_each(|json| fs::write(folder.0.join(format!("{at}.json")), json).unwrap());
    }
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", DRIVER, "sh"]).arg(&folder.0).arg(env!("CARGO_BIN_EXE_weir"));
    let run = command.env("TZ", "UTC").output().expect("unshare was found");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let read = |at: usize, what: &str| fs::read_to_string(folder.0.join(format!("{at}.{what}"))).ok();

    let (mut held, mut refused_by_both, mut newer, mut documents) = (0, 0, 0, 0);
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed: Vec<(String, String)> = Vec::new();
    for (at, (name, text, json)) in dumps.iter().enumerate() {
        if let Some((_, why)) = MISSING.iter().find(|(word, _)| text.contains(word)) {
            *skipped.entry(why).or_default() += 1;
            continue;
        }
        let error = |side: &str| read(at, side).unwrap_or_default().trim().to_owned();
        let stock = read(at, "stock-stock");
        let mut wrong = String::new();
        match (read(at, "ours-ours"), &stock) {
            (Some(ours), _) => {
                wrong.extend(difference(text, &ours).map(|d| format!("ours of ours:{d}\n")));
                if let (Some(stock), Some(listed)) = (&stock, read(at, "ours-stock")) {
                    wrong.extend(difference(stock, &listed).map(|d| format!("stock's of ours:{d}\n")));
                }
            }
            (None, Some(_)) => wrong = format!("ours did not load or list it: {}\n", error("ours-err")),
            (None, None) => {
                refused_by_both += 1;
                let why = error("ours-err");
                failed.push((name.clone(), format!("the kernel or ours refuses: {why}\n")));
                continue;
            }
        }
        match (&stock, read(at, "stock-ours")) {
            (Some(stock), Some(listed)) => {
                wrong.extend(difference(stock, &listed).map(|d| format!("ours of stock's:{d}\n")));
            }
            (Some(_), None) => wrong.push_str(&format!("ours did not list it: {}\n", error("stock-err"))),
            (None, _) => newer += 1,
        }
        if let Some(json) = json {
            documents += 1;
            let listed = read(at, "ours-json").unwrap_or_default();
            wrong.extend(difference_json(json, &listed).map(|d| format!("json of ours:{d}\n")));
            match read(at, "json-ours") {
                Some(listed) => {
                    wrong.extend(difference(text, &listed).map(|d| format!("ours of json:{d}\n")));
                }
                None => wrong.push_str(&format!("ours did not load its json: {}\n", error("json-err"))),
            }
        }
        match wrong.is_empty() {
            true => held += 1,
            false => failed.push((name.clone(), wrong)),
        }
    }
    eprintln!(
        "{} dumps, {documents} of them as JSON too: {held} held both ways ({newer} of them newer than stock nft), \
         {refused_by_both} refused by the kernel",
        dumps.len()
    );
    skipped.iter().for_each(|(why, count)| eprintln!("  {count} skipped: {why}"));
    if let Some(file) = std::env::var_os("KERNEL_FAILS") {
        let text: String = failed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        fs::write(file, text).unwrap();
    }
    let unexcused: Vec<&(String, String)> =
        failed.iter().filter(|(name, _)| EXCUSED.iter().all(|(excused, _)| excused != name)).collect();
    let passing: Vec<&str> = EXCUSED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| failed.iter().all(|(failed, _)| failed != name))
        .collect();
    for (name, why) in &unexcused {
        eprintln!("{name}: {why}");
    }
    assert!(unexcused.is_empty(), "{} dumps differ", unexcused.len());
    assert!(passing.is_empty(), "these pass now and leave the list: {passing:?}");
}
