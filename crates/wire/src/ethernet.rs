//! The Ethernet header and VLAN tags.

use crate::packet::{LinkType, Packet, VlanTag};
use crate::protocol::ethertype;

/// Length of the Ethernet header: destination 6, source 6, EtherType or length 2.
pub const HEADER_LEN: usize = 14;

/// Offset of the EtherType.
const TYPE_AT: usize = 12;

/// Length of a VLAN tag: EtherType 2, TCI 2.
const TAG_LEN: usize = 4;

/// The protocol that an Ethernet frame carries, as Linux sees it (`eth_type_trans`): the EtherType, or
/// [`ethertype::LLC`] or [`ethertype::NOVELL`] for a frame with a length. `None` when the header is cut short.
pub fn protocol(packet: &Packet<'_>) -> Option<u16> {
    let value = packet.be16(TYPE_AT)?;
    if value >= ethertype::MIN {
        return Some(value);
    }
    Some(if packet.be16(HEADER_LEN) == Some(0xffff) { ethertype::NOVELL } else { ethertype::LLC })
}

/// Takes the outermost VLAN tag off the frame into [`Meta::vlan`](crate::Meta::vlan), as Linux does on receive
/// (`skb_vlan_untag`): the tag's four bytes leave the frame, so what followed becomes the EtherType. Further
/// tags stay among the bytes; then the protocol is theirs, 0x8100 or 0x88a8.
///
/// Returns whether a tag was taken. One already taken stays: a second call does nothing.
pub fn take_vlan_tag(packet: &mut Packet<'_>) -> bool {
    if packet.link() != LinkType::Ethernet || packet.meta.vlan.is_some() {
        return false;
    }
    let Some([p0, p1, t0, t1, _, _]) = packet.array::<6>(TYPE_AT) else { return false };
    let protocol = u16::from_be_bytes([p0, p1]);
    if !is_vlan(protocol) || !packet.remove(TYPE_AT, TAG_LEN) {
        return false;
    }
    packet.meta.vlan = Some(VlanTag { protocol, tci: u16::from_be_bytes([t0, t1]) });
    packet.set_network(HEADER_LEN);
    packet.meta.protocol = self::protocol(packet).unwrap_or(0);
    true
}

/// Puts the tag of [`Meta::vlan`](crate::Meta::vlan) back into the frame: the reverse of [`take_vlan_tag`], for
/// output. Needs four bytes of headroom. Returns false when there is a tag and it could not be put back.
#[must_use]
pub fn put_vlan_tag(packet: &mut Packet<'_>) -> bool {
    let Some(tag) = packet.meta.vlan else { return true };
    if packet.link() != LinkType::Ethernet {
        return true;
    }
    let mut bytes = [0; TAG_LEN];
    bytes[..2].copy_from_slice(&tag.protocol.to_be_bytes());
    bytes[2..].copy_from_slice(&tag.tci.to_be_bytes());
    if !packet.insert(TYPE_AT, &bytes) {
        return false;
    }
    packet.meta.vlan = None;
    packet.meta.protocol = tag.protocol;
    true
}

/// Whether an EtherType is that of a VLAN tag (`eth_type_vlan`).
pub const fn is_vlan(protocol: u16) -> bool {
    matches!(protocol, ethertype::VLAN | ethertype::QINQ)
}

/// Destination address of the frame; `None` without a link header.
pub fn destination(packet: &Packet<'_>) -> Option<[u8; 6]> {
    (packet.link() == LinkType::Ethernet).then(|| packet.array(0)).flatten()
}

/// Source address of the frame; `None` without a link header.
pub fn source(packet: &Packet<'_>) -> Option<[u8; 6]> {
    (packet.link() == LinkType::Ethernet).then(|| packet.array(6)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_tag_goes_to_meta_and_comes_back() {
        let mut frame = vec![0xff; 12];
        frame.extend([0x88, 0xa8, 0x20, 0x05, 0x81, 0x00, 0x00, 0x07, 0x08, 0x00, 0x45]);
        let before = frame.clone();
        let len = frame.len();
        let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
        assert!(take_vlan_tag(&mut packet));
        assert_eq!(packet.meta.vlan, Some(VlanTag { protocol: 0x88a8, tci: 0x2005 }));
        assert_eq!(packet.meta.protocol, ethertype::VLAN, "the inner tag stays");
        assert_eq!(packet.len(), len - 4);
        assert!(!take_vlan_tag(&mut packet));
        assert!(put_vlan_tag(&mut packet));
        assert_eq!(packet.head(), before);
    }

    #[test]
    fn a_length_is_no_protocol() {
        let mut frame = vec![0; 60];
        frame[12..16].copy_from_slice(&[0, 38, 0x42, 0x42]);
        assert_eq!(protocol(&Packet::new(&mut frame, 0, 60, LinkType::Ethernet)), Some(ethertype::LLC));
        assert_eq!(protocol(&Packet::new(&mut frame, 0, 13, LinkType::Ethernet)), None);
    }
}
