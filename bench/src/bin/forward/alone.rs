//! Programs in XDP without a daemon: a redirect, and the flowtable that an engine has filled.

use std::time::Duration;

use ironweir_io::bpf::{Link, Mapped, Mode};
use ironweir_io::namespace::NetworkNamespace;

use crate::flows::{self, Flowtable};
use crate::frames::{self, SHORT, Source, dropping, redirecting};
use crate::veth::Pair;
use crate::{Inside, Result};

/// Source, drop at a1.
struct Base {
    source: Source,
    _pair: Pair,
    _drop: Link,
}

impl Base {
    pub fn new(flows: u32, burst: u32) -> Result<Base> {
        let pair = Pair::new("z0", "z1")?;
        let (drop, _) = dropping()?;
        let drop = Link::attach(&drop, pair.there, Mode::Native)?;
        Ok(Base {
            source: Source::redirecting(pair.here, [2, 0, 0, 0, 0, 1], flows, burst, SHORT)?,
            _pair: pair,
            _drop: drop,
        })
    }
}

/// A redirect without a look at the packet.
pub struct Bare {
    namespace: NetworkNamespace,
    base: Base,
    source: Source,
    _links: [Link; 2],
}

impl Bare {
    pub fn new() -> Result<Bare> {
        let namespace = NetworkNamespace::new()?;
        namespace
            .with(|| {
                let (a, b) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?);
                let (drain, _) = dropping()?;
                let drain = Link::attach(&drain, b.there, Mode::Native)?;
                let router = Link::attach(&redirecting(b.here)?, a.there, Mode::Native)?;
                let source = Source::redirecting(a.here, [2, 0, 0, 0, 0, 1], 10_000, 1, SHORT)?;
                Ok((Base::new(10_000, 1)?, source, [drain, router]))
            })
            .map(|(base, source, _links)| Bare { namespace, base, source, _links })
    }

    pub fn round(&self, time: Duration) -> Result<f64> {
        self.namespace.with(|| {
            let base = self.base.source.send(time)?;
            let whole = self.source.send(time)?;
            Ok(whole.cost() - base.cost())
        })
    }
}

/// The flowtable.
pub struct Carried {
    namespace: NetworkNamespace,
    base: Base,
    source: Source,
    flowtable: Flowtable,
    drained: Mapped,
    _drain: Link,
}

impl Carried {
    pub fn new(flows: u32, burst: u32) -> Result<Carried> {
        let namespace = NetworkNamespace::new()?;
        let made = namespace.with(|| {
            let (a, b) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?);
            let (drain, drained) = dropping()?;
            let drain = Link::attach(&drain, b.there, Mode::Native)?;
            let flowtable = Flowtable::new(a.there, b.here, flows)?;
            let source = Source::redirecting(a.here, flows::ROUTER, flows, burst, SHORT)?;
            Ok((Base::new(flows, burst)?, source, flowtable, drained, drain))
        })?;
        let (base, source, flowtable, drained, _drain) = made;
        Ok(Carried { namespace, base, source, flowtable, drained, _drain })
    }

    pub fn round(&self, time: Duration) -> Result<f64> {
        let base = self.namespace.with(|| self.base.source.send(time))?;
        let before = frames::count(&self.drained);
        let whole = self.namespace.with(|| self.source.send(time))?;
        let arrived = frames::count(&self.drained) - before;
        if arrived * 1000 < whole.packets * 950u64.saturating_sub(self.flowtable.missing_permille()) {
            return Err(format!("{arrived} of {} packets arrived", whole.packets).into());
        }
        Ok(whole.cost() - base.cost())
    }
}
