//! Many rulesets and sequences, one after the other.

use std::fmt::Write as _;

use ironweir_engine::Host;
use ironweir_language::datatype::Names;

use super::chance::Chance;
use super::packets::{self, Player, Step};
use super::rules::{self, Rules};
use super::shrink::shrink;
use crate::difftest::duel::{Difference, Duel};
use crate::difftest::frames::Arriving;
use crate::difftest::rig::{Rig, RigError};
use crate::difftest::run;
use crate::machine;

/// What was done and found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Rulesets that were loaded.
    pub rulesets: usize,
    /// Rulesets that both refuse, and so say nothing.
    pub refused: usize,
    /// Why, of the first of them.
    pub refusal: Option<String>,
    /// Sequences of packets.
    pub sequences: usize,
    /// Sequences that ended where NAT drew a port by chance.
    pub drawn: usize,
    /// Packets.
    pub packets: usize,
    /// Differences, told for people: seed, rules, packets, traces.
    pub found: Vec<String>,
}

impl Outcome {
    /// In a line, for people.
    pub fn line(&self) -> String {
        format!(
            "{} sequences ({} ended by chance), {} packets, {} rulesets ({} refused), {} differences\n",
            self.sequences,
            self.drawn,
            self.packets,
            self.rulesets,
            self.refused,
            self.found.len()
        )
    }
}

/// How many sequences go through one ruleset; its counters and sets go on.
const SEQUENCES: usize = 20;

/// After so many rulesets the kernel's router is made anew: fragments that wait for others fill its memory.
const RULESETS: usize = 40;

impl Outcome {
    /// Adds what another router did.
    pub fn add(&mut self, other: Outcome) {
        self.rulesets += other.rulesets;
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
        self.sequences += other.sequences;
        self.drawn += other.drawn;
        self.packets += other.packets;
        self.found.extend(other.found);
    }
}

/// What passes each ruleset.
#[derive(Clone, Debug)]
pub enum Task {
    /// Sequences by chance.
    Sequences,
    /// The frames of captures, each with its name.
    Captures(Vec<(String, Vec<Arriving>)>),
}

/// Runs so many sequences from a seed; stops after so many differences.
///
/// # Errors
/// If the kernel cannot be asked.
pub fn run(host: &Host, seed: u64, sequences: usize, most: usize) -> Result<Outcome, RigError> {
    let mut worker = Worker::new(host)?;
    let mut outcome = Outcome::default();
    let mut at = seed;
    while outcome.sequences < sequences && outcome.found.len() < most {
        outcome.add(worker.ruleset(&Task::Sequences, at)?);
        at += 1;
    }
    Ok(outcome)
}

/// A router of the kernel that rulesets are tried on, one after the other.
pub struct Worker {
    host: Host,
    names: Names,
    rig: Rig,
    rulesets: usize,
}

impl Worker {
    /// Makes the router.
    ///
    /// # Errors
    /// If the kernel does not let us.
    pub fn new(host: &Host) -> Result<Worker, RigError> {
        let rig = Rig::new(host, false)?;
        Ok(Worker { host: host.clone(), names: machine::names(host), rig, rulesets: 0 })
    }

