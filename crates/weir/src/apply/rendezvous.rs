//! Where the processes of an apply meet: a directory for each network namespace, with a lock for whoever applies, a lock
//! for the guardian, and the guardian's socket.
//!
//! ```text
//! /run/weir/net-4026531840/           mode 0700; without root below $XDG_RUNTIME_DIR
//!     apply.lock                      held by `weir apply FILE` while it works
//!     guardian.lock                   held by the guardian while it waits
//!     guardian                        its socket: one line in (confirm, rollback, status), one line out
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Where to meet instead of in `/run/weir`, for tests and for those who have no `/run`.
pub(super) const DIRECTORY: &str = "WEIR_RUNTIME_DIR";

/// The longest line that is read of whoever connects.
const MAX_LINE: u64 = 4096;
/// How long somebody who connects may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the guardian may take to roll back before somebody who asked for it hears nothing.
const ANSWER: Duration = Duration::from_secs(300);

/// A directory to meet in.
#[derive(Clone, Debug)]
pub(super) struct Rendezvous {
    directory: PathBuf,
}

/// What is asked of a guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Keep what is applied.
    Confirm,
    /// Bring the old state back.
    Rollback,
    /// Tell what it waits for.
    Status,
}

impl Request {
    const ALL: [(Request, &'static str); 3] =
        [(Request::Confirm, "confirm"), (Request::Rollback, "rollback"), (Request::Status, "status")];

    /// The word for it on the socket.
    pub(super) fn word(self) -> &'static str {
        Request::ALL.iter().find(|(request, _)| *request == self).map_or("", |(_, word)| word)
    }

    /// From the word.
    pub(super) fn from_word(word: &str) -> Option<Request> {
        Request::ALL.into_iter().find(|(_, known)| *known == word).map(|(request, _)| request)
    }
}

impl Rendezvous {
    /// The directory of this network namespace, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or is not ours.
    pub(super) fn open() -> io::Result<Rendezvous> {
        let base = match (std::env::var_os(DIRECTORY), std::env::var_os("XDG_RUNTIME_DIR")) {
            (Some(directory), _) => PathBuf::from(directory),
            (None, Some(runtime)) if !rustix::process::geteuid().is_root() => {
                PathBuf::from(runtime).join("weir")
            }
            _ => PathBuf::from("/run/weir"),
        };
        let namespace = std::fs::metadata("/proc/self/ns/net")?.ino();
        let directory = base.join(format!("net-{namespace}"));
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let found = std::fs::symlink_metadata(&directory)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            let message = format!("{} belongs to somebody else", directory.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        // It is used from another working directory too.
        Ok(Rendezvous { directory: directory.canonicalize()? })
    }

    /// A lock that goes with its file; `None` while another process holds it.
    fn lock(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.directory.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The right to apply; `None` while another has it.
    ///
    /// # Errors
    /// The lock cannot be made.
    pub(super) fn lock_apply(&self) -> io::Result<Option<File>> {
        self.lock("apply.lock")
    }

    /// The right to guard; `None` while another has it: an apply waits for its confirmation.
    ///
    /// # Errors
    /// The lock cannot be made.
    pub(super) fn lock_guardian(&self) -> io::Result<Option<File>> {
        self.lock("guardian.lock")
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("guardian")
    }

    /// The guardian's socket. Only who has [`Rendezvous::lock_guardian`] may ask for it: one that lies there is left over.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let path = self.socket();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The directory keeps others out already.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }

    /// Takes the socket away.
    pub(super) fn leave(&self) {
        // It may be gone with its directory.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Asks the guardian; `None` where there is none.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn ask(&self, request: Request) -> io::Result<Option<String>> {
        let mut stream = match UnixStream::connect(self.socket()) {
            Ok(stream) => stream,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        stream.set_read_timeout(Some(ANSWER))?;
        writeln!(stream, "{}", request.word())?;
        read_line(&stream).map(Some)
    }
}

/// The request of somebody who connected.
///
/// # Errors
/// They do not say it in time, or what they say is none.
pub(super) fn read_request(stream: &UnixStream) -> io::Result<Request> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Request::from_word(&read_line(stream)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn read_line(stream: &UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut line)?;
    match line.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(line.trim_end().to_owned()),
    }
}
