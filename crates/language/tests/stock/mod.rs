//! Debian's nft over this machine's kernel, in a network namespace of its own.

pub(crate) mod bytecode;
pub(crate) mod ours;
pub(crate) mod versions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What stock nft makes of a text: its listing afterwards, or its refusal.
pub(crate) type Answer = Result<String, String>;

/// For every `N.nft` of a folder: load it into an empty ruleset, and list that. `N.out` is there if it was loaded,
/// `N.code` holds the bytecode.
/// `timeout` bounds what a text could cost.
const DRIVER: &str = r#"
cd "$1" || exit 1
ip link set lo up
for file in *.nft; do
	n=${file%.nft}
	timeout 20 nft --debug=netlink -f "$file" >"$n.code" 2>"$n.err" && timeout 20 nft list ruleset >"$n.out" 2>>"$n.err"
done
exit 0
"#;

/// Why stock nft cannot be asked here.
pub(crate) fn obstacle() -> Option<String> {
    let asked = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
    let why = match asked {
        Err(error) => format!("unshare: {error}"),
        Ok(run) if !run.status.success() => String::from_utf8_lossy(&run.stderr).trim().to_string(),
        Ok(_) => return None,
    };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "stock nft cannot be asked: {why}");
    eprintln!("skipped: needs root, network namespaces and nft: {why}");
    Some(why)
}

/// What stock nft says to each text, each loaded into an empty ruleset.
pub(crate) fn load_and_list(texts: &[String]) -> Vec<Answer> {
    load_list_and_code(texts).into_iter().map(|(answer, _)| answer).collect()
}

/// The same, and the bytecode of each.
pub(crate) fn load_list_and_code(texts: &[String]) -> Vec<(Answer, String)> {
    let folder = Folder::new();
    for (at, text) in texts.iter().enumerate() {
        let text = format!("flush ruleset\n{text}");
        fs::write(folder.file(at, "nft"), text).expect("a temporary file can be written");
    }
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", DRIVER, "sh"]).arg(&folder.0).env("TZ", "UTC");
    let run = command.output().expect("unshare was found");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let read = |at: usize, ending: &str| fs::read(folder.file(at, ending)).ok();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answer = |at| match read(at, "out") {
        Some(listing) => Ok(text(listing)),
        None => Err(text(read(at, "err").unwrap_or_default())),
    };
    (0..texts.len()).map(|at| (answer(at), read(at, "code").map(text).unwrap_or_default())).collect()
}

/// The user data, in hexadecimal, that stock nft stores with the set `s` of each text. Needs python3 as well.
pub(crate) fn userdata(texts: &[String]) -> Vec<String> {
    let folder = Folder::new();
    let input = folder.file(0, "nft");
    fs::write(&input, texts.join("\n")).expect("a temporary file can be written");
    let mut command = Command::new("unshare");
    command.args(["-n", "python3", "-c", include_str!("userdata.py")]);
    let run =
        command.stdin(fs::File::open(&input).expect("just written")).output().expect("unshare was found");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8_lossy(&run.stdout).lines().map(str::to_string).collect()
}

/// A temporary folder, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ironweir-stock-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder(path)
    }

    fn file(&self, at: usize, ending: &str) -> PathBuf {
        let path: &Path = &self.0;
        path.join(format!("{at:05}.{ending}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
