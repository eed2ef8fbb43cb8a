//! Ports that are opened, and interfaces that are taken from the kernel.
//!
//! A packet socket hears what comes in before the kernel's own stack does, and cannot keep it from there. So a chain at
//! the interfaces' ingress hook drops everything behind us: in a table that belongs to our netlink socket
//! (`NFT_TABLE_F_OWNER`), which the kernel removes when this process ends, however it ends.

use ironweir_client::kernel::{CommitError, Kernel};
use ironweir_engine::Host;
use ironweir_io::NetlinkError;
use ironweir_io::links::{index_of, links};
use ironweir_io::port::{HostPort, Port};
use ironweir_router::xdp::XdpInterface;
use ironweir_ruleset::{
    BaseChain, Batch, Chain, ChainType, Change, Creation, Family, Hook, Policy, Priority, Table, TableFlags,
    TableId, Userdata,
};
use ironweir_wire::IfIndex;

use super::host_link;
use super::open_port;
use super::port_config::{PortConfig, PortKind};
use super::port_wrappers::Wrappers;

/// Why an interface cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    /// The host file does not have it.
    #[error("port {0} is no interface of the host")]
    Unknown(String),
    /// The host file does not say its Ethernet address.
    #[error("port {0}: it has no Ethernet address, or the host file does not say it")]
    NoAddress(String),
    /// The system does not have it, or does not let us.
    #[error("port {name}: {error}")]
    Open {
        /// Its name.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// The device for this machine's own packets cannot be made.
    #[error("device {name}: {error}")]
    Device {
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
    /// The way to this machine's kernel.
    pub(super) own: Option<HostPort>,
    /// Those at whose driver a program can be.
    pub(super) xdp: Vec<XdpInterface>,
    /// Its end gives them back.
    pub(super) _kernel: Option<Kernel>,
}

/// Opens ports, and takes their interfaces.
///
/// With a name for a device, this machine's own packets come and go by a device of that name.
pub(super) fn take(host: &Host, configured: &[PortConfig], device: Option<&str>) -> Result<Taken, TakeError> {
    let mut ports: Vec<(IfIndex, Box<dyn Port>)> = Vec::new();
    let mut xdp = Vec::new();
    for config in configured {
        let name = &config.name;
        let interface = host.interface_by_name(name).ok_or_else(|| TakeError::Unknown(name.clone()))?;
        // A TUN device has none.
        if interface.mac == [0; 6] && !matches!(config.kind, PortKind::Tun { .. }) {
            return Err(TakeError::NoAddress(name.clone()));
        }
        let failed = |error| TakeError::Open { name: name.clone(), error };
        let (port, held) = open_port::open(config, interface.mac).map_err(failed)?;
        // What records, loses or holds back frames must see them.
        if let Some(device) = config.kind.taken().filter(|_| config.wrappers == Wrappers::default()) {
            let device = index_of(device).map_err(failed)?;
            xdp.push(XdpInterface { interface: interface.index, device, port: held });
        }
        ports.push((interface.index, port));
    }
    let names: Vec<&str> = configured.iter().filter_map(|port| port.kind.taken()).collect();
    if names.is_empty() {
        return Ok(Taken { ports, own: None, xdp, _kernel: None });
    }
    let mut kernel = Kernel::open()?;
    let failed = |error| TakeError::Device { name: device.unwrap_or_default().to_owned(), error };
    let own = device.map(HostPort::open).transpose().map_err(failed)?;
    let index = match device {
        Some(device) => {
            let links = links().map_err(failed)?;
            links.into_iter().find(|(_, name)| name == device).map(|(index, _)| index)
        }
        None => None,
    };
    kernel.commit(&closed(&names, index))?;
    Ok(Taken { ports, own, xdp, _kernel: Some(kernel) })
}

/// A chain that drops whatever comes in; with a device for this machine's own packets, what turns them there.
fn closed(names: &[&str], device: Option<u32>) -> Batch {
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
    let mut changes = vec![
        Change::NewTable { table, creation: Creation::Create },
        Change::NewChain { table: id.clone(), chain, creation: Creation::Create },
    ];
    if let Some(device) = device {
        changes.extend(host_link::answers_pass(&id, "taken"));
        changes.extend(host_link::turned(&id, names, device));
    }
    Batch { changes }
}
