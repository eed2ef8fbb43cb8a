//! What a language session commits to: an engine, or the kernel.

use ironweir_client::connection::{AskError, Refusal};
use ironweir_client::kernel::{CommitError, FetchError, Kernel};
pub use ironweir_firewall::InProcess;
use ironweir_io::{Endpoint, NetlinkError};
use ironweir_language::session::{Backend, BackendError, Echoes, Rejection};
use ironweir_ruleset::netlink::Hooked;
use ironweir_ruleset::store::{Applied, Errno};
use ironweir_ruleset::{Batch, Element, Family, Hook, Part, Ruleset, TableId};
use ironweir_wire::Instant;

use crate::machine;

/// The kernel's nf_tables in the network namespace of this process.
///
/// # Errors
/// It is not there.
pub fn kernel() -> Result<Box<dyn Backend>, BackendError> {
    match InKernel::open(false) {
        Ok(kernel) => Ok(Box::new(kernel)),
        Err(error) => Err(BackendError::Unreachable(Box::new(error))),
    }
}

/// The running kernel, or a daemon that answers as it does.
pub struct InKernel {
    kernel: Kernel,
}

impl InKernel {
    /// Opens a socket to the kernel. With `echo`, it tells what it adds.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn open(echo: bool) -> Result<InKernel, NetlinkError> {
        InKernel::open_at(&Endpoint::Kernel, echo)
    }

    /// Opens a socket to the kernel, or to a daemon. With `echo`, it tells what it adds.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Connect`].
    pub fn open_at(endpoint: &Endpoint, echo: bool) -> Result<InKernel, NetlinkError> {
        let mut kernel = Kernel::open_at(endpoint)?;
        if echo {
            kernel.echo();
        }
        Ok(InKernel { kernel })
    }
}

impl InKernel {
    /// From now on `show` gets everything that the kernel is asked or told, in words.
    pub fn show_requests(&mut self, show: fn(&str)) {
        self.kernel.show_requests(show);
    }
}

impl Backend for InKernel {
    fn ruleset(&self) -> &Ruleset {
        self.kernel.ruleset()
    }

    fn now(&self) -> Instant {
        self.kernel.now()
    }

    fn fetch(&mut self, parts: &[Part]) -> Result<(), BackendError> {
        self.kernel.fetch(parts, machine::now()).map_err(fetch_failed)
    }

    fn fetch_elements(
        &mut self,
        table: &TableId,
        set: &str,
        keys: &[Element],
        reset: bool,
    ) -> Result<(), BackendError> {
        self.kernel.fetch_elements(table, set, keys, reset).map_err(|error| match error {
            FetchError::Ask(error) => ask_failed(error),
            error => fetch_failed(error),
        })
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.kernel.commit(batch).map_err(commit_failed)
    }

    fn take_echoes(&mut self) -> Echoes {
        Echoes { events: self.kernel.take_echoes(), lost: self.kernel.echoes_lost() }
    }

    fn hooked(
        &mut self,
        family: Family,
        hook: Hook,
        device: Option<&str>,
    ) -> Result<Vec<Hooked>, BackendError> {
        self.kernel.hooked(family, hook, device).map_err(ask_failed)
    }

    fn has_events(&self) -> bool {
        true
    }

    fn check(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.kernel.check(batch).map_err(commit_failed)
    }
}

fn fetch_failed(error: FetchError) -> BackendError {
    match error {
        // Every kernel with nf_tables answers the first question, for the generation.
        FetchError::Ask(AskError::Answer(Refusal { errno: Errno::EINVAL, .. })) => BackendError::NoNfTables,
        FetchError::Ask(error) => ask_failed(error),
        FetchError::Restless => BackendError::Restless,
    }
}

fn ask_failed(error: AskError) -> BackendError {
    match error {
        AskError::Answer(Refusal { errno: Errno::EPERM, .. }) => BackendError::NotPermitted,
        AskError::Answer(Refusal { errno, .. }) => BackendError::Answer(errno),
        AskError::Interrupted => BackendError::Restless,
        error => BackendError::Unreachable(Box::new(error)),
    }
}

fn commit_failed(error: CommitError) -> Rejection {
    match error {
        CommitError::Refused(changes) => Rejection::Changes(changes),
        CommitError::Changed => Rejection::Changed,
        CommitError::Ask(error) => Rejection::Failed(ask_failed(error)),
        error => Rejection::Failed(BackendError::Unreachable(Box::new(error))),
    }
}
