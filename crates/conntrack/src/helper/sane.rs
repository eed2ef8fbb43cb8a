//! SANE: a scanner's answer to a start names the port of the image data (nf_conntrack_sane.c).

use std::time::Duration;

use ironweir_wire::protocol::ipproto;

use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::{Expectation, Policy};

/// The procedure SANE_NET_START of the SANE network protocol.
const START: u32 = 7;
/// Bytes of its request: procedure, handle.
const REQUEST_LEN: usize = 8;
/// What is remembered while the answer is awaited.
const START_REQUESTED: u32 = 1;

/// The helper "sane".
#[derive(Debug)]
pub(super) struct Sane;

impl Helper for Sane {
    fn name(&self) -> &'static str {
        "sane"
    }

    fn l4(&self) -> u8 {
        ipproto::TCP
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 1, timeout: Duration::from_secs(300) }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        if !context.is_established() {
            return Judgement::Accept;
        }
        let mut memory = context.memory();
        if context.direction() == Direction::Original {
            if payload.len() == REQUEST_LEN {
                let start = payload.first_chunk().is_some_and(|code| u32::from_be_bytes(*code) == START);
                memory[0] = u32::from(start) * START_REQUESTED;
                context.remember(memory);
            }
            return Judgement::Accept;
        }
        if memory[0] != START_REQUESTED {
            return Judgement::Accept;
        }
        memory[0] = 0;
        context.remember(memory);
        // Status and a word that is zero, both good news when zero, then the port.
        let Some(&[0, 0, 0, 0, 0, 0, high, low]) = payload.first_chunk() else { return Judgement::Accept };
        let original = context.tuple(Direction::Original);
        let port = u16::from_be_bytes([high, low]);
        match context.expect(Expectation::new(
            &original,
            ipproto::TCP,
            Some(original.src),
            original.dst,
            port,
        )) {
            Ok(_) => Judgement::Accept,
            Err(_) => Judgement::Drop,
        }
    }
}
