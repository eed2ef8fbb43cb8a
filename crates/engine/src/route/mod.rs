//! Routes: tables of them, of which the longest prefix wins, and rules that choose the table.

use std::net::IpAddr;

use hashbrown::HashMap;
use ironweir_wire::IfIndex;

mod rule;
mod trie;

pub use rule::{Action, DEFAULT_TABLE, LOCAL_TABLE, Lookup, MAIN_TABLE, Rule};

use trie::{Bits, Trie};

/// What a route does (`RTN_*` of `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sends on (`RTN_UNICAST`).
    #[default]
    Unicast,
    /// Drops in silence (`RTN_BLACKHOLE`).
    Blackhole,
    /// Says that the destination cannot be reached (`RTN_UNREACHABLE`).
    Unreachable,
    /// Says that it is forbidden (`RTN_PROHIBIT`).
    Prohibit,
    /// Ends the look-up in this table (`RTN_THROW`).
    Throw,
}

/// Where packets to a prefix go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    /// Out of this interface.
    pub interface: IfIndex,
    /// To this router; `None` when the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// Which address the host's own packets take.
    pub source: Option<IpAddr>,
    /// What it does; interface and gateway mean something for [`Kind::Unicast`] alone.
    pub kind: Kind,
    /// Largest packet in bytes (`RTAX_MTU`), 0 for the interface's.
    pub mtu: u32,
}

impl Route {
    /// A route to what lies behind an interface, or behind a gateway there.
    pub fn by(interface: IfIndex, gateway: Option<IpAddr>) -> Route {
        Route { interface, gateway, ..Route::default() }
    }
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The way.
    Route(Route),
    /// A route or rule that refuses, other than [`Kind::Unicast`] and [`Kind::Throw`].
    Refused(Kind),
    /// Nothing.
    Nothing,
}

impl Found {
    /// The way, if there is one.
    pub fn route(self) -> Option<Route> {
        match self {
            Found::Route(route) => Some(route),
            Found::Refused(_) | Found::Nothing => None,
        }
    }
}

/// A prefix is longer than an address of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix too long")]
pub struct PrefixTooLong;

/// A route with its place: the prefix and its length, the table, the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The prefix; bits behind `len` do not matter.
    pub prefix: IpAddr,
    /// Its length in bits.
    pub len: u8,
    /// The table.
    pub table: u32,
    /// Of several routes to one prefix the lowest counts.
    pub metric: u32,
    /// The route.
    pub route: Route,
}

/// The routes of one host.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    hops: Hops,
    main: Tables,
    others: HashMap<u32, Tables>,
    /// `None` for those a system begins with.
    rules_v4: Option<Vec<Rule>>,
    rules_v6: Option<Vec<Rule>>,
}

#[derive(Clone, Debug, Default)]
struct Tables {
    v4: Trie<u32>,
    v6: Trie<u128>,
}

/// Metrics with routes, each once: a table of a million prefixes has few.
#[derive(Clone, Debug, Default)]
struct Hops {
    hops: Vec<(u32, Route)>,
    used: Vec<u32>,
    numbers: HashMap<(u32, Route), u32>,
    free: Vec<u32>,
    /// Of prefixes with several routes: those routes, best first.
    lists: Vec<Vec<u32>>,
    free_lists: Vec<u32>,
}

/// A value of the trie that is the number of a list, not of a hop.
const LIST: u32 = 1 << 31;

impl Hops {
    fn number(&mut self, metric: u32, route: Route) -> u32 {
        let number = *self.numbers.entry((metric, route)).or_insert_with(|| match self.free.pop() {
            Some(number) => {
                self.hops[number as usize] = (metric, route);
                number
            }
            None => {
                self.hops.push((metric, route));
                self.used.push(0);
                self.hops.len() as u32 - 1
            }
        });
        self.used[number as usize] += 1;
        number
    }

    fn drop(&mut self, number: u32) {
        let used = &mut self.used[number as usize];
        *used -= 1;
        if *used == 0 {
            self.numbers.remove(&self.hops[number as usize]);
            self.free.push(number);
        }
    }

