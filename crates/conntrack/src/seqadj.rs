//! TCP sequence numbers moved by an offset, for connections whose payload changes its length on the way or whose two
//! halves were opened with different numbers.
//!
//! Who uses it: helpers that rewrite addresses in a payload ([`Conntrack::seqadj_set`] for the packet that grew or
//! shrank), and synproxy, which promised the client another first number than the server chose
//! ([`Conntrack::seqadj_init`]). The rest is one call, [`Conntrack::seq_adjust`], for every packet of a connection with
//! [`Status::SEQ_ADJUST`], as the last thing before confirmation.
//!
//! ```text
//!   data of one direction:   ----- numbers before the correction -----|----- after it -----
//!   they leave moved by                   offset_before               |     offset_after
//! ```
//!
//! Acknowledgements of the other direction, and the blocks of its selective acknowledgements, are moved back by the same
//! offset, so neither end notices. Window tracking sees packets as they come in: an acknowledgement there is of numbers
//! already moved, and is moved back before it is judged.
//!
//! Source: linux 6.18 net/netfilter/nf_conntrack_seqadj.c; the call's place: `nf_confirm` of nf_conntrack_proto.c.

use ironweir_wire::checksum::Delta;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::tcp::{self, Header, flag};
use ironweir_wire::{Packet, PacketInfo};

use crate::entry::{CtInfo, CtRef, Direction, Entry};
use crate::proto::tcp::{after, before};
use crate::status::Status;
use crate::track::Conntrack;

/// TCP option: selective acknowledgement (RFC 2018 §3), kind and the length of one block.
const OPTION_SACK: u8 = 5;
const SACK_BLOCK: usize = 8;

/// How one direction's numbers are moved (`struct nf_ct_seqadj`). Offsets count modulo 2^32; one that shrinks the payload
/// is the complement of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqAdj {
    /// The sequence number, as sent, of the packet that was changed last.
    pub correction_pos: u32,
    /// Added to numbers up to it.
    pub offset_before: u32,
    /// Added to numbers behind it.
    pub offset_after: u32,
}

impl SeqAdj {
    /// What to add to a number its sender wrote (`nf_ct_seq_offset`).
    fn offset(&self, seq: u32) -> u32 {
        if after(seq, self.correction_pos) { self.offset_after } else { self.offset_before }
    }

    /// What the sender wrote, of a number that the other side has seen moved.
    fn undo(&self, seen: u32) -> u32 {
        let offset = if after(seen.wrapping_sub(self.offset_before), self.correction_pos) {
            self.offset_after
        } else {
            self.offset_before
        };
        seen.wrapping_sub(offset)
    }
}

impl Entry {
    /// How the numbers of a direction are moved; zeros where they are not.
    pub fn seqadj(&self, direction: Direction) -> SeqAdj {
        self.extras.as_ref().map_or(SeqAdj::default(), |extras| extras.seqadj[direction as usize])
    }

    /// Says how the numbers of a direction are moved, as a connection taken over from elsewhere has it (`CTA_SEQ_ADJ_*`).
    pub fn set_seqadj(&mut self, direction: Direction, seqadj: SeqAdj) {
        self.status |= Status::SEQ_ADJUST;
        self.extras_mut().seqadj[direction as usize] = seqadj;
    }

    /// How far numbers of a direction are moved at `seq`; 0 where they are not (`nf_ct_seq_offset`).
    pub(crate) fn seq_offset(&self, direction: Direction, seq: u32) -> u32 {
        if self.status.contains(Status::SEQ_ADJUST) { self.seqadj(direction).offset(seq) } else { 0 }
    }
}

impl Conntrack {
    /// Moves all numbers of the packet's direction by `offset` (`nf_ct_seqadj_init`); 0 changes nothing.
    pub fn seqadj_init(&mut self, ct: CtRef, direction: Direction, offset: u32) {
        if offset == 0 {
            return;
        }
        let Some(entry) = self.table.slab.get_mut(ct) else { return };
        let correction_pos = entry.seqadj(direction).correction_pos;
        entry.set_seqadj(direction, SeqAdj { correction_pos, offset_before: offset, offset_after: offset });
    }

    /// A packet of a direction, whose first number is `seq` as its sender wrote it, becomes `change` bytes longer (negative:
    /// shorter): later numbers of the direction are moved by so much more (`nf_ct_seqadj_set`). Seen again, the same
    /// packet counts once.
    pub fn seqadj_set(&mut self, ct: CtRef, direction: Direction, seq: u32, change: i32) {
        if change == 0 {
            return;
        }
        let Some(entry) = self.table.slab.get_mut(ct) else { return };
        let mut seqadj = entry.seqadj(direction);
        if seqadj.offset_before == seqadj.offset_after || before(seqadj.correction_pos, seq) {
            seqadj.correction_pos = seq;
            seqadj.offset_before = seqadj.offset_after;
            seqadj.offset_after = seqadj.offset_after.wrapping_add_signed(change);
        }
        entry.set_seqadj(direction, seqadj);
    }

