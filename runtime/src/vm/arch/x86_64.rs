//! x86-64: the trampolines between a thread's own stack and a wasm stack.
//!
//! ```text
//!      thread's own stack                       wasm stack (top of the slot is high)
//!      ┌──────────────────────┐                 ┌──────────────────────────────┐ slot end
//!      │ caller of `enter`    │                 │ StackHeader { activation … } │
//!      ├──────────────────────┤                 ├──────────────────────────────┤ entry_sp
//!      │ saved registers,     │   enter         │ activation, frame            │
//!      │ where `leave` goes   │ ──────────────► │ stack arguments              │
//!      ├──────────────────────┤ ◄─ host_sp      │ ret into enter               │
//!      │ activation ×2        │   call_host     │ wasm frames …                │
//!      │ ret into call_host   │ ◄────────────── │ stack arguments, ret         │
//!      │ shim, host function  │                 │ rbp ◄─────────────── wasm_fp │
//!      └──────────────────────┘                 │ HostFrame ◄───────── wasm_sp │
//!                                               └──────────────────────────────┘
//! ```
//! Two ways lead in: [`enter_in_registers`], inlined into synchronous calls of Rust types, keeps
//! nothing on the wasm stack; `craneway_enter` takes stack arguments and can be resumed on another
//! thread's stack. Two lead out: `craneway_call_host` serves every signature; the direct stub, a
//! trampoline of its own for host functions whose values all travel in registers, hands them on
//! where they are. Both return by rbp alone, so that nothing waits for what was just stored.
//!
//! Cranelift's `tail` convention keeps the platform's callee-saved registers, so a host function
//! preserves them for wasm and `call_host` saves none, unless the call is suspended: then they go
//! to the HostFrame. rax, r10 and r11 are dead at every function's entry; stubs use only these.

mod bulk;

pub(crate) use bulk::quick_entry;

use crate::vm::activation::Activation;
use crate::vm::host_func::HostFunc;
use crate::vm::stack::{STACK_STRIDE, StackHeader};
use crate::vm::stubs::CHUNK;
use std::arch::{asm, global_asm, x86_64::__m128i};
use std::mem::{MaybeUninit, offset_of, size_of};

mod direct;

pub use direct::{DirectBody, DirectShim};

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
    // The host's side of every entry but the inlined one: where `leave` returns to lies at host_sp.
    .macro craneway_save_host
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    lea rax, [rip + craneway_left]
    push rax
    mov [rdi + {HOST_SP}], rsp
    .endm

    .p2align 4
    .globl craneway_enter
    // craneway_enter(rdi: *mut Activation, rsi: code, rdx: *mut CallFrame) -> Exit
craneway_enter:
    craneway_save_host
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
    jz 2f
    // Stack arguments, highest first; rcx is a multiple of 16, so the stack stays aligned.
3:  push qword ptr [r8 + rcx - 8]
    sub rcx, 8
    jnz 3b
2:  cmp dword ptr [rdi + {VECTORS}], 0
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
    // The host may be another than the one that entered: the call may have been suspended.
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
4:  mov rsp, [r10 + {HOST_SP}]
    .globl craneway_enter_wasm_end
craneway_enter_wasm_end:
    xor r11d, r11d
    add rsp, 8
craneway_left:
    mov eax, r11d
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

    .p2align 4
    .globl craneway_leave
    // A signal handler sends trapped code here with r10 = activation.
craneway_leave:
    mov r11d, {LEFT}
craneway_leave_with_status:
    mov rsp, [r10 + {HOST_SP}]
    ret

    .p2align 4
    .globl craneway_resume
    // craneway_resume(rdi: *mut Activation) -> Exit: continues behind a host call that was pending
craneway_resume:
    craneway_save_host
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
    craneway_save_host
    mov r10, rdi
    jmp craneway_to_handler

    .p2align 6
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
    jne 8f
