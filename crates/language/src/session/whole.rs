//! Intervals that the kernel would take although they are not whole: they overlap with some that a set holds.
//!
//! The kernel looks at beginnings and ends one by one (linux net/netfilter/nft_set_rbtree.c, `__nft_rbtree_insert`). It
//! takes the end of an interval for one it knows where another interval ends, and compares nothing with an interval that
//! has no end, for it reaches to the greatest key. nft reads all elements before each change to find these. Here a set of
//! many is read only where it may be so: ends are added as what must not be there (`NLM_F_EXCL`), and where this is
//! refused, or there is no end, the same batch is tried on what the set holds.
// DIVERGES: whoever listens hears `create element` for those, not `add element`.

use ironweir_ruleset::store::{ChangeError, Errno, ErrorKind, SetState};
use ironweir_ruleset::userdata::SET_MERGE_ELEMENTS;
use ironweir_ruleset::{
    Batch, Change, Creation, Element, ElementFlags, Part, Ruleset, SetFlags, TableId, What,
};
use ironweir_wire::Instant;

/// Elements of a set that are always read: as many as cost less than anybody notices, both ends of an interval counted.
const FEW: usize = 4096;

/// A set of a change of elements whose own elements were not read: of plain intervals, without `auto-merge` (elements of
/// others are always known).
fn unread<'r>(change: &Change, ruleset: &'r Ruleset) -> Option<&'r SetState> {
    let (table, name, _) = of(change)?;
    let state = ruleset.table(table)?.set(name)?;
    let flags = state.set.flags;
    let merges = state.set.userdata.get_u32(SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0);
    let plain = flags.contains(SetFlags::INTERVAL) && !flags.contains(SetFlags::CONCAT);
    let unknown = !state.is_read() && !state.is_empty();
    (plain && !merges && unknown && !flags.contains(SetFlags::ANONYMOUS)).then_some(state)
}

fn of(change: &Change) -> Option<(&TableId, &str, &[Element])> {
    match change {
        Change::NewElements { table, set, elements, .. } => Some((table, &set.name, elements)),
        Change::DelElements { table, set, elements: Some(elements), .. } => Some((table, set, elements)),
        _ => None,
    }
}

fn elements_of(change: &Change) -> Option<Part> {
    let (table, name, _) = of(change)?;
    Some(Part::named(What::Elements, table.clone(), name))
}

/// The elements to read before anything is sent: of small sets, and of those in which intervals without end are added or
/// deleted.
pub(super) fn needed(batch: &Batch, ruleset: &Ruleset) -> Vec<Part> {
    // Beginnings and ends come in order of their keys; only the last interval has no end.
    let open = |elements: &[Element]| {
        let last = elements.iter().rfind(|element| !element.flags.contains(ElementFlags::CATCHALL));
        last.is_some_and(|last| !last.flags.contains(ElementFlags::INTERVAL_END))
    };
    let wanted = |change: &&Change| {
        unread(change, ruleset).is_some_and(|set| {
            (1..=FEW).contains(&set.element_count())
                || of(change).is_some_and(|(_, _, elements)| open(elements))
        })
    };
    let mut parts: Vec<Part> = Vec::new();
    for part in batch.changes.iter().filter(wanted).filter_map(elements_of) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// Lets elements of sets that were not read be added only where they are not there; tells of which changes.
pub(super) fn demand_new(batch: &mut Batch, ruleset: &Ruleset) -> Vec<usize> {
    let mut changed = Vec::new();
    for (at, change) in batch.changes.iter_mut().enumerate() {
        let unread = unread(change, ruleset).is_some();
        if let (true, Change::NewElements { creation, .. }) = (unread, change)
            && *creation == Creation::Add
        {
            *creation = Creation::Create;
            changed.push(at);
        }
    }
    changed
}

/// Takes back what [`demand_new`] did.
pub(super) fn demand_nothing(batch: &mut Batch, changed: &[usize]) {
    for at in changed {
        if let Some(Change::NewElements { creation, .. }) = batch.changes.get_mut(*at) {
            *creation = Creation::Add;
        }
    }
}

/// The elements to read where changes of [`demand_new`] were refused, for something of them is there.
pub(super) fn refused(batch: &Batch, changed: &[usize], refused: &[ChangeError]) -> Vec<Part> {
    let exists = refused.iter().filter(|error| error.kind.errno() == Errno::EEXIST);
    let ours = exists.filter(|error| changed.binary_search(&error.change).is_ok());
    let mut parts: Vec<Part> = Vec::new();
    for part in ours.filter_map(|error| batch.changes.get(error.change)).filter_map(elements_of) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// What the sets refuse that were read for this.
pub(super) fn overlaps(batch: &Batch, ruleset: &Ruleset, read: &[Part], now: Instant) -> Vec<ChangeError> {
    if read.is_empty() {
        return Vec::new();
    }
    let mut errors = ruleset.clone().apply(batch, now).err().unwrap_or_default();
    errors.retain(|error| {
        let was_read = |part: Part| read.contains(&part);
        matches!(error.kind, ErrorKind::Overlap { .. } | ErrorKind::NoElement { .. })
            && batch.changes.get(error.change).and_then(elements_of).is_some_and(was_read)
    });
    errors
}