    /// Moves the numbers of a TCP packet as its connection wants it (`nf_ct_seq_adjust`); any other packet, and one of a
    /// connection without [`Status::SEQ_ADJUST`], stays as it is. False: its header is not whole, and it is to be dropped.
    #[must_use]
    pub fn seq_adjust(&self, packet: &mut Packet<'_>, info: &PacketInfo, ct: CtRef, ctinfo: CtInfo) -> bool {
        let Some(entry) = self.entry(ct).filter(|entry| entry.status.contains(Status::SEQ_ADJUST)) else {
            return true;
        };
        match info.transport_header() {
            Some((ipproto::TCP, at)) => adjust(packet, at, entry, ctinfo.direction()).is_some(),
            _ => true,
        }
    }
}

fn adjust(packet: &mut Packet<'_>, at: usize, entry: &Entry, direction: Direction) -> Option<()> {
    let header = Header::read(packet, at)?;
    packet.pull(at + tcp::HEADER_LEN);
    let (own, other) = (entry.seqadj(direction), entry.seqadj(direction.opposite()));
    let mut change = Delta::NONE;
    let seq = header.seq.wrapping_add(own.offset(header.seq));
    replace(packet, at + tcp::SEQ_AT, header.seq, seq, &mut change)?;
    if header.has(flag::ACK) {
        replace(packet, at + tcp::ACK_AT, header.ack, other.undo(header.ack), &mut change)?;
        if other != SeqAdj::default() {
            adjust_sack(packet, at + tcp::HEADER_LEN, at + header.header_len, &other, &mut change)?;
        }
    }
    let checksum = packet.be16(at + tcp::CHECKSUM_AT)?;
    packet.store(at + tcp::CHECKSUM_AT, &change.apply(checksum).to_be_bytes()).then_some(())
}

/// Moves the blocks of selective acknowledgements back (`nf_ct_sack_adjust`). `None` when the options reach beyond the
/// packet or are malformed.
fn adjust_sack(
    packet: &mut Packet<'_>,
    mut at: usize,
    end: usize,
    other: &SeqAdj,
    change: &mut Delta,
) -> Option<()> {
    let start = at;
    while at < end {
        let length = match packet.byte(at)? {
            tcp::OPTION_END => return Some(()),
            tcp::OPTION_NOP => 1,
            kind => {
                let length = usize::from(packet.byte(at + 1)?);
                if at + 1 == end || length < 2 || at + length > end {
                    return None;
                }
                if kind == OPTION_SACK && length >= 2 + SACK_BLOCK && (length - 2) % SACK_BLOCK == 0 {
                    for edge in (at + 2..at + length).step_by(4) {
                        let old = packet.be32(edge)?;
                        replace_option(packet, edge, (edge - start) % 2 == 1, other.undo(old), change)?;
                    }
                }
                length
            }
        };
        at += length;
    }
    Some(())
}

/// Replaces a number that begins at an even distance from the TCP header's first byte.
fn replace(packet: &mut Packet<'_>, at: usize, old: u32, new: u32, change: &mut Delta) -> Option<()> {
    if !packet.store(at, &new.to_be_bytes()) {
        return None;
    }
    *change = change.bytes(&old.to_be_bytes(), &new.to_be_bytes());
    Some(())
}

