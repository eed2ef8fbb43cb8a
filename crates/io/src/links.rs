//! Network interfaces of the namespace that this process is in, by name and index.
//!
//! `/sys/class/net` shows those of the namespace it was mounted in, which need not be this one; `/proc/self/net/dev`
//! (`net/core/net-procfs.c`) shows the right ones, and `SIOCGIFINDEX` tells their numbers.

use std::io;

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

/// The index of an interface of this thread's namespace.
///
/// # Errors
/// `ENODEV` if there is no such.
pub fn index(name: &str) -> io::Result<u32> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    Ok(netdevice::name_to_index(&socket, name)?)
}

/// The index of an interface of this thread's namespace.
///
/// # Errors
/// `ENODEV` for no such interface.
pub fn index_of(name: &str) -> io::Result<u32> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    Ok(netdevice::name_to_index(&socket, name)?)
}

/// Makes an interface of this thread's namespace send packets with their checksums computed (`ethtool -K NAME tx off`).
///
/// # Errors
/// Those of `SIOCETHTOOL`: no such interface, no privilege.
pub fn checksum_offload_off(name: &str) -> io::Result<()> {
    // `struct ethtool_value`: command, 0.
    ethtool(name, &mut [ETHTOOL_STXCSUM, 0])
}

/// The name of an interface's driver (`ethtool -i NAME`).
///
/// # Errors
/// As of [`checksum_offload_off`]; `EOPNOTSUPP` of a driver that does not say.
pub fn driver(name: &str) -> io::Result<String> {
    // `struct ethtool_drvinfo`: command, 32 bytes of the driver's name, more of others; 196 bytes.
    let mut words = [0_u32; 49];
    words[0] = ETHTOOL_GDRVINFO;
    ethtool(name, &mut words)?;
    let name = words[1..9].iter().flat_map(|word| word.to_ne_bytes()).take_while(|byte| *byte != 0);
    Ok(String::from_utf8_lossy(&name.collect::<Vec<u8>>()).into_owned())
}

/// How many queues an interface receives by (`ethtool -l NAME`).
///
/// # Errors
/// As of [`driver`].
pub fn receive_queues(name: &str) -> io::Result<u32> {
    // `struct ethtool_channels`: command, four maxima, counts of rx, tx, other, combined.
    let mut words = [0_u32; 9];
    words[0] = ETHTOOL_GCHANNELS;
    ethtool(name, &mut words)?;
    Ok(words[5].saturating_add(words[8]))
}

/// Commands of `linux/ethtool.h`.
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_STXCSUM: u32 = 0x17;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// `SIOCETHTOOL` (`linux/sockios.h`).
const SIOCETHTOOL: Opcode = 0x8946;

/// `struct ifreq` with a pointer in its union.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut std::ffi::c_void,
    _rest: [u8; 16],
}

/// Does an ethtool command, which is the first word of its structure.
#[allow(unsafe_code)]
fn ethtool<const N: usize>(name: &str, words: &mut [u32; N]) -> io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let mut request = Request { name: [0; 16], data: words.as_mut_ptr().cast(), _rest: [0; 16] };
    let room = request.name.get_mut(..name.len().min(15)).unwrap_or_default();
    room.copy_from_slice(name.as_bytes().get(..room.len()).unwrap_or_default());
    // SAFETY: the request is as long as `struct ifreq` or longer, and its pointer is to the structure of the command, which
    // is as long as the kernel's, is nobody else's, and outlives the call.
    Ok(unsafe { rustix::ioctl::ioctl(socket, Updater::<SIOCETHTOOL, Request>::new(&mut request)) }?)
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
