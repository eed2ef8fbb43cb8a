//! Which chains jump where: no loops, not too deep, and which base chains each can be reached from.

use hashbrown::HashMap;

use super::TableState;
use crate::{ChainType, Hook};

/// How many chains may be nested, the base chain included (`NFT_JUMP_STACK_SIZE`).
pub(super) const JUMP_STACK: u32 = 16;

/// What is wrong with the jumps of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// These chains jump in a circle.
    Loop(Vec<u32>),
    /// This chain lies too deep.
    TooDeep(u32),
}

/// A bit for each kind of base chain at each hook.
pub(super) fn reach_bit(kind: ChainType, hook: Hook) -> u32 {
    1 << (kind as u32 * Hook::ALL.len() as u32 + hook as u32)
}

/// The kinds of base chains that bits stand for.
pub(super) fn reach_kinds(bits: u32) -> impl Iterator<Item = (ChainType, Hook)> {
    ChainType::ALL
        .into_iter()
        .flat_map(|kind| Hook::ALL.into_iter().map(move |hook| (kind, hook)))
        .filter(move |(kind, hook)| bits & reach_bit(*kind, *hook) != 0)
}

/// Where a chain's jumps, gotos and verdict maps lead.
fn targets(table: &TableState, chain: u32) -> Vec<u32> {
    let Some(chain) = table.chains.get(chain) else { return Vec::new() };
    let maps = chain.maps.keys().filter_map(|set| table.sets.get(*set)).flat_map(|set| set.targets.keys());
    let mut targets: Vec<u32> = chain.jumps.keys().chain(maps).copied().collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// Walks all chains. Tells for each from which kinds of base chains it can be reached (see [`reach_bit`]).
///
/// The kernel walks down from each base chain (`nft_chain_validate`); here each chain is visited once.
///
/// DIVERGES: a loop is one even where no base chain leads to it; kernels since 6.11 refuse only those they can reach.
pub(super) fn walk(table: &TableState) -> Result<Vec<(u32, u32)>, Fault> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let mut marks: HashMap<u32, Mark> = HashMap::new();
    let mut finished: Vec<(u32, Vec<u32>)> = Vec::new();
    for root in table.chains.slots() {
        if marks.contains_key(&root) {
            continue;
        }
        marks.insert(root, Mark::Open);
        let mut path = vec![(root, targets(table, root), 0)];
        while let Some((chain, next, at)) = path.last_mut() {
            let Some(target) = next.get(*at).copied() else {
                let (chain, next, _) = path.pop().unwrap_or_default();
                marks.insert(chain, Mark::Done);
                finished.push((chain, next));
                continue;
            };
            *at += 1;
            let _ = chain;
            match marks.get(&target) {
                Some(Mark::Done) => {}
                Some(Mark::Open) => {
                    let chains = path.iter().map(|(chain, _, _)| *chain);
                    return Err(Fault::Loop(chains.skip_while(|chain| *chain != target).collect()));
                }
                None => {
                    marks.insert(target, Mark::Open);
                    path.push((target, targets(table, target), 0));
                }
            }
        }
    }
    // Reversed order of finishing is an order in which every jump leads forward.
    let mut levels: HashMap<u32, (u32, u32)> = HashMap::new();
    for (slot, chain) in table.chains.iter() {
        if let Some(base) = &chain.chain.base {
            levels.insert(slot, (0, reach_bit(base.kind, base.hook)));
        }
    }
    let mut reach = Vec::with_capacity(finished.len());
    for (chain, next) in finished.into_iter().rev() {
        let Some(&(level, bits)) = levels.get(&chain) else {
            reach.push((chain, 0));
            continue;
        };
        if level >= JUMP_STACK {
            return Err(Fault::TooDeep(chain));
        }
        for target in next {
            let deeper = levels.entry(target).or_default();
            *deeper = (deeper.0.max(level + 1), deeper.1 | bits);
        }
        reach.push((chain, bits));
    }
    Ok(reach)
}
