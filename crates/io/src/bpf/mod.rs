//! BPF as `bpf(2)` has it: maps, programs, and links that hold a program at an interface.
//!
//! System calls alone, for programs that our own code writes: no ELF, no BTF, no toolchain. Everything is a file descriptor,
//! so the kernel takes all of it away when this process ends, however it ends - a program at an interface too, since a
//! [`Link`] holds it.
//!
//! ```text
//! Map::new ─► Assembler or Instruction::map ─► Program::load ─► Link::attach
//! ```

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

pub mod assemble;
pub mod link;
pub mod map;
pub mod program;

pub use assemble::Assembler;
pub use link::{Link, Mode};
pub use map::{Map, MapKind, Mapped};
pub use program::{Instruction, LoadError, Program, TestRun};

/// Commands of `enum bpf_cmd` (`linux/bpf.h`).
mod command {
    pub(super) const MAP_CREATE: libc::c_int = 0;
    pub(super) const MAP_LOOKUP_ELEM: libc::c_int = 1;
    pub(super) const MAP_UPDATE_ELEM: libc::c_int = 2;
    pub(super) const MAP_DELETE_ELEM: libc::c_int = 3;
    pub(super) const PROG_LOAD: libc::c_int = 5;
    pub(super) const PROG_TEST_RUN: libc::c_int = 10;
    pub(super) const LINK_CREATE: libc::c_int = 28;
    pub(super) const LINK_UPDATE: libc::c_int = 29;
}

/// Does a command. `Attributes` is that command's part of `union bpf_attr`: `repr(C)`, without padding that is not named.
///
/// # Safety
/// Every address in the attributes is of memory that is as long as the command expects and lives through the call.
#[allow(unsafe_code)]
unsafe fn bpf<Attributes>(command: libc::c_int, attributes: &mut Attributes) -> io::Result<libc::c_int> {
    // SAFETY: the pointer is to a whole value of the size that is told; what it points to in turn is the caller's promise.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<Attributes>() as libc::c_uint,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done as libc::c_int) }
}

/// As [`bpf`], of a command that makes a descriptor.
///
/// # Safety
/// As of [`bpf`].
#[allow(unsafe_code)]
unsafe fn bpf_open<Attributes>(command: libc::c_int, attributes: &mut Attributes) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; and a descriptor that the kernel made for this call is nobody else's.
    unsafe { bpf(command, attributes).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

/// A name as the kernel keeps it: 15 bytes at most, of letters, digits, `_` and `.`.
fn object_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || from == b'.' { from } else { b'_' };
    }
    bytes
}

/// Waits until every run of a program that was under way has ended: what programs can no longer find may be used anew
/// afterwards. Takes some 16 ms (`membarrier(2)`, `MEMBARRIER_CMD_GLOBAL`, which is `synchronize_rcu`).
///
/// # Errors
/// `EINVAL` where processors run without ticks (`nohz_full`), `ENOSYS` of a kernel without it.
#[allow(unsafe_code)]
pub fn wait_for_programs() -> io::Result<()> {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes numbers alone.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Why tests of BPF cannot run here, if they cannot: privilege, or a kernel without.
#[cfg(test)]
pub(crate) fn unavailable() -> Option<String> {
    let error = Map::new(MapKind::Array, "probe", 4, 8, 1, 0).err()?;
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
    eprintln!("SKIPPED: no BPF: {error}");
    Some(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(&object_name("wan-0")[..6], b"wan_0\0");
        assert_eq!(object_name("0123456789abcdefgh")[14..], *b"e\0");
    }
}
