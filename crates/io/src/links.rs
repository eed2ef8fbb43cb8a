//! Network interfaces of the namespace that this process is in, by name and index.
//!
//! `/sys/class/net` shows those of the namespace it was mounted in, which need not be this one; `/proc/self/net/dev`
//! (`net/core/net-procfs.c`) shows the right ones, and `SIOCGIFINDEX` tells their numbers.

use std::io;

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
