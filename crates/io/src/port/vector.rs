//! Frames to and from a socket in vectors: one system call for many (`recvmmsg(2)`, `sendmmsg(2)`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Frames of a vector: what the router takes of a port in a turn.
pub(super) const VECTOR: usize = 64;

/// Frames that came.
pub(super) struct Incoming {
    /// Room for a vector, `slot` bytes each.
    room: Box<[u8]>,
    slot: usize,
    /// Which came: their lengths, the next one to be handed over, and how many.
    lens: [u32; VECTOR],
    next: usize,
    count: usize,
    headers: Box<[libc::mmsghdr; VECTOR]>,
    pieces: Box<[libc::iovec; VECTOR]>,
}

// SAFETY: the pointers among the headers and pieces are to this value's own memory on the heap, are set before each call and
// used in it alone.
#[allow(unsafe_code)]
unsafe impl Send for Incoming {}

impl Incoming {
    /// For frames of at most so many bytes.
    pub(super) fn new(slot: usize) -> Incoming {
        Incoming {
            room: vec![0; slot * VECTOR].into(),
            slot,
            lens: [0; VECTOR],
            next: 0,
            count: 0,
            headers: Box::new([empty_header(); VECTOR]),
            pieces: Box::new([empty_piece(); VECTOR]),
        }
    }

    /// The next frame, from memory or else from the socket. What did not fit its slot is cut off.
    ///
    /// # Errors
    /// Those of `recvmmsg`, but for there being nothing.
    pub(super) fn next(&mut self, socket: BorrowedFd<'_>) -> io::Result<Option<&[u8]>> {
        if self.next == self.count {
            self.receive(socket)?;
        }
        if self.next == self.count {
            return Ok(None);
        }
        let len = self.lens.get(self.next).map_or(0, |len| *len as usize).min(self.slot);
        let start = self.next * self.slot;
        self.next += 1;
        Ok(self.room.get(start..start + len))
    }

    /// Whether frames are left in memory.
    pub(super) fn has_more(&self) -> bool {
        self.next < self.count
    }

    #[allow(unsafe_code)]
    fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        (self.next, self.count) = (0, 0);
        for ((header, piece), room) in
            self.headers.iter_mut().zip(self.pieces.iter_mut()).zip(self.room.chunks_exact_mut(self.slot))
        {
            *piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            header.msg_hdr.msg_iov = std::ptr::from_mut(piece);
            header.msg_hdr.msg_iovlen = 1;
        }
        loop {
            // SAFETY: each header has one piece, of memory of this value's own as long as it says; no name and no control
            // data; all live through the call, and nobody else has them.
            let count = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    VECTOR as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            if count >= 0 {
                self.count = (count as usize).min(VECTOR);
                break;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(()),
                _ => return Err(error),
            }
        }
        for (len, header) in self.lens.iter_mut().zip(self.headers.iter()) {
            *len = header.msg_len;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("next", &self.next)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Frames that are to go.
#[derive(Default)]
pub(super) struct Outgoing {
    /// One behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    headers: Vec<libc::mmsghdr>,
    pieces: Vec<libc::iovec>,
}

// SAFETY: as of `Incoming`.
#[allow(unsafe_code)]
unsafe impl Send for Outgoing {}

impl Outgoing {
    /// Adds one, of two pieces. Tells whether the vector is full.
    pub(super) fn push(&mut self, before: &[u8], frame: &[u8]) -> bool {
        self.bytes.extend_from_slice(before);
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
        self.ends.len() >= VECTOR
    }

    /// Sends them all. Of each it is told whether it was sent, by its length; what the socket does not take is lost.
    #[allow(unsafe_code)]
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>, mut told: impl FnMut(usize, bool)) {
        self.headers.clear();
        self.pieces.clear();
        let mut start = 0;
        for end in &self.ends {
            let frame = self.bytes.get_mut(start..*end).unwrap_or_default();
            self.pieces.push(libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() });
            start = *end;
        }
        for piece in &mut self.pieces {
            let mut header = empty_header();
            header.msg_hdr.msg_iov = std::ptr::from_mut(piece);
            header.msg_hdr.msg_iovlen = 1;
            self.headers.push(header);
        }
        let mut done = 0;
        while let Some(left) = self.headers.get_mut(done..)
            && !left.is_empty()
        {
            // SAFETY: each header has one piece, of bytes of this value's own as many as it says; no name and no control
            // data; all live through the call.
            let sent = unsafe {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                libc::sendmmsg(socket.as_raw_fd(), left.as_mut_ptr(), left.len() as libc::c_uint, flags)
            };
            let (count, ok) = match usize::try_from(sent) {
                Ok(count) if count > 0 => (count, true),
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => continue,
                // The first of them.
                _ => (1, false),
            };
            for piece in self.pieces.get(done..done + count).unwrap_or_default() {
                told(piece.iov_len, ok);
            }
            done += count;
        }
        self.bytes.clear();
        self.ends.clear();
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("frames", &self.ends.len()).finish_non_exhaustive()
    }
}

fn empty_piece() -> libc::iovec {
    libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }
}

#[allow(unsafe_code)]
fn empty_header() -> libc::mmsghdr {
    // SAFETY: numbers and pointers, of which zero and null are values.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn vectors_come_as_they_went() {
        let (here, there) = UnixDatagram::pair().unwrap();
        let (mut outgoing, mut incoming) = (Outgoing::default(), Incoming::new(10));
        assert!(incoming.next(there.as_fd()).unwrap().is_none());
        for round in 0..50_u8 {
            assert!(!outgoing.push(&[round], &[1; 20]));
            assert!(!outgoing.push(&[round], &[2]));
            assert!(!outgoing.push(&[], &[3]));
            let mut sent = Vec::new();
            outgoing.flush(here.as_fd(), |len, ok| sent.push((len, ok)));
            assert_eq!(sent, [(21, true), (2, true), (1, true)]);
            let first = incoming.next(there.as_fd()).unwrap().unwrap();
            assert_eq!((first.len(), first[0]), (10, round), "cut off");
            assert_eq!(incoming.next(there.as_fd()).unwrap().unwrap(), [round, 2]);
            assert!(incoming.has_more());
            assert_eq!(incoming.next(there.as_fd()).unwrap().unwrap(), [3]);
            assert!(!incoming.has_more() && incoming.next(there.as_fd()).unwrap().is_none());
        }
    }

    #[test]
    fn what_the_socket_does_not_take_is_told_and_the_rest_goes() {
        let (here, there) = UnixDatagram::pair().unwrap();
        // The least that a socket can have.
        rustix::net::sockopt::set_socket_send_buffer_size(&here, 1).unwrap();
        let mut outgoing = Outgoing::default();
        for number in 0..VECTOR - 1 {
            assert!(!outgoing.push(&[], &[number as u8]));
        }
        assert!(outgoing.push(&[], &[9]));
        let (mut sent, mut lost) = (0, 0);
        outgoing.flush(here.as_fd(), |_, ok| if ok { sent += 1 } else { lost += 1 });
        assert_eq!(sent + lost, VECTOR);
        assert!(sent > 0 && lost > 0);
        let mut incoming = Incoming::new(10);
        let came = std::iter::from_fn(|| incoming.next(there.as_fd()).unwrap().map(|frame| frame[0]));
        assert_eq!(came.collect::<Vec<_>>(), (0..sent as u8).collect::<Vec<_>>());
        outgoing.flush(here.as_fd(), |_, _| unreachable!("nothing is left"));
    }
}
