//! Standard streams that an embedder gives a guest: the process's own, nothing, bytes in memory, async readers and writers.
//!
//! Knows hosts' streams and buffers; must never know guest memory or descriptors' rights.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::errno::Errno;

/// How many bytes an async reader is asked for at once, and how many go to an async writer in one piece.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Where a guest's standard input comes from.
pub struct Stdin(pub(crate) Input);

pub(crate) enum Input {
    Inherit,
    Null,
    Fd(OwnedFd),
    Memory(MemoryInputPipe),
    Reader(SharedReader),
}

impl Stdin {
    /// The standard input of this process.
    pub fn inherit() -> Stdin {
        Stdin(Input::Inherit)
    }

    /// At its end from the start.
    pub fn null() -> Stdin {
        Stdin(Input::Null)
    }

    /// A file, pipe, terminal or socket of the host.
    pub fn from_fd(fd: impl Into<OwnedFd>) -> Stdin {
        Stdin(Input::Fd(fd.into()))
    }

    /// An async reader. A guest that reads while nothing has come is suspended.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Stdin {
        Stdin(Input::Reader(SharedReader(Arc::new(Mutex::new(
            ReaderState {
                reader: Box::pin(reader),
                buffer: VecDeque::new(),
                end: None,
            },
        )))))
    }
}

impl From<MemoryInputPipe> for Stdin {
    fn from(pipe: MemoryInputPipe) -> Stdin {
        Stdin(Input::Memory(pipe))
    }
}

/// Where a guest's standard output or error goes.
pub struct Stdout(pub(crate) Output);

pub(crate) enum Output {
    Inherit,
    Null,
    Fd(OwnedFd),
    Memory(MemoryOutputPipe),
    Writer(SharedWriter),
}

impl Stdout {
    /// The corresponding stream of this process.
    pub fn inherit() -> Stdout {
        Stdout(Output::Inherit)
    }

    /// Swallows everything.
    pub fn null() -> Stdout {
        Stdout(Output::Null)
    }

    /// A file, pipe, terminal or socket of the host.
    pub fn from_fd(fd: impl Into<OwnedFd>) -> Stdout {
        Stdout(Output::Fd(fd.into()))
    }

    /// An async writer. A guest that writes faster than it takes is suspended.
    pub fn from_writer(writer: impl AsyncWrite + Send + 'static) -> Stdout {
        Stdout(Output::Writer(SharedWriter(Arc::new(Mutex::new(
            Box::pin(writer),
        )))))
    }
}

impl From<MemoryOutputPipe> for Stdout {
    fn from(pipe: MemoryOutputPipe) -> Stdout {
        Stdout(Output::Memory(pipe))
    }
}

/// Never poisoned in effect: no code that can panic runs under these locks except an embedder's reader or writer.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes in memory that a guest reads. Clones share the position.
#[derive(Debug, Clone)]
pub struct MemoryInputPipe(Arc<Mutex<(Vec<u8>, usize)>>);

impl MemoryInputPipe {
    /// A stream of these bytes, then its end.
    pub fn new(bytes: impl Into<Vec<u8>>) -> MemoryInputPipe {
        MemoryInputPipe(Arc::new(Mutex::new((bytes.into(), 0))))
    }

    /// How many bytes nobody has read yet.
    pub fn remaining(&self) -> usize {
        let state = lock(&self.0);
        state.0.len() - state.1
    }

