//! The data types of the interface, declared once: numbers, flags and the layout of records in guest memory.
//!
//! Knows layouts and numbers; must never know descriptors, the host or the context. Records are encoded into byte arrays
//! that start as zero, so padding never carries host bytes into the guest.

use crate::errno::Errno;

/// Which of the two versions of the interface a call came through. They differ in a few layouts and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abi {
    /// `wasi_unstable`.
    Unstable,
    /// `wasi_snapshot_preview1`.
    Preview1,
}

/// Declares a set of bit flags over an integer.
macro_rules! flags {
    ($(#[$meta:meta])* $name:ident: $repr:ty { $($flag:ident = $value:expr;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(crate) struct $name(pub(crate) $repr);

        #[allow(dead_code, reason = "the interface defines flags that nothing here needs to test by name")]
        impl $name {
            $(pub(crate) const $flag: $name = $name($value);)*
            pub(crate) const NONE: $name = $name(0);
            pub(crate) const ALL: $name = $name(0 $(| $value)*);
            /// Every flag, for traces.
            pub(crate) const NAMES: &'static [(&'static str, u64)] = &[$((stringify!($flag), $value as u64)),*];

            pub(crate) const fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            pub(crate) const fn any(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            pub(crate) const fn and(self, other: $name) -> $name {
                $name(self.0 & other.0)
            }

            pub(crate) const fn or(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            pub(crate) const fn without(self, other: $name) -> $name {
                $name(self.0 & !other.0)
            }

            /// The flags of a raw argument; bits that the interface does not define are an error.
            pub(crate) fn from_arg(raw: u32) -> Result<$name, Errno> {
                match <$repr>::try_from(raw) {
                    Ok(bits) if bits & !Self::ALL.0 == 0 => Ok($name(bits)),
                    _ => Err(Errno::Inval),
                }
            }
        }
    };
}

flags! {
    /// What may be done with a descriptor.
    Rights: u64 {
        FD_DATASYNC = 1 << 0;
        FD_READ = 1 << 1;
        FD_SEEK = 1 << 2;
        FD_FDSTAT_SET_FLAGS = 1 << 3;
        FD_SYNC = 1 << 4;
        FD_TELL = 1 << 5;
        FD_WRITE = 1 << 6;
        FD_ADVISE = 1 << 7;
        FD_ALLOCATE = 1 << 8;
        PATH_CREATE_DIRECTORY = 1 << 9;
        PATH_CREATE_FILE = 1 << 10;
        PATH_LINK_SOURCE = 1 << 11;
        PATH_LINK_TARGET = 1 << 12;
        PATH_OPEN = 1 << 13;
        FD_READDIR = 1 << 14;
        PATH_READLINK = 1 << 15;
        PATH_RENAME_SOURCE = 1 << 16;
        PATH_RENAME_TARGET = 1 << 17;
        PATH_FILESTAT_GET = 1 << 18;
        PATH_FILESTAT_SET_SIZE = 1 << 19;
        PATH_FILESTAT_SET_TIMES = 1 << 20;
        FD_FILESTAT_GET = 1 << 21;
        FD_FILESTAT_SET_SIZE = 1 << 22;
        FD_FILESTAT_SET_TIMES = 1 << 23;
        PATH_SYMLINK = 1 << 24;
        PATH_REMOVE_DIRECTORY = 1 << 25;
        PATH_UNLINK_FILE = 1 << 26;
        POLL_FD_READWRITE = 1 << 27;
        SOCK_SHUTDOWN = 1 << 28;
        SOCK_ACCEPT = 1 << 29;
    }
}

impl Rights {
    /// What makes sense on a directory.
    pub(crate) const DIRECTORY: Rights = Rights(
        Rights::FD_FDSTAT_SET_FLAGS.0
            | Rights::FD_SYNC.0
            | Rights::FD_DATASYNC.0
            | Rights::PATH_CREATE_DIRECTORY.0
            | Rights::PATH_CREATE_FILE.0
            | Rights::PATH_LINK_SOURCE.0
            | Rights::PATH_LINK_TARGET.0
            | Rights::PATH_OPEN.0
            | Rights::FD_READDIR.0
            | Rights::PATH_READLINK.0
            | Rights::PATH_RENAME_SOURCE.0
            | Rights::PATH_RENAME_TARGET.0
            | Rights::PATH_FILESTAT_GET.0
            | Rights::PATH_FILESTAT_SET_SIZE.0
            | Rights::PATH_FILESTAT_SET_TIMES.0
            | Rights::FD_FILESTAT_GET.0
            | Rights::FD_FILESTAT_SET_TIMES.0
            | Rights::PATH_SYMLINK.0
            | Rights::PATH_REMOVE_DIRECTORY.0
            | Rights::PATH_UNLINK_FILE.0,
    );
    /// What makes sense on a regular file. The path rights are kept too, because guests compare what they asked for with
    /// what they got; no function takes them from a file.
    pub(crate) const FILE: Rights =
        Rights(Rights::ALL.0 & !(Rights::SOCK_SHUTDOWN.0 | Rights::SOCK_ACCEPT.0));
    /// What makes sense on a pipe or a terminal. Without `FD_SEEK` and `FD_TELL` a character device is a terminal to libc.
    pub(crate) const STREAM: Rights = Rights(
        Rights::FD_READ.0
            | Rights::FD_WRITE.0
            | Rights::FD_FDSTAT_SET_FLAGS.0
            | Rights::FD_SYNC.0
            | Rights::FD_DATASYNC.0
            | Rights::FD_FILESTAT_GET.0
            | Rights::POLL_FD_READWRITE.0,
    );
    /// What makes sense on a connected socket.
    pub(crate) const SOCKET: Rights = Rights(Rights::STREAM.0 | Rights::SOCK_SHUTDOWN.0);
    /// What makes sense on a listening socket.
    pub(crate) const LISTENER: Rights = Rights(
        Rights::SOCK_ACCEPT.0
            | Rights::FD_FDSTAT_SET_FLAGS.0
            | Rights::FD_FILESTAT_GET.0
            | Rights::FD_READ.0
            | Rights::POLL_FD_READWRITE.0,
    );
    /// What makes sense on a device that is not a terminal, such as `/dev/null`.
    pub(crate) const DEVICE: Rights =
        Rights(Rights::STREAM.0 | Rights::FD_SEEK.0 | Rights::FD_TELL.0);
}

flags! {
    /// Flags of an open descriptor.
    FdFlags: u16 { APPEND = 1; DSYNC = 2; NONBLOCK = 4; RSYNC = 8; SYNC = 16; }
}
flags! {
    /// How `path_open` opens.
    OFlags: u16 { CREAT = 1; DIRECTORY = 2; EXCL = 4; TRUNC = 8; }
}
flags! {
    /// How a path is looked up.
    LookupFlags: u32 { SYMLINK_FOLLOW = 1; }
}
flags! {
    /// Which times to set, and to what.
    FstFlags: u16 { ATIM = 1; ATIM_NOW = 2; MTIM = 4; MTIM_NOW = 8; }
}
flags! {
    /// Flags of `sock_recv`.
    RiFlags: u16 { PEEK = 1; WAITALL = 2; }
}
flags! {
    /// Which halves of a connection to shut down.
    SdFlags: u8 { RD = 1; WR = 2; }
}

/// The kind of a file or descriptor.
#[allow(dead_code, reason = "the interface's numbers are declared whole")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileType {
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDgram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl From<rustix::fs::FileType> for FileType {
    fn from(host: rustix::fs::FileType) -> FileType {
        match host {
            rustix::fs::FileType::RegularFile => FileType::RegularFile,
            rustix::fs::FileType::Directory => FileType::Directory,
            rustix::fs::FileType::Symlink => FileType::SymbolicLink,
            rustix::fs::FileType::CharacterDevice => FileType::CharacterDevice,
            rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
            rustix::fs::FileType::Socket => FileType::SocketStream,
            // The interface has no number for a pipe.
            _ => FileType::Unknown,
        }
    }
}

/// Identifies a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockId {
    Realtime,
    Monotonic,
    ProcessCpu,
    ThreadCpu,
}