    /// Sends what the task says through the ruleset of a seed.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    pub fn ruleset(&mut self, task: &Task, seed: u64) -> Result<Outcome, RigError> {
        self.rulesets += 1;
        if self.rulesets.is_multiple_of(RULESETS) {
            self.rig = Rig::new(&self.host, false)?;
        }
        let mut outcome = Outcome::default();
        let Some(rules) = self.accepted(rules::ruleset(&mut Chance::new(seed)), &mut outcome)? else {
            return Ok(outcome);
        };
        match task {
            Task::Sequences => self.sequences(&rules, seed, &mut outcome)?,
            Task::Captures(captures) => self.captures(&rules, seed, captures, &mut outcome)?,
        }
        Ok(outcome)
    }

    /// Rules that are refused are left out; several rounds, for not all is told at once.
    fn accepted(&mut self, mut rules: Rules, outcome: &mut Outcome) -> Result<Option<Rules>, RigError> {
        let mut refused = Ok(());
        for _ in 0..6 {
            self.rig.empty()?;
            refused = self.rig.load(&rules.text(), &self.names);
            let Err(RigError::Rules(why)) = &refused else { break };
            outcome.refusal.get_or_insert_with(|| why.clone());
            let lines =
                why.lines().filter_map(|line| line.strip_prefix("rules:")?.split(':').next()?.parse().ok());
            if !rules.without(&lines.collect::<Vec<usize>>()) {
                break;
            }
        }
        if let Err(RigError::Rules(why)) = refused {
            outcome.refused += 1;
            outcome.refusal = Some(why);
            return Ok(None);
        }
        refused.map(|()| Some(rules))
    }

    fn sequences(&mut self, rules: &Rules, seed: u64, outcome: &mut Outcome) -> Result<(), RigError> {
        let Worker { host, names, rig, .. } = self;
        let mut duel = match Duel::beside(rig, host, names, &rules.text()) {
            Ok(duel) => duel,
            Err(RigError::Engine(why)) => {
                outcome.found.push(format!("seed {seed}: the engine refuses\n{}\n{why}", rules.text()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        outcome.rulesets += 1;
        for number in 0..SEQUENCES {
            let mut steps = sequence(seed, number);
            outcome.sequences += 1;
            outcome.packets += steps.len();
            duel.flush()?;
            let found = play(&mut duel, host, &steps, false)?;
            if duel.is_drawn() {
                outcome.drawn += 1;
                return Ok(());
            }
            let Some((difference, _)) = found else { continue };
            let mut smaller = rules.clone();
            let alone = differs(rig, host, names, &smaller, &steps)?;
            if alone {
                shrink(&mut smaller, &mut steps, |rules, steps| differs(rig, host, names, rules, steps))?;
            }
            let mut told = format!("seed {seed}, sequence {number}\n");
            if !alone {
                told.push_str("  not by itself: sequences before it have a part in it\n");
            }
            told.push_str(&smaller.text());
            explain(&mut told, rig, host, names, &smaller, &steps, &difference, alone)?;
            outcome.found.push(told);
            return Ok(());
        }
        Ok(())
    }

    fn captures(
        &mut self,
        rules: &Rules,
        seed: u64,
        captures: &[(String, Vec<Arriving>)],
        outcome: &mut Outcome,
    ) -> Result<(), RigError> {
        let Worker { host, names, rig, .. } = self;
        outcome.rulesets += 1;
        let mut rest = captures.iter();
        'fresh: loop {
            let mut duel = match Duel::new(rig, host, names, &rules.text()) {
                Ok(duel) => duel,
                Err(RigError::Engine(why)) => {
                    outcome.found.push(format!("seed {seed}: the engine refuses\n{}\n{why}", rules.text()));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            for (name, frames) in rest.by_ref() {
                outcome.sequences += 1;
                outcome.packets += frames.len();
                duel.flush()?;
                let found = duel.all(frames, false)?;
                let drawn = duel.is_drawn();
                if drawn {
                    outcome.drawn += 1;
                    continue 'fresh;
                }
                let Some(found) = found else { continue };
                outcome.found.push(told(rig, host, names, rules, seed, name, frames, found)?);
                continue 'fresh;
            }
            return Ok(());
        }
    }
}

/// A difference of a capture, from a fresh start if it shows there, too.
#[allow(clippy::too_many_arguments)]
fn told(
    rig: &mut Rig,
    host: &Host,
    names: &Names,
    rules: &Rules,
    seed: u64,
    name: &str,
    frames: &[Arriving],
    found: Difference,
) -> Result<String, RigError> {
    let mut text = format!("seed {seed}, {name}\n{}", rules.text());
    let again = Duel::new(rig, host, names, &rules.text())?.all(frames, true)?;
    if again.is_none() {
        text.push_str("  not by itself: captures before it have a part in it\n");
    }
    let alone = again.is_some();
    let first = again.unwrap_or(found);
    run::tell(&mut text, host, &first, frames.get(first.at));
    if alone && let Some(frames) = frames.get(..=first.at) {
        text.push_str(&run::traces(rig, host, names, &rules.text(), frames)?);
    }
    Ok(text)
}

fn sequence(seed: u64, number: usize) -> Vec<Step> {
    packets::sequence(&mut Chance::new(seed.wrapping_mul(1_000_003).wrapping_add(number as u64)))
}

/// Plays steps; gives the first difference and the frames up to it.
fn play(
    duel: &mut Duel<'_>,
    host: &Host,
    steps: &[Step],
    each: bool,
) -> Result<Option<(Difference, Vec<Arriving>)>, RigError> {
    let mut player = Player::default();
    let mut frames = Vec::new();
    for step in steps {
        for frame in player.frames(host, step) {
            let at = frames.len();
            let mut found = duel.packet(at, &frame)?;
            frames.push(frame);
            player.left(step, duel.left());
            if found.is_none() && each {
                found = duel.state(at)?;
            }
            if let Some(found) = found {
                return Ok(Some((found, frames)));
            }
        }
    }
    Ok(duel.state(frames.len().saturating_sub(1))?.map(|found| (found, frames)))
}

/// Whether the two part from a fresh start.
fn differs(
    rig: &mut Rig,
    host: &Host,
    names: &Names,
    rules: &Rules,
    steps: &[Step],
) -> Result<bool, RigError> {
    match Duel::new(rig, host, names, &rules.text()) {
        Ok(mut duel) => Ok(play(&mut duel, host, steps, false)?.is_some()),
        Err(RigError::Rules(_) | RigError::Engine(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[allow(clippy::too_many_arguments)]
fn explain(
    told: &mut String,
    rig: &mut Rig,
    host: &Host,
    names: &Names,
    rules: &Rules,
    steps: &[Step],
    first: &Difference,
    alone: bool,
) -> Result<(), RigError> {
    let text = rules.text();
    let played = match alone {
        true => play(&mut Duel::new(rig, host, names, &text)?, host, steps, true)?,
        false => None,
    };
    let Some((difference, frames)) = played else {
        run::tell(told, host, first, None);
        return Ok(());
    };
    for frame in frames.iter().take(frames.len().saturating_sub(1)) {
        let iif = host.interface(frame.iif).map_or("?", |interface| &*interface.name);
        let hex: String = frame.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(told, "  before: {iif} {hex}");
    }
    run::tell(told, host, &difference, frames.get(difference.at));
    told.push_str(&run::traces(rig, host, names, &text, &frames)?);
    Ok(())
}
