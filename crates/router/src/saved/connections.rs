//! Connections and expectations, place by place of their table.

use std::time::Duration;

use hashbrown::HashMap;
use ironweir_conntrack::CtRef;
use ironweir_conntrack::saved::{Reader, Saved, SavedError, Stamp};
use ironweir_engine::Engine;

use super::file::{Contents, Key, Records};
use super::kind;

/// Connections of which deadline and counters alone are written again in one round. Each is 65 bytes: so many a second
/// are 6.5 MB. All else that changes is written in the round that sees it.
const MOVED: usize = 100_000;

/// What was written, by place.
#[derive(Debug, Default)]
pub(super) struct Connections {
    written: Vec<Option<Stamp>>,
    /// Where this round looks next, and how many places are left.
    place: u32,
    left: u32,
    moved: usize,
    /// The first whose deadline was not written any more.
    passed_over: Option<u32>,
    expectations: Vec<u8>,
}

impl Connections {
    /// All is written again.
    pub(super) fn forget(&mut self) {
        *self = Connections::default();
    }

    /// Begins a round.
    pub(super) fn begin(&mut self, engine: &Engine) {
        self.left = engine.conntrack().places();
        // Who was passed over last time is the first now.
        self.place = self.passed_over.take().filter(|place| *place < self.left).unwrap_or(0);
        self.moved = 0;
    }

    /// Writes what changed in so many places. Whether all were looked at.
    pub(super) fn portion(&mut self, engine: &Engine, places: u32, records: &mut Records) -> bool {
        let conntrack = engine.conntrack();
        let all = conntrack.places();
        self.written.resize(self.written.len().max(all as usize), None);
        for _ in 0..places.min(self.left) {
            let place = self.place;
            self.place = if place + 1 >= all { 0 } else { place + 1 };
            self.left -= 1;
            let Some(written) = self.written.get_mut(place as usize) else { continue };
            let there = conntrack.stamp(place);
            if *written == there {
                continue;
            }
            if let Some(old) = written.filter(|old| there.is_none_or(|there| there.number != old.number)) {
                records.delete(Key::one(kind::CONNECTION, old.number.into()));
                records.delete(Key::one(kind::MOVED, old.number.into()));
            }
            let Some(stamp) = there else {
                *written = None;
                continue;
            };
            let number = u64::from(stamp.number);
            let same = written.is_some_and(|old| (old.number, old.lasting) == (stamp.number, stamp.lasting));
            if same {
                if self.moved >= MOVED {
                    self.passed_over.get_or_insert(place);
                    continue;
                }
                self.moved += 1;
                records.put(Key::one(kind::MOVED, number), |out| conntrack.save_moved(place, out));
            } else {
                records.put(Key::one(kind::CONNECTION, number), |out| conntrack.save(place, out));
                if written.is_some() {
                    records.delete(Key::one(kind::MOVED, number));
                }
            }
            *written = Some(stamp);
        }
        self.left == 0
    }

    /// Ends a round.
    pub(super) fn end(&mut self, engine: &Engine, records: &mut Records) {
        let conntrack = engine.conntrack();
        let mut expectations = conntrack.next_number().to_le_bytes().to_vec();
        conntrack.save_expectations(engine.now(), &mut expectations);
        if expectations != self.expectations {
            records.put(Key::one(kind::EXPECTATIONS, 0), |out| out.extend(&expectations));
            self.expectations = expectations;
        }
    }
}

fn saved(contents: &Contents, key: Key) -> Result<(u32, Saved), SavedError> {
    let number = u32::try_from(key.a).map_err(|_| SavedError::Value("number"))?;
    let bytes = contents.get(key).ok_or(SavedError::Length)?;
    Ok((number, Saved::read(bytes, contents.get(Key { kind: kind::MOVED, ..key }))?))
}

/// Looks whether all can be restored.
pub(super) fn check(engine: &mut Engine, contents: &Contents) -> Result<(), SavedError> {
    for key in contents.keys(kind::CONNECTION) {
        saved(contents, key)?;
    }
    let now = engine.now();
    match contents.get(Key::one(kind::EXPECTATIONS, 0)) {
        Some(bytes) => {
            let mut reader = Reader::new(bytes);
            reader.u32()?;
            engine.conntrack_mut().restore_expectations(now, reader.rest(), Duration::ZERO, None)
        }
        None => Ok(()),
    }
}

/// Restores all, with times set back by so much. Tells where each number is now.
pub(super) fn restore(
    engine: &mut Engine,
    contents: &Contents,
    set_back: Duration,
) -> Result<HashMap<u32, CtRef>, SavedError> {
    let now = engine.now();
    let conntrack = engine.conntrack_mut();
    let expectations = contents.get(Key::one(kind::EXPECTATIONS, 0)).unwrap_or(&[0; 4]);
    let mut reader = Reader::new(expectations);
    conntrack.set_next_number(reader.u32()?);
    let (mut found, mut masters) = (HashMap::new(), Vec::new());
    for key in contents.keys(kind::CONNECTION) {
        let (number, mut saved) = saved(contents, key)?;
        saved.set_back(set_back);
        if let Some(ct) = conntrack.restore(now, number, &saved) {
            found.insert(number, ct);
            masters.extend(saved.master().map(|master| (ct, master)));
        }
    }
    for (ct, master) in masters {
        if let Some(master) = found.get(&master) {
            conntrack.restore_master(ct, *master);
        }
    }
    let find = |number| found.get(&number).copied();
    conntrack.restore_expectations(now, reader.rest(), set_back, Some(&find))?;
    Ok(found)
}
