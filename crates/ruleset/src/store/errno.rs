//! Error numbers of Linux.

/// Declares the numbers and what they are called.
macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal),* $(,)?) => {
        /// Error numbers of Linux that the kernel answers with (`asm-generic/errno-base.h`, `errno.h`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the words are the C library's
        pub enum Errno {
            $($name,)*
            /// One that is not named here.
            Other(i32),
        }

        impl Errno {
            /// From the number.
            pub const fn from_number(number: i32) -> Errno {
                match number {
                    $($number => Errno::$name,)*
                    other => Errno::Other(other),
                }
            }

            /// The number.
            pub const fn number(self) -> i32 {
                match self {
                    $(Errno::$name => $number,)*
                    Errno::Other(number) => number,
                }
            }

            /// What `strerror` of the GNU C library says.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Errno::$name => $text,)*
                    Errno::Other(_) => "Unknown error",
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted",
    ENOENT = 2, "No such file or directory",
    EINTR = 4, "Interrupted system call",
    EIO = 5, "Input/output error",
    E2BIG = 7, "Argument list too long",
    EAGAIN = 11, "Resource temporarily unavailable",
    ENOMEM = 12, "Cannot allocate memory",
    EACCES = 13, "Permission denied",
    EFAULT = 14, "Bad address",
    EBUSY = 16, "Device or resource busy",
    EEXIST = 17, "File exists",
    EXDEV = 18, "Invalid cross-device link",
    ENODEV = 19, "No such device",
    EINVAL = 22, "Invalid argument",
    ENFILE = 23, "Too many open files in system",
    EMFILE = 24, "Too many open files",
    EFBIG = 27, "File too large",
    ENOSPC = 28, "No space left on device",
    EROFS = 30, "Read-only file system",
    EMLINK = 31, "Too many links",
    ERANGE = 34, "Numerical result out of range",
    ENAMETOOLONG = 36, "File name too long",
    ELOOP = 40, "Too many levels of symbolic links",
    EOVERFLOW = 75, "Value too large for defined data type",
    EILSEQ = 84, "Invalid or incomplete multibyte or wide character",
    ERESTART = 85, "Interrupted system call should be restarted",
    EMSGSIZE = 90, "Message too long",
    EPROTOTYPE = 91, "Protocol wrong type for socket",
    ENOPROTOOPT = 92, "Protocol not available",
    EPROTONOSUPPORT = 93, "Protocol not supported",
    ESOCKTNOSUPPORT = 94, "Socket type not supported",
    EOPNOTSUPP = 95, "Operation not supported",
    EPFNOSUPPORT = 96, "Protocol family not supported",
    EAFNOSUPPORT = 97, "Address family not supported by protocol",
    EADDRINUSE = 98, "Address already in use",
    EADDRNOTAVAIL = 99, "Cannot assign requested address",
    ENETDOWN = 100, "Network is down",
    ENOBUFS = 105, "No buffer space available",
    ETIMEDOUT = 110, "Connection timed out",
    EALREADY = 114, "Operation already in progress",
    ENOTSUPP = 524, "Unknown error 524",
}
