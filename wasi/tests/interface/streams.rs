//! Standard streams: memory, pipes, files, async readers and writers; waiting, closing, and not waiting.

use std::io::Read;
use std::time::Duration;

use craneway_wasi::{Errno, MemoryInputPipe, MemoryOutputPipe, Stdin, Stdout, WasiCtxBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::guest::{Guest, READ, SEEK, WRITE};

#[tokio::test(flavor = "multi_thread")]
async fn memory_pipes() {
    let (output, errors) = (MemoryOutputPipe::new(8), MemoryOutputPipe::new(100));
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdin(MemoryInputPipe::new(*b"some input"))
        .stdout(output.clone())
        .stderr(errors.clone());
    let mut guest = Guest::new(&mut builder).await;
    assert_eq!(guest.read(0, 4).await, Ok(b"some".to_vec()));
    assert_eq!(guest.read(0, 100).await, Ok(b" input".to_vec()));
    assert_eq!(guest.read(0, 100).await, Ok(vec![]), "the end");
    assert_eq!(guest.write(1, b"12345").await, Ok(5));
    assert_eq!(
        guest.write(1, b"6789").await,
        Ok(3),
        "as much as there is room for"
    );
    assert_eq!(guest.write(1, b"9").await, Err(Errno::Nospc));
    assert_eq!(guest.write(2, b"oops").await, Ok(4));
    assert_eq!(
        (output.contents(), errors.contents()),
        (b"12345678".to_vec(), b"oops".to_vec())
    );
    assert_eq!(guest.write(0, b"x").await, Err(Errno::Notcapable));
    assert_eq!(guest.read(1, 1).await, Err(Errno::Notcapable));
    assert_eq!(guest.seek(1, 0, 1).await, Err(Errno::Spipe));
    guest.call("fd_fdstat_get", &[1, 0]).await.expect("open");
    assert_eq!(guest.get(0, 1), [0], "of no kind that the interface knows");
    assert_eq!(guest.u64(8) & (READ | WRITE | SEEK), WRITE);
    guest.call("fd_filestat_get", &[1, 0]).await.expect("open");
    guest.call("fd_close", &[1]).await.expect("open");
    assert_eq!(guest.write(1, b"x").await, Err(Errno::Badf));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_and_everything_swallowed_by_default() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
    assert_eq!(guest.read(0, 10).await, Ok(vec![]));
    assert_eq!(guest.write(1, b"anything").await, Ok(8));
    assert_eq!(guest.write(2, b"anything").await, Ok(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_pipe_waits_for_its_writer() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtxBuilder::new().stdin(Stdin::from_fd(reader))).await;
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        std::io::Write::write_all(&mut writer, b"late").expect("somebody reads");
    });
    assert_eq!(guest.read(0, 100).await, Ok(b"late".to_vec()));
    sender.join().expect("it sends");
    assert_eq!(guest.read(0, 100).await, Ok(vec![]), "the writer is gone");
    // A guest that does not want to wait.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtxBuilder::new().stdin(Stdin::from_fd(reader))).await;
    assert_eq!(guest.call("fd_fdstat_set_flags", &[0, 4]).await, Ok(()));
    assert_eq!(guest.read(0, 100).await, Err(Errno::Again));
    drop(writer);
    assert_eq!(guest.read(0, 100).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_write_to_a_pipe_goes_through_whole() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtxBuilder::new().stdout(Stdout::from_fd(writer))).await;
    let receiver = std::thread::spawn(move || {
        let (mut all, mut chunk) = (Vec::new(), [0; 3000]);
        loop {
            std::thread::sleep(Duration::from_micros(100));
            match reader.read(&mut chunk).expect("readable") {
                0 => return all,
                count => all.extend_from_slice(&chunk[..count]),
            }
        }
    });
    // More than a pipe holds, from overlapping buffers.
    let bytes: Vec<u8> = (0..60_000_u32).map(|index| (index % 253) as u8).collect();
    guest.put(1024, &bytes);
    guest.put_u32s(0, &[1024, 60_000, 1024, 60_000, 1024, 60_000, 1024, 60_000]);
    assert_eq!(guest.call("fd_write", &[1, 0, 4, 64]).await, Ok(()));
    assert_eq!(guest.u32(64), 240_000);
    guest.call("fd_close", &[1]).await.expect("open");
    assert!(receiver.join().expect("it reads") == bytes.repeat(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_to_nobody_is_a_broken_pipe() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtxBuilder::new().stdout(Stdout::from_fd(writer))).await;
    assert_eq!(guest.write(1, b"heard").await, Ok(5));
    drop(reader);
    assert_eq!(guest.write(1, b"not heard").await, Err(Errno::Pipe));
    // A guest that does not want to wait writes what there is room for.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtxBuilder::new().stdout(Stdout::from_fd(writer))).await;
    assert_eq!(guest.call("fd_fdstat_set_flags", &[1, 4]).await, Ok(()));
    let mut total = 0;
    let last = loop {
        match guest.write(1, &[7; 50_000]).await {
            Ok(count) => total += count,
            Err(errno) => break errno,
        }
    };
    assert_eq!(last, Errno::Again);
    assert!(total >= 4096);
    drop(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_as_standard_stream_is_a_file() {
    let mut file = tempfile::tempfile().expect("temporary file");
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(Stdout::from_fd(file.try_clone().expect("a copy")));
    for blocking in [true, false] {
        let copy = file.try_clone().expect("a copy");
        let mut guest = Guest::new(
            builder
                .stdout(Stdout::from_fd(copy))
                .allow_blocking_files(blocking),
        )
        .await;
        guest.call("fd_fdstat_get", &[1, 0]).await.expect("open");
        assert_eq!(guest.get(0, 1), [4], "a regular file");
        assert_ne!(guest.u64(8) & SEEK, 0);
        assert_eq!(guest.seek(1, 0, 0).await, Ok(0));
        assert_eq!(guest.write(1, b"text").await, Ok(4));
    }
    let mut text = String::new();
    std::io::Seek::rewind(&mut file).expect("rewind");
    file.read_to_string(&mut text).expect("readable");
    assert_eq!(text, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_no_terminal_is_told_apart() {
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("there");
    let mut guest = Guest::new(WasiCtxBuilder::new().stdout(Stdout::from_fd(null))).await;
    guest.call("fd_fdstat_get", &[1, 0]).await.expect("open");
    assert_eq!(guest.get(0, 1), [2], "a character device");
    assert_ne!(
        guest.u64(8) & SEEK,
        0,
        "libc takes a device that cannot seek for a terminal"
    );
    assert_eq!(guest.seek(1, 0, 1).await, Ok(0));
    assert_eq!(guest.write(1, b"gone").await, Ok(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_a_terminal() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&near).expect("ours");
    unlockpt(&near).expect("ours");
    let name = ptsname(&near, Vec::new()).expect("it has a name");
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let far = || rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).expect("it opens");
    let mut builder = WasiCtxBuilder::new();
    let input = far();
    let shared = rustix::io::dup(&input).expect("a copy of the same description");
    builder
        .stdin(Stdin::from_fd(input))
        .stdout(Stdout::from_fd(far()));
    let mut guest = Guest::new(&mut builder).await;
    for fd in [0, 1] {
        guest.call("fd_fdstat_get", &[fd, 0]).await.expect("open");
        assert_eq!(guest.get(0, 1), [2], "a character device");
        assert_eq!(
            guest.u64(8) & (SEEK | 1 << 5),
            0,
            "that libc takes for a terminal"
        );
    }
    assert_eq!(guest.write(1, b"prompt").await, Ok(6));
    let mut near = std::fs::File::from(near);
    let mut seen = [0; 6];
    near.read_exact(&mut seen).expect("it shows");
    assert_eq!(&seen, b"prompt");
    let typist = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        std::io::Write::write_all(&mut near, b"half a line").expect("open");
        std::thread::sleep(Duration::from_millis(20));
        std::io::Write::write_all(&mut near, b", then the rest\n").expect("open");
        near
    });
    assert_eq!(
        guest.read(0, 100).await,
        Ok(b"half a line, then the rest\n".to_vec()),
        "a line at a time"
    );
    drop(typist.join().expect("it types"));
    let host = rustix::fs::fcntl_getfl(&shared).expect("open");
    assert!(
        !host.contains(rustix::fs::OFlags::NONBLOCK),
        "others' view of the terminal stays as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn async_readers_and_writers() {
    let (mut near, far) = tokio::io::duplex(16);
    let (far_reader, far_writer) = tokio::io::split(far);
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdin(Stdin::from_reader(far_reader))
        .stdout(Stdout::from_writer(far_writer));
    let mut guest = Guest::new(&mut builder).await;
    let bytes: Vec<u8> = (0..1000_u32).map(|index| index as u8).collect();
    let expected = bytes.clone();
    let peer = tokio::spawn(async move {
        let mut received = vec![0; expected.len()];
        near.read_exact(&mut received).await.expect("they come");
        assert_eq!(received, expected);
        near.write_all(b"answer").await.expect("somebody reads");
        near.shutdown().await.expect("it ends");
        near
    });
    assert_eq!(
        guest.write(1, &bytes).await,
        Ok(1000),
        "all of it, though sixteen fit at once"
    );
    assert_eq!(guest.read(0, 100).await, Ok(b"answer".to_vec()));
    drop(peer.await.expect("the peer is content"));
    assert_eq!(guest.read(0, 100).await, Ok(vec![]));
    assert_eq!(
        guest.write(1, b"x").await,
        Err(Errno::Pipe),
        "the peer is gone"
    );
}
