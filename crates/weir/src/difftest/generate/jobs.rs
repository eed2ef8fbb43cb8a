//! Several routers at once, each in a thread of its own on a processor of its own: seeds are dealt out to them.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ironweir_engine::Host;

use super::campaign::{Outcome, Task, Worker};
use crate::difftest::rig::RigError;

/// Runs rulesets of the seeds from `first` on until `enough` says so of what was done so far. What is found is told to
/// `found` at once.
///
/// # Errors
/// If the kernel cannot be asked; the other routers end, then, too.
pub fn run(
    host: &Host,
    task: &Task,
    jobs: usize,
    first: u64,
    enough: impl Fn(&Outcome) -> bool + Sync,
    found: impl Fn(&str) + Sync,
) -> Result<Outcome, RigError> {
    let next = AtomicU64::new(first);
    let ended = AtomicBool::new(false);
    let total = Mutex::new(Outcome::default());
    let work = |job: usize| -> Result<(), RigError> {
        ironweir_io::namespace::stay_on_processor(job).map_err(RigError::system("sched_setaffinity"))?;
        let mut worker = Worker::new(host)?;
        while !ended.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let outcome = worker.ruleset(task, seed)?;
            outcome.found.iter().for_each(|told| found(told));
            let Ok(mut total) = total.lock() else { break };
            total.add(outcome);
            if enough(&total) {
                ended.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    let failed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1))
            .map(|job| {
                let (work, ended) = (&work, &ended);
                scope.spawn(move || {
                    let done = work(job);
                    if done.is_err() {
                        ended.store(true, Ordering::Relaxed);
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).find_map(Result::err)
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
    }
}

/// Prints what was found while others still look.
pub fn tell(told: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{told}");
}
