//! The runtime's functions that generated code calls: name, parameters, result, each declared once.
//!
//! A builtin's address lies in S at [`VmLayout::builtin`](super::VmLayout::builtin); generated code
//! loads it and calls it with the wasm convention, the caller's vmctx first. Every builtin is a
//! host stub, so it runs on the thread's own stack. One that traps does not return.

/// Type of a builtin's parameter or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer or address.
    I64,
    /// A 32-bit handle to a collected reference.
    Handle,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident $text:literal ($($p:ident: $ty:ident),*) $(-> $ret:ident)?;)*) => {
        /// A builtin function; the discriminant is its index in the table in S.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Builtin { $($(#[$doc])* $name,)* }

        impl Builtin {
            /// All builtins, in table order.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name),*];

            /// The name, for listings.
            pub fn name(self) -> &'static str {
                match self { $(Builtin::$name => $text,)* }
            }

            /// Parameter types after the vmctx.
            pub fn params(self) -> &'static [BuiltinType] {
                match self { $(Builtin::$name => &[$(BuiltinType::$ty),*],)* }
            }

            /// Result type, if it returns one.
            pub fn result(self) -> Option<BuiltinType> {
                match self { $(Builtin::$name => builtins!(@ret $($ret)?),)* }
            }
        }
    };
    (@ret) => { None };
    (@ret $ret:ident) => { Some(BuiltinType::$ret) };
}

builtins! {
    /// `memory.grow`: old size in pages, or -1 (as a 64-bit number whatever the index type).
    MemoryGrow "memory_grow" (memory: I32, delta: I64) -> I64;
    /// `memory.copy`.
    MemoryCopy "memory_copy" (dst_memory: I32, src_memory: I32, dst: I64, src: I64, len: I64);
    /// `memory.copy` within the memory that vmctx is the base of, quick for short ranges.
    MemoryCopyDirect "memory_copy_direct" (dst: I64, src: I64, len: I64);
    /// `memory.fill`.
    MemoryFill "memory_fill" (memory: I32, dst: I64, value: I32, len: I64);
    /// `memory.fill` of the memory that vmctx is the base of, quick for short ranges.
    MemoryFillDirect "memory_fill_direct" (dst: I64, value: I32, len: I64);
    /// `memory.init`.
    MemoryInit "memory_init" (memory: I32, segment: I32, dst: I64, src: I32, len: I32);
    /// `data.drop`.
    DataDrop "data_drop" (segment: I32);
    /// `table.get` of a funcref whose record is not materialised yet, or of a fixed table.
    TableGetFunc "table_get_func" (table: I32, index: I64) -> I64;
    /// `table.set` of a funcref (the inline path never writes entries itself).
    TableSetFunc "table_set_func" (table: I32, index: I64, record: I64);
    /// `table.grow`: old size or -1; `init` is a record address or a zero-extended handle.
    TableGrow "table_grow" (table: I32, delta: I64, init: I64) -> I64;
    /// `table.fill`; `value` as for `table_grow`.
    TableFill "table_fill" (table: I32, index: I64, value: I64, len: I64);
    /// `table.copy`.
    TableCopy "table_copy" (dst_table: I32, src_table: I32, dst: I64, src: I64, len: I64);
    /// `table.init`.
    TableInit "table_init" (table: I32, segment: I32, dst: I64, src: I32, len: I32);
    /// `elem.drop`.
    ElemDrop "elem_drop" (segment: I32);
    /// `ref.func`: the address of the function's record, made at its first escape.
    RefFunc "ref_func" (function: I32) -> I64;
    /// The one cold path behind an indirect call's signature compare: initialises a pristine
    /// element and returns its code, or traps (null, or another signature).
    IndirectMiss "indirect_miss" (table: I32, index: I64, type_index: I32) -> I64;
    /// `throw`: `payload` points at the arguments, one 16-byte slot each. Does not return.
    Throw "throw" (tag: I32, payload: I64);
    /// `throw_ref` of a handle that is not null. Does not return.
    ThrowRef "throw_ref" (exn: Handle);
    /// Copies the arguments of a caught exception to `out`, one 16-byte slot each.
    ExnPayload "exn_payload" (exn: Handle, out: I64);
    /// `memory.atomic.notify` on an effective address.
    AtomicNotify "memory_atomic_notify" (memory: I32, address: I64, count: I32) -> I32;
    /// `memory.atomic.wait32`.
    AtomicWait32 "memory_atomic_wait32" (memory: I32, address: I64, expected: I32, timeout: I64) -> I32;
    /// `memory.atomic.wait64`.
    AtomicWait64 "memory_atomic_wait64" (memory: I32, address: I64, expected: I64, timeout: I64) -> I32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_order_is_the_discriminant_and_all_fit_in_registers() {
        for (i, b) in Builtin::ALL.iter().enumerate() {
            assert_eq!(*b as usize, i);
            assert!(
                b.params().len() < super::super::INT_ARGS,
                "{} needs stack arguments",
                b.name()
            );
        }
    }
}
