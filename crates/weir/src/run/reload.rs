//! `SIGHUP`: the configuration is read again, and its rules are brought into force.
//!
//! That is done in a thread, which is a client of the daemon as any other: packets and clients go on, and who listens
//! hears what changed. One reload at a time; a signal that comes meanwhile is one more reload afterwards.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use ironweir_io::Endpoint;
use ironweir_language::datatype::Names;

use super::config::{Config, ConfigError};
use super::rules::{self, InForce, RulesError};
use super::{RunError, notify};
use crate::backend::InKernel;
use crate::cli::complain;
use crate::machine;

/// Waits for signals, and does what they ask.
#[derive(Debug)]
pub(super) struct Reloads {
    asked: Arc<AtomicBool>,
    path: PathBuf,
    config: Config,
    names: Names,
    in_force: InForce,
    running: Option<JoinHandle<Option<InForce>>>,
}

impl Reloads {
    pub(super) fn new(
        asked: Arc<AtomicBool>,
        path: PathBuf,
        config: Config,
        names: Names,
        in_force: InForce,
    ) -> Reloads {
        Reloads { asked, path, config, names, in_force, running: None }
    }

    /// Begins or ends a reload, where there is one to begin or to end. Tells what is in force where that changed.
    pub(super) fn look(&mut self) -> Option<&InForce> {
        if let Some(thread) = self.running.take_if(|thread| thread.is_finished()) {
            notify::ready();
            if let Ok(Some(now)) = thread.join() {
                self.in_force = now;
                return Some(&self.in_force);
            }
            return None;
        }
        if self.running.is_none() && self.asked.swap(false, Ordering::AcqRel) {
            notify::reloading();
            let (path, config) = (self.path.clone(), self.config.clone());
            let (names, before) = (self.names.clone(), self.in_force.clone());
            let thread = std::thread::Builder::new().name("reload".into());
            let work = move || match reload(&path, &config, names, &before) {
                Ok((now, changes)) => {
                    complain(&format!("weir run: reloaded, {changes} changes\n"));
                    Some(now)
                }
                Err(error) => {
                    complain(&format!("weir run: not reloaded: {error}\n"));
                    None
                }
            };
            match thread.spawn(work) {
                Ok(thread) => self.running = Some(thread),
                Err(error) => complain(&format!("weir run: not reloaded: {error}\n")),
            }
        }
        None
    }

    /// Whether a reload goes on, whose end nothing announces.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

fn reload(
    path: &std::path::Path,
    old: &Config,
    names: Names,
    before: &InForce,
) -> Result<(InForce, usize), RunError> {
    let config = Config::read(path)?;
    let rest = Config { rules: old.rules.clone(), ..config.clone() };
    if rest != *old {
        return Err(ConfigError::NeedsRestart { path: path.into() }.into());
    }
    let Some(path) = &config.rules else { return Ok((before.clone(), 0)) };
    let mut rules = rules::read(path, names, machine::now()).map_err(RunError::Rules)?;
    let mut backend =
        InKernel::open_at(&Endpoint::Daemon(config.socket.clone()), false).map_err(|error| {
            RunError::Rules(RulesError::Read { path: path.clone(), error: error.to_string() })
        })?;
    let changes = rules.bring(before, &mut backend).map_err(RunError::Rules)?;
    Ok((rules.in_force().clone(), changes))
}