impl ClockId {
    pub(crate) fn from_arg(raw: u32) -> Result<ClockId, Errno> {
        match raw {
            0 => Ok(ClockId::Realtime),
            1 => Ok(ClockId::Monotonic),
            2 => Ok(ClockId::ProcessCpu),
            3 => Ok(ClockId::ThreadCpu),
            _ => Err(Errno::Inval),
        }
    }
}

/// From where `fd_seek` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whence {
    Set,
    Cur,
    End,
}

impl Whence {
    /// The two versions number these differently.
    pub(crate) fn from_arg(abi: Abi, raw: u32) -> Result<Whence, Errno> {
        match (abi, raw) {
            (Abi::Preview1, 0) | (Abi::Unstable, 2) => Ok(Whence::Set),
            (Abi::Preview1, 1) | (Abi::Unstable, 0) => Ok(Whence::Cur),
            (Abi::Preview1, 2) | (Abi::Unstable, 1) => Ok(Whence::End),
            _ => Err(Errno::Inval),
        }
    }
}

/// Puts `value` at `offset` of a record under construction.
fn put<const N: usize>(record: &mut [u8], offset: usize, value: [u8; N]) {
    record[offset..offset + N].copy_from_slice(&value);
}

/// What `fd_fdstat_get` reports: 24 bytes.
pub(crate) struct FdStat {
    pub(crate) filetype: FileType,
    pub(crate) flags: FdFlags,
    pub(crate) base: Rights,
    pub(crate) inheriting: Rights,
}

