//! A grant with things beside it that nobody may reach, and what watches them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// Text that is nowhere but outside: in files, in a link, and as a name in each directory.
pub(super) const SECRET: &str = "a-secret-that-is-only-outside-7f3a9c";

/// The directory that the host moves out of the grant and back, and where it is meanwhile.
pub(super) const MOVED: &str = "moved";

/// A temporary directory: `in` is granted, `out` and `hold` are not.
pub(super) struct World {
    root: tempfile::TempDir,
    /// Numbers of what lies outside.
    forbidden: HashSet<u64>,
    before: BTreeMap<PathBuf, String>,
}

impl World {
    pub(super) fn new() -> World {
        let root = tempfile::tempdir().expect("temporary directory");
        let at = |path: &str| root.path().join(path);
        for dir in [
            "in/swap/dir",
            "in/sub/deep",
            "in/sub/swap/dir",
            "in/sub/moved/inner",
            "in/second/swap/dir",
            "out/dir/deeper",
            "out/empty",
            "hold",
        ] {
            std::fs::create_dir_all(at(dir)).expect("create");
        }
        for file in [
            "in/file",
            "in/swap/secret",
            "in/swap/dir/secret",
            "in/sub/swap/secret",
            "in/sub/moved/inner/file",
            "in/second/swap/secret",
        ] {
            std::fs::write(at(file), "nothing that is secret").expect("write");
        }
        for file in ["out/secret", "out/dir/secret", "hold/secret", "secret"] {
            std::fs::write(at(file), format!("{SECRET} {file}")).expect("write");
        }
        symlink(SECRET, at("out/link")).expect("link");
        for dir in ["", "out", "out/dir", "out/empty", "hold"] {
            std::fs::write(at(dir).join(SECRET), "").expect("write");
        }
        // What the host exchanges with the directories of the same purpose.
        symlink("../out", at("in/evil")).expect("link");
        symlink("../../out", at("in/sub/evil")).expect("link");
        symlink(at("out"), at("in/absolute")).expect("link");
        symlink("swap/secret", at("in/chain")).expect("link");
        symlink("chain", at("in/chain2")).expect("link");
        symlink("swap/dir/../../swap", at("in/winding")).expect("link");
        symlink("sub/swap/../..", at("in/up")).expect("link");
        symlink(".", at("in/here")).expect("link");
        let mut world = World {
            forbidden: HashSet::new(),
            before: BTreeMap::new(),
            root,
        };
        world.before = world.outside();
        world.forbidden = world
            .before
            .keys()
            .map(|path| std::fs::symlink_metadata(path).expect("it is there").ino())
            .collect();
        world
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn is_forbidden(&self, ino: u64) -> bool {
        self.forbidden.contains(&ino)
    }

    /// Everything outside with what can be known of it. The directory that the host moves does not count.
    fn outside(&self) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        let mut left = vec![
            self.path("out"),
            self.path("hold"),
            self.path("secret"),
            self.path(""),
        ];
        while let Some(path) = left.pop() {
            let meta = std::fs::symlink_metadata(&path).expect("it is there");
            // Moving a directory there and back changes the times, and the links, of where it goes.
            let busy = path == self.path("hold");
            let mut told = format!("{} {}", meta.ino(), meta.mode());
            if !busy {
                let (links, modified, changed) =
                    (meta.nlink(), meta.mtime_nsec(), meta.ctime_nsec());
                told += &format!(" {links} {modified} {changed}");
            }
            if meta.is_dir() {
                let mut names = names(&path);
                names.retain(|name| name != MOVED);
                told += &format!(" {names:?}");
                if path.starts_with(self.path("out")) || busy {
                    left.extend(names.iter().map(|name| path.join(name)));
                }
            } else if meta.is_symlink() {
                told += &format!(" {:?}", std::fs::read_link(&path));
            } else {
                told += &format!(" {:?}", std::fs::read(&path).expect("readable"));
            }
            seen.insert(path, told);
        }
        seen
    }

    /// What changed outside.
    pub(super) fn changes(&self) -> Vec<String> {
        let after = self.outside();
        let paths: HashSet<_> = self.before.keys().chain(after.keys()).collect();
        paths
            .into_iter()
            .filter(|path| self.before.get(*path) != after.get(*path))
            .map(|path| {
                format!(
                    "{} changed from {:?} to {:?}",
                    path.display(),
                    self.before.get(path),
                    after.get(path)
                )
            })
            .collect()
    }

    /// Has the kernel report whatever is opened, read, listed, changed or named outside.
    pub(super) fn observe(&self) -> Observer {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let fd = inotify::init(flags).expect("the kernel watches");
        let mut watched = HashMap::new();
        let everything = WatchFlags::ALL_EVENTS | WatchFlags::DONT_FOLLOW;
        let paths = self.before.keys().filter(|path| **path != self.path(""));
        for path in paths {
            let number = inotify::add_watch(&fd, path, everything).expect("it is there");
            watched.insert(number, path.clone());
        }
        Observer {
            fd,
            watched,
            buffer: Mutex::new(vec![MaybeUninit::uninit(); 64 * 1024]),
        }
    }
}

/// The names in a directory, sorted.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(path)
        .expect("readable")
        .map(|entry| {
            let name = entry.expect("readable").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The kernel's view of what lies outside.
pub(super) struct Observer {
    fd: OwnedFd,
    watched: HashMap<i32, PathBuf>,
    buffer: Mutex<Vec<MaybeUninit<u8>>>,
}

impl Observer {
    /// What happened since the last time, but for what the host itself does.
    pub(super) fn events(&self) -> Vec<String> {
        let mut buffer = self.buffer.lock().expect("no panic");
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut seen = Vec::new();
        // Ends with "nothing more now".
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_string_lossy());
            if name.as_deref() == Some(MOVED) {
                continue;
            }
            let path = self.watched.get(&event.wd());
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                seen.push("more happened outside than could be told".to_owned());
            } else {
                seen.push(format!("{:?} {path:?} {name:?}", event.events()));
            }
        }
        seen
    }
}
