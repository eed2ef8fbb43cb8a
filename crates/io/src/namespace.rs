//! Network namespaces of this process's own: made without a name, gone with the last thing that holds them.
//!
//! A namespace is entered by a thread, not by a process. Sockets stay in the namespace that they were opened in, and so do
//! programs that the thread starts; `/proc/sys/net` shows the thread's.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::thread::{CpuSet, LinkNameSpaceType, UnshareFlags};

/// A network namespace that is held open.
#[derive(Debug)]
pub struct NetworkNamespace {
    file: File,
}

impl NetworkNamespace {
    /// The one this thread is in.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn current() -> io::Result<NetworkNamespace> {
        Ok(NetworkNamespace { file: File::open("/proc/thread-self/ns/net")? })
    }

    /// A new one, empty but for a loopback interface that is down. This thread stays where it is.
    ///
    /// # Errors
    /// Without the privilege (`CAP_SYS_ADMIN`).
    pub fn new() -> io::Result<NetworkNamespace> {
        let before = NetworkNamespace::current()?;
        unshare()?;
        let made = NetworkNamespace::current();
        before.enter()?;
        made
    }

    /// Puts this thread into it, for good.
    ///
    /// # Errors
    /// Without the privilege.
    pub fn enter(&self) -> io::Result<()> {
        Ok(rustix::thread::move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Does something in it, and comes back.
    ///
    /// # Errors
    /// Without the privilege; and those of what is done.
    pub fn inside<T>(&self, does: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let before = NetworkNamespace::current()?;
        self.enter()?;
        let done = does();
        before.enter()?;
        done
    }

    /// A path that other programs (`ip link ... netns PATH`) find it by, as long as this value lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

#[allow(unsafe_code)]
fn unshare() -> io::Result<()> {
    // SAFETY: what must not be unshared behind Rust's back is the table of file descriptors (`UnshareFlags::FILES`);
    // a network namespace is nothing that a reference or an open file depends on.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?)
}

/// Keeps this thread on the processor it runs on now. What a thread sends over a veth pair then is received in the order it
/// was sent, for both ends share that processor's backlog.
///
/// # Errors
/// Those of `sched_setaffinity`.
pub fn stay_on_this_processor() -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(rustix::thread::sched_getcpu());
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Puts this thread on one of the processors it may run on, counted from 0 and round again.
///
/// # Errors
/// Those of `sched_setaffinity`.
pub fn stay_on_processor(number: usize) -> io::Result<()> {
    let may = rustix::thread::sched_getaffinity(None)?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| may.is_set(*cpu)).collect();
    let mut set = CpuSet::new();
    if let Some(cpu) = all.get(number % all.len().max(1)) {
        set.set(*cpu);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_namespace_has_a_loopback_interface_alone() {
        let made = match NetworkNamespace::new() {
            Ok(made) => made,
            Err(error) => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
                eprintln!("SKIPPED: no network namespaces: {error}");
                return;
            }
        };
        let before = crate::links::links().unwrap();
        let links = made.inside(crate::links::links).unwrap();
        assert_eq!(links, [(1, "lo".to_owned())]);
        assert_eq!(crate::links::links().unwrap(), before, "the thread is back");
    }
}
