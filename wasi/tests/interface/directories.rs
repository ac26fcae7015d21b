//! Reading directories: whole and cut entries, cookies, and what an entry says.

use craneway_wasi::Errno;

use crate::guest::{ALL_RIGHTS, DIR, DIRECTORY, Guest};

const BUFFER: u32 = 1024;
const USED: u64 = 0;

struct Entry {
    next: u64,
    ino: u64,
    kind: u8,
    name: String,
}

/// One call; the whole entries, and whether the buffer was filled.
async fn read(
    guest: &mut Guest,
    fd: u32,
    len: u32,
    cookie: u64,
) -> Result<(Vec<Entry>, bool), Errno> {
    guest.put(BUFFER, &vec![0xee; len as usize + 8]);
    guest
        .call(
            "fd_readdir",
            &[fd.into(), BUFFER.into(), len.into(), cookie, USED],
        )
        .await?;
    let used = guest.u32(USED as u32);
    assert!(used <= len);
    assert_eq!(
        guest.get(BUFFER + used, (len - used) as usize + 8),
        vec![0xee; (len - used) as usize + 8]
    );
    let bytes = guest.get(BUFFER, used as usize);
    let (mut entries, mut rest) = (Vec::new(), &bytes[..]);
    while rest.len() >= 24 {
        let word =
            |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().expect("eight bytes"));
        let name_len = u32::from_le_bytes(rest[16..20].try_into().expect("four bytes")) as usize;
        assert_eq!(rest[21..24], [0; 3], "zero padding");
        let Some(name) = rest.get(24..24 + name_len) else {
            break;
        };
        entries.push(Entry {
            next: word(0),
            ino: word(8),
            kind: rest[20],
            name: String::from_utf8_lossy(name).into_owned(),
        });
        rest = &rest[24 + name_len..];
    }
    Ok((entries, used == len))
}

fn filled(count: usize) -> tempfile::TempDir {
    let outer = tempfile::tempdir().expect("temporary directory");
    for number in 0..count {
        std::fs::write(outer.path().join(format!("entry-{number:04}")), "").expect("write");
    }
    outer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_comes_once_whatever_the_buffer() {
    let outer = filled(300);
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        for len in [40, 64, 100, 1000, 4096, 60_000] {
            let (mut names, mut cookie) = (Vec::new(), 0);
            loop {
                let (entries, full) = read(&mut guest, DIR, len, cookie).await.expect("readable");
                cookie = entries.last().map_or(cookie, |entry| entry.next);
                let stuck = entries.is_empty();
                names.extend(entries.into_iter().map(|entry| entry.name));
                if !full {
                    break;
                }
                assert!(!stuck, "a buffer of {len} holds an entry");
            }
            assert_eq!(names.len(), 302, "buffer of {len}");
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 302, "buffer of {len}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_say_what_they_are() {
    let outer = filled(1);
    std::fs::create_dir(outer.path().join("dir")).expect("create");
    std::os::unix::fs::symlink("x", outer.path().join("link")).expect("link");
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        let (entries, full) = read(&mut guest, DIR, 4096, 0).await.expect("readable");
        assert!(!full);
        for (name, kind) in [
            (".", 3),
            ("..", 3),
            ("dir", 3),
            ("link", 7),
            ("entry-0000", 4),
        ] {
            let entry = entries
                .iter()
                .find(|entry| entry.name == name)
                .expect("listed");
            assert_eq!(entry.kind, kind, "{name}");
            // What lies outside is not told; a directory stands for its own parent, as a root does.
            let known = if name == ".." { "." } else { name };
            let stat = guest.stat(DIR, known, false).await.expect("there");
            assert_eq!(entry.ino.to_le_bytes(), stat[8..16], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_lead_back_to_the_same_place() {
    let outer = filled(50);
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        let (all, _) = read(&mut guest, DIR, 60_000, 0).await.expect("readable");
        for start in [0, 1, 7, 30, 50] {
            let (rest, _) = read(&mut guest, DIR, 60_000, all[start].next)
                .await
                .expect("readable");
            let names = |entries: &[Entry]| {
                entries
                    .iter()
                    .map(|entry| entry.name.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&rest), names(&all[start + 1..]), "from {start}");
        }
        for beyond in [all[51].next, all[51].next + 1, 1 << 40, u64::MAX] {
            let (rest, full) = read(&mut guest, DIR, 1000, beyond).await.expect("readable");
            assert!(rest.is_empty() && !full, "cookie {beyond}");
        }
        assert!(
            all.iter().all(|entry| u32::try_from(entry.next).is_ok()),
            "libc keeps cookies in 32 bits"
        );
        // Starting over sees what came since.
        std::fs::write(outer.path().join(format!("late-{blocking}")), "").expect("write");
        let (again, _) = read(&mut guest, DIR, 60_000, 0).await.expect("readable");
        assert!(
            again
                .iter()
                .any(|entry| entry.name == format!("late-{blocking}"))
        );
        std::fs::remove_file(outer.path().join(format!("late-{blocking}"))).expect("remove");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiny_buffers_and_missing_rights() {
    let outer = filled(3);
    for blocking in [true, false] {
        let mut guest = Guest::in_directory(outer.path(), blocking).await;
        for len in [0, 1, 23, 24] {
            let (entries, full) = read(&mut guest, DIR, len, 0).await.expect("readable");
            assert!(entries.is_empty() && full, "buffer of {len}");
        }
        let dir = guest
            .open(DIR, ".", DIRECTORY, ALL_RIGHTS & !(1 << 14) & !(1 << 6))
            .await
            .expect("opens");
        assert_eq!(
            read(&mut guest, dir, 100, 0).await.err(),
            Some(Errno::Notcapable)
        );
    }
}
