//! A unix socket's file: made with the permissions it shall have, removed at the end.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// A socket that others find by its file.
#[derive(Debug)]
pub(super) struct SocketFile {
    fd: OwnedFd,
    path: PathBuf,
}

impl SocketFile {
    /// Makes one. A file that was left behind by a process that is no more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` where somebody else has it; the file system's.
    pub(super) fn bind(kind: SocketType, path: &Path, mode: u32) -> io::Result<SocketFile> {
        let address = SocketAddrUnix::new(path)?;
        if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
            match rustix::net::connect(socket(kind)?, &address) {
                Err(Errno::CONNREFUSED) => fs::remove_file(path)?,
                _ => return Err(io::ErrorKind::AddrInUse.into()),
            }
        }
        let fd = socket(kind)?;
        // Nobody may come in between.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = rustix::net::bind(&fd, &address);
        rustix::process::umask(before);
        bound?;
        let file = SocketFile { fd, path: path.to_owned() };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(file)
    }
}

impl AsFd for SocketFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = fs::remove_file(&self.path);
    }
}

/// A unix socket that does not block.
pub(super) fn socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?)
}
