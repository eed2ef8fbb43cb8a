//! Rules that choose a routing table, as `ip rule` has them (`net/core/fib_rules.c`).

use std::net::IpAddr;

use ironweir_wire::IfIndex;

/// The table of the host's own addresses (`RT_TABLE_LOCAL`).
pub const LOCAL_TABLE: u32 = 255;
/// The table that routes go to if nobody says otherwise (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;
/// `RT_TABLE_DEFAULT`.
pub const DEFAULT_TABLE: u32 = 253;

/// What is known of a packet whose way is looked up (`struct flowi`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Its destination.
    pub to: IpAddr,
    /// Its source.
    pub from: Option<IpAddr>,
    /// The interface it came in by; the loopback interface for the host's own, none if nobody knows.
    pub iif: IfIndex,
    /// Only routes out of this interface are wanted.
    pub oif: IfIndex,
    /// Its mark.
    pub mark: u32,
}

impl Lookup {
    /// Of a packet of which the destination alone is known.
    pub fn to(to: IpAddr) -> Lookup {
        Lookup { to, from: None, iif: IfIndex::NONE, oif: IfIndex::NONE, mark: 0 }
    }
}

/// What a rule does with packets that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Looks into a table (`FR_ACT_TO_TBL`); what is not found there is looked for by the next rule.
    Table(u32),
    /// Goes on at the first rule of this priority or behind it (`FR_ACT_GOTO`).
    Goto(u32),
    /// Nothing (`FR_ACT_NOP`).
    Nop,
    /// Drops in silence (`FR_ACT_BLACKHOLE`).
    Blackhole,
    /// Says that the destination cannot be reached (`FR_ACT_UNREACHABLE`).
    Unreachable,
    /// Says that it is forbidden (`FR_ACT_PROHIBIT`).
    Prohibit,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Lower ones come first.
    pub priority: u32,
    /// Prefix of the source.
    pub from: Option<(IpAddr, u8)>,
    /// Prefix of the destination.
    pub to: Option<(IpAddr, u8)>,
    /// Name of the interface the packet came in by.
    pub iif: Option<Box<str>>,
    /// Name of the interface the look-up is restricted to.
    pub oif: Option<Box<str>>,
    /// Mark and mask.
    pub mark: Option<(u32, u32)>,
    /// Matches what it would not (`not`).
    pub invert: bool,
    /// Routes whose prefix has at most so many bits do not count (`suppress_prefixlength`).
    pub suppress: Option<u8>,
    /// What it does.
    pub action: Action,
}

impl Rule {
    /// A rule for all packets.
    pub fn new(priority: u32, action: Action) -> Rule {
        Rule {
            priority,
            from: None,
            to: None,
            iif: None,
            oif: None,
            mark: None,
            invert: false,
            suppress: None,
            action,
        }
    }

    /// Those that a system begins with (`fib_default_rules_init`, `fib6_rules_net_init`).
    pub fn defaults(v6: bool) -> Vec<Rule> {
        let mut rules = vec![
            Rule::new(0, Action::Table(LOCAL_TABLE)),
            Rule::new(32766, Action::Table(MAIN_TABLE)),
            Rule::new(32767, Action::Table(DEFAULT_TABLE)),
        ];
        rules.truncate(if v6 { 2 } else { 3 });
        rules
    }

    /// Whether it is for a packet (`fib_rule_match`, `fib4_rule_match`). `named` tells an interface's index by name.
    pub(super) fn matches(&self, lookup: &Lookup, named: impl Fn(&str) -> Option<IfIndex>) -> bool {
        let by = |name: &Option<Box<str>>, index: IfIndex| {
            name.as_ref().is_none_or(|name| index.is_some() && named(name) == Some(index))
        };
        let matches = by(&self.iif, lookup.iif)
            && by(&self.oif, lookup.oif)
            && self.mark.is_none_or(|(mark, mask)| (mark ^ lookup.mark) & mask == 0)
            && self
                .from
                .is_none_or(|(prefix, len)| lookup.from.is_some_and(|from| lies_in(from, prefix, len)))
            && self.to.is_none_or(|(prefix, len)| lies_in(lookup.to, prefix, len));
        matches != self.invert
    }
}

/// Whether an address lies in a prefix.
fn lies_in(address: IpAddr, prefix: IpAddr, len: u8) -> bool {
    match (address, prefix) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros() >= len.into(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros() >= len.into(),
        _ => false,
    }
}
