//! The error numbers a guest sees, and how host errors become them.
//!
//! Knows numbers only; must never know which function failed or what the guest asked.

/// Declares the enumeration once: name and meaning, in the order of the interface definition (the first is 0).
macro_rules! errnos {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        /// An error number of WASI preview 1. `Success` is 0.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno { $(#[doc = $doc] $name = $value,)* }

        impl Errno {
            /// The name of the interface definition in lower case, for traces and messages.
            pub fn name(self) -> &'static str {
                match self { $(Errno::$name => stringify!($name),)* }
            }

            /// What the number means.
            pub fn meaning(self) -> &'static str {
                match self { $(Errno::$name => $doc,)* }
            }
        }

        #[cfg(test)]
        const ALL: &[Errno] = &[$(Errno::$name),*];
    };
}

errnos! {
    Success = 0, "no error";
    TooBig = 1, "argument list too long";
    Acces = 2, "permission denied";
    Addrinuse = 3, "address in use";
    Addrnotavail = 4, "address not available";
    Afnosupport = 5, "address family not supported";
    Again = 6, "the operation would block";
    Already = 7, "connection already in progress";
    Badf = 8, "not an open descriptor";
    Badmsg = 9, "bad message";
    Busy = 10, "device or resource busy";
    Canceled = 11, "operation cancelled";
    Child = 12, "no child processes";
    Connaborted = 13, "connection aborted";
    Connrefused = 14, "connection refused";
    Connreset = 15, "connection reset";
    Deadlk = 16, "a deadlock would result";
    Destaddrreq = 17, "destination address required";
    Dom = 18, "argument outside the function's domain";
    Dquot = 19, "quota exceeded";
    Exist = 20, "exists already";
    Fault = 21, "address outside guest memory";
    Fbig = 22, "file too large";
    Hostunreach = 23, "host unreachable";
    Idrm = 24, "identifier removed";
    Ilseq = 25, "not UTF-8";
    Inprogress = 26, "operation in progress";
    Intr = 27, "interrupted";
    Inval = 28, "invalid argument";
    Io = 29, "input or output error";
    Isconn = 30, "socket connected already";
    Isdir = 31, "is a directory";
    Loop = 32, "too many symbolic links";
    Mfile = 33, "too many open descriptors";
    Mlink = 34, "too many links";
    Msgsize = 35, "message too long";
    Multihop = 36, "multihop attempted";
    Nametoolong = 37, "name too long";
    Netdown = 38, "network down";
    Netreset = 39, "connection aborted by network";
    Netunreach = 40, "network unreachable";
    Nfile = 41, "too many open files in the system";
    Nobufs = 42, "no buffer space";
    Nodev = 43, "no such device";
    Noent = 44, "no such file or directory";
    Noexec = 45, "not an executable format";
    Nolck = 46, "no locks available";
    Nolink = 47, "link severed";
    Nomem = 48, "out of memory";
    Nomsg = 49, "no message of that type";
    Noprotoopt = 50, "protocol not available";
    Nospc = 51, "no space left";
    Nosys = 52, "function not supported";
    Notconn = 53, "socket not connected";
    Notdir = 54, "not a directory";
    Notempty = 55, "directory not empty";
    Notrecoverable = 56, "state not recoverable";
    Notsock = 57, "not a socket";
    Notsup = 58, "not supported";
    Notty = 59, "not a terminal";
    Nxio = 60, "no such device or address";
    Overflow = 61, "value too large";
    Ownerdead = 62, "previous owner died";
    Perm = 63, "operation not permitted";
    Pipe = 64, "broken pipe";
    Proto = 65, "protocol error";
    Protonosupport = 66, "protocol not supported";
    Prototype = 67, "wrong protocol type for socket";
    Range = 68, "result too large";
    Rofs = 69, "read-only grant";
    Spipe = 70, "not seekable";
    Srch = 71, "no such process";
    Stale = 72, "stale handle";
    Timedout = 73, "timed out";
    Txtbsy = 74, "program file busy";
    Xdev = 75, "crosses devices or grants";
    Notcapable = 76, "the descriptor lacks the right";
}

