//! Where `include` finds files: this crate does no input or output of its own.

use std::collections::BTreeMap;

/// Why a file could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is none of that name.
    #[error("No such file or directory")]
    Missing,
    /// It is there but cannot be read, with the system's reason.
    #[error("{0}")]
    Unreadable(String),
}

/// What `include` asks for.
pub trait Files {
    /// The whole text of a file.
    fn read(&self, path: &str) -> Result<String, FileError>;

    /// Paths that match a shell pattern, in any order; none is no error.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// Whether a path is a directory; `include` passes those over.
    fn is_directory(&self, _: &str) -> bool {
        false
    }

    /// Directories in which names without a leading `/` or `./` are looked up.
    fn search_paths(&self) -> Vec<String> {
        Vec::new()
    }
}

/// No files at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<String, FileError> {
        Err(FileError::Missing)
    }

    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Files in memory, by path, for embedders and tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(pub BTreeMap<String, String>);

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self.0.get(path).cloned().ok_or(FileError::Missing)
    }

    /// Knows `*` and `?` within one part of a path.
    fn glob(&self, pattern: &str) -> Vec<String> {
        self.0.keys().filter(|path| matches(pattern.as_bytes(), path.as_bytes())).cloned().collect()
    }
}

/// Shell pattern matching with `*` and `?`, neither of which matches `/`.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (mut at, mut in_pattern, mut star) = (0, 0, None);
    while at < path.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
                continue;
            }
            Some(b'?') if path[at] != b'/' => {
                in_pattern += 1;
                at += 1;
                continue;
            }
            Some(c) if *c == path[at] => {
                in_pattern += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((star_at, from)) if path[from] != b'/' => {
                star = Some((star_at, from + 1));
                in_pattern = star_at + 1;
                at = from + 1;
            }
            _ => return false,
        }
    }
    pattern[in_pattern..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_within_one_directory() {
        assert!(matches(b"/etc/*.nft", b"/etc/a.nft"));
        assert!(!matches(b"/etc/*.nft", b"/etc/b/a.nft"));
        assert!(matches(b"a?c*", b"abcd"));
        assert!(!matches(b"a?c", b"ab"));
    }
}
