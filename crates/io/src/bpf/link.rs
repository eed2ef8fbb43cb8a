//! A program at an interface's XDP hook, as long as this process wants it there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{Program, bpf, bpf_open, command};

/// `BPF_XDP` of `enum bpf_attach_type`.
const XDP: u32 = 37;

/// Where in an interface's way of a frame the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// In the network stack, on any interface, after the kernel made its own packet of the frame, perhaps of several
    /// (`XDP_FLAGS_SKB_MODE`).
    Generic = 2,
    /// In the driver, before (`XDP_FLAGS_DRV_MODE`).
    Native = 4,
}

/// A program at an interface. It goes when this value goes, or this process does.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

#[repr(C)]
struct Create {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
struct Update {
    link: u32,
    program: u32,
    flags: u32,
    old: u32,
}

impl Link {
    /// Puts a program at the interface with this index of this thread's namespace. Of Linux 5.9.
    ///
    /// # Errors
    /// `EBUSY` where another program is; `EOPNOTSUPP` where the driver has no such mode; `EINVAL`, `ERANGE` for an MTU
    /// beyond what it has room for in that mode.
    #[allow(unsafe_code)]
    pub fn attach(program: &Program, interface: u32, mode: Mode) -> io::Result<Link> {
        let mut create = Create {
            program: program.as_fd().as_raw_fd() as u32,
            interface,
            attach_type: XDP,
            flags: mode as u32,
        };
        // SAFETY: there is no address in these attributes.
        let fd = unsafe { bpf_open(command::LINK_CREATE, &mut create) }?;
        Ok(Link { fd })
    }

    /// Puts another program in the place of the one that is there; every frame meets one of them.
    ///
    /// # Errors
    /// `EINVAL` where the interface is gone.
    #[allow(unsafe_code)]
    pub fn update(&self, program: &Program) -> io::Result<()> {
        let (link, program) = (self.fd.as_raw_fd() as u32, program.as_fd().as_raw_fd() as u32);
        let mut update = Update { link, program, flags: 0, old: 0 };
        // SAFETY: there is no address in these attributes.
        unsafe { bpf(command::LINK_UPDATE, &mut update) }.map(drop)
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkNamespace;
    use crate::bpf::Instruction;

    fn returns(value: i32) -> Program {
        let program = [Instruction::new(0xb7, 0, 0, 0, value), Instruction::new(0x95, 0, 0, 0, 0)];
        Program::load("test", &program).unwrap()
    }

    #[test]
    fn one_program_at_a_time_and_it_goes_with_its_link() {
        if crate::bpf::unavailable().is_some() {
            return;
        }
        let namespace = NetworkNamespace::new().unwrap();
        namespace
            .inside(|| {
                let (drop_all, pass) = (returns(1), returns(2));
                // The loopback interface is 1 in every namespace.
                let link = Link::attach(&drop_all, 1, Mode::Generic)?;
                let second = Link::attach(&pass, 1, Mode::Generic).unwrap_err();
                assert_eq!(second.raw_os_error(), Some(libc::EBUSY));
                link.update(&pass)?;
                drop(link);
                Link::attach(&pass, 1, Mode::Generic)?;
                assert!(Link::attach(&pass, 1, Mode::Native).is_err(), "loopback has none");
                Ok(())
            })
            .unwrap();
    }
}
