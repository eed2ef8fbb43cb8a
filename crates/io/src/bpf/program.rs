//! Programs: instructions that the kernel has verified.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{Map, bpf, bpf_open, command, object_name};

/// `BPF_PROG_TYPE_XDP`.
const XDP: u32 = 6;
/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_XDP: u32 = 37;
/// `BPF_F_XDP_HAS_FRAGS`.
const HAS_FRAGS: u32 = 1 << 5;
/// `BPF_F_TEST_XDP_LIVE_FRAMES`.
const LIVE_FRAMES: u32 = 1 << 1;
/// Bytes of the verifier's reasons that are kept.
const LOG: usize = 1 << 20;
/// Bytes that a program may make of a frame in [`Program::test_run`].
const TEST_FRAME: usize = 1 << 14;

/// One instruction (`struct bpf_insn` of `linux/bpf.h`, RFC 9669 section 3): 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Class, operation, source or size and mode.
    pub code: u8,
    /// Destination register, 0 to 10.
    pub destination: u8,
    /// Source register, 0 to 10.
    pub source: u8,
    /// Offset in bytes from a register's address, or of a jump in instructions from the next one.
    pub offset: i16,
    /// The constant.
    pub immediate: i32,
}

impl Instruction {
    /// An instruction of all its parts.
    pub const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
        Instruction { code, destination, source, offset, immediate }
    }

    /// The two that put a map's address into a register (`BPF_LD | BPF_IMM | BPF_DW` with `BPF_PSEUDO_MAP_FD`). The map is
    /// named by its descriptor: it must be open when the program is loaded.
    pub fn map(destination: u8, map: &Map) -> [Instruction; 2] {
        let first = Instruction::new(0x18, destination, 1, 0, map.as_fd().as_raw_fd());
        [first, Instruction::new(0, 0, 0, 0, 0)]
    }

    /// The two that put the address of a place in an array's first value into a register (`BPF_PSEUDO_MAP_VALUE`): a
    /// variable, without a look-up.
    pub fn map_value(destination: u8, map: &Map, offset: i32) -> [Instruction; 2] {
        let first = Instruction::new(0x18, destination, 2, 0, map.as_fd().as_raw_fd());
        [first, Instruction::new(0, 0, 0, 0, offset)]
    }

    /// As the kernel takes it, in host order.
    pub fn encode(self) -> [u8; 8] {
        let [o0, o1] = self.offset.to_ne_bytes();
        let [i0, i1, i2, i3] = self.immediate.to_ne_bytes();
        let (low, high) = if cfg!(target_endian = "little") {
            (self.destination, self.source)
        } else {
            (self.source, self.destination)
        };
        [self.code, (low & 15) | (high << 4), o0, o1, i0, i1, i2, i3]
    }
}

/// Why a program is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel's verifier does not believe that it is safe: a fault of who wrote the program.
    #[error("the kernel refuses the program ({error}): {log}", log = log.lines().rev().take(3).collect::<Vec<_>>().join(" | "))]
    Refused {
        /// What the system call said.
        error: io::Error,
        /// The verifier's reasons, the last lines of which say most.
        log: String,
    },
    /// It was not looked at: no privilege, no memory.
    #[error("no BPF program can be loaded: {0}")]
    System(io::Error),
}

/// A program, for as long as somebody holds it: this value, a link.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

#[repr(C)]
struct Test {
    program: u32,
    returned: u32,
    len_in: u32,
    len_out: u32,
    bytes_in: u64,
    bytes_out: u64,
    repeat: u32,
    duration: u32,
    context_len_in: u32,
    context_len_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    processor: u32,
    batch: u32,
    _pad: u32,
}

/// `struct xdp_md`.
#[repr(C)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    interface: u32,
    queue: u32,
    egress_interface: u32,
}

/// What a program made of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What it returned: of XDP 0 aborted, 1 drop, 2 pass, 3 transmit, 4 redirect.
    pub returned: u32,
    /// The frame behind it.
    pub frame: Vec<u8>,
    /// Nanoseconds of one run, the mean of all.
    pub nanos: u32,
}

impl Program {
    /// Loads a program for the XDP hook. What it returns is `enum xdp_action`.
    ///
    /// # Errors
    /// [`LoadError`]: `CAP_BPF` and `CAP_NET_ADMIN` are needed.
    pub fn load(name: &str, instructions: &[Instruction]) -> Result<Program, LoadError> {
        Program::load_with(name, instructions, 0)
    }

