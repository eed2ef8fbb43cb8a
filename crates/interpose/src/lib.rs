//! A library for `LD_PRELOAD`: a program's netlink sockets to netfilter (`AF_NETLINK`, `NETLINK_NETFILTER`) become
//! connections to a daemon (`ironweir_io::seqpacket` says what goes over them). All other sockets are left alone.
//!
//! The descriptor that the program gets is the data connection, so waiting for it and closing it need nothing here. What
//! a netlink socket does by system calls - ports, groups, working on a request before `send` returns - goes over a second
//! connection, which is kept by the descriptor's number. Where the daemon is not there, opening a socket fails: never is
//! the kernel spoken to instead.
//!
//! It has no dependencies: `weir` carries it within itself.

#![cfg(target_os = "linux")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that names the daemon's socket.
const ENGINE: &str = "IRONWEIR_ENGINE";

const AF_UNIX: u16 = 1;
const AF_NETLINK: u16 = 16;
const SOCK_SEQPACKET: c_int = 5;
const SOCK_CLOEXEC: c_int = 0o2000000;
const NETLINK_NETFILTER: c_int = 12;
const SOL_SOCKET: c_int = 1;
const SCM_RIGHTS: c_int = 1;
const SOL_NETLINK: c_int = 270;
const NETLINK_ADD_MEMBERSHIP: c_int = 1;
const NETLINK_DROP_MEMBERSHIP: c_int = 2;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_DONTWAIT: c_int = 0x40;
const EINTR: c_int = 4;
const EAGAIN: c_int = 11;
const EFAULT: c_int = 14;
const EINVAL: c_int = 22;
const ENAMETOOLONG: c_int = 36;
const EMSGSIZE: c_int = 90;
const ECONNRESET: c_int = 104;
const ENOBUFS: c_int = 105;
/// `NLMSG_OVERRUN`: the daemon's word that events were lost.
const NLMSG_OVERRUN: u16 = 4;
/// Bytes of a part of a long request.
const PART: usize = 64 << 10;
/// The longest request that is gathered from a program's buffers.
const MAX_REQUEST: usize = 512 << 20;

#[repr(C)]
struct SockaddrUn {
    family: u16,
    path: [u8; 108],
}

/// `struct sockaddr_nl`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SockaddrNl {
    family: u16,
    pad: u16,
    pid: u32,
    groups: u32,
}

/// `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Iovec {
    base: *mut c_void,
    len: usize,
}

/// `struct msghdr` as the GNU C library and the kernel have it on 64-bit machines.
#[repr(C)]
pub struct Msghdr {
    name: *mut c_void,
    namelen: u32,
    iov: *mut Iovec,
    iovlen: usize,
    control: *mut c_void,
    controllen: usize,
    flags: c_int,
}

/// A control message that carries one descriptor: `struct cmsghdr` and an `int`, padded.
#[repr(C)]
struct Rights {
    len: usize,
    level: c_int,
    kind: c_int,
    fd: c_int,
    pad: c_int,
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, fds: *mut c_int) -> c_int;
    fn getpid() -> c_int;
}

/// A descriptor that is ours.
#[derive(Clone, Copy)]
struct Ours {
    fd: c_int,
    control: c_int,
    port: u32,
    /// The last answer was longer than there was room for: a second reply is to come.
    more: bool,
}

static OURS: Mutex<Vec<Ours>> = Mutex::new(Vec::new());
static SOCKETS: AtomicU32 = AtomicU32::new(0);

/// The C library's own function of that name.
macro_rules! next {
    ($name:literal, $($kind:ty),* => $ret:ty) => {{
        static NAME: &CStr = $name;
        // SAFETY: RTLD_NEXT is -1; the name is a C string. The functions named here are the C library's, of these types.
        unsafe {
            let found = dlsym(usize::MAX as *mut c_void, NAME.as_ptr());
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($kind),*) -> $ret>(found)
        }
    }};
}

fn real_socket() -> unsafe extern "C" fn(c_int, c_int, c_int) -> c_int {
    next!(c"socket", c_int, c_int, c_int => c_int)
}

