//! Unix: mappings through `region` where it serves, `libc` where it does not.

mod files;
mod memory;
mod near;
mod signals;
mod thread;

pub(crate) use files::{FileMap, in_mapped_file, map_copy, sealed_memory_file};
pub(crate) use memory::{
    CodeAlias, HUGE_PAGE, Reservation, make_accessible, make_inaccessible, make_read_only,
    make_zero, page_size, prefer_huge_pages, reserve_aligned, throw_away,
};
pub(crate) use near::NearCode;
pub(crate) use signals::{Fault, fault, install_handlers};
pub(crate) use thread::{prepare_thread, stack_left};
