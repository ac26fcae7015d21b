//! The older version, where it differs.

use craneway_wasi::{DirPerms, Errno, FilePerms, WasiCtxBuilder, p1};

use crate::guest::{ALL_RIGHTS, DIR, Guest};

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_layouts_of_the_older_version() {
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("f"), "0123456789").expect("write");
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_dir(outer.path(), ".", DirPerms::all(), FilePerms::all())
        .expect("exists");
    let mut guest = Guest::of(p1::UNSTABLE, &mut builder).await;
    let fd = guest.open(DIR, "f", 0, ALL_RIGHTS).await.expect("opens");
    assert_eq!(guest.seek(fd, 4, 2).await, Ok(4), "2 counts from the start");
    assert_eq!(guest.seek(fd, 2, 0).await, Ok(6), "0 from here");
    assert_eq!(guest.seek(fd, -1, 1).await, Ok(9), "1 from the end");
    assert_eq!(guest.seek(fd, 0, 3).await, Err(Errno::Inval));
    guest.put(0, &[0xee; 64]);
    guest
        .call("fd_filestat_get", &[fd.into(), 0])
        .await
        .expect("open");
    assert_eq!(
        guest.get(16, 8),
        [4, 0, 0, 0, 1, 0, 0, 0],
        "kind, padding, 32 bits of links"
    );
    assert_eq!(guest.u64(24), 10, "size");
    assert_eq!(guest.get(56, 8), [0xee; 8], "nothing behind its 56 bytes");
    let mut clock = [0_u8; 56];
    clock[0] = 5;
    clock[16..24].copy_from_slice(&u64::MAX.to_le_bytes()); // an identifier that means nothing
    clock[24] = 1;
    clock[32..40].copy_from_slice(&1_000_000_u64.to_le_bytes());
    guest.put(1024, &clock);
    assert_eq!(guest.call("poll_oneoff", &[1024, 2048, 1, 0]).await, Ok(()));
    assert_eq!((guest.u32(0), guest.u64(2048), guest.u16(2056)), (1, 5, 0));
}
