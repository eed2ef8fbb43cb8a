//! One `AF_XDP` socket: a queue of an interface, the memory that frames lie in, and who of kernel and us has which part of
//! it.
//!
//! Memory is of chunks. One half is for receiving: a chunk is in the fill ring, in the kernel's hands, in the receive ring
//! or in ours, and goes back. The other half is for sending: free, in the transmit ring, in the kernel's hands, in the
//! completion ring.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::ring::{Descriptor, Offsets, Ring};
use super::{Copying, XdpOptions};
use crate::bpf::Mapped;

/// `SOL_XDP` and its options (`linux/if_xdp.h`).
const SOL_XDP: libc::c_int = 283;
const MMAP_OFFSETS: libc::c_int = 1;
const RX_RING: libc::c_int = 2;
const TX_RING: libc::c_int = 3;
const UMEM_REG: libc::c_int = 4;
const FILL_RING: libc::c_int = 5;
const COMPLETION_RING: libc::c_int = 6;
const STATISTICS: libc::c_int = 7;
/// Where each ring's memory is to be had by `mmap`.
const RX_PAGES: u64 = 0;
const TX_PAGES: u64 = 0x8000_0000;
const FILL_PAGES: u64 = 0x1_0000_0000;
const COMPLETION_PAGES: u64 = 0x1_8000_0000;
/// Flags of `bind`.
const BIND_COPY: u16 = 1 << 1;
const BIND_ZERO_COPY: u16 = 1 << 2;
const BIND_NEED_WAKEUP: u16 = 1 << 3;

/// Chunks for each direction: as many as a ring has places.
const RING: u32 = 2048;
/// Descriptors that are taken from the kernel at once, so that its cache lines move rarely.
const VECTOR: usize = 64;
/// Bytes that the kernel keeps free before a frame (`XDP_PACKET_HEADROOM`).
const HEADROOM: usize = 256;

#[repr(C)]
struct Registration {
    address: u64,
    len: u64,
    chunk: u32,
    headroom: u32,
    flags: u32,
    metadata: u32,
}

#[repr(C)]
#[derive(Default)]
struct AllOffsets {
    rx: Offsets,
    tx: Offsets,
    fill: Offsets,
    completion: Offsets,
}

/// `struct sockaddr_xdp`.
#[repr(C)]
struct Address {
    family: u16,
    flags: u16,
    interface: u32,
    queue: u32,
    shared: u32,
}

/// What the kernel lost (`struct xdp_statistics`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    dropped: u64,
    bad_fill: u64,
    bad_tx: u64,
    ring_full: u64,
    fill_empty: u64,
    tx_empty: u64,
}

impl Statistics {
    /// Frames that were for us and did not come.
    pub(super) fn lost(self) -> u64 {
        // In `fill_empty` the kernel counts looks at an empty ring; the frames are in `dropped`.
        self.dropped + self.ring_full
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    memory: Mapped,
    fill: Ring,
    completion: Ring,
    rx: Ring,
    tx: Ring,
    /// Received, not handed over yet; the next is the last.
    received: Vec<Descriptor>,
    /// Chunks to send from.
    free: Vec<u64>,
    chunk: usize,
    /// Frames were put into the transmit ring since the last flush.
    unsent: bool,
    /// The last to be dropped of all: the kernel writes into the memory as long as it is open.
    fd: OwnedFd,
}

impl Socket {
    /// Opens one on a queue of an interface.
    pub(super) fn open(interface: u32, queue: u32, options: XdpOptions) -> io::Result<Socket> {
        let fd = socket()?;
        let chunk = options.chunk();
        let memory = Mapped::anonymous(2 * RING as usize * chunk)?;
        let registration = Registration {
            address: memory.address() as u64,
            len: memory.len() as u64,
            chunk: chunk as u32,
            headroom: 0,
            flags: 0,
            metadata: 0,
        };
        set(&fd, UMEM_REG, &registration)?;
        for ring in [FILL_RING, COMPLETION_RING, RX_RING, TX_RING] {
            set(&fd, ring, &RING)?;
        }
        let offsets: AllOffsets = get(&fd, MMAP_OFFSETS)?;
        let ring = |pages, offsets, words| Ring::new(fd.as_fd(), pages, offsets, RING, words);
        let mut fill = ring(FILL_PAGES, offsets.fill, 1)?;
        let completion = ring(COMPLETION_PAGES, offsets.completion, 1)?;
        let rx = ring(RX_PAGES, offsets.rx, 2)?;
        let tx = ring(TX_PAGES, offsets.tx, 2)?;
        for index in 0..u64::from(RING) {
            fill.put(Descriptor { address: index * chunk as u64, len: 0 });
        }
        fill.publish();
        let free = (u64::from(RING)..2 * u64::from(RING)).map(|index| index * chunk as u64).collect();
        bind(&fd, interface, queue, options)?;
        let received = Vec::with_capacity(VECTOR);
        Ok(Socket { memory, fill, completion, rx, tx, received, free, chunk, unsent: false, fd })
    }

