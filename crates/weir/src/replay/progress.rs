//! A progress bar on a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how much of the captures was read, if anybody can see it.
pub struct Progress {
    bar: Option<ProgressBar>,
    /// Bytes of the captures that are done.
    done: u64,
}

impl Progress {
    /// For captures of so many bytes; `None` where that is not known.
    pub fn new(shown: bool, total: Option<u64>) -> Progress {
        let bar = (shown && std::io::stderr().is_terminal()).then(|| {
            let bar = match total {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::new_spinner(),
            };
            let template = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {msg}  {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar
        });
        Progress { bar, done: 0 }
    }

    /// So far: bytes read of the current capture, packets in all.
    pub fn update(&self, position: u64, packets: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done + position);
            bar.set_message(format!("{} packets", super::human::number(packets)));
        }
    }

    /// A capture of so many bytes is done.
    pub fn next_capture(&mut self, bytes: u64) {
        self.done += bytes;
    }

    /// Prints lines above the bar.
    pub fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