/// Replaces a number in an option, which may begin anywhere: `odd` says whether its distance from the header's first byte is
/// odd, where its bytes belong to three words of the checksum.
pub(crate) fn replace_option(
    packet: &mut Packet<'_>,
    at: usize,
    odd: bool,
    new: u32,
    change: &mut Delta,
) -> Option<()> {
    let old = packet.array::<4>(at)?;
    let new = new.to_be_bytes();
    if !packet.store(at, &new) {
        return None;
    }
    *change = if odd {
        let padded = |[a, b, c, d]: [u8; 4]| [0, a, b, c, d, 0];
        change.bytes(&padded(old), &padded(new))
    } else {
        change.bytes(&old, &new)
    };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Bytes};
    use crate::{Config, InvalidReason, Tracking};
    use Direction::{Original, Reply};
    use flag::{ACK, PSH, SYN};

    /// A connection whose original direction has sent numbers up to 100, and its reply up to 500.
    fn connection() -> (Bench, CtRef) {
        let mut bench = Bench::new(Config::default());
        let (ct, _) = bench.pass(&Bytes::tcp(Original, SYN, 99, 0, 1000, &[4, 2, 1, 1], 0)).flow().unwrap();
        bench.pass(&Bytes::tcp(Reply, SYN | ACK, 499, 100, 1000, &[4, 2, 1, 1], 0));
        bench.pass(&Bytes::tcp(Original, ACK, 100, 500, 1000, &[], 0));
        (bench, ct)
    }

    fn adjusted(bench: &Bench, ct: CtRef, ctinfo: CtInfo, packet: &Bytes) -> Bytes {
        let mut packet = packet.clone();
        assert!(packet.with(|packet, info| bench.ct.seq_adjust(packet, info, ct, ctinfo)));
        packet
    }

    #[test]
    fn numbers_behind_a_longer_packet_move_and_acknowledgements_move_back() {
        let (mut bench, ct) = connection();
        bench.ct.seqadj_set(ct, Original, 100, 7);
        bench.ct.seqadj_set(ct, Original, 100, 7);
        let there = |seq, data| Bytes::tcp(Original, ACK | PSH, seq, 500, 1000, &[], data);
        // The packet itself stays where it was; those behind it move.
        assert_eq!(adjusted(&bench, ct, CtInfo::Established, &there(100, 20)), there(100, 20));
        assert_eq!(adjusted(&bench, ct, CtInfo::Established, &there(120, 20)), there(127, 20));
        let back = |ack| Bytes::tcp(Reply, ACK, 500, ack, 1000, &[], 0);
        // All of the longer packet, and of the next; an acknowledgement of what came before it does not move.
        assert_eq!(adjusted(&bench, ct, CtInfo::EstablishedReply, &back(127)), back(120));
        assert_eq!(adjusted(&bench, ct, CtInfo::EstablishedReply, &back(147)), back(140));
        assert_eq!(adjusted(&bench, ct, CtInfo::EstablishedReply, &back(100)), back(100));
        // A second change adds to the first.
        bench.ct.seqadj_set(ct, Original, 140, -10);
        assert_eq!(adjusted(&bench, ct, CtInfo::Established, &there(140, 1)), there(147, 1));
        assert_eq!(adjusted(&bench, ct, CtInfo::Established, &there(160, 1)), there(157, 1));
        assert_eq!(adjusted(&bench, ct, CtInfo::EstablishedReply, &back(158)), back(161));
    }

    #[test]
    fn selective_acknowledgements_move_back_wherever_they_begin() {
        let (mut bench, ct) = connection();
        bench.ct.seqadj_init(ct, Original, 0x1_0000);
        for pad in 0..2usize {
            let options = |first: u32, last: u32| {
                let mut options = vec![1; pad];
                options.extend([5, 10]);
                options.extend(first.to_be_bytes());
                options.extend(last.to_be_bytes());
                options.resize(12, 0);
                options
            };
            let seen = Bytes::tcp(Reply, ACK, 500, 0x1_0064, 1000, &options(0x1_0100, 0x1_0200), 0);
            let wanted = Bytes::tcp(Reply, ACK, 500, 100, 1000, &options(0x100, 0x200), 0);
            let moved = adjusted(&bench, ct, CtInfo::EstablishedReply, &seen);
            assert_eq!(moved, wanted, "{pad}");
            assert!(moved.is_whole());
        }
    }

    #[test]
    fn window_tracking_judges_an_acknowledgement_as_its_sender_meant_it() {
        let (mut bench, ct) = connection();
        let ack = |ack| Bytes::tcp(Original, ACK, 100, ack, 1000, &[], 0);
        // Far beyond any window, as a synproxy's offset is.
        let moved = 0x4000_0000;
        let over = Tracking::Invalid(InvalidReason::AcknowledgementOver);
        assert_eq!(bench.enter(&ack(moved + 500)), over);
        bench.ct.seqadj_init(ct, Reply, moved);
        assert!(matches!(bench.enter(&ack(moved + 500)), Tracking::Flow(..)));
        assert_eq!(bench.enter(&ack(moved + 600)), over);
        assert!(bench.ct.entry(ct).unwrap().status().contains(Status::SEQ_ADJUST));
    }

    #[test]
    fn malformed_options_are_no_packet_to_pass() {
        let (mut bench, ct) = connection();
        bench.ct.seqadj_init(ct, Original, 5);
        let mut packet = Bytes::tcp(Reply, ACK, 500, 105, 1000, &[5, 10, 0, 0], 0);
        assert!(!packet.with(|packet, info| bench.ct.seq_adjust(packet, info, ct, CtInfo::EstablishedReply)));
    }
}
