//! Waiting: clocks, descriptors, both, and lists that make no sense.

use std::time::{Duration, Instant};

use craneway_wasi::{DirPerms, Errno, FilePerms, MemoryInputPipe, Stdin, Stdout, WasiCtxBuilder};
use tokio::io::AsyncWriteExt;

use crate::guest::{ALL_RIGHTS, DIR, Guest, READ};

const SUBSCRIPTIONS: u32 = 1024;
const EVENTS: u32 = 8192;

pub(crate) fn clock(userdata: u64, id: u32, timeout: u64, absolute: bool) -> [u8; 48] {
    let mut record = [0; 48];
    record[..8].copy_from_slice(&userdata.to_le_bytes());
    record[16..20].copy_from_slice(&id.to_le_bytes());
    record[24..32].copy_from_slice(&timeout.to_le_bytes());
    record[40] = absolute.into();
    record
}

fn descriptor(userdata: u64, kind: u8, fd: u32) -> [u8; 48] {
    let mut record = [0; 48];
    record[..8].copy_from_slice(&userdata.to_le_bytes());
    record[8] = kind;
    record[16..20].copy_from_slice(&fd.to_le_bytes());
    record
}

/// What happened: user data, error number, kind, bytes, flags.
type Event = (u64, u16, u8, u64, u16);

