//! The hostile guest: every function that takes a path, with every path that may lead out.

use super::guest::{
    ALL_RIGHTS, CREAT, DIR, DIRECTORY, EXCL, Guest, READ, READDIR, SEEK, TRUNC, WRITE,
};
use super::world::{MOVED, SECRET, World};
use crate::{Errno, Resolver};

/// Paths to things that are inside or outside, according to who was faster.
const PATHS: &[&str] = &[
    "swap/secret",
    "swap/dir/secret",
    "swap/link",
    "swap",
    "swap/",
    "swap/.",
    "swap/dir",
    "swap/dir/",
    "swap/empty",
    "./swap//secret",
    "here/here/swap/secret",
    "sub/swap/secret",
    "sub/../swap/secret",
    "sub/swap/dir/../secret",
    "swap/dir/deeper/../../secret",
    "second/swap/secret",
    "second/swap/dir/secret",
    "second/../second/swap/link",
    "chain",
    "chain2",
    "chain/",
    "winding/secret",
    "winding/dir/../secret",
    "up/out/secret",
    "up/../secret",
    "evil/secret",
    "evil",
    "evil/",
    "absolute/secret",
    "absolute",
    "sub/moved/../secret",
    "sub/moved/../../secret",
    "sub/moved/inner/../../secret",
    "sub/moved/inner/../../../secret",
    "sub/moved/inner/../../../out/secret",
    "sub/moved/..",
    "sub/moved/../..",
    "swap/..",
    "swap/../secret",
    "swap/../out/secret",
    "swap/../../out/secret",
    "swap/dir/../../../out/secret",
    "..",
    "../",
    "../out/secret",
    "../secret",
    "a/../../out",
    "sub/../../out/secret",
    "sub/deep/../../../out/secret",
    "//out/secret",
    "/etc/passwd",
    "/",
    ".",
    "",
    "swap\0/../../out/secret",
    "swap/secret\0",
    "file/../../out/secret",
    "file/",
];

/// Names that a guest makes.
const FRESH: &[&str] = &[
    "fresh",
    "swap/fresh",
    "swap/dir/fresh",
    "sub/swap/fresh",
    "stolen",
];

/// One attempt.
pub(super) struct Attempt {
    pub(super) told: String,
    pub(super) succeeded: bool,
    /// What of the outside it got.
    pub(super) found: Vec<String>,
}

/// A guest, and what it must not find.
pub(super) struct Hostile<'w> {
    guest: Guest,
    world: &'w World,
    state: u64,
}

impl<'w> Hostile<'w> {
    pub(super) async fn new(world: &'w World, resolver: Resolver, seed: u64) -> Hostile<'w> {
        Hostile {
            guest: Guest::resolving(&world.path("in"), (true, resolver)).await,
            world,
            state: seed,
        }
    }

    /// The next of a sequence of numbers that follows from the seed.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn path(&mut self) -> String {
        let path = PATHS[self.below(PATHS.len())];
        match self.below(30) {
            0 => format!("{}{path}", "./".repeat(1500)),
            1 => format!("{}{path}", "sub/../".repeat(400)),
            2 => format!("{path}{}", "/".repeat(60)),
            3 => format!("{}/{path}", "n".repeat(300)),
            _ => path.to_owned(),
        }
    }

    fn fresh(&mut self) -> String {
        FRESH[self.below(FRESH.len())].to_owned()
    }

    /// Tries something, and looks at everything that it got.
    pub(super) async fn attempt(&mut self) -> Attempt {
        let (path, fresh) = (self.path(), self.fresh());
        let mut found = Vec::new();
        let what = self.below(12);
        let (told, result) = match what {
            0..=3 => ("path_open", self.open(&path, &mut found).await),
            4 => ("path_filestat_get", self.stat(&path, &mut found).await),
            5 => ("path_readlink", self.read_link(&path, &mut found).await),
            6 => (
                "path_link",
                self.steal("path_link", &path, &fresh, &mut found).await,
            ),
            7 => (
                "path_rename",
                self.steal("path_rename", &path, &fresh, &mut found).await,
            ),
            8 => {
                // The names that tricks need are not to be replaced.
                let onto = if path.ends_with("secret") {
                    path.clone()
                } else {
                    format!("{path}/fresh")
                };
                let into = self
                    .guest
                    .two_paths("path_rename", (DIR, "file"), (DIR, &onto))
                    .await;
                let _ = self.guest.open(DIR, "file", CREAT, WRITE).await;
                ("path_rename to", into)
            }
            9 => (
                "path_symlink",
                self.guest.symlink("x", DIR, &format!("{path}/fresh")).await,
            ),
            10 => ("path_filestat_set_times", self.set_times(&path).await),
            _ => self.name(&path, &fresh).await,
        };
        self.tidy().await;
        Attempt {
            told: format!("{told} {:?}", &path[..path.len().min(80)]),
            succeeded: result.is_ok(),
            found,
        }
    }

    /// Makes or removes names.
    async fn name(&mut self, path: &str, fresh: &str) -> (&'static str, Result<(), Errno>) {
        let below = format!("{path}/fresh");
        let name = [
            "path_create_directory",
            "path_remove_directory",
            "path_unlink_file",
        ][self.below(3)];
        // What the racers need is theirs to remove.
        let path = if self.below(2) == 0 {
            below
        } else {
            fresh.to_owned()
        };
        (name, self.guest.at(name, DIR, &path, &[]).await)
    }

