//! Guest memory: lists of buffers that overlap, overflow or point outside, and results that have no place.

use craneway_wasi::Errno;

use crate::guest::{ALL_RIGHTS, CREAT, DIR, Guest, MEMORY, SEEK};

async fn guest_with_file(blocking: bool) -> (tempfile::TempDir, Guest, u64) {
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("f"), "0123456789").expect("write");
    let mut guest = Guest::in_directory(outer.path(), blocking).await;
    let fd = guest
        .open(DIR, "f", CREAT, ALL_RIGHTS)
        .await
        .expect("opens");
    (outer, guest, fd.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_buffers_are_refused_before_anything_moves() {
    for blocking in [true, false] {
        let (outer, mut guest, fd) = guest_with_file(blocking).await;
        // A good buffer first, so that a careless implementation would move something.
        let cases: [(&[u32], Errno); 5] = [
            (&[100, 4, MEMORY - 1, 2], Errno::Fault),
            (&[100, 4, u32::MAX, 1], Errno::Fault),
            (&[100, 4, u32::MAX, u32::MAX], Errno::Fault),
            (&[100, 4, 8, u32::MAX], Errno::Fault),
            (&[100, 4, MEMORY, 1], Errno::Fault),
        ];
        for (list, expected) in cases {
            guest.put_u32s(0, list);
            for (name, args) in [
                ("fd_read", vec![fd, 0, 2, 64]),
                ("fd_write", vec![fd, 0, 2, 64]),
                ("fd_pread", vec![fd, 0, 2, 0, 64]),
                ("fd_pwrite", vec![fd, 0, 2, 0, 64]),
            ] {
                assert_eq!(
                    guest.call(name, &args).await,
                    Err(expected),
                    "{name} {list:x?}"
                );
            }
        }
        guest.put_u32s(0, &[100, 4]);
        for (list, count, out, expected) in [
            (0, u64::from(u32::MAX), 64, Errno::Inval),
            (0, 0x2000_0000, 64, Errno::Inval),
            (0, 0x1000_0000, 64, Errno::Fault),
            (u64::from(MEMORY) - 4, 1, 64, Errno::Fault),
            (u64::from(u32::MAX), 1, 64, Errno::Fault),
            (0, 1, u64::from(MEMORY) - 3, Errno::Fault),
            (0, 1, u64::from(u32::MAX), Errno::Fault),
        ] {
            for name in ["fd_read", "fd_write"] {
                assert_eq!(
                    guest.call(name, &[fd, list, count, out]).await,
                    Err(expected),
                    "{name} {list} {count} {out}"
                );
            }
        }
        assert_eq!(guest.get(100, 4), [0; 4], "nothing was read");
        assert_eq!(
            guest.seek(fd as u32, 0, 1).await,
            Ok(0),
            "the position did not move"
        );
        assert_eq!(
            std::fs::read(outer.path().join("f")).expect("readable"),
            b"0123456789",
            "nothing was written"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_empty_and_self_overwriting_lists_are_legal() {
    for blocking in [true, false] {
        let (outer, mut guest, fd) = guest_with_file(blocking).await;
        // Two buffers over the same bytes, with empty ones at odd places between them.
        guest.put_u32s(0, &[100, 6, MEMORY, 0, 102, 4, 0, 0]);
        assert_eq!(guest.call("fd_read", &[fd, 0, 4, 64]).await, Ok(()));
        assert_eq!((guest.u32(64), guest.get(100, 6)), (10, b"016789".to_vec()));
        // A read over its own list.
        guest.put_u32s(0, &[0, 8, 100, 2]);
        assert_eq!(guest.call("fd_pread", &[fd, 0, 2, 0, 64]).await, Ok(()));
        assert_eq!(guest.get(0, 8), b"01234567");
        guest.put_u32s(0, &[100, 3, 100, 3]);
        guest.put(100, b"abc");
        assert_eq!(guest.call("fd_pwrite", &[fd, 0, 2, 2, 64]).await, Ok(()));
        assert_eq!(
            std::fs::read(outer.path().join("f")).expect("readable"),
            b"01abcabc89"
        );
        assert_eq!(
            guest.call("fd_read", &[fd, 0, 0, 64]).await,
            Ok(()),
            "no buffers at all"
        );
        assert_eq!(guest.u32(64), 0);
        assert_eq!(
            guest.call("fd_pread", &[fd, 0, 1, u64::MAX, 64]).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.call("fd_pwrite", &[fd, 0, 1, 1 << 63, 64]).await,
            Err(Errno::Inval)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_move_whole() {
    for blocking in [true, false] {
        let (outer, mut guest, fd) = guest_with_file(blocking).await;
        let list: Vec<u32> = (0..300).flat_map(|index| [20_000 + index, 1]).collect();
        guest.put_u32s(0, &list);
        let bytes: Vec<u8> = (0..300).map(|index| (index % 251) as u8).collect();
        guest.put(20_000, &bytes);
        assert_eq!(guest.call("fd_write", &[fd, 0, 300, 10_000]).await, Ok(()));
        assert_eq!(guest.u32(10_000), 300);
        assert_eq!(
            std::fs::read(outer.path().join("f")).expect("readable"),
            bytes
        );
        guest.put(20_000, &[0; 300]);
        assert_eq!(
            guest.call("fd_pread", &[fd, 0, 300, 0, 10_000]).await,
            Ok(())
        );
        assert_eq!((guest.u32(10_000), guest.get(20_000, 300)), (300, bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_without_a_place_are_refused_before_anything_happens() {
    let (outer, mut guest, fd) = guest_with_file(true).await;
    let nowhere = u64::from(MEMORY) - 3;
    for (name, args) in [
        ("args_sizes_get", vec![0, nowhere]),
        ("environ_sizes_get", vec![nowhere, 0]),
        ("clock_time_get", vec![0, 0, nowhere]),
        ("clock_res_get", vec![1, nowhere]),
        ("fd_fdstat_get", vec![fd, nowhere]),
        ("fd_filestat_get", vec![fd, nowhere]),
        ("fd_seek", vec![fd, 5, 0, nowhere]),
        ("fd_tell", vec![fd, nowhere]),
        ("fd_prestat_get", vec![3, nowhere]),
        ("fd_prestat_dir_name", vec![3, nowhere, 8]),
        ("fd_readdir", vec![3, nowhere, 10, 0, 0]),
        ("fd_readdir", vec![3, 0, 10, 0, nowhere]),
        ("random_get", vec![nowhere, 4]),
        ("random_get", vec![0, u64::from(u32::MAX)]),
        ("poll_oneoff", vec![0, nowhere, 1, 0]),
        ("poll_oneoff", vec![nowhere, 0, 1, 0]),
        ("poll_oneoff", vec![0, 0, u64::from(u32::MAX), 0]),
    ] {
        assert_eq!(guest.call(name, &args).await, Err(Errno::Fault), "{name}");
    }
    assert_eq!(
        guest.seek(fd as u32, 0, 1).await,
        Ok(0),
        "the seek was not done"
    );
    guest.put(0, b"new");
    let args = [3, 0, 0, 3, u64::from(CREAT), SEEK, 0, 0, nowhere];
    assert_eq!(guest.call("path_open", &args).await, Err(Errno::Fault));
    assert!(
        !outer.path().join("new").exists(),
        "the file was not created"
    );
}
