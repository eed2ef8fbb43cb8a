//! GRE (`nf_conntrack_proto_gre.c`): a stream as soon as packets went both ways.

use super::Outcome;
use crate::config::Timeouts;
use crate::entry::Entry;
use crate::status::Status;

pub(crate) fn packet(entry: &mut Entry, timeouts: &Timeouts) -> Outcome {
    if entry.status.contains(Status::SEEN_REPLY) {
        entry.status |= Status::ASSURED;
        Outcome::Refresh(timeouts.gre_stream)
    } else {
        Outcome::Refresh(timeouts.gre)
    }
}
