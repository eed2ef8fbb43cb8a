//! Netlink as bytes, in both directions: messages, attributes, acknowledgements and nfnetlink's batches. No sockets.
//!
//! Reading borrows: [`Messages`] walks a datagram, [`Attributes`] a message or a nest, and every value is a slice of
//! what was received. All of it is for untrusted bytes: nothing panics, errors say at which byte of the message.
//!
//! Writing appends to one `Vec<u8>` that the caller owns, so that a batch of hundreds of thousands of messages is one
//! buffer and nothing besides: [`message`] writes a message, its closure puts attributes with a [`Writer`].
//!
//! ```
//! use ironweir_netlink::{Flags, GenMsg, Messages, message};
//!
//! let mut batch = Vec::new();
//! let genmsg = GenMsg { family: 2, version: 0, res_id: 0 };
//! message(&mut batch, 0x0a00, Flags::REQUEST, 1, genmsg, |writer| writer.put_str(1, "filter")).unwrap();
//! let request = Messages::new(&batch).next().unwrap().unwrap();
//! let (genmsg, mut attributes) = request.nfgen().unwrap();
//! assert_eq!(genmsg.family, 2);
//! assert_eq!(attributes.next().unwrap().unwrap().str().unwrap(), "filter");
//! ```

pub mod ack;
mod attribute;
pub mod batch;
pub mod ctnetlink;
pub mod daemon;
mod error;
mod header;
mod message;
pub mod nflog;
pub mod nfqueue;
mod writer;

pub use ack::{Ack, Done};
pub use attribute::{Attribute, Attributes};
pub use error::{DecodeError, EncodeError};
pub use header::{Flags, GenMsg, Header, kind, subsystem};
pub use message::{Message, Messages};
pub use writer::{Writer, answer, message};

/// Rounds up to a multiple of 4 (`NLMSG_ALIGN`, `NLA_ALIGN`).
pub const fn align(len: usize) -> usize {
    len.next_multiple_of(4)
}
