//! Datagrams that wait for a client.

use std::collections::VecDeque;

use ironweir_netlink::{Header, kind};

/// Bytes that may wait for a client before events are lost. Answers to its own requests are not: it asked for them, and
/// the server takes no more requests before they are gone.
pub const MAX_WAITING: usize = 4 << 20;

/// A queue of datagrams with a bound.
#[derive(Debug, Default)]
pub struct Output {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Events were lost since the last one that went in.
    lost: bool,
}

impl Output {
    /// The datagram to be sent next.
    pub fn front(&self) -> Option<&[u8]> {
        self.waiting.front().map(Vec::as_slice)
    }

    /// The first datagram was sent.
    pub fn sent(&mut self) {
        if let Some(datagram) = self.waiting.pop_front() {
            self.bytes -= datagram.len();
        }
        if self.lost && self.waiting.is_empty() {
            self.lost = false;
            self.overrun();
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts an answer in.
    pub(super) fn answer(&mut self, datagram: Vec<u8>) {
        self.bytes += datagram.len();
        self.waiting.push_back(datagram);
    }

    /// Puts an event in, where there is room. Behind a lost one all are lost until the client has read what it has: it
    /// would take what follows for the whole.
    pub(super) fn event(&mut self, datagram: &[u8]) {
        if self.lost || self.bytes + datagram.len() > MAX_WAITING {
            self.lost = true;
        } else {
            self.answer(datagram.to_vec());
        }
    }

    /// Events were lost before they came here.
    pub(super) fn lose(&mut self) {
        match self.waiting.is_empty() {
            true => self.overrun(),
            false => self.lost = true,
        }
    }

    fn overrun(&mut self) {
        // What the kernel says by ENOBUFS of the read.
        let header = Header { len: Header::LEN as u32, kind: kind::OVERRUN, ..Header::default() };
        self.answer(header.encode().to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_the_bound_are_lost_and_that_is_told() {
        let mut output = Output::default();
        let event = vec![7; MAX_WAITING / 2];
        for _ in 0..5 {
            output.event(&event);
        }
        assert_eq!(output.bytes(), MAX_WAITING);
        output.sent();
        // There is room again, but what was lost comes first.
        output.event(&event);
        assert_eq!(output.bytes(), MAX_WAITING / 2);
        output.sent();
        let told = Header::decode(output.front().unwrap()).unwrap();
        assert_eq!((told.kind, told.len), (kind::OVERRUN, 16));
        output.sent();
        output.event(&event);
        assert_eq!(output.front(), Some(&event[..]));
    }
}
