//! Host descriptors that can block: pipes, terminals, sockets and devices, moved without ever blocking a worker.
//!
//! The host's file description may be shared with other processes (a terminal with the shell), so `O_NONBLOCK` is never
//! set on it. A transfer asks the kernel not to wait, or asks `poll` first where the kernel cannot be asked so.
//! Must never know the descriptor table or the context.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::PollFlags;

use crate::errno::Errno;
use crate::memory::{IoVecs, Transfer};
use crate::types::{FileType, Rights};
use crate::wait::{self, Direction};

/// What a stream is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Pipe,
    Terminal,
    Socket,
    Listener,
    /// A device that is no terminal: it is taken never to block, as `/dev/null`.
    Device,
}

/// A host descriptor that is not a regular file.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) class: Class,
    /// Cleared when the kernel turns out not to know transfers that do not wait.
    nowait: bool,
}

/// What a transfer came to.
pub(crate) enum Moved {
    Bytes(usize),
    WouldBlock,
}

impl Stream {
    pub(crate) fn new(fd: OwnedFd, class: Class) -> Stream {
        Stream {
            fd: Arc::new(fd),
            class,
            nowait: matches!(class, Class::Pipe | Class::Socket),
        }
    }

    /// Finds out what the descriptor is. `Err` returns it when it is a regular file or a directory.
    pub(crate) fn classify(fd: OwnedFd, filetype: FileType) -> Result<Stream, OwnedFd> {
        let class = match filetype {
            FileType::RegularFile
            | FileType::Directory
            | FileType::BlockDevice
            | FileType::SymbolicLink => {
                return Err(fd);
            }
            FileType::SocketDgram | FileType::SocketStream => Class::Socket,
            FileType::CharacterDevice if rustix::termios::isatty(&fd) => Class::Terminal,
            FileType::CharacterDevice => Class::Device,
            FileType::Unknown => Class::Pipe,
        };
        Ok(Stream::new(fd, class))
    }

    /// The rights that make sense on it.
    pub(crate) fn rights(&self) -> Rights {
        match self.class {
            Class::Pipe | Class::Terminal => Rights::STREAM,
            Class::Socket => Rights::SOCKET,
            Class::Listener => Rights::LISTENER,
            Class::Device => Rights::DEVICE,
        }
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self, vecs: &mut IoVecs<'_>) -> Result<Moved, Errno> {
        if self.nowait {
            match vecs.read_from(self.fd.as_fd(), Transfer::NoWait) {
                Ok(count) => return Ok(Moved::Bytes(count)),
                Err(Errno::Again) => return Ok(Moved::WouldBlock),
                Err(Errno::Notsup | Errno::Nosys) => self.nowait = false,
                Err(errno) => return Err(errno),
            }
        }
        if self.class != Class::Device && self.poll(Direction::READ)?.is_empty() {
            return Ok(Moved::WouldBlock);
        }
        match vecs.read_from(self.fd.as_fd(), Transfer::Here) {
            Ok(count) => Ok(Moved::Bytes(count)),
            // Someone else opened the description with `O_NONBLOCK`, and another reader was faster.
            Err(Errno::Again) => Ok(Moved::WouldBlock),
            Err(errno) => Err(errno),
        }
    }

    /// Writes what goes in, leaving out the first `skip` bytes.
    pub(crate) fn write(&mut self, vecs: &IoVecs<'_>, skip: usize) -> Result<Moved, Errno> {
        if self.class == Class::Socket {
            // Writes to a socket whose peer is gone must not raise a signal either.
            match vecs.send_to(self.fd.as_fd(), skip) {
                Ok(count) => return Ok(Moved::Bytes(count)),
                Err(Errno::Again) => return Ok(Moved::WouldBlock),
                Err(errno) => return Err(errno),
            }
        }
        if self.nowait {
            match vecs.write_to(self.fd.as_fd(), Transfer::NoWait, skip) {
                Ok(count) => return Ok(Moved::Bytes(count)),
                Err(Errno::Again) => return Ok(Moved::WouldBlock),
                Err(Errno::Notsup | Errno::Nosys) => self.nowait = false,
                Err(errno) => return Err(errno),
            }
        }
        if self.class != Class::Device && self.poll(Direction::WRITE)?.is_empty() {
            return Ok(Moved::WouldBlock);
        }
        match vecs.write_to(self.fd.as_fd(), Transfer::Here, skip) {
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(Errno::Again) => Ok(Moved::WouldBlock),
            Err(errno) => Err(errno),
        }
    }

    /// For what it is ready now.
    pub(crate) fn poll(&self, direction: Direction) -> Result<PollFlags, Errno> {
        wait::poll_now(&*self.fd, direction)
    }

    /// How many bytes can be read now, as far as the host says.
    pub(crate) fn readable_bytes(&self) -> u64 {
        rustix::io::ioctl_fionread(&*self.fd).unwrap_or(0)
    }
}
