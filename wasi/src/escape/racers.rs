//! Who changes the tree while the hostile guest walks it: the host, and a second guest with the same grant.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags};

use super::guest::{DIR, Guest};
use super::world::{MOVED, World};
use crate::Resolver;

/// How many swaps were completed.
#[derive(Default)]
pub(super) struct Swaps(AtomicU64);

impl Swaps {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn done(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Exchanges directories with links that lead outside, each time in one step, and moves a directory out and back.
pub(super) fn host(world: &World, swaps: &Swaps, stop: &AtomicBool) {
    let pairs = [("in/swap", "in/evil"), ("in/sub/swap", "in/sub/evil")]
        .map(|(one, other)| (world.path(one), world.path(other)));
    let inside = world.path("in/sub").join(MOVED);
    let outside = world.path("hold").join(MOVED);
    let mut out = false;
    for round in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if round % 1024 == 0 {
            repair(world);
        }
        for (one, other) in &pairs {
            if rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
                swaps.done();
            }
        }
        let (from, to) = if out {
            (&outside, &inside)
        } else {
            (&inside, &outside)
        };
        if std::fs::rename(from, to).is_ok() {
            swaps.done();
        } else if !outside.exists() && !inside.exists() {
            let _ = std::fs::create_dir_all(inside.join("inner"));
        }
        out = outside.exists();
    }
}

/// Makes sure that of each pair one is a directory and one a link: guests may have removed or replaced either.
fn repair(world: &World) {
    let is_dir = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    for (dir, target) in [("in", "../out"), ("in/sub", "../../out")] {
        let [one, other] = ["swap", "evil"].map(|name| world.path(dir).join(name));
        if (is_dir(&one) && is_link(&other)) || (is_link(&one) && is_dir(&other)) {
            continue;
        }
        for place in [&one, &other] {
            if is_dir(place) {
                let _ = std::fs::remove_dir_all(place);
            } else {
                let _ = std::fs::remove_file(place);
            }
        }
        let _ = std::fs::create_dir_all(one.join("dir"));
        let _ = std::fs::write(one.join("secret"), "nothing that is secret");
        let _ = std::os::unix::fs::symlink(target, other);
    }
}

/// Swaps a directory and a link by calls of a guest's, which may do no more than the hostile one.
pub(super) fn second_guest(world: &World, resolver: Resolver, swaps: &Swaps, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut guest = Guest::resolving(&world.path("in"), (true, resolver)).await;
        // Whatever fails because the other guest was faster is tried again in the next round.
        while !stop.load(Ordering::Relaxed) {
            let _ = guest.symlink("../../out", DIR, "second/link").await;
            let _ = guest
                .two_paths("path_rename", (DIR, "second/swap"), (DIR, "second/kept"))
                .await;
            let link = guest
                .two_paths("path_rename", (DIR, "second/link"), (DIR, "second/swap"))
                .await;
            if link.is_ok() {
                swaps.done();
            }
            let _ = guest.at("path_unlink_file", DIR, "second/swap", &[]).await;
            let back = guest
                .two_paths("path_rename", (DIR, "second/kept"), (DIR, "second/swap"))
                .await;
            if back.is_ok() {
                swaps.done();
            } else {
                let _ = guest.at("path_create_directory", DIR, "second", &[]).await;
                let _ = guest
                    .at("path_create_directory", DIR, "second/swap", &[])
                    .await;
            }
        }
    });
}