fn real_close() -> unsafe extern "C" fn(c_int) -> c_int {
    next!(c"close", c_int => c_int)
}

fn real_connect() -> unsafe extern "C" fn(c_int, *const c_void, c_uint) -> c_int {
    next!(c"connect", c_int, *const c_void, c_uint => c_int)
}

fn real_send() -> unsafe extern "C" fn(c_int, *const c_void, usize, c_int) -> isize {
    next!(c"send", c_int, *const c_void, usize, c_int => isize)
}

fn real_recv() -> unsafe extern "C" fn(c_int, *mut c_void, usize, c_int) -> isize {
    next!(c"recv", c_int, *mut c_void, usize, c_int => isize)
}

fn real_sendmsg() -> unsafe extern "C" fn(c_int, *const Msghdr, c_int) -> isize {
    next!(c"sendmsg", c_int, *const Msghdr, c_int => isize)
}

fn real_recvmsg() -> unsafe extern "C" fn(c_int, *mut Msghdr, c_int) -> isize {
    next!(c"recvmsg", c_int, *mut Msghdr, c_int => isize)
}

fn errno() -> c_int {
    // SAFETY: the address is this thread's.
    unsafe { *__errno_location() }
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: as above.
    unsafe { *__errno_location() = errno };
    -1
}

fn ours(fd: c_int) -> Option<Ours> {
    let ours = OURS.lock().unwrap_or_else(|broken| broken.into_inner());
    ours.iter().find(|one| one.fd == fd).copied()
}

fn change(fd: c_int, change: impl FnOnce(&mut Ours)) {
    let mut ours = OURS.lock().unwrap_or_else(|broken| broken.into_inner());
    if let Some(one) = ours.iter_mut().find(|one| one.fd == fd) {
        change(one);
    }
}

/// Connects to the daemon; the error number where that fails.
fn connect_daemon(flags: c_int) -> Result<Ours, c_int> {
    let path = std::env::var_os(ENGINE).ok_or(EINVAL)?;
    let bytes = path.as_bytes();
    let mut address = SockaddrUn { family: AF_UNIX, path: [0; 108] };
    if bytes.len() >= address.path.len() {
        return Err(ENAMETOOLONG);
    }
    address.path[..bytes.len()].copy_from_slice(bytes);
    // Blocking for what is said here, whatever the program asked for: see the end.
    let nonblocking = flags & 0o4000;
    let fcntl = next!(c"fcntl", c_int, c_int, c_int => c_int);
    // SAFETY: plain system calls; the address and the messages live as long as the calls.
    unsafe {
        let fd = real_socket()(c_int::from(AF_UNIX), SOCK_SEQPACKET | (flags & SOCK_CLOEXEC), 0);
        if fd < 0 {
            return Err(errno());
        }
        let give_up = |errno: c_int| {
            real_close()(fd);
            errno
        };
        let len = std::mem::size_of::<SockaddrUn>() as c_uint;
        if real_connect()(fd, (&raw const address).cast(), len) < 0 {
            return Err(give_up(errno()));
        }
        let mut pair = [0; 2];
        if socketpair(c_int::from(AF_UNIX), SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.as_mut_ptr()) < 0 {
            return Err(give_up(errno()));
        }
        let mut hello = *b"weir";
        let mut iov = Iovec { base: hello.as_mut_ptr().cast(), len: hello.len() };
        let mut rights = Rights {
            len: std::mem::size_of::<usize>() + 3 * std::mem::size_of::<c_int>(),
            level: SOL_SOCKET,
            kind: SCM_RIGHTS,
            fd: pair[1],
            pad: 0,
        };
        let message = Msghdr {
            name: std::ptr::null_mut(),
            namelen: 0,
            iov: &raw mut iov,
            iovlen: 1,
            control: (&raw mut rights).cast(),
            controllen: std::mem::size_of::<Rights>(),
            flags: 0,
        };
        let sent = real_sendmsg()(fd, &raw const message, MSG_NOSIGNAL);
        let failed = errno();
        real_close()(pair[1]);
        if sent < 0 {
            real_close()(pair[0]);
            return Err(give_up(failed));
        }
        if nonblocking != 0 {
            // F_SETFL, O_NONBLOCK
            fcntl(fd, 4, nonblocking);
        }
        Ok(Ours { fd, control: pair[0], port: 0, more: false })
    }
}

