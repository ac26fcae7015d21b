//! The error numbers a guest sees, and how host errors become them.
//!
//! Knows numbers only; must never know which function failed or what the guest asked.

/// Declares the enumeration once: number, name and meaning, in the order of the interface definition (the first is 0).
macro_rules! errnos {
    ($($name:ident = $value:literal, $spelt:literal, $doc:literal;)*) => {
        /// An error number of WASI preview 1. `Success` is 0.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno { $(#[doc = $doc] $name = $value,)* }

        impl Errno {
            /// The name of the interface definition in lower case, for traces and messages.
            pub fn name(self) -> &'static str {
                match self { $(Errno::$name => $spelt,)* }
            }

            /// What the number means.
            pub fn meaning(self) -> &'static str {
                match self { $(Errno::$name => $doc,)* }
            }
        }

        const ALL: &[Errno] = &[$(Errno::$name),*];
    };
}

errnos! {
    Success = 0, "success", "no error";
    TooBig = 1, "2big", "argument list too long";
    Acces = 2, "acces", "permission denied";
    Addrinuse = 3, "addrinuse", "address in use";
    Addrnotavail = 4, "addrnotavail", "address not available";
    Afnosupport = 5, "afnosupport", "address family not supported";
    Again = 6, "again", "the operation would block";
    Already = 7, "already", "connection already in progress";
    Badf = 8, "badf", "not an open descriptor";
    Badmsg = 9, "badmsg", "bad message";
    Busy = 10, "busy", "device or resource busy";
    Canceled = 11, "canceled", "operation cancelled";
    Child = 12, "child", "no child processes";
    Connaborted = 13, "connaborted", "connection aborted";
    Connrefused = 14, "connrefused", "connection refused";
    Connreset = 15, "connreset", "connection reset";
    Deadlk = 16, "deadlk", "a deadlock would result";
    Destaddrreq = 17, "destaddrreq", "destination address required";
    Dom = 18, "dom", "argument outside the function's domain";
    Dquot = 19, "dquot", "quota exceeded";
    Exist = 20, "exist", "exists already";
    Fault = 21, "fault", "address outside guest memory";
    Fbig = 22, "fbig", "file too large";
    Hostunreach = 23, "hostunreach", "host unreachable";
    Idrm = 24, "idrm", "identifier removed";
    Ilseq = 25, "ilseq", "not UTF-8";
    Inprogress = 26, "inprogress", "operation in progress";
    Intr = 27, "intr", "interrupted";
    Inval = 28, "inval", "invalid argument";
    Io = 29, "io", "input or output error";
    Isconn = 30, "isconn", "socket connected already";
    Isdir = 31, "isdir", "is a directory";
    Loop = 32, "loop", "too many symbolic links";
    Mfile = 33, "mfile", "too many open descriptors";
    Mlink = 34, "mlink", "too many links";
    Msgsize = 35, "msgsize", "message too long";
    Multihop = 36, "multihop", "multihop attempted";
    Nametoolong = 37, "nametoolong", "name too long";
    Netdown = 38, "netdown", "network down";
    Netreset = 39, "netreset", "connection aborted by network";
    Netunreach = 40, "netunreach", "network unreachable";
    Nfile = 41, "nfile", "too many open files in the system";
    Nobufs = 42, "nobufs", "no buffer space";
    Nodev = 43, "nodev", "no such device";
    Noent = 44, "noent", "no such file or directory";
    Noexec = 45, "noexec", "not an executable format";
    Nolck = 46, "nolck", "no locks available";
    Nolink = 47, "nolink", "link severed";
    Nomem = 48, "nomem", "out of memory";
    Nomsg = 49, "nomsg", "no message of that type";
    Noprotoopt = 50, "noprotoopt", "protocol not available";
    Nospc = 51, "nospc", "no space left";
    Nosys = 52, "nosys", "function not supported";
    Notconn = 53, "notconn", "socket not connected";
    Notdir = 54, "notdir", "not a directory";
    Notempty = 55, "notempty", "directory not empty";
    Notrecoverable = 56, "notrecoverable", "state not recoverable";
    Notsock = 57, "notsock", "not a socket";
    Notsup = 58, "notsup", "not supported";
    Notty = 59, "notty", "not a terminal";
    Nxio = 60, "nxio", "no such device or address";
    Overflow = 61, "overflow", "value too large";
    Ownerdead = 62, "ownerdead", "previous owner died";
    Perm = 63, "perm", "operation not permitted";
    Pipe = 64, "pipe", "broken pipe";
    Proto = 65, "proto", "protocol error";
    Protonosupport = 66, "protonosupport", "protocol not supported";
    Prototype = 67, "prototype", "wrong protocol type for socket";
    Range = 68, "range", "result too large";
    Rofs = 69, "rofs", "read-only grant";
    Spipe = 70, "spipe", "not seekable";
    Srch = 71, "srch", "no such process";
    Stale = 72, "stale", "stale handle";
    Timedout = 73, "timedout", "timed out";
    Txtbsy = 74, "txtbsy", "program file busy";
    Xdev = 75, "xdev", "crosses devices or grants";
    Notcapable = 76, "notcapable", "the descriptor lacks the right";
}

impl Errno {
    /// The error of this number, if there is one.
    pub fn from_number(number: u16) -> Option<Errno> {
        ALL.get(usize::from(number)).copied()
    }
}

impl std::fmt::Display for Errno {
    /// As C programs and `strace` spell it: `ENOENT`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("E")?;
        self.name()
            .bytes()
            .try_for_each(|byte| std::fmt::Write::write_char(f, byte.to_ascii_uppercase().into()))
    }
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
            assert_eq!(Errno::from_number(*errno as u16), Some(*errno));
        }
        assert_eq!(Errno::from_number(77), None);
        assert_eq!(Errno::Noent.to_string(), "ENOENT");
        assert_eq!(Errno::TooBig.to_string(), "E2BIG");
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
