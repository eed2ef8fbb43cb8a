//! Routes: longest prefix wins.

use std::net::IpAddr;

use hashbrown::HashMap;
use ironweir_wire::IfIndex;

/// Where packets to a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Out of this interface.
    pub interface: IfIndex,
    /// To this router; `None` when the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// Which address the host's own packets take.
    pub source: Option<IpAddr>,
}

/// A prefix is longer than an address of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix too long")]
pub struct PrefixTooLong;

/// The routes of one host: a table for each prefix length that occurs, longest first. A real host has few lengths, so a
/// look-up is a few hash look-ups.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    v4: Family<u32>,
    v6: Family<u128>,
}

#[derive(Clone, Debug, Default)]
struct Family<N> {
    /// Prefix lengths, descending, each with its routes.
    lengths: Vec<(u8, ByPrefix<N>)>,
}

/// Routes by prefix, with their metric.
type ByPrefix<N> = HashMap<N, (u32, Route)>;

impl<N: std::hash::Hash + Eq> Family<N> {
    fn insert(&mut self, len: u8, prefix: N, route: Route, metric: u32) {
        let at = self.lengths.partition_point(|(other, _)| *other > len);
        if self.lengths.get(at).is_none_or(|(other, _)| *other != len) {
            self.lengths.insert(at, (len, HashMap::new()));
        }
        let slot = self.lengths[at].1.entry(prefix).or_insert((metric, route));
        if metric < slot.0 {
            *slot = (metric, route);
        }
    }

    fn remove(&mut self, len: u8, prefix: &N) {
        if let Some((_, routes)) = self.lengths.iter_mut().find(|(other, _)| *other == len) {
            routes.remove(prefix);
        }
    }

    fn find(&self, masked: impl Fn(u8) -> N) -> Option<Route> {
        self.lengths.iter().find_map(|(len, routes)| routes.get(&masked(*len)).map(|(_, route)| *route))
    }
}

impl Routes {
    /// Adds a route; of several to one prefix that with the lowest metric counts, of equals the first.
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
        match prefix {
            IpAddr::V4(_) if len > 32 => return Err(PrefixTooLong),
            IpAddr::V6(_) if len > 128 => return Err(PrefixTooLong),
            IpAddr::V4(prefix) => self.v4.insert(len, mask4(prefix.into(), len), route, metric),
            IpAddr::V6(prefix) => self.v6.insert(len, mask6(prefix.into(), len), route, metric),
        }
        Ok(())
    }

    /// Forgets the route to exactly this prefix.
    pub fn remove(&mut self, prefix: IpAddr, len: u8) {
        match prefix {
            IpAddr::V4(prefix) => self.v4.remove(len, &mask4(prefix.into(), len.min(32))),
            IpAddr::V6(prefix) => self.v6.remove(len, &mask6(prefix.into(), len.min(128))),
        }
    }

    /// Every route with its prefix, longest first, in no other order.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, u8, Route)> {
        let v4 = self.v4.lengths.iter().flat_map(|(len, routes)| {
            routes.iter().map(|(prefix, (_, route))| (IpAddr::V4((*prefix).into()), *len, *route))
        });
        let v6 = self.v6.lengths.iter().flat_map(|(len, routes)| {
            routes.iter().map(|(prefix, (_, route))| (IpAddr::V6((*prefix).into()), *len, *route))
        });
        v4.chain(v6)
    }

    /// The route with the longest prefix that `to` lies in.
    pub fn find(&self, to: IpAddr) -> Option<Route> {
        match to {
            IpAddr::V4(to) => self.v4.find(|len| mask4(to.into(), len)),
            IpAddr::V6(to) => self.v6.find(|len| mask6(to.into(), len)),
        }
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
        Route { interface: IfIndex(interface), gateway: None, source: None }
    }

    #[test]
    fn the_longest_prefix_and_then_the_lowest_metric_wins() {
        let mut routes = Routes::default();
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
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
            assert_eq!(routes.find(ip(to)), Some(route(expected)), "{to}");
        }
        assert_eq!(routes.insert(ip("1.2.3.4"), 33, route(1), 0), Err(PrefixTooLong));
    }
}
