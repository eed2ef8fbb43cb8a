//! Packets as bytes: segmented packets with what the kernel keeps beside the bytes, header views,
//! checksums, tuples and rewriting.
//!
//! This crate knows nothing of rules. It reads and writes packets that may be hostile: no function here
//! panics on the contents of a packet.

pub mod address;
pub mod arp;
pub mod checksum;
pub mod chunks;
pub mod crc32c;
pub mod dissect;
pub mod ethernet;
pub mod fragment;
pub mod headers;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod jhash;
pub mod options;
pub mod packet;
pub mod protocol;
pub mod reply;
pub mod rewrite;
pub mod tcp;
pub mod time;
pub mod tuple;
pub mod udp;
pub mod wheel;

pub use address::{Address, L3};
pub use dissect::{Malformed, PacketInfo, dissect, dissect_network, receive};
pub use ethernet::{put_vlan_tag, take_vlan_tag};
pub use headers::Headers;
pub use packet::{IfIndex, LinkType, Meta, Packet, PacketType, Segments, VlanTag};
pub use rewrite::End;
pub use time::Instant;
pub use tuple::{SipKey, Tuple};
