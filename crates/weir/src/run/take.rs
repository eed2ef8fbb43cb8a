//! Interfaces that are taken from the kernel.
//!
//! A packet socket hears what comes in before the kernel's own stack does, and cannot keep it from there. So a chain at
//! the interfaces' ingress hook drops everything behind us: in a table that belongs to our netlink socket
//! (`NFT_TABLE_F_OWNER`), which the kernel removes when this process ends, however it ends.

use ironweir_client::kernel::{CommitError, Kernel};
use ironweir_engine::Host;
use ironweir_io::NetlinkError;
use ironweir_io::port::{PacketPort, Port};
use ironweir_ruleset::{
    BaseChain, Batch, Chain, ChainType, Change, Creation, Family, Hook, Policy, Priority, Table, TableFlags,
    TableId, Userdata,
};
use ironweir_wire::IfIndex;

/// Why an interface cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    /// The host file does not have it.
    #[error("interface {0} is not in the host file")]
    Unknown(String),
    /// The host file does not say its Ethernet address.
    #[error("interface {0}: the host file must say its mac")]
    NoAddress(String),
    /// No packet socket.
    #[error("interface {name}: {error}")]
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

/// Takes interfaces.
pub(super) fn take(host: &Host, names: &[String]) -> Result<Taken, TakeError> {
    let mut ports: Vec<(IfIndex, Box<dyn Port>)> = Vec::new();
    for name in names {
        let interface = host.interface_by_name(name).ok_or_else(|| TakeError::Unknown(name.clone()))?;
        if interface.mac == [0; 6] {
            return Err(TakeError::NoAddress(name.clone()));
        }
        let port = PacketPort::open(name).map_err(|error| TakeError::Open { name: name.clone(), error })?;
        ports.push((interface.index, Box::new(port)));
    }
    if names.is_empty() {
        return Ok(Taken { ports, _kernel: None });
    }
    let mut kernel = Kernel::open()?;
    kernel.commit(&closed(names))?;
    Ok(Taken { ports, _kernel: Some(kernel) })
}

/// A chain that drops whatever comes in.
fn closed(names: &[String]) -> Batch {
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
        devices: names.iter().map(|name| name.as_str().into()).collect(),
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
