//! Host functions: what a stub points at.
//!
//! A host function needs no compiled code: its stub jumps to `call_host`, which calls the shim on
//! the thread's own stack, or, where all values travel in registers, is itself the way there. It
//! lives as long as a linker, store or engine holds it.

use super::activation::Activation;
use super::arch::{self, CallFrame, DirectShim};
use super::signatures::SigId;
use super::stubs::{StubSlot, direct_stubs, host_stubs};
use craneway_jit::abi::{CallAbi, FuncRecord, Loc};
use craneway_jit::module::FuncType;
use std::any::Any;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a shim tells `call_host` to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// Load the results and return to wasm.
    Return = 0,
    /// Leave wasm: the reason waits in the activation.
    Leave = 1,
    /// Suspend the call: a future waits in the activation.
    Pending = 2,
    /// Call the shim again with the same frame.
    #[allow(
        dead_code,
        reason = "part of what call_host understands; bulk builtins return it once requests can cut them"
    )]
    Again = 3,
    /// Continue at the exception handler in the activation.
    Resume = 4,
}

/// The entry of a host function: `(func, caller's vmctx or 0, frame, stack arguments, activation)`.
///
/// Arguments lie in `frame` and on the wasm stack as [`CallAbi`] says; results are written to the
/// frame. It never unwinds: panics are caught and left in the activation.
pub type Shim = unsafe extern "C" fn(
    *const HostFunc,
    usize,
    *mut CallFrame,
    *mut u8,
    *mut Activation,
) -> Outcome;

/// How a host function is entered.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// Through a frame, whatever its type.
    Frame(Shim),
    /// With its arguments in registers: at most five integers and eight floats, at most one result.
    /// It returns, leaves or resumes at a handler, and is never pending.
    Direct(DirectShim),
}

/// A host function. `call_host` knows the first fields.
#[repr(C)]
pub struct HostFunc {
    pub(crate) shim: Shim,
    /// Bytes of stack arguments to pop.
    pub(crate) pop_bytes: u32,
    /// Whether vector registers carry anything.
    pub(crate) vectors: u8,
    record: FuncRecord,
    direct: Option<DirectShim>,
    closure: Box<dyn Any + Send + Sync>,
    ty: FuncType,
    abi: CallAbi,
    /// Frees the stub when the function goes.
    stub: StubSlot,
}

// SAFETY: immutable after construction; the closure is Send + Sync and the addresses in the record
// are of memory that lives as long as the value.
unsafe impl Send for HostFunc {}
// SAFETY: as above.
unsafe impl Sync for HostFunc {}

impl std::fmt::Debug for HostFunc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostFunc")
            .field("ty", &self.ty)
            .finish_non_exhaustive()
    }
}

/// Calls a host function that has a direct entry where the arguments are in a frame: the host calls it.
unsafe extern "C" fn direct_through_frame(
    func: *const HostFunc,
    caller: usize,
    frame: *mut CallFrame,
    _: *mut u8,
    activation: *mut Activation,
) -> Outcome {
    // SAFETY: the arguments are those of a shim of this function; all its values are in the frame.
    unsafe {
        let Some(direct) = (*func).direct else {
            unreachable!("only functions with a direct entry have this shim")
        };
        let in_vector = |l: &&Loc| matches!(l, Loc::Vec(_));
        let vectors = (*func).abi.params.iter().filter(in_vector).count();
        direct.call(func, vectors, caller, &mut *frame, activation)
    }
}

impl HostFunc {
    /// A host function of type `ty` (whose canonical id is `sig_id`), entered by `entry`.
    ///
    /// # Errors
    /// When the system refuses memory for another page of stubs.
    pub fn new(
        entry: Entry,
        closure: Box<dyn Any + Send + Sync>,
        ty: FuncType,
        sig_id: SigId,
    ) -> std::io::Result<Arc<HostFunc>> {
        let abi = CallAbi::new(&ty);
        let (shim, direct) = match entry {
            Entry::Frame(shim) => (shim, None),
            Entry::Direct(direct) => (direct_through_frame as Shim, Some(direct)),
        };
        let stub = match direct {
            Some(direct) => direct_stubs().allocate_calling(direct.address())?,
            None => host_stubs().allocate()?,
        };
        let code = stub.code();
        let func = Arc::new(HostFunc {
            shim,
            pop_bytes: abi.stack_bytes,
            vectors: u8::from(abi.uses_vectors),
            record: FuncRecord {
                thunk: code,
                code,
                vmctx: 0,
                sig_id: sig_id.0,
                func_index: u32::MAX,
            },
            direct,
            closure,
            ty,
            abi,
            stub,
        });
        let address = Arc::as_ptr(&func) as u64;
        match direct {
            Some(direct) => {
                let exit = arch::direct_exit_address() as u64;
                func.stub.write([direct.address() as u64, address, exit]);
            }
            None => func.stub.write([arch::call_host_address() as u64, address]),
        }
        Ok(func)
    }

    /// Its record: the value of a reference to it.
    pub fn record(&self) -> NonNull<FuncRecord> {
        NonNull::from(&self.record)
    }

    /// The host function that a record with vmctx 0 is embedded in.
    pub fn of_record(record: &FuncRecord) -> *const HostFunc {
        (record as *const FuncRecord)
            .wrapping_byte_sub(offset_of!(HostFunc, record))
            .cast()
    }

    /// The closure given at construction.
    pub fn closure(&self) -> &(dyn Any + Send + Sync) {
        &*self.closure
    }

    /// Its type.
    pub fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// Where its arguments and results are.
    pub fn abi(&self) -> &CallAbi {
        &self.abi
    }
}
