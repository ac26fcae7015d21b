//! The interface as a guest meets it: every test calls functions through a wasm module that forwards them.
//!
//! Knows public APIs only.

mod clocks;
mod descriptors;
mod directories;
mod guest;
mod kinds;
mod memory;
mod paths;
mod poll;
mod process;
mod sizes;
mod sockets;
mod streams;
mod trace;
mod unstable;
mod virtual_dirs;
