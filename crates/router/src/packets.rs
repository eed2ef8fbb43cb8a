//! The thread of packets: a [`Router`] and its share of the engine.

use std::io;
use std::time::Duration;

use ironweir_wire::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::router::Router;
use crate::shared::Shared;

/// How often it is looked at what has expired, and what ports counted is told, while packets come without end.
const OFTEN: Duration = Duration::from_millis(10);
/// The longest wait: whatever a clock does, it is looked at again soon.
const IDLE: Duration = Duration::from_secs(60);

/// Takes packets through the engine until [`Shared::stop`]. `clock` tells the time.
///
/// # Errors
/// A port is broken, or the system cannot wait. [`Shared::is_stopped`] is true then.
pub fn run(router: &mut Router, shared: &Shared, clock: &dyn Fn() -> Instant) -> io::Result<()> {
    let ended = turns(router, shared, clock);
    shared.stop();
    ended
}

fn turns(router: &mut Router, shared: &Shared, clock: &dyn Fn() -> Instant) -> io::Result<()> {
    let mut looked = Instant::ZERO;
    router.watch(shared.watch());
    while !shared.is_stopped() {
        shared.packets.seen();
        let mut engine = shared.lock();
        engine.advance(clock());
        let now = engine.now();
        let mut timeout = Duration::ZERO;
        if !router.turn(&mut engine, now)? || now.since(looked) >= OFTEN {
            looked = now;
            if engine.next_deadline().is_some_and(|deadline| deadline <= now) {
                engine.collect(now);
            }
            let until = |deadline: Instant| deadline.since(now);
            // What expires in the engine can wait a little, so that it is gone through rarely; a port's frames cannot.
            let expires = engine.next_deadline().map_or(IDLE, |deadline| until(deadline).max(OFTEN));
            timeout = router.deadline().map_or(IDLE, until).min(expires).min(IDLE);
        }
        let events = engine.conntrack().has_events()
            || engine.has_flow_changes()
            || engine.has_queued()
            || shared.watch().has_news();
        drop(engine);
        if events {
            shared.control.wake();
        }
        if timeout > Duration::ZERO {
            shared.count_ports(router.statistics());
        }
        wait(router, shared, timeout)?;
    }
    Ok(())
}

fn wait(router: &Router, shared: &Shared, timeout: Duration) -> io::Result<()> {
    let woken = PollFd::new(&shared.packets, PollFlags::IN);
    let ports = router.descriptors().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    let mut fds: Vec<PollFd<'_>> = std::iter::once(woken).chain(ports).collect();
    match poll(&mut fds, Timespec::try_from(timeout).ok().as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
