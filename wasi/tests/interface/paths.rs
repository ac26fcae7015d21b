//! Paths: what is refused, and what a grant without writing answers.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use craneway_wasi::{DirPerms, Errno, FilePerms, WasiCtxBuilder};

use crate::guest::{
    ALL_RIGHTS, CREAT, DIR, DIRECTORY, EXCL, Guest, READ, READDIR, TRUNC, WAYS, WRITE,
};

/// Everything below a directory, with kinds, contents and times of modification.
fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let meta = std::fs::symlink_metadata(&path).expect("it exists");
        let what = if meta.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .expect("readable")
                    .map(|entry| entry.expect("readable").path()),
            );
            format!("directory {:?}", meta.modified().expect("known"))
        } else if meta.is_symlink() {
            format!("link {:?}", std::fs::read_link(&path))
        } else {
            format!(
                "{:?} {:?} {:?}",
                std::fs::read(&path),
                meta.modified(),
                meta.permissions()
            )
        };
        seen.insert(path.display().to_string(), what);
    }
    seen
}

/// A tree with a granted directory `in` beside things that are not.
fn tree() -> tempfile::TempDir {
    let outer = tempfile::tempdir().expect("temporary directory");
    let root = outer.path();
    std::fs::create_dir_all(root.join("in/sub")).expect("create");
    std::fs::create_dir_all(root.join("out/empty")).expect("create");
    std::fs::write(root.join("out/secret"), "secret").expect("write");
    std::fs::write(root.join("in/file"), "contents").expect("write");
    symlink("../out", root.join("in/up")).expect("link");
    symlink("../../out/secret", root.join("in/sub/up")).expect("link");
    symlink(root.join("out"), root.join("in/absolute")).expect("link");
    symlink("sub/../../out/secret", root.join("in/winding")).expect("link");
    symlink("file", root.join("in/good")).expect("link");
    symlink("loop", root.join("in/loop")).expect("link");
    outer
}