/// A reply of the daemon's: error number, and whether more is to come.
fn reply(control: c_int) -> Result<(c_int, bool), c_int> {
    let mut bytes = [0u8; 16];
    loop {
        // SAFETY: the buffer is as long as is said.
        let len = unsafe { real_recv()(control, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        match len {
            8 => {
                let number = |at: usize| {
                    c_int::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
                };
                return Ok((number(0), number(4) != 0));
            }
            -1 if errno() == EINTR => {}
            _ => return Err(ECONNRESET),
        }
    }
}

fn say(one: Ours, what: u32, argument: u32) -> Result<(), c_int> {
    // The second reply to an answer that was long: the program has read on, or does not want the rest.
    if one.more {
        let mut bytes = [0u8; 16];
        // SAFETY: the buffer is as long as is said.
        let len = unsafe { real_recv()(one.control, bytes.as_mut_ptr().cast(), bytes.len(), MSG_DONTWAIT) };
        if len == -1 && errno() == EAGAIN {
            // The daemon works on nothing new before the rest is read.
            return Err(ENOBUFS);
        }
        change(one.fd, |one| one.more = false);
    }
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&what.to_ne_bytes());
    bytes[4..].copy_from_slice(&argument.to_ne_bytes());
    // SAFETY: the buffer is as long as is said.
    let sent = unsafe { real_send()(one.control, bytes.as_ptr().cast(), bytes.len(), MSG_NOSIGNAL) };
    if sent == 8 { Ok(()) } else { Err(ECONNRESET) }
}

/// Sends a command and takes its reply.
fn command(one: Ours, what: u32, argument: u32) -> c_int {
    match say(one, what, argument).and_then(|()| reply(one.control)) {
        Ok((0, _)) => 0,
        Ok((number, _)) | Err(number) => fail(number),
    }
}

/// Sends a request and waits until it was worked on.
fn request(one: Ours, bytes: &[u8]) -> isize {
    let Ok(len) = u32::try_from(bytes.len()) else { return fail(EMSGSIZE) as isize };
    if let Err(number) = say(one, 1, len) {
        return fail(number) as isize;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let part = &rest[..rest.len().min(PART)];
        // SAFETY: the part lives through the call.
        let sent = unsafe { real_send()(one.fd, part.as_ptr().cast(), part.len(), MSG_NOSIGNAL) };
        if sent < 0 {
            match errno() {
                EINTR => continue,
                // The program wants no waiting, but a request cannot be sent in halves.
                EAGAIN => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    continue;
                }
                number => return fail(number) as isize,
            }
        }
        rest = &rest[part.len()..];
    }
    match reply(one.control) {
        Ok((0, more)) => {
            change(one.fd, |one| one.more = more);
            bytes.len() as isize
        }
        Ok((number, _)) | Err(number) => fail(number) as isize,
    }
}

/// The bytes of a message's buffers, one behind the other.
///
/// # Safety
/// The buffers are as the program says.
unsafe fn gathered(message: &Msghdr) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for at in 0..message.iovlen {
        // SAFETY: so many are there.
        let part = unsafe { *message.iov.add(at) };
        if part.len > MAX_REQUEST - bytes.len().min(MAX_REQUEST) {
            return None;
        }
        if part.len > 0 {
            // SAFETY: the program says that they are readable.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(part.base.cast::<u8>(), part.len) });
        }
    }
    Some(bytes)
}

/// Writes the address of a netlink peer, as far as there is room.
///
/// # Safety
/// `room` bytes can be written at `to`.
unsafe fn put_address(to: *mut c_void, room: u32, pid: u32) -> u32 {
    let address = SockaddrNl { family: AF_NETLINK, pad: 0, pid, groups: 0 };
    let len = std::mem::size_of::<SockaddrNl>();
    if !to.is_null() {
        // SAFETY: no more than there is room for.
        unsafe {
            std::ptr::copy_nonoverlapping(
                (&raw const address).cast::<u8>(),
                to.cast(),
                len.min(room as usize),
            );
        }
    }
    len as u32
}

