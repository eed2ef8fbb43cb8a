//! Rules.

use ironweir_expr::{cmp, meta, payload};

use crate::{Expr, Userdata};

/// A rule's own attributes (`NFTA_RULE_*`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// What it consists of, in order of evaluation.
    pub exprs: Vec<Expr>,
    /// The comment, and what front ends keep.
    pub userdata: Userdata,
    /// What xtables matches and targets are told, where whoever made the rule said so.
    pub compat: Option<Compat>,
    /// Attributes of a newer peer, which it gets back.
    pub unknown: crate::netlink::Unknown,
}

/// The transport protocol that a rule tells its xtables matches and targets (`NFTA_RULE_COMPAT`): many of them are for
/// one protocol alone and are refused without it (`nft_parse_compat`, `xt_check_match`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compat {
    /// Its number (`NFTA_RULE_COMPAT_PROTO`); 0 is any.
    pub protocol: u32,
    /// [`Compat::INVERTED`] (`NFTA_RULE_COMPAT_FLAGS`).
    pub flags: u32,
}

impl Compat {
    /// The protocol is any but this one (`NFT_RULE_COMPAT_F_INV`).
    pub const INVERTED: u32 = 2;

    /// What a rule with xtables matches or targets says of its protocol by a comparison of its own, as iptables-nft writes
    /// it: the kernel does not tell `NFTA_RULE_COMPAT` again, and refuses the rule without it. `None` where nothing in
    /// the rule needs it.
    pub fn of(exprs: &[Expr]) -> Option<Compat> {
        let foreign = |expr: &Expr| matches!(expr.known(), Expr::XtMatch(_) | Expr::XtTarget(_));
        let first = exprs.iter().position(foreign)?;
        let mut loaded = None;
        for expr in exprs.iter().take(first) {
            match expr.known() {
                Expr::MetaGet(meta::Get { key: meta::Key::L4proto, destination }) => {
                    loaded = Some((*destination, 1))
                }
                Expr::MetaGet(meta::Get { key: meta::Key::Protocol, destination }) => {
                    loaded = Some((*destination, 2))
                }
                Expr::PayloadLoad(load) => loaded = protocol_field(load).map(|len| (load.destination, len)),
                Expr::Cmp(cmp) if loaded == Some((cmp.source, cmp.data.len())) => {
                    if let Some(compat) = Compat::compared(cmp) {
                        return Some(compat);
                    }
                }
                _ => {}
            }
        }
        Some(Compat { protocol: 0, flags: 0 })
    }

    fn compared(cmp: &cmp::Cmp) -> Option<Compat> {
        let flags = match cmp.op {
            cmp::Op::Eq => 0,
            cmp::Op::Neq => Compat::INVERTED,
            _ => return None,
        };
        let protocol = match cmp.data[..] {
            [protocol] => protocol.into(),
            // ebtables' EtherType lies in the number as it does in the frame (struct ebt_entry).
            [high, low] => u16::from_ne_bytes([high, low]).into(),
            _ => return None,
        };
        Some(Compat { protocol, flags })
    }
}

/// Bytes of the field, if it is the one that names a protocol: of IPv4, of IPv6, or the EtherType.
fn protocol_field(load: &payload::Load) -> Option<usize> {
    match (load.base, load.offset, load.len) {
        (payload::Base::Network, 9 | 6, 1) => Some(1),
        (payload::Base::Link, 12, 2) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ironweir_expr::compat::Match;
    use ironweir_expr::{Register, Value};

    use super::*;

    fn rule(key: meta::Key, op: cmp::Op, data: Value) -> Vec<Expr> {
        let (destination, source) = (Register::R1, Register::R1);
        vec![
            meta::Get { key, destination }.into(),
            cmp::Cmp { source, op, data }.into(),
            Expr::XtMatch(Match { name: "multiport".into(), revision: 1, info: Box::default() }),
        ]
    }

    #[test]
    fn an_xtables_match_is_told_the_protocol_that_its_rule_compares() {
        let tcp = || Value::from([6]);
        let of = |key, op, data| Compat::of(&rule(key, op, data));
        let compat = |protocol, flags| Some(Compat { protocol, flags });
        assert_eq!(of(meta::Key::L4proto, cmp::Op::Eq, tcp()), compat(6, 0));
        assert_eq!(of(meta::Key::L4proto, cmp::Op::Neq, tcp()), compat(6, Compat::INVERTED));
        let ip = u16::from_ne_bytes([8, 0]).into();
        assert_eq!(of(meta::Key::Protocol, cmp::Op::Eq, Value::from([8, 0])), compat(ip, 0));
        assert_eq!(of(meta::Key::Mark, cmp::Op::Eq, Value::from([0, 0, 0, 6])), compat(0, 0));
    }

    #[test]
    fn a_rule_without_them_is_told_nothing() {
        let mut exprs = rule(meta::Key::L4proto, cmp::Op::Eq, Value::from([6]));
        exprs.pop();
        assert_eq!(Compat::of(&exprs), None);
    }
}
