//! Throwing: the handler is searched by walking frames, then `call_host` continues there.
//!
//! Code outside try regions pays nothing for this: call sites with handlers are listed in the
//! image, and a frame's tags are those of the instance whose vmctx it keeps.

use super::activation::{Activation, Resume, Unwind};
use super::backtrace::{Frame, Frames};
use super::code;
use super::handles::Object;
use super::host_func::Outcome;
use super::store::TagRecord;

/// Throws the exception `handle` in `activation`: finds its handler, or leaves.
///
/// # Safety
/// A shim of this activation is running and returns the result.
pub unsafe fn throw(activation: *mut Activation, handle: u32) -> Outcome {
    // SAFETY: the activation is stopped in our host call; its store is alive.
    unsafe {
        let store = (*activation).store;
        let Some(Object::Exn { tag, .. }) = (*store).handles.get(handle) else {
            return (*activation).leave(Unwind::Error(anyhow::anyhow!(
                "a thrown reference is not an exception"
            )));
        };
        let tag = *tag;
        for frame in Frames::of(activation) {
            if let Some(target) = handler(frame, tag) {
                (*activation).resume = Resume {
                    payload0: u64::from(handle),
                    payload1: 0,
                    ..target
                };
                return Outcome::Resume;
            }
        }
        (*activation).leave(Unwind::Exception(handle))
    }
}

/// Where `frame` catches exceptions of the tag `thrown`, if it does.
///
/// # Safety
/// The frame's activation is stopped.
unsafe fn handler(frame: Frame, thrown: *const TagRecord) -> Option<Resume> {
    // SAFETY: frames belong to modules that their store holds; the context slot is one the
    // compiler declared for this call site.
    unsafe {
        let module = code::find(frame.pc)?;
        let site = module.image().call_site_at(module.offset_of(frame.pc)?)?;
        let sp = frame.fp - site.frame_offset as usize;
        let vmctx = *((sp + site.context_offset as usize) as *const usize);
        let matches = |tag: Option<u32>| {
            tag.is_none_or(|index| {
                let field = vmctx.wrapping_add_signed(module.layout().tag(index) as isize);
                *(field as *const *const TagRecord) == thrown
            })
        };
        let mut handlers = module.image().handlers(site);
        let (_, target) = handlers.find(|(tag, _)| matches(*tag))?;
        Some(Resume {
            pc: module.base() + target as usize,
            sp,
            fp: frame.fp,
            ..Resume::NONE
        })
    }
}
