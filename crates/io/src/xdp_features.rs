//! What an interface's driver can do with XDP, as the kernel tells over generic netlink
//! (`Documentation/netlink/specs/netdev.yaml`, `linux/netdev.h`; since Linux 6.3).

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

/// `GENL_ID_CTRL` of `linux/genetlink.h`: who knows the numbers of the others.
const CONTROL: u16 = 0x10;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NETDEV_XDP_ACT_NDO_XMIT`.
const TRANSMIT: u64 = 4;

/// Asks the kernel about interfaces of the namespace it was made in.
#[derive(Debug)]
pub struct XdpFeatures {
    socket: Socket,
    family: u16,
}

impl XdpFeatures {
    /// Opens the socket.
    ///
    /// # Errors
    /// `ENOENT` of a kernel that does not tell.
    pub fn open() -> io::Result<XdpFeatures> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME; the answer has CTRL_ATTR_FAMILY_ID.
        let answer = ask(&socket, CONTROL, 3, 2, b"netdev\0")?;
        let id = attribute(&answer, 1).and_then(|id| Some(u16::from_ne_bytes(*id.first_chunk()?)));
        Ok(XdpFeatures { socket, family: id.ok_or(io::ErrorKind::InvalidData)? })
    }

    /// Whether frames that XDP redirects to this interface leave by it. A veth pair's other end must have a program too, or
    /// GRO on.
    ///
    /// # Errors
    /// `ENODEV` for no such interface.
    pub fn transmits(&self, index: u32) -> io::Result<bool> {
        // NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX; the answer has NETDEV_A_DEV_XDP_FEATURES.
        let answer = ask(&self.socket, self.family, 1, 1, &index.to_ne_bytes())?;
        let features = attribute(&answer, 3).and_then(|bits| Some(u64::from_ne_bytes(*bits.first_chunk()?)));
        Ok(features.ok_or(io::ErrorKind::InvalidData)? & TRANSMIT != 0)
    }
}

/// A request with one attribute; the answer's attributes.
fn ask(socket: &Socket, family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let len = 4 + value.len();
    let mut request = Vec::new();
    request.extend((20 + len.next_multiple_of(4) as u32).to_ne_bytes());
    request.extend(family.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend((len as u16).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(value);
    request.resize(request.len().next_multiple_of(4), 0);
    socket.send(&request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let word =
        |at: usize| answer.get(at..at + 2).and_then(|word| Some(u16::from_ne_bytes(*word.first_chunk()?)));
    if word(4) == Some(ERROR) {
        let number = answer.get(16..20).and_then(|number| Some(i32::from_ne_bytes(*number.first_chunk()?)));
        return Err(io::Error::from_raw_os_error(number.unwrap_or_default().saturating_neg()));
    }
    Ok(answer.get(20..).unwrap_or_default().to_vec())
}

/// The value of the first attribute of a kind.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let len = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
        let value = attributes.get(4..len)?;
        // NLA_TYPE_MASK.
        if kind & 0x3fff == wanted {
            return Some(value);
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_transmits_nothing_of_xdp() {
        let features = match XdpFeatures::open() {
            Ok(features) => features,
            Err(error) => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
                eprintln!("SKIPPED: the kernel does not tell: {error}");
                return;
            }
        };
        assert!(!features.transmits(1).unwrap());
        assert_eq!(features.transmits(u32::MAX >> 1).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn attributes_that_say_more_than_there_is_are_none() {
        assert_eq!(attribute(&[6, 0, 1, 0, 7, 8, 0, 0], 1), Some(&[7, 8][..]));
        assert_eq!(attribute(&[6, 0, 1, 0, 7, 8, 0, 0, 5, 0, 2, 0, 9], 2), Some(&[9][..]));
        for bytes in [&[9, 0, 1, 0, 7][..], &[0, 0, 2, 0], &[3, 0, 1], &[]] {
            assert_eq!(attribute(bytes, 1), None);
        }
    }
}
