//! x86-64: the trampolines between a thread's own stack and a wasm stack.
//!
//! ```text
//!      thread's own stack                       wasm stack (top of the slot is high)
//!      ┌──────────────────────┐                 ┌──────────────────────────────┐ slot end
//!      │ caller of `enter`    │                 │ StackHeader { activation … } │
//!      ├──────────────────────┤                 ├──────────────────────────────┤ entry_sp
//!      │ ret, rbp, rbx,       │   enter         │ activation, frame            │
//!      │ r12 … r15, pad       │ ──────────────► │ stack arguments              │
//!      ├──────────────────────┤ ◄─ host_sp      │ ret into enter               │
//!      │ activation ×2        │   call_host     │ wasm frames …                │
//!      │ ret into call_host   │ ◄────────────── │ stack arguments, ret         │
//!      │ shim, host function  │                 │ rbp ◄─────────────── wasm_fp │
//!      └──────────────────────┘                 │ HostFrame ◄───────── wasm_sp │
//!                                               └──────────────────────────────┘
//! ```
//! Cranelift's `tail` convention keeps the platform's callee-saved registers, so a host function
//! preserves them for wasm and `call_host` saves none, unless the call is suspended: then they go
//! to the HostFrame. rax, r10 and r11 are dead at every function's entry; stubs use only these.

mod bulk;

pub(crate) use bulk::quick_entry;

use crate::vm::activation::Activation;
use crate::vm::host_func::HostFunc;
use crate::vm::stack::{STACK_STRIDE, StackHeader};
use std::arch::global_asm;
use std::mem::{MaybeUninit, offset_of, size_of};

/// Arguments and results of a call between host and wasm, by the convention's register numbers.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct CallFrame {
    /// Integer registers: on entry vmctx, then parameters; on return results from index 0.
    pub int: [u64; 8],
    /// Vector registers, written and read only where the function's type has any.
    pub vec: [MaybeUninit<u128>; 8],
}

impl CallFrame {
    /// Integer registers zero, vector registers not written: most calls have none.
    pub const NEW: CallFrame = CallFrame {
        int: [0; 8],
        vec: [MaybeUninit::uninit(); 8],
    };

    /// The contents of vector register `n`.
    ///
    /// # Safety
    /// It was written: by whoever made the frame for a function with that argument, or by a
    /// trampoline for a function whose type has vectors.
    #[inline]
    pub unsafe fn vector(&self, n: u8) -> u128 {
        // SAFETY: the caller's promise.
        unsafe { self.vec[n as usize].assume_init() }
    }

    /// Writes vector register `n`.
    #[inline]
    pub fn set_vector(&mut self, n: u8, bits: u128) {
        self.vec[n as usize] = MaybeUninit::new(bits);
    }
}

/// What `call_host` keeps on the wasm stack below the saved frame pointer.
#[repr(C, align(16))]
pub(crate) struct HostFrame {
    pub(crate) call: CallFrame,
    pub(crate) func: *const HostFunc,
    saved: [u64; 5],
}

const HEADER_BACK: usize = size_of::<StackHeader>() - 1;

