//! Walks through what std asks of the system, in the directory of the first argument, and prints what each call gave.
#![feature(wasi_ext)]

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::wasi::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn say<T: Debug>(what: &str, result: io::Result<T>) {
    match result {
        Ok(value) => println!("{what}: {value:?}"),
        Err(error) => println!("{what}: {:?} {:?}", error.kind(), error.raw_os_error()),
    }
}

fn files(root: &Path) -> io::Result<()> {
    let path = root.join("a.txt");
    say("create", File::create_new(&path).map(drop));
    say("create again", File::create_new(&path).map(drop));
    say("open what is not there", File::open(root.join("none")).map(drop));
    say("open with a zero byte", File::open(root.join("a\0b")).map(drop));
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    say("write", file.write(b"0123456789"));
    say("write at", file.write_all_at(b"AB", 4));
    say("seek", file.seek(SeekFrom::Start(3)));
    say("seek before the start", file.seek(SeekFrom::Current(-4)));
    let mut text = String::new();
    say("read", file.read_to_string(&mut text));
    println!("  {text}");
    let mut two = [0; 2];
    say("read at", file.read_exact_at(&mut two, 4));
    say("read past the end", file.read_exact_at(&mut two, 9));
    say("set length", file.set_len(5));
    say("length", file.metadata().map(|data| data.len()));
    say("sync", file.sync_all().and_then(|()| file.sync_data()));
    let moment = UNIX_EPOCH + Duration::new(1_000, 7);
    say("set times", file.set_times(fs::FileTimes::new().set_modified(moment).set_accessed(moment)));
    say("modified", file.metadata()?.modified().map(|time| time.duration_since(UNIX_EPOCH)));
    say("set a time before 1970", file.set_modified(UNIX_EPOCH - Duration::from_secs(1)));
    say("read what is open to write", OpenOptions::new().write(true).open(&path)?.read(&mut two));
    say("append", OpenOptions::new().append(true).open(&path)?.write(b"end"));
    say("contents", fs::read_to_string(&path));
    say("truncate and append", OpenOptions::new().append(true).truncate(true).open(&path).map(drop));
    say("copy", fs::copy(&path, root.join("copy")));
    say("exists", path.try_exists().and_then(|a| Ok((a, root.join("none").try_exists()?))));
    Ok(())
}

fn names(root: &Path) -> io::Result<()> {
    say("create directories", fs::create_dir_all(root.join("x/y/z")));
    say("create a directory again", fs::create_dir(root.join("x")));
    fs::write(root.join("x/one"), "1")?;
    fs::write(root.join("x/y/two"), "22")?;
    say("hard link", fs::hard_link(root.join("x/one"), root.join("hard")));
    say("symbolic link", std::os::wasi::fs::symlink_path("x/one", root.join("soft")));
    say("read link", fs::read_link(root.join("soft")));
    say("what it is", fs::symlink_metadata(root.join("soft")).map(|data| data.file_type().is_symlink()));
    say("what it names", fs::metadata(root.join("soft")).map(|data| (data.is_file(), data.len())));
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("x"))? {
        let entry = entry?;
        found.push((entry.file_name(), entry.file_type()?.is_dir(), entry.metadata()?.len() > 0));
    }
    found.sort();
    println!("list: {:?}", found.iter().map(|(name, dir, _)| (name, dir)).collect::<Vec<_>>());
    say("list a file", fs::read_dir(root.join("copy")).map(drop));
    say("rename", fs::rename(root.join("hard"), root.join("moved")));
    say("rename over", fs::rename(root.join("moved"), root.join("copy")));
    say("rename a file over a directory", fs::rename(root.join("copy"), root.join("x")));
    say("rename a directory over a file", fs::rename(root.join("x"), root.join("copy")));
    say("rename what is not there", fs::rename(root.join("none"), root.join("other")));
    say("remove a full directory", fs::remove_dir(root.join("x")));
    say("remove a directory as a file", fs::remove_file(root.join("x")));
    say("remove a file as a directory", fs::remove_dir(root.join("copy")));
    say("remove the link", fs::remove_file(root.join("soft")));
    say("remove all", fs::remove_dir_all(root.join("x")));
    let mut left: Vec<_> = fs::read_dir(root)?.map(|entry| entry.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    left.sort();
    println!("left: {left:?}");
    say("canonicalize", fs::canonicalize(root.join("copy")).map(drop));
    say("out of the directory", File::open(root.join("../../etc/passwd")).map(drop));
    Ok(())
}

fn the_rest() -> io::Result<()> {
    let lines: Vec<_> = io::stdin().lock().lines().collect::<Result<_, _>>()?;
    println!("stdin: {lines:?}, terminal {}", io::stdin().is_terminal());
    println!("arguments: {:?}", std::env::args().collect::<Vec<_>>());
    println!("variable: {:?} {:?}", std::env::var("GIVEN"), std::env::var("NONE").is_err());
    let (begin, wall) = (Instant::now(), SystemTime::now());
    std::thread::sleep(Duration::from_millis(15));
    println!("slept: {} {}", begin.elapsed() >= Duration::from_millis(15), wall.elapsed().is_ok());
    println!("hashes differ: {}", {
        use std::hash::BuildHasher;
        let random = std::collections::hash_map::RandomState::new;
        random().hash_one(1) != random().hash_one(1)
    });
    println!("threads: {:?}", std::thread::Builder::new().spawn(|| ()).map(drop).map_err(|e| e.kind()));
    eprintln!("to stderr");
    Ok(())
}

fn main() {
    let root = std::env::args().nth(1).expect("a directory");
    let root = Path::new(&root);
    let outcome = files(root).and_then(|()| names(root)).and_then(|()| the_rest());
    println!("outcome: {outcome:?}");
    std::process::exit(3);
}
