//! Whether two lists of expressions are the same, and whether bytes say the same.

use ironweir_expr::{Expr, SetRef, Verdict, ct, immediate, log, lookup, nat, objref};
use ironweir_netlink::Attributes;

use crate::tally::End;

pub(crate) fn decoded(bytes: &[u8]) -> Vec<Expr> {
    let elements = Attributes::new(bytes).map(|element| element.expect("whole").nested());
    elements.map(|element| Expr::decode(element).expect("the kernel tells nothing malformed")).collect()
}

/// With what the commit chose taken out, names of anonymous sets and chains and numbers, and with what the kernel fills
/// in: a log's level (`nft_log_init`), that there are ports (`nft_nat_init`); and without what it drops, a direction
/// where both are the same (`nft_ct_get_dump`).
pub(crate) fn essence(mut exprs: Vec<Expr>) -> Vec<Expr> {
    let set = |set: &mut SetRef| {
        set.id = None;
        for kind in ["__set", "__map"] {
            if set.name.starts_with(kind) {
                set.name = kind.into();
            }
        }
    };
    for expr in &mut exprs {
        match expr {
            Expr::Lookup(lookup::Lookup { set: of, .. }) => set(of),
            Expr::Objref(objref::Objref::Map { set: of, .. }) => set(of),
            Expr::Dynset(dynset) => set(&mut dynset.set),
            Expr::Log(log::Log { to: log::Destination::Syslog { level, .. }, .. }) => {
                *level = level.or(Some(4));
            }
            Expr::Nat(nat) => nat.flags.set(nat::Flags::PROTO_SPECIFIED, nat.ports.is_some()),
            Expr::CtGet(ct::Get { key: ct::Key::Protocol | ct::Key::L3Protocol, direction, .. }) => {
                *direction = None;
            }
            Expr::Immediate(immediate::Immediate::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => {
                chain.id = None;
                if chain.name.starts_with("__chain") {
                    chain.name = "__chain".into();
                }
            }
            _ => {}
        }
    }
    exprs
}

pub(crate) fn lines(exprs: &[Expr]) -> String {
    exprs.iter().map(|expr| format!("[ {expr} ]")).collect::<Vec<_>>().join(" ")
}

/// Attributes as a tree in the order of their types, so that those of two programs compare.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tree {
    Leaf(u16, Vec<u8>),
    Nest(u16, Vec<Tree>),
}

/// The kernel does not mark nests: they are where the tree `like` has them.
fn tree(attributes: Attributes<'_>, like: &[Tree]) -> Vec<Tree> {
    let mut trees: Vec<Tree> = attributes
        .map(|attribute| {
            let attribute = attribute.expect("whole");
            let nest = like.iter().find_map(|tree| match tree {
                Tree::Nest(kind, inside) if *kind == attribute.kind => Some(&**inside),
                _ => None,
            });
            match nest.or(attribute.nested.then_some(&[])) {
                Some(like) => Tree::Nest(attribute.kind, tree(attribute.nested(), like)),
                None => Tree::Leaf(attribute.kind, attribute.value.to_vec()),
            }
        })
        .collect();
    trees.sort();
    trees
}

/// `NFTA_LOOKUP_SET_ID`, `NFTA_DYNSET_SET_ID`, `NFTA_OBJREF_SET_ID`: each program has numbers of its own.
const SET_IDS: [(&str, u16); 3] = [("lookup", 4), ("dynset", 2), ("objref", 5)];

fn encoded(exprs: &[Expr]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ironweir_expr::netlink::put_exprs(&mut ironweir_netlink::Writer::new(&mut bytes), 1, exprs);
    bytes.split_off(4)
}

/// Whether expressions are written in these bytes, attribute by attribute. Of those named, more is told than is written
/// again: that a range ends where it begins.
pub(crate) fn same_bytes(exprs: &[Expr], bytes: &[u8], more_is_told: &[&str]) -> End {
    let ours = encoded(exprs);
    for ((ours, theirs), expr) in Attributes::new(&ours).zip(Attributes::new(bytes)).zip(exprs) {
        let mut ours = tree(ours.expect("whole").nested(), &[]);
        let mut theirs = tree(theirs.expect("whole").nested(), &ours);
        for tree in [&mut ours, &mut theirs] {
            forget(tree, expr.name());
        }
        if ours != theirs && !more_is_told.contains(&expr.name()) {
            return End::Wrong(format!("{expr}: {ours:?} NOT {theirs:?}"));
        }
    }
    End::Same
}

/// Takes out what may differ: numbers of sets, and attributes of zeros, which one program sends and another does not.
fn forget(expr: &mut Vec<Tree>, name: &str) {
    for part in expr {
        if let Tree::Nest(2, data) = part {
            data.retain(|attribute| match attribute {
                Tree::Leaf(kind, value) => {
                    !SET_IDS.contains(&(name, *kind)) && value.iter().any(|byte| *byte != 0)
                }
                Tree::Nest(..) => true,
            });
        }
    }
}
