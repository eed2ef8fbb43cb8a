//! ARP for IPv4 over Ethernet (RFC 826).

use crate::packet::Packet;

/// Length of the fixed part, before the addresses.
pub const FIXED_LEN: usize = 8;

/// An ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Hardware address of the sender.
    pub sender_mac: [u8; 6],
    /// IPv4 address of the sender.
    pub sender_ip: [u8; 4],
    /// Hardware address of the target.
    pub target_mac: [u8; 6],
    /// IPv4 address of the target.
    pub target_ip: [u8; 4],
}

impl Header {
    /// Reads the message at `offset`; `None` when it is cut short or not IPv4 over Ethernet.
    pub fn read(packet: &Packet<'_>, offset: usize) -> Option<Header> {
        let fixed = packet.array::<FIXED_LEN>(offset)?;
        if fixed[..6] != [0, 1, 8, 0, 6, 4] {
            return None;
        }
        Some(Header {
            operation: u16::from_be_bytes([fixed[6], fixed[7]]),
            sender_mac: packet.array(offset + 8)?,
            sender_ip: packet.array(offset + 14)?,
            target_mac: packet.array(offset + 18)?,
            target_ip: packet.array(offset + 24)?,
        })
    }
}
