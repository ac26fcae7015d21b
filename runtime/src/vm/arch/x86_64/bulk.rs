//! Copies and fills of ranges of the caller's own memory, without leaving its stack.
//!
//! Calling the host costs as much as moving two kilobytes, and most ranges are much shorter. These
//! run as leaves on the wasm stack, in registers that the convention has dead after a call. Whatever
//! is long, or not inside the memory, goes on to the host stub of the same builtin with its
//! arguments as they were: there is one place that traps, and what runs here ends soon.
//!
//! ```text
//!   bytes      how
//!   0 … 15     two pieces of 8, 4, 2 or 1 that meet or overlap
//!   16 … 32    two vectors
//!   33 … 64    four
//!   … 511      64 a turn upwards, the last 64 held in registers from the start; downwards, and the
//!              first 64, where that would overwrite what is still to be read
//!   … longest  the same with wider vectors, four a turn, if the CPU has them
//! ```
//! What is longest depends on the vectors: it is where the host's copy, call and all, is faster.

use craneway_jit::abi::{Builtin, VmLayout};
use std::arch::global_asm;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A stub's data `{ call_host, &HostFunc }` that the code below can name.
#[repr(C)]
struct StubData([AtomicU64; 2]);

static COPY: StubData = StubData([const { AtomicU64::new(0) }; 2]);
static FILL: StubData = StubData([const { AtomicU64::new(0) }; 2]);

/// Longest range in bytes that vectors of 16 move although there are wider ones.
const SHORT: u32 = 511;
/// Longest ranges that vectors of 16 bytes move, and of 32.
const MOST_16: u32 = 2 << 10;
const MOST_32: u32 = 8 << 10;
/// Longest copy and fill that vectors of 64 bytes do.
const COPY_64: u32 = 64 << 10;
const FILL_64: u32 = 32 << 10;

/// Bytes of the widest vectors that pay on this CPU; 16 until a builtin has been asked for.
static WIDTH: AtomicU8 = AtomicU8::new(16);

fn width() -> u8 {
    // Older CPUs with vectors of 64 bytes slow down for them.
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vbmi2") {
        64
    } else if is_x86_feature_detected!("avx") {
        32
    } else {
        16
    }
}

