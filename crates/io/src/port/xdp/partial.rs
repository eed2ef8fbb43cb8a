//! Checksums that a sender on the same machine left undone, where nothing tells that it did.
//!
//! A frame that comes from a veth peer whose `tx-checksumming` is on has, in place of its TCP or UDP checksum, the sum of
//! the pseudo header alone (`CHECKSUM_PARTIAL`). Packet sockets and TAP devices tell of it; XDP does not, neither native nor
//! generic, and there is no asking the other end of a veth pair in another namespace. Forwarded as it is, the frame is
//! dropped by whoever looks.
//!
//! But the sum of the pseudo header is easily computed. If a frame's checksum field holds just that, it is completed. For a
//! frame that was right already nothing changes: a checksum over a field that holds the pseudo header's sum is the right one,
//! and there is only one right one. Of frames that were damaged on their way, one of 65,536 would pass as right; so this
//! is done on interfaces alone between which there is no wire.

use ironweir_wire::checksum::Sum;

use crate::port::Offloads;

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What is left to do to a frame, by what its checksum's field holds.
pub fn guess(frame: &[u8]) -> Offloads {
    let checksum = partial(frame).and_then(|(start, offset)| Some((u16::try_from(start).ok()?, offset)));
    Offloads { checksum, ..Offloads::default() }
}

/// Where the transport header begins, and where in it the checksum is, if that holds the sum of the pseudo header.
fn partial(frame: &[u8]) -> Option<(usize, u16)> {
    let mut pseudo = Sum::default();
    let (protocol, start, len) = match frame.get(12..14)? {
        [8, 0] => {
            let start = ETHERNET + usize::from(frame.get(ETHERNET)? & 15) * 4;
            // Of a fragment nobody leaves the checksum undone.
            if frame.get(ETHERNET + 6)? & 0x3f != 0 || *frame.get(ETHERNET + 7)? != 0 {
                return None;
            }
            pseudo = pseudo.bytes(frame.get(ETHERNET + 12..ETHERNET + 20)?);
            let total = u16::from_be_bytes(*frame.get(ETHERNET + 2..)?.first_chunk()?);
            (*frame.get(ETHERNET + 9)?, start, (ETHERNET + usize::from(total)).checked_sub(start)?)
        }
        [0x86, 0xdd] => {
            // Senders leave to their card only what has no extension headers (`NETIF_F_IPV6_CSUM`), mostly.
            pseudo = pseudo.bytes(frame.get(ETHERNET + 8..ETHERNET + 40)?);
            let len = u16::from_be_bytes(*frame.get(ETHERNET + 4..)?.first_chunk()?);
            (*frame.get(ETHERNET + 6)?, ETHERNET + 40, usize::from(len))
        }
        _ => return None,
    };
    let offset = match protocol {
        TCP => 16,
        UDP => 6,
        _ => return None,
    };
    pseudo = pseudo.bytes(&(len as u32).to_be_bytes()).bytes(&[0, protocol]);
    let field = u16::from_be_bytes(*frame.get(start + usize::from(offset)..)?.first_chunk()?);
    // `finish` gives the complement.
    (field == !pseudo.finish()).then_some((start, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP from 10.0.0.1 to 10.0.0.2, 4 bytes of payload; its checksum over the pseudo header's sum.
    fn frame(field: [u8; 2]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        frame.extend([0x45, 0, 0, 32, 0, 9, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 1, 0, 2, 0, 12]);
        frame.extend(field);
        frame.extend([1, 2, 3, 4]);
        frame
    }

    #[test]
    fn the_sum_of_the_pseudo_header_alone_is_known() {
        // 0a00 + 0001 + 0a00 + 0002 + 0011 + 000c = 1420.
        let mut there = frame([0x14, 0x20]);
        assert_eq!(guess(&there).checksum, Some((34, 6)));
        assert_eq!(guess(&frame([0x14, 0x21])), Offloads::default());
        assert_eq!(guess(&frame([0, 0])), Offloads::default(), "none at all");
        there[20] = 0x20;
        assert_eq!(guess(&there), Offloads::default(), "a fragment");
    }

    #[test]
    fn what_is_cut_off_is_no_matter() {
        let whole = frame([0x14, 0x20]);
        for end in 0..34 + 8 {
            assert_eq!(guess(&whole[..end]).checksum.is_some(), end == 34 + 8);
            let mut v6 = whole[..end].to_vec();
            if end > 14 {
                v6[12..14].copy_from_slice(&[0x86, 0xdd]);
            }
            guess(&v6);
        }
    }
}
