//! The files of this machine, for `include`.

use std::path::PathBuf;

use ironweir_language::files::{FileError, Files};

/// Reads from the file system.
#[derive(Clone, Debug, Default)]
pub struct DiskFiles {
    /// Directories that names without a directory are looked up in (`-I`).
    pub include_paths: Vec<PathBuf>,
}

/// Where nft looks when no `-I` says otherwise.
const DEFAULT_INCLUDE_PATH: &str = "/etc";
/// The longest source text that is read: some ten million addresses. What is longer is no ruleset.
const MAX_FILE: u64 = 256 << 20;
/// How many files a pattern can stand for; more cannot be included.
const MAX_MATCHES: usize = 5_000;

impl Files for DiskFiles {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let path = std::path::Path::new(path);
        // As nft: a device or a pipe has no end that could be relied on.
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(FileError::Unreadable("Not a regular file".to_owned()));
        }
        read_text(path)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let options =
            glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
        let Ok(paths) = glob::glob_with(pattern, options) else { return Vec::new() };
        paths
            .flatten()
            .filter(|path| path.is_file())
            .take(MAX_MATCHES)
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    fn is_directory(&self, path: &str) -> bool {
        std::path::Path::new(path).is_dir()
    }

    fn search_paths(&self) -> Vec<String> {
        if self.include_paths.is_empty() {
            return vec![DEFAULT_INCLUDE_PATH.to_owned()];
        }
        self.include_paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }
}

/// The text of a file; what is no UTF-8 in it is replaced, so that the place of it can be told.
pub fn read_text(path: &std::path::Path) -> Result<String, FileError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => FileError::Missing,
        std::io::ErrorKind::IsADirectory => FileError::Unreadable("Is a directory".to_owned()),
        _ => FileError::Unreadable(error.to_string()),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if file.metadata().is_ok_and(|found| found.len() > MAX_FILE) {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    text_of(file).map_err(unreadable)
}

/// All text of a reader, as [`read_text`].
pub fn text_of(reader: impl std::io::Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(reader, MAX_FILE + 1), &mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
