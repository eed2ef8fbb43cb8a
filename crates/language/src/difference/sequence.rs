//! Which members two sequences have in common, in the same order.

use std::collections::HashMap;

/// How many pairs of equal members are looked at before repeated ones are paired in order of their occurrence alone: for
/// 100,000 rules that are all the same, every pair would be 10 thousand million.
const MOST_PAIRS: usize = 4_000_000;

/// A link of a chain of pairs, back to front.
#[derive(Clone, Copy)]
struct Link {
    pair: (u32, u32),
    before: u32,
}

const NONE: u32 = u32::MAX;

/// A longest common subsequence, as pairs of places in `a` and `b`, ascending. Where members are repeated so often that
/// looking for the longest would take too long, a long one.
///
/// What both begin and end with is taken as it is; of the rest, for each member of `a` its places in `b` are tried from
/// the last to the first, and for each length only the chain of pairs that ends first is kept (Hunt and Szymanski, "A
/// Fast Algorithm for Computing Longest Common Subsequences", 1977). It costs as much as there are pairs of equal
/// members, which are few among the rules of a chain.
pub(super) fn common(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&a[head..], &b[head..]);
    let tail = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (middle_a, middle_b) = (&rest_a[..rest_a.len() - tail], &rest_b[..rest_b.len() - tail]);
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    pairs.extend(middle(middle_a, middle_b).into_iter().map(|(a, b)| (a + head, b + head)));
    pairs.extend((0..tail).rev().map(|back| (a.len() - 1 - back, b.len() - 1 - back)));
    pairs
}

fn middle(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u32, Vec<u32>> = HashMap::new();
    for (at, member) in b.iter().enumerate() {
        places.entry(*member).or_default().push(at as u32);
    }
    let pairs: usize = a.iter().map(|member| places.get(member).map_or(0, Vec::len)).sum();
    let by_occurrence = pairs > MOST_PAIRS;
    let mut seen: HashMap<u32, usize> = HashMap::new();
    // For each length the place in `b` where the chain that ends first ends, and its last link.
    let (mut ends, mut last): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut links: Vec<Link> = Vec::new();
    for (at, member) in a.iter().enumerate() {
        let Some(found) = places.get(member) else { continue };
        let found = if by_occurrence {
            let seen = seen.entry(*member).or_default();
            *seen += 1;
            found.get(*seen - 1..*seen).unwrap_or_default()
        } else {
            found
        };
        for place in found.iter().rev() {
            let length = ends.partition_point(|end| end < place);
            if ends.get(length) == Some(place) {
                continue;
            }
            let before = length.checked_sub(1).and_then(|shorter| last.get(shorter)).copied().unwrap_or(NONE);
            links.push(Link { pair: (at as u32, *place), before });
            let link = (links.len() - 1) as u32;
            if length == ends.len() {
                ends.push(*place);
                last.push(link);
            } else {
                ends[length] = *place;
                last[length] = link;
            }
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut at = last.last().copied().unwrap_or(NONE);
    while let Some(link) = links.get(at as usize) {
        chain.push((link.pair.0 as usize, link.pair.1 as usize));
        at = link.before;
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The length of a longest common subsequence by the textbook's table.
    fn longest(a: &[u32], b: &[u32]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut diagonal = 0;
            for (at, y) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if x == y { diagonal + 1 } else { above.max(row[at]) };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn as_long_as_the_textbook_says(
            a in proptest::collection::vec(0..6u32, 0..40),
            b in proptest::collection::vec(0..6u32, 0..40),
        ) {
            let pairs = common(&a, &b);
            prop_assert!(pairs.iter().all(|(x, y)| a[*x] == b[*y]));
            prop_assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
            prop_assert_eq!(pairs.len(), longest(&a, &b));
        }
    }

    #[test]
    fn many_equal_members_take_no_quadratic_time() {
        let mut a = vec![1; 50_000];
        let mut b = vec![1; 50_000];
        a.insert(0, 2);
        b.push(2);
        assert!(common(&a, &b).len() >= 49_999);
    }
}
