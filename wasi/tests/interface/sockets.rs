//! Sockets handed over by the embedder.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use craneway_wasi::{DirPerms, Errno, FilePerms, WasiCtxBuilder};

use crate::guest::Guest;

const LISTENER: u64 = 4;

/// A guest with a directory and a listener, and the listener's address.
async fn listening() -> (Guest, std::net::SocketAddr, tempfile::TempDir) {
    let outer = tempfile::tempdir().expect("temporary directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut builder = WasiCtxBuilder::new();
    builder.preopened_listener(listener).expect("usable");
    builder
        .preopened_dir(outer.path(), ".", DirPerms::all(), FilePerms::all())
        .expect("exists");
    (Guest::new(&mut builder).await, address, outer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_from_acceptance_to_shutdown() {
    let (mut guest, address, _outer) = listening().await;
    assert_eq!(
        guest.call("fd_prestat_get", &[LISTENER, 0]).await,
        Err(Errno::Badf),
        "behind all directories"
    );
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[LISTENER, 4]).await,
        Ok(())
    );
    assert_eq!(
        guest.call("sock_accept", &[LISTENER, 0, 0]).await,
        Err(Errno::Again),
        "nobody is there"
    );
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[LISTENER, 0]).await,
        Ok(())
    );
    let client = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(b"first ").expect("connected");
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(b"second").expect("connected");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("connected");
        answer
    });
    guest
        .call("sock_accept", &[LISTENER, 0, 0])
        .await
        .expect("it waits and somebody comes");
    let socket: u64 = guest.u32(0).into();
    assert_eq!(socket, 5);
    guest.put_u32s(0, &[100, 6, 200, 6]);
    // Peeking leaves the bytes where they are.
    assert_eq!(
        guest.call("sock_recv", &[socket, 0, 1, 1, 64, 68]).await,
        Ok(())
    );
    assert_eq!(
        (guest.u32(64), guest.u16(68), guest.get(100, 6)),
        (6, 0, b"first ".to_vec())
    );
    // Waiting for all of it.
    assert_eq!(
        guest.call("sock_recv", &[socket, 0, 2, 2, 64, 68]).await,
        Ok(())
    );
    assert_eq!(
        (guest.u32(64), guest.get(100, 6), guest.get(200, 6)),
        (12, b"first ".to_vec(), b"second".to_vec())
    );
    assert_eq!(
        guest.call("sock_send", &[socket, 0, 2, 1, 64]).await,
        Err(Errno::Inval),
        "there are no flags"
    );
    assert_eq!(
        guest.call("sock_send", &[socket, 0, 2, 0, 64]).await,
        Ok(())
    );
    assert_eq!(guest.u32(64), 12);
    assert_eq!(
        guest.write(socket as u32, b"!").await,
        Ok(1),
        "plain writes do too"
    );
    assert_eq!(
        guest.call("sock_shutdown", &[socket, 0]).await,
        Err(Errno::Inval)
    );
    assert_eq!(
        guest.call("sock_shutdown", &[socket, 4]).await,
        Err(Errno::Inval)
    );
    assert_eq!(guest.call("sock_shutdown", &[socket, 2]).await, Ok(()));
    assert_eq!(client.join().expect("it is content"), "first second!");
    assert_eq!(
        guest.call("sock_recv", &[socket, 0, 1, 0, 64, 68]).await,
        Ok(())
    );
    assert_eq!(guest.u32(64), 0, "the end");
    assert_eq!(
        guest.call("sock_send", &[socket, 0, 1, 0, 64]).await,
        Err(Errno::Pipe),
        "no signal, an error"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_and_connections_are_not_mixed_up() {
    let (mut guest, address, _outer) = listening().await;
    let _client = TcpStream::connect(address).expect("somebody listens");
    guest
        .call("sock_accept", &[LISTENER, 4, 0])
        .await
        .expect("somebody is there");
    let socket: u64 = guest.u32(0).into();
    guest.put_u32s(0, &[100, 6]);
    assert_eq!(
        guest.call("sock_recv", &[socket, 0, 1, 0, 64, 68]).await,
        Err(Errno::Again),
        "opened not to wait"
    );
    assert_eq!(
        guest.call("sock_accept", &[socket, 0, 0]).await,
        Err(Errno::Inval)
    );
    assert_eq!(
        guest.call("sock_accept", &[LISTENER, 1, 0]).await,
        Err(Errno::Inval),
        "a flag of files"
    );
    assert_eq!(
        guest.call("sock_recv", &[LISTENER, 0, 1, 0, 64, 68]).await,
        Err(Errno::Notconn)
    );
    assert_eq!(
        guest.call("sock_recv", &[socket, 0, 1, 4, 64, 68]).await,
        Err(Errno::Inval)
    );
    guest.put_u32s(0, &[u32::MAX, 6]);
    assert_eq!(
        guest.call("sock_recv", &[socket, 0, 1, 0, 64, 68]).await,
        Err(Errno::Fault)
    );
    assert_eq!(
        guest.call("sock_send", &[socket, 0, 1, 0, 64]).await,
        Err(Errno::Fault)
    );
    for fd in [1, 3] {
        assert_eq!(
            guest.call("sock_shutdown", &[fd, 1]).await,
            Err(Errno::Notsock)
        );
    }
}
