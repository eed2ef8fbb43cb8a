//! The file: records under keys, written in frames, valid as far as its header says.
//!
//! ```text
//! header, 64 bytes   "IRONWEIR" · version 4 · 0 · committed 8 (bytes of frames) · time 8 · ... · CRC-32 of the 60 bytes before
//! frame              length 4 · CRC-32 of sequence number (8) and payload · payload
//! payload            records: 1 · key · length 4 · value      put
//!                             2 · key                         deleted
//! key                kind 1 · 8 · 8 · 4
//! ```
//!
//! All numbers are little-endian; a later record of a key counts. Frames are appended, then made durable, then the header
//! says that they count: a writer that is killed at any moment leaves the state of its last commit. So a file shorter than
//! its header says, or with a frame that is not as it was written, was damaged by somebody else, and is refused whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use ironweir_conntrack::saved::{Reader, SavedError};
use ironweir_wire::Instant;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"IRONWEIR";
const HEADER_LEN: usize = 64;
/// Bytes of a frame at most, when it is read.
const MAX_FRAME: usize = 256 << 20;
/// Bytes of a file at most, when it is read.
const MAX_FILE: u64 = 16 << 30;
const PUT: u8 = 1;
const DELETED: u8 = 2;

/// What a record is about. Of numbers that a kind does not need, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its kind.
    pub kind: u8,
    /// The first number.
    pub a: u64,
    /// The second.
    pub b: u64,
    /// The third.
    pub c: u32,
}

impl Key {
    /// A key of one number.
    pub fn one(kind: u8, a: u64) -> Key {
        Key { kind, a, b: 0, c: 0 }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind);
        out.extend(self.a.to_le_bytes());
        out.extend(self.b.to_le_bytes());
        out.extend(self.c.to_le_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Key, SavedError> {
        Ok(Key { kind: reader.u8()?, a: reader.u64()?, b: reader.u64()?, c: reader.u32()? })
    }
}

/// Records on their way into a frame.
#[derive(Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
}

impl Records {
    /// A value under a key, in place of what was there. `value` appends it.
    pub fn put(&mut self, key: Key, value: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.push(PUT);
        key.put(&mut self.bytes);
        let at = self.bytes.len();
        self.bytes.extend([0; 4]);
        value(&mut self.bytes);
        let len = (self.bytes.len() - at - 4) as u32;
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&len.to_le_bytes());
        }
    }

    /// Nothing under a key any more.
    pub fn delete(&mut self, key: Key) {
        self.bytes.push(DELETED);
        key.put(&mut self.bytes);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The payload of a frame.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// A number that tells whether texts are others: their length and CRC-32. The same for all versions of this program.
pub fn digest<'t>(texts: impl Iterator<Item = &'t str>) -> u64 {
    let (mut hasher, mut len) = (crc32fast::Hasher::new(), 0);
    for text in texts {
        hasher.update(text.as_bytes());
        // What ends one and begins the next counts.
        hasher.update(&[0]);
        len += text.len() as u64;
    }
    len << 32 | u64::from(hasher.finalize())
}

fn checksum(sequence: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn header(committed: u64, written: Instant) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&committed.to_le_bytes());
    bytes[24..32].copy_from_slice(&written.nanos().to_le_bytes());
    let sum = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// A file that is written. The first commit of it takes the place of what was there before under its name.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    /// It has its name.
    named: bool,
    sequence: u64,
    /// Bytes of frames.
    len: u64,
}

