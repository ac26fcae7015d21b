//! Copies and fills of short ranges of the caller's own memory, without leaving its stack.
//!
//! Calling the host costs as much as moving a kilobyte, and most ranges are much shorter. These run
//! as leaves on the wasm stack, in registers that the convention has dead after a call. Whatever is
//! not short, or not inside the memory, goes on to the host stub of the same builtin with its
//! arguments as they were: there is one place that traps.
//!
//! ```text
//!   bytes      how
//!   0 … 15     two pieces of 8, 4, 2 or 1 that meet or overlap
//!   16 … 32    two vectors
//!   33 … 64    four
//!   … 2048     64 a turn upwards, the last 64 held in registers from the start; downwards, and the
//!              first 64, where that would overwrite what is still to be read
//! ```

use craneway_jit::abi::{Builtin, VmLayout};
use std::arch::global_asm;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stub's data `{ call_host, &HostFunc }` that the code below can name.
#[repr(C)]
struct StubData([AtomicU64; 2]);

static COPY: StubData = StubData([const { AtomicU64::new(0) }; 2]);
static FILL: StubData = StubData([const { AtomicU64::new(0) }; 2]);

/// Longest range that is moved here, in bytes.
const SHORT: u32 = 2048;

global_asm!(
    r#"
    .p2align 6
    .globl craneway_memory_copy
    // rdi: vmctx, rsi: to, rdx: from, rcx: bytes; indices and bytes are below 2^32
craneway_memory_copy:
    mov rax, [rdi + {LENGTH}]
    lea r10, [rsi + rcx]
    lea r11, [rdx + rcx]
    cmp r10, rax
    ja 9f
    cmp r11, rax
    ja 9f
    lea r10, [rdi + rsi]
    lea r11, [rdi + rdx]
    cmp rcx, 16
    jb 3f
    cmp rcx, 32
    ja 2f
    movups xmm0, [r11]
    movups xmm1, [r11 + rcx - 16]
    movups [r10], xmm0
    movups [r10 + rcx - 16], xmm1
    ret
2:  cmp rcx, 64
    ja 6f
    movups xmm0, [r11]
    movups xmm1, [r11 + 16]
    movups xmm2, [r11 + rcx - 32]
    movups xmm3, [r11 + rcx - 16]
    movups [r10], xmm0
    movups [r10 + 16], xmm1
    movups [r10 + rcx - 32], xmm2
    movups [r10 + rcx - 16], xmm3
    ret
3:  cmp ecx, 8
    jb 4f
    mov rax, [r11]
    mov r11, [r11 + rcx - 8]
    mov [r10], rax
    mov [r10 + rcx - 8], r11
    ret
4:  cmp ecx, 4
    jb 5f
    mov eax, [r11]
    mov r11d, [r11 + rcx - 4]
    mov [r10], eax
    mov [r10 + rcx - 4], r11d
    ret
5:  test ecx, ecx
    jz 8f
    movzx eax, byte ptr [r11]
    movzx edx, byte ptr [r11 + rcx - 1]
    mov r8, rcx
    shr r8, 1
    movzx r9d, byte ptr [r11 + r8]
    mov [r10 + r8], r9b
    mov [r10 + rcx - 1], dl
    mov [r10], al
8:  ret
    // 65 and more: upwards, or downwards if the range starts within the one read.
6:  cmp rcx, {SHORT}
    ja 9f
    mov rax, r10
    sub rax, r11
    cmp rax, rcx
    jb 7f
    movups xmm4, [r11 + rcx - 64]
    movups xmm5, [r11 + rcx - 48]
    movups xmm6, [r11 + rcx - 32]
    movups xmm7, [r11 + rcx - 16]
    lea rax, [r10 + rcx - 64]
    .p2align 4
1:  movups xmm0, [r11]
    movups xmm1, [r11 + 16]
    movups xmm2, [r11 + 32]
    movups xmm3, [r11 + 48]
    movups [r10], xmm0
    movups [r10 + 16], xmm1
    movups [r10 + 32], xmm2
    movups [r10 + 48], xmm3
    add r11, 64
    add r10, 64
    cmp r10, rax
    jb 1b
    movups [rax], xmm4
    movups [rax + 16], xmm5
    movups [rax + 32], xmm6
    movups [rax + 48], xmm7
    ret
7:  movups xmm4, [r11]
    movups xmm5, [r11 + 16]
    movups xmm6, [r11 + 32]
    movups xmm7, [r11 + 48]
    .p2align 4
1:  movups xmm0, [r11 + rcx - 64]
    movups xmm1, [r11 + rcx - 48]
    movups xmm2, [r11 + rcx - 32]
    movups xmm3, [r11 + rcx - 16]
    movups [r10 + rcx - 64], xmm0
    movups [r10 + rcx - 48], xmm1
    movups [r10 + rcx - 32], xmm2
    movups [r10 + rcx - 16], xmm3
    sub rcx, 64
    cmp rcx, 64
    ja 1b
    movups [r10], xmm4
    movups [r10 + 16], xmm5
    movups [r10 + 32], xmm6
    movups [r10 + 48], xmm7
    ret
9:  lea r11, [rip + {COPY}]
    jmp craneway_call_host

    .p2align 6
    .globl craneway_memory_fill
    // rdi: vmctx, rsi: to, edx: the byte, rcx: bytes; index and bytes are below 2^32
craneway_memory_fill:
    mov rax, [rdi + {LENGTH}]
    lea r10, [rsi + rcx]
    cmp r10, rax
    ja 9f
    cmp rcx, {SHORT}
    ja 9f
    lea r10, [rdi + rsi]
    movzx edx, dl
    movabs rax, 0x0101010101010101
    imul rdx, rax
    cmp rcx, 16
    jb 3f
    movq xmm0, rdx
    punpcklqdq xmm0, xmm0
    lea rax, [r10 + rcx - 16]
    cmp rcx, 64
    jbe 2f
    .p2align 4
1:  movups [r10], xmm0
    movups [r10 + 16], xmm0
    movups [r10 + 32], xmm0
    movups [r10 + 48], xmm0
    add r10, 64
    lea r11, [r10 + 48]
    cmp r11, rax
    jb 1b
2:  cmp r10, rax
    jae 7f
    movups [r10], xmm0
    add r10, 16
    jmp 2b
7:  movups [rax], xmm0
    ret
3:  cmp ecx, 8
    jb 4f
    mov [r10], rdx
    mov [r10 + rcx - 8], rdx
    ret
4:  cmp ecx, 4
    jb 5f
    mov [r10], edx
    mov [r10 + rcx - 4], edx
    ret
5:  test ecx, ecx
    jz 8f
    mov [r10], dl
    mov [r10 + rcx - 1], dl
    shr ecx, 1
    mov [r10 + rcx], dl
8:  ret
9:  lea r11, [rip + {FILL}]
    jmp craneway_call_host
    .globl craneway_bulk_end
craneway_bulk_end:
"#,
    LENGTH = const VmLayout::MEMORY_LENGTH,
    SHORT = const SHORT,
    COPY = sym COPY,
    FILL = sym FILL,
);

unsafe extern "C" {
    fn craneway_memory_copy();
    fn craneway_memory_fill();
    fn craneway_bulk_end();
}

/// Whether `pc` lies in the code above.
pub(super) fn contains(pc: usize) -> bool {
    let start = craneway_memory_copy as *const () as usize;
    (start..craneway_bulk_end as *const () as usize).contains(&pc)
}

/// The quick entry of a builtin that has one; `func` is the address of its host function, which
/// gets what is not quick.
pub(crate) fn quick_entry(builtin: Builtin, func: usize) -> Option<usize> {
    let (data, code) = match builtin {
        Builtin::MemoryCopyDirect => (&COPY, craneway_memory_copy as *const ()),
        Builtin::MemoryFillDirect => (&FILL, craneway_memory_fill as *const ()),
        _ => return None,
    };
    data.0[0].store(super::call_host_address() as u64, Ordering::Relaxed);
    data.0[1].store(func as u64, Ordering::Release);
    Some(code as usize)
}