    /// Lets `take` see what is left; it says how much it took.
    pub(crate) fn read_with<E>(
        &self,
        take: impl FnOnce(&[u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut state = lock(&self.0);
        let (bytes, position) = &mut *state;
        let count = take(&bytes[*position..])?;
        *position += count;
        Ok(count)
    }
}

/// Memory that takes what a guest writes, up to a capacity. Clones share the contents.
#[derive(Debug, Clone)]
pub struct MemoryOutputPipe {
    capacity: usize,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl MemoryOutputPipe {
    /// Takes at most `capacity` bytes; a guest that writes more gets `nospc`. Memory is taken as the guest writes.
    pub fn new(capacity: usize) -> MemoryOutputPipe {
        MemoryOutputPipe {
            capacity,
            bytes: Arc::default(),
        }
    }

    /// What has been written so far.
    pub fn contents(&self) -> Vec<u8> {
        lock(&self.bytes).clone()
    }

    /// Lets `fill` append; it is told how many bytes there is room for.
    pub(crate) fn write_with(
        &self,
        wanted: usize,
        fill: impl FnOnce(usize, &mut Vec<u8>) -> Result<(), Errno>,
    ) -> Result<usize, Errno> {
        let mut bytes = lock(&self.bytes);
        let before = bytes.len();
        let room = self.capacity.saturating_sub(before).min(wanted);
        if room == 0 && wanted > 0 {
            return Err(Errno::Nospc);
        }
        fill(room, &mut bytes)?;
        Ok(bytes.len() - before)
    }
}

struct ReaderState {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    buffer: VecDeque<u8>,
    /// Set when the reader ended (`Success`) or failed.
    end: Option<Errno>,
}

/// An async reader with what it delivered and nobody has read yet; shared by a descriptor and those who wait for it.
#[derive(Clone)]
pub(crate) struct SharedReader(Arc<Mutex<ReaderState>>);

impl SharedReader {
    pub(crate) fn same(&self, other: &SharedReader) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Ready when bytes are buffered or the reader is at its end; asks the reader if not.
    pub(crate) fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if !state.buffer.is_empty() || state.end.is_some() {
            return Poll::Ready(());
        }
        let mut chunk = [0; 8192];
        let mut target = ReadBuf::new(&mut chunk);
        match state.reader.as_mut().poll_read(cx, &mut target) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if target.filled().is_empty() => state.end = Some(Errno::Success),
            Poll::Ready(Ok(())) => state.buffer.extend(target.filled()),
            Poll::Ready(Err(error)) => state.end = Some(error.into()),
        }
        Poll::Ready(())
    }

    /// How many bytes can be read now, or `None` if a read would wait. Zero means the end.
    pub(crate) fn available(&self) -> Option<usize> {
        // The next attempt that waits registers its own waker, so a lost wake-up here does no harm.
        match self.poll_fill(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(()) => Some(lock(&self.0).buffer.len()),
            Poll::Pending => None,
        }
    }

    /// Lets `take` see the first buffered bytes; it says how many it took. Call after [`SharedReader::available`].
    pub(crate) fn read_with(
        &self,
        take: impl FnOnce(&[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut state = lock(&self.0);
        if state.buffer.is_empty() {
            return match state.end {
                None | Some(Errno::Success) => Ok(0),
                Some(errno) => {
                    state.end = Some(Errno::Success);
                    Err(errno)
                }
            };
        }
        let count = take(state.buffer.as_slices().0)?;
        state.buffer.drain(..count);
        Ok(count)
    }
}

/// An async writer, shared by a descriptor and a wait for it.
#[derive(Clone)]
pub(crate) struct SharedWriter(Arc<Mutex<Pin<Box<dyn AsyncWrite + Send>>>>);

impl SharedWriter {
    /// Hands over all bytes and flushes.
    pub(crate) async fn write_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        let mut written = 0;
        while written < bytes.len() {
            let count =
                poll_fn(|cx| lock(&self.0).as_mut().poll_write(cx, &bytes[written..])).await?;
            if count == 0 {
                return Err(Errno::Pipe);
            }
            written += count;
        }
        poll_fn(|cx| lock(&self.0).as_mut().poll_flush(cx)).await?;
        Ok(())
    }

    /// Writes what goes in at once; `None` if nothing does.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Option<Result<usize, Errno>> {
        let mut writer = lock(&self.0);
        let mut cx = Context::from_waker(Waker::noop());
        match writer.as_mut().poll_write(&mut cx, bytes) {
            Poll::Ready(Ok(count)) => {
                let _ = writer.as_mut().poll_flush(&mut cx);
                Some(Ok(count))
            }
            Poll::Ready(Err(error)) => Some(Err(error.into())),
            Poll::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_pipe_hands_out_its_bytes_once() {
        let pipe = MemoryInputPipe::new(*b"hello");
        assert_eq!(
            pipe.read_with(|bytes| Ok::<_, Errno>(bytes.len().min(2))),
            Ok(2)
        );
        assert_eq!(pipe.remaining(), 3);
        let clone = pipe.clone();
        assert_eq!(clone.read_with(|bytes| Ok::<_, Errno>(bytes.len())), Ok(3));
        assert_eq!(pipe.read_with(|bytes| Ok::<_, Errno>(bytes.len())), Ok(0));
    }

    #[test]
    fn an_output_pipe_stops_at_its_capacity() {
        let pipe = MemoryOutputPipe::new(5);
        let append = |text: &'static [u8]| {
            pipe.write_with(text.len(), |room, bytes| {
                bytes.extend_from_slice(&text[..room]);
                Ok(())
            })
        };
        assert_eq!(append(b"abc"), Ok(3));
        assert_eq!(append(b"defg"), Ok(2));
        assert_eq!(append(b"h"), Err(Errno::Nospc));
        assert_eq!(append(b""), Ok(0));
        assert_eq!(pipe.contents(), b"abcde");
    }

    #[tokio::test]
    async fn a_reader_reports_pending_bytes_and_end() {
        use tokio::io::AsyncWriteExt;
        let (mut near, far) = tokio::io::duplex(64);
        let Stdin(Input::Reader(reader)) = Stdin::from_reader(far) else {
            panic!("a reader")
        };
        assert_eq!(reader.available(), None);
        near.write_all(b"xyz").await.expect("room");
        assert_eq!(reader.available(), Some(3));
        assert_eq!(reader.read_with(|bytes| Ok(bytes.len())), Ok(3));
        drop(near);
        assert_eq!(reader.available(), Some(0));
        assert_eq!(reader.read_with(|_| panic!("nothing to take")), Ok(0));
    }
}
