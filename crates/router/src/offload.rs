//! What senders on this machine leave to the network card: checksums, and the cutting of long packets into segments
//! (`Documentation/networking/segmentation-offloads.rst`). A router in user space does it itself, so that the engine sees
//! packets as they would be on a wire.

use ironweir_io::port::Offloads;
use ironweir_wire::checksum::Sum;

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Flags of a TCP header that only one segment has: FIN and PSH the last, CWR the first.
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// Hands over the frames that a frame stands for. One that makes no sense is handed over as it is: the engine judges it.
pub fn frames(offloads: Offloads, frame: &mut [u8], scratch: &mut Vec<u8>, mut each: impl FnMut(&mut [u8])) {
    if offloads.segment > 0
        && let Some(shape) = Shape::of(frame)
    {
        let size = usize::from(offloads.segment);
        let total = frame.len() - shape.payload;
        let mut at = 0;
        while at < total {
            let end = (at + size).min(total);
            scratch.clear();
            scratch.extend_from_slice(&frame[..shape.payload]);
            scratch.extend_from_slice(&frame[shape.payload + at..shape.payload + end]);
            shape.finish(scratch, at, at / size, end == total);
            each(scratch);
            at = end;
        }
        return;
    }
    if let Some((start, offset)) = offloads.checksum {
        complete(frame, usize::from(start), usize::from(offset));
    }
    each(frame);
}

