//! Unix: mappings through `region` where it serves, `libc` where it does not.

mod files;
mod memory;
mod signals;
mod thread;

pub(crate) use files::{FileMap, in_mapped_file, map_copy, sealed_memory_file};
pub(crate) use memory::{
    CodeAlias, Reservation, make_accessible, make_read_only, page_size, reserve_aligned,
};
pub(crate) use signals::{Fault, install_handlers};
pub(crate) use thread::{prepare_thread, stack_left};
