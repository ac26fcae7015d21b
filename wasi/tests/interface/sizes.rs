//! Sizes that a guest chooses: none becomes a host allocation of that size, none keeps a thread for long, and nothing is
//! written past what was valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use craneway_wasi::{Errno, Stdin, Stdout, VirtualDir, WasiCtxBuilder};

use crate::guest::{ALL_RIGHTS, CREAT, DIR, DIRECTORY, Guest, MEMORY};
use crate::poll;

/// Counts how often another task gets its turn while the work runs. For runtimes with one thread.
async fn turns(work: impl Future<Output = ()>) -> u32 {
    let (count, over) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counter, end) = (count.clone(), over.clone());
    let other = tokio::spawn(async move {
        while !end.load(Ordering::Relaxed) {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    work.await;
    over.store(true, Ordering::Relaxed);
    other.await.expect("no panic");
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn much_randomness_leaves_others_their_turns() {
    let mut guest = Guest::new(WasiCtxBuilder::new().deterministic(3)).await;
    let len = 64 << 20;
    guest.grow_to(len);
    let turns = turns(async {
        let result = guest.call("random_get", &[0, len.into()]).await;
        assert_eq!(result, Ok(()));
    })
    .await;
    assert!(turns >= 60, "{turns}");
    // The same bytes as in one piece: the end follows from the seed too.
    let whole = guest.get(0, len as usize);
    let mut again = Guest::new(WasiCtxBuilder::new().deterministic(3)).await;
    for start in [0, 1] {
        let piece = 100_000;
        again
            .call("random_get", &[0, piece])
            .await
            .expect("inside memory");
        let at = start * piece as usize;
        assert_eq!(again.get(0, piece as usize), whole[at..at + piece as usize]);
    }
    assert_eq!(
        guest.call("random_get", &[0, u64::from(u32::MAX)]).await,
        Err(Errno::Fault)
    );
    assert_eq!(guest.get(0, 64), whole[..64], "nothing was filled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_subscriptions() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut builder = WasiCtxBuilder::new();
    builder.stdin(Stdin::from_fd(reader));
    let mut guest = Guest::new(&mut builder).await;
    let count = 1_000_000_u32;
    let (list, events) = (65_536, 65_536 + 48 * count);
    guest.grow_to(events + 32 * count);
    // All of them on one pipe that nobody writes to, but for a clock at the end.
    let mut one = [0; 48];
    (one[8], one[16]) = (1, 0);
    let mut all = one.repeat(count as usize - 1);
    all.extend(poll::clock(77, 1, 20_000_000, false));
    guest.put(list, &all);
    let started = Instant::now();
    let args = [list.into(), events.into(), count.into(), 0];
    assert_eq!(guest.call("poll_oneoff", &args).await, Ok(()));
    assert_eq!((guest.u32(0), guest.u64(events)), (1, 77));
    drop(writer);
    // Now all but the clock have something to say.
    assert_eq!(guest.call("poll_oneoff", &args).await, Ok(()));
    assert!((count - 1..=count).contains(&guest.u32(0)));
    assert!(started.elapsed() < Duration::from_secs(60));
    for (list, events, count) in [
        (list, events, u32::MAX),
        (list, events, count * 8),
        (list, events + 65_536, count),
        (u32::MAX, events, 1),
        (list, u32::MAX, 1),
    ] {
        let args = [list.into(), events.into(), count.into(), 0];
        assert_eq!(guest.call("poll_oneoff", &args).await, Err(Errno::Fault));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_descriptors_than_one_wait_watches() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .expect("within the hard one");
    let mut pipes = Vec::new();
    let outer = tempfile::tempdir().expect("temporary directory");
    let dir = std::fs::File::open(outer.path()).expect("open");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(&dir, "pipe", rustix::fs::FileType::Fifo, mode, 0).expect("make a pipe");
    let mut guest = Guest::in_directory(outer.path(), true).await;
    // The same pipe as often as the host lets it be opened, beyond what one wait watches if it does.
    let mut count = 0;
    while count < 1100 {
        match guest.open(DIR, "pipe", 0, ALL_RIGHTS & !(1 << 6)).await {
            Ok(fd) => {
                let mut one = [0; 48];
                (one[0], one[8]) = (1, 1);
                one[16..20].copy_from_slice(&fd.to_le_bytes());
                pipes.extend(one);
                count += 1;
            }
            Err(errno) => {
                assert!(matches!(errno, Errno::Mfile | Errno::Nfile));
                break;
            }
        }
    }
    assert!(limit.current.is_some_and(|most| most < 1200) || count == 1100);
    // Somebody holds the other end, or all would say that it is gone.
    let writer = guest.open(DIR, "pipe", 0, 1 << 6).await;
    guest.grow_to(2 << 20);
    guest.put(65_536, &pipes);
    guest.put(
        65_536 + pipes.len() as u32,
        &poll::clock(9, 1, 30_000_000, false),
    );
    let args = [65_536, 1 << 20, count + 1, 0];
    assert_eq!(guest.call("poll_oneoff", &args).await, Ok(()));
    if writer.is_ok() {
        assert_eq!((guest.u32(0), guest.u64(1 << 20)), (1, 9));
    }
}

/// Lists of buffers that no function may take, with what they are answered.
const LISTS: [(u32, u32, Errno); 6] = [
    (1024, u32::MAX, Errno::Inval),
    (1024, 1 << 29, Errno::Inval),
    (1024, (1 << 29) - 1, Errno::Fault),
    (MEMORY - 4, 1, Errno::Fault),
    (u32::MAX, 1, Errno::Fault),
    (1024, 1, Errno::Fault),
];

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_buffers_are_refused_by_every_kind_of_descriptor() {
    let outer = tempfile::tempdir().expect("temporary directory");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let (near, _far) = tokio::io::duplex(64);
    let (connection, _peer) = std::os::unix::net::UnixStream::pair().expect("a connection");
    let memory = VirtualDir::new();
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdin(Stdin::from_fd(reader))
        .stdout(Stdout::from_writer(near))
        .stderr(Stdout::from_fd(std::os::fd::OwnedFd::from(connection)))
        .preopened_dir(
            outer.path(),
            "/host",
            craneway_wasi::DirPerms::all(),
            craneway_wasi::FilePerms::all(),
        )
        .and_then(|builder| {
            builder.preopened_virtual_dir(
                &memory,
                "/mem",
                craneway_wasi::DirPerms::all(),
                craneway_wasi::FilePerms::all(),
            )
        })
        .expect("good names");
    let mut guest = Guest::new(&mut builder).await;
    let host = guest
        .open(DIR, "f", CREAT, ALL_RIGHTS)
        .await
        .expect("a new name");
    let virt = guest
        .open(DIR + 1, "f", CREAT, ALL_RIGHTS)
        .await
        .expect("a new name");
    for (list, count, expected) in LISTS {
        guest.put_u32s(1024, &[MEMORY - 8, 9]);
        let (list, count, out) = (u64::from(list), u64::from(count), 64);
        for (name, fd) in [
            ("fd_read", 0),
            ("fd_write", 1),
            ("fd_write", 2),
            ("fd_read", host.into()),
            ("fd_write", host.into()),
            ("fd_read", virt.into()),
            ("fd_write", virt.into()),
        ] {
            let result = guest.call(name, &[fd, list, count, out]).await;
            assert_eq!(result, Err(expected), "{name} {fd} {list} {count}");
        }
        for fd in [host, virt] {
            for name in ["fd_pread", "fd_pwrite"] {
                let result = guest.call(name, &[fd.into(), list, count, 0, out]).await;
                assert_eq!(result, Err(expected), "{name} {fd} {list} {count}");
            }
        }
        let result = guest.call("sock_send", &[2, list, count, 0, out]).await;
        assert_eq!(result, Err(expected), "sock_send {list} {count}");
        let result = guest.call("sock_recv", &[2, list, count, 0, out, 80]).await;
        // Standard error is not to be read.
        assert_eq!(result, Err(Errno::Notcapable));
    }
    // More buffers than any system takes, though they are there.
    guest.grow_to(2 << 20);
    guest.put(65_536, &vec![0; 8 * 65_537]);
    for (count, expected) in [(65_537, Err(Errno::Inval)), (65_536, Ok(()))] {
        let args = [virt.into(), 65_536, count, 64];
        assert_eq!(guest.call("fd_write", &args).await, expected);
    }
    assert_eq!(memory.read("f"), Some(Vec::new()), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_buffers_over_files_in_memory() {
    let memory = VirtualDir::new();
    memory.file("f", "0123456789").expect("a good path");
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_virtual_dir(
            &memory,
            "/mem",
            craneway_wasi::DirPerms::all(),
            craneway_wasi::FilePerms::all(),
        )
        .expect("a good name");
    let mut guest = Guest::new(&mut builder).await;
    let fd = guest
        .open(DIR, "f", 0, ALL_RIGHTS)
        .await
        .expect("it is there");
    guest.put_u32s(0, &[100, 6, MEMORY, 0, 102, 4, 0, 0]);
    assert_eq!(guest.call("fd_read", &[fd.into(), 0, 4, 64]).await, Ok(()));
    assert_eq!((guest.u32(64), guest.get(100, 6)), (10, b"016789".to_vec()));
    // A read over its own list: what the list says then is checked anew.
    guest.put_u32s(0, &[0, 12, 100, 2]);
    let own = guest.call("fd_pread", &[fd.into(), 0, 2, 0, 64]).await;
    assert_eq!(own, Ok(()));
    assert_eq!(guest.get(0, 10), b"0123456789");
    memory.file("f", vec![0xff; 64]).expect("a good path");
    let fd = guest
        .open(DIR, "f", 0, ALL_RIGHTS)
        .await
        .expect("it is there");
    guest.put_u32s(0, &[0, 16, 100, 2]);
    let before = guest.get(200, 1000);
    let own = guest.call("fd_read", &[fd.into(), 0, 2, 64]).await;
    assert_eq!(
        own,
        Err(Errno::Fault),
        "the second entry now points outside"
    );
    assert_eq!(guest.get(200, 1000), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_into_huge_buffers() {
    let outer = tempfile::tempdir().expect("temporary directory");
    let count = 12_000;
    for number in 0..count {
        let name = format!("an-entry-with-a-rather-long-name-{number:08}");
        std::fs::write(outer.path().join(name), "").expect("write");
    }
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        let (at, len) = (65_536, 16 << 20);
        guest.grow_to(at + len + 65_536);
        guest.put(at, &vec![0xee; len as usize + 8]);
        let args = [DIR.into(), at.into(), len.into(), 0, 0];
        assert_eq!(guest.call("fd_readdir", &args).await, Ok(()));
        let used = guest.u32(0);
        let bytes = guest.get(at, used as usize);
        let (mut rest, mut names) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let len = u32::from_le_bytes(rest[16..20].try_into().expect("four bytes")) as usize;
            names.push(rest[24..24 + len].to_vec());
            rest = &rest[24 + len..];
        }
        assert_eq!(names.len(), count + 2, "in one call, in whole entries");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count + 2);
        let behind = guest.get(at + used, (len - used) as usize + 8);
        assert!(behind.iter().all(|byte| *byte == 0xee));
        // A buffer of any size that is too small is filled to its end, and no further.
        for len in [300_000_u32, 262_144, 524_289] {
            guest.put(at, &vec![0xee; len as usize + 8]);
            let args = [DIR.into(), at.into(), len.into(), 0, 0];
            assert_eq!(guest.call("fd_readdir", &args).await, Ok(()));
            assert_eq!(guest.u32(0), len);
            assert_eq!(guest.get(at, len as usize), bytes[..len as usize]);
            assert_eq!(guest.get(at + len, 8), [0xee; 8]);
        }
        let args = [DIR.into(), at.into(), u64::from(u32::MAX), 0, 0];
        assert_eq!(guest.call("fd_readdir", &args).await, Err(Errno::Fault));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_no_paths() {
    let outer = tempfile::tempdir().expect("temporary directory");
    let mut guest = Guest::in_directory(outer.path(), true).await;
    guest.grow_to(4 << 20);
    let len = 1_u32 << 20;
    guest.put(65_536, &vec![b'a'; len as usize]);
    guest.put(30_000, b"\xc3\x28");
    let long = [(65_536_u64, u64::from(len)), (65_536, 4097)];
    let tests = long
        .map(|place| (place, Errno::Nametoolong))
        .into_iter()
        .chain([
            ((30_000, 2), Errno::Ilseq),
            ((4 << 20, 1), Errno::Fault),
            ((u64::from(u32::MAX), u64::from(u32::MAX)), Errno::Fault),
        ]);
    let good = {
        guest.put(31_000, b"good");
        (31_000, 4)
    };
    for ((at, len), expected) in tests {
        let fd = u64::from(DIR);
        for (name, args) in [
            ("path_create_directory", vec![fd, at, len]),
            ("path_remove_directory", vec![fd, at, len]),
            ("path_unlink_file", vec![fd, at, len]),
            ("path_filestat_get", vec![fd, 0, at, len, 0]),
            ("path_filestat_set_times", vec![fd, 0, at, len, 0, 0, 5]),
            ("path_readlink", vec![fd, at, len, 0, 100, 200]),
            ("path_open", vec![fd, 0, at, len, 1, 2, 2, 0, 0]),
            ("path_link", vec![fd, 0, at, len, fd, good.0, good.1]),
            ("path_link", vec![fd, 0, good.0, good.1, fd, at, len]),
            ("path_rename", vec![fd, at, len, fd, good.0, good.1]),
            ("path_rename", vec![fd, good.0, good.1, fd, at, len]),
            ("path_symlink", vec![at, len, fd, good.0, good.1]),
            ("path_symlink", vec![good.0, good.1, fd, at, len]),
        ] {
            assert_eq!(guest.call(name, &args).await, Err(expected), "{name} {len}");
        }
    }
    let left = std::fs::read_dir(outer.path()).expect("readable").count();
    assert_eq!(left, 0, "nothing was made");
}

/// A call, where it stores a record, how long that is, and which of its bytes mean nothing.
type Record = (&'static str, Vec<u64>, usize, &'static [(usize, usize)]);

#[tokio::test(flavor = "multi_thread")]
async fn records_have_zeros_where_nothing_is_and_end_where_they_end() {
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("f"), "contents").expect("write");
    let mut guest = Guest::in_directory(outer.path(), true).await;
    let fd = u64::from(DIR);
    guest.put(100, b"f");
    guest.put(200, &poll::clock(1, 1, 0, false));
    let records: [Record; 7] = [
        ("fd_fdstat_get", vec![fd, 1024], 24, &[(1, 2), (4, 8)]),
        ("fd_filestat_get", vec![fd, 1024], 64, &[(17, 24)]),
        (
            "path_filestat_get",
            vec![fd, 0, 100, 1, 1024],
            64,
            &[(17, 24)],
        ),
        ("fd_prestat_get", vec![fd, 1024], 8, &[(0, 4)]),
        ("poll_oneoff", vec![200, 1024, 1, 0], 32, &[(11, 32)]),
        ("clock_time_get", vec![0, 0, 1024], 8, &[]),
        ("fd_readdir", vec![fd, 1024, 25, 0, 0], 25, &[(21, 24)]),
    ];
    for (name, args, len, padding) in records {
        guest.put(1000, &[0xee; 200]);
        assert_eq!(guest.call(name, &args).await, Ok(()), "{name}");
        let record = guest.get(1024, len);
        for (start, end) in padding {
            assert!(record[*start..*end].iter().all(|byte| *byte == 0), "{name}");
        }
        assert_eq!(guest.get(1000, 24), [0xee; 24], "{name}");
        assert_eq!(guest.get(1024 + len as u32, 50), [0xee; 50], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_end_where_the_host_or_the_table_ends() {
    let memory = VirtualDir::new();
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_virtual_dir(
            &memory,
            "/mem",
            craneway_wasi::DirPerms::all(),
            craneway_wasi::FilePerms::all(),
        )
        .expect("a good name");
    let mut guest = Guest::new(&mut builder).await;
    let mut opened = Vec::new();
    let end = loop {
        match guest.open(DIR, ".", DIRECTORY, 1 << 14).await {
            Ok(fd) => opened.push(fd),
            Err(errno) => break errno,
        }
    };
    assert_eq!(end, Errno::Mfile);
    assert_eq!(
        opened.len(),
        65_536 - 4,
        "these are no descriptors of the host"
    );
    let last = opened.pop().expect("many");
    guest.call("fd_close", &[last.into()]).await.expect("open");
    assert_eq!(guest.open(DIR, ".", DIRECTORY, 1 << 14).await, Ok(last));
}