global_asm!(
    r#"
    .p2align 4
    .globl craneway_enter
    // craneway_enter(rdi: *mut Activation, rsi: code, rdx: *mut CallFrame) -> Exit
craneway_enter:
    push rbp
    mov rbp, rsp
    push rbx
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8
    mov [rdi + {HOST_SP}], rsp
    mov rcx, [rdi + {STACK_BYTES}]
    mov r8, [rdi + {STACK_ARGS}]
    mov r11, rsi
    mov r10, rdx
    mov rsp, [rdi + {ENTRY_SP}]
    .globl craneway_enter_wasm_begin
craneway_enter_wasm_begin:
    push rdi
    push rdx
    test rcx, rcx
    jnz 3f
1:  cmp dword ptr [rdi + {VECTORS}], 0
    je 2f
    movups xmm0, [r10 + 64]
    movups xmm1, [r10 + 80]
    movups xmm2, [r10 + 96]
    movups xmm3, [r10 + 112]
    movups xmm4, [r10 + 128]
    movups xmm5, [r10 + 144]
    movups xmm6, [r10 + 160]
    movups xmm7, [r10 + 176]
2:  mov rdi, [r10]
    mov rsi, [r10 + 8]
    mov rdx, [r10 + 16]
    mov rcx, [r10 + 24]
    mov r8, [r10 + 32]
    mov r9, [r10 + 40]
    call r11
    .globl craneway_enter_return
craneway_enter_return:
    mov r11, [rsp]
    mov r10, [rsp + 8]
    mov [r11], rax
    mov [r11 + 8], rcx
    mov [r11 + 16], rdx
    mov [r11 + 24], rsi
    mov [r11 + 32], rdi
    mov [r11 + 40], r8
    cmp dword ptr [r10 + {VECTORS}], 0
    je 4f
    movups [r11 + 64], xmm0
    movups [r11 + 80], xmm1
    movups [r11 + 96], xmm2
    movups [r11 + 112], xmm3
    movups [r11 + 128], xmm4
    movups [r11 + 144], xmm5
    movups [r11 + 160], xmm6
    movups [r11 + 176], xmm7
4:  xor eax, eax
    jmp craneway_leave_with_rax
    // Stack arguments, highest first; rcx is a multiple of 16, so the stack stays aligned.
3:  push qword ptr [r8 + rcx - 8]
    sub rcx, 8
    jnz 3b
    jmp 1b

    // A signal handler sends trapped code here with r10 = activation.
    .globl craneway_leave
craneway_leave:
    mov eax, 1
craneway_leave_with_rax:
    mov rsp, [r10 + {HOST_SP}]
    .globl craneway_enter_wasm_end
craneway_enter_wasm_end:
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

    .p2align 4
    .globl craneway_resume
    // craneway_resume(rdi: *mut Activation) -> Exit: continues behind a host call that was pending
craneway_resume:
    push rbp
    mov rbp, rsp
    push rbx
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8
    mov [rdi + {HOST_SP}], rsp
    mov r10, rdi
    mov rbp, [r10 + {WASM_FP}]
    mov rsp, [r10 + {WASM_SP}]
    mov rbx, [rsp + {SAVED}]
    mov r12, [rsp + {SAVED} + 8]
    mov r13, [rsp + {SAVED} + 16]
    mov r14, [rsp + {SAVED} + 24]
    mov r15, [rsp + {SAVED} + 32]
    jmp craneway_host_results

    .p2align 4
    .globl craneway_resume_at_handler
    // craneway_resume_at_handler(rdi: *mut Activation) -> Exit: the pending host call threw, and a
    // handler of this activation was found
craneway_resume_at_handler:
    push rbp
    mov rbp, rsp
    push rbx
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8
    mov [rdi + {HOST_SP}], rsp
    mov r10, rdi
    jmp craneway_to_handler

    .p2align 4
    .globl craneway_call_host
    // Reached from a host stub; r11 = its data {{ this address, *const HostFunc }}, rdi = caller's vmctx.
craneway_call_host:
    push rbp
    mov rbp, rsp
    sub rsp, {FRAME}
    mov r11, [r11 + 8]
    mov [rsp], rdi
    mov [rsp + 8], rsi
    mov [rsp + 16], rdx
    mov [rsp + 24], rcx
    mov [rsp + 32], r8
    mov [rsp + 40], r9
    mov [rsp + {FUNC}], r11
    cmp byte ptr [r11 + {HF_VECTORS}], 0
    je 1f
    movups [rsp + 64], xmm0
    movups [rsp + 80], xmm1
    movups [rsp + 96], xmm2
    movups [rsp + 112], xmm3
    movups [rsp + 128], xmm4
    movups [rsp + 144], xmm5
    movups [rsp + 160], xmm6
    movups [rsp + 176], xmm7
1:  mov r10, rsp
    or r10, {STRIDE_MASK}
    mov r10, [r10 - {HEADER_BACK} + {HEADER_ACTIVATION}]
    mov [r10 + {WASM_SP}], rsp
    mov [r10 + {WASM_FP}], rbp
2:  mov rsi, rdi
    mov rdi, r11
    mov rdx, rsp
    lea rcx, [rbp + 16]
    mov r8, r10
    mov rsp, [r10 + {HOST_SP}]
    push r10
    push r10
    call [r11 + {HF_SHIM}]
    pop r10
    pop r10
    mov rsp, [r10 + {WASM_SP}]
    test eax, eax
    jnz 5f
craneway_host_results:
    mov r11, [rsp + {FUNC}]
    cmp byte ptr [r11 + {HF_VECTORS}], 0
    jne 4f
3:  mov rax, [rsp]
    mov rcx, [rsp + 8]
    mov rdx, [rsp + 16]
    mov rsi, [rsp + 24]
    mov rdi, [rsp + 32]
    mov r8, [rsp + 40]
    mov r11d, [r11 + {HF_POP}]
    mov rsp, rbp
    pop rbp
    test r11d, r11d
    jnz 6f
    ret
4:  movups xmm0, [rsp + 64]
    movups xmm1, [rsp + 80]
    movups xmm2, [rsp + 96]
    movups xmm3, [rsp + 112]
    movups xmm4, [rsp + 128]
    movups xmm5, [rsp + 144]
    movups xmm6, [rsp + 160]
    movups xmm7, [rsp + 176]
    jmp 3b
    // The callee pops its stack arguments in this convention.
6:  pop r10
    add rsp, r11
    jmp r10
    // Outcomes other than Return.
5:  cmp eax, 1
    je craneway_leave
    cmp eax, 2
    je 7f
    cmp eax, 3
    je 8f
craneway_to_handler:
    // Resume: an exception handler; the payload registers of this convention are rax and rdx.
    mov rax, [r10 + {RESUME}]
    mov rdx, [r10 + {RESUME} + 8]
    mov r11, [r10 + {RESUME} + 16]
    mov rsp, [r10 + {RESUME} + 24]
    mov rbp, [r10 + {RESUME} + 32]
    jmp r11
    // Pending: wasm's callee-saved registers wait in the HostFrame.
7:  mov [rsp + {SAVED}], rbx
    mov [rsp + {SAVED} + 8], r12
    mov [rsp + {SAVED} + 16], r13
    mov [rsp + {SAVED} + 24], r14
    mov [rsp + {SAVED} + 32], r15
    mov eax, 2
    jmp craneway_leave_with_rax
    // Again: the shim is called anew on the same frame.
8:  mov r11, [rsp + {FUNC}]
    mov rdi, [rsp]
    jmp 2b
    .globl craneway_call_host_end
craneway_call_host_end:
"#,
    HOST_SP = const offset_of!(Activation, host_sp),
    ENTRY_SP = const offset_of!(Activation, entry_sp),
    WASM_SP = const offset_of!(Activation, wasm_sp),
    WASM_FP = const offset_of!(Activation, wasm_fp),
    STACK_ARGS = const offset_of!(Activation, stack_args),
    STACK_BYTES = const offset_of!(Activation, stack_bytes),
    VECTORS = const offset_of!(Activation, vectors),
    RESUME = const offset_of!(Activation, resume),
    FRAME = const size_of::<HostFrame>(),
    FUNC = const offset_of!(HostFrame, func),
    SAVED = const offset_of!(HostFrame, saved),
    HF_SHIM = const offset_of!(HostFunc, shim),
    HF_POP = const offset_of!(HostFunc, pop_bytes),
    HF_VECTORS = const offset_of!(HostFunc, vectors),
    STRIDE_MASK = const STACK_STRIDE - 1,
    HEADER_BACK = const HEADER_BACK,
    HEADER_ACTIVATION = const offset_of!(StackHeader, activation),
);