3:  mov r10, rsp
    or r10, {STRIDE_MASK}
    mov r10, [r10 - {HEADER_BACK} + {HEADER_ACTIVATION}]
    mov [r10 + {WASM_SP}], rsp
    mov [r10 + {WASM_FP}], rbp
4:  mov rsi, rdi
    mov rdi, r11
    mov rdx, rsp
    lea rcx, [rbp + 16]
    mov r8, r10
    mov rsp, [r10 + {HOST_SP}]
    push r10
    push r10
    call [r11 + {HF_SHIM}]
    test eax, eax
    jnz 5f
    lea rsp, [rbp - {FRAME}]
craneway_host_results:
    mov r11, [rsp + {FUNC}]
    cmp byte ptr [r11 + {HF_VECTORS}], 0
    jne 6f
2:  mov rax, [rsp]
    mov rcx, [rsp + 8]
    mov rdx, [rsp + 16]
    mov rsi, [rsp + 24]
    mov rdi, [rsp + 32]
    mov r8, [rsp + 40]
    mov r11d, [r11 + {HF_POP}]
    mov rsp, rbp
    pop rbp
    test r11d, r11d
    jnz 7f
    ret
    // The callee pops its stack arguments in this convention.
7:  pop r10
    add rsp, r11
    jmp r10
6:  movups xmm0, [rsp + 64]
    movups xmm1, [rsp + 80]
    movups xmm2, [rsp + 96]
    movups xmm3, [rsp + 112]
    movups xmm4, [rsp + 128]
    movups xmm5, [rsp + 144]
    movups xmm6, [rsp + 160]
    movups xmm7, [rsp + 176]
    jmp 2b
8:  movups [rsp + 64], xmm0
    movups [rsp + 80], xmm1
    movups [rsp + 96], xmm2
    movups [rsp + 112], xmm3
    movups [rsp + 128], xmm4
    movups [rsp + 144], xmm5
    movups [rsp + 160], xmm6
    movups [rsp + 176], xmm7
    jmp 3b
    // Outcomes other than Return.
5:  pop r10
    mov rsp, [r10 + {WASM_SP}]
    cmp eax, 1
    je craneway_leave
    cmp eax, 2
    je 2f
    cmp eax, 3
    je 3f
craneway_to_handler:
    // Resume: an exception handler; the payload registers of this convention are rax and rdx.
    mov rax, [r10 + {RESUME}]
    mov rdx, [r10 + {RESUME} + 8]
    mov r11, [r10 + {RESUME} + 16]
    mov rsp, [r10 + {RESUME} + 24]
    mov rbp, [r10 + {RESUME} + 32]
    jmp r11
    // Pending: wasm's callee-saved registers wait in the HostFrame.
2:  mov [rsp + {SAVED}], rbx
    mov [rsp + {SAVED} + 8], r12
    mov [rsp + {SAVED} + 16], r13
    mov [rsp + {SAVED} + 24], r14
    mov [rsp + {SAVED} + 32], r15
    mov r11d, {PENDING}
    jmp craneway_leave_with_status
    // Again: the shim is called anew on the same frame.
3:  mov r11, [rsp + {FUNC}]
    mov rdi, [rsp]
    jmp 4b
    .globl craneway_call_host_end
craneway_call_host_end:

    .p2align 4
    .globl craneway_direct_exit
    // A direct stub's shim did not return normally: eax = outcome, rbp = wasm's frame. The activation
    // comes from its stack's header: the stub's copy was an argument, which is the shim's to overwrite.
craneway_direct_exit:
    mov r10, rbp
    or r10, {STRIDE_MASK}
    mov r10, [r10 - {HEADER_BACK} + {HEADER_ACTIVATION}]
    cmp eax, 1
    je craneway_leave
    jmp craneway_to_handler

    .p2align 6
    .globl craneway_direct_stub
    // Copied, never run here: the code of each direct stub. Its data, {CHUNK} bytes further on, is
    // {{ shim, *const HostFunc, craneway_direct_exit }}. Wasm's argument registers are the shim's;
    // function and activation are its first two stack arguments. Where the shim is within reach the
    // copy calls it directly. Its push is to the 16 bytes that hold the return address, so the wasm
    // stack cannot end here, and the trap handler need not know it.
