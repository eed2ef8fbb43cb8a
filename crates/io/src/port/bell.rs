//! A descriptor that can be read as long as we want it to: for ports that have something left in memory, where no
//! descriptor of the system's would end a wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

#[derive(Debug)]
pub(super) struct Bell {
    fd: OwnedFd,
    rings: bool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        Ok(Bell { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?, rings: false })
    }

    /// Lets it ring or not. A system call only where that changes.
    pub(super) fn set(&mut self, rings: bool) {
        if rings == self.rings {
            return;
        }
        self.rings = rings;
        // Neither can fail: the counter goes from 0 to 1 and back.
        if rings {
            let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        } else {
            let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::tests::readable;

    #[test]
    fn it_rings_until_it_is_told_not_to() {
        let mut bell = Bell::new().unwrap();
        assert!(!readable(&bell));
        bell.set(true);
        bell.set(true);
        assert!(readable(&bell) && readable(&bell));
        bell.set(false);
        assert!(!readable(&bell));
    }
}
