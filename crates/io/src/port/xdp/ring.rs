//! The rings of an `AF_XDP` socket (`Documentation/networking/af_xdp.rst`): arrays of descriptors between the kernel and us,
//! each with one producer and one consumer, whose counters run freely over 32 bits.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use crate::bpf::Mapped;

/// `XDP_RING_NEED_WAKEUP`: the kernel sleeps until a system call.
const NEED_WAKEUP: u32 = 1;

/// Where a ring's parts are in its memory, in bytes (`struct xdp_ring_offset`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offsets {
    producer: u64,
    consumer: u64,
    descriptors: u64,
    flags: u64,
}

/// A frame's place: its offset in the socket's memory, and its length in bytes (`struct xdp_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) address: u64,
    pub(super) len: u32,
}

/// A ring, of which we are the producer or the consumer.
#[derive(Debug)]
pub(super) struct Ring {
    memory: Mapped,
    /// Indexes of words of four bytes, and of eight for the descriptors.
    producer: usize,
    consumer: usize,
    flags: usize,
    descriptors: usize,
    /// Words of eight bytes of each descriptor: 1 of fill and completion, 2 of receive and transmit.
    words: usize,
    size: u32,
    /// Our counter, which the other side may not have seen yet.
    ours: u32,
    /// The other side's as we saw it last.
    theirs: u32,
}

impl Ring {
    /// Maps a socket's ring of so many descriptors, a power of two.
    pub(super) fn new(
        fd: BorrowedFd<'_>,
        page_offset: u64,
        offsets: Offsets,
        size: u32,
        words: usize,
    ) -> io::Result<Ring> {
        let len = offsets.descriptors as usize + size as usize * words * 8;
        let len = len.next_multiple_of(rustix::param::page_size());
        let memory = Mapped::new(fd, len, page_offset)?;
        let half_word = |offset: u64| {
            let index = offset as usize / 4;
            if index < len / 4 { Ok(index) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
        };
        Ok(Ring {
            producer: half_word(offsets.producer)?,
            consumer: half_word(offsets.consumer)?,
            flags: half_word(offsets.flags)?,
            descriptors: offsets.descriptors as usize / 8,
            memory,
            words,
            size,
            ours: 0,
            theirs: 0,
        })
    }

    fn load(&self, counter: usize) -> u32 {
        // What the other side wrote before it moved its counter is seen behind this.
        self.memory.half_words().get(counter).map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    fn store(&self, counter: usize, value: u32) {
        if let Some(counter) = self.memory.half_words().get(counter) {
            counter.store(value, Ordering::Release);
        }
    }

    fn word(&self, counter: u32, word: usize) -> usize {
        self.descriptors + (counter & (self.size - 1)) as usize * self.words + word
    }

    /// As the producer: puts one in, which is seen after [`Ring::publish`]. False: the ring is full.
    pub(super) fn put(&mut self, descriptor: Descriptor) -> bool {
        if self.ours.wrapping_sub(self.theirs) >= self.size {
            self.theirs = self.load(self.consumer);
            if self.ours.wrapping_sub(self.theirs) >= self.size {
                return false;
            }
        }
        let words = self.memory.words();
        if let Some(word) = words.get(self.word(self.ours, 0)) {
            word.store(descriptor.address, Ordering::Relaxed);
        }
        if self.words == 2
            && let Some(len) = self.memory.half_words().get(self.word(self.ours, 1) * 2..)
            && let [len, options, ..] = len
        {
            len.store(descriptor.len, Ordering::Relaxed);
            options.store(0, Ordering::Relaxed);
        }
        self.ours = self.ours.wrapping_add(1);
        true
    }

    /// As the producer: lets the kernel see what was put in.
    pub(super) fn publish(&self) {
        self.store(self.producer, self.ours);
    }

    /// As the producer: how many the kernel has not taken yet.
    pub(super) fn left(&self) -> u32 {
        self.ours.wrapping_sub(self.load(self.consumer))
    }

    /// As the consumer: takes one out, whose place is free again after [`Ring::release`].
    pub(super) fn take(&mut self) -> Option<Descriptor> {
        if self.ours == self.theirs {
            self.theirs = self.load(self.producer);
            if self.ours == self.theirs {
                return None;
            }
        }
        let address = self.memory.words().get(self.word(self.ours, 0))?.load(Ordering::Relaxed);
        let len = match self.words {
            2 => self.memory.half_words().get(self.word(self.ours, 1) * 2)?.load(Ordering::Relaxed),
            _ => 0,
        };
        self.ours = self.ours.wrapping_add(1);
        Some(Descriptor { address, len })
    }

    /// As the consumer: lets the kernel have the places of what was taken out.
    pub(super) fn release(&self) {
        self.store(self.consumer, self.ours);
    }

    /// Whether the kernel waits for a system call to look at the ring.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.load(self.flags) & NEED_WAKEUP != 0
    }
}
