//! Conversations about connections and expectations with the kernel's ctnetlink, or with whoever speaks it.
//!
//! [`Conntrack`] asks and changes, one request at a time; [`Events`] listens. Both hand over what
//! [`ironweir_netlink::ctnetlink`] decodes, with the family that the message's header names.

mod error;
mod events;
mod request;

pub use error::ConntrackError;
pub use events::{Event, EventKind, Events, Groups, Subject};
pub use request::{Conntrack, Flags, Listing};
