//! The same calls on every kind of directory: of the host by either resolver, and in memory. All must answer the same.

use craneway_wasi::{DirPerms, Errno, FilePerms, Resolver, VirtualDir, WasiCtxBuilder};

use crate::guest::{ALL_RIGHTS, CREAT, DIR, DIRECTORY, EXCL, Guest, READ, SEEK, TRUNC, WRITE};

/// A sequence of numbers that follows from its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A path over few names, so that most lead somewhere.
    fn path(&mut self) -> String {
        let mut path = String::new();
        for index in 0..=self.below(3) {
            if index > 0 {
                path += self.pick(&["/", "/", "//", "/./"]);
            }
            path += self.pick(&["a", "b", "c", "d", "a", "b", "..", "."]);
        }
        path += self.pick(&["", "", "", "", "", "", "/", "/."]);
        match self.below(40) {
            0 => format!("/{path}"),
            1 => String::new(),
            _ => path,
        }
    }
}

/// One call with its arguments.
#[derive(Debug)]
enum Call {
    Path(&'static str, String),
    Symlink(String, String),
    Two(&'static str, String, String),
    Stat(String, bool),
    ReadLink(String),
    Times(String, bool),
    /// Lookup flags, open flags, rights and descriptor flags.
    Open(String, u32, u32, u64, u32),
    Size(String, u64),
    List(String),
}

impl Call {
    fn any(numbers: &mut Numbers) -> Call {
        let path = numbers.path();
        match numbers.below(16) {
            0 | 1 => Call::Path("path_create_directory", path),
            2 => Call::Path("path_remove_directory", path),
            3 => Call::Path("path_unlink_file", path),
            4 => Call::Symlink(numbers.path(), path),
            5 => Call::Two("path_link", path, numbers.path()),
            6 | 7 => Call::Two("path_rename", path, numbers.path()),
            8 | 9 => Call::Stat(path, numbers.below(2) == 0),
            10 => Call::ReadLink(path),
            11 => Call::Times(path, numbers.below(2) == 0),
            12 => Call::Size(path, [0, 1, 3, 5000][numbers.below(4)]),
            13 => Call::List(path),
            _ => {
                let oflags = [
                    0,
                    CREAT,
                    CREAT,
                    CREAT | EXCL,
                    CREAT | TRUNC,
                    TRUNC,
                    DIRECTORY,
                    DIRECTORY | TRUNC,
                ][numbers.below(8)];
                let rights = [0, READ, WRITE, READ | WRITE][numbers.below(4)];
                let fdflags = [0, 0, 1][numbers.below(3)];
                Call::Open(
                    path,
                    numbers.below(2) as u32,
                    oflags,
                    rights | SEEK,
                    fdflags,
                )
            }
        }
    }

    /// Makes the call; what it gave is told in words that do not depend on the kind of directory.
    async fn make(&self, guest: &mut Guest) -> Result<String, Errno> {
        match self {
            Call::Path(name, path) => guest.at(name, DIR, path, &[]).await.map(|()| String::new()),
            Call::Symlink(target, path) => guest
                .symlink(target, DIR, path)
                .await
                .map(|()| String::new()),
            Call::Two(name, old, new) => {
                let result = guest.two_paths(name, (DIR, old), (DIR, new)).await;
                result.map(|()| String::new())
            }
            Call::Stat(path, follow) => {
                let stat = guest.stat(DIR, path, *follow).await?;
                Ok(told(&stat, true))
            }
            Call::ReadLink(path) => {
                guest.at("path_readlink", DIR, path, &[0, 100, 200]).await?;
                let len = guest.u32(200) as usize;
                Ok(String::from_utf8_lossy(&guest.get(0, len)).into_owned())
            }
            Call::Times(path, follow) => {
                guest.put(1000, path.as_bytes());
                let flags = u64::from(*follow);
                let args = [3, flags, 1000, path.len() as u64, 7_000_000_000, 9, 5];
                guest.call("path_filestat_set_times", &args).await?;
                let stat = guest.stat(DIR, path, *follow).await?;
                // Following a link may change when it was last read.
                Ok(format!("{:?}", &stat[48..56]))
            }
            Call::Open(path, lookup, oflags, rights, fdflags) => {
                let (rights, fdflags) = (*rights, *fdflags);
                let fd = guest
                    .open_with(DIR, path, *lookup, *oflags, rights, ALL_RIGHTS, fdflags)
                    .await?;
                let wrote = guest.write(fd, b"some bytes").await;
                let sought = guest.seek(fd, 3, 0).await;
                let again = guest.write(fd, b"XY").await;
                let back = guest.seek(fd, -4, 1).await;
                let end = guest.seek(fd, 2, 2).await;
                let read = (guest.seek(fd, 0, 0).await, guest.read(fd, 100).await);
                guest.call("fd_close", &[fd.into()]).await.expect("open");
                Ok(format!(
                    "{wrote:?} {sought:?} {again:?} {back:?} {end:?} {read:?}"
                ))
            }
            Call::Size(path, size) => {
                let fd = guest.open(DIR, path, 0, ALL_RIGHTS).await?;
                let set = guest
                    .call("fd_filestat_set_size", &[fd.into(), *size])
                    .await;
                let allocated = guest.call("fd_allocate", &[fd.into(), 2, 2]).await;
                let stat = guest.call("fd_filestat_get", &[fd.into(), 0]).await;
                let told = told(&guest.get(0, 64), false);
                guest.call("fd_close", &[fd.into()]).await.expect("open");
                Ok(format!("{set:?} {allocated:?} {stat:?} {told}"))
            }
            Call::List(path) => {
                let fd = guest
                    .open(DIR, path, DIRECTORY, ALL_RIGHTS & !WRITE)
                    .await?;
                let names = list(guest, fd).await;
                guest.call("fd_close", &[fd.into()]).await.expect("open");
                Ok(format!("{names:?}"))
            }
        }
    }
}

/// What a stat says, without what differs between file systems.
fn told(stat: &[u8], links: bool) -> String {
    let word = |at: usize| u64::from_le_bytes(stat[at..at + 8].try_into().expect("eight bytes"));
    match stat[16] {
        3 => "directory".to_owned(),
        kind if links => format!("{kind} {} {}", word(24), word(32)),
        kind => format!("{kind} {}", word(32)),
    }
}

/// The names and kinds in a directory, sorted, by a buffer that holds few.
async fn list(guest: &mut Guest, fd: u32) -> Vec<(String, u8)> {
    let (mut all, mut cookie) = (Vec::new(), 0);
    loop {
        let args = [fd.into(), 0, 120, cookie, 200];
        guest.call("fd_readdir", &args).await.expect("readable");
        let used = guest.u32(200) as usize;
        let bytes = guest.get(0, used);
        let mut rest = &bytes[..];
        while rest.len() >= 24 {
            let len = u32::from_le_bytes(rest[16..20].try_into().expect("four bytes")) as usize;
            let Some(name) = rest.get(24..24 + len) else {
                break;
            };
            cookie = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes"));
            all.push((String::from_utf8_lossy(name).into_owned(), rest[20]));
            rest = &rest[24 + len..];
        }
        if used < 120 {
            all.sort();
            return all;
        }
    }
}

async fn on_virtual() -> Guest {
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_virtual_dir(
            &VirtualDir::new(),
            "/granted",
            DirPerms::all(),
            FilePerms::all(),
        )
        .expect("a good name");
    Guest::new(&mut builder).await
}

/// Makes random calls on every kind of directory and compares what they give.
async fn compare(seed: u64, calls: usize) {
    let outer = [(); 3].map(|()| tempfile::tempdir().expect("temporary directory"));
    let ways = [
        (true, Resolver::Auto),
        (true, Resolver::Steps),
        (false, Resolver::Auto),
    ];
    let mut guests = vec![("memory", on_virtual().await)];
    for (outer, way) in outer.iter().zip(ways) {
        let name = if way.1 == Resolver::Auto {
            "kernel"
        } else {
            "steps"
        };
        guests.push((name, Guest::resolving(outer.path(), way).await));
    }
    let mut numbers = Numbers(seed);
    let mut made = Vec::new();
    for _ in 0..calls {
        let call = Call::any(&mut numbers);
        let mut answers = Vec::new();
        for (name, guest) in &mut guests {
            answers.push((*name, call.make(guest).await));
        }
        let same = answers.iter().all(|(_, answer)| *answer == answers[1].1);
        made.push(call);
        assert!(
            same,
            "seed {seed}: {answers:?} for the last of {:?}",
            &made[made.len().saturating_sub(40)..]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_of_directories_answer_the_same() {
    for seed in 0..30 {
        compare(seed, 120).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; the test above always runs, the same on 30 seeds: \
            cargo test --release -p craneway-wasi --test interface -- --ignored many_more"]
async fn all_kinds_of_directories_answer_the_same_to_many_more_calls() {
    for seed in 1000..3000 {
        compare(seed, 150).await;
    }
}
