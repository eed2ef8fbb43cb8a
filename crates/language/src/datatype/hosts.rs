//! Names of hosts, which only a resolver knows.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{SymbolError, Type};

/// What turns names of hosts into addresses and back, as getaddrinfo(3) and getnameinfo(3) do.
pub trait Hosts: Send + Sync {
    /// The addresses of a host, of both families; the resolver's words where it has none.
    ///
    /// # Errors
    /// What `gai_strerror` says.
    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String>;

    /// The name of the host with an address.
    fn name(&self, address: IpAddr) -> Option<String>;
}

/// The resolver that is asked for names of hosts: none, if what a text means must not depend on a name server.
#[derive(Clone, Default)]
pub struct Resolver(Option<Arc<dyn Hosts>>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Resolver" } else { "no resolver" })
    }
}

impl Resolver {
    /// Names are asked of `hosts`.
    pub fn new(hosts: impl Hosts + 'static) -> Resolver {
        Resolver(Some(Arc::new(hosts)))
    }

    /// Whether anybody is asked.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The one address that a host has in the family of `t`, as nft wants it (`ipaddr_type_parse`).
    ///
    /// # Errors
    /// [`SymbolError::Host`] where nobody is asked or the word cannot be a name; the resolver's words, or that there
    /// is more than one address.
    pub(crate) fn address(&self, t: Type, name: &str) -> Result<u128, SymbolError> {
        let Some(hosts) = self.0.as_ref().filter(|_| may_be_a_host(name)) else {
            return Err(SymbolError::Host);
        };
        let mut found: Vec<u128> = hosts
            .addresses(name)
            .map_err(SymbolError::Unresolved)?
            .into_iter()
            .filter_map(|address| match (t, address) {
                (Type::Ipv4Addr, IpAddr::V4(address)) => Some(address.to_bits().into()),
                (Type::Ipv6Addr, IpAddr::V6(address)) => Some(address.to_bits()),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        match found[..] {
            [] => Err(SymbolError::Unresolved("No address associated with hostname".into())),
            [address] => Ok(address),
            _ => Err(SymbolError::ManyAddresses),
        }
    }

    /// The name of the host with an address of type `t`.
    pub(crate) fn name(&self, t: Type, address: u128) -> Option<String> {
        let address = match t {
            Type::Ipv4Addr => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(address).ok()?)),
            Type::Ipv6Addr => IpAddr::V6(Ipv6Addr::from_bits(address)),
            _ => return None,
        };
        // What the answer of a name server brings must not end the word that it stands in.
        self.0.as_ref()?.name(address).filter(|name| may_be_a_host(name))
    }
}

/// Whether a word has the letters and the length of a host's name (RFC 1123, and underscores, which occur), and is no
/// address with a mistake in it: nobody is asked about those.
fn may_be_a_host(word: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (1..=253).contains(&word.len())
        && word.chars().all(letters)
        && word.contains(|c: char| c.is_ascii_alphabetic())
        && !word.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datatype::{Datum, Names, PrintOptions, parse_symbol, print_datum};

    struct Table;

    impl Hosts for Table {
        fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
            match name {
                "one.example" => Ok(vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]),
                "two.example" => Ok(vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()]),
                "twice.example" => Ok(vec!["192.0.2.1".parse().unwrap(); 2]),
                "nobody.example" => Err("Name or service not known".into()),
                other => panic!("asked about {other}"),
            }
        }

        fn name(&self, address: IpAddr) -> Option<String> {
            match address.to_string().as_str() {
                "192.0.2.1" => Some("one.example".into()),
                "192.0.2.66" => Some("x accept; drop".into()),
                _ => None,
            }
        }
    }

    fn names() -> Names {
        Names { hosts: Resolver::new(Table), ..Names::default() }
    }

    #[test]
    fn a_host_stands_for_its_only_address_of_the_family() {
        let parse = |t, text| parse_symbol(t, text, &names());
        assert_eq!(parse(Type::Ipv4Addr, "one.example"), Ok(Datum::Number(0xc000_0201)));
        assert_eq!(parse(Type::Ipv4Addr, "twice.example"), Ok(Datum::Number(0xc000_0201)));
        assert_eq!(
            parse(Type::Ipv6Addr, "one.example"),
            Ok(Datum::Number(0x2001_0db8_0000_0000_0000_0000_0000_0001))
        );
        assert_eq!(parse(Type::Ipv4Addr, "two.example"), Err(SymbolError::ManyAddresses));
        assert_eq!(
            parse(Type::Ipv6Addr, "two.example"),
            Err(SymbolError::Unresolved("No address associated with hostname".into()))
        );
        assert_eq!(
            parse(Type::Ipv4Addr, "nobody.example"),
            Err(SymbolError::Unresolved("Name or service not known".into()))
        );
    }

    #[test]
    fn nobody_is_asked_about_mistyped_addresses() {
        for word in ["192.0.2.256", "1.2.3.4.5", "2001:db8:::1", "-x", "a b", ""] {
            assert_eq!(parse_symbol(Type::Ipv4Addr, word, &names()), Err(SymbolError::Host), "{word}");
        }
    }

    #[test]
    fn addresses_are_listed_by_name_where_that_is_asked_for_and_harmless() {
        let print = |address: u128, options: &PrintOptions| {
            print_datum(Type::Ipv4Addr, &Datum::Number(address), 32, false, &names(), options)
        };
        let asked = PrintOptions { reversedns: true, ..PrintOptions::default() };
        assert_eq!(print(0xc000_0201, &asked), "one.example");
        assert_eq!(print(0xc000_0201, &PrintOptions::default()), "192.0.2.1");
        assert_eq!(print(0xc000_0202, &asked), "192.0.2.2");
        assert_eq!(print(0xc000_0242, &asked), "192.0.2.66");
        // As nft does, in JSON, too
        assert_eq!(print(0xc000_0201, &PrintOptions { json: true, ..asked }), "one.example");
    }
}