craneway_direct_stub:
9:  push rbp
    mov rbp, rsp
    mov rax, rsp
    or rax, {STRIDE_MASK}
    mov r10, [rax - {HEADER_BACK} + {HEADER_ACTIVATION}]
    mov [r10 + {WASM_SP}], rsp
    mov [r10 + {WASM_FP}], rbp
    mov rsp, [r10 + {HOST_SP}]
    push r10
    push qword ptr [rip + 9b + {CHUNK} + 8]
    .globl craneway_direct_call
craneway_direct_call:
    call qword ptr [rip + 9b + {CHUNK}]
    test eax, eax
    jnz 2f
    mov rax, rdx
    mov rsp, rbp
    pop rbp
    ret
2:  jmp qword ptr [rip + 9b + {CHUNK} + 16]
    .globl craneway_direct_stub_end
craneway_direct_stub_end:
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
    LEFT = const exit::LEFT,
    PENDING = const exit::PENDING,
    CHUNK = const CHUNK,
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
    fn craneway_direct_exit();
    fn craneway_direct_call();
    fn craneway_direct_stub();
    fn craneway_direct_stub_end();
    fn craneway_enter_wasm_begin();
    fn craneway_enter_wasm_end();
    fn craneway_leave();
}

/// The inlined entry. rbp and rbx cannot be operands, so they are saved by hand; rbx, which wasm
/// preserves, holds the host's stack pointer. A call that leaves restores nothing else, hence r12 to
/// r15 are outputs. Label 3 is where it comes back, with r11 = how.
macro_rules! enter {
    ($activation:ident, $entry_sp:ident, $code:ident, $int:ident, $status:ident, $($vectors:tt)*) => {
        asm!(
            "push rbp",
            "push rbx",
            "lea r12, [rip + 3f]",
            "push r12",
            "push r12",
            "mov [r10 + {HOST_SP}], rsp",
            "mov rbx, rsp",
            "mov rsp, rax",
            "call r11",
            "lea rsp, [rbx + 8]",
            "xor r11d, r11d",
            "3:",
            "add rsp, 8",
            "pop rbx",
            "pop rbp",
            HOST_SP = const offset_of!(Activation, host_sp),
            inout("rax") $entry_sp => $int[0],
            inout("rdi") $int[0] => $int[4],
            inout("rsi") $int[1] => $int[3],
            inout("rdx") $int[2] => $int[2],
            inout("rcx") $int[3] => $int[1],
            inout("r8") $int[4] => $int[5],
            inout("r9") $int[5] => _,
            inout("r10") $activation => _,
            inout("r11") $code => $status,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            $($vectors)*
            clobber_abi("sysv64"),
        )
    };
}

