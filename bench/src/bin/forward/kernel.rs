//! The kernel's router.

use std::time::Duration;

use ironweir_io::namespace::NetworkNamespace;

use crate::frames::{Shape, Source};
use crate::veth::{self, Pair, received};
use crate::{Inside, Result};

/// Of 10k flows between a1 and b0, with rules.
pub struct Kernel {
    namespace: NetworkNamespace,
    base: Source,
    source: Source,
}

impl Kernel {
    pub fn new(rules: &str, shape: Shape) -> Result<Kernel> {
        let namespace = NetworkNamespace::new()?;
        let sources = namespace.with(|| {
            let (a, b) = (Pair::new("a0", "a1")?, Pair::new("b0", "b1")?);
            veth::ip("link set a1 address 02:00:00:00:00:01")?;
            veth::ip("addr add 10.1.0.1/16 dev a1")?;
            veth::ip("addr add 10.2.0.1/16 dev b0")?;
            veth::ip("route add 10.100.0.0/14 via 10.1.0.2")?;
            veth::ip("neigh replace 10.1.0.2 lladdr 02:00:00:00:00:09 dev a1 nud permanent")?;
            // Who gets the packets is somebody else: they are dropped where they arrive.
            veth::ip("neigh replace 10.2.0.2 lladdr 02:00:00:00:00:ee dev b0 nud permanent")?;
            for (name, value) in
                [("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/a1/rp_filter", "0")]
            {
                std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)?;
            }
            veth::nft(rules)?;
            // A card has looked at checksums before the kernel does. There is none to ask as long as nothing is tracked.
            let _ = std::fs::write("/proc/sys/net/netfilter/nf_conntrack_checksum", "0");
            let _ = b;
            let base = Source::passing(a.there, [2, 0, 0, 0, 0, 0xee], 10_000, 1, shape)?;
            Ok((base, Source::passing(a.there, [2, 0, 0, 0, 0, 1], 10_000, 1, shape)?))
        })?;
        let (base, source) = sources;
        Ok(Kernel { namespace, base, source })
    }

    pub fn round(&self, time: Duration) -> Result<f64> {
        let (base, whole, arrived) = self.namespace.with(|| {
            let base = self.base.send(time)?;
            let before = received("b1")?;
            let whole = self.source.send(time)?;
            Ok((base, whole, received("b1")? - before))
        })?;
        Ok((whole.nanos - base.cost() * whole.packets as f64) / arrived.max(1) as f64)
    }
}
