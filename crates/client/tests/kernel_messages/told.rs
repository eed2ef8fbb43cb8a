//! What the kernel tells of what we sent.

use std::time::Duration;

use ironweir_expr::{Expr, nat};
use ironweir_io::netlink::NetlinkSocket;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Backend, Memory, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_netlink::{Ack, Done, Flags, Header, Messages, kind};
use ironweir_ruleset::netlink::{FaultPart, Query, Requests, Scope, Told, Transaction};
use ironweir_ruleset::store::{Applied, Errno};
use ironweir_ruleset::{Batch, Change, Ruleset, SetFlags};
use ironweir_wire::Instant;

use super::place::Dump;
use super::tree;

/// A ruleset in memory that keeps what was committed.
struct Recorder {
    memory: Memory,
    batches: Vec<Batch>,
}

impl Backend for Recorder {
    fn ruleset(&self) -> &Ruleset {
        self.memory.ruleset()
    }

    fn now(&self) -> Instant {
        self.memory.now()
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.batches.push(batch.clone());
        self.memory.commit(batch)
    }
}

/// What loading a text changes.
fn batches(dump: &Dump) -> Result<Vec<Batch>, String> {
    let mut sources = Sources::new();
    let source = sources.add(&dump.name, &dump.text, None).expect("short");
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    let mut recorder = Recorder { memory: Memory::new(Instant::from_nanos(0)), batches: Vec::new() };
    let outcome = session.run(&mut sources, source, &NoFiles, &mut recorder);
    if outcome.ok() { Ok(recorder.batches) } else { Err(outcome.render(&sources)) }
}

/// Why the kernel does not take a batch.
#[derive(Debug)]
struct Refusal {
    errno: Errno,
    change: Change,
    part: Option<FaultPart>,
}

impl Refusal {
    /// What this kernel may lack.
    fn excuse(&self) -> Option<&'static str> {
        if self.errno != Errno::ENOENT {
            return None;
        }
        match (&self.change, self.part) {
            (Change::NewFlowtable { .. }, _) => Some("the kernel has no flowtables"),
            (Change::NewRule { rule, .. }, Some(FaultPart::Expression(at))) => {
                matches!(rule.exprs.get(at as usize)?, Expr::Queue(_))
                    .then_some("the kernel has no nft_queue")
            }
            _ => None,
        }
    }
}

/// A conversation with the kernel.
struct Kernel {
    socket: NetlinkSocket,
    seq: u32,
    /// Answers that are written otherwise than they came.
    differences: Vec<String>,
}