impl Writer {
    /// Begins a file beside `path`, readable by its owner alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(path: &Path) -> io::Result<Writer> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(beside(path))?;
        file.write_all(&[0; HEADER_LEN])?;
        Ok(Writer { path: path.into(), file, named: false, sequence: 0, len: 0 })
    }

    /// Appends a frame, which does not count yet.
    ///
    /// # Errors
    /// It cannot be written; the file is of no use any more, but for what was committed.
    pub fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut head = [0; 8];
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..].copy_from_slice(&checksum(self.sequence, payload).to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(payload)?;
        self.sequence += 1;
        self.len += 8 + payload.len() as u64;
        Ok(())
    }

    /// All frames count from now on; `written` is when what they say was so.
    ///
    /// # Errors
    /// As [`Writer::frame`].
    pub fn commit(&mut self, written: Instant) -> io::Result<()> {
        self.file.sync_data()?;
        self.file.write_all_at(&header(self.len, written), 0)?;
        if !self.named {
            self.file.sync_all()?;
            std::fs::rename(beside(&self.path), &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            self.named = true;
        }
        Ok(())
    }

    /// Makes the last commit durable.
    ///
    /// # Errors
    /// As [`Writer::frame`].
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Bytes of all frames.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Where a file is made before it has its name.
fn beside(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system does not give it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not begin as such a file does.
    #[error("it is no state of weir, or its first bytes are damaged")]
    NoState,
    /// Another version of this program wrote it.
    #[error("its format is {0}, this program's is {VERSION}")]
    Version(u32),
    /// There is less of it than was written.
    #[error("it is cut off: {there} of {written} bytes are there")]
    Truncated {
        /// Bytes of frames that are there.
        there: u64,
        /// Bytes of frames that were written.
        written: u64,
    },
    /// A frame is not as it was written.
    #[error("it is damaged between byte {from} and byte {to}")]
    Damaged {
        /// Where the frame begins.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// A record is not what it should be.
    #[error("{0}")]
    Record(#[from] SavedError),
    /// What the records say together is no ruleset.
    #[error(transparent)]
    Unsound(#[from] ironweir_ruleset::store::Unsound),
    /// A record of the ruleset is no message of nf_tables.
    #[error("a record of the ruleset: {0}")]
    Message(#[from] ironweir_netlink::DecodeError),
}

/// What a file says.
#[derive(Debug)]
pub struct Contents {
    /// When it was so.
    pub written: Instant,
    bytes: Vec<u8>,
    records: HashMap<Key, (usize, usize)>,
}

impl Contents {
    /// What stands under a key.
    pub fn get(&self, key: Key) -> Option<&[u8]> {
        let (at, len) = self.records.get(&key)?;
        self.bytes.get(*at..at + len)
    }

    /// Every key of a kind, in order.
    pub fn keys(&self, kind: u8) -> Vec<Key> {
        let mut keys: Vec<Key> = self.records.keys().filter(|key| key.kind == kind).copied().collect();
        keys.sort_unstable();
        keys
    }
}

/// Reads a file. `None` where there is none.
///
/// # Errors
/// [`LoadError`].
pub fn read(path: &Path) -> Result<Option<Contents>, LoadError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut head = [0; HEADER_LEN];
    if let Err(error) = file.read_exact(&mut head) {
        let short = error.kind() == io::ErrorKind::UnexpectedEof;
        return Err(if short { LoadError::NoState } else { error.into() });
    }
    let reader = &mut Reader::new(&head);
    let magic = reader.bytes(8)? == MAGIC;
    let (version, _, committed) = (reader.u32()?, reader.u32()?, reader.u64()?);
    let written = Instant::from_nanos(reader.u64()?);
    if !magic || committed > MAX_FILE {
        return Err(LoadError::NoState);
    }
    if header(committed, written)[12..] != head[12..] || version != VERSION {
        // Of another version it may be right.
        return Err(if version == VERSION { LoadError::NoState } else { LoadError::Version(version) });
    }
    let mut bytes = Vec::new();
    file.take(committed).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < committed {
        return Err(LoadError::Truncated { there: bytes.len() as u64, written: committed });
    }
    let mut records = HashMap::new();
    let (mut at, mut sequence) = (0, 0);
    while at < bytes.len() {
        let mut reader = Reader::new(bytes.get(at..).unwrap_or_default());
        let damaged = |len: usize| LoadError::Damaged {
            from: (HEADER_LEN + at) as u64,
            to: (HEADER_LEN + at).saturating_add(len).min(HEADER_LEN + bytes.len()) as u64,
        };
        let (len, sum) = match (reader.u32(), reader.u32()) {
            (Ok(len), Ok(sum)) => (len as usize, sum),
            _ => return Err(damaged(8)),
        };
        let payload = reader.bytes(len).map_err(|_| damaged(8 + len))?;
        if len > MAX_FRAME || checksum(sequence, payload) != sum {
            return Err(damaged(8 + len));
        }
        take_records(payload, at + 8, &mut records)?;
        at += 8 + len;
        sequence += 1;
    }
    Ok(Some(Contents { written, bytes, records }))
}

fn take_records(
    payload: &[u8],
    base: usize,
    records: &mut HashMap<Key, (usize, usize)>,
) -> Result<(), SavedError> {
    let mut reader = Reader::new(payload);
    while !reader.rest().is_empty() {
        let operation = reader.u8()?;
        let key = Key::read(&mut reader)?;
        match operation {
            PUT => {
                let len = reader.u32()? as usize;
                let at = base + payload.len() - reader.rest().len();
                reader.bytes(len)?;
                records.insert(key, (at, len));
            }
            DELETED => drop(records.remove(&key)),
            _ => return Err(SavedError::Value("operation")),
        }
    }
    Ok(())
}

/// Moves a file that is refused out of the way, in place of one that was moved before. Where it is now.
///
/// # Errors
/// It cannot be moved.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = with_suffix(path, ".corrupt");
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("weir-saved-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder.join("state")
    }

    fn three_commits(path: &Path) -> Vec<u64> {
        let mut writer = Writer::begin(path).unwrap();
        let mut lens = Vec::new();
        for number in 0..3u64 {
            let mut records = Records::default();
            for at in 0..20 {
                records.put(Key::one(1, at), |out| out.extend(number.to_le_bytes()));
            }
            records.delete(Key::one(1, number));
            writer.frame(&records.take()).unwrap();
            writer.commit(Instant::from_secs(number)).unwrap();
            lens.push(writer.len());
        }
        lens
    }

    fn value(contents: &Contents, key: u64) -> Option<u64> {
        Some(u64::from_le_bytes(contents.get(Key::one(1, key))?.try_into().unwrap()))
    }

    #[test]
    fn later_records_count() {
        let path = scratch("later");
        assert!(read(&path).unwrap().is_none());
        three_commits(&path);
        let contents = read(&path).unwrap().unwrap();
        assert_eq!(contents.written, Instant::from_secs(2));
        let keys = [0, 1, 2, 3].map(|key| value(&contents, key));
        // Each commit deletes one, and the next puts it again.
        assert_eq!(keys, [Some(2), Some(2), None, Some(2)]);
        assert_eq!(contents.keys(1).len(), 19);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_was_not_committed_does_not_count() {
        let path = scratch("tail");
        let mut writer = Writer::begin(&path).unwrap();
        // Until the first commit what was there before stays.
        assert!(read(&path).unwrap().is_none());
        let put = |number: u64| {
            let mut records = Records::default();
            records.put(Key::one(1, 0), |out| out.extend(number.to_le_bytes()));
            records.take()
        };
        writer.frame(&put(1)).unwrap();
        writer.commit(Instant::ZERO).unwrap();
        writer.frame(&put(2)).unwrap();
        assert_eq!(value(&read(&path).unwrap().unwrap(), 0), Some(1));
        writer.commit(Instant::ZERO).unwrap();
        assert_eq!(value(&read(&path).unwrap().unwrap(), 0), Some(2));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let path = scratch("cut");
        three_commits(&path);
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(read(&path).is_err(), "{len}");
        }
        let aside = set_aside(&path).unwrap();
        assert!(aside.ends_with("state.corrupt") && aside.exists() && read(&path).unwrap().is_none());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_file_that_was_changed_anywhere_is_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4)
        ) {
            static BEFORE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
                let path = scratch("before");
                three_commits(&path);
                std::fs::read(&path).unwrap()
            });
            let path = scratch("changed");
            let before = &*BEFORE;
            let mut bytes = before.clone();
            for (at, change) in changes {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
            }
            prop_assume!(bytes != *before);
            std::fs::write(&path, &bytes).unwrap();
            prop_assert!(read(&path).is_err());
        }
    }

    #[test]
    fn records_that_are_no_records_are_refused() {
        let path = scratch("odd");
        for payload in [&[PUT][..], &[9; 40], &[DELETED, 1, 2], &[PUT; 30]] {
            let mut writer = Writer::begin(&path).unwrap();
            writer.frame(payload).unwrap();
            writer.commit(Instant::ZERO).unwrap();
            assert!(matches!(read(&path), Err(LoadError::Record(_))), "{payload:?}");
        }
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