/// Switches to the wasm stack at `entry_sp` and calls `code` with the registers of `frame`, which
/// holds the results afterwards. Only for synchronous calls: it returns to the stack that it left.
///
/// # Safety
/// `entry_sp` is a multiple of 16 on the wasm stack whose innermost activation `activation` is, with
/// room below for a return address; `code` takes what `frame` holds, all of it in registers, and uses
/// vector registers only if `VECTORS`.
#[inline(always)]
pub(crate) unsafe fn enter_in_registers<const VECTORS: bool>(
    activation: *mut Activation,
    entry_sp: usize,
    code: usize,
    frame: &mut CallFrame,
) -> u32 {
    let status: usize;
    let int = &mut frame.int;
    if VECTORS {
        // SAFETY: a register image is 16 bytes whatever its type.
        let vec = unsafe { &mut *(&raw mut frame.vec).cast::<[MaybeUninit<__m128i>; 8]>() };
        // SAFETY: the caller's promise; registers are saved as the macro says.
        unsafe {
            enter!(
                activation, entry_sp, code, int, status,
                inout("xmm0") vec[0],
                inout("xmm1") vec[1],
                inout("xmm2") vec[2],
                inout("xmm3") vec[3],
                inout("xmm4") vec[4],
                inout("xmm5") vec[5],
                inout("xmm6") vec[6],
                inout("xmm7") vec[7],
            );
        }
    } else {
        // SAFETY: as above.
        unsafe { enter!(activation, entry_sp, code, int, status,) };
    }
    status as u32
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

/// Whether `pc` is trampoline code that runs on a wasm stack, where only the stack can overflow.
pub(crate) fn is_trampoline(pc: usize) -> bool {
    let call_host = call_host_address()..craneway_call_host_end as *const () as usize;
    let enter = craneway_enter_wasm_begin as *const () as usize
        ..craneway_enter_wasm_end as *const () as usize;
    // The copies and fills push nothing and stay inside: a fault there is ours, or of a file that
    // was cut off.
    call_host.contains(&pc) || enter.contains(&pc) || bulk::contains(pc)
}

/// Bytes of a host stub or thunk, and of its data.
pub(crate) const STUB_BYTES: usize = 16;
/// Bytes of a direct stub, and of its data: a cache line.
pub(crate) const DIRECT_STUB_BYTES: usize = 64;

/// `lea r11, [rip + CHUNK]; jmp [r11]`: the data entry `CHUNK` bytes behind the stub holds
/// `{ call_host, &HostFunc }`.
pub(crate) fn host_stub() -> Vec<u8> {
    let mut code = vec![0xcc; STUB_BYTES];
    code[..3].copy_from_slice(&[0x4c, 0x8d, 0x1d]);
    code[3..7].copy_from_slice(&(CHUNK as u32 - 7).to_le_bytes());
    code[7..10].copy_from_slice(&[0x41, 0xff, 0x23]);
    code
}

/// `mov rdi, [rip + CHUNK]; jmp [rip + CHUNK + 8]`: the data entry holds `{ vmctx, code }`.
pub(crate) fn thunk() -> Vec<u8> {
    let mut code = vec![0xcc; STUB_BYTES];
    code[..3].copy_from_slice(&[0x48, 0x8b, 0x3d]);
    code[3..7].copy_from_slice(&(CHUNK as u32 - 7).to_le_bytes());
    code[7..9].copy_from_slice(&[0xff, 0x25]);
    code[9..13].copy_from_slice(&(CHUNK as u32 + 8 - 13).to_le_bytes());
    code
}

/// The code of a direct stub: position-independent, so a copy of what was assembled.
pub(crate) fn direct_stub() -> Vec<u8> {
    let start = craneway_direct_stub as *const u8;
    let len = craneway_direct_stub_end as *const () as usize - start as usize;
    // SAFETY: the assembled template lies between its two labels and is readable.
    let template = unsafe { std::slice::from_raw_parts(start, len) };
    let mut code = template.to_vec();
    assert!(
        code.len() <= DIRECT_STUB_BYTES,
        "the template outgrew its slot"
    );
    code.resize(DIRECT_STUB_BYTES, 0xcc);
    code
}

/// What the direct stub at `stub` has instead of its indirect call if `target` is within reach: at
/// which offset, and the bytes: a prefix without effect, `call rel32`.
pub(crate) fn direct_call(stub: usize, target: usize) -> Option<(usize, [u8; 6])> {
    let offset =
        craneway_direct_call as *const () as usize - craneway_direct_stub as *const () as usize;
    let next = (stub + offset + 6) as i64;
    let [a, b, c, d] = i32::try_from(target as i64 - next).ok()?.to_le_bytes();
    Some((offset, [0x67, 0xe8, a, b, c, d]))
}

/// Where a direct stub goes when its shim does not return normally.
pub(crate) fn direct_exit_address() -> usize {
    craneway_direct_exit as *const () as usize
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