impl FdStat {
    pub(crate) fn encode(&self) -> [u8; 24] {
        let mut record = [0; 24];
        record[0] = self.filetype as u8;
        put(&mut record, 2, self.flags.0.to_le_bytes());
        put(&mut record, 8, self.base.0.to_le_bytes());
        put(&mut record, 16, self.inheriting.0.to_le_bytes());
        record
    }
}

/// What the `filestat` functions report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileStat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) filetype: FileType,
    pub(crate) nlink: u64,
    pub(crate) size: u64,
    pub(crate) atim: u64,
    pub(crate) mtim: u64,
    pub(crate) ctim: u64,
}

impl FileStat {
    /// The record and how many of its bytes count: 64, or 56 in the older layout, whose link count has 32 bits.
    pub(crate) fn encode(&self, abi: Abi) -> ([u8; 64], usize) {
        let mut record = [0; 64];
        put(&mut record, 0, self.dev.to_le_bytes());
        put(&mut record, 8, self.ino.to_le_bytes());
        record[16] = self.filetype as u8;
        let tail = match abi {
            Abi::Preview1 => {
                put(&mut record, 24, self.nlink.to_le_bytes());
                32
            }
            Abi::Unstable => {
                let nlink = u32::try_from(self.nlink).unwrap_or(u32::MAX);
                put(&mut record, 20, nlink.to_le_bytes());
                24
            }
        };
        for (index, value) in [self.size, self.atim, self.mtim, self.ctim]
            .into_iter()
            .enumerate()
        {
            put(&mut record, tail + 8 * index, value.to_le_bytes());
        }
        (record, tail + 32)
    }
}

/// The head of a directory entry: 24 bytes, followed by the name.
pub(crate) fn encode_dirent(next: u64, ino: u64, name_len: u32, filetype: FileType) -> [u8; 24] {
    let mut record = [0; 24];
    put(&mut record, 0, next.to_le_bytes());
    put(&mut record, 8, ino.to_le_bytes());
    put(&mut record, 16, name_len.to_le_bytes());
    record[20] = filetype as u8;
    record
}

/// What a guest waits for in `poll_oneoff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Clock {
        id: u32,
        timeout: u64,
        absolute: bool,
    },
    Read(u32),
    Write(u32),
}

/// One subscription of `poll_oneoff`. An interest that could not be understood is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) userdata: u64,
    pub(crate) event_type: u8,
    pub(crate) interest: Option<Interest>,
}

impl Subscription {
    pub(crate) const fn size(abi: Abi) -> u32 {
        match abi {
            Abi::Preview1 => 48,
            // The older record has one more word at the head of a clock subscription.
            Abi::Unstable => 56,
        }
    }

