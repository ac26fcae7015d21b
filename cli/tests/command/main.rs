//! The built command, from its command line to what it prints and how it exits.
//! These tests must never know anything of the crates beneath it.

mod bad_input;
mod compile;
mod exit;
mod granting;
mod guests;
mod invoke;
mod options;
mod support;
mod tools;
