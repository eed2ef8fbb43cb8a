//! The engine's side: the same router off the kernel.

use ironweir_engine::{Disposition, Engine, Host, Observer};
use ironweir_language::datatype::Names;
use ironweir_language::files::NoFiles;
use ironweir_language::session::Session;
use ironweir_language::source::Sources;
use ironweir_wire::{IfIndex, Instant, LinkType, Packet};

use super::rig::Leaving;
use crate::backend::InProcess;

/// Bytes before and behind a frame, for packets that grow.
const ROOM: usize = 256;

/// A router made of the engine.
pub struct Mirror {
    engine: Engine,
    buffer: Vec<u8>,
}

impl Mirror {
    /// The router of a host with its rules loaded.
    ///
    /// # Errors
    /// Why the rules are refused, in nft's form.
    pub fn new(host: &Host, names: &Names, rules: &str, now: Instant) -> Result<Mirror, String> {
        // Nothing that is compared depends on the seed: what does is masked.
        let mut engine = Engine::new(host.clone(), 1);
        engine.advance(now);
        let mut mirror = Mirror { engine, buffer: Vec::new() };
        mirror.load(rules, names)?;
        Ok(mirror)
    }

    /// Loads rules besides those there are.
    ///
    /// # Errors
    /// Why they are refused.
    pub fn load(&mut self, rules: &str, names: &Names) -> Result<(), String> {
        let mut sources = Sources::new();
        let Some(source) = sources.add("rules", rules.to_owned(), None) else { return Ok(()) };
        let mut session = Session { names: names.clone(), ..Session::default() };
        let outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(&mut self.engine));
        if outcome.ok() { Ok(()) } else { Err(outcome.render(&sources)) }
    }

    /// Lets a frame arrive and collects all that leaves.
    pub fn inject(
        &mut self,
        now: Instant,
        iif: IfIndex,
        frame: &[u8],
        observer: &mut impl Observer,
        left: &mut Vec<Leaving>,
    ) -> Disposition {
        self.buffer.clear();
        self.buffer.resize(2 * ROOM + frame.len(), 0);
        let (start, end) = (ROOM, ROOM + frame.len());
        if let Some(place) = self.buffer.get_mut(start..end) {
            place.copy_from_slice(frame);
        }
        let mut packet = Packet::new(&mut self.buffer, start, end, LinkType::Ethernet);
        packet.meta.iif = iif;
        let disposition = self.engine.process(now, &mut packet, observer);
        let mut whole = Vec::new();
        if let Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } = disposition {
            let mut scratch = vec![0; packet.len()];
            if let Some(bytes) = packet.load(0, packet.len(), &mut scratch) {
                whole.push(Leaving { oif, bytes: bytes.to_vec() });
            }
        }
        while let Some(output) = self.engine.poll_output() {
            left.push(Leaving { oif: output.oif, bytes: output.bytes });
        }
        left.append(&mut whole);
        disposition
    }

    /// Forgets every connection; fragments that wait for others go on waiting, as in the kernel.
    pub fn flush(&mut self) {
        let now = self.engine.now();
        self.engine.conntrack_mut().flush(now);
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to be told that time passes.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }
}
