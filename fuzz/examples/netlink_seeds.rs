//! The messages that rulesets are committed with, as seeds: `netlink-seeds NETLINK SERVER FILE...` writes a file for each that
//! loads, into both directories: as it is, and as a deed of a client (`fuzz_targets/server.rs`).

use std::path::Path;

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Backend, Memory, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_netlink::Flags;
use ironweir_ruleset::netlink::Transaction;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Ruleset};
use ironweir_wire::Instant;

/// Keeps what is committed as messages.
struct Recorder(Memory, Vec<u8>);

impl Backend for Recorder {
    fn ruleset(&self) -> &Ruleset {
        self.0.ruleset()
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        if let Ok(transaction) = Transaction::encode(batch, 1, None, Flags::ACK) {
            self.1.extend_from_slice(transaction.as_bytes());
        }
        self.0.commit(batch)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let netlink = arguments.next().expect("a directory is named");
    let server = arguments.next().expect("a second directory is named");
    for path in arguments {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let mut backend = Recorder(Memory::new(Instant::from_nanos(0)), Vec::new());
        let mut sources = Sources::new();
        let source = sources.add("seed", text, None).expect("seeds are short");
        Session::default().run(&mut sources, source, &NoFiles, &mut backend);
        if !backend.1.is_empty() {
            let name = Path::new(&path).file_name().expect("a file has a name");
            if let Ok(len) = u16::try_from(backend.1.len()) {
                let [low, high] = len.to_le_bytes();
                let deed = [&[0, low, high], &backend.1[..]].concat();
                std::fs::write(Path::new(&server).join(name), deed).expect("seeds can be written");
            }
            std::fs::write(Path::new(&netlink).join(name), backend.1).expect("seeds can be written");
        }
    }
}
