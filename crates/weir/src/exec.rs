//! `weir exec -- COMMAND`: a stock netlink client against a daemon.
//!
//! The client is run with a library before the C library (`LD_PRELOAD`) that gives it the daemon's socket wherever it
//! opens one to the kernel's netfilter. That needs a dynamically linked program that is not set-user-id.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ironweir_io::signal;

use crate::cli::{complain, print};

/// The library, compiled by `build.rs` from `crates/interpose`.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/interpose.so"));

/// Where a daemon listens unless it is told otherwise.
const SOCKET: &str = "/run/weir/weir.sock";

const HELP: &str = "\
Runs a netlink client - Debian's nft, conntrack, iptables-nft - against a daemon (weir run) instead of the kernel.

Usage: weir exec [--engine SOCKET] [--] COMMAND [ARGUMENT...]

SOCKET is /run/weir/weir.sock unless said otherwise. The exit status is the command's.
";

/// Why nothing is run.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error("a command is wanted; --help says more")]
    NoCommand,
    #[error("--engine wants the path of a socket")]
    NoSocket,
    #[error("no option {0}; known are --engine and --help")]
    Unknown(String),
    #[error("{socket}: {error}", socket = socket.display())]
    Unreachable { socket: PathBuf, error: io::Error },
    #[error("{command}: {error}", command = command.display())]
    Command { command: PathBuf, error: io::Error },
    #[error("{0} is no dynamically linked program: it would speak to the kernel")]
    Static(PathBuf),
    #[error("{0} is set-user-id: the system lets nothing come between it and the kernel")]
    Privileged(PathBuf),
    #[error("cannot write the library: {0}")]
    Library(io::Error),
}

/// Runs the command line.
pub fn main(arguments: &[OsString]) -> ExitCode {
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("weir exec: {error}\n"));
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &[OsString]) -> Result<ExitCode, ExecError> {
    let mut socket = PathBuf::from(SOCKET);
    let mut rest = arguments.iter();
    let command = loop {
        let Some(word) = rest.next() else { return Err(ExecError::NoCommand) };
        match word.to_str() {
            Some("--help" | "-h") => return Ok(print(HELP)),
            Some("--engine") => socket = rest.next().ok_or(ExecError::NoSocket)?.into(),
            Some("--") => break rest.next().ok_or(ExecError::NoCommand)?,
            Some(word) if word.starts_with("--engine=") => socket = word["--engine=".len()..].into(),
            Some(word) if word.starts_with('-') => return Err(ExecError::Unknown(word.to_owned())),
            _ => break word,
        }
    };
    // The client's own words for a daemon that is not there would speak of the kernel.
    let socket = fs::canonicalize(&socket).map_err(|error| ExecError::Unreachable { socket, error })?;
    let program = find(command).map_err(|error| ExecError::Command { command: command.into(), error })?;
    check(&program)?;
    let library = Library::write().map_err(ExecError::Library)?;
    let mut preload = library.file.clone().into_os_string();
    if let Some(more) = std::env::var_os("LD_PRELOAD") {
        preload.push(":");
        preload.push(more);
    }
    let failed = |error| ExecError::Command { command: command.into(), error };
    // Who ends this program means the client: alone it would go on, with its queues and tables.
    let kept = signal::keep_for_child().map_err(failed)?;
    let mut child = Command::new(command)
        .args(rest)
        .env("LD_PRELOAD", preload)
        .env("IRONWEIR_ENGINE", &socket)
        .spawn()
        .map_err(failed)?;
    let status = kept.pass_on(child.id()).and_then(|()| child.wait()).map_err(failed)?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(code as u8))
}

/// The file that a command is, as `execvp(3)` looks for it.
fn find(command: &OsStr) -> io::Result<PathBuf> {
    let name = Path::new(command);
    if name.components().count() > 1 {
        fs::metadata(name)?;
        return Ok(name.to_owned());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let executable = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let found = std::env::split_paths(&paths).map(|directory| directory.join(name)).find(executable);
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Refuses what the library would not reach. What is no ELF file is a script, whose interpreter is looked at by nobody.
fn check(program: &Path) -> Result<(), ExecError> {
    let failed = |error| ExecError::Command { command: program.to_owned(), error };
    let mut file = File::open(program).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & 0o6000 != 0 {
        return Err(ExecError::Privileged(program.to_owned()));
    }
    // The program headers follow the file's in practice, within the first page.
    let mut head = vec![0; 4096];
    let len = file.read(&mut head).map_err(failed)?;
    head.truncate(len);
    if head.starts_with(b"\x7fELF") && !wants_interpreter(&head) {
        return Err(ExecError::Static(program.to_owned()));
    }
    Ok(())
}

/// Whether a 64-bit ELF file has a program header `PT_INTERP` (3): `elf(5)`.
fn wants_interpreter(head: &[u8]) -> bool {
    let number = |at: usize, len: usize| {
        let bytes = head.get(at..at.checked_add(len)?)?;
        Some(bytes.iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let headers = || {
        let (offset, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..count).find(|index| offset.checked_add(index * size).and_then(|at| number(at, 4)) == Some(3))
    };
    headers().is_some()
}

/// The library in a directory that only this user can change, for as long as the client runs.
struct Library {
    directory: PathBuf,
    file: PathBuf,
}

impl Library {
    fn write() -> io::Result<Library> {
        let mut attempt = 0;
        let directory = loop {
            let directory = std::env::temp_dir().join(format!("weir-exec-{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&directory) {
                Ok(()) => break directory,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
                Err(error) => return Err(error),
            }
        };
        let file = directory.join("libironweir_interpose.so");
        let library = Library { directory, file };
        // The loader would warn, go on without the library, and the client speak to the kernel.
        let mounted = rustix::fs::statvfs(&library.directory)?;
        if mounted.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
            let text = format!("{} is mounted noexec; TMPDIR names another", std::env::temp_dir().display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        File::create_new(&library.file)?.write_all(LIBRARY)?;
        Ok(library)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // What is left in the directory for temporary files is the system's to remove.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_the_library_cannot_reach_are_refused() {
        check(Path::new("/bin/sh")).unwrap();
        // A header alone: x86-64, no program headers.
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(64, 0);
        assert!(!wants_interpreter(&head));
        head[32] = 64;
        head[54] = 56;
        head[56] = 1;
        head.extend(3u32.to_le_bytes());
        assert!(wants_interpreter(&head));
        head[32..40].fill(0xff);
        assert!(!wants_interpreter(&head));
    }
}