    /// Copies the next frame that came to the beginning of the buffer, and tells its length; 0 for one that is longer.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.received.is_empty() {
            self.refill();
        }
        let Descriptor { address, len } = self.received.pop()?;
        let copied = self.read(address, len as usize, buffer);
        // The frame's chunk is the kernel's again, once this is published.
        let chunk = address - address % self.chunk as u64;
        self.fill.put(Descriptor { address: chunk, len: 0 });
        Some(if copied { len as usize } else { 0 })
    }

    /// Takes a vector of descriptors.
    fn refill(&mut self) {
        self.fill.publish();
        while self.received.len() < VECTOR
            && let Some(descriptor) = self.rx.take()
        {
            self.received.push(descriptor);
        }
        self.received.reverse();
        self.rx.release();
    }

    /// Whether frames were taken from the kernel and not handed over.
    pub(super) fn has_more(&self) -> bool {
        !self.received.is_empty()
    }

    #[allow(unsafe_code)]
    fn read(&self, address: u64, len: usize, buffer: &mut [u8]) -> bool {
        let Ok(at) = usize::try_from(address) else { return false };
        if len > buffer.len() || at.checked_add(len).is_none_or(|end| end > self.memory.len()) {
            return false;
        }
        // SAFETY: the range is inside the mapping, as was just seen, and does not overlap the buffer, which is not ours. The
        // chunk is in our hands: it came out of the receive ring and is not in the fill ring yet.
        unsafe { std::ptr::copy_nonoverlapping(self.memory.address().add(at), buffer.as_mut_ptr(), len) };
        true
    }

    /// Puts a frame into the transmit ring. False: it is too long, or there is no room.
    #[allow(unsafe_code)]
    pub(super) fn send(&mut self, frame: &[u8]) -> bool {
        if frame.len() > self.chunk - HEADROOM || frame.is_empty() {
            return false;
        }
        if self.free.is_empty() {
            self.wake();
            self.reclaim();
        }
        let Some(address) = self.free.pop() else { return false };
        let at = address as usize;
        debug_assert!(at + frame.len() <= self.memory.len());
        // SAFETY: free chunks are whole chunks inside the mapping, and the frame is no longer than one; the chunk is in our
        // hands, since it is in no ring.
        unsafe {
            std::ptr::copy_nonoverlapping(frame.as_ptr(), self.memory.address().add(at), frame.len());
        }
        if !self.tx.put(Descriptor { address, len: frame.len() as u32 }) {
            self.free.push(address);
            return false;
        }
        self.unsent = true;
        true
    }

    /// Chunks that were sent are free again.
    fn reclaim(&mut self) {
        while let Some(sent) = self.completion.take() {
            self.free.push(sent.address - sent.address % self.chunk as u64);
        }
        self.completion.release();
    }

    /// Lets the kernel have what was put into its rings.
    pub(super) fn flush(&mut self) {
        self.fill.publish();
        if self.fill.needs_wakeup() {
            // It only wakes the driver; there is nothing to read.
            let _ = rustix::net::recv(&self.fd, &mut [0_u8; 0], rustix::net::RecvFlags::DONTWAIT);
        }
        if self.unsent {
            self.unsent = false;
            self.wake();
            self.reclaim();
        }
    }

    /// Lets the kernel send. In copy mode it sends in the call, 32 frames of them.
    fn wake(&mut self) {
        self.tx.publish();
        let mut left = self.tx.left();
        while left > 0 && self.tx.needs_wakeup() {
            let sent = rustix::net::send(&self.fd, &[], rustix::net::SendFlags::DONTWAIT);
            let before = std::mem::replace(&mut left, self.tx.left());
            // Interface down, queue full: what is in the ring stays there until the next time.
            if sent.is_err() && left >= before {
                break;
            }
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        get(&self.fd, STATISTICS).unwrap_or_default()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[allow(unsafe_code)]
fn socket() -> io::Result<OwnedFd> {
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointer; a descriptor that was made by this call is nobody else's.
    unsafe {
        let fd = libc::socket(libc::AF_XDP, flags, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

#[allow(unsafe_code)]
fn bind(fd: &OwnedFd, interface: u32, queue: u32, options: XdpOptions) -> io::Result<()> {
    let copying = match options.copying {
        Copying::Automatic => 0,
        Copying::Copy => BIND_COPY,
        Copying::ZeroCopy => BIND_ZERO_COPY,
    };
    let flags = BIND_NEED_WAKEUP | copying;
    let address = Address { family: libc::AF_XDP as u16, flags, interface, queue, shared: 0 };
    // SAFETY: the address is a whole `sockaddr_xdp` that lives through the call.
    let bound = unsafe {
        let len = size_of::<Address>() as libc::socklen_t;
        libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len)
    };
    if bound == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[allow(unsafe_code)]
fn set<T>(fd: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value is read as far as its own size, and lives through the call.
    let set = unsafe {
        let len = size_of::<T>() as libc::socklen_t;
        libc::setsockopt(fd.as_raw_fd(), SOL_XDP, option, std::ptr::from_ref(value).cast(), len)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option into a value of integers only, of which any bits are one.
#[allow(unsafe_code)]
fn get<T: Default>(fd: &OwnedFd, option: libc::c_int) -> io::Result<T> {
    let mut value = T::default();
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most as many bytes as it is told, which are the value's; the callers' types are of
    // integers alone.
    let got =
        unsafe { libc::getsockopt(fd.as_raw_fd(), SOL_XDP, option, (&raw mut value).cast(), &raw mut len) };
    if got == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}
