//! The way to this machine's own kernel: a TAP device (`Documentation/networking/tuntap.rst`) whose other end is the kernel's
//! network stack. The device is there as long as the port is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType};

use super::{Offloads, Port, PortStatistics};

/// `TUNSETIFF` of `linux/if_tun.h`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
/// Fails where somebody has it already (`IFF_TUN_EXCL`).
const IFF_TUN_EXCL: u16 = 0x8000;

/// `struct ifreq` of `linux/if.h`: a name and a union of 24 bytes.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: [u8; 24],
}

impl Request {
    fn of(name: &str) -> Request {
        let mut request = Request { name: [0; 16], data: [0; 24] };
        for (to, from) in request.name.iter_mut().zip(name.bytes().take(15)) {
            *to = from;
        }
        request
    }
}

/// A TAP device of our own.
#[derive(Debug)]
pub struct HostPort {
    file: File,
    mac: [u8; 6],
    statistics: PortStatistics,
}

impl HostPort {
    /// Makes a device of this name in this thread's namespace, up, without addresses.
    ///
    /// # Errors
    /// Without `/dev/net/tun` or the privilege (`CAP_NET_ADMIN`), or where there is a device of that name.
    pub fn open(name: &str) -> io::Result<HostPort> {
        let file = File::options().read(true).write(true).open("/dev/net/tun")?;
        let mut request = Request::of(name);
        let flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL;
        request.data[..2].copy_from_slice(&flags.to_ne_bytes());
        ioctl(file.as_fd(), TUNSETIFF, &mut request)?;
        rustix::fs::fcntl_setfl(&file, rustix::fs::fcntl_getfl(&file)? | OFlags::NONBLOCK)?;
        // Addresses and routers are none of its business. Where there is no IPv6, there is nothing to be set.
        for (family, setting, value) in [
            ("ipv6", "addr_gen_mode", "1"),
            ("ipv6", "accept_ra", "0"),
            ("ipv6", "router_solicitations", "0"),
            // Packets come from everywhere.
            ("ipv4", "rp_filter", "0"),
        ] {
            let _ = std::fs::write(format!("/proc/sys/net/{family}/conf/{name}/{setting}"), value);
        }
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let mut request = Request::of(name);
        ioctl(socket.as_fd(), libc::SIOCGIFHWADDR, &mut request)?;
        let mut mac = [0; 6];
        mac.copy_from_slice(&request.data[2..8]);
        ioctl(socket.as_fd(), libc::SIOCGIFFLAGS, &mut request)?;
        let flags = u16::from_ne_bytes([request.data[0], request.data[1]]) | libc::IFF_UP as u16;
        request.data[..2].copy_from_slice(&flags.to_ne_bytes());
        ioctl(socket.as_fd(), libc::SIOCSIFFLAGS, &mut request)?;
        Ok(HostPort { file, mac, statistics: PortStatistics::default() })
    }

    /// The Ethernet address that the kernel has there.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }
}

impl Port for HostPort {
    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        match self.file.read(buffer) {
            Ok(len) => {
                self.statistics.count_received(len);
                Ok(buffer.get_mut(..len).map(|frame| (Offloads::default(), frame)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            // It was set down, and may come up again.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let sent = self.file.write(frame).map(drop);
        match sent {
            Ok(()) => self.statistics.count_sent(frame.len()),
            Err(_) => self.statistics.send_dropped += 1,
        }
        sent
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for HostPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[allow(unsafe_code)]
fn ioctl(fd: BorrowedFd<'_>, command: libc::c_ulong, request: &mut Request) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the request is a whole `struct ifreq` that lives through the call; each of these
    // commands reads and writes that alone.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), command as _, std::ptr::from_mut(request)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
