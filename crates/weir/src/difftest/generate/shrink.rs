//! What parts two routers, made small: as long as something can be left out and they still part, it is left out.

use super::packets::{Odd, Step};
use super::rules::Rules;

/// Leaves out what is not needed. `parts` says whether the two still part.
pub fn shrink<E>(
    rules: &mut Rules,
    steps: &mut Vec<Step>,
    mut parts: impl FnMut(&Rules, &[Step]) -> Result<bool, E>,
) -> Result<(), E> {
    loop {
        let before = (rules.clone(), steps.clone());
        // Big pieces first.
        let mut size = steps.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < steps.len() {
                let mut fewer = steps.clone();
                fewer.drain(at..(at + size).min(steps.len()));
                if parts(rules, &fewer)? {
                    *steps = fewer;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        for at in 0..steps.len() {
            if steps[at].odd != Odd::Nothing {
                let mut plain = steps.clone();
                plain[at].odd = Odd::Nothing;
                if parts(rules, &plain)? {
                    *steps = plain;
                }
            }
        }
        let mut left_out = candidates(rules);
        while let Some(fewer) = left_out.pop() {
            if parts(&fewer, steps)? {
                left_out = candidates(&fewer);
                *rules = fewer;
            }
        }
        if before == (rules.clone(), steps.clone()) {
            return Ok(());
        }
    }
}

/// The ruleset without one of its parts each; the largest parts come last.
fn candidates(rules: &Rules) -> Vec<Rules> {
    let mut found = Vec::new();
    for (t, table) in rules.tables.iter().enumerate() {
        for (c, chain) in table.chains.iter().enumerate() {
            for (r, rule) in chain.rules.iter().enumerate() {
                let words: Vec<&str> = rule.split(' ').collect();
                if words.len() > 1 {
                    let mut fewer = rules.clone();
                    fewer.tables[t].chains[c].rules[r] = "counter".into();
                    if fewer != *rules {
                        found.push(fewer);
                    }
                }
                let mut fewer = rules.clone();
                fewer.tables[t].chains[c].rules.remove(r);
                found.push(fewer);
            }
        }
        for i in 0..table.items.len() {
            let mut fewer = rules.clone();
            fewer.tables[t].items.remove(i);
            found.push(fewer);
        }
        for c in 0..table.chains.len() {
            let mut fewer = rules.clone();
            fewer.tables[t].chains.remove(c);
            found.push(fewer);
        }
    }
    for t in 0..rules.tables.len() {
        let mut fewer = rules.clone();
        fewer.tables.remove(t);
        found.push(fewer);
    }
    found
}