/// `socket(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if domain != c_int::from(AF_NETLINK) || protocol != NETLINK_NETFILTER {
        // SAFETY: as called.
        return unsafe { real_socket()(domain, kind, protocol) };
    }
    match connect_daemon(kind & (SOCK_CLOEXEC | 0o4000)) {
        Ok(one) => {
            let mut ours = OURS.lock().unwrap_or_else(|broken| broken.into_inner());
            ours.retain(|other| other.fd != one.fd);
            ours.push(one);
            one.fd
        }
        Err(number) => fail(number),
    }
}

/// `close(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    let control = {
        let mut ours = OURS.lock().unwrap_or_else(|broken| broken.into_inner());
        let at = ours.iter().position(|one| one.fd == fd);
        at.map(|at| ours.swap_remove(at).control)
    };
    // SAFETY: as called.
    unsafe {
        if let Some(control) = control {
            real_close()(control);
        }
        real_close()(fd)
    }
}

/// `bind(2)`: the port, and groups by their bits.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bind(fd: c_int, address: *const c_void, len: c_uint) -> c_int {
    let Some(one) = ours(fd) else {
        let bind = next!(c"bind", c_int, *const c_void, c_uint => c_int);
        // SAFETY: as called.
        return unsafe { bind(fd, address, len) };
    };
    if address.is_null() || (len as usize) < std::mem::size_of::<SockaddrNl>() {
        return fail(EINVAL);
    }
    // SAFETY: the program says that so much is there; it need not be aligned.
    let address = unsafe { address.cast::<SockaddrNl>().read_unaligned() };
    // The kernel gives a program's first socket the number of its process.
    let before = SOCKETS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: no argument.
    let own = unsafe { getpid() } as u32;
    let port = match address.pid {
        0 if before == 0 => own,
        0 => own | before << 22,
        port => port,
    };
    if command(one, 2, port) < 0 {
        return -1;
    }
    change(fd, |one| one.port = port);
    for bit in (0..32).filter(|bit| address.groups & 1 << bit != 0) {
        if command(one, 3, bit + 1) < 0 {
            return -1;
        }
    }
    0
}

/// `connect(2)`: a netlink socket's only peer is the kernel.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn connect(fd: c_int, address: *const c_void, len: c_uint) -> c_int {
    match ours(fd) {
        Some(_) => 0,
        // SAFETY: as called.
        None => unsafe { real_connect()(fd, address, len) },
    }
}

/// `getsockname(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockname(fd: c_int, address: *mut c_void, len: *mut c_uint) -> c_int {
    let Some(one) = ours(fd) else {
        let getsockname = next!(c"getsockname", c_int, *mut c_void, *mut c_uint => c_int);
        // SAFETY: as called.
        return unsafe { getsockname(fd, address, len) };
    };
    if address.is_null() || len.is_null() {
        return fail(EFAULT);
    }
    // SAFETY: `len` says how much room there is.
    unsafe { *len = put_address(address, *len, one.port) };
    0
}

/// `setsockopt(2)`: groups are joined at the daemon; other settings of netlink sockets are as the daemon has them.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: c_uint,
) -> c_int {
    let one = match ours(fd) {
        Some(one) if level == SOL_NETLINK => one,
        _ => {
            let setsockopt = next!(c"setsockopt", c_int, c_int, c_int, *const c_void, c_uint => c_int);
            // SAFETY: as called.
            return unsafe { setsockopt(fd, level, name, value, len) };
        }
    };
    if name != NETLINK_ADD_MEMBERSHIP && name != NETLINK_DROP_MEMBERSHIP {
        return 0;
    }
    if value.is_null() || (len as usize) < std::mem::size_of::<c_int>() {
        return fail(EINVAL);
    }
    // SAFETY: an int is there.
    let group = unsafe { value.cast::<u32>().read_unaligned() };
    command(one, if name == NETLINK_ADD_MEMBERSHIP { 3 } else { 4 }, group)
}