    /// The routes a value stands for, best first.
    fn of(&self, value: u32) -> impl Iterator<Item = (u32, Route)> {
        let list = if value & LIST == 0 { None } else { self.lists.get((value & !LIST) as usize) };
        let single = (value & LIST == 0).then_some(value);
        let numbers = list.into_iter().flatten().copied().chain(single);
        numbers.filter_map(|number| self.hops.get(number as usize).copied())
    }

    fn best(&self, value: u32) -> Option<Route> {
        if value & LIST == 0 {
            return self.hops.get(value as usize).map(|(_, route)| *route);
        }
        self.of(value).next().map(|(_, route)| route)
    }

    fn take_list(&mut self, value: u32) -> Vec<u32> {
        if value & LIST == 0 {
            return vec![value];
        }
        self.free_lists.push(value & !LIST);
        std::mem::take(&mut self.lists[(value & !LIST) as usize])
    }

    /// `None` for no route at all.
    fn put_list(&mut self, list: Vec<u32>) -> Option<u32> {
        if let [] | [_] = list[..] {
            return list.first().copied();
        }
        let number = self.free_lists.pop().unwrap_or_else(|| {
            self.lists.push(Vec::new());
            self.lists.len() as u32 - 1
        });
        self.lists[number as usize] = list;
        Some(number | LIST)
    }

    fn add(&mut self, before: Option<u32>, metric: u32, route: Route, replace: bool) -> u32 {
        let number = self.number(metric, route);
        let Some(before) = before else { return number };
        let mut list = self.take_list(before);
        if list.contains(&number) {
            self.drop(number);
        } else {
            if replace && let Some(at) = list.iter().position(|one| self.hops[*one as usize].0 == metric) {
                let old = list.remove(at);
                self.drop(old);
            }
            let at = list.partition_point(|one| self.hops[*one as usize].0 <= metric);
            list.insert(at, number);
        }
        // At least the one that was added.
        self.put_list(list).unwrap_or(number)
    }

    fn take(&mut self, before: u32, gone: impl Fn(u32, &Route) -> bool) -> Option<u32> {
        let list = self.take_list(before);
        let (out, stay): (Vec<u32>, Vec<u32>) = list.into_iter().partition(|number| {
            let (metric, route) = &self.hops[*number as usize];
            gone(*metric, route)
        });
        for number in out {
            self.drop(number);
        }
        self.put_list(stay)
    }
}

/// Adds a route to a trie.
fn add<N: Bits>(trie: &mut Trie<N>, hops: &mut Hops, key: N, entry: &Entry, replace: bool) {
    let before = trie.get(key, entry.len);
    let value = hops.add(before, entry.metric, entry.route, replace);
    trie.insert(key, entry.len, value);
}

/// Takes routes of one prefix out of a trie.
fn take<N: Bits>(
    trie: &mut Trie<N>,
    hops: &mut Hops,
    (key, len): (N, u8),
    gone: impl Fn(u32, &Route) -> bool,
) {
    let Some(before) = trie.get(key, len) else { return };
    match hops.take(before, gone) {
        Some(value) => trie.insert(key, len, value),
        None => trie.remove(key, len),
    };
}

impl Routes {
    /// Adds a route to the main table; of several to one prefix that with the lowest metric counts, of equals the first.
    ///
    /// # Errors
    /// If `len` is longer than an address.
    pub fn insert(
        &mut self,
        prefix: IpAddr,
        len: u8,
        route: Route,
        metric: u32,
    ) -> Result<(), PrefixTooLong> {
        self.add(&Entry { prefix, len, table: MAIN_TABLE, metric, route }, false)
    }

    /// Adds a route; with `replace` in the place of the first of the same prefix, table and metric (`NLM_F_REPLACE`).
    ///
    /// # Errors
    /// If the prefix is longer than an address.
    pub fn add(&mut self, entry: &Entry, replace: bool) -> Result<(), PrefixTooLong> {
        let Routes { hops, main, others, .. } = self;
        let tables = if entry.table == MAIN_TABLE { main } else { others.entry(entry.table).or_default() };
        match entry.prefix {
            IpAddr::V4(_) if entry.len > 32 => return Err(PrefixTooLong),
            IpAddr::V6(_) if entry.len > 128 => return Err(PrefixTooLong),
            IpAddr::V4(v4) => add(&mut tables.v4, hops, mask4(v4.into(), entry.len), entry, replace),
            IpAddr::V6(v6) => add(&mut tables.v6, hops, mask6(v6.into(), entry.len), entry, replace),
        }
        Ok(())
    }

