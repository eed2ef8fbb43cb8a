//! The kernel of a network namespace that the test makes.

use std::process::Command;

use ironweir_io::netlink::NetlinkSocket;
use ironweir_netlink::{Ack, Flags, Message, Messages, kind};
use ironweir_ruleset::netlink::{Query, RuleMessage, Scope, Told, Transaction};
use ironweir_ruleset::{Batch, TableId};

/// Set in the process that runs within the namespace.
const INSIDE: &str = "IRONWEIR_TEST_NAMESPACE";

/// Why the kernel cannot be asked here.
fn obstacle() -> Option<String> {
    match Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Runs `check` in a network namespace of its own: this very test, in another process.
pub(crate) fn in_namespace(test: &str, check: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return check();
    }
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: no kernel to ask: {why}");
        return;
    }
    let mut command = Command::new("unshare");
    command.arg("-n").arg(std::env::current_exe().expect("known")).args(["--exact", test, "--nocapture"]);
    let status = command.env(INSIDE, "1").status().expect("unshare was found");
    assert!(status.success(), "failed within the namespace");
}

/// The kernel of this namespace.
pub(crate) struct Kernel {
    socket: NetlinkSocket,
}

impl Kernel {
    pub(crate) fn open() -> Kernel {
        Kernel { socket: NetlinkSocket::open().expect("a netlink socket") }
    }

    /// Commits a batch, or gives the first error number.
    pub(crate) fn commit(&mut self, batch: &Batch) -> Result<(), i32> {
        let transaction = Transaction::encode(batch, 1, None, Flags::ACK).expect("everything has a form");
        self.socket.send(transaction.as_bytes()).expect("sent");
        let mut result = Ok(());
        self.receive(|message| {
            if message.header.kind == kind::ERROR {
                let ack = Ack::decode(message).expect("an acknowledgement");
                result = result.and(if ack.errno == 0 { Ok(()) } else { Err(ack.errno) });
            }
        });
        result
    }

    /// The rules of a chain, and `NFTA_RULE_EXPRESSIONS` of each.
    pub(crate) fn rules(&mut self, table: &TableId, chain: &str) -> Vec<(RuleMessage, Vec<u8>)> {
        let mut buffer = Vec::new();
        let query = Query::Rules { within: Scope::table(table), chain: Some(chain.into()), reset: false };
        query.encode(&mut buffer, 1).expect("short");
        self.socket.send(&buffer).expect("sent");
        let mut rules = Vec::new();
        self.receive(|message| {
            if message.header.kind != kind::DONE {
                let (_, attributes) = message.nfgen().expect("nfnetlink");
                let bytes = attributes.find(4).expect("whole").map_or(&[][..], |exprs| exprs.value);
                match Told::decode(message).expect("the kernel tells nothing malformed") {
                    Told::Rule(rule) => rules.push((rule, bytes.to_vec())),
                    other => panic!("not asked for: {other:?}"),
                }
            }
        });
        rules
    }

    fn receive(&mut self, mut each: impl FnMut(&Message<'_>)) {
        while let Some(datagram) = self.socket.receive().expect("received") {
            Messages::new(datagram).for_each(|message| each(&message.expect("whole")));
        }
    }
}
