//! The built command, from its command line to what it prints and how it exits.
//! These tests must never know anything of the crates beneath it.

mod bad_input;
mod bench;
mod compile;
mod config;
mod exit;
mod granting;
mod guests;
mod invoke;
mod options;
mod pipes;
mod signals;
mod support;
mod terminal;
mod tools;
mod wasi;
