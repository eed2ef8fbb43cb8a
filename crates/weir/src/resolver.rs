//! Names of hosts, asked of this machine's resolver as nft does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use dns_lookup::{LookupError, LookupErrorKind};
use ironweir_language::datatype::{Hosts, Resolver};

/// Names whose answers are kept.
const KEPT: usize = 10_000;

/// The machine's resolver. Nobody is asked twice about one name, and nobody once no name server has answered in time
/// (`EAI_AGAIN`): a file of a thousand names would take hours.
pub fn resolver() -> Resolver {
    Resolver::new(Remembering { asks: Machine, known: Mutex::default() })
}

/// Who answers: names stand for addresses.
trait Asks: Send + Sync {
    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure>;
    fn name(&self, address: IpAddr) -> Result<String, Failure>;
}

#[derive(Clone)]
struct Failure {
    text: String,
    /// Nobody answered.
    silence: bool,
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Failure {
        let silence = matches!(error.kind(), LookupErrorKind::Again);
        // Behind what the library says, as gai_strerror(3) has it.
        let text = error.to_string();
        Failure { text: text.rsplit(": ").next().unwrap_or(&text).to_owned(), silence }
    }
}

struct Machine;

impl Asks for Machine {
    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        Ok(dns_lookup::lookup_host(name)?.collect())
    }

    fn name(&self, address: IpAddr) -> Result<String, Failure> {
        Ok(dns_lookup::lookup_addr(&address)?)
    }
}

struct Remembering<A> {
    asks: A,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    addresses: BTreeMap<String, Result<Vec<IpAddr>, String>>,
    names: BTreeMap<IpAddr, Option<String>>,
    /// What was said when nobody answered.
    silent: Option<String>,
}

impl<A: Asks> Hosts for Remembering<A> {
    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.addresses.get(name) {
            return answer.clone();
        }
        if let Some(text) = &known.silent {
            return Err(text.clone());
        }
        let answer = self.asks.addresses(name).map_err(|failure| known.failed(failure));
        if known.addresses.len() < KEPT {
            known.addresses.insert(name.to_owned(), answer.clone());
        }
        answer
    }

    fn name(&self, address: IpAddr) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.names.get(&address) {
            return answer.clone();
        }
        if known.silent.is_some() {
            return None;
        }
        let answer = self.asks.name(address).map_err(|failure| known.failed(failure)).ok();
        if known.names.len() < KEPT {
            known.names.insert(address, answer.clone());
        }
        answer
    }
}

impl Known {
    fn failed(&mut self, failure: Failure) -> String {
        if failure.silence {
            self.silent = Some(failure.text.clone());
        }
        failure.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Asks for Counted {
        fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match name {
                "one" => Ok(vec![[192, 0, 2, 1].into()]),
                "none" => Err(Failure { text: "Name or service not known".into(), silence: false }),
                _ => Err(Failure { text: "Temporary failure in name resolution".into(), silence: true }),
            }
        }

        fn name(&self, _: IpAddr) -> Result<String, Failure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(Failure { text: String::new(), silence: false })
        }
    }

    #[test]
    fn nobody_is_asked_twice_nor_after_a_silence() {
        let hosts = Remembering { asks: Counted::default(), known: Mutex::default() };
        let asked = || hosts.asks.0.load(Ordering::Relaxed);
        for _ in 0..3 {
            assert_eq!(hosts.addresses("one"), Ok(vec![[192, 0, 2, 1].into()]));
            assert_eq!(hosts.addresses("none"), Err("Name or service not known".into()));
            assert_eq!(hosts.name([192, 0, 2, 1].into()), None);
        }
        assert_eq!(asked(), 3);
        for name in ["far", "farther", "farthest"] {
            assert_eq!(hosts.addresses(name), Err("Temporary failure in name resolution".into()));
        }
        assert_eq!(hosts.name([192, 0, 2, 2].into()), None);
        assert_eq!(asked(), 4);
        // What is known stays so.
        assert_eq!(hosts.addresses("one"), Ok(vec![[192, 0, 2, 1].into()]));
    }
}
