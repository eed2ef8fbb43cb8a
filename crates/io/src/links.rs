//! Network interfaces of the namespace that this process is in, by name and index.
//!
//! `/sys/class/net` shows those of the namespace it was mounted in, which need not be this one; `/proc/self/net/dev`
//! (`net/core/net-procfs.c`) shows the right ones, and `SIOCGIFINDEX` tells their numbers.

use std::io;
use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater};
use rustix::net::{AddressFamily, SocketType, netdevice};

/// An interface: its index and name.
pub type Link = (u32, String);

/// Every interface, in the system's order.
///
/// # Errors
/// Where `/proc` is not there, or no socket can be made.
pub fn links() -> io::Result<Vec<Link>> {
    let table = std::fs::read_to_string("/proc/self/net/dev")?;
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    let names = names(&table);
    // One that went away meanwhile has no index.
    Ok(names
        .filter_map(|name| Some((netdevice::name_to_index(&socket, name).ok()?, name.to_owned())))
        .collect())
}

/// Makes an interface of this thread's namespace send packets with their checksums computed (`ethtool -K NAME tx off`).
///
/// # Errors
/// Those of `SIOCETHTOOL`: no such interface, no privilege.
pub fn checksum_offload_off(name: &str) -> io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let mut value = EthtoolValue { command: ETHTOOL_STXCSUM, data: 0 };
    let mut request = Request { name: [0; 16], data: std::ptr::from_mut(&mut value).cast(), _rest: [0; 16] };
    let room = request.name.get_mut(..name.len().min(15)).unwrap_or_default();
    room.copy_from_slice(name.as_bytes().get(..room.len()).unwrap_or_default());
    set_ethtool(&socket, &mut request)?;
    Ok(())
}

/// `ETHTOOL_STXCSUM` (`linux/ethtool.h`).
const ETHTOOL_STXCSUM: u32 = 0x17;

/// `SIOCETHTOOL` (`linux/sockios.h`).
const SIOCETHTOOL: Opcode = 0x8946;

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `struct ifreq` with a pointer in its union.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut std::ffi::c_void,
    _rest: [u8; 16],
}

#[allow(unsafe_code)]
fn set_ethtool(socket: &OwnedFd, request: &mut Request) -> io::Result<()> {
    // SAFETY: the request is as long as `struct ifreq` or longer, and its pointer is to an `ethtool_value` of the caller,
    // which outlives the call and is all that this command reads.
    Ok(unsafe { rustix::ioctl::ioctl(socket, Updater::<SIOCETHTOOL, Request>::new(request)) }?)
}

/// Two lines of headings, then `  name: numbers`.
fn names(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_before_a_colon_below_the_headings() {
        // Linux 6.12, cat /proc/net/dev.
        let table = "Inter-|   Receive                                                |  Transmit\n \
                     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n    \
                     lo:  125656     624    0    0    0     0          0         0   125656     624\n\
                     eth0:5171886    1932    0    0    0     0          0         0   241183    1735\n";
        assert_eq!(names(table).collect::<Vec<_>>(), ["lo", "eth0"]);
    }
}
