//! Output files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file being written. It stands under a temporary name in the directory of its final one until
/// [`commit`](PendingFile::commit) renames it; dropped before, it is removed and an older file of that name is intact.
///
/// What exists and is no regular file (`/dev/stdout`, a pipe) is written to directly: it cannot be renamed over.
#[derive(Debug)]
pub struct PendingFile {
    writer: Option<BufWriter<File>>,
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl PendingFile {
    /// Begins the file that will be `path`.
    pub fn create(path: &Path) -> io::Result<PendingFile> {
        // The file that a link names is the one to replace, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|existing| !existing.is_file()) {
            let file = fs::OpenOptions::new().write(true).open(&path)?;
            return Ok(PendingFile { writer: Some(BufWriter::new(file)), temporary: None, path });
        }
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        Ok(PendingFile {
            writer: Some(BufWriter::with_capacity(1 << 16, file)),
            temporary: Some(temporary),
            path,
        })
    }

    /// Writes what is still buffered and gives the file its name.
    pub fn commit(mut self) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        }
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Some(writer) => writer.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // There is nobody left to tell; the temporary name shows what was left behind.
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ironweir-pending-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_given_up_leaves_the_old_one_and_nothing_else() {
        let directory = directory("drop");
        let path = directory.join("out");
        fs::write(&path, "old").unwrap();
        let mut file = PendingFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_committed_file_replaces_the_old_one() {
        let directory = directory("commit");
        let path = directory.join("out");
        fs::write(&path, "old").unwrap();
        let mut file = PendingFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }
}
