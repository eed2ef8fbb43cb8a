//! Attributes as a tree, so that two messages are compared whatever the order of their attributes.

use std::fmt::Write;

use ironweir_netlink::{Attributes, Message};
use ironweir_ruleset::netlink::kind;

/// An attribute: type and value, which is attributes if it can be read as such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tree {
    pub(crate) kind: u16,
    pub(crate) value: Vec<u8>,
    pub(crate) within: Vec<Tree>,
}

/// The attributes of an nfnetlink message, in the order of their types.
pub(crate) fn of(message: &Message<'_>) -> Vec<Tree> {
    let (_, attributes) = message.nfgen().expect("an nfgenmsg");
    let mut trees = read(attributes).expect("attributes of a message");
    if message.header.message() == kind::NEWOBJ {
        take_depleted(&mut trees);
    }
    trees
}

/// Takes `NFT_QUOTA_F_DEPLETED` out of a quota that is an object.
fn take_depleted(trees: &mut [Tree]) {
    let quota = trees.iter().any(|tree| tree.kind == 3 && tree.value == [0, 0, 0, 2]);
    for data in trees.iter_mut().filter(|tree| quota && tree.kind == 4) {
        for flags in data.within.iter_mut().filter(|tree| tree.kind == 2) {
            flags.value.iter_mut().for_each(|byte| *byte &= !2);
        }
    }
}

fn read(attributes: Attributes<'_>) -> Option<Vec<Tree>> {
    let len = attributes.as_bytes().len();
    let mut trees = Vec::new();
    let mut used = 0;
    for attribute in attributes {
        let attribute = attribute.ok()?;
        used += (4 + attribute.value.len()).next_multiple_of(4);
        let within = read(attribute.nested()).filter(|within| !within.is_empty());
        let value = if within.is_some() { Vec::new() } else { attribute.value.to_vec() };
        trees.push(Tree { kind: attribute.kind, value, within: within.unwrap_or_default() });
    }
    // Values that happen to begin like an attribute are none if something is left over.
    (used == len.next_multiple_of(4)).then_some(())?;
    trees.sort_by_key(|tree| tree.kind);
    take_redundant(&mut trees);
    Some(trees)
}

/// Attributes of expressions that say nothing that is not said besides, and that only some senders send.
struct Redundant {
    /// Name of the expression.
    name: &'static [u8],
    /// Nothing if they are 0, of which these bits are not looked at: derived from other attributes or state.
    zero: &'static [(u16, u8)],
    /// Nothing if they are as the other attribute: the end of a range.
    same: &'static [(u16, u16)],
}

const REDUNDANT: [Redundant; 12] = [
    // That there are addresses and ports is told by their registers too (NF_NAT_RANGE_MAP_IPS, PROTO_SPECIFIED).
    Redundant { name: b"nat\0", zero: &[(7, 3)], same: &[(4, 3), (6, 5)] },
    Redundant { name: b"masq\0", zero: &[(1, 3)], same: &[(3, 2)] },
    Redundant { name: b"redir\0", zero: &[(3, 3)], same: &[(2, 1)] },
    Redundant { name: b"lookup\0", zero: &[(5, 0)], same: &[] },
    // NFT_DYNSET_F_EXPR.
    Redundant { name: b"dynset\0", zero: &[(6, 0), (9, 2)], same: &[] },
    Redundant { name: b"exthdr\0", zero: &[(5, 0)], same: &[] },
    // NFT_QUOTA_F_DEPLETED: that the kernel has told that it is used up.
    Redundant { name: b"quota\0", zero: &[(2, 2)], same: &[] },
    Redundant { name: b"last\0", zero: &[(2, 0)], same: &[] },
    Redundant { name: b"counter\0", zero: &[(1, 0), (2, 0)], same: &[] },
    // NFT_BITWISE_MASK_XOR, which nft 1.0.6 does not say.
    Redundant { name: b"bitwise\0", zero: &[(6, 0)], same: &[] },
    // Of a reset, which has no code.
    Redundant { name: b"reject\0", zero: &[(2, 0)], same: &[] },
    Redundant { name: b"osf\0", zero: &[(3, 0)], same: &[] },
];

/// Takes out of an expression what is redundant.
fn take_redundant(trees: &mut Vec<Tree>) {
    let [name, data] = &mut trees[..] else { return };
    let found = REDUNDANT.iter().find(|redundant| redundant.name == name.value);
    if let Some(redundant) = found {
        let value =
            |kind: u16, of: &[Tree]| of.iter().find(|tree| tree.kind == kind).map(|tree| tree.value.clone());
        let before = data.within.clone();
        for tree in &mut data.within {
            let bits = redundant.zero.iter().find(|(kind, _)| *kind == tree.kind);
            if let (Some((_, bits)), Some(last)) = (bits, tree.value.last_mut()) {
                *last &= !bits;
            }
        }
        data.within.retain(|tree| {
            let silent = redundant.zero.iter().any(|(kind, _)| *kind == tree.kind);
            let of = redundant.same.iter().find(|(kind, _)| *kind == tree.kind);
            let twice = of.is_some_and(|(_, of)| value(*of, &before).as_ref() == Some(&tree.value));
            !twice && (!silent || tree.value.iter().any(|byte| *byte != 0))
        });
    }
    let expression = name.kind == 1 && name.value.last() == Some(&0) && name.value.len() > 1;
    if expression && data.kind == 2 && data.within.is_empty() && (found.is_some() || data.value.is_empty()) {
        trees.truncate(1);
    }
}

/// As text, for messages of failure.
pub(crate) fn show(trees: &[Tree]) -> String {
    let mut text = String::new();
    for tree in trees {
        let _ = write!(text, " {}", tree.kind);
        if tree.within.is_empty() {
            text.push('=');
            tree.value.iter().for_each(|byte| {
                let _ = write!(text, "{byte:02x}");
            });
        } else {
            let _ = write!(text, "{{{} }}", show(&tree.within));
        }
    }
    text
}