    /// As [`Program::load`], of a program that may also be given frames of which only the beginning lies in one piece before
    /// it (`BPF_F_XDP_HAS_FRAGS`): interfaces that gather segments, or whose frames are longer than a page, take no others,
    /// or stop doing so.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn load_for_parts(name: &str, instructions: &[Instruction]) -> Result<Program, LoadError> {
        Program::load_with(name, instructions, HAS_FRAGS)
    }

    #[allow(unsafe_code)]
    fn load_with(name: &str, instructions: &[Instruction], flags: u32) -> Result<Program, LoadError> {
        let bytes: Vec<u8> = instructions.iter().flat_map(|instruction| instruction.encode()).collect();
        let mut load = Load {
            kind: XDP,
            count: u32::try_from(instructions.len()).unwrap_or(u32::MAX),
            instructions: bytes.as_ptr() as u64,
            // As this workspace's own; helpers for the GPL alone are not used.
            license: c"MIT".as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log: 0,
            kernel_version: 0,
            flags,
            name: object_name(name),
            interface: 0,
            attach_type: ATTACH_XDP,
        };
        // SAFETY: the instructions are as many as is told, the license is a C string, and both outlive the call.
        let error = match unsafe { bpf_open(command::PROG_LOAD, &mut load) } {
            Ok(fd) => return Ok(Program { fd }),
            Err(error) => error,
        };
        if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS | libc::ENOMEM)) {
            return Err(LoadError::System(error));
        }
        // Once more, to hear why.
        let mut log = vec![0_u8; LOG];
        (load.log_level, load.log_size, load.log) = (1, LOG as u32, log.as_mut_ptr() as u64);
        // SAFETY: as above, and the log is as long as is told.
        let error = match unsafe { bpf_open(command::PROG_LOAD, &mut load) } {
            Ok(fd) => return Ok(Program { fd }),
            Err(error) => error,
        };
        let len = log.iter().position(|byte| *byte == 0).unwrap_or(LOG);
        log.truncate(len);
        Err(LoadError::Refused { error, log: String::from_utf8_lossy(&log).into_owned() })
    }

    /// Runs it on a frame so many times, without an interface (`BPF_PROG_TEST_RUN`): the frame is the same each time.
    ///
    /// # Errors
    /// `EINVAL` for a frame shorter than an Ethernet header or longer than a page has room for.
    #[allow(unsafe_code)]
    pub fn test_run(&self, frame: &[u8], repeat: u32) -> io::Result<TestRun> {
        let mut out = vec![0_u8; TEST_FRAME];
        let mut test = Test {
            program: self.fd.as_raw_fd() as u32,
            returned: 0,
            len_in: u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            len_out: TEST_FRAME as u32,
            bytes_in: frame.as_ptr() as u64,
            bytes_out: out.as_mut_ptr() as u64,
            repeat,
            duration: 0,
            context_len_in: 0,
            context_len_out: 0,
            context_in: 0,
            context_out: 0,
            flags: 0,
            processor: 0,
            batch: 0,
            _pad: 0,
        };
        // SAFETY: both buffers are as long as is told, and outlive the call.
        unsafe { bpf(command::PROG_TEST_RUN, &mut test) }?;
        out.truncate(test.len_out as usize);
        Ok(TestRun { returned: test.returned, frame: out, nanos: test.duration })
    }

    /// Runs it on so many copies of a frame as if each came in by this interface, and does with them what it says
    /// (`BPF_F_TEST_XDP_LIVE_FRAMES`): a source of packets. Each run may begin with what an earlier one made of its copy.
    /// Returns when all were sent.
    ///
    /// # Errors
    /// As [`Program::test_run`]; `ENODEV` for no such interface.
    #[allow(unsafe_code)]
    pub fn inject(&self, interface: u32, frame: &[u8], copies: u32) -> io::Result<()> {
        let len = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let context =
            Context { data: 0, data_end: len, data_meta: 0, interface, queue: 0, egress_interface: 0 };
        let mut test = Test {
            program: self.fd.as_raw_fd() as u32,
            returned: 0,
            len_in: len,
            len_out: 0,
            bytes_in: frame.as_ptr() as u64,
            bytes_out: 0,
            repeat: copies,
            duration: 0,
            context_len_in: size_of::<Context>() as u32,
            context_len_out: 0,
            context_in: (&raw const context) as u64,
            context_out: 0,
            flags: LIVE_FRAMES,
            processor: 0,
            batch: 0,
            _pad: 0,
        };
        // SAFETY: frame and context are as long as is told, outlive the call, and are only read.
        unsafe { bpf(command::PROG_TEST_RUN, &mut test) }.map(drop)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r0 = value; exit`.
    fn returns(value: i32) -> [Instruction; 2] {
        [Instruction::new(0xb7, 0, 0, 0, value), Instruction::new(0x95, 0, 0, 0, 0)]
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn an_instruction_is_eight_bytes() {
        // llvm-objdump of `*(u32 *)(r10 - 4) = r1`: 63 1a fc ff 00 00 00 00.
        let store = Instruction::new(0x63, 10, 1, -4, 0);
        assert_eq!(store.encode(), [0x63, 0x1a, 0xfc, 0xff, 0, 0, 0, 0]);
    }

    #[test]
    fn a_program_runs_on_a_frame() {
        if crate::bpf::unavailable().is_some() {
            return;
        }
        let program = Program::load("drop", &returns(1)).unwrap();
        let run = program.test_run(&[7; 60], 1).unwrap();
        assert_eq!((run.returned, run.frame), (1, vec![7; 60]));
    }

    #[test]
    fn a_refused_program_says_why() {
        if crate::bpf::unavailable().is_some() {
            return;
        }
        // Nothing was put into r0.
        let error = Program::load("bad", &[Instruction::new(0x95, 0, 0, 0, 0)]).unwrap_err();
        assert!(error.to_string().contains("R0 !read_ok"), "{error}");
    }
}
