//! TFTP: the answer to a request comes from another port (nf_conntrack_tftp.c, nf_nat_tftp.c; RFC 1350).

use std::time::Duration;

use ironweir_wire::protocol::ipproto;

use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::{Expectation, Policy};

/// Opcodes of requests to read and to write.
const READ: [u8; 2] = [0, 1];
const WRITE: [u8; 2] = [0, 2];

/// The helper "tftp".
#[derive(Debug)]
pub(super) struct Tftp;

impl Helper for Tftp {
    fn name(&self) -> &'static str {
        "tftp"
    }

    fn l4(&self) -> u8 {
        ipproto::UDP
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 1, timeout: Duration::from_secs(300) }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        if payload.first_chunk::<2>().is_none_or(|opcode| ![READ, WRITE].contains(opcode)) {
            return Judgement::Accept;
        }
        let reply = context.tuple(Direction::Reply);
        let mut expectation =
            Expectation::new(&reply, ipproto::UDP, Some(reply.src), reply.dst, reply.dst_id);
        if context.has_nat() {
            expectation = expectation.following(Direction::Reply, context.tuple(Direction::Original).src_id);
        }
        match context.expect(expectation) {
            Ok(_) => Judgement::Accept,
            Err(_) => Judgement::Drop,
        }
    }
}
