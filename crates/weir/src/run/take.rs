//! Ports that are opened, and interfaces that are taken from the kernel.
//!
//! A packet socket hears what comes in before the kernel's own stack does, and cannot keep it from there. So a chain at
//! the interfaces' ingress hook drops everything behind us: in a table that belongs to our netlink socket
//! (`NFT_TABLE_F_OWNER`), which the kernel removes when this process ends, however it ends.

use ironweir_client::kernel::{CommitError, Kernel};
use ironweir_engine::Host;
use ironweir_io::NetlinkError;
use ironweir_io::port::Port;
use ironweir_ruleset::{
    BaseChain, Batch, Chain, ChainType, Change, Creation, Family, Hook, Policy, Priority, Table, TableFlags,
    TableId, Userdata,
};
use ironweir_wire::IfIndex;

use super::open_port;
use super::port_config::{PortConfig, PortKind};

/// Why an interface cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    /// The host file does not have it.
    #[error("port {0} is no interface of the host file")]
    Unknown(String),
    /// The host file does not say its Ethernet address.
    #[error("port {0}: the host file must say its mac")]
    NoAddress(String),
    /// The system does not have it, or does not let us.
    #[error("port {name}: {error}")]
    Open {
        /// Its name.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// The kernel cannot be spoken to.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The kernel does not let go.
    #[error("the kernel cannot be kept from the interfaces: {0}")]
    Kernel(#[from] CommitError),
}

/// Interfaces that are ours as long as this lives.
pub(super) struct Taken {
    pub(super) ports: Vec<(IfIndex, Box<dyn Port>)>,
    /// Its end gives them back.
    pub(super) _kernel: Option<Kernel>,
}

/// Opens ports, and takes their interfaces.
pub(super) fn take(host: &Host, configured: &[PortConfig]) -> Result<Taken, TakeError> {
    let mut ports: Vec<(IfIndex, Box<dyn Port>)> = Vec::new();
    for config in configured {
        let name = &config.name;
        let interface = host.interface_by_name(name).ok_or_else(|| TakeError::Unknown(name.clone()))?;
        // A TUN device has none.
        if interface.mac == [0; 6] && !matches!(config.kind, PortKind::Tun { .. }) {
            return Err(TakeError::NoAddress(name.clone()));
        }
        let port = open_port::open(config, interface.mac)
            .map_err(|error| TakeError::Open { name: name.clone(), error })?;
        ports.push((interface.index, port));
    }
    let names: Vec<&str> = configured.iter().filter_map(|port| port.kind.taken()).collect();
    if names.is_empty() {
        return Ok(Taken { ports, _kernel: None });
    }
    let mut kernel = Kernel::open()?;
    kernel.commit(&closed(&names))?;
    Ok(Taken { ports, _kernel: Some(kernel) })
}

/// A chain that drops whatever comes in.
fn closed(names: &[&str]) -> Batch {
    let id = TableId::new(Family::Netdev, format!("weir-{}", std::process::id()));
    let table = Table {
        id: id.clone(),
        flags: TableFlags::OWNER,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    let base = BaseChain {
        kind: ChainType::Filter,
        hook: Hook::Ingress,
        // Before all others: none of them shall see what the kernel does not get.
        priority: Priority(i32::MIN + 1),
        devices: names.iter().map(|name| (*name).into()).collect(),
        policy: Some(Policy::Drop),
        hw_offload: false,
    };
    let chain = Chain {
        name: "taken".into(),
        base: Some(base),
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Batch {
        changes: vec![
            Change::NewTable { table, creation: Creation::Create },
            Change::NewChain { table: id, chain, creation: Creation::Create },
        ],
    }
}