/// How `enter` or `resume` came back.
pub(crate) mod exit {
    /// The function returned; results are in the frame.
    pub(crate) const RETURNED: u32 = 0;
    /// It left: trap, error, panic or exception waits in the activation.
    pub(crate) const LEFT: u32 = 1;
    /// A host future is pending in the activation.
    pub(crate) const PENDING: u32 = 2;
}

#[allow(
    improper_ctypes,
    reason = "the trampolines know only the leading fields, which are repr(C)"
)]
unsafe extern "C" {
    /// Switches to the activation's wasm stack and calls `code`.
    pub(crate) fn craneway_enter(
        activation: *mut Activation,
        code: usize,
        frame: *mut CallFrame,
    ) -> u32;
    /// Continues a pending activation whose host frame holds the results.
    pub(crate) fn craneway_resume(activation: *mut Activation) -> u32;
    /// Continues a pending activation at the handler in `resume`.
    pub(crate) fn craneway_resume_at_handler(activation: *mut Activation) -> u32;
    fn craneway_call_host();
    fn craneway_call_host_end();
    fn craneway_enter_wasm_begin();
    fn craneway_enter_wasm_end();
    fn craneway_enter_return();
    fn craneway_leave();
}

/// Address that every host stub jumps to.
pub(crate) fn call_host_address() -> usize {
    craneway_call_host as *const () as usize
}

