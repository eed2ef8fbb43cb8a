//! What stock nft sends, read as changes and written again.

use std::path::Path;
use std::process::Command;

use ironweir_netlink::{Flags, Messages};
use ironweir_ruleset::netlink::{Requests, Transaction, kind, message_type};

use super::place::Dump;
use super::tree::{self, Tree};

/// What nft sends for a text, datagram by datagram; `None` if it does not take the text.
fn sent(path: &Path) -> Option<Vec<Vec<u8>>> {
    let trace = std::env::temp_dir().join(format!("ironweir-strace-{}", std::process::id()));
    let done = Command::new("strace")
        .args(["-e", "trace=sendmsg,sendto", "-e", "write=all", "-o"])
        .arg(&trace)
        .args(["nft", "-f"])
        .arg(path)
        .output()
        .expect("strace was found");
    let text = std::fs::read_to_string(&trace).expect("what strace wrote");
    let _ = std::fs::remove_file(&trace);
    done.status.success().then(|| datagrams(&text))
}

/// The hexadecimal dumps that strace writes behind each call: `| 00010  00 00 00 0a 24 ...  ................ |`.
fn datagrams(trace: &str) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for line in trace.lines() {
        let line = line.trim_start();
        if line.starts_with("* ") {
            found.push(Vec::new());
        }
        let (Some(bytes), Some(last)) = (line.strip_prefix("| "), found.last_mut()) else { continue };
        let hex = bytes.split_once("  ").expect("bytes behind the offset").1;
        let hex = hex.get(..48).expect("sixteen bytes").split_whitespace();
        last.extend(hex.map(|byte| u8::from_str_radix(byte, 16).expect("a byte")));
    }
    found
}

/// What a message says, without numbers by which things of one batch are known where they have a name besides, and
/// without the numbers that libnftnl gives the elements of a list.
fn plain(message: &ironweir_netlink::Message<'_>) -> Vec<Tree> {
    let mut trees = tree::of(message);
    match message.header.message() {
        kind::NEWRULE => trees.retain(|tree| tree.kind != 9),
        // Flags of a set that has none; length of verdicts, at which the kernel does not look.
        kind::NEWSET => {
            let verdicts = trees.iter().any(|tree| tree.kind == 6 && tree.value == [0xff, 0xff, 0xff, 0]);
            trees.retain(|tree| (tree.kind != 3 || tree.value != [0; 4]) && (tree.kind != 7 || !verdicts));
        }
        kind::NEWSETELEM | kind::DELSETELEM => {
            trees.retain(|tree| tree.kind != 4);
            for list in trees.iter_mut().filter(|tree| tree.kind == 3) {
                list.within.iter_mut().for_each(|element| element.kind = 1);
            }
        }
        _ => {}
    }
    trees.iter_mut().for_each(|tree| without_numbers(tree, 0));
    trees
}

/// Takes `NFTA_LOOKUP_SET_ID`, `NFTA_DYNSET_SET_ID`, `NFTA_OBJREF_SET_ID` out of expressions, and what differs in strings.
fn without_numbers(tree: &mut Tree, depth: usize) {
    assert!(depth < 64, "an end of the nests");
    // nft ends the names of helpers and of object maps without a zero byte; the kernel takes both.
    if tree.within.is_empty() && tree.value.last() == Some(&0) && tree.value.first() > Some(&b' ') {
        tree.value.pop();
        // nft 1.0.6 knows no NFTA_DEVICE_PREFIX.
        if tree.kind == 1 && tree.value.last() == Some(&b'*') {
            tree.kind = 2;
            tree.value.pop();
        }
    }
    if let [name, data] = &mut tree.within[..] {
        let number = match &name.value[..] {
            b"lookup\0" => 4,
            b"dynset\0" => 2,
            b"objref\0" => 5,
            _ => u16::MAX,
        };
        data.within.retain(|tree| tree.kind != number);
    }
    tree.within.iter_mut().for_each(|within| without_numbers(within, depth + 1));
}

/// Everything that nft sends for every dump that it takes.
pub(crate) fn hold(dumps: &[Dump]) {
    let (mut taken, mut messages, mut different) = (0, 0, Vec::new());
    for dump in dumps {
        let flushed = Command::new("nft").args(["flush", "ruleset"]).status().expect("nft was found");
        assert!(flushed.success());
        let Some(datagrams) = sent(&dump.path) else { continue };
        taken += 1;
        let mut requests = Requests::new();
        let mut written = Transaction::begin(0, None, Flags::empty()).expect("a begin");
        let mut came = Vec::new();
        for datagram in &datagrams {
            for message in Messages::new(datagram) {
                let message = message.expect("a message");
                if message_type(message.header.message()) != message.header.kind {
                    continue;
                }
                let index = came.len() as u32;
                let change = requests.decode(&message, index);
                let change = change.unwrap_or_else(|error| {
                    panic!("{}: {error}: {}", dump.name, tree::show(&tree::of(&message)))
                });
                if let Some(change) = change {
                    written.push(index, &change).expect("it can be said");
                    came.push((message, change));
                }
            }
        }
        messages += came.len();
        let went = Messages::new(written.as_bytes()).skip(1).map(|message| message.expect("a message"));
        let went: Vec<_> = went.collect();
        assert_eq!(went.len(), came.len(), "{}", dump.name);
        for ((came, change), went) in came.iter().zip(&went) {
            let head = |message: &ironweir_netlink::Message<'_>| {
                // nft 1.0.6 does not say of a table that it may be made; the kernel does not ask.
                let table = message.header.message() == kind::NEWTABLE;
                let ignored = Flags::ACK | Flags::ECHO | if table { Flags::CREATE } else { Flags::empty() };
                let flags = message.header.flags.0 & !ignored.0;
                (message.header.kind, flags, message.nfgen().expect("an nfgenmsg").0)
            };
            let (tree_came, tree_went) = (plain(came), plain(went));
            if head(came) != head(went) || tree_came != tree_went {
                let (came_text, went_text) = (tree::show(&tree_came), tree::show(&tree_went));
                different.push(format!(
                    "{}: {change:?}\n  {:?} {came_text}\n  {:?} {went_text}",
                    dump.name,
                    head(came),
                    head(went)
                ));
            }
        }
    }
    assert!(taken > 0, "nft takes none");
    println!("nft takes {taken} of {} dumps; {messages} messages read and written again", dumps.len());
    assert!(different.is_empty(), "{} are written otherwise:\n{}", different.len(), different.join("\n"));
}