global_asm!(
    r#"
    // More than {SHORT} bytes by vectors \v of \w bytes. r10: to, r11: from, rax: to - from, rcx: bytes.
    // Loops write aligned, because a write across lines costs two; both ends, which are held from
    // the start, complete what they leave.
    .macro craneway_move_wide v, w
    cmp rax, rcx
    jb 30f
    vmovups \v\()4, [r11 + rcx - 4 * \w]
    vmovups \v\()5, [r11 + rcx - 3 * \w]
    vmovups \v\()6, [r11 + rcx - 2 * \w]
    vmovups \v\()7, [r11 + rcx - \w]
    vmovups \v\()8, [r11]
    lea rdx, [r10 + rcx - 4 * \w]
    lea r8, [r10 + \w]
    and r8, -\w
    sub r11, r10
    add r11, r8
    .p2align 5
31: vmovups \v\()0, [r11]
    vmovups \v\()1, [r11 + \w]
    vmovups \v\()2, [r11 + 2 * \w]
    vmovups \v\()3, [r11 + 3 * \w]
    add r11, 4 * \w
    vmovaps [r8], \v\()0
    vmovaps [r8 + \w], \v\()1
    vmovaps [r8 + 2 * \w], \v\()2
    vmovaps [r8 + 3 * \w], \v\()3
    add r8, 4 * \w
    cmp r8, rdx
    jb 31b
    vmovups [rdx], \v\()4
    vmovups [rdx + \w], \v\()5
    vmovups [rdx + 2 * \w], \v\()6
    vmovups [rdx + 3 * \w], \v\()7
    vmovups [r10], \v\()8
    .if \w == 32
    vzeroupper
    .endif
    ret
30: test rax, rax
    jz 32f
    vmovups \v\()4, [r11]
    vmovups \v\()5, [r11 + \w]
    vmovups \v\()6, [r11 + 2 * \w]
    vmovups \v\()7, [r11 + 3 * \w]
    vmovups \v\()8, [r11 + rcx - \w]
    lea rdx, [r10 + rcx - \w]
    lea r8, [r10 + rcx - 1]
    and r8, -\w
    sub r11, r10
    add r11, r8
    lea rcx, [r10 + 4 * \w]
    .p2align 5
31: vmovups \v\()0, [r11 - \w]
    vmovups \v\()1, [r11 - 2 * \w]
    vmovups \v\()2, [r11 - 3 * \w]
    vmovups \v\()3, [r11 - 4 * \w]
    sub r11, 4 * \w
    vmovaps [r8 - \w], \v\()0
    vmovaps [r8 - 2 * \w], \v\()1
    vmovaps [r8 - 3 * \w], \v\()2
    vmovaps [r8 - 4 * \w], \v\()3
    sub r8, 4 * \w
    cmp r8, rcx
    ja 31b
    vmovups [r10], \v\()4
    vmovups [r10 + \w], \v\()5
    vmovups [r10 + 2 * \w], \v\()6
    vmovups [r10 + 3 * \w], \v\()7
    vmovups [rdx], \v\()8
    .if \w == 32
    vzeroupper
    .endif
32: ret
    .endm

    // The same for fills, with the byte in all of \v\()0. r10: to, rcx: bytes.
    .macro craneway_fill_wide v, w
    lea rax, [r10 + rcx - 4 * \w]
    vmovups [r10], \v\()0
    add r10, \w
    and r10, -\w
    .p2align 5
31: vmovaps [r10], \v\()0
    vmovaps [r10 + \w], \v\()0
    vmovaps [r10 + 2 * \w], \v\()0
    vmovaps [r10 + 3 * \w], \v\()0
    add r10, 4 * \w
    cmp r10, rax
    jb 31b
    vmovups [rax], \v\()0
    vmovups [rax + \w], \v\()0
    vmovups [rax + 2 * \w], \v\()0
    vmovups [rax + 3 * \w], \v\()0
    .if \w == 32
    vzeroupper
    .endif
    ret
    .endm

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
6:  mov rax, r10
    sub rax, r11
    cmp rcx, {SHORT}
    ja 20f
21: cmp rax, rcx
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
20: cmp byte ptr [rip + {WIDTH}], 32
    jb 23f
    je 22f
    cmp rcx, {COPY_64}
    ja 9f
    // Vectors 16 and up leave nothing behind that slows other code down.
    craneway_move_wide zmm2, 64
22: cmp rcx, {MOST_32}
    ja 9f
    craneway_move_wide ymm, 32
23: cmp rcx, {MOST_16}
    jbe 21b
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
    lea r10, [rdi + rsi]
    movzx eax, dl
    movabs r11, 0x0101010101010101
    imul rax, r11
    cmp rcx, 16
    jb 3f
    cmp rcx, {SHORT}
    ja 20f
21: movq xmm0, rax
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
    mov [r10], rax
    mov [r10 + rcx - 8], rax
    ret
4:  cmp ecx, 4
    jb 5f
    mov [r10], eax
    mov [r10 + rcx - 4], eax
    ret
5:  test ecx, ecx
    jz 8f
    mov [r10], al
    mov [r10 + rcx - 1], al
    shr ecx, 1
    mov [r10 + rcx], al
8:  ret
20: cmp byte ptr [rip + {WIDTH}], 32
    jb 23f
    je 22f
    cmp rcx, {FILL_64}
    ja 9f
    vpbroadcastq zmm20, rax
    craneway_fill_wide zmm2, 64
22: cmp rcx, {MOST_32}
    ja 9f
    movq xmm0, rax
    punpcklqdq xmm0, xmm0
    vinsertf128 ymm0, ymm0, xmm0, 1
    craneway_fill_wide ymm, 32
23: cmp rcx, {MOST_16}
    jbe 21b
9:  lea r11, [rip + {FILL}]
    jmp craneway_call_host
    .globl craneway_bulk_end
craneway_bulk_end:
"#,
    LENGTH = const VmLayout::MEMORY_LENGTH,
    SHORT = const SHORT,
    MOST_16 = const MOST_16,
    MOST_32 = const MOST_32,
    COPY_64 = const COPY_64,
    FILL_64 = const FILL_64,
    WIDTH = sym WIDTH,
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
    WIDTH.store(width(), Ordering::Relaxed);
    data.0[0].store(super::call_host_address() as u64, Ordering::Relaxed);
    data.0[1].store(func as u64, Ordering::Release);
    Some(code as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: usize = 256;
    const PAGE: usize = 4096;

    /// A memory behind the one field that the code reads.
    struct Memory {
        words: Vec<u128>,
        model: Vec<u8>,
    }

    impl Memory {
        const BEFORE: usize = 4096;

        fn new(bytes: usize) -> Memory {
            let model: Vec<u8> = (0..bytes).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut words = vec![0_u128; (Self::BEFORE + bytes).div_ceil(16)];
            let start = words.as_mut_ptr().cast::<u8>();
            let length = Self::BEFORE as isize + VmLayout::MEMORY_LENGTH as isize;
            // SAFETY: field and bytes lie in the vector; the field is 8-byte aligned in it.
            unsafe {
                start.offset(length).cast::<u64>().write(bytes as u64);
                std::ptr::copy_nonoverlapping(model.as_ptr(), start.add(Self::BEFORE), bytes);
            }
            Memory { words, model }
        }

        fn vmctx(&mut self) -> *mut u8 {
            self.words
                .as_mut_ptr()
                .cast::<u8>()
                .wrapping_add(Self::BEFORE)
        }

        fn compare(&mut self, what: &str) {
            let len = self.model.len();
            // SAFETY: the bytes of the memory, which nothing writes meanwhile.
            let bytes = unsafe { std::slice::from_raw_parts(self.vmctx(), len) };
            assert!(bytes == self.model, "{what}");
        }

        fn copy(&mut self, to: usize, from: usize, len: usize) {
            // SAFETY: a leaf that keeps to the platform's convention and, since both ranges are
            // inside and no longer than what is done here, to the memory.
            unsafe {
                let code: extern "C" fn(*mut u8, u64, u64, u64) =
                    std::mem::transmute(craneway_memory_copy as *const ());
                code(self.vmctx(), to as u64, from as u64, len as u64);
            }
            self.model.copy_within(from..from + len, to);
            self.compare(&format!("{len} bytes from {from} to {to}"));
        }

        fn fill(&mut self, to: usize, byte: u32, len: usize) {
            // SAFETY: as above.
            unsafe {
                let code: extern "C" fn(*mut u8, u64, u32, u64) =
                    std::mem::transmute(craneway_memory_fill as *const ());
                code(self.vmctx(), to as u64, byte, len as u64);
            }
            self.model[to..to + len].fill(byte as u8);
            self.compare(&format!("{len} bytes at {to}"));
        }
    }

    #[test]
    fn all_widths_that_the_machine_has_move_the_same() {
        let most = |width| match width {
            16 => (MOST_16, MOST_16),
            32 => (MOST_32, MOST_32),
            _ => (COPY_64, FILL_64),
        };
        for width in [16, 32, 64].into_iter().filter(|w| *w <= width()) {
            // Others that run meanwhile may see any width.
            WIDTH.store(width, Ordering::Relaxed);
            let (copy, fill) = most(width);
            let lengths = [
                500,
                SHORT as usize,
                512,
                513,
                575,
                576,
                639,
                640,
                641,
                700,
                767,
                768,
            ];
            let lengths = lengths.into_iter().chain([769, 1023, 2047, 2048]);
            for len in lengths.chain([copy as usize - 1, copy as usize]) {
                let mut memory = Memory::new(2 * len + PAGE + 2 * MARGIN);
                let end = memory.model.len() - len;
                for distance in [
                    0,
                    1,
                    16,
                    31,
                    32,
                    33,
                    63,
                    64,
                    65,
                    130,
                    len - 1,
                    len,
                    len + PAGE,
                ] {
                    memory.copy(MARGIN + 1, MARGIN + 1 + distance, len);
                    memory.copy(MARGIN + distance, MARGIN, len);
                    memory.copy(end, end - distance, len);
                }
            }
            for len in [
                SHORT as usize,
                512,
                513,
                640,
                641,
                767,
                fill as usize - 1,
                fill as usize,
            ] {
                let mut memory = Memory::new(len + 3 * MARGIN);
                for at in (0..70).chain([2 * MARGIN, 3 * MARGIN]) {
                    memory.fill(at, 0x1234_5600 + at as u32, len);
                }
            }
        }
        WIDTH.store(width(), Ordering::Relaxed);
    }
}
