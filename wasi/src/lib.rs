//! WASI preview 1 (`wasi_snapshot_preview1` and its forerunner `wasi_unstable`) as async host functions over tokio.
//!
//! Give a store a [`WasiCtx`], built by [`WasiCtxBuilder`], and call [`p1::add_to_linker`]. A function that can answer at
//! once does so without allocating and without the executor; one that would block suspends the guest.
//!
//! The crate knows the public API of `craneway` and the host's system calls; it must never know how code is generated,
//! nor what a command line looks like.
//!
//! # What the embedder has to provide
//! Guests that sleep or wait for pipes, terminals and sockets need a tokio runtime with its time and I/O drivers on.
//! Without any runtime around them such calls block the thread instead, so plain synchronous embeddings work too.

#![deny(unsafe_code)]

mod call;
mod clocks;
mod ctx;
mod errno;
#[cfg(test)]
mod escape;
mod fs;
mod memory;
pub mod p1;
mod random;
mod stdio;
mod stream;
mod table;
mod timer;
pub mod trace;
mod types;
mod wait;

pub use clocks::{
    HostMonotonicClock, HostWallClock, SystemMonotonicClock, SystemWallClock, VirtualClock,
};
pub use ctx::{ConfigError, DirPerms, FilePerms, WasiCtx, WasiCtxBuilder};
pub use errno::Errno;
pub use fs::{Resolver, VirtualDir, VirtualDirError};
pub use random::{HostRandom, SeededRandom, SystemRandom};
pub use stdio::{MemoryInputPipe, MemoryOutputPipe, Stdin, Stdout};

// The escape tests share the guest of the interface's tests, which names the crate from outside.
#[cfg(test)]
extern crate self as craneway_wasi;

/// The error that `proc_exit` raises: the guest ended itself with this code.
///
/// It travels through the call as a host error: `err.downcast_ref::<I32Exit>()` finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the guest exited with code {0}")]
pub struct I32Exit(pub i32);