/// Paths that lead outside, each to something that is there.
fn hostile(root: &Path) -> Vec<String> {
    let mut paths: Vec<String> = [
        "../out/secret",
        "sub/../../out/secret",
        "./../out/secret",
        "up/secret",
        "up/../out/secret",
        "sub/up",
        "winding",
        "absolute/secret",
        "sub/./../up/secret",
        "sub//..//..//out//secret",
        "../in/../out/secret",
        "up/empty",
        "up/empty/",
    ]
    .map(str::to_owned)
    .into();
    paths.push(root.join("out/secret").display().to_string());
    paths.push("/etc/passwd".to_owned());
    paths.push("/".to_owned());
    paths.push("..".to_owned());
    paths.push("sub/../..".to_owned());
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_is_reached_by_any_function() {
    for way in WAYS {
        let outer = tree();
        let before = snapshot(&outer.path().join("out"));
        let mut guest = Guest::resolving(&outer.path().join("in"), way).await;
        for path in hostile(outer.path()) {
            let path = path.as_str();
            for (oflags, rights) in [
                (0, READ),
                (0, 0),
                (0, READ | WRITE),
                (CREAT, READ | WRITE),
                (TRUNC, WRITE),
                (DIRECTORY, READDIR),
                (CREAT | EXCL, WRITE),
            ] {
                let opened = guest.open(DIR, path, oflags, rights).await;
                // A link in the last place cannot be created over, whatever it points at.
                let allowed = [Errno::Perm, Errno::Exist];
                assert!(
                    opened.is_err_and(|errno| allowed.contains(&errno)),
                    "open {path} {oflags}: {opened:?}"
                );
            }
            assert_eq!(
                guest.stat(DIR, path, true).await.err(),
                Some(Errno::Perm),
                "stat {path}"
            );
            let fresh = format!("{path}/fresh");
            for refused in [
                guest.at("path_create_directory", DIR, &fresh, &[]).await,
                guest
                    .two_paths("path_rename", (DIR, &fresh), (DIR, "stolen"))
                    .await,
                guest
                    .two_paths("path_rename", (DIR, "file"), (DIR, &fresh))
                    .await,
                guest
                    .two_paths("path_link", (DIR, &fresh), (DIR, "stolen"))
                    .await,
                guest
                    .two_paths("path_link", (DIR, "file"), (DIR, &fresh))
                    .await,
                guest.symlink("x", DIR, &fresh).await,
                guest.at("path_unlink_file", DIR, &fresh, &[]).await,
                guest.at("path_remove_directory", DIR, &fresh, &[]).await,
                guest.at("path_readlink", DIR, &fresh, &[0, 100, 200]).await,
                guest.at("path_remove_directory", DIR, path, &[]).await,
            ] {
                let allowed = [
                    Errno::Perm,
                    Errno::Notdir,
                    Errno::Noent,
                    Errno::Notempty,
                    Errno::Inval,
                ];
                assert!(
                    refused.is_err_and(|errno| allowed.contains(&errno)),
                    "below {path}: {refused:?}"
                );
            }
            guest.put(1000, path.as_bytes());
            let times = [u64::from(DIR), 1, 1000, path.len() as u64, 1, 1, 5];
            assert_eq!(
                guest.call("path_filestat_set_times", &times).await,
                Err(Errno::Perm),
                "times of {path}"
            );
        }
        assert_eq!(guest.symlink("/etc", DIR, "to-etc").await, Err(Errno::Perm));
        assert_eq!(snapshot(&outer.path().join("out")), before);
        assert_eq!(
            std::fs::read(outer.path().join("in/file")).expect("still there"),
            b"contents"
        );
        // The same functions do work inside.
        assert!(guest.open(DIR, "sub/../good", 0, READ).await.is_ok());
        assert!(guest.stat(DIR, "sub/.././file", true).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_paths_have_their_own_errors() {
    let outer = tree();
    for way in WAYS {
        let mut guest = Guest::resolving(&outer.path().join("in"), way).await;
        assert_eq!(guest.open(DIR, "", 0, READ).await, Err(Errno::Noent));
        assert_eq!(guest.open(DIR, "fi\0le", 0, READ).await, Err(Errno::Inval));
        assert_eq!(
            guest.open(DIR, &"n".repeat(300), 0, READ).await,
            Err(Errno::Nametoolong)
        );
        assert_eq!(
            guest.open(DIR, &"n/".repeat(2500), 0, READ).await,
            Err(Errno::Nametoolong)
        );
        assert_eq!(guest.open(DIR, "file/", 0, READ).await, Err(Errno::Notdir));
        assert_eq!(guest.open(DIR, "file/x", 0, READ).await, Err(Errno::Notdir));
        assert_eq!(guest.open(DIR, "loop", 0, READ).await, Err(Errno::Loop));
        assert_eq!(guest.open(DIR, "nothing", 0, READ).await, Err(Errno::Noent));
        guest.put(0, b"fi\xffle");
        assert_eq!(
            guest.call("path_unlink_file", &[3, 0, 5]).await,
            Err(Errno::Ilseq)
        );
        for (addr, len) in [
            (u32::MAX, 4),
            (4, u32::MAX),
            (4 * 65536 - 2, 3),
            (0x8000_0000, 0x8000_0000),
        ] {
            let args = [3, u64::from(addr), u64::from(len)];
            for name in [
                "path_unlink_file",
                "path_create_directory",
                "path_remove_directory",
            ] {
                assert_eq!(
                    guest.call(name, &args).await,
                    Err(Errno::Fault),
                    "{name} at {addr:#x}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_open_mean_what_they_say() {
    for way in WAYS {
        let outer = tree();
        let root = outer.path().join("in");
        let mut guest = Guest::resolving(&root, way).await;
        assert_eq!(
            guest.open(DIR, "file", CREAT | EXCL, READ).await,
            Err(Errno::Exist)
        );
        assert_eq!(
            guest.open(DIR, "file", DIRECTORY, READ).await,
            Err(Errno::Notdir)
        );
        assert_eq!(
            guest.open(DIR, "sub", DIRECTORY, READ | WRITE).await,
            Err(Errno::Isdir)
        );
        assert_eq!(guest.open(DIR, "sub", 0, WRITE).await, Err(Errno::Isdir));
        assert_eq!(
            guest.open(DIR, "new", CREAT | DIRECTORY, READ).await,
            Err(Errno::Inval)
        );
        assert_eq!(guest.open(DIR, "file", 16, READ).await, Err(Errno::Inval));
        assert_eq!(
            guest.open_with(DIR, "file", 2, 0, READ, 0, 0).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.open_with(DIR, "file", 0, 0, READ, 0, 32).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.open_with(DIR, "good", 0, 0, READ, 0, 0).await,
            Err(Errno::Loop),
            "a link is not followed"
        );
        // Appending and truncating go together.
        let fd = guest
            .open_with(DIR, "file", 1, CREAT | TRUNC, READ | WRITE, 0, 1)
            .await
            .expect("opens");
        assert_eq!(guest.write(fd, b"one").await, Ok(3));
        guest.call("fd_close", &[fd.into()]).await.expect("closes");
        let fd = guest
            .open_with(DIR, "file", 1, 0, ALL_RIGHTS, 0, 1)
            .await
            .expect("opens");
        assert_eq!(guest.seek(fd, 0, 0).await, Ok(0));
        assert_eq!(guest.write(fd, b"two").await, Ok(3));
        assert_eq!(
            std::fs::read(root.join("file")).expect("readable"),
            b"onetwo"
        );
        // Without the right to write there is no write, even where the host would allow it.
        let fd = guest.open(DIR, "file", 0, READ).await.expect("opens");
        assert_eq!(guest.write(fd, b"x").await, Err(Errno::Notcapable));
        let fd = guest.open(DIR, "file", 0, WRITE).await.expect("opens");
        assert_eq!(guest.read(fd, 1).await, Err(Errno::Notcapable));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn truncating_needs_its_right() {
    let outer = tree();
    let mut guest = Guest::in_directory(&outer.path().join("in"), true).await;
    let set_size = 1_u64 << 19;
    guest.call("fd_fdstat_get", &[3, 0]).await.expect("open");
    let (base, inheriting) = (guest.u64(8), guest.u64(16));
    let args = [3, base & !set_size, inheriting & !WRITE];
    guest
        .call("fd_fdstat_set_rights", &args)
        .await
        .expect("rights are dropped");
    assert_eq!(
        guest
            .call("fd_fdstat_set_rights", &[3, base, inheriting])
            .await,
        Err(Errno::Notcapable)
    );
    assert_eq!(
        guest.open(DIR, "file", TRUNC, READ).await,
        Err(Errno::Notcapable)
    );
    assert_eq!(
        guest.open(DIR, "file", 0, READ | WRITE).await,
        Err(Errno::Notcapable),
        "not to be inherited"
    );
    assert_eq!(
        std::fs::read(outer.path().join("in/file")).expect("untouched"),
        b"contents"
    );
    assert!(guest.open(DIR, "file", 0, READ).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_writing_is_a_read_only_file_system() {
    for way in WAYS {
        let outer = tree();
        let before = snapshot(outer.path());
        let root = outer.path().join("in");
        let mut guest = Guest::granted(&root, way, DirPerms::READ, FilePerms::READ).await;
        let fd = guest
            .open(DIR, "file", 0, READ)
            .await
            .expect("reading is granted");
        assert_eq!(guest.read(fd, 100).await, Ok(b"contents".to_vec()));
        assert!(
            guest.open(DIR, "file", CREAT, READ).await.is_ok(),
            "nothing is created"
        );
        assert_eq!(
            guest.open(DIR, "file", CREAT | EXCL, READ).await.err(),
            Some(Errno::Exist)
        );
        assert_eq!(
            guest.open(DIR, "new", CREAT | EXCL, READ).await.err(),
            Some(Errno::Rofs)
        );
        let sub = guest
            .open(DIR, "sub", DIRECTORY, READDIR)
            .await
            .expect("listing is granted");
        let rofs = Err(Errno::Rofs);
        assert_eq!(
            guest.open(DIR, "new", CREAT, READ).await.err(),
            Some(Errno::Rofs)
        );
        assert_eq!(
            guest.open(sub, "new", CREAT, READ).await.err(),
            Some(Errno::Notcapable),
            "opened to list only"
        );
        assert_eq!(
            guest.open(DIR, "file", 0, WRITE).await.err(),
            Some(Errno::Rofs)
        );
        assert_eq!(
            guest.open(DIR, "file", TRUNC, READ).await.err(),
            Some(Errno::Rofs)
        );
        assert_eq!(
            guest.at("path_create_directory", DIR, "new", &[]).await,
            rofs
        );
        assert_eq!(guest.at("path_unlink_file", DIR, "file", &[]).await, rofs);
        assert_eq!(
            guest.at("path_remove_directory", DIR, "sub", &[]).await,
            rofs
        );
        assert_eq!(
            guest
                .two_paths("path_rename", (DIR, "file"), (DIR, "moved"))
                .await,
            rofs
        );
        assert_eq!(
            guest
                .two_paths("path_link", (DIR, "file"), (DIR, "linked"))
                .await,
            rofs
        );
        assert_eq!(guest.symlink("file", DIR, "new").await, rofs);
        guest.put(0, b"file");
        assert_eq!(
            guest
                .call("path_filestat_set_times", &[3, 1, 0, 4, 1, 1, 5])
                .await,
            rofs
        );
        assert_eq!(
            guest
                .call("fd_filestat_set_times", &[fd.into(), 1, 1, 5])
                .await
                .err(),
            Some(Errno::Notcapable)
        );
        assert_eq!(
            guest.call("fd_filestat_set_times", &[3, 1, 1, 5]).await,
            rofs
        );
        assert_eq!(snapshot(outer.path()), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_do_not_move_between_different_grants() {
    let outer = tree();
    let mut builder = WasiCtxBuilder::new();
    let names_only = (DirPerms::all(), FilePerms::READ);
    builder
        .preopened_dir(outer.path().join("in"), "/in", names_only.0, names_only.1)
        .expect("exists");
    builder
        .preopened_dir(
            outer.path().join("out"),
            "/out",
            DirPerms::all(),
            FilePerms::all(),
        )
        .expect("exists");
    let mut guest = Guest::new(&mut builder).await;
    assert_eq!(
        guest.two_paths("path_link", (3, "file"), (4, "file")).await,
        Err(Errno::Xdev)
    );
    assert_eq!(
        guest
            .two_paths("path_rename", (3, "file"), (4, "file"))
            .await,
        Err(Errno::Xdev)
    );
    assert_eq!(
        guest
            .two_paths("path_rename", (3, "file"), (3, "sub/file"))
            .await,
        Ok(())
    );
    assert_eq!(guest.open(3, "sub/file", 0, WRITE).await, Err(Errno::Rofs));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_renames_and_removals() {
    for way in WAYS {
        let outer = tree();
        let root = outer.path().join("in");
        let mut guest = Guest::resolving(&root, way).await;
        hard_links(&mut guest).await;
        refused_removals_and_renames(&mut guest).await;
        symbolic_links(&mut guest).await;
        assert_eq!(
            guest.at("path_create_directory", DIR, "d/", &[]).await,
            Ok(())
        );
        assert_eq!(
            guest.at("path_create_directory", DIR, "d", &[]).await,
            Err(Errno::Exist)
        );
        assert_eq!(
            guest
                .two_paths("path_rename", (DIR, "d/"), (DIR, "e/"))
                .await,
            Ok(())
        );
        assert!(root.join("e").is_dir());
    }
}

async fn hard_links(guest: &mut Guest) {
    assert_eq!(
        guest
            .two_paths("path_link", (DIR, "file"), (DIR, "sub/hard"))
            .await,
        Ok(())
    );
    assert_eq!(
        guest.stat(DIR, "file", false).await.expect("there")[24],
        2,
        "two links"
    );
    assert_eq!(
        guest.two_paths("path_link", (DIR, "sub"), (DIR, "x")).await,
        Err(Errno::Perm)
    );
    assert_eq!(
        guest
            .two_paths("path_link", (DIR, "file"), (DIR, "x/"))
            .await,
        Err(Errno::Noent)
    );
    guest.put(0, b"good");
    assert_eq!(
        guest.call("path_link", &[3, 1, 0, 4, 3, 0, 4]).await,
        Err(Errno::Inval),
        "following"
    );
}

/// The last one is not refused: `file` is `sub/moved` from then on.
async fn refused_removals_and_renames(guest: &mut Guest) {
    assert_eq!(
        guest.at("path_remove_directory", DIR, "sub", &[]).await,
        Err(Errno::Notempty)
    );
    assert_eq!(
        guest.at("path_remove_directory", DIR, "file", &[]).await,
        Err(Errno::Notdir)
    );
    assert_eq!(
        guest.at("path_unlink_file", DIR, "sub", &[]).await,
        Err(Errno::Isdir)
    );
    assert_eq!(
        guest.at("path_unlink_file", DIR, "file/", &[]).await,
        Err(Errno::Notdir)
    );
    assert_eq!(
        guest
            .two_paths("path_rename", (DIR, "file"), (DIR, "sub"))
            .await,
        Err(Errno::Isdir)
    );
    assert_eq!(
        guest
            .two_paths("path_rename", (DIR, "sub"), (DIR, "file"))
            .await,
        Err(Errno::Notdir)
    );
    assert_eq!(
        guest
            .two_paths("path_rename", (DIR, "file"), (DIR, "sub/moved"))
            .await,
        Ok(())
    );
}

async fn symbolic_links(guest: &mut Guest) {
    assert_eq!(guest.symlink("target-of-link", DIR, "link").await, Ok(()));
    assert_eq!(guest.symlink("x", DIR, "link").await, Err(Errno::Exist));
    guest.put(0, &[9; 32]);
    assert_eq!(
        guest.at("path_readlink", DIR, "link", &[0, 6, 100]).await,
        Ok(())
    );
    assert_eq!(
        (guest.u32(100), guest.get(0, 8)),
        (6, b"target\x09\x09".to_vec()),
        "cut to the buffer"
    );
    assert_eq!(
        guest
            .at("path_readlink", DIR, "./link", &[0, 32, 100])
            .await,
        Ok(())
    );
    assert_eq!(
        (guest.u32(100), guest.get(0, 14)),
        (14, b"target-of-link".to_vec())
    );
    assert_eq!(
        guest
            .at("path_readlink", DIR, "sub/moved", &[0, 32, 100])
            .await,
        Err(Errno::Inval)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_the_directory_hangs_nobody() {
    let outer = tree();
    let root = outer.path().join("in");
    let dir = std::fs::File::open(&root).expect("open");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(&dir, "pipe", rustix::fs::FileType::Fifo, mode, 0).expect("make a pipe");
    for way in WAYS {
        let mut guest = Guest::resolving(&root, way).await;
        let work = async {
            assert_eq!(
                guest.open(DIR, "pipe", 0, WRITE).await,
                Err(Errno::Nxio),
                "nobody reads"
            );
            let reader = guest
                .open(DIR, "pipe", 0, ALL_RIGHTS & !WRITE)
                .await
                .expect("opens at once");
            assert_eq!(
                guest.call("fd_fdstat_set_flags", &[reader.into(), 4]).await,
                Ok(())
            );
            assert_eq!(
                guest.read(reader, 10).await,
                Err(Errno::Again),
                "it would wait for a writer"
            );
            assert_eq!(
                guest.call("fd_fdstat_set_flags", &[reader.into(), 0]).await,
                Ok(())
            );
            let writer = guest
                .open(DIR, "pipe", 0, WRITE)
                .await
                .expect("now there is a reader");
            assert_eq!(guest.write(writer, b"through").await, Ok(7));
            assert_eq!(guest.read(reader, 10).await, Ok(b"through".to_vec()));
            guest
                .call("fd_close", &[writer.into()])
                .await
                .expect("open");
            assert_eq!(
                guest.read(reader, 10).await,
                Ok(vec![]),
                "the writer is gone"
            );
            assert_eq!(guest.seek(reader, 0, 1).await, Err(Errno::Spipe));
            guest.put(0, b"pipe");
            assert_eq!(
                guest
                    .call("path_filestat_set_times", &[3, 1, 0, 4, 1, 1, 5])
                    .await,
                Ok(())
            );
        };
        tokio::time::timeout(Duration::from_secs(20), work)
            .await
            .expect("nothing hangs");
    }
}
