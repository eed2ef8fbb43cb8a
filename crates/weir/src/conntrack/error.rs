//! Why a command fails, in the words that scripts of conntrack(8) know.

use ironweir_client::conntrack::ConntrackError;

/// What stands before each message.
pub const NAME: &str = concat!("conntrack v1.4.7 (ironweir ", env!("CARGO_PKG_VERSION"), ")");

/// A command line that cannot be meant. Exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Usage {
    /// No such option, or a name that is short for several.
    #[error("unknown option `{0}'")]
    UnknownOption(String),
    /// A value is missing.
    #[error("option `{0}' requires an argument")]
    NeedsValue(String),
    /// A second command.
    #[error("Invalid commands combination")]
    SecondCommand,
    /// No such table.
    #[error("unknown type `{0}'")]
    UnknownTable(String),
    /// The command cannot be done there.
    #[error("Can't do --{0} on expectations")]
    NotOnExpectations(&'static str),
    /// The command cannot be done there.
    #[error("Can't do that command with tables `dying' and `unconfirmed'")]
    NotOnThatTable,
    /// An option that the command does not take.
    #[error("Illegal option `--{0}' with this command")]
    Illegal(&'static str),
    /// An option that the command must have.
    #[error("You need to supply the `--{0}' option for this command")]
    Missing(&'static str),
    /// Two options that the command must have.
    #[error("you have to specify `--{0}' and `--{1}'")]
    MissingPair(&'static str, &'static str),
    /// An option that needs another.
    #[error("Can't use --{0} without --{1}")]
    Without(&'static str, &'static str),
    /// `-z` with a filter.
    #[error("Can't use -z with filtering parameters")]
    ZeroWithFilter,
    /// No such protocol or family.
    #[error("`{0}' unsupported protocol")]
    UnknownProtocol(String),
    /// `-n` or `-g` with `-j`.
    #[error("cannot specify `--src-nat' or `--dst-nat' with `--any-nat'")]
    NatBothWays,
    /// A word of a list is unknown.
    #[error("Bad parameter `{0}'")]
    BadWord(String),
    /// No such label.
    #[error("unknown label '{0}'")]
    UnknownLabel(String),
    /// No address.
    #[error("Invalid IP address `{0}'")]
    BadAddress(String),
    /// No mask.
    #[error("Invalid netmask")]
    BadMask,
    /// An address that must be one.
    #[error("CIDR notation unavailable for `--{0}'")]
    NoPrefix(&'static str),
    /// Addresses of two families.
    #[error("mismatched address family")]
    MixedFamilies,
    /// A port is missing.
    #[error("No port specified after `:'")]
    NoPort,
    /// No port.
    #[error("Invalid port `{0}'")]
    BadPort(String),
    /// No state of that protocol.
    #[error("{0} state `{1}'")]
    UnknownState(&'static str, String),
    /// No role.
    #[error("Unknown DCCP role `{0}'")]
    UnknownRole(String),
    /// No number, or one too large.
    #[error("option `--{0}': `{1}' is not a number up to {2}")]
    BadNumber(&'static str, String, u64),
    /// The file cannot be read.
    #[error("Failed to open file {0} for reading")]
    Unreadable(String),
    /// A command that a file cannot have.
    #[error("Cannot use command `{0}' with --load-file")]
    NotInFile(String),
}

/// Why a command fails. Exit code 2 for [`Failure::Usage`], else 1.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line.
    #[error("{0}\nTry `conntrack -h' or 'conntrack --help' for more information.")]
    Usage(#[from] Usage),
    /// `--label-add` and `--label-del`.
    #[error("cannot use --label-add and --label-del at the same time")]
    LabelsBothWays,
    /// `-o save` with another form.
    #[error("cannot combine save output with any other output type, use -o save only")]
    SaveAlone,
    /// The kernel, or the way to it.
    #[error("Operation failed: {}", words(.0))]
    Kernel(#[from] ConntrackError),
    /// There is a connection already.
    #[error("Operation failed: Such conntrack exists, try -U to update")]
    Exists,
    /// There is no such connection.
    #[error("Operation failed: such conntrack doesn't exist")]
    NoSuchFlow,
    /// A timeout that cannot be changed.
    #[error("Operation failed: this connection's timeout is fixed (FIXED_TIMEOUT)")]
    FixedTimeout,
    /// There is no connection that could expect this.
    #[error("Operation failed: master conntrack not found")]
    NoMaster,
    /// A file or standard output.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            _ => 1,
        }
    }
}

/// Numbers of `asm-generic/errno-base.h` and `errno.h`.
pub mod errno {
    /// Not permitted.
    pub const EPERM: i32 = 1;
    /// No such thing.
    pub const ENOENT: i32 = 2;
    /// No memory.
    pub const ENOMEM: i32 = 12;
    /// It exists.
    pub const EEXIST: i32 = 17;
    /// Invalid.
    pub const EINVAL: i32 = 22;
    /// Not implemented.
    pub const ENOSYS: i32 = 38;
    /// Timer expired.
    pub const ETIME: i32 = 62;
    /// Protocol not supported.
    pub const EPROTONOSUPPORT: i32 = 93;
}

fn words(error: &ConntrackError) -> String {
    let Some(number) = error.errno() else { return error.to_string() };
    let text = match number {
        errno::EPERM => "sorry, you must be root or get CAP_NET_ADMIN capability to do this".to_owned(),
        errno::ENOMEM => "not enough memory".to_owned(),
        errno::EINVAL => "invalid parameters".to_owned(),
        errno::ENOSYS => "function not implemented".to_owned(),
        errno::ETIME => "conntrack has expired".to_owned(),
        errno::EPROTONOSUPPORT => "protocol not supported".to_owned(),
        _ => system_words(number),
    };
    match error {
        ConntrackError::Refused { explanation: Some(explanation), .. } => format!("{text} ({explanation})"),
        _ => text,
    }
}

/// The system's words for an error, without the number that `std` adds.
fn system_words(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