    /// Forgets every route of the main table to exactly this prefix.
    pub fn remove(&mut self, prefix: IpAddr, len: u8) {
        self.take(MAIN_TABLE, prefix, len, |_, _| true);
    }

    /// Forgets the routes of a table to exactly this prefix of which `gone` is true, by metric and route.
    pub fn take(&mut self, table: u32, prefix: IpAddr, len: u8, gone: impl Fn(u32, &Route) -> bool) {
        let Routes { hops, main, others, .. } = self;
        let tables = if table == MAIN_TABLE { Some(main) } else { others.get_mut(&table) };
        let Some(tables) = tables else { return };
        match prefix {
            IpAddr::V4(v4) => {
                let len = len.min(32);
                take(&mut tables.v4, hops, (mask4(v4.into(), len), len), gone);
            }
            IpAddr::V6(v6) => {
                let len = len.min(128);
                take(&mut tables.v6, hops, (mask6(v6.into(), len), len), gone);
            }
        }
    }

    /// Forgets all routes, rules stay.
    pub fn clear(&mut self) {
        self.hops = Hops::default();
        self.main = Tables::default();
        self.others.clear();
    }

    /// How many prefixes all tables have.
    pub fn len(&self) -> usize {
        let others = self.others.values().map(|tables| tables.v4.len() + tables.v6.len());
        self.main.v4.len() + self.main.v6.len() + others.sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every route of the main table with its prefix, longest first, in no other order.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, u8, Route)> {
        let mut all: Vec<_> = self.entries().filter(|entry| entry.table == MAIN_TABLE).collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.len));
        // Of several to one prefix those that count.
        let mut last = None;
        all.retain(|entry| last.replace((entry.prefix, entry.len)) != Some((entry.prefix, entry.len)));
        all.into_iter().map(|entry| (entry.prefix, entry.len, entry.route))
    }

    /// Every route, those of one prefix together and best first, in no other order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let tables = self.others.iter().map(|(table, tables)| (*table, tables));
        tables.chain([(MAIN_TABLE, &self.main)]).flat_map(move |(table, tables)| {
            let v4 =
                tables.v4.all(0).into_iter().map(|(key, len, value)| (IpAddr::V4(key.into()), len, value));
            let v6 =
                tables.v6.all(0).into_iter().map(|(key, len, value)| (IpAddr::V6(key.into()), len, value));
            v4.chain(v6).flat_map(move |(prefix, len, value)| {
                let routes = self.hops.of(value);
                routes.map(move |(metric, route)| Entry { prefix, len, table, metric, route })
            })
        })
    }

    /// Rules of a family, by priority.
    pub fn rules(&self, v6: bool) -> Vec<Rule> {
        let rules = if v6 { &self.rules_v6 } else { &self.rules_v4 };
        rules.clone().unwrap_or_else(|| Rule::defaults(v6))
    }

    /// Sets the rules of a family, those for the table of own addresses included.
    pub fn set_rules(&mut self, v6: bool, mut rules: Vec<Rule>) {
        rules.sort_by_key(|rule| rule.priority);
        let rules = (rules != Rule::defaults(v6)).then_some(rules);
        *(if v6 { &mut self.rules_v6 } else { &mut self.rules_v4 }) = rules;
    }

    /// The route of the main and the default table with the longest prefix that `to` lies in, rules aside.
    fn plain(&self, to: IpAddr) -> Found {
        let found = |tables: &Tables| {
            let value = match to {
                IpAddr::V4(to) => tables.v4.find(to.into()),
                IpAddr::V6(to) => tables.v6.find(to.into()),
            };
            value.and_then(|(_, value)| self.hops.best(value)).filter(|route| route.kind != Kind::Throw)
        };
        let route = found(&self.main)
            .or_else(|| if self.others.is_empty() { None } else { found(self.others.get(&DEFAULT_TABLE)?) });
        judged(route)
    }

    /// The best route for a packet. `named` tells an interface's index by name.
    pub fn find(&self, lookup: &Lookup, named: impl Fn(&str) -> Option<IfIndex>) -> Found {
        let rules = if lookup.to.is_ipv6() { &self.rules_v6 } else { &self.rules_v4 };
        let Some(rules) = rules else {
            if !lookup.oif.is_some() {
                return self.plain(lookup.to);
            }
            let main = self.in_table(MAIN_TABLE, lookup, None);
            return judged(main.or_else(|| self.in_table(DEFAULT_TABLE, lookup, None)));
        };
        let mut from = 0;
        for rule in rules {
            if rule.priority < from || !rule.matches(lookup, &named) {
                continue;
            }
            let refused = match rule.action {
                // Own addresses are known to the host itself.
                Action::Table(LOCAL_TABLE) | Action::Nop => continue,
                Action::Table(table) => match self.in_table(table, lookup, rule.suppress) {
                    Some(route) => return judged(Some(route)),
                    None => continue,
                },
                Action::Goto(priority) => {
                    from = priority;
                    continue;
                }
                Action::Blackhole => Kind::Blackhole,
                Action::Unreachable => Kind::Unreachable,
                Action::Prohibit => Kind::Prohibit,
            };
            return Found::Refused(refused);
        }
        Found::Nothing
    }

    fn in_table(&self, table: u32, lookup: &Lookup, suppress: Option<u8>) -> Option<Route> {
        let tables = if table == MAIN_TABLE { &self.main } else { self.others.get(&table)? };
        let wanted = |len: u8, value: u32| {
            let fits = |route: &Route| !lookup.oif.is_some() || route.interface == lookup.oif;
            self.hops.of(value).map(|(_, route)| route).find(fits).map(|route| (len, route))
        };
        let (len, route) = match lookup.to {
            IpAddr::V4(to) => tables.v4.find_map(to.into(), wanted)?,
            IpAddr::V6(to) => tables.v6.find_map(to.into(), wanted)?,
        };
        let suppressed = suppress.is_some_and(|most| len <= most) || route.kind == Kind::Throw;
        (!suppressed).then_some(route)
    }
}

