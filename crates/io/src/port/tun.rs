//! TAP and TUN devices (`Documentation/networking/tuntap.rst`): an interface of this machine whose wire ends here. What its
//! kernel sends through it comes in, what is sent goes to the kernel - of whatever namespace the interface is moved to.
//!
//! A TAP device has Ethernet frames, and tells what its kernel left undone (`IFF_VNET_HDR`). A TUN device has packets: here an
//! Ethernet header is put before each and taken off again, and nobody's address is asked for.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use super::{Offloads, Port, PortStatistics};

/// Commands and flags of `linux/if_tun.h`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;
const IFF_TUN: u16 = 0x0001;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
/// Checksums and the segments of TCP may be left undone for us (`TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6`).
const OFFLOADS: libc::c_ulong = 1 | 2 | 4;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// A device of this kernel's.
#[derive(Debug)]
pub struct TunPort {
    file: File,
    /// Of a TUN device: the header before what comes, but for its last two bytes.
    header: Option<[u8; 12]>,
    statistics: PortStatistics,
}

impl TunPort {
    /// Makes a TAP device of this name in this thread's namespace, or takes one that `ip tuntap` made, and sets it up.
    ///
    /// # Errors
    /// Without `/dev/net/tun` or the privilege (`CAP_NET_ADMIN`); `EBUSY` where somebody has it; `EINVAL` where it is
    /// another kind of interface.
    pub fn tap(name: &str) -> io::Result<TunPort> {
        let file = open(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)?;
        let mut len = Offloads::LEN as libc::c_int;
        ioctl(&file, TUNSETVNETHDRSZ, &mut len)?;
        set_offloads(&file)?;
        Ok(TunPort { file, header: None, statistics: PortStatistics::default() })
    }

    /// As [`TunPort::tap`], a TUN device. Its packets come as frames to `mac`.
    ///
    /// # Errors
    /// As of [`TunPort::tap`].
    pub fn tun(name: &str, mac: [u8; 6]) -> io::Result<TunPort> {
        let file = open(name, IFF_TUN | IFF_NO_PI)?;
        let mut header = [0; 12];
        header[..6].copy_from_slice(&mac);
        Ok(TunPort { file, header: Some(header), statistics: PortStatistics::default() })
    }
}