impl Kernel {
    /// Sends a batch. The first error, if any.
    fn commit(&mut self, batch: &Batch) -> Result<(), Box<Refusal>> {
        let transaction = Transaction::encode(batch, self.seq, None, Flags::ACK).expect("it can be said");
        self.seq = transaction.next_seq();
        self.socket.make_receive_room(8 << 20);
        self.socket.send(transaction.as_bytes()).expect("the kernel takes it");
        let mut refusal = None;
        // The kernel has answered everything when send returns.
        while let Some(bytes) = self.socket.receive().expect("answers") {
            for message in Messages::new(bytes) {
                let message = message.expect("a message");
                assert_eq!(message.header.kind, kind::ERROR);
                let ack = Ack::decode(&message).expect("an acknowledgement");
                if ack.errno != 0 && refusal.is_none() {
                    let errno = Errno::from_number(ack.errno);
                    let fault = transaction.fault(ack.request.seq, ack.extended.offset);
                    let fault = fault.expect("one of our messages");
                    let change = batch.changes.get(fault.change as usize).expect("of the batch").clone();
                    refusal = Some(Box::new(Refusal { errno, change, part: fault.part }));
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Asks, and holds every answer against itself, read and written again.
    fn ask(&mut self, query: &Query, found: &mut Vec<Told>) -> usize {
        let mut request = Vec::new();
        self.seq += 1;
        query.encode(&mut request, self.seq).expect("it can be said");
        self.socket.send(&request).expect("the kernel takes it");
        let mut answers = 0;
        loop {
            let bytes = self.socket.receive_within(Some(Duration::from_secs(10)));
            let bytes = bytes.expect("an answer").expect("an answer within ten seconds").to_vec();
            for message in Messages::new(&bytes) {
                let message = message.expect("a message");
                match message.header.kind {
                    kind::DONE => {
                        assert_eq!(Done::decode(&message).expect("an end").errno, 0);
                        return answers;
                    }
                    kind::ERROR => {
                        let errno = Ack::decode(&message).expect("an acknowledgement").errno;
                        assert_eq!(errno, 0, "{query:?}");
                        return answers;
                    }
                    _ => {}
                }
                let told = Told::decode(&message).unwrap_or_else(|error| panic!("{query:?}: {error}"));
                let mut written = Vec::new();
                let header = Header { len: 0, kind: 0, ..message.header };
                let generation = message.nfgen().expect("an nfgenmsg").0.res_id.into();
                told.encode(&mut written, header, generation).expect("it can be said");
                let again = Messages::new(&written).next().expect("a message").expect("a message");
                assert_eq!(again.header.kind, message.header.kind);
                assert_eq!(again.nfgen().expect("nfgenmsg").0, message.nfgen().expect("nfgenmsg").0);
                let (came, went) = (tree::of(&message), tree::of(&again));
                if came != went {
                    let (came, went) = (tree::show(&came), tree::show(&went));
                    self.differences.push(format!("{told:?}\n  came {came}\n  went {went}"));
                }
                answers += 1;
                found.push(told);
            }
        }
    }
}

/// Asks for everything there is; how many answers there were.
fn ask_all(kernel: &mut Kernel) -> usize {
    let mut found = Vec::new();
    let within = Scope::all;
    let queries = [
        Query::Generation,
        Query::Tables { family: None },
        Query::Chains { within: within() },
        Query::Sets { within: within() },
        Query::Objects { within: within(), kind: None, reset: false },
        Query::Rules { within: within(), chain: None, reset: false },
    ];
    let mut answers = queries.iter().map(|query| kernel.ask(query, &mut found)).sum();
    let sets: Vec<_> = found
        .iter()
        .filter_map(|told| match told {
            Told::Set(set) => Some((set.table.clone(), set.set.name.clone())),
            _ => None,
        })
        .collect();
    for (table, set) in sets {
        answers += kernel.ask(&Query::Elements { table, set, reset: false }, &mut found);
    }
    answers
}

/// Everything that goes over the wire both ways, for every dump.
pub(crate) fn hold(dumps: &[Dump]) {
    let mut kernel =
        Kernel { socket: NetlinkSocket::open().expect("a socket"), seq: 1, differences: Vec::new() };
    let mut refused = Vec::new();
    let (mut taken, mut excused, mut answers) = (0, 0, 0);
    for dump in dumps {
        let batches = batches(dump).unwrap_or_else(|error| panic!("{error}"));
        for batch in &batches {
            read_back(dump, batch);
        }
        let flush = Batch { changes: vec![Change::FlushRuleset { family: None }] };
        kernel.commit(&flush).expect("a flush");
        match batches.iter().try_for_each(|batch| kernel.commit(batch)) {
            Ok(()) => {
                taken += 1;
                answers += ask_all(&mut kernel);
            }
            Err(refusal) => match refusal.excuse() {
                Some(excuse) => {
                    excused += 1;
                    println!("{}: {excuse}", dump.name);
                }
                None => refused.push(format!("{}: {refusal:?}", dump.name)),
            },
        }
    }
    println!(
        "the kernel takes {taken} of {} dumps and cannot take {excused}; {answers} answers read and written again",
        dumps.len()
    );
    assert!(refused.is_empty(), "the kernel refuses:\n{}", refused.join("\n"));
    let different = &kernel.differences;
    assert!(different.is_empty(), "{} are written otherwise:\n{}", different.len(), different.join("\n"));
}

/// The requests of a batch, read by a server, are the batch.
fn read_back(dump: &Dump, batch: &Batch) {
    let transaction = Transaction::encode(batch, 1, None, Flags::empty()).expect("it can be said");
    let mut requests = Requests::new();
    let mut changes = Vec::new();
    for message in Messages::new(transaction.as_bytes()) {
        let message = message.expect("a message");
        if let Some(change) = requests.decode(&message, changes.len() as u32).expect("what we wrote") {
            changes.push(change);
        }
    }
    for (read, written) in changes.iter().zip(&batch.changes) {
        let (mut read, mut written) = (read.clone(), written.clone());
        if let Change::NewRule { rule, .. } = &mut read {
            rule.exprs.iter_mut().for_each(forget_known_nat_flags);
        }
        match &mut written {
            Change::NewRule { rule, .. } => rule.exprs.iter_mut().for_each(forget_known_nat_flags),
            // Fields are told only of concatenations of intervals.
            Change::NewSet { set, .. } if !set.flags.contains(SetFlags::CONCAT) => set.fields.clear(),
            _ => {}
        }
        assert_eq!(read, written, "{}", dump.name);
    }
    assert_eq!(changes.len(), batch.changes.len(), "{}", dump.name);
}

/// As [`tree::of`] does: what registers say is not said in flags besides.
fn forget_known_nat_flags(expr: &mut Expr) {
    let flags = match expr {
        Expr::Nat(nat) => &mut nat.flags,
        Expr::Masq(masq) => &mut masq.flags,
        Expr::Redir(redir) => &mut redir.flags,
        _ => return,
    };
    flags.remove(nat::Flags::MAP_IPS | nat::Flags::PROTO_SPECIFIED);
}