    /// Takes away what the guest itself made, so that it can be made again.
    async fn tidy(&mut self) {
        if self.below(4) == 0 {
            for name in ["stolen", "fresh"] {
                let _ = self.guest.at("path_unlink_file", DIR, name, &[]).await;
                let _ = self.guest.at("path_remove_directory", DIR, name, &[]).await;
            }
        }
        // Descriptors 0 to 3 are the guest's from the start.
        for fd in 4..12 {
            let _ = self.guest.call("fd_close", &[fd]).await;
        }
    }

    /// Opens in any way, and reads and writes what was opened.
    async fn open(&mut self, path: &str, found: &mut Vec<String>) -> Result<(), Errno> {
        let (oflags, rights) = [
            (0, READ | SEEK),
            (0, READ | WRITE | SEEK),
            (0, 0),
            (TRUNC, READ),
            (TRUNC, WRITE),
            (CREAT, READ | WRITE),
            (CREAT | EXCL, WRITE),
            (CREAT | TRUNC, READ | WRITE),
            (DIRECTORY, READ | READDIR),
            (DIRECTORY, ALL_RIGHTS & !WRITE),
        ][self.below(10)];
        let follow = u32::from(self.below(4) > 0);
        let path = if oflags & CREAT != 0 && self.below(2) == 0 {
            format!("{path}/fresh")
        } else {
            path.to_owned()
        };
        let fd = self
            .guest
            .open_with(DIR, &path, follow, oflags, rights, ALL_RIGHTS, 0)
            .await?;
        self.examine(fd, found).await;
        if let Ok(bytes) = self.guest.read(fd, 200).await {
            self.search("read", &bytes, found);
        }
        if self
            .guest
            .call("fd_readdir", &[fd.into(), 0, 1000, 0, 2000])
            .await
            .is_ok()
        {
            let used = self.guest.u32(2000) as usize;
            let bytes = self.guest.get(0, used);
            self.search("listed", &bytes, found);
            // A directory in hand is a new start for going up.
            for above in [
                "..",
                "../secret",
                "../../out/secret",
                "../../secret",
                "link",
            ] {
                if let Ok(stat) = self.guest.stat(fd, above, true).await {
                    self.judge("stat from within", &stat, found);
                }
            }
        }
        Ok(())
    }

    /// Looks at an open descriptor's attributes.
    async fn examine(&mut self, fd: u32, found: &mut Vec<String>) {
        if self
            .guest
            .call("fd_filestat_get", &[fd.into(), 0])
            .await
            .is_ok()
        {
            let stat = self.guest.get(0, 64);
            self.judge("opened", &stat, found);
        }
    }

    async fn stat(&mut self, path: &str, found: &mut Vec<String>) -> Result<(), Errno> {
        let follow = self.below(3) > 0;
        let stat = self.guest.stat(DIR, path, follow).await?;
        self.judge("stat", &stat, found);
        Ok(())
    }

    async fn read_link(&mut self, path: &str, found: &mut Vec<String>) -> Result<(), Errno> {
        self.guest
            .at("path_readlink", DIR, path, &[0, 200, 300])
            .await?;
        let len = self.guest.u32(300) as usize;
        let text = self.guest.get(0, len);
        self.search("link", &text, found);
        Ok(())
    }

    /// Brings something inside under a new name, and looks at what it was.
    async fn steal(
        &mut self,
        name: &str,
        path: &str,
        fresh: &str,
        found: &mut Vec<String>,
    ) -> Result<(), Errno> {
        // What the racers swap is not to be taken from them as such.
        let own = ["swap", "evil", "second", "sub", MOVED, "here", "."];
        if own.contains(&path.trim_end_matches('/')) {
            return Err(Errno::Busy);
        }
        self.guest
            .two_paths(name, (DIR, path), (DIR, fresh))
            .await?;
        if let Ok(stat) = self.guest.stat(DIR, fresh, false).await {
            self.judge(name, &stat, found);
        }
        // Back again, if it was moved.
        if name == "path_rename" {
            let _ = self.guest.two_paths(name, (DIR, fresh), (DIR, path)).await;
        }
        Ok(())
    }

    async fn set_times(&mut self, path: &str) -> Result<(), Errno> {
        let follow = u64::from(self.below(3) > 0);
        self.guest.put(1000, path.as_bytes());
        let args = [DIR.into(), follow, 1000, path.len() as u64, 1, 1, 5];
        self.guest.call("path_filestat_set_times", &args).await
    }

    /// Whether a record tells of something outside.
    fn judge(&self, how: &str, stat: &[u8], found: &mut Vec<String>) {
        let ino = u64::from_le_bytes(stat[8..16].try_into().expect("eight bytes"));
        if self.world.is_forbidden(ino) {
            found.push(format!("{how}: number {ino}, which is outside"));
        }
    }

    /// Whether bytes come from outside.
    fn search(&self, how: &str, bytes: &[u8], found: &mut Vec<String>) {
        let secret = SECRET.as_bytes();
        if bytes.windows(secret.len()).any(|window| window == secret) {
            found.push(format!("{how}: the secret"));
        }
    }
}