async fn poll(guest: &mut Guest, subscriptions: &[[u8; 48]]) -> Result<Vec<Event>, Errno> {
    guest.put(SUBSCRIPTIONS, &subscriptions.concat());
    guest.put(EVENTS, &vec![0xee; subscriptions.len() * 32]);
    let count = subscriptions.len() as u64;
    guest
        .call(
            "poll_oneoff",
            &[SUBSCRIPTIONS.into(), EVENTS.into(), count, 0],
        )
        .await?;
    let stored = guest.u32(0);
    Ok((0..stored)
        .map(|index| {
            let at = EVENTS + 32 * index;
            (
                guest.u64(at),
                guest.u16(at + 8),
                guest.get(at + 10, 1)[0],
                guest.u64(at + 16),
                guest.u16(at + 24),
            )
        })
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_make_no_sense() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
    assert_eq!(
        guest.call("poll_oneoff", &[0, 0, 0, 0]).await,
        Err(Errno::Inval),
        "nothing to wait for"
    );
    assert_eq!(
        guest.call("poll_oneoff", &[0, 0, 1_000_000, 0]).await,
        Err(Errno::Fault)
    );
    assert_eq!(
        guest.call("poll_oneoff", &[0, 0, 0x0600_0000, 0]).await,
        Err(Errno::Fault),
        "overflows"
    );
    let events = poll(
        &mut guest,
        &[
            descriptor(7, 1, 99),
            descriptor(8, 9, 0),
            clock(9, 5, 0, false),
        ],
    )
    .await;
    let (badf, inval) = (Errno::Badf as u16, Errno::Inval as u16);
    assert_eq!(
        events,
        Ok(vec![
            (7, badf, 1, 0, 0),
            (8, inval, 9, 0, 0),
            (9, inval, 0, 0, 0)
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_wake_after_their_time() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
    let started = Instant::now();
    let events = poll(
        &mut guest,
        &[
            clock(1, 1, 60_000_000_000, false),
            clock(2, 0, 30_000_000, false),
        ],
    )
    .await;
    assert_eq!(events, Ok(vec![(2, 0, 0, 0, 0)]), "the earlier one only");
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert!(started.elapsed() < Duration::from_secs(30));
    guest
        .call("clock_time_get", &[1, 0, 16])
        .await
        .expect("there is such a clock");
    let now = guest.u64(16);
    let events = poll(
        &mut guest,
        &[clock(3, 1, now + 20_000_000, true), clock(4, 1, now, true)],
    )
    .await;
    assert_eq!(events, Ok(vec![(4, 0, 0, 0, 0)]), "one is over already");
    let events = poll(&mut guest, &[clock(3, 1, now + 20_000_000, true)]).await;
    assert_eq!(events, Ok(vec![(3, 0, 0, 0, 0)]));
    guest
        .call("clock_time_get", &[1, 0, 16])
        .await
        .expect("there is such a clock");
    assert!(guest.u64(16) >= now + 20_000_000);
    let events = poll(&mut guest, &[clock(5, 0, 1, true)]).await;
    assert_eq!(events, Ok(vec![(5, 0, 0, 0, 0)]), "1970 is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_memory_are_ready_at_once() {
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("f"), "0123456789").expect("write");
    let mut builder = WasiCtxBuilder::new();
    builder.stdin(MemoryInputPipe::new(*b"abc"));
    builder
        .preopened_dir(outer.path(), ".", DirPerms::all(), FilePerms::all())
        .expect("exists");
    let mut guest = Guest::new(&mut builder).await;
    let fd = guest.open(DIR, "f", 0, ALL_RIGHTS).await.expect("opens");
    guest.read(fd, 4).await.expect("readable");
    let never = clock(9, 1, u64::MAX, false);
    let events = poll(
        &mut guest,
        &[
            descriptor(1, 1, fd),
            never,
            descriptor(2, 2, fd),
            descriptor(3, 1, 0),
        ],
    )
    .await;
    assert_eq!(
        events,
        Ok(vec![(1, 0, 1, 6, 0), (2, 0, 2, 1, 0), (3, 0, 1, 3, 0)]),
        "bytes left to read are told"
    );
    let limited = guest.open(DIR, "f", 0, READ).await.expect("opens");
    let events = poll(
        &mut guest,
        &[descriptor(1, 1, limited), descriptor(2, 1, DIR)],
    )
    .await;
    assert_eq!(
        events,
        Ok(vec![
            (1, Errno::Notcapable as u16, 1, 0, 0),
            (2, Errno::Badf as u16, 1, 0, 0)
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_wakes_its_guest() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (far_reader, far_writer) = std::io::pipe().expect("a pipe");
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdin(Stdin::from_fd(reader))
        .stdout(Stdout::from_fd(far_writer));
    let mut guest = Guest::new(&mut builder).await;
    let timer = clock(9, 1, 20_000_000, false);
    let events = poll(&mut guest, &[descriptor(1, 1, 0), timer]).await;
    assert_eq!(events, Ok(vec![(9, 0, 0, 0, 0)]), "nothing comes");
    let events = poll(
        &mut guest,
        &[descriptor(1, 1, 0), descriptor(2, 2, 1), timer],
    )
    .await;
    assert_eq!(events, Ok(vec![(2, 0, 2, 1, 0)]), "there is room to write");
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        std::io::Write::write_all(&mut &writer, b"hello").expect("somebody reads");
        writer
    });
    let minute = clock(9, 1, 60_000_000_000, false);
    let events = poll(
        &mut guest,
        &[descriptor(1, 1, 0), minute, descriptor(3, 1, 0)],
    )
    .await;
    assert_eq!(events, Ok(vec![(1, 0, 1, 5, 0), (3, 0, 1, 5, 0)]));
    assert_eq!(guest.read(0, 100).await, Ok(b"hello".to_vec()));
    drop(sender.join().expect("it sends"));
    let events = poll(&mut guest, &[descriptor(1, 1, 0), minute]).await;
    assert_eq!(events, Ok(vec![(1, 0, 1, 0, 1)]), "the writer hung up");
    drop(far_reader);
    let events = poll(&mut guest, &[descriptor(2, 2, 1), minute])
        .await
        .expect("it is noticed");
    assert_eq!((events[0].0, events[0].4), (2, 1), "the reader hung up");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_reader_wakes_its_guest() {
    let (mut near, far) = tokio::io::duplex(64);
    let mut guest = Guest::new(WasiCtxBuilder::new().stdin(Stdin::from_reader(far))).await;
    let events = poll(
        &mut guest,
        &[descriptor(1, 1, 0), clock(9, 1, 20_000_000, false)],
    )
    .await;
    assert_eq!(events, Ok(vec![(9, 0, 0, 0, 0)]));
    let sender = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        near.write_all(b"late").await.expect("somebody reads");
        near
    });
    let events = poll(
        &mut guest,
        &[descriptor(1, 1, 0), clock(9, 1, 60_000_000_000, false)],
    )
    .await;
    assert_eq!(events, Ok(vec![(1, 0, 1, 4, 0)]));
    drop(sender.await.expect("it sends"));
}

/// Both ends of a terminal: the one that a person types on, and the guest's.
fn terminal() -> (std::fs::File, rustix::fd::OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&near).expect("ours");
    unlockpt(&near).expect("ours");
    let name = ptsname(&near, Vec::new()).expect("it has a name");
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let far = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).expect("it opens");
    (near.into(), far)
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_pipes_sockets_files_and_clocks_together() {
    use std::io::Write;
    let outer = tempfile::tempdir().expect("temporary directory");
    std::fs::write(outer.path().join("f"), "0123456789").expect("write");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let (place, fifo) = (outer.path().join("pipe"), rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(rustix::fs::CWD, &place, fifo, mode, 0).expect("make a pipe");
    let (mut typist, far) = terminal();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut builder = WasiCtxBuilder::new();
    builder.stdin(Stdin::from_fd(far));
    builder.preopened_listener(listener).expect("usable");
    builder
        .preopened_dir(outer.path(), ".", DirPerms::all(), FilePerms::all())
        .expect("exists");
    let mut guest = Guest::new(&mut builder).await;
    let connect = move || std::net::TcpStream::connect(address).expect("somebody listens");
    let mut peer = connect();
    let accepted = guest.call("sock_accept", &[4, 0, 0]).await;
    assert_eq!(accepted, Ok(()));
    let connection = guest.u32(0);
    let pipe = guest.open(DIR, "pipe", 0, ALL_RIGHTS & !crate::guest::WRITE);
    let pipe = pipe.await.expect("opens at once");
    let mut writer = std::fs::File::options()
        .write(true)
        .open(&place)
        .expect("somebody reads");
    let file = guest.open(DIR, "f", 0, ALL_RIGHTS).await.expect("opens");

    let waiting = [
        descriptor(1, 1, 0),
        descriptor(2, 1, pipe),
        descriptor(3, 1, 4),
        descriptor(4, 1, connection),
    ];
    let realtime = clock(8, 0, u64::MAX, true);
    let minute = clock(9, 1, 60_000_000_000, false);
    let with = |more: &[[u8; 48]]| [&waiting, more].concat();
    let soon = clock(7, 1, 20_000_000, false);
    let events = poll(&mut guest, &with(&[soon, realtime])).await;
    assert_eq!(events, Ok(vec![(7, 0, 0, 0, 0)]), "nothing comes");

    // Each alone ends the wait for all.
    let later = |act: Box<dyn FnOnce() + Send>| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            act();
        })
    };
    let mut line = typist.try_clone().expect("a copy");
    let act = later(Box::new(move || line.write_all(b"typed\n").expect("open")));
    let events = poll(&mut guest, &with(&[minute, realtime])).await;
    assert_eq!(events, Ok(vec![(1, 0, 1, 6, 0)]), "the terminal");
    act.join().expect("it types");
    assert_eq!(guest.read(0, 100).await, Ok(b"typed\n".to_vec()));
    let mut end = writer.try_clone().expect("a copy");
    let act = later(Box::new(move || end.write_all(b"abc").expect("open")));
    let events = poll(&mut guest, &with(&[minute, realtime])).await;
    assert_eq!(events, Ok(vec![(2, 0, 1, 3, 0)]), "the pipe");
    act.join().expect("it writes");
    assert_eq!(guest.read(pipe, 100).await, Ok(b"abc".to_vec()));
    let act = later(Box::new(move || drop(connect())));
    let events = poll(&mut guest, &with(&[minute, realtime])).await;
    let events = events.expect("it is noticed");
    assert_eq!((events.len(), events[0].0, events[0].1), (1, 3, 0));
    act.join().expect("it connects");
    assert_eq!(guest.call("sock_accept", &[4, 0, 0]).await, Ok(()));
    let mut end = peer.try_clone().expect("a copy");
    let act = later(Box::new(move || end.write_all(b"hello").expect("open")));
    let events = poll(&mut guest, &with(&[minute, realtime])).await;
    assert_eq!(events, Ok(vec![(4, 0, 1, 5, 0)]), "the connection");
    act.join().expect("it sends");
    assert_eq!(guest.read(connection, 100).await, Ok(b"hello".to_vec()));

    // And all of them at once, in the order of the list, with what is always ready.
    typist.write_all(b"x\n").expect("open");
    writer.write_all(b"y").expect("open");
    peer.write_all(b"z").expect("open");
    let caller = std::net::TcpStream::connect(address).expect("somebody listens");
    // Waits until everything has arrived.
    for fd in [0, pipe, 4, connection] {
        let one = poll(&mut guest, &[descriptor(1, 1, fd)]).await;
        assert!(one.is_ok_and(|events| events.len() == 1));
    }
    let past = clock(6, 0, 1, true);
    let more = [
        descriptor(5, 1, file),
        past,
        minute,
        descriptor(10, 2, connection),
    ];
    let events = poll(&mut guest, &with(&more)).await.expect("all happened");
    let who: Vec<_> = events.iter().map(|event| (event.0, event.1)).collect();
    let all = [1, 2, 3, 4, 5, 6, 10].map(|userdata| (userdata, 0));
    assert_eq!(who, all);
    drop(caller);
}
