//! What touches the world: captures, output files, netlink sockets, interfaces.
//!
//! Everything below this crate is free of input and output. Captures are hostile input: no function here panics on
//! their bytes, allocates by a length they claim beyond a fixed limit, or keeps more than one packet in memory.

pub mod bpf;
pub mod capture;
pub mod links;
pub mod namespace;
pub mod netlink;
pub mod packet_socket;
pub mod pending;
pub mod port;
pub mod rtnetlink;
pub mod seqpacket;
pub mod signal;
pub mod xdp_features;

pub use capture::{Capture, CaptureError, CaptureWriter, Frame};
pub use namespace::NetworkNamespace;
pub use netlink::{Endpoint, NetlinkError, NetlinkSocket};
pub use packet_socket::PacketSocket;
pub use pending::PendingFile;
pub use rtnetlink::RouteSocket;
