//! Maps: tables that programs and this process share.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::{bpf, bpf_open, command, object_name};

/// `BPF_F_MMAPABLE`: an array that [`Map::mapped`] takes. Of Linux 5.5.
pub const MMAPABLE: u32 = 1 << 10;
/// `BPF_F_NO_PREALLOC`: memory for an entry when it comes.
pub const NO_PREALLOC: u32 = 1;

/// What a map is (`enum bpf_map_type` of `linux/bpf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MapKind {
    /// Key to value (`BPF_MAP_TYPE_HASH`).
    Hash = 1,
    /// Index, a `u32` in host order, to value (`BPF_MAP_TYPE_ARRAY`).
    Array = 2,
    /// An array for each processor (`BPF_MAP_TYPE_PERCPU_ARRAY`).
    PerCpuArray = 6,
    /// Index to interface index: where `bpf_redirect_map` sends (`BPF_MAP_TYPE_DEVMAP`).
    DevMap = 14,
    /// Queue number to `AF_XDP` socket (`BPF_MAP_TYPE_XSKMAP`).
    XskMap = 17,
}

/// A map, for as long as somebody holds it: this value, a program that uses it.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    key: usize,
    value: usize,
    entries: u32,
}

#[repr(C)]
struct Create {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner: u32,
    numa_node: u32,
    name: [u8; 16],
}