    /// Decodes one record of [`Subscription::size`] bytes.
    pub(crate) fn decode(abi: Abi, record: &[u8]) -> Subscription {
        let word = |offset: usize| u64::from_le_bytes(array(record, offset));
        let half = |offset: usize| u32::from_le_bytes(array(record, offset));
        let event_type = record[8];
        let clock = match abi {
            Abi::Preview1 => 16,
            Abi::Unstable => 24,
        };
        let interest = match event_type {
            // A flag that the interface does not define may mean anything.
            0 if u16::from_le_bytes(array(record, clock + 24)) > 1 => None,
            0 => Some(Interest::Clock {
                id: half(clock),
                timeout: word(clock + 8),
                absolute: record[clock + 24] & 1 != 0,
            }),
            1 => Some(Interest::Read(half(16))),
            2 => Some(Interest::Write(half(16))),
            _ => None,
        };
        Subscription {
            userdata: word(0),
            event_type,
            interest,
        }
    }
}

/// The `N` bytes at `offset`. Callers pass records of a fixed size, so this never falls outside.
fn array<const N: usize>(record: &[u8], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&record[offset..offset + N]);
    bytes
}

/// What happened to one subscription: 32 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) userdata: u64,
    pub(crate) errno: Errno,
    pub(crate) event_type: u8,
    pub(crate) nbytes: u64,
    pub(crate) hangup: bool,
}

impl Event {
    pub(crate) const SIZE: u32 = 32;

    pub(crate) fn encode(&self) -> [u8; 32] {
        let mut record = [0; 32];
        put(&mut record, 0, self.userdata.to_le_bytes());
        put(&mut record, 8, (self.errno as u16).to_le_bytes());
        record[10] = self.event_type;
        put(&mut record, 16, self.nbytes.to_le_bytes());
        put(&mut record, 24, u16::from(self.hangup).to_le_bytes());
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whence_differs_between_versions() {
        assert_eq!(Whence::from_arg(Abi::Preview1, 0), Ok(Whence::Set));
        assert_eq!(Whence::from_arg(Abi::Unstable, 0), Ok(Whence::Cur));
        assert_eq!(Whence::from_arg(Abi::Unstable, 1), Ok(Whence::End));
        assert_eq!(Whence::from_arg(Abi::Unstable, 2), Ok(Whence::Set));
        assert_eq!(Whence::from_arg(Abi::Preview1, 3), Err(Errno::Inval));
    }

    #[test]
    fn filestat_layouts() {
        let stat = FileStat {
            dev: 1,
            ino: 2,
            filetype: FileType::RegularFile,
            nlink: 3,
            size: 4,
            atim: 5,
            mtim: 6,
            ctim: 7,
        };
        let (new, new_len) = stat.encode(Abi::Preview1);
        assert_eq!(
            (
                new_len, new[16], new[24], new[32], new[40], new[48], new[56]
            ),
            (64, 4, 3, 4, 5, 6, 7)
        );
        let (old, old_len) = stat.encode(Abi::Unstable);
        assert_eq!(
            (
                old_len, old[16], old[20], old[24], old[32], old[40], old[48]
            ),
            (56, 4, 3, 4, 5, 6, 7)
        );
        assert!(old[56..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn subscriptions_decode_in_both_layouts() {
        let mut new = [0_u8; 48];
        new[0] = 9;
        new[16] = 1;
        new[24] = 100;
        new[40] = 1;
        let expected = Some(Interest::Clock {
            id: 1,
            timeout: 100,
            absolute: true,
        });
        assert_eq!(Subscription::decode(Abi::Preview1, &new).interest, expected);
        let mut old = [0_u8; 56];
        old[16] = 77; // the extra identifier, ignored
        old[24] = 1;
        old[32] = 100;
        old[48] = 1;
        assert_eq!(Subscription::decode(Abi::Unstable, &old).interest, expected);
        old[8] = 2;
        old[16] = 5;
        assert_eq!(
            Subscription::decode(Abi::Unstable, &old).interest,
            Some(Interest::Write(5))
        );
        old[8] = 3;
        assert_eq!(Subscription::decode(Abi::Unstable, &old).interest, None);
    }

    #[test]
    fn unknown_flag_bits_are_refused() {
        assert_eq!(FdFlags::from_arg(0x20), Err(Errno::Inval));
        assert_eq!(OFlags::from_arg(0x1_0001), Err(Errno::Inval));
        assert_eq!(OFlags::from_arg(9), Ok(OFlags::CREAT.or(OFlags::TRUNC)));
    }
}
