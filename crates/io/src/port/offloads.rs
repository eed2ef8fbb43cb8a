//! What a frame's sender left to the network card, as the kernel's packet sockets and TAP devices tell it.

/// What a frame's sender left to do (`struct virtio_net_hdr` of `linux/virtio_net.h`, 10 bytes in host order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: where the checksum's bytes begin in the frame, and where in those it goes. Its
    /// place holds the sum of the pseudo header.
    pub checksum: Option<(u16, u16)>,
    /// Bytes of payload of each segment to be made (`gso_size`); 0 for a frame that is none of several.
    pub segment: u16,
    /// `VIRTIO_NET_HDR_GSO_*` without `_ECN`: 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP.
    pub kind: u8,
}

impl Offloads {
    /// Bytes of the header before a frame.
    pub const LEN: usize = 10;

    /// Reads the header.
    pub fn decode(bytes: [u8; Offloads::LEN]) -> Offloads {
        let [flags, kind, _, _, s0, s1, c0, c1, o0, o1] = bytes;
        let needs = flags & 1 != 0;
        Offloads {
            checksum: needs.then(|| (u16::from_ne_bytes([c0, c1]), u16::from_ne_bytes([o0, o1]))),
            segment: u16::from_ne_bytes([s0, s1]),
            kind: kind & 0x7f,
        }
    }

    /// Cuts the header off a frame. `None`: the bytes are too few.
    pub fn split(bytes: &mut [u8]) -> Option<(Offloads, &mut [u8])> {
        let (header, frame) = bytes.split_first_chunk_mut::<{ Offloads::LEN }>()?;
        Some((Offloads::decode(*header), frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn what_is_left_to_do_is_read_as_virtio_has_it() {
        // F_NEEDS_CSUM, GSO_TCPV4 | GSO_ECN, hdr_len 66, gso_size 1448, csum_start 34, csum_offset 16.
        let header = [1, 0x81, 66, 0, 0xa8, 5, 34, 0, 16, 0];
        let expected = Offloads { checksum: Some((34, 16)), segment: 1448, kind: 1 };
        assert_eq!(Offloads::decode(header), expected);
        assert_eq!(Offloads::decode([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Offloads::default());
    }

    #[test]
    fn what_is_shorter_than_the_header_is_no_frame() {
        for len in 0..Offloads::LEN {
            assert_eq!(Offloads::split(&mut vec![1; len]), None);
        }
        let mut whole = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        assert_eq!(Offloads::split(&mut whole), Some((Offloads::default(), &mut [7][..])));
    }
}
