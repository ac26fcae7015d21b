//! Memory that is filled and copied, by numbers of bytes that the compiler knows or does not.

use wasm_encoder::Instruction as I;

use super::Ty;
use super::body::Body;

/// Numbers of bytes: those between which code in place differs, and those around them.
const LENGTHS: [u32; 27] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65, 100, 127, 128,
    129, 160,
];

impl Body<'_> {
    /// Small parts of memory are filled or copied, often onto themselves.
    pub(super) fn bulk(&mut self) {
        let memory = self.some_memory();
        let length = if self.rng.once_in(2) {
            self.mark("fill or copy of a known length");
            Some(self.rng.pick(&LENGTHS))
        } else {
            None
        };
        if let Some(length) = length.filter(|_| self.rng.once_in(12)) {
            self.at_end(memory, length);
        } else {
            let sum = self.sum();
            self.emit_sum(&sum, sum.constant());
            self.extend(memory);
        }
        if self.rng.once_in(2) {
            self.expr(Ty::I32, 1);
            self.length(memory, length);
            return self.emit(I::MemoryFill(memory));
        }
        let wide = self.shape.memories[memory as usize].wide;
        let other = self.rng.below(self.shape.memories.len() as u64) as u32;
        let from = if self.shape.memories[other as usize].wide == wide {
            other
        } else {
            memory
        };
        let sum = self.sum();
        let more = self.rng.pick(&[0, 1, 4, 15, 16, 17]);
        self.emit_sum(&sum, sum.constant().wrapping_add(more));
        self.extend(from);
        self.length(memory, length);
        self.emit(I::MemoryCopy {
            src_mem: from,
            dst_mem: memory,
        });
    }

    fn length(&mut self, memory: u32, known: Option<u32>) {
        match known {
            Some(length) => self.emit(I::I32Const(length as i32)),
            None => {
                self.expr(Ty::I32, 1);
                self.emit(I::I32Const(31));
                self.emit(I::I32And);
            }
        }
        // A constant stays one.
        match (known, self.shape.memories[memory as usize].wide) {
            (Some(length), true) => {
                self.code.pop();
                self.emit(I::I64Const(i64::from(length)));
            }
            _ => self.extend(memory),
        }
    }

    /// An address from which so many bytes end with the memory as it starts, or one byte behind it.
    fn at_end(&mut self, memory: u32, length: u32) {
        let size = self.shape.memories[memory as usize].pages as u32 * 65536;
        let beyond = u32::from(self.rng.once_in(3));
        self.emit(I::I32Const((size - length + beyond) as i32));
        self.extend(memory);
    }
}