/// Writes a checksum whose place holds the sum of the pseudo header.
fn complete(frame: &mut [u8], start: usize, offset: usize) {
    let Some(bytes) = frame.get(start..) else { return };
    let value = match Sum::default().bytes(bytes).finish() {
        // No checksum at all would be 0 in UDP (RFC 768).
        0 => 0xffff_u16,
        value => value,
    };
    if let Some(place) = frame.get_mut(start + offset..start + offset + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// Where the headers of a TCP or UDP packet are.
struct Shape {
    v6: bool,
    l4: u8,
    transport: usize,
    payload: usize,
}

impl Shape {
    fn of(frame: &[u8]) -> Option<Shape> {
        let (v6, l4, transport) = match frame.get(12..14)? {
            [8, 0] => {
                let header = usize::from(frame.get(ETHERNET)? & 15) * 4;
                (false, *frame.get(ETHERNET + 9)?, ETHERNET + header.max(20))
            }
            // Long packets have no extension headers but in odd cases, which are left alone.
            [0x86, 0xdd] => (true, *frame.get(ETHERNET + 6)?, ETHERNET + 40),
            _ => return None,
        };
        let header = match l4 {
            TCP => (usize::from(frame.get(transport + 12)? >> 4) * 4).max(20),
            UDP => 8,
            _ => return None,
        };
        let payload = transport + header;
        (payload < frame.len()).then_some(Shape { v6, l4, transport, payload })
    }

    /// Makes the headers of one segment right: the `index`th, whose payload begins at byte `at` of the whole.
    fn finish(&self, frame: &mut [u8], at: usize, index: usize, last: bool) {
        let len = frame.len();
        let put =
            |frame: &mut [u8], at: usize, value: u16| frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
        let mut pseudo = Sum::default();
        if self.v6 {
            put(frame, ETHERNET + 4, (len - ETHERNET - 40) as u16);
            pseudo = pseudo.bytes(&frame[ETHERNET + 8..ETHERNET + 40]);
        } else {
            put(frame, ETHERNET + 2, (len - ETHERNET) as u16);
            let id = u16::from_be_bytes([frame[ETHERNET + 4], frame[ETHERNET + 5]]);
            put(frame, ETHERNET + 4, id.wrapping_add(index as u16));
            put(frame, ETHERNET + 10, 0);
            let header = Sum::default().bytes(&frame[ETHERNET..self.transport]).finish();
            put(frame, ETHERNET + 10, header);
            pseudo = pseudo.bytes(&frame[ETHERNET + 12..ETHERNET + 20]);
        }
        let transport = self.transport;
        pseudo = pseudo.bytes(&((len - transport) as u32).to_be_bytes());
        pseudo = pseudo.bytes(&[0, self.l4]);
        let place = if self.l4 == TCP {
            let seq = frame[transport + 4..].first_chunk().map_or(0, |seq| u32::from_be_bytes(*seq));
            frame[transport + 4..transport + 8].copy_from_slice(&seq.wrapping_add(at as u32).to_be_bytes());
            let flags = &mut frame[transport + 13];
            *flags &= if last { 0xff } else { !FIN_PSH };
            *flags &= if index == 0 { 0xff } else { !CWR };
            transport + 16
        } else {
            put(frame, transport + 4, (len - transport) as u16);
            transport + 6
        };
        put(frame, place, 0);
        pseudo = pseudo.bytes(&frame[transport..]);
        let value = match pseudo.finish() {
            0 if self.l4 == UDP => 0xffff,
            value => value,
        };
        put(frame, place, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TCP 10.0.0.1:1 > 10.0.0.2:2, seq 100, PSH and FIN, payload of so many bytes.
    fn tcp(payload: usize) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        frame.extend([0x45, 0, 0, 0, 0, 9, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 1, 0, 2, 0, 0, 0, 100, 0, 0, 0, 0, 0x50, 0x19, 1, 0, 0, 0, 0, 0]);
        frame.extend((0..payload).map(|byte| byte as u8));
        frame
    }

    fn adds_up(frame: &[u8]) -> bool {
        let mut ip = Sum::default();
        ip = ip.bytes(&frame[14..34]);
        let mut all = Sum::default();
        all = all.bytes(&frame[26..34]);
        all = all.bytes(&((frame.len() - 34) as u32).to_be_bytes());
        all = all.bytes(&[0, 6]);
        all = all.bytes(&frame[34..]);
        ip.finish() == 0 && all.finish() == 0
    }

    #[test]
    fn a_long_packet_becomes_segments_that_add_up() {
        let mut frame = tcp(250);
        let offloads = Offloads { checksum: Some((34, 16)), segment: 100, kind: 1 };
        let mut made = Vec::new();
        frames(offloads, &mut frame, &mut Vec::new(), |frame| made.push(frame.to_vec()));
        assert_eq!(made.iter().map(|frame| frame.len() - 54).collect::<Vec<_>>(), [100, 100, 50]);
        assert!(made.iter().all(|frame| adds_up(frame)));
        let seqs: Vec<u8> = made.iter().map(|frame| frame[41]).collect();
        assert_eq!(seqs, [100, 200, 44], "300 is 0x12c");
        assert_eq!(made.iter().map(|frame| frame[47]).collect::<Vec<_>>(), [0x10, 0x10, 0x19]);
        assert_eq!(made.iter().map(|frame| frame[19]).collect::<Vec<_>>(), [9, 10, 11], "identification");
        assert_eq!(made[2][54..], frame[254..]);
    }

    #[test]
    fn a_checksum_left_undone_is_done() {
        let mut frame = tcp(3);
        frame[16..18].copy_from_slice(&43u16.to_be_bytes());
        let mut ip = Sum::default();
        ip = ip.bytes(&frame[14..34]);
        let sum = ip.finish().to_be_bytes();
        frame[24..26].copy_from_slice(&sum);
        // The pseudo header's sum: addresses, protocol, length 23.
        let mut pseudo = Sum::default();
        pseudo = pseudo.bytes(&frame[26..34]);
        pseudo = pseudo.bytes(&[0, 6, 0, 23]);
        let value = !pseudo.finish();
        frame[50..52].copy_from_slice(&value.to_be_bytes());
        let offloads = Offloads { checksum: Some((34, 16)), segment: 0, kind: 0 };
        frames(offloads, &mut frame, &mut Vec::new(), |frame| assert!(adds_up(frame)));
    }

    #[test]
    fn what_makes_no_sense_is_handed_over() {
        for len in 0..60 {
            for segment in [0, 1, 9] {
                let mut frame = tcp(20);
                frame.truncate(len);
                let offloads = Offloads { checksum: Some((70, 16)), segment, kind: 1 };
                frames(offloads, &mut frame, &mut Vec::new(), |_| {});
            }
        }
    }
}
