//! Why a conversation about connections failed.

use ironweir_io::NetlinkError;
use ironweir_netlink::{DecodeError, EncodeError};

/// Why a request about connections failed.
#[derive(Debug, thiserror::Error)]
pub enum ConntrackError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] NetlinkError),
    /// The kernel refused. Which errno means what depends on the request.
    #[error("the kernel refuses with error {errno}")]
    Refused {
        /// The system's error number, positive.
        errno: i32,
        /// What the kernel says besides (extended acknowledgement).
        explanation: Option<Box<str>>,
    },
    /// An answer cannot be read.
    #[error("an answer of the kernel cannot be read: {0}")]
    Answer(#[from] DecodeError),
    /// The request cannot be written: an attribute would be too long.
    #[error(transparent)]
    Request(#[from] EncodeError),
    /// There was no answer within ten seconds.
    #[error("the kernel does not answer")]
    Silence,
}

impl ConntrackError {
    /// The system's error number, if there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            ConntrackError::Socket(error) => error.errno(),
            ConntrackError::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}
