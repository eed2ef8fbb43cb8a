//! When what programs could see a moment ago is seen by none of them any more.
//!
//! The kernel takes some milliseconds to say so, so a thread asks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ironweir_io::bpf::wait_for_programs;

/// Where the kernel does not tell: no program runs so long, being some hundred instructions long.
const LONG: Duration = Duration::from_secs(1);

/// Counts grace periods.
#[derive(Debug, Default)]
pub(super) struct Grace {
    asked: u64,
    over: Arc<AtomicU64>,
    /// To the thread, once there is one: who starts it has given up its privileges by then.
    questions: Option<Sender<u64>>,
}

impl Grace {
    /// Begins a period: what is not to be found now is seen by nobody when [`Grace::over`] has come to this number.
    pub(super) fn begin(&mut self) -> u64 {
        self.asked += 1;
        if self.questions.is_none() {
            // Where there is no thread now there may be one the next time; its first answer is one to all before.
            self.questions = self.start().ok();
        }
        // The thread ends after this value does.
        let _ = self.questions.as_ref().map(|questions| questions.send(self.asked));
        self.asked
    }

    /// Starts the thread, which ends with this value.
    fn start(&self) -> io::Result<Sender<u64>> {
        let (questions, asked) = channel();
        let told = Arc::clone(&self.over);
        std::thread::Builder::new().name("grace".into()).spawn(move || answer(&asked, &told))?;
        Ok(questions)
    }

    /// The last period that is over.
    pub(super) fn over(&self) -> u64 {
        self.over.load(Ordering::Acquire)
    }
}

fn answer(questions: &Receiver<u64>, over: &AtomicU64) {
    while let Ok(first) = questions.recv() {
        let last = questions.try_iter().last().unwrap_or(first);
        if wait_for_programs().is_err() {
            std::thread::sleep(LONG);
        }
        over.store(last, Ordering::Release);
    }
}
