//! The two routers beside each other.

use ironweir_engine::{Disposition, Host};
use ironweir_language::datatype::Names;

use super::frames::Arriving;
use super::mask;
use super::mirror::Mirror;
use super::rig::{Leaving, Rig, RigError};
use super::state::State;
use crate::machine;

/// Kernel and engine with the same host and the same rules.
pub struct Duel<'r> {
    rig: &'r mut Rig,
    mirror: Mirror,
    host: Host,
    names: Names,
    left: Vec<Leaving>,
    drawn: bool,
    begun: std::time::Instant,
}

/// The two parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// At which of the packets, from 0; in state, the last before it showed.
    pub at: usize,
    /// What became of the packet in the engine.
    pub disposition: Option<Disposition>,
    /// `<` lines of the kernel and `>` lines of the engine.
    pub lines: Vec<String>,
}

impl<'r> Duel<'r> {
    /// Loads rules into both; what was loaded before goes.
    ///
    /// # Errors
    /// If the kernel refuses them, or the engine does and the kernel does not.
    pub fn new(rig: &'r mut Rig, host: &Host, names: &Names, rules: &str) -> Result<Duel<'r>, RigError> {
        rig.clear()?;
        rig.load(rules, names)?;
        Duel::beside(rig, host, names, rules)
    }

    /// The same where the kernel has just been given these rules.
    ///
    /// # Errors
    /// If the engine refuses them.
    pub fn beside(rig: &'r mut Rig, host: &Host, names: &Names, rules: &str) -> Result<Duel<'r>, RigError> {
        let mirror = Mirror::new(host, names, rules, machine::now()).map_err(RigError::Engine)?;
        Ok(Duel {
            rig,
            mirror,
            host: host.clone(),
            names: names.clone(),
            left: Vec::new(),
            drawn: false,
            begun: std::time::Instant::now(),
        })
    }

    /// Forgets connections, on both sides.
    ///
    /// # Errors
    /// If the kernel does not.
    pub fn flush(&mut self) -> Result<(), RigError> {
        self.mirror.flush();
        self.begun = std::time::Instant::now();
        self.rig.flush()
    }

    /// Sends one frame through both. Gives how what left differs.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    pub fn packet(&mut self, at: usize, frame: &Arriving) -> Result<Option<Difference>, RigError> {
        let (mut kernel, mut engine) = (Vec::new(), Vec::new());
        let before = self.mirror.engine().conntrack().stats().drawn;
        let disposition = self.mirror.inject(machine::now(), frame.iif, &frame.bytes, &mut (), &mut engine);
        self.left.clone_from(&engine);
        self.drawn |= self.mirror.engine().conntrack().stats().drawn != before;
        if !self.rig.inject(frame.iif, &frame.bytes, &mut kernel)? {
            return Ok(None);
        }
        // Of the engine nothing like it is its own, but a station that uses the router's address may have sent it.
        for left in [&mut kernel, &mut engine] {
            left.retain(|left| !mask::is_own(&self.host, left.oif, &left.bytes));
        }
        mask::frames(&self.host, &mut kernel);
        mask::frames(&self.host, &mut engine);
        if kernel == engine || self.drawn {
            return Ok(None);
        }
        let mut lines = Vec::new();
        for left in kernel.iter().filter(|left| !engine.contains(left)) {
            lines.push(format!("< {}", self.describe(left)));
        }
        for left in engine.iter().filter(|left| !kernel.contains(left)) {
            lines.push(format!("> {}", self.describe(left)));
        }
        if lines.is_empty() {
            lines.push(format!("< {} frames", kernel.len()));
            lines.push(format!("> {} frames", engine.len()));
        }
        Ok(Some(Difference { at, disposition: Some(disposition), lines }))
    }

    /// Compares what both know now.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    pub fn state(&mut self, at: usize) -> Result<Option<Difference>, RigError> {
        let kernel = State::of_kernel(self.rig, &self.names)?;
        let engine = State::of_engine(self.mirror.engine_mut(), &self.names, machine::now());
        let lines =
            if self.drawn { Vec::new() } else { kernel.differences(&engine, self.begun.elapsed().as_secs()) };
        Ok((!lines.is_empty()).then_some(Difference { at, disposition: None, lines }))
    }

    /// All frames one after the other, then their state; stops at the first difference. With `each`, state is compared behind
    /// every packet.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    pub fn all(&mut self, frames: &[Arriving], each: bool) -> Result<Option<Difference>, RigError> {
        for (at, frame) in frames.iter().enumerate() {
            let mut found = self.packet(at, frame)?;
            if found.is_none() && each {
                found = self.state(at)?;
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        if each { Ok(None) } else { self.state(frames.len().saturating_sub(1)) }
    }

    /// Whether NAT drew a port by chance: from there on the two need not be equal.
    pub fn is_drawn(&self) -> bool {
        self.drawn
    }

    /// What left the engine for the last packet.
    pub fn left(&self) -> &[Leaving] {
        &self.left
    }

    /// The router of the kernel.
    pub fn rig(&mut self) -> &mut Rig {
        self.rig
    }

    /// The router of the engine.
    pub fn mirror(&mut self) -> &mut Mirror {
        &mut self.mirror
    }

    fn describe(&self, left: &Leaving) -> String {
        let oif = self.host.interface(left.oif).map_or("?", |interface| &*interface.name);
        let hex: String = left.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{oif} {hex}")
    }
}
