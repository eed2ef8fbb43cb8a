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

/// How many sequences go through one ruleset; its counters and sets go on.
const SEQUENCES: usize = 20;

/// Runs so many sequences from a seed; stops after so many differences.
///
/// # Errors
/// If the kernel cannot be asked.
pub fn run(host: &Host, seed: u64, sequences: usize, most: usize) -> Result<Outcome, RigError> {
    let names = machine::names(host);
    let mut rig = Rig::new(host, false)?;
    let mut outcome = Outcome::default();
    let mut at = seed;
    while outcome.sequences < sequences && outcome.found.len() < most {
        let rules = rules::ruleset(&mut Chance::new(at));
        one(&mut rig, host, &names, &rules, at, &mut outcome)?;
        at += 1;
    }
    Ok(outcome)
}

/// The sequences of one ruleset.
fn one(
    rig: &mut Rig,
    host: &Host,
    names: &Names,
    rules: &Rules,
    seed: u64,
    outcome: &mut Outcome,
) -> Result<(), RigError> {
    let mut rules = rules.clone();
    // Rules that are refused are left out; several rounds, for not all is told at once.
    let mut refused = Ok(());
    for _ in 0..6 {
        refused = rig.clear().and_then(|()| rig.load(&rules.text(), names));
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
        return Ok(());
    }
    refused?;
    let rules = &rules;
    let mut duel = match Duel::new(rig, host, names, &rules.text()) {
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
