//! Directories in memory and single files of the host: what bounds them, what lives on, and what cannot be reached.

use std::os::unix::fs::symlink;

use craneway_wasi::{ConfigError, DirPerms, Errno, FilePerms, VirtualDir, WasiCtxBuilder};

use crate::guest::{ALL_RIGHTS, CREAT, DIR, DIRECTORY, EXCL, Guest, READ, SEEK, TRUNC, WRITE};

async fn guest(dir: &VirtualDir, dirs: DirPerms, files: FilePerms) -> Guest {
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_virtual_dir(dir, "/mem", dirs, files)
        .expect("a good name");
    Guest::new(&mut builder).await
}

async fn all(dir: &VirtualDir) -> Guest {
    guest(dir, DirPerms::all(), FilePerms::all()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn embedder_and_guest_see_each_others_files() {
    let dir = VirtualDir::new();
    dir.file("etc/app.toml", "level = 1\n")
        .expect("a good path");
    let mut guest = all(&dir).await;
    let fd = guest
        .open(DIR, "etc/app.toml", 0, READ | WRITE | SEEK)
        .await
        .expect("it is there");
    assert_eq!(guest.read(fd, 100).await, Ok(b"level = 1\n".to_vec()));
    assert_eq!(guest.write(fd, b"more").await, Ok(4));
    assert_eq!(dir.read("etc/app.toml"), Some(b"level = 1\nmore".to_vec()));
    dir.file("late", "x").expect("while the guest runs");
    assert!(guest.stat(DIR, "late", true).await.is_ok());
    guest
        .at("path_create_directory", DIR, "out", &[])
        .await
        .expect("a new name");
    let fd = guest
        .open(DIR, "out/result", CREAT, WRITE)
        .await
        .expect("a new name");
    assert_eq!(guest.write(fd, b"done").await, Ok(4));
    assert_eq!(dir.read("out/result"), Some(b"done".to_vec()));
    assert_eq!(dir.names("out"), Some(vec!["result".to_owned()]));
    // Another guest with the same directory sees the same; a host directory stands beside it.
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("host"), "h").expect("write");
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_dir(outer.path(), "/data", DirPerms::all(), FilePerms::all())
        .and_then(|builder| {
            builder.preopened_virtual_dir(&dir, "/data/mem", DirPerms::all(), FilePerms::all())
        })
        .and_then(|builder| {
            builder.preopened_virtual_dir(&dir, "/again", DirPerms::all(), FilePerms::all())
        })
        .expect("good names");
    let mut other = Guest::new(&mut builder).await;
    assert!(other.stat(4, "out/result", true).await.is_ok());
    assert!(other.stat(3, "host", true).await.is_ok());
    // Between them names do not move; within the tree they do, whichever descriptor names it.
    for name in ["path_rename", "path_link"] {
        let result = other.two_paths(name, (3, "host"), (4, "host")).await;
        assert_eq!(result, Err(Errno::Xdev));
        let result = other.two_paths(name, (4, "late"), (3, "late")).await;
        assert_eq!(result, Err(Errno::Xdev));
    }
    assert_eq!(
        other
            .two_paths("path_rename", (4, "late"), (5, "moved"))
            .await,
        Ok(())
    );
    let one = other.stat(4, "moved", true).await.expect("it is there");
    let two = other.stat(5, "moved", true).await.expect("it is there");
    assert_eq!(one, two, "device and number are the same");
    let host = other.stat(3, "host", true).await.expect("it is there");
    assert_ne!(one[..8], host[..8], "and differ from the host's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_guests_add_is_bounded() {
    let dir = VirtualDir::with_room(100_000);
    dir.file("given", vec![7; 500_000]).expect("a good path");
    let mut guest = all(&dir).await;
    let fd = guest
        .open(DIR, "f", CREAT, ALL_RIGHTS)
        .await
        .expect("room for an entry");
    let set = |size: u64| [u64::from(fd), size];
    assert_eq!(
        guest.call("fd_filestat_set_size", &set(1 << 40)).await,
        Err(Errno::Nospc)
    );
    assert_eq!(
        guest.call("fd_filestat_set_size", &set(u64::MAX)).await,
        Err(Errno::Inval)
    );
    assert_eq!(
        guest.call("fd_allocate", &[fd.into(), 0, 1 << 40]).await,
        Err(Errno::Nospc)
    );
    assert_eq!(
        guest.call("fd_filestat_set_size", &set(90_000)).await,
        Ok(())
    );
    guest.seek(fd, 0, 2).await.expect("seekable");
    let written = guest.write(fd, &[1; 20_000]).await.expect("a part of it");
    assert!((8_000..10_000).contains(&written), "{written}");
    assert_eq!(guest.write(fd, b"x").await, Err(Errno::Nospc));
    // Far behind the end: the hole counts.
    guest.seek(fd, 1 << 40, 0).await.expect("seekable");
    assert_eq!(guest.write(fd, b"x").await, Err(Errno::Nospc));
    assert_eq!(guest.seek(fd, -1, 0).await, Err(Errno::Inval));
    assert_eq!(guest.seek(fd, i64::MAX, 0).await, Ok(i64::MAX as u64));
    assert_eq!(guest.seek(fd, 1, 1).await, Err(Errno::Inval));
    assert_eq!(guest.read(fd, 10).await, Ok(vec![]));
    // What is overwritten costs nothing.
    guest.seek(fd, 0, 0).await.expect("seekable");
    assert_eq!(guest.write(fd, &[2; 90_000]).await, Ok(90_000));
    // Entries cost too, so their number is bounded.
    guest
        .call("fd_filestat_set_size", &set(0))
        .await
        .expect("smaller");
    let mut made = 0;
    loop {
        let path = format!("d{made}");
        match guest.at("path_create_directory", DIR, &path, &[]).await {
            Ok(()) => made += 1,
            Err(errno) => break assert_eq!(errno, Errno::Nospc),
        }
    }
    assert!((200..400).contains(&made), "{made}");
    guest.seek(fd, 0, 0).await.expect("seekable");
    guest
        .write(fd, &[3; 1000])
        .await
        .expect("what is left of the room");
    assert_eq!(dir.left(), 0);
    assert_eq!(guest.symlink("x", DIR, "link").await, Err(Errno::Nospc));
    assert_eq!(
        guest
            .two_paths("path_link", (DIR, "f"), (DIR, "hard"))
            .await,
        Err(Errno::Nospc)
    );
    let long = "n".repeat(200);
    assert_eq!(
        guest
            .two_paths("path_rename", (DIR, "f"), (DIR, &long))
            .await,
        Err(Errno::Nospc)
    );
    assert!(
        guest.stat(DIR, "f", true).await.is_ok(),
        "it keeps its name"
    );
    for number in 0..made {
        let path = format!("d{number}");
        guest
            .at("path_remove_directory", DIR, &path, &[])
            .await
            .expect("empty");
    }
    guest
        .at("path_unlink_file", DIR, "f", &[])
        .await
        .expect("a file");
    guest.call("fd_close", &[fd.into()]).await.expect("open");
    assert_eq!(dir.left(), 100_000, "all room is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_files_and_directories_outlive_their_names() {
    let dir = VirtualDir::new();
    let mut guest = all(&dir).await;
    let before = dir.used();
    guest
        .at("path_create_directory", DIR, "d", &[])
        .await
        .expect("a new name");
    let fd = guest
        .open(DIR, "d/f", CREAT, READ | WRITE | SEEK)
        .await
        .expect("a new name");
    let sub = guest
        .open(DIR, "d", DIRECTORY, ALL_RIGHTS & !WRITE)
        .await
        .expect("it is there");
    guest.write(fd, b"kept").await.expect("writable");
    guest
        .at("path_unlink_file", DIR, "d/f", &[])
        .await
        .expect("a file");
    guest
        .at("path_remove_directory", DIR, "d", &[])
        .await
        .expect("empty");
    // The numbers of what is gone are used again only when nobody holds it.
    guest
        .at("path_create_directory", DIR, "new", &[])
        .await
        .expect("a new name");
    guest.seek(fd, 0, 0).await.expect("open");
    assert_eq!(guest.read(fd, 10).await, Ok(b"kept".to_vec()));
    assert_eq!(
        guest.open(sub, "x", CREAT, WRITE).await,
        Err(Errno::Noent),
        "nothing comes into a directory that is gone"
    );
    assert_eq!(
        guest.at("path_create_directory", sub, "x", &[]).await,
        Err(Errno::Noent)
    );
    assert_eq!(
        guest
            .two_paths("path_rename", (DIR, "new"), (sub, "x"))
            .await,
        Err(Errno::Noent)
    );
    assert_eq!(guest.open(sub, "..", 0, READ).await, Err(Errno::Perm));
    guest.call("fd_close", &[fd.into()]).await.expect("open");
    guest.call("fd_close", &[sub.into()]).await.expect("open");
    guest
        .at("path_remove_directory", DIR, "new", &[])
        .await
        .expect("empty");
    assert_eq!(dir.used(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_writing_changes_nothing() {
    let dir = VirtualDir::new();
    dir.file("d/f", "contents").expect("a good path");
    dir.symlink("link", "d/f").expect("a good path");
    let before = dir.used();
    let mut guest = guest(&dir, DirPerms::READ, FilePerms::READ).await;
    let fd = guest.open(DIR, "link", 0, READ).await.expect("readable");
    assert_eq!(guest.read(fd, 100).await, Ok(b"contents".to_vec()));
    let rofs = Err(Errno::Rofs);
    for (oflags, rights) in [(CREAT, READ), (TRUNC, READ), (0, WRITE)] {
        let path = if oflags == CREAT { "new" } else { "d/f" };
        let opened = guest.open(DIR, path, oflags, rights).await;
        assert_eq!(opened.map(|_| ()), rofs);
    }
    assert_eq!(
        guest.open(DIR, "d/f", CREAT | EXCL, READ).await,
        Err(Errno::Exist)
    );
    assert_eq!(guest.at("path_unlink_file", DIR, "d/f", &[]).await, rofs);
    assert_eq!(guest.at("path_create_directory", DIR, "x", &[]).await, rofs);
    assert_eq!(guest.symlink("x", DIR, "x").await, rofs);
    assert_eq!(
        guest.two_paths("path_rename", (DIR, "d"), (DIR, "e")).await,
        rofs
    );
    assert_eq!(
        guest.call("fd_filestat_set_times", &[3, 1, 1, 5]).await,
        rofs
    );
    assert_eq!(dir.used(), before);
    assert_eq!(dir.read("d/f"), Some(b"contents".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_follow_the_guests_clock() {
    let dir = VirtualDir::new();
    dir.file("given", "").expect("a good path");
    let mut builder = WasiCtxBuilder::new();
    builder
        .deterministic(1)
        .preopened_virtual_dir(&dir, "/", DirPerms::all(), FilePerms::all())
        .expect("a good name");
    let mut guest = Guest::new(&mut builder).await;
    let start = 1_577_836_800_000_000_000_u64;
    let time = |stat: &[u8], at: usize| {
        u64::from_le_bytes(stat[at..at + 8].try_into().expect("eight bytes"))
    };
    let stat = guest.stat(DIR, "given", true).await.expect("it is there");
    assert_eq!(time(&stat, 48), start);
    let fd = guest
        .open(DIR, "new", CREAT, ALL_RIGHTS)
        .await
        .expect("a new name");
    let made = guest.stat(DIR, "new", true).await.expect("it is there");
    assert!(time(&made, 48) > start && time(&made, 48) < start + 1_000_000);
    guest.write(fd, b"x").await.expect("writable");
    let written = guest.stat(DIR, "new", true).await.expect("it is there");
    assert!(time(&written, 48) > time(&made, 48));
    assert_eq!(time(&written, 40), time(&made, 40));
    guest
        .call("fd_filestat_set_times", &[fd.into(), 5, 0, 1 | 8])
        .await
        .expect("writable");
    let set = guest.stat(DIR, "new", true).await.expect("it is there");
    assert_eq!(time(&set, 40), 5);
    assert!(time(&set, 48) > time(&written, 48));
}

/// A directory of the host with a file to grant and things that are not granted.
fn beside() -> tempfile::TempDir {
    let outer = tempfile::tempdir().expect("temporary directory");
    let root = outer.path();
    std::fs::create_dir(root.join("dir")).expect("create");
    std::fs::write(root.join("dir/granted"), "granted").expect("write");
    std::fs::write(root.join("dir/secret"), "secret").expect("write");
    symlink("dir/granted", root.join("link")).expect("link");
    outer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_is_all_that_is_reached() {
    for blocking in [true, false] {
        let outer = beside();
        let host = outer.path().join("dir");
        let mut builder = WasiCtxBuilder::new();
        builder
            .allow_blocking_files(blocking)
            .preopened_file(host.join("granted"), "/etc/app.toml", FilePerms::READ)
            .and_then(|builder| {
                builder.preopened_file(outer.path().join("link"), "/etc//other", FilePerms::all())
            })
            .expect("the files exist");
        let mut guest = Guest::new(&mut builder).await;
        guest
            .call("fd_prestat_dir_name", &[3, 0, 4])
            .await
            .expect("the directory is there from the start");
        assert_eq!(guest.get(0, 4), b"/etc");
        assert_eq!(
            guest.call("fd_prestat_get", &[4, 0]).await,
            Err(Errno::Badf),
            "both files share it"
        );
        guest
            .call("fd_readdir", &[3, 0, 1000, 0, 2000])
            .await
            .expect("readable");
        let used = guest.u32(2000) as usize;
        let names = guest.get(0, used);
        let count = names.windows(6).filter(|bytes| *bytes == b"secret").count();
        assert_eq!((used, count), (4 * 24 + 1 + 2 + 8 + 5, 0));
        the_file_can_be_read_only(&mut guest).await;
        nothing_else_is_there(&mut guest).await;
        // The other one may be written; the same file, as it happens.
        let fd = guest
            .open(DIR, "other", CREAT | TRUNC, READ | WRITE | SEEK)
            .await
            .expect("writable");
        assert_eq!(guest.write(fd, b"changed").await, Ok(7));
        assert_eq!(
            std::fs::read(host.join("granted")).expect("readable"),
            b"changed"
        );
        guest.put(0, b"app.tomlother");
        let times = |at: u64, len: u64| [3, 1, at, len, 9_000_000_000, 9_000_000_000, 5];
        assert_eq!(
            guest.call("path_filestat_set_times", &times(0, 8)).await,
            Err(Errno::Rofs)
        );
        assert_eq!(
            guest.call("path_filestat_set_times", &times(8, 5)).await,
            Ok(())
        );
    }
}

async fn the_file_can_be_read_only(guest: &mut Guest) {
    let fd = guest
        .open(DIR, "app.toml", 0, READ | SEEK)
        .await
        .expect("readable");
    assert_eq!(guest.read(fd, 100).await, Ok(b"granted".to_vec()));
    for (oflags, rights) in [(0, WRITE), (TRUNC, READ), (CREAT | TRUNC, READ)] {
        assert_eq!(
            guest.open(DIR, "app.toml", oflags, rights).await,
            Err(Errno::Rofs)
        );
    }
    assert_eq!(
        guest.open(DIR, "app.toml", CREAT | EXCL, READ).await,
        Err(Errno::Exist)
    );
    assert!(guest.open(DIR, "app.toml", CREAT, READ).await.is_ok());
    let stat = guest
        .stat(DIR, "app.toml", true)
        .await
        .expect("it is there");
    assert_eq!((stat[16], stat[32]), (4, 7), "a file of seven bytes");
}

async fn nothing_else_is_there(guest: &mut Guest) {
    for path in [
        "secret",
        "../secret",
        "../dir/secret",
        "app.toml/../secret",
        "app.toml/secret",
        "granted",
        "/etc/app.toml",
        "..",
    ] {
        assert!(guest.open(DIR, path, 0, READ).await.is_err(), "{path}");
        assert!(guest.stat(DIR, path, true).await.is_err(), "{path}");
    }
    let rofs = Err(Errno::Rofs);
    assert_eq!(guest.open(DIR, "new", CREAT, WRITE).await.map(|_| ()), rofs);
    assert_eq!(guest.at("path_unlink_file", DIR, "other", &[]).await, rofs);
    assert_eq!(
        guest
            .two_paths("path_rename", (DIR, "other"), (DIR, "app.toml"))
            .await,
        rofs
    );
    assert_eq!(
        guest
            .two_paths("path_link", (DIR, "other"), (DIR, "third"))
            .await,
        rofs
    );
    assert_eq!(guest.symlink("other", DIR, "third").await, rofs);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_granted_files_place_is_not_followed() {
    let outer = beside();
    let host = outer.path().join("dir");
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_file(host.join("granted"), "f", FilePerms::all())
        .expect("the file exists");
    let mut guest = Guest::new(&mut builder).await;
    std::fs::remove_file(host.join("granted")).expect("remove");
    assert_eq!(guest.open(DIR, "f", 0, READ).await, Err(Errno::Noent));
    assert_eq!(
        guest.open(DIR, "f", CREAT, WRITE).await,
        Err(Errno::Rofs),
        "it is not made anew"
    );
    symlink("secret", host.join("granted")).expect("link");
    assert_eq!(guest.open(DIR, "f", 0, READ).await, Err(Errno::Loop));
    std::fs::remove_file(host.join("granted")).expect("remove");
    std::fs::create_dir(host.join("granted")).expect("create");
    assert_eq!(guest.open(DIR, "f", 0, READ).await, Err(Errno::Acces));
    std::fs::remove_dir(host.join("granted")).expect("remove");
    std::fs::write(host.join("granted"), "new one").expect("write");
    let fd = guest.open(DIR, "f", 0, READ).await.expect("readable");
    assert_eq!(guest.read(fd, 100).await, Ok(b"new one".to_vec()));
}

#[test]
fn files_that_cannot_be_granted_say_why() {
    let outer = beside();
    let mut builder = WasiCtxBuilder::new();
    let host = outer.path().join("dir/granted");
    for guest in ["", "/", "/etc/", "..", "/etc/..", "."] {
        let result = builder.preopened_file(&host, guest, FilePerms::READ);
        assert!(
            matches!(result, Err(ConfigError::FileName { .. })),
            "{guest}"
        );
    }
    for (host, expected) in [
        (outer.path().join("dir"), "directory"),
        (outer.path().join("nothing"), "No such file"),
    ] {
        let result = builder.preopened_file(&host, "/etc/x", FilePerms::READ);
        let error = result.map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&host.display().to_string()), "{error}");
    }
    builder
        .preopened_file(&host, "/etc/x", FilePerms::READ)
        .expect("the file exists");
    let twice = builder.preopened_file(&host, "/etc/x", FilePerms::READ);
    assert!(matches!(twice, Err(ConfigError::FileName { .. })));
}