/// `sendto(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendto(
    fd: c_int,
    bytes: *const c_void,
    len: usize,
    flags: c_int,
    address: *const c_void,
    address_len: c_uint,
) -> isize {
    match ours(fd) {
        // SAFETY: the program says that so much is there.
        Some(one) => request(one, unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }),
        None => {
            let sendto = next!(c"sendto", c_int, *const c_void, usize, c_int, *const c_void, c_uint => isize);
            // SAFETY: as called.
            unsafe { sendto(fd, bytes, len, flags, address, address_len) }
        }
    }
}

/// `send(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(fd: c_int, bytes: *const c_void, len: usize, flags: c_int) -> isize {
    match ours(fd) {
        // SAFETY: the program says that so much is there.
        Some(one) => request(one, unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }),
        // SAFETY: as called.
        None => unsafe { real_send()(fd, bytes, len, flags) },
    }
}

/// `sendmsg(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(fd: c_int, message: *const Msghdr, flags: c_int) -> isize {
    let Some(one) = ours(fd) else {
        // SAFETY: as called.
        return unsafe { real_sendmsg()(fd, message, flags) };
    };
    if message.is_null() {
        return fail(EFAULT) as isize;
    }
    // SAFETY: the program says that the message and its buffers are there.
    match unsafe { gathered(&*message) } {
        Some(bytes) => request(one, &bytes),
        None => fail(EMSGSIZE) as isize,
    }
}

/// `recvmsg(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvmsg(fd: c_int, message: *mut Msghdr, flags: c_int) -> isize {
    if ours(fd).is_none() {
        // SAFETY: as called.
        return unsafe { real_recvmsg()(fd, message, flags) };
    }
    if message.is_null() {
        return fail(EFAULT) as isize;
    }
    // SAFETY: the program says that the message and its buffers are there; the kernel writes into those alone.
    unsafe {
        let (name, room) = ((*message).name, (*message).namelen);
        (*message).name = std::ptr::null_mut();
        (*message).namelen = 0;
        let len = real_recvmsg()(fd, message, flags);
        (*message).name = name;
        if !name.is_null() {
            (*message).namelen = put_address(name, room, 0);
        }
        let first = if (*message).iovlen > 0 { Some(*(*message).iov) } else { None };
        judged(len, first)
    }
}

/// What a read came to: lost events are an error, as with the kernel.
///
/// # Safety
/// The first buffer holds what was read, as far as it goes.
unsafe fn judged(len: isize, first: Option<Iovec>) -> isize {
    if len == 0 {
        return fail(ECONNRESET) as isize;
    }
    if let Some(first) = first
        && len >= 16
        && first.len >= 16
    {
        // SAFETY: a header is there.
        let kind = unsafe { first.base.cast::<u8>().add(4).cast::<u16>().read_unaligned() };
        if kind == NLMSG_OVERRUN {
            return fail(ENOBUFS) as isize;
        }
    }
    len
}

/// `recvfrom(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvfrom(
    fd: c_int,
    bytes: *mut c_void,
    len: usize,
    flags: c_int,
    address: *mut c_void,
    address_len: *mut c_uint,
) -> isize {
    if ours(fd).is_none() {
        let recvfrom =
            next!(c"recvfrom", c_int, *mut c_void, usize, c_int, *mut c_void, *mut c_uint => isize);
        // SAFETY: as called.
        return unsafe { recvfrom(fd, bytes, len, flags, address, address_len) };
    }
    // SAFETY: as called.
    unsafe {
        let got = real_recv()(fd, bytes, len, flags);
        if !address.is_null() && !address_len.is_null() {
            *address_len = put_address(address, *address_len, 0);
        }
        judged(got, Some(Iovec { base: bytes, len }))
    }
}

/// `recv(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recv(fd: c_int, bytes: *mut c_void, len: usize, flags: c_int) -> isize {
    // SAFETY: as called.
    unsafe {
        let got = real_recv()(fd, bytes, len, flags);
        match ours(fd) {
            Some(_) => judged(got, Some(Iovec { base: bytes, len })),
            None => got,
        }
    }
}
