//! What the numbers that functions take mean: the one table by which traces read them.
//!
//! Knows the interface's signatures; must never know how values are shown.

/// What one parameter, or a few in a row, stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    // Arguments.
    Fd,
    /// Address and length.
    Path,
    /// Address and count.
    Buffers,
    /// Address and length of one buffer.
    Buffer,
    Number,
    Signed,
    Time,
    Clock,
    Whence,
    Advice,
    Rights,
    FdFlags,
    OFlags,
    LookupFlags,
    FstFlags,
    RiFlags,
    SdFlags,
    /// What `poll_oneoff` waits for; the count comes two parameters later.
    Subscriptions,
    /// Nothing that is worth showing.
    Hidden,
    // Addresses of results.
    OutCount,
    OutSize,
    OutFd,
    OutTime,
    OutFdStat,
    OutFileStat,
    /// What is known of a directory that was there from the start: the length of its name.
    OutPrestat,
    /// Address and length of a text.
    OutText,
    /// Address, room and the address of the length of a text.
    OutCountedText,
    /// What `poll_oneoff` found; the count is found two parameters later.
    OutEvents,
    OutRoFlags,
}

impl Shape {
    /// How many parameters it takes.
    pub(super) fn width(self) -> usize {
        match self {
            Shape::Path | Shape::Buffers | Shape::Buffer | Shape::OutText => 2,
            Shape::OutCountedText => 3,
            _ => 1,
        }
    }
}

use Shape::*;

type Parameters = &'static [(&'static str, Shape)];

const DESCRIPTOR: Parameters = &[("fd", Fd)];
const STRINGS: Parameters = &[("pointers", Hidden), ("bytes", Hidden)];
const SIZES: Parameters = &[("count", OutCount), ("bytes", OutCount)];
const PLACE: Parameters = &[("fd", Fd), ("path", Path)];
const TRANSFER: Parameters = &[("fd", Fd), ("buffers", Buffers), ("moved", OutCount)];
const TRANSFER_AT: Parameters = &[
    ("fd", Fd),
    ("buffers", Buffers),
    ("offset", Number),
    ("moved", OutCount),
];

/// Every function that returns, with its parameters.
pub(super) const TABLE: &[(&str, Parameters)] = &[
    ("args_get", STRINGS),
    ("args_sizes_get", SIZES),
    ("environ_get", STRINGS),
    ("environ_sizes_get", SIZES),
    (
        "clock_res_get",
        &[("clock", Clock), ("resolution", OutTime)],
    ),
    (
        "clock_time_get",
        &[("clock", Clock), ("precision", Time), ("time", OutTime)],
    ),
    (
        "fd_advise",
        &[
            ("fd", Fd),
            ("offset", Number),
            ("length", Number),
            ("advice", Advice),
        ],
    ),
    (
        "fd_allocate",
        &[("fd", Fd), ("offset", Number), ("length", Number)],
    ),
    ("fd_close", DESCRIPTOR),
    ("fd_datasync", DESCRIPTOR),
    ("fd_fdstat_get", &[("fd", Fd), ("stat", OutFdStat)]),
    ("fd_fdstat_set_flags", &[("fd", Fd), ("flags", FdFlags)]),
    (
        "fd_fdstat_set_rights",
        &[("fd", Fd), ("base", Rights), ("inheriting", Rights)],
    ),
    ("fd_filestat_get", &[("fd", Fd), ("stat", OutFileStat)]),
    ("fd_filestat_set_size", &[("fd", Fd), ("size", Number)]),
    (
        "fd_filestat_set_times",
        &[
            ("fd", Fd),
            ("atim", Time),
            ("mtim", Time),
            ("flags", FstFlags),
        ],
    ),
    ("fd_pread", TRANSFER_AT),
    ("fd_prestat_get", &[("fd", Fd), ("prestat", OutPrestat)]),
    ("fd_prestat_dir_name", &[("fd", Fd), ("name", OutText)]),
    ("fd_pwrite", TRANSFER_AT),
    ("fd_read", TRANSFER),
    (
        "fd_readdir",
        &[
            ("fd", Fd),
            ("buffer", Buffer),
            ("cookie", Number),
            ("filled", OutCount),
        ],
    ),
    ("fd_renumber", &[("fd", Fd), ("to", Fd)]),
    (
        "fd_seek",
        &[
            ("fd", Fd),
            ("offset", Signed),
            ("whence", Whence),
            ("position", OutSize),
        ],
    ),
    ("fd_sync", DESCRIPTOR),
    ("fd_tell", &[("fd", Fd), ("position", OutSize)]),
    ("fd_write", TRANSFER),
    ("path_create_directory", PLACE),
    (
        "path_filestat_get",
        &[
            ("fd", Fd),
            ("lookup", LookupFlags),
            ("path", Path),
            ("stat", OutFileStat),
        ],
    ),
    (
        "path_filestat_set_times",
        &[
            ("fd", Fd),
            ("lookup", LookupFlags),
            ("path", Path),
            ("atim", Time),
            ("mtim", Time),
            ("flags", FstFlags),
        ],
    ),
    (
        "path_link",
        &[
            ("old_fd", Fd),
            ("lookup", LookupFlags),
            ("old_path", Path),
            ("new_fd", Fd),
            ("new_path", Path),
        ],
    ),
    (
        "path_open",
        &[
            ("fd", Fd),
            ("lookup", LookupFlags),
            ("path", Path),
            ("oflags", OFlags),
            ("base", Rights),
            ("inheriting", Rights),
            ("flags", FdFlags),
            ("opened", OutFd),
        ],
    ),
    (
        "path_readlink",
        &[("fd", Fd), ("path", Path), ("target", OutCountedText)],
    ),
    ("path_remove_directory", PLACE),
    (
        "path_rename",
        &[
            ("old_fd", Fd),
            ("old_path", Path),
            ("new_fd", Fd),
            ("new_path", Path),
        ],
    ),
    (
        "path_symlink",
        &[("target", Path), ("fd", Fd), ("path", Path)],
    ),
    ("path_unlink_file", PLACE),
    (
        "poll_oneoff",
        &[
            ("subscriptions", Subscriptions),
            ("events", OutEvents),
            ("count", Hidden),
            ("happened", Hidden),
        ],
    ),
    ("proc_raise", &[("signal", Number)]),
    ("sched_yield", &[]),
    ("random_get", &[("buffer", Buffer)]),
    (
        "sock_accept",
        &[("fd", Fd), ("flags", FdFlags), ("accepted", OutFd)],
    ),
    (
        "sock_recv",
        &[
            ("fd", Fd),
            ("buffers", Buffers),
            ("flags", RiFlags),
            ("received", OutCount),
            ("result_flags", OutRoFlags),
        ],
    ),
    (
        "sock_send",
        &[
            ("fd", Fd),
            ("buffers", Buffers),
            ("flags", Number),
            ("sent", OutCount),
        ],
    ),
    ("sock_shutdown", &[("fd", Fd), ("how", SdFlags)]),
];

/// The parameters of a function.
pub(super) fn parameters(name: &str) -> Parameters {
    TABLE
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(&[], |(_, parameters)| parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_interface() {
        let mut linked: Vec<_> = crate::p1::Counts::all().collect();
        let mut here: Vec<_> = TABLE
            .iter()
            .map(|(name, parameters)| {
                let count = parameters.iter().map(|(_, shape)| shape.width()).sum();
                (*name, count)
            })
            .collect();
        linked.sort_unstable();
        here.sort_unstable();
        assert_eq!(linked, here);
        assert_eq!(linked.len(), 45);
    }
}
