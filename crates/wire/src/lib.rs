//! Packets as bytes: segmented packets with what the kernel keeps beside the bytes, header views,
//! checksums, tuples and rewriting.
//!
//! This crate knows nothing of rules. It reads and writes packets that may be hostile: no function here
//! panics on the contents of a packet.

pub mod packet;
pub mod time;

pub use packet::{IfIndex, LinkType, Meta, Packet, PacketType, Segments, VlanTag};
pub use time::Instant;