#[repr(C)]
struct Element {
    map: u32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Map {
    /// Makes one; sizes in bytes. Flags are `BPF_F_*` ([`MMAPABLE`], [`NO_PREALLOC`]).
    ///
    /// # Errors
    /// `EPERM` without `CAP_BPF`; `EINVAL`, `E2BIG`, `ENOMEM` for sizes and flags that the kind does not have.
    #[allow(unsafe_code)]
    pub fn new(kind: MapKind, name: &str, key: u32, value: u32, entries: u32, flags: u32) -> io::Result<Map> {
        let mut create = Create {
            kind: kind as u32,
            key_size: key,
            value_size: value,
            max_entries: entries,
            flags,
            inner: 0,
            numa_node: 0,
            name: object_name(name),
        };
        // SAFETY: there is no address in these attributes.
        let fd = unsafe { bpf_open(command::MAP_CREATE, &mut create) }?;
        // Each processor's value begins at 8 bytes.
        let value = match kind {
            MapKind::PerCpuArray => (value as usize).next_multiple_of(8) * possible_processors()?,
            _ => value as usize,
        };
        Ok(Map { fd, key: key as usize, value, entries })
    }

    /// How many entries it has room for.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Bytes of a value as [`Map::lookup`] gives it: of a [`MapKind::PerCpuArray`], of all processors.
    pub fn value_len(&self) -> usize {
        self.value
    }

    /// Puts a value in, in place of another with the same key.
    ///
    /// # Errors
    /// `EINVAL` where key or value are of another length than the map's; `E2BIG` where it is full.
    #[allow(unsafe_code)]
    pub fn update(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if key.len() != self.key || value.len() != self.value {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut element = self.element(key, value.as_ptr() as u64);
        // SAFETY: key and value are as long as the map's, which was just looked at, and are only read.
        unsafe { bpf(command::MAP_UPDATE_ELEM, &mut element) }.map(drop)
    }

    /// Reads a key's value. `None`: there is none.
    ///
    /// # Errors
    /// `EINVAL` where key or room are of another length than the map's.
    #[allow(unsafe_code)]
    pub fn lookup(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        if key.len() != self.key || value.len() != self.value {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut element = self.element(key, value.as_mut_ptr() as u64);
        // SAFETY: key and value are as long as the map's, and the value is this function's alone.
        match unsafe { bpf(command::MAP_LOOKUP_ELEM, &mut element) } {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a key out. Tells whether it was there.
    ///
    /// # Errors
    /// `EINVAL` of an array, whose entries stay.
    #[allow(unsafe_code)]
    pub fn delete(&self, key: &[u8]) -> io::Result<bool> {
        if key.len() != self.key {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut element = self.element(key, 0);
        // SAFETY: the key is as long as the map's, and is only read.
        match unsafe { bpf(command::MAP_DELETE_ELEM, &mut element) } {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The whole of an array in this process's memory, of which no copy is made: what either side writes, the other reads.
    ///
    /// # Errors
    /// If it was not made with [`MMAPABLE`].
    pub fn mapped(&self) -> io::Result<Mapped> {
        // `array_map_alloc` of kernel/bpf/arraymap.c: values begin at 8 bytes, the whole is of pages.
        let len = self.value.next_multiple_of(8) * self.entries as usize;
        Mapped::new(self.fd.as_fd(), len.next_multiple_of(rustix::param::page_size()), 0)
    }

    fn element(&self, key: &[u8], value: u64) -> Element {
        Element { map: self.fd.as_raw_fd() as u32, _pad: 0, key: key.as_ptr() as u64, value, flags: 0 }
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How many values a per-processor map gives (`num_possible_cpus`).
fn possible_processors() -> io::Result<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    // `0-3`, or `0`; the last number is the highest.
    let last = text.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<usize>().ok());
    last.map(|last| last + 1).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Memory that is shared with the kernel: an array's, a ring's. It is read and written by atomic words only, since the other
/// side works on it at the same time.
#[derive(Debug)]
pub struct Mapped {
    address: *mut libc::c_void,
    len: usize,
}

// SAFETY: the memory belongs to the value until it is dropped, and is only given out as atomics.
#[allow(unsafe_code)]
unsafe impl Send for Mapped {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps a descriptor's bytes, shared, to be read and written; `len` is of whole pages.
    #[allow(unsafe_code)]
    pub(crate) fn new(fd: BorrowedFd<'_>, len: usize, offset: u64) -> io::Result<Mapped> {
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of ours.
        let address = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
            libc::mmap(std::ptr::null_mut(), len, access, flags, fd.as_raw_fd(), offset)
        };
        if address == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Mapped { address, len })
        }
    }

    /// Memory of this process's own, of whole pages, all zero.
    #[allow(unsafe_code)]
    pub(crate) fn anonymous(len: usize) -> io::Result<Mapped> {
        // SAFETY: as in `new`.
        let address = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
            libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0)
        };
        if address == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Mapped { address, len })
        }
    }

    /// Its bytes, in words of eight.
    #[allow(unsafe_code)]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the memory is of whole pages, so aligned and a multiple of eight long; all bits are a value; it is
        // mapped until this is dropped, and never given out but as atomics.
        unsafe { std::slice::from_raw_parts(self.address.cast(), self.len / size_of::<AtomicU64>()) }
    }

    /// Its bytes, in words of four.
    #[allow(unsafe_code)]
    pub fn half_words(&self) -> &[AtomicU32] {
        // SAFETY: as in `words`.
        unsafe { std::slice::from_raw_parts(self.address.cast(), self.len / size_of::<AtomicU32>()) }
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.address.cast()
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none, which the kernel does not allow.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl AsRef<[AtomicU64]> for Mapped {
    fn as_ref(&self) -> &[AtomicU64] {
        self.words()
    }
}

impl Drop for Mapped {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, and whatever borrowed from it is gone.
        unsafe { libc::munmap(self.address, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out() {
        if crate::bpf::unavailable().is_some() {
            return;
        }
        let map = Map::new(MapKind::Hash, "t", 4, 2, 10, 0).unwrap();
        let mut value = [0; 2];
        assert!(!map.lookup(b"abcd", &mut value).unwrap());
        map.update(b"abcd", b"xy").unwrap();
        assert!(map.lookup(b"abcd", &mut value).unwrap());
        assert_eq!(value, *b"xy");
        assert!(map.delete(b"abcd").unwrap() && !map.delete(b"abcd").unwrap());
        assert!(map.update(b"abc", b"xy").is_err() && map.update(b"abcd", b"x").is_err());
    }

    #[test]
    fn a_mapped_array_is_the_kernels_own() {
        if crate::bpf::unavailable().is_some() {
            return;
        }
        let map = Map::new(MapKind::Array, "t", 4, 12, 1000, MMAPABLE).unwrap();
        let mapped = map.mapped().unwrap();
        map.update(&7_u32.to_ne_bytes(), &[1; 12]).unwrap();
        // Twelve bytes take sixteen.
        assert_eq!(mapped.words()[14].load(Ordering::Relaxed), 0x0101_0101_0101_0101);
        mapped.half_words()[28].store(5, Ordering::Relaxed);
        let mut value = [0; 12];
        map.lookup(&7_u32.to_ne_bytes(), &mut value).unwrap();
        assert_eq!(value[..4], 5_u32.to_ne_bytes());
        let plain = Map::new(MapKind::Array, "t", 4, 12, 1000, 0).unwrap();
        assert!(plain.mapped().is_err());
    }

    #[test]
    fn a_value_of_each_processor_is_read() {
        if crate::bpf::unavailable().is_some() {
            return;
        }
        let map = Map::new(MapKind::PerCpuArray, "t", 4, 4, 1, 0).unwrap();
        let mut value = vec![1; map.value_len()];
        assert!(map.lookup(&[0; 4], &mut value).unwrap());
        assert!(value.len() >= 8 && value.iter().all(|byte| *byte == 0));
    }
}