impl Port for TunPort {
    fn has_neighbours(&self) -> bool {
        self.header.is_none()
    }

    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        loop {
            let before = if self.header.is_some() { ETHERNET } else { 0 };
            let Some(room) = buffer.get_mut(before..) else { return Ok(None) };
            let len = match rustix::io::read(&self.file, room) {
                Ok(len) => before + len,
                // It was set down, and may come up again.
                Err(Errno::AGAIN | Errno::IO) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let received = buffer.get_mut(..len).unwrap_or_default();
            let understood = match &self.header {
                Some(header) => put_header(header, received),
                None => len > Offloads::LEN,
            };
            if !understood {
                self.statistics.receive_dropped += 1;
                continue;
            }
            let tap = self.header.is_none();
            let received = buffer.get_mut(..len).unwrap_or_default();
            if tap {
                self.statistics.count_received(len - Offloads::LEN);
                return Ok(Offloads::split(received));
            }
            self.statistics.count_received(len);
            return Ok(Some((Offloads::default(), received)));
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let nothing = [0; Offloads::LEN];
        let pieces = match &self.header {
            None => Some([IoSlice::new(&nothing), IoSlice::new(frame)]),
            Some(_) => packet(frame).map(|packet| [IoSlice::new(&[]), IoSlice::new(packet)]),
        };
        let sent =
            pieces.ok_or(Errno::PROTONOSUPPORT).and_then(|pieces| rustix::io::writev(&self.file, &pieces));
        match sent {
            Ok(_) => {
                self.statistics.count_sent(frame.len());
                Ok(())
            }
            Err(error) => {
                self.statistics.send_dropped += 1;
                Err(error.into())
            }
        }
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl AsFd for TunPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Writes an Ethernet header into the 14 bytes before a packet. False: it is no IP.
pub(super) fn put_header(header: &[u8; 12], frame: &mut [u8]) -> bool {
    let kind = match frame.get(ETHERNET).map(|first| first >> 4) {
        Some(4) => [8, 0],
        Some(6) => [0x86, 0xdd],
        _ => return false,
    };
    if let Some((place, rest)) = frame.split_first_chunk_mut::<12>() {
        *place = *header;
        if let Some(place) = rest.first_chunk_mut() {
            *place = kind;
        }
    }
    true
}

/// The packet in a frame, if it is IP.
fn packet(frame: &[u8]) -> Option<&[u8]> {
    let (header, packet) = frame.split_first_chunk::<ETHERNET>()?;
    matches!(header, [.., 8, 0] | [.., 0x86, 0xdd]).then_some(packet)
}

/// `struct ifreq` of `linux/if.h`: a name, and 24 bytes of a union, of which flags are the first two.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    _rest: [u16; 11],
}

fn open(name: &str, flags: u16) -> io::Result<File> {
    let mut request = Request { name: [0; 16], flags, _rest: [0; 11] };
    if name.is_empty() || name.len() > 15 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    ioctl(&file, TUNSETIFF, &mut request)?;
    rustix::fs::fcntl_setfl(&file, rustix::fs::fcntl_getfl(&file)? | OFlags::NONBLOCK)?;
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    ioctl(&socket, libc::SIOCGIFFLAGS, &mut request)?;
    request.flags |= libc::IFF_UP as u16;
    ioctl(&socket, libc::SIOCSIFFLAGS, &mut request)?;
    Ok(file)
}

#[allow(unsafe_code)]
fn ioctl<T>(fd: &impl AsFd, command: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: the descriptor is open; the callers' arguments are whole values of what their command reads and writes, a
    // `struct ifreq` or an int, that live through the call.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), command as _, std::ptr::from_mut(argument)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[allow(unsafe_code)]
fn set_offloads(file: &File) -> io::Result<()> {
    // SAFETY: the argument is a number.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETOFFLOAD as _, OFFLOADS) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkNamespace;
    use crate::port::tests::next;
    use std::time::{Duration, Instant};

    #[test]
    fn a_header_is_put_before_ip_alone() {
        let header = [9; 12];
        let mut frame = [[0; 14].as_slice(), &[0x45, 1]].concat();
        assert!(put_header(&header, &mut frame));
        assert_eq!(frame, [[9; 12].as_slice(), &[8, 0, 0x45, 1]].concat());
        assert_eq!(packet(&frame), Some(&[0x45, 1][..]));
        frame[14] = 0x60;
        assert!(put_header(&header, &mut frame));
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        for byte in [0, 0x10, 0x50, 0xff] {
            frame[14] = byte;
            assert!(!put_header(&header, &mut frame));
        }
        for len in 0..=14 {
            assert!(!put_header(&header, &mut frame[..len]));
            assert_eq!(packet(&frame[..len]).is_some(), len == 14);
        }
    }

    /// Echo requests that the kernel sends to the device, answered.
    fn answered(mut port: TunPort, namespace: &NetworkNamespace, device: &str) {
        let ip = |words: &str| {
            let run = || std::process::Command::new("ip").args(words.split_whitespace()).status();
            assert!(namespace.inside(run).unwrap().success(), "ip {words}");
        };
        ip(&format!("addr add 10.9.0.1/24 dev {device}"));
        if port.has_neighbours() {
            ip(&format!("neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev {device}"));
        }
        namespace
            .inside(|| {
                let socket = std::net::UdpSocket::bind("10.9.0.1:1000")?;
                socket.set_nonblocking(true)?;
                socket.send_to(b"hello", "10.9.0.2:2000")?;
                let begun = Instant::now();
                loop {
                    if let Some(mut frame) = next(&mut port)
                        && frame.get(12..14) == Some(&[8, 0])
                        && frame.get(23) == Some(&17)
                    {
                        assert_eq!(frame[42..], *b"hello");
                        let (source, destination) = (frame[26..30].to_vec(), frame[30..34].to_vec());
                        frame[26..30].copy_from_slice(&destination);
                        frame[30..34].copy_from_slice(&source);
                        let ports = [&frame[36..38], &frame[34..36]].concat();
                        frame[34..38].copy_from_slice(&ports);
                        let (to, from) = (frame[..6].to_vec(), frame[6..12].to_vec());
                        frame[..6].copy_from_slice(&from);
                        frame[6..12].copy_from_slice(&to);
                        // None, which UDP may.
                        frame[40..42].fill(0);
                        port.send(&frame)?;
                        let mut got = [0; 9];
                        while socket.recv_from(&mut got).is_err() {
                            assert!(begun.elapsed() < Duration::from_secs(30), "it comes back");
                        }
                        assert_eq!(&got[..5], b"hello");
                        return Ok(());
                    }
                    assert!(begun.elapsed() < Duration::from_secs(30), "it comes");
                }
            })
            .unwrap();
    }

    #[test]
    fn the_kernel_sends_through_devices_and_hears_what_is_sent() {
        let Ok(namespace) = NetworkNamespace::new() else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
            eprintln!("SKIPPED: no namespaces");
            return;
        };
        for kind in ["tap", "tun"] {
            let open = || match kind {
                "tap" => TunPort::tap("t0"),
                _ => TunPort::tun("t0", [2, 0, 0, 0, 0, 1]),
            };
            match namespace.inside(open) {
                Ok(port) => {
                    assert!(namespace.inside(open).is_err(), "somebody has it");
                    answered(port, &namespace, "t0");
                }
                Err(error) => {
                    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
                    eprintln!("SKIPPED: no {kind}: {error}");
                }
            }
        }
    }
}
