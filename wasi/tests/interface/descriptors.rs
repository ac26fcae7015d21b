//! Descriptors: attributes, rights, positions, sizes, times, renumbering.

use craneway_wasi::{DirPerms, Errno, FilePerms, MemoryOutputPipe, WasiCtxBuilder};

use crate::guest::{
    ALL_RIGHTS, CREAT, DIR, DIRECTORY, Guest, READ, READDIR, SEEK, TRUNC, WRITE,
    descriptor_functions,
};

const TELL: u64 = 1 << 5;

fn with_file(contents: &str) -> tempfile::TempDir {
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("f"), contents).expect("write");
    outer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_refuses_a_descriptor_that_is_not_open() {
    let outer = with_file("");
    let mut guest = Guest::in_directory(outer.path(), true).await;
    guest.put(64, b"f");
    for (name, params) in descriptor_functions() {
        for bad in [4_u64, 1000, u64::from(u32::MAX)] {
            let mut args = vec![0; params.len()];
            match *name {
                "path_symlink" => args = vec![64, 1, bad, 64, 1],
                "path_link" => args = vec![bad, 0, 64, 1, 3, 64, 1],
                "path_rename" => args = vec![bad, 64, 1, 3, 64, 1],
                "path_open" | "path_filestat_get" | "path_filestat_set_times" => {
                    (args[0], args[2], args[3]) = (bad, 64, 1);
                }
                _ if name.starts_with("path_") => (args[0], args[1], args[2]) = (bad, 64, 1),
                "fd_seek" => args = vec![bad, 0, 0, 0],
                "sock_shutdown" => args = vec![bad, 1],
                _ => args[0] = bad,
            }
            assert_eq!(
                guest.call(name, &args).await,
                Err(Errno::Badf),
                "{name} of {bad}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_not_files_and_files_are_not_directories() {
    let outer = with_file("x");
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        guest.put_u32s(0, &[100, 1]);
        for (name, args) in [
            ("fd_read", vec![3, 0, 1, 64]),
            ("fd_write", vec![3, 0, 1, 64]),
            ("fd_pread", vec![3, 0, 1, 0, 64]),
            ("fd_pwrite", vec![3, 0, 1, 0, 64]),
            ("fd_seek", vec![3, 0, 0, 64]),
            ("fd_tell", vec![3, 64]),
            ("fd_allocate", vec![3, 0, 1]),
            ("fd_filestat_set_size", vec![3, 0]),
        ] {
            assert_eq!(guest.call(name, &args).await, Err(Errno::Isdir), "{name}");
        }
        assert_eq!(
            guest.call("fd_advise", &[3, 0, 0, 0]).await,
            Err(Errno::Badf)
        );
        let fd = guest.open(DIR, "f", 0, ALL_RIGHTS).await.expect("opens");
        assert_eq!(guest.open(fd, "x", 0, READ).await, Err(Errno::Notdir));
        assert_eq!(
            guest.call("fd_readdir", &[fd.into(), 0, 100, 0, 200]).await,
            Err(Errno::Notdir)
        );
        for name in ["sock_shutdown", "sock_recv", "sock_send", "sock_accept"] {
            let args: &[u64] = match name {
                "sock_shutdown" => &[fd.into(), 1],
                "sock_recv" => &[fd.into(), 0, 1, 0, 64, 68],
                "sock_send" => &[fd.into(), 0, 1, 0, 64],
                _ => &[fd.into(), 0, 64],
            };
            assert_eq!(guest.call(name, args).await, Err(Errno::Notsock), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_move_and_have_limits() {
    let outer = with_file("0123456789");
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        let fd = guest
            .open(DIR, "f", 0, ALL_RIGHTS & !WRITE)
            .await
            .expect("opens");
        assert_eq!(guest.read(fd, 4).await, Ok(b"0123".to_vec()));
        assert_eq!(guest.seek(fd, 0, 1).await, Ok(4));
        assert_eq!(guest.seek(fd, -3, 1).await, Ok(1));
        assert_eq!(guest.seek(fd, -2, 2).await, Ok(8));
        assert_eq!(guest.read(fd, 10).await, Ok(b"89".to_vec()));
        assert_eq!(guest.read(fd, 10).await, Ok(vec![]));
        assert_eq!(guest.seek(fd, 1000, 0).await, Ok(1000), "beyond the end");
        assert_eq!(guest.seek(fd, -2000, 1).await, Err(Errno::Inval));
        assert_eq!(guest.seek(fd, -1, 0).await, Err(Errno::Inval));
        assert_eq!(guest.seek(fd, i64::MIN, 1).await, Err(Errno::Inval));
        assert_eq!(guest.seek(fd, 0, 3).await, Err(Errno::Inval));
        guest
            .call("fd_tell", &[fd.into(), 0])
            .await
            .expect("a file has a position");
        assert_eq!(guest.u64(0), 1000);
        // Asking needs the lesser right, moving the greater.
        let fd = guest.open(DIR, "f", 0, READ | TELL).await.expect("opens");
        assert_eq!(guest.seek(fd, 0, 1).await, Ok(0));
        assert_eq!(guest.seek(fd, 1, 1).await, Err(Errno::Notcapable));
        let fd = guest.open(DIR, "f", 0, READ | SEEK).await.expect("opens");
        assert_eq!(
            guest.call("fd_tell", &[fd.into(), 0]).await,
            Ok(()),
            "the greater right implies it"
        );
        let fd = guest.open(DIR, "f", 0, READ).await.expect("opens");
        assert_eq!(
            guest.call("fd_tell", &[fd.into(), 0]).await,
            Err(Errno::Notcapable)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renumbering_moves_and_closes() {
    let outer = with_file("f");
    std::fs::write(outer.path().join("g"), "g").expect("write");
    let mut guest = Guest::in_directory(outer.path(), true).await;
    let f = guest.open(DIR, "f", 0, READ).await.expect("opens");
    let g = guest.open(DIR, "g", 0, READ).await.expect("opens");
    assert_eq!((f, g), (4, 5), "lowest numbers first");
    assert_eq!(
        guest.call("fd_renumber", &[4, 4]).await,
        Ok(()),
        "onto itself"
    );
    assert_eq!(
        guest.call("fd_renumber", &[4, 9]).await,
        Err(Errno::Badf),
        "onto nothing"
    );
    assert_eq!(guest.call("fd_renumber", &[9, 4]).await, Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[4, 5]).await, Ok(()));
    assert_eq!(guest.read(5, 9).await, Ok(b"f".to_vec()));
    assert_eq!(guest.call("fd_close", &[4]).await, Err(Errno::Badf));
    // A grant can be overwritten, and what lies there is no grant.
    assert_eq!(guest.call("fd_prestat_get", &[3, 0]).await, Ok(()));
    let sub = guest
        .open(DIR, ".", DIRECTORY, ALL_RIGHTS & !WRITE)
        .await
        .expect("opens");
    assert_eq!(guest.call("fd_renumber", &[sub.into(), 3]).await, Ok(()));
    assert_eq!(
        guest.call("fd_prestat_get", &[3, 0]).await,
        Err(Errno::Badf)
    );
    assert!(guest.open(DIR, "f", 0, READ).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_have_names() {
    let outer = with_file("");
    let mut builder = WasiCtxBuilder::new();
    for name in ["/", "a name"] {
        builder
            .preopened_dir(outer.path(), name, DirPerms::all(), FilePerms::all())
            .expect("exists");
    }
    let mut guest = Guest::new(&mut builder).await;
    guest.put(0, &[9; 8]);
    assert_eq!(guest.call("fd_prestat_get", &[4, 0]).await, Ok(()));
    assert_eq!(guest.get(0, 8), [0, 0, 0, 0, 6, 0, 0, 0], "padding is zero");
    assert_eq!(
        guest.call("fd_prestat_dir_name", &[4, 100, 5]).await,
        Err(Errno::Nametoolong)
    );
    assert_eq!(
        guest.call("fd_prestat_dir_name", &[4, 100, 50]).await,
        Ok(())
    );
    assert_eq!(
        guest.get(100, 7),
        b"a name\0",
        "nothing behind the name is touched"
    );
    assert_eq!(
        guest.call("fd_prestat_get", &[0, 0]).await,
        Err(Errno::Badf)
    );
    assert_eq!(
        guest.call("fd_prestat_get", &[5, 0]).await,
        Err(Errno::Badf)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_and_flags() {
    let outer = with_file("");
    let mut guest = Guest::in_directory(outer.path(), true).await;
    let fd: u64 = guest
        .open(DIR, "f", 0, ALL_RIGHTS)
        .await
        .expect("opens")
        .into();
    guest.put(0, &[9; 24]);
    assert_eq!(guest.call("fd_fdstat_get", &[fd, 0]).await, Ok(()));
    assert_eq!(
        guest.get(0, 8),
        [4, 0, 0, 0, 0, 0, 0, 0],
        "a regular file, no flags, zero padding"
    );
    assert!(guest.u64(8) & (READ | WRITE | SEEK) == READ | WRITE | SEEK);
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[fd, 1 | 4]).await,
        Ok(())
    );
    guest.call("fd_fdstat_get", &[fd, 0]).await.expect("open");
    assert_eq!(guest.u16(2), 5);
    assert_eq!(guest.write(fd as u32, b"ab").await, Ok(2));
    assert_eq!(guest.seek(fd as u32, 0, 0).await, Ok(0));
    assert_eq!(guest.write(fd as u32, b"cd").await, Ok(2));
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 0]).await, Ok(()));
    assert_eq!(guest.seek(fd as u32, 0, 0).await, Ok(0));
    assert_eq!(guest.write(fd as u32, b"X").await, Ok(1));
    assert_eq!(
        std::fs::read(outer.path().join("f")).expect("readable"),
        b"Xbcd"
    );
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[fd, 16]).await,
        Err(Errno::Notsup),
        "synchronous only at opening"
    );
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[fd, 64]).await,
        Err(Errno::Inval)
    );
    let synchronous = guest
        .open_with(DIR, "f", 1, 0, READ | WRITE | 8, 0, 16)
        .await
        .expect("opens");
    guest
        .call("fd_fdstat_get", &[synchronous.into(), 0])
        .await
        .expect("open");
    assert_eq!(guest.u16(2), 16);
    // Directories: no position, and listing only if asked for.
    let dir = guest
        .open(DIR, ".", DIRECTORY, READDIR | SEEK | READ)
        .await
        .expect("opens");
    guest
        .call("fd_fdstat_get", &[dir.into(), 0])
        .await
        .expect("open");
    assert_eq!((guest.get(0, 1)[0], guest.u64(8)), (3, READDIR));
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_hints_and_allocation() {
    for blocking in [true, false] {
        let outer = with_file("0123456789");
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        let fd: u64 = guest
            .open(DIR, "f", 0, ALL_RIGHTS)
            .await
            .expect("opens")
            .into();
        let size = || {
            std::fs::metadata(outer.path().join("f"))
                .expect("there")
                .len()
        };
        assert_eq!(guest.call("fd_filestat_set_size", &[fd, 100]).await, Ok(()));
        assert_eq!(size(), 100);
        assert_eq!(guest.call("fd_filestat_set_size", &[fd, 3]).await, Ok(()));
        assert_eq!(size(), 3);
        assert_eq!(
            guest.call("fd_filestat_set_size", &[fd, u64::MAX]).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.call("fd_allocate", &[fd, 0, 0]).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.call("fd_allocate", &[fd, u64::MAX, 2]).await,
            Err(Errno::Fbig)
        );
        match guest.call("fd_allocate", &[fd, 10, 10]).await {
            Ok(()) => assert_eq!(size(), 20),
            // Not every file system can.
            Err(errno) => assert_eq!(errno, Errno::Notsup),
        }
        for advice in 0..6 {
            assert_eq!(guest.call("fd_advise", &[fd, 0, 10, advice]).await, Ok(()));
        }
        assert_eq!(
            guest.call("fd_advise", &[fd, 0, 10, 6]).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.call("fd_advise", &[fd, u64::MAX, 10, 0]).await,
            Err(Errno::Inval)
        );
        assert_eq!(guest.call("fd_sync", &[fd]).await, Ok(()));
        assert_eq!(guest.call("fd_datasync", &[fd]).await, Ok(()));
        // Opened for reading, it cannot be changed by any of them.
        let fd: u64 = guest
            .open(DIR, "f", 0, ALL_RIGHTS & !WRITE)
            .await
            .expect("opens")
            .into();
        assert_eq!(
            guest.call("fd_filestat_set_size", &[fd, 0]).await,
            Err(Errno::Notcapable)
        );
        assert_eq!(
            guest.call("fd_allocate", &[fd, 0, 1000]).await,
            Err(Errno::Notcapable)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_set_as_the_flags_say() {
    for blocking in [true, false] {
        let outer = with_file("");
        std::os::unix::fs::symlink("f", outer.path().join("link")).expect("link");
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        let fd: u64 = guest
            .open(DIR, "f", 0, ALL_RIGHTS)
            .await
            .expect("opens")
            .into();
        let (atim, mtim) = (1_000_000_001_u64, 2_000_000_002_u64);
        guest.put(1000, b"f");
        for by_path in [false, true] {
            let set = async |guest: &mut Guest, flags: u64, atim: u64, mtim: u64| match by_path {
                true => {
                    guest
                        .call(
                            "path_filestat_set_times",
                            &[3, 1, 1000, 1, atim, mtim, flags],
                        )
                        .await
                }
                false => {
                    guest
                        .call("fd_filestat_set_times", &[fd, atim, mtim, flags])
                        .await
                }
            };
            let times = async |guest: &mut Guest| {
                guest.call("fd_filestat_get", &[fd, 0]).await.expect("open");
                (guest.u64(40), guest.u64(48))
            };
            assert_eq!(set(&mut guest, 5, atim, mtim).await, Ok(()));
            assert_eq!(times(&mut guest).await, (atim, mtim));
            assert_eq!(set(&mut guest, 1, 7, 8).await, Ok(()));
            assert_eq!(times(&mut guest).await, (7, mtim), "only the first");
            assert_eq!(set(&mut guest, 4, 9, 8).await, Ok(()));
            assert_eq!(times(&mut guest).await, (7, 8), "only the second");
            assert_eq!(set(&mut guest, 0, 1, 1).await, Ok(()));
            assert_eq!(times(&mut guest).await, (7, 8), "none");
            assert_eq!(set(&mut guest, 2, 1, 1).await, Ok(()));
            let now = times(&mut guest).await;
            assert!(
                now.0 > 1_600_000_000_000_000_000 && now.1 == 8,
                "the present: {now:?}"
            );
            for contradiction in [3, 12, 15, 16, 1 << 17] {
                assert_eq!(
                    set(&mut guest, contradiction, 1, 1).await,
                    Err(Errno::Inval),
                    "{contradiction}"
                );
            }
        }
        // A link's own times, and what it points at.
        guest.put(1000, b"link");
        assert_eq!(
            guest
                .call("path_filestat_set_times", &[3, 0, 1000, 4, 3, 4, 5])
                .await,
            Ok(())
        );
        let own = guest.stat(DIR, "link", false).await.expect("there");
        assert_eq!((own[16], own[40], own[48]), (7, 3, 4));
        assert_eq!(guest.stat(DIR, "link", true).await.expect("there")[16], 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_descriptors_and_sharing_by_path() {
    let outer = with_file("shared");
    let pipe = MemoryOutputPipe::new(100);
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(pipe.clone()).allow_blocking_files(true);
    builder
        .preopened_dir(outer.path(), ".", DirPerms::all(), FilePerms::all())
        .expect("exists");
    let mut guest = Guest::new(&mut builder).await;
    let opened: Vec<u32> = {
        let mut opened = Vec::new();
        for _ in 0..200 {
            opened.push(guest.open(DIR, "f", 0, READ).await.expect("opens"));
        }
        opened
    };
    assert_eq!(opened, (4..204).collect::<Vec<_>>());
    for fd in opened.iter().step_by(2) {
        guest.call("fd_close", &[(*fd).into()]).await.expect("open");
    }
    assert_eq!(
        guest.open(DIR, "g", CREAT | TRUNC, WRITE).await,
        Ok(4),
        "the lowest is used again"
    );
    assert_eq!(guest.read(5, 100).await, Ok(b"shared".to_vec()));
    // Standard output can be replaced, as a shell would.
    assert_eq!(guest.call("fd_renumber", &[4, 1]).await, Ok(()));
    assert_eq!(guest.write(1, b"to the file").await, Ok(11));
    assert!(pipe.contents().is_empty());
    assert_eq!(
        std::fs::read(outer.path().join("g")).expect("readable"),
        b"to the file"
    );
}