/// How far `pc` is into the trampoline for host calls, if it lies there.
pub(crate) fn offset_in_call_host(pc: usize) -> Option<u32> {
    let range = call_host_address()..craneway_call_host_end as *const () as usize;
    range.contains(&pc).then(|| (pc - range.start) as u32)
}

/// Return address that ends the frames of an activation.
pub(crate) fn enter_return_address() -> usize {
    craneway_enter_return as *const () as usize
}

/// Whether `pc` is trampoline code that runs on a wasm stack, where only the stack can overflow.
pub(crate) fn is_trampoline(pc: usize) -> bool {
    let call_host = call_host_address()..craneway_call_host_end as *const () as usize;
    let enter = craneway_enter_wasm_begin as *const () as usize
        ..craneway_enter_wasm_end as *const () as usize;
    // The copies and fills push nothing and stay inside: a fault there is ours, or of a file that
    // was cut off.
    call_host.contains(&pc) || enter.contains(&pc) || bulk::contains(pc)
}

/// Bytes of one stub or thunk.
pub(crate) const STUB_BYTES: usize = 16;

/// `lea r11, [rip + distance]; jmp [r11]`: the data entry `distance` behind the stub holds
/// `{ call_host, &HostFunc }`.
pub(crate) fn host_stub(distance: u32) -> [u8; STUB_BYTES] {
    let mut code = [0xcc; STUB_BYTES];
    code[..3].copy_from_slice(&[0x4c, 0x8d, 0x1d]);
    code[3..7].copy_from_slice(&(distance - 7).to_le_bytes());
    code[7..10].copy_from_slice(&[0x41, 0xff, 0x23]);
    code
}

/// `mov rdi, [rip + distance]; jmp [rip + distance + 8]`: the data entry holds `{ vmctx, code }`.
pub(crate) fn thunk(distance: u32) -> [u8; STUB_BYTES] {
    let mut code = [0xcc; STUB_BYTES];
    code[..3].copy_from_slice(&[0x48, 0x8b, 0x3d]);
    code[3..7].copy_from_slice(&(distance - 7).to_le_bytes());
    code[7..9].copy_from_slice(&[0xff, 0x25]);
    code[9..13].copy_from_slice(&(distance + 8 - 13).to_le_bytes());
    code
}

/// The registers of an interrupted context that traps are concerned with.
pub(crate) struct Registers {
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
}

/// Reads the registers of a signal's context.
///
/// # Safety
/// `context` is the third argument of an `SA_SIGINFO` handler.
pub(crate) unsafe fn read_context(context: *mut libc::c_void) -> Registers {
    // SAFETY: the caller passes the kernel's context, a valid ucontext_t.
    let gregs = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    Registers {
        pc: gregs[libc::REG_RIP as usize] as usize,
        sp: gregs[libc::REG_RSP as usize] as usize,
        fp: gregs[libc::REG_RBP as usize] as usize,
    }
}

/// Makes the context continue at `leave` for `activation`.
///
/// # Safety
/// As [`read_context`]; the context was interrupted on the wasm stack of `activation`.
pub(crate) unsafe fn redirect_to_leave(context: *mut libc::c_void, activation: *mut Activation) {
    // SAFETY: as above; the handler owns the context until it returns.
    let gregs = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    gregs[libc::REG_RIP as usize] = craneway_leave as *const () as i64;
    gregs[libc::REG_R10 as usize] = activation as i64;
}

/// Where a frame was interrupted within a prologue, the distance from sp to its return address.
///
/// Every function starts with `push rbp; mov rbp, rsp`: before the push the return address is at
/// sp, between the two it is one word above, and rbp is the caller's in both cases.
pub(crate) fn prologue_return_slot(offset_in_function: u32) -> Option<usize> {
    match offset_in_function {
        0 => Some(0),
        1 => Some(8),
        _ => None,
    }
}