fn judged(route: Option<Route>) -> Found {
    match route {
        None => Found::Nothing,
        Some(route) if route.kind == Kind::Unicast => Found::Route(route),
        Some(route) => Found::Refused(route.kind),
    }
}

fn mask4(address: u32, len: u8) -> u32 {
    address & u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

fn mask6(address: u128, len: u8) -> u128 {
    address & u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(interface: u32) -> Route {
        Route::by(IfIndex(interface), None)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn named(name: &str) -> Option<IfIndex> {
        name.strip_prefix("eth").and_then(|number| number.parse().ok()).map(IfIndex)
    }

    fn find(routes: &Routes, to: &str) -> Option<u32> {
        routes.find(&Lookup::to(ip(to)), named).route().map(|route| route.interface.0)
    }

    #[test]
    fn the_longest_prefix_and_then_the_lowest_metric_wins() {
        let mut routes = Routes::default();
        for (prefix, len, to, metric) in [
            ("0.0.0.0", 0, 1, 0),
            ("10.0.0.0", 8, 2, 5),
            ("10.9.9.9", 8, 3, 4),
            ("10.1.0.0", 16, 4, 9),
            ("::", 0, 5, 0),
            ("2001:db8::", 32, 6, 0),
            ("2001:db8::1", 128, 7, 0),
        ] {
            routes.insert(ip(prefix), len, route(to), metric).expect("prefix length");
        }
        for (to, expected) in [
            ("8.8.8.8", 1),
            ("10.2.0.1", 3),
            ("10.1.2.3", 4),
            ("fe80::1", 5),
            ("2001:db8::2", 6),
            ("2001:db8::1", 7),
        ] {
            assert_eq!(find(&routes, to), Some(expected), "{to}");
        }
        assert_eq!(routes.insert(ip("1.2.3.4"), 33, route(1), 0), Err(PrefixTooLong));
        assert_eq!(routes.iter().count(), 6);
        // The better of two goes: the other counts.
        routes.take(MAIN_TABLE, ip("10.0.0.0"), 8, |metric, _| metric == 4);
        assert_eq!(find(&routes, "10.2.0.1"), Some(2));
        routes.remove(ip("10.0.0.0"), 8);
        assert_eq!(find(&routes, "10.2.0.1"), Some(1));
        assert_eq!(routes.len(), 5);
    }

    #[test]
    fn a_route_takes_anothers_place_only_if_it_is_to_replace_it() {
        let mut routes = Routes::default();
        let entry =
            |to| Entry { prefix: ip("10.0.0.0"), len: 8, table: MAIN_TABLE, metric: 7, route: route(to) };
        for (to, replace, expected) in [(1, false, 1), (2, false, 1), (3, true, 2), (2, true, 2)] {
            routes.add(&entry(to), replace).unwrap();
            assert_eq!(find(&routes, "10.0.0.1"), Some(expected), "{to}");
        }
        routes.take(MAIN_TABLE, ip("10.0.0.0"), 8, |_, one| one.interface == IfIndex(2));
        routes.take(MAIN_TABLE, ip("10.0.0.0"), 8, |_, one| one.interface == IfIndex(3));
        assert!(routes.is_empty() && routes.hops.numbers.is_empty(), "{routes:?}");
    }

    /// The order and the actions of `ip-rule(8)`.
    #[test]
    fn rules_choose_the_table() {
        let mut routes = Routes::default();
        routes.insert(ip("0.0.0.0"), 0, route(1), 0).unwrap();
        routes.insert(ip("10.0.0.0"), 8, route(2), 0).unwrap();
        for (table, prefix, len, to) in
            [(100, "0.0.0.0", 0, 3), (101, "192.0.2.0", 24, 4), (101, "192.0.2.128", 25, 0)]
        {
            let kind = if to == 0 { Kind::Throw } else { Kind::Unicast };
            let route = Route { kind, ..route(to) };
            routes.add(&Entry { prefix: ip(prefix), len, table, metric: 0, route }, false).unwrap();
        }
        let mut rules = Rule::defaults(false);
        rules.push(Rule { mark: Some((1, 0xff)), ..Rule::new(100, Action::Table(100)) });
        rules.push(Rule { from: Some((ip("10.1.0.0"), 16)), ..Rule::new(200, Action::Table(101)) });
        rules.push(Rule { iif: Some("eth9".into()), ..Rule::new(300, Action::Prohibit) });
        rules.push(Rule { to: Some((ip("198.51.100.0"), 24)), ..Rule::new(400, Action::Goto(32767)) });
        rules.push(Rule { suppress: Some(0), ..Rule::new(500, Action::Table(MAIN_TABLE)) });
        rules.push(Rule { mark: Some((2, 2)), invert: true, ..Rule::new(600, Action::Unreachable) });
        routes.set_rules(false, rules);
        let base = Lookup { mark: 2, ..Lookup::to(ip("192.0.2.1")) };
        let cases = [
            ("mark", Lookup { mark: 0x301, ..base }, Found::Route(route(3))),
            ("from", Lookup { from: Some(ip("10.1.2.3")), ..base }, Found::Route(route(4))),
            (
                "throw",
                Lookup { from: Some(ip("10.1.2.3")), to: ip("192.0.2.200"), ..base },
                Found::Route(route(1)),
            ),
            ("iif", Lookup { iif: IfIndex(9), ..base }, Found::Refused(Kind::Prohibit)),
            ("goto", Lookup { to: ip("198.51.100.1"), ..base }, Found::Nothing),
            ("a default route is suppressed", base, Found::Route(route(1))),
            ("not", Lookup { mark: 0, ..base }, Found::Refused(Kind::Unreachable)),
            (
                "others are not suppressed",
                Lookup { mark: 0, to: ip("10.0.0.1"), ..base },
                Found::Route(route(2)),
            ),
        ];
        for (what, lookup, expected) in cases {
            assert_eq!(routes.find(&lookup, named), expected, "{what}");
        }
    }

    #[test]
    fn a_look_up_out_of_one_interface_passes_over_routes_of_others() {
        let mut routes = Routes::default();
        routes.insert(ip("fe80::"), 64, route(1), 256).unwrap();
        routes.insert(ip("fe80::"), 64, route(2), 256).unwrap();
        routes.insert(ip("::"), 0, route(3), 1024).unwrap();
        for oif in 1..=3 {
            let lookup = Lookup { oif: IfIndex(oif), ..Lookup::to(ip("fe80::1")) };
            assert_eq!(routes.find(&lookup, named), Found::Route(route(oif)));
        }
    }
}
