//! What the daemon may do once all is open: nothing that it does not need any more (`capabilities(7)`).
//!
//! Interfaces, sockets, programs of XDP and files are opened at the start; forwarding takes no privilege. So capabilities
//! go, and with `no_new_privs` none comes back. What stays is for a running daemon's system calls alone:
//!
//! | stays | where |
//! |---|---|
//! | `CAP_BPF` | with `xdp_flowtable`: before Linux 5.19 a map's entries could not be written without |
//! | `CAP_DAC_OVERRIDE` | with a `[[port]]` that connects to another's unix socket, where it was there |
//!
//! Files of another owner that only root may read are closed to a reload after that.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::config::Config;
use super::port_config::{End, PortKind};

/// What stays, of what is there.
fn needed(config: &Config) -> CapabilitySet {
    let mut needed = CapabilitySet::empty();
    if config.xdp_flows.is_some() {
        needed |= CapabilitySet::BPF;
    }
    let connects = config.ports.iter().any(|port| {
        matches!(port.kind, PortKind::Stream { end: End::Connects, .. } | PortKind::Datagram { .. })
    });
    if connects {
        needed |= CapabilitySet::DAC_OVERRIDE;
    }
    needed
}

/// Gives up what is not needed, for this thread and those that it starts.
///
/// # Errors
/// The system does not let it be given up.
pub(super) fn give_up(config: &Config) -> io::Result<()> {
    set_no_new_privs(true)?;
    let held = capabilities(None)?;
    let stays = needed(config) & held.permitted;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..CapabilitySet::CHECKPOINT_RESTORE.bits().trailing_zeros() + 1 {
            // An older kernel does not know all of them.
            let _ = remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit));
        }
    }
    // Before Linux 4.3 there is none.
    let _ = clear_ambient_capability_set();
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: stays, permitted: stays, inheritable })?;
    Ok(())
}
