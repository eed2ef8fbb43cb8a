//! One engine for two threads: packets go through it in one, and whatever else there is to do with it is done in another.
//!
//! A vector of packets holds the engine at most some tens of microseconds; what others do is cut into portions of that
//! order (see [`crate::server`]), but for the commit of a batch. The lock is fair: who waits has the next turn, so neither a
//! flood of packets nor a client that asks all the time keeps the other away.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ironweir_engine::Engine;
use ironweir_io::port::PortStatistics;
use ironweir_wire::IfIndex;
use parking_lot::{FairMutex, FairMutexGuard};
use rustix::event::{EventfdFlags, eventfd};

use crate::watch::Watch;

/// See the module.
pub struct Shared {
    engine: FairMutex<Engine>,
    ports: FairMutex<Vec<(IfIndex, PortStatistics)>>,
    /// Wakes the thread of packets.
    pub(crate) packets: Wake,
    /// Wakes the thread of clients.
    pub(crate) control: Wake,
    stopped: AtomicBool,
    watch: Arc<Watch>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Shares an engine.
    ///
    /// # Errors
    /// The system gives no descriptors.
    pub fn new(engine: Engine) -> std::io::Result<Shared> {
        Ok(Shared {
            engine: FairMutex::new(engine),
            ports: FairMutex::new(Vec::new()),
            packets: Wake::new()?,
            control: Wake::new()?,
            stopped: AtomicBool::new(false),
            watch: Arc::default(),
        })
    }

    /// The engine, for as long as the guard lives: keep it short, packets wait.
    pub fn lock(&self) -> FairMutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// What clients hear of packets.
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// What came and went through each port, some milliseconds ago.
    pub fn ports(&self) -> Vec<(IfIndex, PortStatistics)> {
        self.ports.lock().clone()
    }

    pub(crate) fn count_ports(&self, statistics: impl Iterator<Item = (IfIndex, PortStatistics)>) {
        let mut ports = self.ports.lock();
        ports.clear();
        ports.extend(statistics);
    }

    /// Makes the thread of packets look at its deadlines: something may be due sooner than it was.
    pub fn hurry(&self) {
        self.packets.wake();
    }

    /// Ends both threads' work.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.packets.wake();
        self.control.wake();
    }

    /// Whether work is to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// Ends the wait of another thread: a descriptor that can be read from then on (`eventfd(2)`).
#[derive(Debug)]
pub(crate) struct Wake {
    fd: OwnedFd,
    /// It was woken, and has not looked yet.
    woken: AtomicBool,
}

impl Wake {
    fn new() -> std::io::Result<Wake> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Wake { fd, woken: AtomicBool::new(false) })
    }

    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // It is full only when it can be read.
            let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    /// To be called by who was woken, before it looks at what there is.
    pub(crate) fn seen(&self) {
        if self.woken.swap(false, Ordering::AcqRel) {
            let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        }
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