impl From<rustix::io::Errno> for Errno {
    fn from(host: rustix::io::Errno) -> Errno {
        use rustix::io::Errno as H;
        // `AGAIN`/`WOULDBLOCK` and `NOTSUP`/`OPNOTSUPP` are one number on some systems and two on others.
        if host == H::AGAIN || host == H::WOULDBLOCK {
            return Errno::Again;
        }
        if host == H::NOTSUP || host == H::OPNOTSUPP {
            return Errno::Notsup;
        }
        match host {
            H::TOOBIG => Errno::TooBig,
            H::ACCESS => Errno::Acces,
            H::ADDRINUSE => Errno::Addrinuse,
            H::ADDRNOTAVAIL => Errno::Addrnotavail,
            H::AFNOSUPPORT => Errno::Afnosupport,
            H::ALREADY => Errno::Already,
            H::BADF => Errno::Badf,
            H::BADMSG => Errno::Badmsg,
            H::BUSY => Errno::Busy,
            H::CANCELED => Errno::Canceled,
            H::CHILD => Errno::Child,
            H::CONNABORTED => Errno::Connaborted,
            H::CONNREFUSED => Errno::Connrefused,
            H::CONNRESET => Errno::Connreset,
            H::DEADLK => Errno::Deadlk,
            H::DESTADDRREQ => Errno::Destaddrreq,
            H::DOM => Errno::Dom,
            H::DQUOT => Errno::Dquot,
            H::EXIST => Errno::Exist,
            H::FAULT => Errno::Fault,
            H::FBIG => Errno::Fbig,
            H::HOSTUNREACH => Errno::Hostunreach,
            H::IDRM => Errno::Idrm,
            H::ILSEQ => Errno::Ilseq,
            H::INPROGRESS => Errno::Inprogress,
            H::INTR => Errno::Intr,
            H::INVAL => Errno::Inval,
            H::ISCONN => Errno::Isconn,
            H::ISDIR => Errno::Isdir,
            H::LOOP => Errno::Loop,
            H::MFILE => Errno::Mfile,
            H::MLINK => Errno::Mlink,
            H::MSGSIZE => Errno::Msgsize,
            H::NAMETOOLONG => Errno::Nametoolong,
            H::NETDOWN => Errno::Netdown,
            H::NETRESET => Errno::Netreset,
            H::NETUNREACH => Errno::Netunreach,
            H::NFILE => Errno::Nfile,
            H::NOBUFS => Errno::Nobufs,
            H::NODEV => Errno::Nodev,
            H::NOENT => Errno::Noent,
            H::NOEXEC => Errno::Noexec,
            H::NOLCK => Errno::Nolck,
            H::NOMEM => Errno::Nomem,
            H::NOMSG => Errno::Nomsg,
            H::NOPROTOOPT => Errno::Noprotoopt,
            H::NOSPC => Errno::Nospc,
            H::NOSYS => Errno::Nosys,
            H::NOTCONN => Errno::Notconn,
            H::NOTDIR => Errno::Notdir,
            H::NOTEMPTY => Errno::Notempty,
            H::NOTRECOVERABLE => Errno::Notrecoverable,
            H::NOTSOCK => Errno::Notsock,
            H::NOTTY => Errno::Notty,
            H::NXIO => Errno::Nxio,
            H::OVERFLOW => Errno::Overflow,
            H::OWNERDEAD => Errno::Ownerdead,
            H::PERM => Errno::Perm,
            H::PIPE => Errno::Pipe,
            H::PROTO => Errno::Proto,
            H::PROTONOSUPPORT => Errno::Protonosupport,
            H::PROTOTYPE => Errno::Prototype,
            H::RANGE => Errno::Range,
            H::ROFS => Errno::Rofs,
            H::SPIPE => Errno::Spipe,
            H::SRCH => Errno::Srch,
            H::STALE => Errno::Stale,
            H::TIMEDOUT => Errno::Timedout,
            H::TXTBSY => Errno::Txtbsy,
            H::XDEV => Errno::Xdev,
            _ => Errno::Io,
        }
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Errno {
        if let Some(host) = rustix::io::Errno::from_io_error(&error) {
            return host.into();
        }
        // Errors made by libraries carry a kind only; cap-std reports a path that leaves its directory this way.
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Errno::Perm,
            std::io::ErrorKind::NotFound => Errno::Noent,
            std::io::ErrorKind::AlreadyExists => Errno::Exist,
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => Errno::Inval,
            std::io::ErrorKind::BrokenPipe => Errno::Pipe,
            std::io::ErrorKind::WouldBlock => Errno::Again,
            std::io::ErrorKind::Interrupted => Errno::Intr,
            std::io::ErrorKind::Unsupported => Errno::Notsup,
            std::io::ErrorKind::ConnectionReset => Errno::Connreset,
            std::io::ErrorKind::OutOfMemory => Errno::Nomem,
            _ => Errno::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_in_order() {
        for (index, errno) in ALL.iter().enumerate() {
            assert_eq!(*errno as usize, index, "{}", errno.name());
        }
        assert_eq!(ALL.len(), 77);
    }

    #[test]
    fn host_errors_keep_their_meaning() {
        assert_eq!(Errno::from(rustix::io::Errno::NOTEMPTY), Errno::Notempty);
        assert_eq!(
            Errno::from(std::io::Error::from_raw_os_error(32)),
            Errno::Pipe
        );
        let escape = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "outside");
        assert_eq!(Errno::from(escape), Errno::Perm);
    }
}
