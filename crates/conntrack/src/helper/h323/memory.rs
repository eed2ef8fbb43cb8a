//! What is remembered of a connection (`struct nf_ct_h323_master`).

use crate::entry::{Direction, HelperMemory};
use crate::helper::Context;

/// So many streams of media a connection has at most (`H323_RTP_CHANNEL_MAX`).
pub(super) const CHANNELS: usize = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The port where calls or H.245 are awaited: as its owner named it, and as the other side was told.
    pub(super) signal: [u16; 2],
    /// The same of RTP.
    pub(super) rtp: [[u16; 2]; CHANNELS],
    /// Of RAS: for how long the registration lasts, in seconds.
    pub(super) timeout: u32,
    /// Of TPKT: how many bytes come without a header, as one before them said.
    pub(super) separate: [u16; 2],
}

fn joined([high, low]: [u16; 2]) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

fn parted(word: u32) -> [u16; 2] {
    [(word >> 16) as u16, word as u16]
}

impl Memory {
    pub(super) fn of(context: &Context<'_, '_>) -> Memory {
        Memory::read(context.memory())
    }

    pub(super) fn store(self, context: &mut Context<'_, '_>) {
        context.remember(self.written());
    }

    fn read([signal, a, b, c, d, timeout, separate, _]: HelperMemory) -> Memory {
        Memory { signal: parted(signal), rtp: [a, b, c, d].map(parted), timeout, separate: parted(separate) }
    }

    fn written(self) -> HelperMemory {
        let [a, b, c, d] = self.rtp.map(joined);
        [joined(self.signal), a, b, c, d, self.timeout, joined(self.separate), 0]
    }

    /// The port of calls in a direction.
    pub(super) fn signal_of(&self, direction: Direction) -> u16 {
        self.signal[direction as usize]
    }

    /// A port of calls is awaited, as another one.
    pub(super) fn remember_signal(&mut self, direction: Direction, port: u16, told: u16) {
        self.signal[direction as usize] = port;
        self.signal[direction.opposite() as usize] = told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was() {
        let memory = Memory {
            signal: [1720, 0xfffe],
            rtp: [[4000, 4002], [1, 2], [3, 4], [0xffff, 0x8000]],
            timeout: u32::MAX,
            separate: [7, 9],
        };
        assert_eq!(Memory::read(memory.written()), memory);
    }
}
